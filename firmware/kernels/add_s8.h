/* ADD in int8: one operand's summands come from a table, the other's, which has the larger scale, from a shift.
 *
 * Sums are held four times as large, so that the high word of sum * multiplier still has the bit that decides the first
 * of the two roundings; that rounding, the second one and the output's zero point are one constant. */
#ifndef SHOAL_ADD_S8_H
#define SHOAL_ADD_S8_H

#include "broadcast.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

enum {
    ADD_S8_TURN = 4 /* sums in a turn of the loop */
};

/* `a` is the operand of the larger scale. `constant_first`: a is the constant, where there is one; `is_signed`:
 * negative sums round differently and are not clamped away; `is_clamped`: the activation keeps less than int8. */
typedef struct {
    BROADCAST_SHAPE
    int32_t constant_first;
    int32_t shift;
    int32_t is_signed;
    int32_t is_clamped;
} add_s8_shape;

typedef add_s8_shape add_s8_constant_shape;

/* `count` elements make a run; `table`: by b's byte, its summand less a's zero point. */
typedef struct {
    uint32_t input_0; /* a */
    uint32_t input_1; /* b */
    uint32_t output;
    int32_t count;
    int32_t multiplier;
    int32_t rounding;
    int32_t low;
    int32_t high;
    const int32_t *table;
} add_s8_args;

/* The same with one operand in flash. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t count;
    int32_t multiplier;
    int32_t rounding;
    int32_t low;
    int32_t high;
    const int8_t *operand;
    const int32_t *table;
} add_s8_constant_args;

/* One sum: a, as it is, and the summand of b. */
SHOAL_INLINE int8_t add_s8_element(int32_t a, int32_t summand, const add_s8_args *args, const add_s8_shape *shape) {
    const int32_t sum = a * (1 << 21) + summand;
    int32_t value = (int32_t)(((int64_t)sum * args->multiplier) >> 32) + args->rounding;
    value += shape->is_signed ? (sum >> 31) * 2 : 0;
    value >>= shape->shift;
    return shape->is_clamped ? (int8_t)clamp(value, args->low, args->high) : saturate_s8(value);
}

/* One run: `count` sums of a and b, each of which advances by its step. The output may be either of them. */
SHOAL_INLINE void add_s8_run(const int8_t *a, const int8_t *b, int8_t *output, int32_t count, const add_s8_args *args,
                             const add_s8_shape *shape) {
    const add_s8_args k = *args;
    const int32_t first_a = a[0];
    const int32_t first_b = k.table[(uint8_t)b[0]];
    SHOAL_UNROLL(1)
    for (; count >= ADD_S8_TURN; count -= ADD_S8_TURN) {
        SHOAL_UNROLL(4)
        for (int32_t i = 0; i < ADD_S8_TURN; ++i) {
            const int32_t summand = shape->b_step ? k.table[(uint8_t)b[i]] : first_b;
            output[i] = add_s8_element(shape->a_step ? a[i] : first_a, summand, &k, shape);
        }
        a += shape->a_step * ADD_S8_TURN;
        b += shape->b_step * ADD_S8_TURN;
        output += ADD_S8_TURN;
    }
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < count; ++i) {
        const int32_t summand = shape->b_step ? k.table[(uint8_t)b[i]] : first_b;
        output[i] = add_s8_element(shape->a_step ? a[i] : first_a, summand, &k, shape);
    }
}

SHOAL_INLINE void add_s8_runs(const int8_t *a, const int8_t *b, int8_t *output, const add_s8_args *args,
                              const add_s8_shape *shape) {
    FOR_EACH_RUN(shape, index_a, index_b) {
        add_s8_run(a + index_a, b + index_b, output, args->count, args, shape);
        output += args->count;
    }
}

/* The elements of one row of output. */
SHOAL_INLINE void add_s8_row(const int8_t *a, const int8_t *b, span elements, int8_t *output, const add_s8_args *args,
                             const add_s8_shape *shape) {
    int32_t at = 0;
    FOR_EACH_RUN(shape, index_a, index_b) {
        const span part = run_part(at, args->count, elements);
        if (part.first < part.last) {
            add_s8_run(a + index_a + part.first * shape->a_step, b + index_b + part.first * shape->b_step, output,
                       part.last - part.first, args, shape);
            output += part.last - part.first;
        }
        at += args->count;
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void add_s8_band(const input_rows *rows_0, const input_rows *rows_1, int32_t y, span elements,
                              int8_t *output, const add_s8_args *args, const add_s8_shape *shape) {
    add_s8_row(input_row(rows_0, y), input_row(rows_1, y), elements, output, args, shape);
}

SHOAL_INLINE void add_s8(uint8_t *arena, const add_s8_args *args, const add_s8_shape *shape) {
    const int8_t *a = (const int8_t *)(arena + args->input_0);
    const int8_t *b = (const int8_t *)(arena + args->input_1);
    add_s8_runs(a, b, (int8_t *)(arena + args->output), args, shape);
}

/* What both forms share of their arguments. */
SHOAL_INLINE add_s8_args add_s8_shared(const add_s8_constant_args *args) {
    return (add_s8_args){.count = args->count,
                         .multiplier = args->multiplier,
                         .rounding = args->rounding,
                         .low = args->low,
                         .high = args->high,
                         .table = args->table};
}

SHOAL_INLINE void add_s8_constant(uint8_t *arena, const add_s8_constant_args *args,
                                  const add_s8_constant_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    const int8_t *a = shape->constant_first ? args->operand : input;
    const int8_t *b = shape->constant_first ? input : args->operand;
    const add_s8_args shared = add_s8_shared(args);
    add_s8_runs(a, b, (int8_t *)(arena + args->output), &shared, shape);
}

/* One band, see rows.h; the constant has one row, which is every row's. */
SHOAL_INLINE void add_s8_constant_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                       const add_s8_constant_args *args, const add_s8_constant_shape *shape) {
    const int8_t *input = input_row(rows, y);
    const int8_t *a = shape->constant_first ? args->operand : input;
    const int8_t *b = shape->constant_first ? input : args->operand;
    const add_s8_args shared = add_s8_shared(args);
    add_s8_row(a, b, elements, output, &shared, shape);
}

#endif
