/* DEQUANTIZE from int8 or uint8 to float32, by multiplication. */
#ifndef SHOAL_DEQUANTIZE_F32_H
#define SHOAL_DEQUANTIZE_F32_H

#include "kernel.h"
#include "rows.h"

/* `offset` is 0 for int8 and 128 for uint8. */
typedef struct {
    int32_t count;
    int32_t offset;
} dequantize_f32_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    float scale;
    int32_t zero_point;
} dequantize_f32_args;

/* One band, see rows.h. */
SHOAL_INLINE void dequantize_f32_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                      const dequantize_f32_args *args, const dequantize_f32_shape *shape) {
    const uint8_t *input = (const uint8_t *)input_row(rows, y) + elements.first;
    const int32_t count = elements.last - elements.first;
    const int32_t offset = shape->offset;
    const int32_t zero_point = args->zero_point;
    const float scale = args->scale;
    for (int32_t i = 0; i < count; ++i) {
        /* uint8 value - 128 and int8 value have bytes that differ in their top bit alone. */
        const int32_t value = (int8_t)(input[i] ^ offset) + offset - zero_point;
        const float real = scale * (float)value;
        memcpy(SHOAL_ALIGNED(output + 4 * i), &real, sizeof real);
    }
}

SHOAL_INLINE void dequantize_f32(uint8_t *arena, const dequantize_f32_args *args, const dequantize_f32_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    dequantize_f32_band(&whole, 0, (span){0, shape->count}, (int8_t *)(arena + args->output), args, shape);
}

#endif
