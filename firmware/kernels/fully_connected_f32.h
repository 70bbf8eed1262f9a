/* FULLY_CONNECTED in float32, pure C: four outputs at a time. Weights lie in blocks of four outputs,
 * [block][inputs][4], missing outputs zero. */
#ifndef SHOAL_FULLY_CONNECTED_F32_H
#define SHOAL_FULLY_CONNECTED_F32_H

#include "float_32.h"
#include "kernel.h"

enum {
    FULLY_CONNECTED_F32_BLOCK = 4 /* outputs */
};

typedef struct {
    int32_t batches;
    int32_t input_c;
    int32_t output_c;
} fully_connected_f32_shape;

/* `bias`: one per output, in blocks as the weights are. */
typedef struct {
    uint32_t input;
    uint32_t output;
    float low;
    float high;
    const float *weights;
    const float *bias;
} fully_connected_f32_args;

/* By either kind of weights: see weight_at for `halves`. */
SHOAL_INLINE void fully_connected_f32_rows(const float *input, float *output, const void *weights, const float *bias,
                                           float low, float high, int32_t halves,
                                           const fully_connected_f32_shape *shape) {
    for (int32_t n = 0; n < shape->batches; ++n) {
        int32_t weight = 0;
        for (int32_t first = 0; first < shape->output_c; first += FULLY_CONNECTED_F32_BLOCK) {
            const int32_t left = shape->output_c - first;
            const int32_t count = left < FULLY_CONNECTED_F32_BLOCK ? left : FULLY_CONNECTED_F32_BLOCK;
            float sums[FULLY_CONNECTED_F32_BLOCK] = {0.0f};
            for (int32_t i = 0; i < shape->input_c; ++i) {
                SHOAL_UNROLL(4)
                for (int32_t c = 0; c < FULLY_CONNECTED_F32_BLOCK; ++c) {
                    sums[c] += input[i] * weight_at(weights, weight + c, halves);
                }
                weight += FULLY_CONNECTED_F32_BLOCK;
            }
            for (int32_t c = 0; c < count; ++c) {
                output[first + c] = clamp_f32(sums[c] + bias[first + c], low, high);
            }
        }
        input += shape->input_c;
        output += shape->output_c;
    }
}

SHOAL_INLINE void fully_connected_f32(uint8_t *arena, const fully_connected_f32_args *args,
                                      const fully_connected_f32_shape *shape) {
    fully_connected_f32_rows(floats_at((const int8_t *)(arena + args->input)),
                             floats_to((int8_t *)(arena + args->output)), args->weights, args->bias, args->low,
                             args->high, 0, shape);
}

#endif
