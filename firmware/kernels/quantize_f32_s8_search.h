/* QUANTIZE from float32 to int8 without float arithmetic: how many of 255 ascending thresholds a value reaches. Floats
 * are ordered as integers are once the negative ones are mirrored. */
#ifndef SHOAL_QUANTIZE_F32_S8_SEARCH_H
#define SHOAL_QUANTIZE_F32_S8_SEARCH_H

#include "kernel.h"
#include "rows.h"

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

/* One band, see rows.h. */
SHOAL_INLINE void quantize_f32_s8_search_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                              const quantize_f32_s8_search_args *args,
                                              const quantize_f32_s8_search_shape *shape) {
    (void)shape;
    const int8_t *input = input_row(rows, y) + 4 * elements.first;
    const int32_t *thresholds = args->thresholds;
    const int32_t zero_point = args->zero_point;
    const int32_t count = elements.last - elements.first;
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

SHOAL_INLINE void quantize_f32_s8_search(uint8_t *arena, const quantize_f32_s8_search_args *args,
                                         const quantize_f32_s8_search_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    quantize_f32_s8_search_band(&whole, 0, (span){0, shape->count}, (int8_t *)(arena + args->output), args, shape);
}

#endif
