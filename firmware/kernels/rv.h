/* What kernels for RISC-V stand on: cores with 28 registers to compute in, a multiplier of 32 bits and no SIMD. They
 * are plain C, and run on the host as they are. */
#ifndef SHOAL_RV_H
#define SHOAL_RV_H

#include "fixed_point.h"
#include "kernel.h"

/* fixed_point.h's requantize of a sum, given four times it, from one high word; |sum| < 2^29. To be clamped. `shift` is
 * its halving + 2, `addend` is 1 + offset * 2^(halving + 1); `rectified`: the zero point is -128, which all negative
 * sums come to.
 *
 * The high word of 4·sum·multiplier, plus 1, halved, is what the first rounding gives; floors nest, so that the second
 * one's constants double and both shifts are one. Without the sign's part a negative sum's result is at most that of
 * zero. */
SHOAL_INLINE int32_t rescale_quadrupled(int32_t quadrupled, int32_t multiplier, int32_t addend, int32_t shift,
                                        int32_t rectified) {
    const int32_t high = (int32_t)(((int64_t)quadrupled * multiplier) >> 32);
    return (high + addend + (rectified ? 0 : (quadrupled >> 31) * 2)) >> shift;
}

#endif
