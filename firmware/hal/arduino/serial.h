/* The part of this hal that is C++, since Arduino's serial ports are. */
#ifndef SHOAL_ARDUINO_SERIAL_H
#define SHOAL_ARDUINO_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `ring_bytes`: what each port receives while nobody looks. */
void serial_start(uint32_t ring_bytes);
int serial_get(unsigned port);
bool serial_put(unsigned port, uint8_t byte);
void serial_flush(unsigned port);

/* Whether a byte of any port waits to be fetched. */
bool serial_waiting(void);

/* Runs the firmware; Arduino's setup calls it. */
void harness_main(void);

#ifdef __cplusplus
}
#endif

#endif
