/* TensorFlow Lite Micro's fixed-point arithmetic (gemmlowp, two roundings), in C that compiles to long multiplies.
 * Right shifts of negative values are arithmetic on every compiler that shoal supports. */
#ifndef SHOAL_FIXED_POINT_H
#define SHOAL_FIXED_POINT_H

#include "kernel.h"

SHOAL_INLINE int32_t clamp(int32_t value, int32_t low, int32_t high) {
    value = value < low ? low : value;
    return value > high ? high : value;
}

/* Compilers see the one instruction that does this only where both bounds are in sight, which a loop hides. */
SHOAL_INLINE int8_t saturate_s8(int32_t value) {
#if defined(__ARM_FEATURE_SAT)
    return (int8_t)__builtin_arm_ssat(value, 8);
#else
    return (int8_t)clamp(value, INT8_MIN, INT8_MAX);
#endif
}

/* 2·a·b / 2^32, rounded half up, which is what gemmlowp's nudge and division towards zero amount to; saturates in the
 * one case that overflows. */
SHOAL_INLINE int32_t saturating_rounding_doubling_high_mul(int32_t a, int32_t b) {
    int64_t high = ((int64_t)a * b + (1 << 30)) >> 31;
    return high > INT32_MAX ? INT32_MAX : (int32_t)high;
}

/* x / 2^exponent, halves away from zero; exponent from 0 to 31. */
SHOAL_INLINE int32_t rounding_divide_by_pot(int32_t x, int32_t exponent) {
    int32_t mask = (int32_t)((UINT32_C(1) << exponent) - 1U);
    int32_t remainder = x & mask;
    int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> exponent) + (remainder > threshold);
}

/* x · multiplier · 2^(shift − 31) for a multiplier that is not negative and a shift from −31 to 30; left shifts wrap.
 */
SHOAL_INLINE int32_t multiply_by_quantized_multiplier(int32_t x, int32_t multiplier, int32_t shift) {
    int32_t left = shift > 0 ? shift : 0;
    int32_t right = shift > 0 ? 0 : -shift;
    int32_t shifted = (int32_t)((uint32_t)x << left);
    int32_t high = (int32_t)(((int64_t)shifted * multiplier + (1 << 30)) >> 31);
    return rounding_divide_by_pot(high, right);
}

/* The high word of doubled * multiplier, rounded half up, and the addend. */
SHOAL_INLINE int32_t high_mul_add(int32_t doubled, int32_t multiplier, int32_t addend) {
#if defined(__ARM_FEATURE_DSP)
    int32_t value;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(value) : "r"(doubled), "r"(multiplier), "r"(addend));
    return value;
#else
    int64_t product = (int64_t)doubled * multiplier;
    return (int32_t)((product + INT64_C(0x80000000)) >> 32) + addend;
#endif
}

/* The same with the output's zero point added, in half the instructions, for constants that the generator proved safe
 * over all sums: |sum| < 2^30, a right shift of 1 or more, and no overflow on the way. `halving` is the right shift −
 * 1, `offset` is 2 · zero point + 1.
 *
 * The first rounding is the high word of 2·sum·multiplier, rounded; the second adds half a unit, less one where the
 * value is negative. The sum's sign may stand for the value's: they differ only where the value is zero, and there the
 * result is the same. */
SHOAL_INLINE int32_t requantize(int32_t sum, int32_t multiplier, int32_t halving, int32_t offset) {
    int32_t addend = offset * (INT32_C(1) << halving) + (sum >> 31);
    return high_mul_add(sum * 2, multiplier, addend) >> halving >> 1;
}

/* A sum of products rescaled in one of the two forms: `general` takes TFLite's shift and the zero point, the other a
 * right shift - 1 and 2 * zero point + 1. */
SHOAL_INLINE int32_t requantize_sum(uint32_t sum, int32_t multiplier, int32_t shift, int32_t offset, int32_t general) {
    return general ? multiply_by_quantized_multiplier((int32_t)sum, multiplier, shift) + offset
                   : requantize((int32_t)sum, multiplier, shift, offset);
}

#endif
