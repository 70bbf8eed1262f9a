/* The exponential function in float32, the same bits on every core: x = n log 2 + r, a polynomial for exp(r) (Cephes'
 * expf, S. L. Moshier), and 2^n made of an exponent. Within two units of its last place; nothing below 2^-149. */
#ifndef SHOAL_EXP_F32_H
#define SHOAL_EXP_F32_H

#include "kernel.h"

/* 2^n for n from -126 to 127. */
SHOAL_INLINE float exp_f32_power(int32_t n) {
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

SHOAL_INLINE float exp_f32(float x) {
    if (x > 88.0f) {
        x = 88.0f; /* what is asked of it stays below */
    }
    if (!(x > -104.0f)) {
        return 0.0f;
    }
    const float turns = x * 1.44269504f;
    const int32_t n = (int32_t)(turns < 0.0f ? turns - 0.5f : turns + 0.5f);
    const float r = (x - (float)n * 0.693359375f) - (float)n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = (p * (r * r) + r) + 1.0f;
    const int32_t half = n / 2; /* in two steps, since 2^n may be subnormal */
    return p * exp_f32_power(half) * exp_f32_power(n - half);
}

#endif
