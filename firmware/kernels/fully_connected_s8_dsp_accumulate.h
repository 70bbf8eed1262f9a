/* FULLY_CONNECTED in int8 over an input that comes row by row, for cores with Arm's DSP extension: see
 * fully_connected_s8_accumulate.h. Rows are multiples of eight inputs; weights and sums lie as in
 * fully_connected_sums_s8_dsp.h, all rows of a block together. */
#ifndef SHOAL_FULLY_CONNECTED_S8_DSP_ACCUMULATE_H
#define SHOAL_FULLY_CONNECTED_S8_DSP_ACCUMULATE_H

#include "fully_connected_sums_s8_dsp.h"
#include "rows.h"

/* The input is `rows` of `input_c`. `clamped`: the activation keeps less than int8. */
typedef struct {
    int32_t rows;
    int32_t input_c;
    int32_t output_c;
    int32_t clamped;
} fully_connected_s8_dsp_accumulate_shape;

/* `state`: how many rows it has seen, a word, then the sums, blocks filled up to four as in `bias`. `shifts` are right
 * shifts - 1, `offset` is 2 * zero point + 1. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t state;
    int32_t offset;
    int32_t low;
    int32_t high;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multipliers;
    const int8_t *shifts;
} fully_connected_s8_dsp_accumulate_args;

/* One band of a kernel that accumulates, see rows.h. */
SHOAL_INLINE void fully_connected_s8_dsp_accumulate_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                         void *state,
                                                         const fully_connected_s8_dsp_accumulate_args *args,
                                                         const fully_connected_s8_dsp_accumulate_shape *shape) {
    (void)pixels;
    enum {
        BLOCK = FULLY_CONNECTED_SUMS_S8_DSP_BLOCK
    };
    uint32_t *seen = (uint32_t *)state;
    uint32_t *sums = seen + 1;
    const int32_t count = (shape->output_c + BLOCK - 1) / BLOCK * BLOCK;
    const int32_t rounds = shape->input_c / FULLY_CONNECTED_SUMS_S8_DSP_INPUTS;
    const int32_t row = rounds * FULLY_CONNECTED_SUMS_S8_DSP_BYTES;
    if (*seen == 0) {
        memcpy(sums, args->bias, (size_t)count * sizeof *sums);
    }
    fully_connected_sums_s8_dsp_tile tile = {.input = input_row(rows, y), .weights = args->weights + y * row};
    tile.sums = sums;
    tile.end = sums + count;
    tile.skipped = (shape->rows - 1) * row;
    tile.rounds = rounds;
    fully_connected_sums_s8_dsp_run(&tile);
    if (++*seen == (uint32_t)shape->rows) {
        for (int32_t c = 0; c < shape->output_c; c += 2) {
            const int32_t values[2] = {(int32_t)sums[c], fully_connected_sums_s8_dsp_second(sums + c)};
            for (int32_t k = 0; k < 2 && c + k < shape->output_c; ++k) {
                const int32_t value =
                    requantize(values[k], args->multipliers[c + k], args->shifts[c + k], args->offset);
                output[c + k] = shape->clamped ? (int8_t)clamp(value, args->low, args->high) : saturate_s8(value);
            }
        }
    }
}

SHOAL_INLINE void fully_connected_s8_dsp_accumulate(uint8_t *arena, const fully_connected_s8_dsp_accumulate_args *args,
                                                    const fully_connected_s8_dsp_accumulate_shape *shape) {
    const input_rows rows = {.base = (const int8_t *)(arena + args->input), .pitch = shape->input_c};
    memset(arena + args->state, 0, sizeof(uint32_t));
    for (int32_t y = 0; y < shape->rows; ++y) {
        fully_connected_s8_dsp_accumulate_band(&rows, y, (span){0, shape->output_c}, (int8_t *)(arena + args->output),
                                               arena + args->state, args, shape);
    }
}

#endif
