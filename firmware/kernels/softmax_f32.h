/* SOFTMAX in float32 along the last axis. */
#ifndef SHOAL_SOFTMAX_F32_H
#define SHOAL_SOFTMAX_F32_H

#include "exp_f32.h"
#include "float_32.h"
#include "kernel.h"
#include "rows.h"

typedef struct {
    int32_t pixels;
    int32_t depth;
} softmax_f32_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    float beta;
} softmax_f32_args;

/* One band, see rows.h. */
SHOAL_INLINE void softmax_f32_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                   const softmax_f32_args *args, const softmax_f32_shape *shape) {
    const int32_t depth = shape->depth;
    const float *input = floats_at(input_row(rows, y)) + pixels.first * depth;
    float *target = floats_to(output);
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        float largest = input[0];
        for (int32_t i = 1; i < depth; ++i) {
            largest = largest < input[i] ? input[i] : largest;
        }
        float sum = 0.0f;
        for (int32_t i = 0; i < depth; ++i) {
            const float power = exp_f32((input[i] - largest) * args->beta);
            target[i] = power;
            sum += power;
        }
        for (int32_t i = 0; i < depth; ++i) {
            target[i] = target[i] / sum;
        }
        input += depth;
        target += depth;
    }
}

SHOAL_INLINE void softmax_f32(uint8_t *arena, const softmax_f32_args *args, const softmax_f32_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    softmax_f32_band(&whole, 0, (span){0, shape->pixels}, (int8_t *)(arena + args->output), args, shape);
}

#endif
