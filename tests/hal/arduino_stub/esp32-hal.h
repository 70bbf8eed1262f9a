#ifndef ESP32_HAL_STUB_H
#define ESP32_HAL_STUB_H

#include <stdint.h>

#define LOW    0
#define HIGH   1
#define OUTPUT 3

void pinMode(uint8_t pin, uint8_t mode);
void digitalWrite(uint8_t pin, uint8_t level);
void delayMicroseconds(uint32_t microseconds);
uint32_t getCpuFrequencyMhz(void);
void enableLoopWDT(void);
void feedLoopWDT(void);

#endif
