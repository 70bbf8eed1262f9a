/* FULLY_CONNECTED in int8 over an input that comes row by row, pure C: each row adds its products to int32 sums of all
 * outputs, so that no two rows need be there at once. The last one's sums become the output, which may lie over them.
 *
 * Weights lie as in fully_connected_sums_s8.h, all rows of a block together. */
#ifndef SHOAL_FULLY_CONNECTED_S8_ACCUMULATE_H
#define SHOAL_FULLY_CONNECTED_S8_ACCUMULATE_H

#include "fully_connected_sums_s8.h"
#include "rows.h"

/* The input is `rows` of `input_c`. `asymmetric`, `general`, `clamped`: see fully_connected_s8.h. */
typedef struct {
    int32_t rows;
    int32_t input_c;
    int32_t output_c;
    int32_t asymmetric;
    int32_t general;
    int32_t clamped;
} fully_connected_s8_accumulate_shape;

/* `state`: how many rows it has seen, a word, then the sums. Requantization as in fully_connected_s8.h. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t state;
    int32_t weights_zero_point;
    int32_t offset;
    int32_t low;
    int32_t high;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multipliers;
    const int8_t *shifts;
} fully_connected_s8_accumulate_args;

/* One band of a kernel that accumulates, see rows.h. */
SHOAL_INLINE void fully_connected_s8_accumulate_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                     void *state, const fully_connected_s8_accumulate_args *args,
                                                     const fully_connected_s8_accumulate_shape *shape) {
    (void)pixels;
    const int8_t *input = input_row(rows, y);
    uint32_t *seen = (uint32_t *)state;
    uint32_t *sums = seen + 1;
    uint32_t correction = 0;
    if (*seen == 0) {
        memcpy(sums, args->bias, (size_t)shape->output_c * sizeof *sums);
    }
    if (shape->asymmetric) {
        correction = fully_connected_sums_s8_correction(input, shape->input_c, args->weights_zero_point);
    }
    const int32_t row = shape->input_c * FULLY_CONNECTED_S8_EIGHT;
    fully_connected_sums_s8_add(sums, input, args->weights + y * row, shape->input_c, shape->rows * row,
                                shape->output_c, correction);
    if (++*seen == (uint32_t)shape->rows) {
        for (int32_t c = 0; c < shape->output_c; ++c) {
            const int32_t value =
                requantize_sum(sums[c], args->multipliers[c], args->shifts[c], args->offset, shape->general);
            output[c] = shape->clamped ? (int8_t)clamp(value, args->low, args->high) : saturate_s8(value);
        }
    }
}

SHOAL_INLINE void fully_connected_s8_accumulate(uint8_t *arena, const fully_connected_s8_accumulate_args *args,
                                                const fully_connected_s8_accumulate_shape *shape) {
    const input_rows rows = {.base = (const int8_t *)(arena + args->input), .pitch = shape->input_c};
    memset(arena + args->state, 0, sizeof(uint32_t));
    for (int32_t y = 0; y < shape->rows; ++y) {
        fully_connected_s8_accumulate_band(&rows, y, (span){0, shape->output_c}, (int8_t *)(arena + args->output),
                                           arena + args->state, args, shape);
    }
}

#endif
