/* One channel of a depthwise convolution: how its sums become results, for kernels that run along a row with all that
 * belongs to the channel at hand.
 *
 * Weights and biases are scaled, so that the high word of sum times multiplier keeps the bits that both of TFLM's
 * roundings look at, and one addend rounds twice. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_S8_CHANNEL_H
#define SHOAL_DEPTHWISE_CONV_2D_S8_CHANNEL_H

#include "fixed_point.h"
#include "kernel.h"

enum {
    DEPTHWISE_CONV_2D_S8_CHANNEL_SHIFT = 11 /* right shift of every channel of the form for ReLU */
};

/* The high word of a sum times the multiplier, and the addend, shifted right, is the result. Weights and bias are four
 * times what they are, 2 is taken off for sums below zero: the addend is (2 * zero point + 1) * 2^(shift - 1) + 1. In
 * the form for ReLU, which takes an output zero point of -128, they are shifted left by k, from 2 to 8, for a right
 * shift of SHIFT, which is not stored; sums below zero give -128, the addend is
 * 2^(k-2) + 2^(SHIFT-1) - 128 * 2^SHIFT. */
typedef struct {
    uint32_t bias;
    int32_t multiplier;
    int32_t addend;
    int32_t shift;
    int32_t low;
    int32_t high;
} depthwise_conv_2d_s8_channel;

/* Takes a channel's bias, multiplier, addend and, in the form that stores it, shift. Returns the records that follow.
 */
SHOAL_INLINE const int32_t *depthwise_conv_2d_s8_channel_read(depthwise_conv_2d_s8_channel *channel,
                                                              const int32_t *records, int32_t relu) {
    channel->bias = (uint32_t)*records++;
    channel->multiplier = *records++;
    channel->addend = *records++;
    channel->shift = relu ? DEPTHWISE_CONV_2D_S8_CHANNEL_SHIFT : *records++;
    return records;
}

SHOAL_INLINE int32_t depthwise_conv_2d_s8_channel_result(uint32_t sum, const depthwise_conv_2d_s8_channel *channel,
                                                         int32_t relu) {
    int32_t value = (int32_t)(((int64_t)(int32_t)sum * channel->multiplier) >> 32) + channel->addend;
    if (relu) {
        value >>= DEPTHWISE_CONV_2D_S8_CHANNEL_SHIFT;
        if ((int32_t)sum < 0) {
            value = INT8_MIN;
        } else if (value > channel->high) {
            value = channel->high;
        }
        return value;
    }
    if ((int32_t)sum < 0) {
        value -= 2;
    }
    value >>= channel->shift;
    /* branches seldom taken, not a minimum and a maximum of several instructions each */
    if (value < channel->low) {
        value = channel->low;
        SHOAL_IN_REGISTER(value);
    }
    if (value > channel->high) {
        value = channel->high;
        SHOAL_IN_REGISTER(value);
    }
    return value;
}

#endif
