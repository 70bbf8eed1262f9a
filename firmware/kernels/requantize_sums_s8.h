/* Int32 sums and a bias for each channel to int8, for any sums: they wrap. */
#ifndef SHOAL_REQUANTIZE_SUMS_S8_H
#define SHOAL_REQUANTIZE_SUMS_S8_H

#include "fixed_point.h"
#include "kernel.h"

typedef struct {
    int32_t batches;
    int32_t channels;
} requantize_sums_s8_shape;

/* `shifts` are TFLite's. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t zero_point;
    int32_t low;
    int32_t high;
    const int32_t *bias;
    const int32_t *multipliers;
    const int8_t *shifts;
} requantize_sums_s8_args;

SHOAL_INLINE void requantize_sums_s8(uint8_t *arena, const requantize_sums_s8_args *args,
                                     const requantize_sums_s8_shape *shape) {
    const uint32_t *sums = (const uint32_t *)(const void *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        for (int32_t c = 0; c < shape->channels; ++c) {
            const int32_t sum = (int32_t)(*sums++ + (uint32_t)args->bias[c]);
            const int32_t value = multiply_by_quantized_multiplier(sum, args->multipliers[c], args->shifts[c]);
            *output++ = (int8_t)clamp(value + args->zero_point, args->low, args->high);
        }
    }
}

#endif
