/* MEAN in int8 over one or two groups of neighbouring dimensions; four neighbouring results at a time where there are
 * as many. Over an image's rows, with or without its columns, also row by row into sums, so that no two rows need be
 * there at once. */
#ifndef SHOAL_MEAN_S8_H
#define SHOAL_MEAN_S8_H

#include "fixed_point.h"
#include "quad.h"
#include "rows.h"

/* The input as groups of dimensions, kept and reduced by turns. */
typedef struct {
    int32_t outer;
    int32_t reduced_0;
    int32_t middle;
    int32_t reduced_1;
    int32_t inner;
} mean_s8_shape;

/* `bias`: less zero point + 128 for every value of a sum; the multiplier holds the division. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t bias;
    int32_t multiplier;
    int32_t shift;
    int32_t zero_point;
} mean_s8_args;

/* `rows` of an image, each `pixels` of `channels` to be summed; `halves`: see sums_words in quad.h. */
typedef struct {
    int32_t rows;
    int32_t pixels;
    int32_t channels;
    int32_t halves;
} mean_s8_accumulate_shape;

/* `state`: how many rows it has seen, a word, then the sums. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t state;
    int32_t bias;
    int32_t multiplier;
    int32_t shift;
    int32_t zero_point;
} mean_s8_accumulate_args;

/* A sum of values + 128 to the output's value. */
SHOAL_INLINE int8_t mean_s8_result(uint32_t sum, int32_t bias, int32_t multiplier, int32_t shift, int32_t zero_point) {
    return saturate_s8(multiply_by_quantized_multiplier((int32_t)sum + bias, multiplier, shift) + zero_point);
}

SHOAL_INLINE void mean_s8(uint8_t *arena, const mean_s8_args *args, const mean_s8_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    const int32_t inner = shape->inner;
    const int32_t row = shape->middle * shape->reduced_1 * inner;
    const int32_t quads = inner % QUAD_CHANNELS == 0 ? inner : 0;
    for (int32_t o = 0; o < shape->outer; ++o) {
        for (int32_t m = 0; m < shape->middle; ++m) {
            const int8_t *first = input + o * shape->reduced_0 * row + m * shape->reduced_1 * inner;
            for (int32_t i = 0; i < quads; i += QUAD_CHANNELS) {
                uint32_t sums[QUAD_CHANNELS] = {0};
                for (int32_t r = 0; r < shape->reduced_0; ++r) {
                    quad_sum(sums, first + r * row + i, shape->reduced_1, inner);
                }
                for (int32_t k = 0; k < QUAD_CHANNELS; ++k) {
                    output[i + k] =
                        mean_s8_result(sums[k], args->bias, args->multiplier, args->shift, args->zero_point);
                }
            }
            for (int32_t i = quads; i < inner; ++i) {
                uint32_t sum = 0;
                for (int32_t r = 0; r < shape->reduced_0; ++r) {
                    sum += single_sum(first + r * row + i, shape->reduced_1, inner);
                }
                output[i] = mean_s8_result(sum, args->bias, args->multiplier, args->shift, args->zero_point);
            }
            output += inner;
        }
    }
}

/* One band of a kernel that accumulates, see rows.h. */
SHOAL_INLINE void mean_s8_accumulate_band(const input_rows *rows, int32_t y, span pixels, int8_t *output, void *state,
                                          const mean_s8_accumulate_args *args, const mean_s8_accumulate_shape *shape) {
    (void)pixels;
    uint32_t *seen = (uint32_t *)state;
    uint32_t *sums = seen + 1;
    sums_add(sums, input_row(rows, y), shape->pixels, shape->channels, shape->halves);
    if (++*seen == (uint32_t)shape->rows) {
        for (int32_t c = 0; c < shape->channels; ++c) {
            const uint32_t sum = sums_channel(sums, c, shape->halves);
            output[c] = mean_s8_result(sum, args->bias, args->multiplier, args->shift, args->zero_point);
        }
    }
}

SHOAL_INLINE void mean_s8_accumulate(uint8_t *arena, const mean_s8_accumulate_args *args,
                                     const mean_s8_accumulate_shape *shape) {
    const input_rows rows = {.base = (const int8_t *)(arena + args->input), .pitch = shape->pixels * shape->channels};
    const int32_t words = 1 + sums_words(shape->channels, shape->halves);
    memset(arena + args->state, 0, (size_t)words * sizeof(uint32_t));
    for (int32_t y = 0; y < shape->rows; ++y) {
        mean_s8_accumulate_band(&rows, y, (span){0, 1}, (int8_t *)(arena + args->output), arena + args->state, args,
                                shape);
    }
}

#endif
