/* ADD and MUL in float32: two operands that broadcast against each other, of which one may be a constant. */
#ifndef SHOAL_BINARY_F32_H
#define SHOAL_BINARY_F32_H

#include "broadcast.h"
#include "float_32.h"
#include "kernel.h"
#include "rows.h"

/* `multiplies`: MUL, else ADD. */
typedef struct {
    BROADCAST_SHAPE
    int32_t multiplies;
} binary_f32_shape;

typedef binary_f32_shape binary_f32_constant_shape;

/* `count`: elements of a run. */
typedef struct {
    uint32_t input_0; /* a */
    uint32_t input_1; /* b */
    uint32_t output;
    int32_t count;
    float low;
    float high;
} binary_f32_args;

/* `operand`: b. */
typedef struct {
    uint32_t input; /* a */
    uint32_t output;
    int32_t count;
    float low;
    float high;
    const float *operand;
} binary_f32_constant_args;

/* `count` results of a and b, each of which advances by its step. The output may be either of them. */
SHOAL_INLINE void binary_f32_run(const float *a, const float *b, float *output, int32_t count, float low, float high,
                                 const binary_f32_shape *shape) {
    for (int32_t i = 0; i < count; ++i) {
        const float x = a[i * shape->a_step];
        const float y = b[i * shape->b_step];
        output[i] = clamp_f32(shape->multiplies ? x * y : x + y, low, high);
    }
}

SHOAL_INLINE void binary_f32_runs(const float *a, const float *b, float *output, int32_t count, float low, float high,
                                  const binary_f32_shape *shape) {
    FOR_EACH_RUN(shape, index_a, index_b) {
        binary_f32_run(a + index_a, b + index_b, output, count, low, high, shape);
        output += count;
    }
}

/* The elements of one row of output. */
SHOAL_INLINE void binary_f32_row(const float *a, const float *b, span elements, float *output, int32_t count, float low,
                                 float high, const binary_f32_shape *shape) {
    int32_t at = 0;
    FOR_EACH_RUN(shape, index_a, index_b) {
        const span part = run_part(at, count, elements);
        if (part.first < part.last) {
            binary_f32_run(a + index_a + part.first * shape->a_step, b + index_b + part.first * shape->b_step, output,
                           part.last - part.first, low, high, shape);
            output += part.last - part.first;
        }
        at += count;
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void binary_f32_band(const input_rows *rows_0, const input_rows *rows_1, int32_t y, span elements,
                                  int8_t *output, const binary_f32_args *args, const binary_f32_shape *shape) {
    binary_f32_row(floats_at(input_row(rows_0, y)), floats_at(input_row(rows_1, y)), elements, floats_to(output),
                   args->count, args->low, args->high, shape);
}

SHOAL_INLINE void binary_f32(uint8_t *arena, const binary_f32_args *args, const binary_f32_shape *shape) {
    binary_f32_runs(floats_at((const int8_t *)(arena + args->input_0)),
                    floats_at((const int8_t *)(arena + args->input_1)), floats_to((int8_t *)(arena + args->output)),
                    args->count, args->low, args->high, shape);
}

/* One band, see rows.h; the constant has one row, which is every row's. */
SHOAL_INLINE void binary_f32_constant_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                           const binary_f32_constant_args *args,
                                           const binary_f32_constant_shape *shape) {
    binary_f32_row(floats_at(input_row(rows, y)), args->operand, elements, floats_to(output), args->count, args->low,
                   args->high, shape);
}

SHOAL_INLINE void binary_f32_constant(uint8_t *arena, const binary_f32_constant_args *args,
                                      const binary_f32_constant_shape *shape) {
    binary_f32_runs(floats_at((const int8_t *)(arena + args->input)), args->operand,
                    floats_to((int8_t *)(arena + args->output)), args->count, args->low, args->high, shape);
}

#endif
