/* MEAN in int8 over one or two groups of neighbouring dimensions; four neighbouring results at a time where there are
 * as many. */
#ifndef SHOAL_MEAN_S8_H
#define SHOAL_MEAN_S8_H

#include "fixed_point.h"
#include "quad.h"

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

/* A sum of values + 128 to the output's value. */
SHOAL_INLINE int8_t mean_s8_result(uint32_t sum, const mean_s8_args *args) {
    const int32_t total = (int32_t)sum + args->bias;
    return saturate_s8(multiply_by_quantized_multiplier(total, args->multiplier, args->shift) + args->zero_point);
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
                    output[i + k] = mean_s8_result(sums[k], args);
                }
            }
            for (int32_t i = quads; i < inner; ++i) {
                uint32_t sum = 0;
                for (int32_t r = 0; r < shape->reduced_0; ++r) {
                    sum += single_sum(first + r * row + i, shape->reduced_1, inner);
                }
                output[i] = mean_s8_result(sum, args);
            }
            output += inner;
        }
    }
}

#endif
