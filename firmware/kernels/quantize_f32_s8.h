/* QUANTIZE from float32 to int8, by division: the quotient rounded half away from zero. Quotients that no int8 holds
 * saturate, and what is not a number becomes the zero point. */
#ifndef SHOAL_QUANTIZE_F32_S8_H
#define SHOAL_QUANTIZE_F32_S8_H

#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

typedef struct {
    int32_t count;
} quantize_f32_s8_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    float scale;
    int32_t zero_point;
} quantize_f32_s8_args;

/* One band, see rows.h. */
SHOAL_INLINE void quantize_f32_s8_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                       const quantize_f32_s8_args *args, const quantize_f32_s8_shape *shape) {
    (void)shape;
    const int8_t *input = input_row(rows, y) + 4 * elements.first;
    const int32_t count = elements.last - elements.first;
    const float scale = args->scale;
    const int32_t zero_point = args->zero_point;
    for (int32_t i = 0; i < count; ++i) {
        float value;
        memcpy(&value, SHOAL_ALIGNED(input + 4 * i), sizeof value);
        /* Twice the quotient is exact and its whole part has the bit that rounds. */
        float doubled = value / scale * 2.0F;
        int32_t whole = 0;
        if (doubled >= 1024.0F) {
            whole = 1024;
        } else if (doubled <= -1024.0F) {
            whole = -1024;
        } else if (doubled == doubled) {
            whole = (int32_t)doubled;
        }
        output[i] = saturate_s8(((whole + 1 + (whole >> 31)) >> 1) + zero_point);
    }
}

SHOAL_INLINE void quantize_f32_s8(uint8_t *arena, const quantize_f32_s8_args *args,
                                  const quantize_f32_s8_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    quantize_f32_s8_band(&whole, 0, (span){0, shape->count}, (int8_t *)(arena + args->output), args, shape);
}

#endif
