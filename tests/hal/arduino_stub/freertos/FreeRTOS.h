#ifndef FREERTOS_STUB_H
#define FREERTOS_STUB_H

#include <stdint.h>

#define configTICK_RATE_HZ 1000u

typedef uint32_t TickType_t;

#endif
