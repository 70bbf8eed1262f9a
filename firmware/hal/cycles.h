/* A cycle counter of 64 bits over the core's of 32. */
#ifndef SHOAL_CYCLES_H
#define SHOAL_CYCLES_H

#include "hal.h"

typedef struct {
    uint32_t last;
    uint64_t total;
} hal_cycle_count;

/* Cycles since the start; to be called at least once per wrap of the core's counter, whose value now is `now`. */
static inline __attribute__((always_inline)) uint64_t cycles_extend(hal_cycle_count *count, uint32_t now) {
    count->total += now - count->last;
    count->last = now;
    return count->total;
}

#endif
