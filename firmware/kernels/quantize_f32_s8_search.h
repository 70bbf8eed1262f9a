/* QUANTIZE from float32 to int8 without float arithmetic: how many of 255 ascending thresholds a value reaches. Floats
 * are ordered as integers are once the negative ones are mirrored. */
#ifndef SHOAL_QUANTIZE_F32_S8_SEARCH_H
#define SHOAL_QUANTIZE_F32_S8_SEARCH_H

#include "kernel.h"

typedef struct {
    int32_t count;
} quantize_f32_s8_search_shape;

/* `thresholds`: the mirrored bits of the least value that becomes -127, -126, ... 127. What is not a number becomes the
 * zero point. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t zero_point;
    const int32_t *thresholds;
} quantize_f32_s8_search_args;

SHOAL_INLINE void quantize_f32_s8_search(uint8_t *arena, const quantize_f32_s8_search_args *args,
                                         const quantize_f32_s8_search_shape *shape) {
    const uint8_t *input = arena + args->input;
    int8_t *output = (int8_t *)(arena + args->output);
    const int32_t *thresholds = args->thresholds;
    const int32_t zero_point = args->zero_point;
    const int32_t count = shape->count;
    for (int32_t i = 0; i < count; ++i) {
        const uint32_t bits = load_word(SHOAL_ALIGNED(input + 4 * i));
        const int32_t value = (int32_t)((bits >> 31) != 0U ? bits ^ UINT32_C(0x7FFFFFFF) : bits);
        const int32_t *reached = thresholds;
        SHOAL_UNROLL(8)
        for (int32_t step = 128; step > 0; step /= 2) {
            reached += reached[step - 1] <= value ? step : 0;
        }
        const int32_t result = (int32_t)(reached - thresholds) - 128;
        const int32_t is_number = (bits & UINT32_C(0x7FFFFFFF)) <= UINT32_C(0x7F800000);
        output[i] = (int8_t)(is_number ? result : zero_point);
    }
}

#endif
