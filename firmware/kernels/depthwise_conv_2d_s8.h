/* DEPTHWISE_CONV_2D in int8, pure C: four output channels of a pixel at a time, straight from the input, without
 * scratch; or, where a filter has all rows of the input, row by row into sums, so that no two rows need be there at
 * once.
 *
 * With a depth multiplier of 1 a block is four channels of the input, otherwise four outputs of one input channel.
 * Weights lie in blocks, [block][filter_h][filter_w][4], missing channels zero; the input's zero point is folded into
 * the bias, so that padding adds zero point times weight. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_S8_H
#define SHOAL_DEPTHWISE_CONV_2D_S8_H

#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

enum {
    DEPTHWISE_CONV_2D_S8_BLOCK = 4 /* output channels */
};

/* `general`: requantization constants need the general form; `clamped`: the activation keeps less than int8. */
typedef struct {
    int32_t batches;
    int32_t input_h;
    int32_t input_w;
    int32_t input_c;
    int32_t output_h;
    int32_t output_w;
    int32_t multiplier;
    int32_t filter_h;
    int32_t filter_w;
    int32_t stride_h;
    int32_t stride_w;
    int32_t dilation_h;
    int32_t dilation_w;
    int32_t pad_top;
    int32_t pad_left;
    int32_t general;
    int32_t clamped;
} depthwise_conv_2d_s8_shape;

/* `bias`, `multipliers`, `shifts`: one per output channel, in blocks as the weights are. Where the form is not general
 * `shifts` holds right shifts - 1 and `offset` is 2 * zero point + 1, else TFLite's shifts and the zero point. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t input_zero_point;
    int32_t offset;
    int32_t low;
    int32_t high;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multipliers;
    const int8_t *shifts;
} depthwise_conv_2d_s8_args;

/* For a filter that has all rows of one image, and no padding. */
typedef depthwise_conv_2d_s8_shape depthwise_conv_2d_s8_accumulate_shape;

/* `state`: how many rows it has seen, a word, then a sum of each output value. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t state;
    int32_t offset;
    int32_t low;
    int32_t high;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multipliers;
    const int8_t *shifts;
} depthwise_conv_2d_s8_accumulate_args;

/* Adds `taps` taps of a filter row for `count` channels of a block. Returns the weights that follow. */
SHOAL_INLINE const int8_t *depthwise_conv_2d_s8_taps(uint32_t *sums, const int8_t *input, int32_t taps, int32_t count,
                                                     const int8_t *weights, const depthwise_conv_2d_s8_shape *shape) {
    for (int32_t k = 0; k < taps; ++k) {
        SHOAL_UNROLL(4)
        for (int32_t c = 0; c < count; ++c) {
            sums[c] += (uint32_t)(input[shape->multiplier == 1 ? c : 0] * weights[c]);
        }
        weights += DEPTHWISE_CONV_2D_S8_BLOCK;
        input += shape->dilation_w * shape->input_c;
    }
    return weights;
}

/* Adds `taps` taps of padding. */
SHOAL_INLINE const int8_t *depthwise_conv_2d_s8_padding(uint32_t *sums, int32_t zero_point, int32_t taps,
                                                        const int8_t *weights) {
    SHOAL_UNROLL(1)
    for (int32_t k = 0; k < taps; ++k) {
        SHOAL_UNROLL(4)
        for (int32_t c = 0; c < DEPTHWISE_CONV_2D_S8_BLOCK; ++c) {
            sums[c] += (uint32_t)(zero_point * weights[c]);
        }
        weights += DEPTHWISE_CONV_2D_S8_BLOCK;
    }
    return weights;
}

SHOAL_INLINE int8_t depthwise_conv_2d_s8_result(uint32_t sum, int32_t multiplier, int32_t shift, int32_t offset,
                                                int32_t low, int32_t high, const depthwise_conv_2d_s8_shape *shape) {
    const int32_t value = requantize_sum(sum, multiplier, shift, offset, shape->general);
    return shape->clamped ? (int8_t)clamp(value, low, high) : saturate_s8(value);
}

