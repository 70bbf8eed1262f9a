/* CONV_2D 3x3 without stride in int8 for cores with Arm's DSP extension, by Winograd's algorithm F(2x2, 3x3): a tile of
 * 2x2 outputs costs 16 products per input and output channel where the sum itself has 36. More products than
 * conv_2d_s8_dsp_winograd.h's tiles of 4x4, but less than half of their weights and less scratch. See winograd_dsp.h.
 *
 * The points are 0, 1, -1 and infinity. Weights are doubled in both directions, so that the outputs come to four times
 * the sum. */
#ifndef SHOAL_CONV_2D_S8_DSP_WINOGRAD_2_H
#define SHOAL_CONV_2D_S8_DSP_WINOGRAD_2_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"
#include "winograd_dsp.h"

typedef winograd_shape conv_2d_s8_dsp_winograd_2_shape;
typedef winograd_args conv_2d_s8_dsp_winograd_2_args;

/* Four pairs of values at the four points. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_2_points(const uint32_t *d, uint32_t *points) {
    points[0] = subtract_halves(d[0], d[2]);
    points[1] = add_halves(d[1], d[2]);
    points[2] = subtract_halves(d[2], d[1]);
    points[3] = subtract_halves(d[1], d[3]);
}

SHOAL_INLINE void conv_2d_s8_dsp_winograd_2_across(uint32_t *tiles, const uint32_t *columns, int32_t position) {
    uint32_t values[6], points[2][4];
    SHOAL_UNROLL(6)
    for (int32_t j = 0; j < 6; ++j) {
        values[j] = columns[j];
    }
    conv_2d_s8_dsp_winograd_2_points(values, points[0]);
    conv_2d_s8_dsp_winograd_2_points(values + 2, points[1]);
    SHOAL_UNROLL(4)
    for (int32_t j = 0; j < 4; ++j) {
        tiles[j * position] = points[0][j];
        tiles[j * position + 1] = points[1][j];
    }
}

/* 4 times the sum, rescaled as fixed_point.h's requantize does. */
SHOAL_INLINE int8_t conv_2d_s8_dsp_winograd_2_rescale(uint32_t sum, uint32_t bias, int32_t multiplier, int32_t addend,
                                                      int32_t shift) {
    const int32_t doubled = (int32_t)(sum + bias) >> 1;
    return saturate_s8(high_mul_add(doubled, multiplier, addend + (doubled >> 31)) >> shift);
}

SHOAL_INLINE void conv_2d_s8_dsp_winograd_2_store(int8_t *output, int32_t pixel, int32_t row, const int32_t *sums,
                                                  const int32_t *requantization) {
    const uint32_t bias = (uint32_t)requantization[0];
    const int32_t multiplier = requantization[1];
    const int32_t addend = requantization[2];
    const int32_t shift = requantization[3];
    uint32_t lines[2][4];
    SHOAL_UNROLL(4)
    for (int32_t j = 0; j < 4; ++j) {
        uint32_t m[4];
        SHOAL_UNROLL(4)
        for (int32_t i = 0; i < 4; ++i) {
            m[i] = (uint32_t)sums[(i * 4 + j) * WINOGRAD_SUMS];
        }
        lines[0][j] = m[0] + m[1] + m[2];
        lines[1][j] = m[1] - m[2] - m[3];
    }
    SHOAL_UNROLL(2)
    for (int32_t i = 0; i < 2; ++i) {
        const uint32_t *m = lines[i];
        output[0] = conv_2d_s8_dsp_winograd_2_rescale(m[0] + m[1] + m[2], bias, multiplier, addend, shift);
        output[pixel] = conv_2d_s8_dsp_winograd_2_rescale(m[1] - m[2] - m[3], bias, multiplier, addend, shift);
        output += row;
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_winograd_2(uint8_t *arena, const conv_2d_s8_dsp_winograd_2_args *args,
                                            const conv_2d_s8_dsp_winograd_2_shape *shape) {
    const winograd_transform transform = {
        .tile = 2,
        .carries = 0,
        .second = 2,
        .points = conv_2d_s8_dsp_winograd_2_points,
        .across = conv_2d_s8_dsp_winograd_2_across,
        .store = conv_2d_s8_dsp_winograd_2_store,
    };
    winograd(arena, args, shape, &transform);
}

#endif
