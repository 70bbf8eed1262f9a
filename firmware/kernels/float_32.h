/* What the kernels in float32 share. Sums are made in TensorFlow Lite Micro's order, and every product is rounded
 * before it is added: builds keep contraction off, so that all cores give the same bits. */
#ifndef SHOAL_FLOAT_32_H
#define SHOAL_FLOAT_32_H

#include "kernel.h"

/* x within [low, high]; a NaN stays one. */
SHOAL_INLINE float clamp_f32(float x, float low, float high) {
    x = x < low ? low : x;
    return high < x ? high : x;
}

/* The float32 values of bytes that the plan keeps at a multiple of four. */
SHOAL_INLINE const float *floats_at(const int8_t *bytes) {
    return (const float *)(const void *)bytes;
}

SHOAL_INLINE float *floats_to(int8_t *bytes) {
    return (float *)(void *)bytes;
}

#endif
