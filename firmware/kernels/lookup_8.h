/* Any function of one byte, by a table of its 256 results. */
#ifndef SHOAL_LOOKUP_8_H
#define SHOAL_LOOKUP_8_H

#include "kernel.h"
#include "rows.h"

typedef struct {
    int32_t count;
} lookup_8_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    const uint8_t *table;
} lookup_8_args;

/* One band, see rows.h. */
SHOAL_INLINE void lookup_8_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                const lookup_8_args *args, const lookup_8_shape *shape) {
    (void)shape;
    const uint8_t *input = (const uint8_t *)input_row(rows, y) + elements.first;
    uint8_t *target = (uint8_t *)output;
    const uint8_t *table = args->table;
    const int32_t count = elements.last - elements.first;
    SHOAL_UNROLL(4)
    for (int32_t i = 0; i < count; ++i) {
        target[i] = table[input[i]];
    }
}

SHOAL_INLINE void lookup_8(uint8_t *arena, const lookup_8_args *args, const lookup_8_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    lookup_8_band(&whole, 0, (span){0, shape->count}, (int8_t *)(arena + args->output), args, shape);
}

#endif
