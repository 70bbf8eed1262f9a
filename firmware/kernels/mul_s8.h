/* MUL in int8. Products are held four times as large, so that the high word of product * multiplier still has the bit
 * that decides the first of the two roundings; that rounding, the second one and the output's zero point are one
 * constant. */
#ifndef SHOAL_MUL_S8_H
#define SHOAL_MUL_S8_H

#include "broadcast.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

/* `left_shift`: 2 and the multiplier's own; `is_signed`: negative products round differently and are not clamped away;
 * `is_clamped`: the activation keeps less than int8. */
typedef struct {
    BROADCAST_SHAPE
    int32_t left_shift;
    int32_t shift;
    int32_t is_signed;
    int32_t is_clamped;
} mul_s8_shape;

typedef mul_s8_shape mul_s8_constant_shape;

/* `count` elements make a run. */
typedef struct {
    uint32_t input_0; /* a */
    uint32_t input_1; /* b */
    uint32_t output;
    int32_t count;
    int32_t zero_point_a;
    int32_t zero_point_b;
    int32_t multiplier;
    int32_t rounding;
    int32_t low;
    int32_t high;
} mul_s8_args;

/* The same with b in flash. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t count;
    int32_t zero_point_a;
    int32_t zero_point_b;
    int32_t multiplier;
    int32_t rounding;
    int32_t low;
    int32_t high;
    const int8_t *operand;
} mul_s8_constant_args;

/* One run: `count` products of a and b, each of which advances by its step. The output may be either of them. */
SHOAL_INLINE void mul_s8_run(const int8_t *a, const int8_t *b, int8_t *output, int32_t count, const mul_s8_args *args,
                             const mul_s8_shape *shape) {
    const int32_t zero_point_a = args->zero_point_a;
    const int32_t zero_point_b = args->zero_point_b;
    const int32_t multiplier = args->multiplier;
    const int32_t rounding = args->rounding;
    const int32_t low = args->low;
    const int32_t high = args->high;
    const int32_t first_a = a[0] - zero_point_a;
    const int32_t first_b = b[0] - zero_point_b;
    SHOAL_UNROLL(4)
    for (int32_t i = 0; i < count; ++i) {
        int32_t product = shape->a_step ? a[i] - zero_point_a : first_a;
        product *= shape->b_step ? b[i] - zero_point_b : first_b;
        int32_t shifted = product * (INT32_C(1) << shape->left_shift);
        int32_t value = (int32_t)(((int64_t)shifted * multiplier) >> 32) + rounding;
        value += shape->is_signed ? (product >> 31) * 2 : 0;
        value >>= shape->shift;
        output[i] = shape->is_clamped ? (int8_t)clamp(value, low, high) : saturate_s8(value);
    }
}

SHOAL_INLINE void mul_s8_runs(const int8_t *a, const int8_t *b, int8_t *output, const mul_s8_args *args,
                              const mul_s8_shape *shape) {
    FOR_EACH_RUN(shape, index_a, index_b) {
        mul_s8_run(a + index_a, b + index_b, output, args->count, args, shape);
        output += args->count;
    }
}

/* The elements of one row of output. */
SHOAL_INLINE void mul_s8_row(const int8_t *a, const int8_t *b, span elements, int8_t *output, const mul_s8_args *args,
                             const mul_s8_shape *shape) {
    int32_t at = 0;
    FOR_EACH_RUN(shape, index_a, index_b) {
        const span part = run_part(at, args->count, elements);
        if (part.first < part.last) {
            mul_s8_run(a + index_a + part.first * shape->a_step, b + index_b + part.first * shape->b_step, output,
                       part.last - part.first, args, shape);
            output += part.last - part.first;
        }
        at += args->count;
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void mul_s8_band(const input_rows *rows_0, const input_rows *rows_1, int32_t y, span elements,
                              int8_t *output, const mul_s8_args *args, const mul_s8_shape *shape) {
    mul_s8_row(input_row(rows_0, y), input_row(rows_1, y), elements, output, args, shape);
}

SHOAL_INLINE void mul_s8(uint8_t *arena, const mul_s8_args *args, const mul_s8_shape *shape) {
    const int8_t *a = (const int8_t *)(arena + args->input_0);
    const int8_t *b = (const int8_t *)(arena + args->input_1);
    mul_s8_runs(a, b, (int8_t *)(arena + args->output), args, shape);
}

/* What both forms share of their arguments. */
SHOAL_INLINE mul_s8_args mul_s8_shared(const mul_s8_constant_args *args) {
    return (mul_s8_args){.count = args->count,
                         .zero_point_a = args->zero_point_a,
                         .zero_point_b = args->zero_point_b,
                         .multiplier = args->multiplier,
                         .rounding = args->rounding,
                         .low = args->low,
                         .high = args->high};
}

SHOAL_INLINE void mul_s8_constant(uint8_t *arena, const mul_s8_constant_args *args,
                                  const mul_s8_constant_shape *shape) {
    const mul_s8_args shared = mul_s8_shared(args);
    mul_s8_runs((const int8_t *)(arena + args->input), args->operand, (int8_t *)(arena + args->output), &shared, shape);
}

/* One band, see rows.h; the constant has one row, which is every row's. */
SHOAL_INLINE void mul_s8_constant_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                       const mul_s8_constant_args *args, const mul_s8_constant_shape *shape) {
    const mul_s8_args shared = mul_s8_shared(args);
    mul_s8_row(input_row(rows, y), args->operand, elements, output, &shared, shape);
}

#endif
