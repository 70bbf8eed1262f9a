/* As much of Arduino's and ESP-IDF's interface as the hal uses, to check its syntax and types without them. */
#ifndef ARDUINO_STUB_H
#define ARDUINO_STUB_H

#include <stddef.h>
#include <stdint.h>

#define SET_LOOP_TASK_STACK_SIZE(bytes)                                                                                \
    size_t getArduinoLoopTaskStackSize(void) {                                                                         \
        return bytes;                                                                                                  \
    }                                                                                                                  \
    static_assert(true, "")

void setup();
void loop();

#endif
