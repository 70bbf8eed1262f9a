/* Bytes to another scale, zero point or signedness, computed: smaller than a table, slower. */
#ifndef SHOAL_REQUANTIZE_8_H
#define SHOAL_REQUANTIZE_8_H

#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

/* Offsets are 0 for int8 and 128 for uint8. */
typedef struct {
    int32_t count;
    int32_t input_offset;
    int32_t output_offset;
} requantize_8_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t input_zero_point;
    int32_t output_zero_point;
    int32_t multiplier;
    int32_t shift;
} requantize_8_args;

/* One band, see rows.h. */
SHOAL_INLINE void requantize_8_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                    const requantize_8_args *args, const requantize_8_shape *shape) {
    const uint8_t *input = (const uint8_t *)input_row(rows, y) + elements.first;
    uint8_t *target = (uint8_t *)output;
    const requantize_8_shape s = *shape;
    const requantize_8_args a = *args;
    const int32_t count = elements.last - elements.first;
    for (int32_t i = 0; i < count; ++i) {
        /* uint8 value - 128 and int8 value have bytes that differ in their top bit alone. */
        int32_t value = (int8_t)(input[i] ^ s.input_offset) + s.input_offset - a.input_zero_point;
        value = multiply_by_quantized_multiplier(value, a.multiplier, a.shift) + a.output_zero_point;
        target[i] = (uint8_t)(saturate_s8(value - s.output_offset) ^ s.output_offset);
    }
}

SHOAL_INLINE void requantize_8(uint8_t *arena, const requantize_8_args *args, const requantize_8_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    requantize_8_band(&whole, 0, (span){0, shape->count}, (int8_t *)(arena + args->output), args, shape);
}

#endif
