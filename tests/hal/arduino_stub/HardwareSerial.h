#ifndef HARDWARE_SERIAL_STUB_H
#define HARDWARE_SERIAL_STUB_H

#include <stddef.h>
#include <stdint.h>

#define SERIAL_8N1 0x800001c

class HardwareSerial {
  public:
    explicit HardwareSerial(int number);
    void begin(unsigned long baud, uint32_t config, int8_t rx, int8_t tx);
    size_t setRxBufferSize(size_t bytes);
    int available();
    int read();
    size_t write(uint8_t byte);
    void flush();
};

#endif
