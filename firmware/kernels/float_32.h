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

/* A binary16 value; exact. */
SHOAL_INLINE float float_of_half(uint16_t half) {
#if defined(__ARM_FP) && (__ARM_FP & 2)
    const uint32_t bits = half;
    float in;
    float out;
    memcpy(&in, &bits, sizeof in);
    __asm__("vcvtb.f32.f16 %0, %1" : "=t"(out) : "t"(in));
    return out;
#else
    /* exponent and fraction where float32 has them, which is 2^112 times too small, and the sign; finite values only */
    const uint32_t bits = (uint32_t)(half & 0x7FFF) << 13 | (uint32_t)(half & 0x8000) << 16;
    float small;
    memcpy(&small, &bits, sizeof small);
    return small * 5.192296858534828e33f;
#endif
}

/* Weight i of an array of float32, or of binary16 where they are `halves`. */
SHOAL_INLINE float weight_at(const void *weights, int32_t i, int32_t halves) {
    return halves ? float_of_half(((const uint16_t *)weights)[i]) : ((const float *)weights)[i];
}

SHOAL_INLINE float *floats_to(int8_t *bytes) {
    return (float *)(void *)bytes;
}

#endif
