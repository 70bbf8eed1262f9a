/* SOFTMAX in int8 of two classes: their distance alone decides what both become, which a table holds. */
#ifndef SHOAL_SOFTMAX_S8_PAIR_H
#define SHOAL_SOFTMAX_S8_PAIR_H

#include "kernel.h"
#include "rows.h"

typedef struct {
    int32_t pixels;
    int32_t table_length;
} softmax_s8_pair_shape;

/* `table`: by distance, the output of the larger input in the lower byte, of the smaller one in the upper; its last
 * entry stands for all beyond. */
typedef struct {
    uint32_t input;
    uint32_t output;
    const uint16_t *table;
} softmax_s8_pair_args;

/* One band, see rows.h. */
SHOAL_INLINE void softmax_s8_pair_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                       const softmax_s8_pair_args *args, const softmax_s8_pair_shape *shape) {
    const int8_t *input = input_row(rows, y) + pixels.first * 2;
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        const int32_t lead = input[0] - input[1];
        const int32_t distance = lead < 0 ? -lead : lead;
        const int32_t both = args->table[distance < shape->table_length ? distance : shape->table_length - 1];
        output[lead < 0] = (int8_t)both;
        output[lead >= 0] = (int8_t)(both >> 8);
        input += 2;
        output += 2;
    }
}

SHOAL_INLINE void softmax_s8_pair(uint8_t *arena, const softmax_s8_pair_args *args,
                                  const softmax_s8_pair_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    softmax_s8_pair_band(&whole, 0, (span){0, shape->pixels}, (int8_t *)(arena + args->output), args, shape);
}

#endif
