/* Bytes to another scale, zero point or signedness, computed: smaller than a table, slower. */
#ifndef SHOAL_REQUANTIZE_8_H
#define SHOAL_REQUANTIZE_8_H

#include "fixed_point.h"
#include "kernel.h"

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

SHOAL_INLINE void requantize_8(uint8_t *arena, const requantize_8_args *args, const requantize_8_shape *shape) {
    const uint8_t *input = arena + args->input;
    uint8_t *output = arena + args->output;
    const requantize_8_shape s = *shape;
    const requantize_8_args a = *args;
    for (int32_t i = 0; i < s.count; ++i) {
        /* uint8 value - 128 and int8 value have bytes that differ in their top bit alone. */
        int32_t value = (int8_t)(input[i] ^ s.input_offset) + s.input_offset - a.input_zero_point;
        value = multiply_by_quantized_multiplier(value, a.multiplier, a.shift) + a.output_zero_point;
        output[i] = (uint8_t)(saturate_s8(value - s.output_offset) ^ s.output_offset);
    }
}

#endif
