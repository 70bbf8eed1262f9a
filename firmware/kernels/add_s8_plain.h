/* ADD in int8 without a table, for any scales: both operands rescaled while the kernel runs.
 *
 * Every value to be rescaled is held four times as large, so that the high word of its product with a multiplier still
 * has the bit that decides the first of two roundings; both roundings are then one constant. */
#ifndef SHOAL_ADD_S8_PLAIN_H
#define SHOAL_ADD_S8_PLAIN_H

#include "broadcast.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

/* `a` is the operand of the larger scale; `constant_first`: it is the constant, where there is one. */
typedef struct {
    BROADCAST_SHAPE
    int32_t constant_first;
} add_s8_plain_shape;

typedef add_s8_plain_shape add_s8_plain_constant_shape;

/* `count` elements make a run. Of b's rescale and of the sum's: `down` is -2 where negative values round differently,
 * that is where anything is shifted out by the second rounding, else 0. */
typedef struct {
    uint32_t input_0; /* a */
    uint32_t input_1; /* b */
    uint32_t output;
    int32_t count;
    int32_t zero_point_a;
    int32_t zero_point_b;
    int32_t multiplier_b;
    int32_t rounding_b;
    int32_t down_b;
    int32_t shift_b;
    int32_t multiplier;
    int32_t rounding;
    int32_t down;
    int32_t shift;
    int32_t zero_point;
    int32_t low;
    int32_t high;
} add_s8_plain_args;

/* The same with one operand in flash. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t count;
    int32_t zero_point_a;
    int32_t zero_point_b;
    int32_t multiplier_b;
    int32_t rounding_b;
    int32_t down_b;
    int32_t shift_b;
    int32_t multiplier;
    int32_t rounding;
    int32_t down;
    int32_t shift;
    int32_t zero_point;
    int32_t low;
    int32_t high;
    const int8_t *operand;
} add_s8_plain_constant_args;

SHOAL_INLINE int32_t add_s8_plain_rescale(int32_t four_times, int32_t multiplier, int32_t rounding, int32_t down,
                                          int32_t shift) {
    int32_t high = (int32_t)(((int64_t)four_times * multiplier) >> 32);
    return (high + rounding + ((four_times >> 31) & down)) >> shift;
}

/* One run: `count` sums of a and b, each of which advances by its step. The output may be either of them. */
SHOAL_INLINE void add_s8_plain_run(const int8_t *a, const int8_t *b, int8_t *output, int32_t count,
                                   const add_s8_plain_args *args, const add_s8_plain_shape *shape) {
    const add_s8_plain_args k = *args;
    for (int32_t i = 0; i < count; ++i) {
        int32_t sum = (a[i * shape->a_step] - k.zero_point_a) * (1 << 21);
        int32_t other = (b[i * shape->b_step] - k.zero_point_b) * (1 << 22);
        sum += add_s8_plain_rescale(other, k.multiplier_b, k.rounding_b, k.down_b, k.shift_b) * 4;
        sum = add_s8_plain_rescale(sum, k.multiplier, k.rounding, k.down, k.shift) + k.zero_point;
        output[i] = (int8_t)clamp(sum, k.low, k.high);
    }
}

SHOAL_INLINE void add_s8_plain_runs(const int8_t *a, const int8_t *b, int8_t *output, const add_s8_plain_args *args,
                                    const add_s8_plain_shape *shape) {
    FOR_EACH_RUN(shape, index_a, index_b) {
        add_s8_plain_run(a + index_a, b + index_b, output, args->count, args, shape);
        output += args->count;
    }
}

/* The elements of one row of output. */
SHOAL_INLINE void add_s8_plain_row(const int8_t *a, const int8_t *b, span elements, int8_t *output,
                                   const add_s8_plain_args *args, const add_s8_plain_shape *shape) {
    int32_t at = 0;
    FOR_EACH_RUN(shape, index_a, index_b) {
        const span part = run_part(at, args->count, elements);
        if (part.first < part.last) {
            add_s8_plain_run(a + index_a + part.first * shape->a_step, b + index_b + part.first * shape->b_step, output,
                             part.last - part.first, args, shape);
            output += part.last - part.first;
        }
        at += args->count;
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void add_s8_plain_band(const input_rows *rows_0, const input_rows *rows_1, int32_t y, span elements,
                                    int8_t *output, const add_s8_plain_args *args, const add_s8_plain_shape *shape) {
    add_s8_plain_row(input_row(rows_0, y), input_row(rows_1, y), elements, output, args, shape);
}

SHOAL_INLINE void add_s8_plain(uint8_t *arena, const add_s8_plain_args *args, const add_s8_plain_shape *shape) {
    const int8_t *a = (const int8_t *)(arena + args->input_0);
    const int8_t *b = (const int8_t *)(arena + args->input_1);
    add_s8_plain_runs(a, b, (int8_t *)(arena + args->output), args, shape);
}

/* What both forms share of their arguments. */
SHOAL_INLINE add_s8_plain_args add_s8_plain_shared(const add_s8_plain_constant_args *args) {
    return (add_s8_plain_args){.count = args->count,
                               .zero_point_a = args->zero_point_a,
                               .zero_point_b = args->zero_point_b,
                               .multiplier_b = args->multiplier_b,
                               .rounding_b = args->rounding_b,
                               .down_b = args->down_b,
                               .shift_b = args->shift_b,
                               .multiplier = args->multiplier,
                               .rounding = args->rounding,
                               .down = args->down,
                               .shift = args->shift,
                               .zero_point = args->zero_point,
                               .low = args->low,
                               .high = args->high};
}

SHOAL_INLINE void add_s8_plain_constant(uint8_t *arena, const add_s8_plain_constant_args *args,
                                        const add_s8_plain_constant_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    const int8_t *a = shape->constant_first ? args->operand : input;
    const int8_t *b = shape->constant_first ? input : args->operand;
    const add_s8_plain_args shared = add_s8_plain_shared(args);
    add_s8_plain_runs(a, b, (int8_t *)(arena + args->output), &shared, shape);
}

/* One band, see rows.h; the constant has one row, which is every row's. */
SHOAL_INLINE void add_s8_plain_constant_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                             const add_s8_plain_constant_args *args,
                                             const add_s8_plain_constant_shape *shape) {
    const int8_t *input = input_row(rows, y);
    const int8_t *a = shape->constant_first ? args->operand : input;
    const int8_t *b = shape->constant_first ? input : args->operand;
    const add_s8_plain_args shared = add_s8_plain_shared(args);
    add_s8_plain_row(a, b, elements, output, &shared, shape);
}

#endif
