/* Any function of one byte, by a table of its 256 results. */
#ifndef SHOAL_LOOKUP_8_H
#define SHOAL_LOOKUP_8_H

#include "kernel.h"

typedef struct {
    int32_t count;
} lookup_8_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    const uint8_t *table;
} lookup_8_args;

SHOAL_INLINE void lookup_8(uint8_t *arena, const lookup_8_args *args, const lookup_8_shape *shape) {
    const uint8_t *input = arena + args->input;
    uint8_t *output = arena + args->output;
    const uint8_t *table = args->table;
    const int32_t count = shape->count;
    SHOAL_UNROLL(4)
    for (int32_t i = 0; i < count; ++i) {
        output[i] = table[input[i]];
    }
}

#endif
