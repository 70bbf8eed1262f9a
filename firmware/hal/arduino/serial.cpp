#include "serial.h"

#include <Arduino.h>
#include <HardwareSerial.h>

static HardwareSerial ports[SHOAL_UARTS] = {
    HardwareSerial(SHOAL_UART0_NUMBER),
#if SHOAL_UARTS > 1
    HardwareSerial(SHOAL_UART1_NUMBER),
#endif
};

SET_LOOP_TASK_STACK_SIZE(SHOAL_STACK_BYTES);

void serial_start(uint32_t ring_bytes) {
    for (HardwareSerial &port : ports) {
        port.setRxBufferSize(ring_bytes);
    }
    ports[0].begin(SHOAL_UART0_BAUD, SERIAL_8N1, SHOAL_UART0_RX_PIN, SHOAL_UART0_TX_PIN);
#if SHOAL_UARTS > 1
    ports[1].begin(SHOAL_UART1_BAUD, SERIAL_8N1, SHOAL_UART1_RX_PIN, SHOAL_UART1_TX_PIN);
#endif
}

int serial_get(unsigned port) {
    return ports[port].read();
}

bool serial_put(unsigned port, uint8_t byte) {
    return ports[port].write(byte) == 1;
}

void serial_flush(unsigned port) {
    ports[port].flush();
}

bool serial_waiting(void) {
    for (HardwareSerial &port : ports) {
        if (port.available() > 0) {
            return true;
        }
    }
    return false;
}

void setup() {
    harness_main();
}

void loop() {}
