/* Float32 activations quantized while the model runs, for products by int8 weights: TensorFlow Lite's hybrid operators.
 * One image (or row) is quantized at a time, symmetrically or with a zero point, into scratch. */
#ifndef SHOAL_HYBRID_F32_H
#define SHOAL_HYBRID_F32_H

#include "float_32.h"
#include "kernel.h"

/* real = scale * (quantized - zero_point). */
typedef struct {
    float scale;
    int32_t zero_point;
} hybrid_f32_scale;

/* The nearest whole number, halves away from zero. */
SHOAL_INLINE int32_t hybrid_f32_round(float x) {
    return (int32_t)(x < 0.0f ? x - 0.5f : x + 0.5f);
}

SHOAL_INLINE int8_t hybrid_f32_clamp(int32_t x, int32_t low) {
    return (int8_t)(x < low ? low : x > INT8_MAX ? INT8_MAX : x);
}

/* Quantizes `count` values so that their range, and zero, is kept: symmetrically to -127..127, or all of int8 with the
 * zero point that keeps zero exact and moves the nearer end least. */
SHOAL_INLINE hybrid_f32_scale hybrid_f32_quantize(const float *values, int8_t *quantized, int32_t count,
                                                  int32_t asymmetric) {
    float least = 0.0f;
    float most = 0.0f;
    for (int32_t i = 0; i < count; ++i) {
        least = values[i] < least ? values[i] : least;
        most = most < values[i] ? values[i] : most;
    }
    if (!(least < most)) {
        memset(quantized, 0, (size_t)count);
        return (hybrid_f32_scale){1.0f, 0};
    }
    if (!asymmetric) {
        const float largest = -least < most ? most : -least;
        const float turn = 127.0f / largest;
        for (int32_t i = 0; i < count; ++i) {
            quantized[i] = hybrid_f32_clamp(hybrid_f32_round(values[i] * turn), -127);
        }
        return (hybrid_f32_scale){largest / 127.0f, 0};
    }
    const float scale = (most - least) / 255.0f;
    const float below = -128.0f - least / scale;
    const float above = 127.0f - most / scale;
    const float error_below = 128.0f + (least < 0.0f ? -least : least) / scale;
    const float error_above = 127.0f + most / scale;
    const int32_t zero_point = hybrid_f32_round(error_below < error_above ? below : above);
    for (int32_t i = 0; i < count; ++i) {
        quantized[i] = hybrid_f32_clamp(zero_point + hybrid_f32_round(values[i] / scale), INT8_MIN);
    }
    return (hybrid_f32_scale){scale, zero_point};
}

#endif
