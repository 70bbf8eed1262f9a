/* DEQUANTIZE from int8 or uint8 to float32, by a table of the 256 results: no float arithmetic. */
#ifndef SHOAL_DEQUANTIZE_F32_TABLE_H
#define SHOAL_DEQUANTIZE_F32_TABLE_H

#include "kernel.h"

typedef struct {
    int32_t count;
} dequantize_f32_table_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    const float *table; /* by the input's byte */
} dequantize_f32_table_args;

SHOAL_INLINE void dequantize_f32_table(uint8_t *arena, const dequantize_f32_table_args *args,
                                       const dequantize_f32_table_shape *shape) {
    const uint8_t *input = arena + args->input;
    uint8_t *output = arena + args->output;
    const float *table = args->table;
    const int32_t count = shape->count;
    SHOAL_UNROLL(4)
    for (int32_t i = 0; i < count; ++i) {
        memcpy(SHOAL_ALIGNED(output + 4 * i), &table[input[i]], sizeof(float));
    }
}

#endif
