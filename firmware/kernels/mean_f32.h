/* MEAN in float32 over one or two groups of neighbouring dimensions: sums in the order in which the values lie. */
#ifndef SHOAL_MEAN_F32_H
#define SHOAL_MEAN_F32_H

#include "float_32.h"
#include "kernel.h"

/* The input as groups of dimensions, kept and reduced by turns. */
typedef struct {
    int32_t outer;
    int32_t reduced_0;
    int32_t middle;
    int32_t reduced_1;
    int32_t inner;
} mean_f32_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
} mean_f32_args;

SHOAL_INLINE void mean_f32(uint8_t *arena, const mean_f32_args *args, const mean_f32_shape *shape) {
    const float *input = floats_at((const int8_t *)(arena + args->input));
    float *output = floats_to((int8_t *)(arena + args->output));
    const int32_t row = shape->middle * shape->reduced_1 * shape->inner;
    const float count = (float)(shape->reduced_0 * shape->reduced_1);
    for (int32_t o = 0; o < shape->outer; ++o) {
        for (int32_t m = 0; m < shape->middle; ++m) {
            for (int32_t i = 0; i < shape->inner; ++i) {
                const float *values = input + m * shape->reduced_1 * shape->inner + i;
                float sum = 0.0f;
                for (int32_t j = 0; j < shape->reduced_0; ++j) {
                    for (int32_t k = 0; k < shape->reduced_1; ++k) {
                        sum += values[j * row + k * shape->inner];
                    }
                }
                *output++ = sum / count;
            }
        }
        input += shape->reduced_0 * row;
    }
}

#endif
