/* DEQUANTIZE from int8 or uint8 to float32, by a table of the 256 results: no float arithmetic. */
#ifndef SHOAL_DEQUANTIZE_F32_TABLE_H
#define SHOAL_DEQUANTIZE_F32_TABLE_H

#include "kernel.h"
#include "rows.h"

typedef struct {
    int32_t count;
} dequantize_f32_table_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    const float *table; /* by the input's byte */
} dequantize_f32_table_args;

/* One band, see rows.h. */
SHOAL_INLINE void dequantize_f32_table_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                            const dequantize_f32_table_args *args,
                                            const dequantize_f32_table_shape *shape) {
    (void)shape;
    const uint8_t *input = (const uint8_t *)input_row(rows, y) + elements.first;
    const float *table = args->table;
    const int32_t count = elements.last - elements.first;
    SHOAL_UNROLL(4)
    for (int32_t i = 0; i < count; ++i) {
        memcpy(SHOAL_ALIGNED(output + 4 * i), &table[input[i]], sizeof(float));
    }
}

SHOAL_INLINE void dequantize_f32_table(uint8_t *arena, const dequantize_f32_table_args *args,
                                       const dequantize_f32_table_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    dequantize_f32_table_band(&whole, 0, (span){0, shape->count}, (int8_t *)(arena + args->output), args, shape);
}

#endif
