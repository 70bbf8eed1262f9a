/* One call of the model, measured: time by the core's counter, stack by painting. */
#ifndef SHOAL_MEASURE_H
#define SHOAL_MEASURE_H

#include "rows.h"

#include <stdint.h>

typedef struct {
    int code;             /* what the call returned */
    uint64_t cycles;      /* 0 without a counter */
    uint32_t stack;       /* bytes below the call */
    uint32_t stack_total; /* bytes of the whole stack, the most since the start */
} measurement;

/* Paints the stack below the caller. Call it once, early. */
void measure_start(void);

/* Runs the whole model, or its steps [first, last) where `last` is not 0, with the trigger pin up. Input and
 * output that travel in rows go over `rows`. */
measurement measure(unsigned first, unsigned last, row_link *rows);

/* Cycles of the run under way that the model did not take; for a shoal's node. */
void measure_aside(uint64_t cycles);

#endif
