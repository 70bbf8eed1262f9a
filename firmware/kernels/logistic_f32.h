/* LOGISTIC in float32: 1 / (1 + exp(-x)); beyond TensorFlow Lite's two cutoffs 1, or exp(x). */
#ifndef SHOAL_LOGISTIC_F32_H
#define SHOAL_LOGISTIC_F32_H

#include "exp_f32.h"
#include "float_32.h"
#include "kernel.h"
#include "rows.h"

#define LOGISTIC_F32_UPPER 16.619047164916992188f
#define LOGISTIC_F32_LOWER (-9.0f)

typedef struct {
    int32_t count;
} logistic_f32_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
} logistic_f32_args;

SHOAL_INLINE float logistic_f32_value(float x) {
    if (x > LOGISTIC_F32_UPPER) {
        return 1.0f;
    }
    const float power = exp_f32(x < LOGISTIC_F32_LOWER ? x : -x);
    return x < LOGISTIC_F32_LOWER ? power : 1.0f / (1.0f + power);
}

/* One band, see rows.h. */
SHOAL_INLINE void logistic_f32_band(const input_rows *rows, int32_t y, span elements, int8_t *output,
                                    const logistic_f32_args *args, const logistic_f32_shape *shape) {
    (void)args;
    (void)shape;
    const float *input = floats_at(input_row(rows, y)) + elements.first;
    float *target = floats_to(output);
    for (int32_t i = 0; i < elements.last - elements.first; ++i) {
        target[i] = logistic_f32_value(input[i]);
    }
}

SHOAL_INLINE void logistic_f32(uint8_t *arena, const logistic_f32_args *args, const logistic_f32_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    logistic_f32_band(&whole, 0, (span){0, shape->count}, (int8_t *)(arena + args->output), args, shape);
}

#endif