/* One band, see rows.h. */
SHOAL_INLINE void depthwise_conv_2d_s8_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                            const depthwise_conv_2d_s8_args *args,
                                            const depthwise_conv_2d_s8_shape *shape) {
    /* Channels of the outer loop, each with its own blocks: all of them at once, or one by one. */
    const int32_t groups = shape->multiplier == 1 ? 1 : shape->input_c;
    const int32_t group_c = shape->multiplier == 1 ? shape->input_c : shape->multiplier;
    const int32_t whole = group_c % DEPTHWISE_CONV_2D_S8_BLOCK == 0;
    const int32_t step = shape->dilation_w * shape->input_c;
    const int32_t top = y * shape->stride_h - shape->pad_top;
    const span lines = taps_inside(top, shape->filter_h, shape->dilation_h, shape->input_h);
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        const int32_t column = x * shape->stride_w - shape->pad_left;
        const span taps = taps_inside(column, shape->filter_w, shape->dilation_w, shape->input_w);
        /* the first tap inside a row; none where all of them lie in the padding */
        const int32_t start = taps.first < taps.last ? column * shape->input_c + taps.first * step : 0;
        const int32_t within = lines.last - lines.first == shape->filter_h && taps.last - taps.first == shape->filter_w;
        const int8_t *weights = args->weights;
        const int32_t *bias = args->bias;
        const int32_t *multipliers = args->multipliers;
        const int8_t *shifts = args->shifts;
        for (int32_t g = 0; g < groups; ++g) {
            for (int32_t left = group_c; left > 0; left -= DEPTHWISE_CONV_2D_S8_BLOCK) {
                const int32_t count = whole || left > DEPTHWISE_CONV_2D_S8_BLOCK ? DEPTHWISE_CONV_2D_S8_BLOCK : left;
                const int32_t channel = shape->multiplier == 1 ? group_c - left : g;
                uint32_t sums[DEPTHWISE_CONV_2D_S8_BLOCK];
                SHOAL_UNROLL(4)
                for (int32_t c = 0; c < DEPTHWISE_CONV_2D_S8_BLOCK; ++c) {
                    sums[c] = (uint32_t)bias[c];
                }
                if (within) {
                    SHOAL_UNROLL(1)
                    for (int32_t k = 0; k < shape->filter_h; ++k) {
                        const int8_t *line = input_row(rows, top + k * shape->dilation_h) + start + channel;
                        weights = depthwise_conv_2d_s8_taps(sums, line, shape->filter_w, count, weights, shape);
                    }
                } else {
                    weights = depthwise_conv_2d_s8_padding(sums, args->input_zero_point, lines.first * shape->filter_w,
                                                           weights);
                    SHOAL_UNROLL(1)
                    for (int32_t k = lines.first; k < lines.last; ++k) {
                        const int8_t *line = input_row(rows, top + k * shape->dilation_h) + start + channel;
                        weights = depthwise_conv_2d_s8_padding(sums, args->input_zero_point, taps.first, weights);
                        weights = depthwise_conv_2d_s8_taps(sums, line, taps.last - taps.first, count, weights, shape);
                        weights = depthwise_conv_2d_s8_padding(sums, args->input_zero_point,
                                                               shape->filter_w - taps.last, weights);
                    }
                    weights = depthwise_conv_2d_s8_padding(sums, args->input_zero_point,
                                                           (shape->filter_h - lines.last) * shape->filter_w, weights);
                }
                SHOAL_UNROLL(4)
                for (int32_t c = 0; c < count; ++c) {
                    output[c] = depthwise_conv_2d_s8_result(sums[c], multipliers[c], shifts[c], args->offset, args->low,
                                                            args->high, shape);
                }
                output += count;
                bias += DEPTHWISE_CONV_2D_S8_BLOCK;
                multipliers += DEPTHWISE_CONV_2D_S8_BLOCK;
                shifts += DEPTHWISE_CONV_2D_S8_BLOCK;
            }
        }
    }
}

SHOAL_INLINE void depthwise_conv_2d_s8(uint8_t *arena, const depthwise_conv_2d_s8_args *args,
                                       const depthwise_conv_2d_s8_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->input_c};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            depthwise_conv_2d_s8_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
            output += shape->output_w * shape->input_c * shape->multiplier;
        }
        input += shape->input_h * shape->input_w * shape->input_c;
    }
}

/* One band of a kernel that accumulates, see rows.h. */
SHOAL_INLINE void depthwise_conv_2d_s8_accumulate_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                       void *state, const depthwise_conv_2d_s8_accumulate_args *args,
                                                       const depthwise_conv_2d_s8_accumulate_shape *shape) {
    const int32_t most = DEPTHWISE_CONV_2D_S8_BLOCK;
    const int32_t groups = shape->multiplier == 1 ? 1 : shape->input_c;
    const int32_t group_c = shape->multiplier == 1 ? shape->input_c : shape->multiplier;
    const int32_t row = shape->filter_w * most; /* weights of a block */
    uint32_t *seen = (uint32_t *)state;
    uint32_t *sums = seen + 1;
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        const int8_t *line = input_row(rows, y) + x * shape->stride_w * shape->input_c;
        const int8_t *weights = args->weights + y * row;
        for (int32_t g = 0; g < groups; ++g) {
            for (int32_t c = 0; c < group_c; c += most) {
                const int32_t count = group_c - c < most ? group_c - c : most;
                const int32_t channel = shape->multiplier == 1 ? c : g;
                depthwise_conv_2d_s8_taps(sums, line + channel, shape->filter_w, count, weights, shape);
                weights += shape->filter_h * row;
                sums += count;
            }
        }
    }
    /* the output may lie over the row: nothing is written before all of it is read */
    if (++*seen == (uint32_t)shape->input_h) {
        sums = seen + 1;
        for (int32_t x = pixels.first; x < pixels.last; ++x) {
            int32_t at = 0; /* constants come in blocks */
            for (int32_t g = 0; g < groups; ++g) {
                for (int32_t c = 0; c < group_c; ++c) {
                    const int32_t i = at + c;
                    *output++ =
                        depthwise_conv_2d_s8_result(*sums++ + (uint32_t)args->bias[i], args->multipliers[i],
                                                    args->shifts[i], args->offset, args->low, args->high, shape);
                }
                at += (group_c + most - 1) / most * most;
            }
        }
    }
}

SHOAL_INLINE void depthwise_conv_2d_s8_accumulate(uint8_t *arena, const depthwise_conv_2d_s8_accumulate_args *args,
                                                  const depthwise_conv_2d_s8_accumulate_shape *shape) {
    const input_rows rows = {.base = (const int8_t *)(arena + args->input), .pitch = shape->input_w * shape->input_c};
    const int32_t words = 1 + shape->output_w * shape->input_c * shape->multiplier;
    memset(arena + args->state, 0, (size_t)words * sizeof(uint32_t));
    for (int32_t y = 0; y < shape->input_h; ++y) {
        depthwise_conv_2d_s8_accumulate_band(&rows, y, (span){0, shape->output_w}, (int8_t *)(arena + args->output),
                                             arena + args->state, args, shape);
    }
}

#endif
