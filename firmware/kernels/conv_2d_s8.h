/* CONV_2D in int8, pure C: two pixels by four output channels at a time, straight from the input, without scratch.
 *
 * Weights lie in blocks of four output channels, [block][filter_h][filter_w][filter_c][4], missing channels zero; the
 * input's zero point is folded into the bias, so that padding adds zero point times weight. */
#ifndef SHOAL_CONV_2D_S8_H
#define SHOAL_CONV_2D_S8_H

#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

enum {
    CONV_2D_S8_BLOCK = 4 /* output channels */
};

/* `output_pitch`: from a pixel of the output to the next, more than output_c where other calls compute the other
 * channels; `general`: requantization constants need the general form; `clamped`: the activation keeps less than int8.
 */
typedef struct {
    int32_t batches;
    int32_t input_h;
    int32_t input_w;
    int32_t input_c;
    int32_t output_h;
    int32_t output_w;
    int32_t output_c;
    int32_t filter_h;
    int32_t filter_w;
    int32_t groups;
    int32_t stride_h;
    int32_t stride_w;
    int32_t dilation_h;
    int32_t dilation_w;
    int32_t pad_top;
    int32_t pad_left;
    int32_t output_pitch;
    int32_t general;
    int32_t clamped;
} conv_2d_s8_shape;

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
} conv_2d_s8_args;

/* The sums of one block of channels over one or two pixels. */
typedef struct {
    uint32_t first[CONV_2D_S8_BLOCK];
    uint32_t second[CONV_2D_S8_BLOCK];
} conv_2d_s8_sums;

/* Adds a run of `length` input bytes; the second pixel, where there is one, lies `next` bytes after the first. Returns
 * the weights that follow. */
SHOAL_INLINE const int8_t *conv_2d_s8_run(conv_2d_s8_sums *sums, const int8_t *input, int32_t length, int32_t next,
                                          const int8_t *weights) {
    for (int32_t i = 0; i < length; ++i) {
        SHOAL_UNROLL(4)
        for (int32_t c = 0; c < CONV_2D_S8_BLOCK; ++c) {
            const int32_t weight = weights[c];
            sums->first[c] += (uint32_t)(input[0] * weight);
            if (next != 0) {
                sums->second[c] += (uint32_t)(input[next] * weight);
            }
        }
        weights += CONV_2D_S8_BLOCK;
        ++input;
    }
    return weights;
}

/* Adds `taps` taps of a filter row, neighbours in one run where they are contiguous. */
SHOAL_INLINE const int8_t *conv_2d_s8_taps(conv_2d_s8_sums *sums, const int8_t *input, int32_t taps, int32_t next,
                                           const int8_t *weights, const conv_2d_s8_shape *shape) {
    const int32_t filter_c = shape->input_c / shape->groups;
    if (shape->dilation_w == 1 && shape->groups == 1) {
        return conv_2d_s8_run(sums, input, taps * filter_c, next, weights);
    }
    for (int32_t k = 0; k < taps; ++k) {
        weights = conv_2d_s8_run(sums, input + k * shape->dilation_w * shape->input_c, filter_c, next, weights);
    }
    return weights;
}

/* Adds `taps` taps of padding, to the second pixel too where it is `paired`. */
SHOAL_INLINE const int8_t *conv_2d_s8_padding(conv_2d_s8_sums *sums, int32_t zero_point, int32_t taps, int32_t paired,
                                              const int8_t *weights, const conv_2d_s8_shape *shape) {
    const int32_t length = taps * (shape->input_c / shape->groups);
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < length; ++i) {
        SHOAL_UNROLL(4)
        for (int32_t c = 0; c < CONV_2D_S8_BLOCK; ++c) {
            const uint32_t product = (uint32_t)(zero_point * weights[c]);
            sums->first[c] += product;
            if (paired) {
                sums->second[c] += product;
            }
        }
        weights += CONV_2D_S8_BLOCK;
    }
    return weights;
}

SHOAL_INLINE int8_t conv_2d_s8_result(uint32_t sum, int32_t multiplier, int32_t shift, const conv_2d_s8_args *args,
                                      const conv_2d_s8_shape *shape) {
    const int32_t value = requantize_sum(sum, multiplier, shift, args->offset, shape->general);
    return shape->clamped ? (int8_t)clamp(value, args->low, args->high) : saturate_s8(value);
}

/* One band, see rows.h. */
SHOAL_INLINE void conv_2d_s8_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                  const conv_2d_s8_args *args, const conv_2d_s8_shape *shape) {
    const int32_t top = y * shape->stride_h - shape->pad_top;
    const int32_t filter_c = shape->input_c / shape->groups;
    const int32_t group_c = shape->output_c / shape->groups;
    const int32_t whole = group_c % CONV_2D_S8_BLOCK == 0;
    const int32_t next = shape->stride_w * shape->input_c;
    for (int32_t x = pixels.first, width; x < pixels.last; x += width) {
        const int32_t column = x * shape->stride_w - shape->pad_left;
        const span inside = taps_inside(column, shape->filter_w, shape->dilation_w, shape->input_w);
        /* the first tap inside a row; none where all of them lie in the padding */
        const int32_t start =
            inside.first < inside.last ? (column + inside.first * shape->dilation_w) * shape->input_c : 0;
        const int32_t last = column + shape->stride_w + (shape->filter_w - 1) * shape->dilation_w;
        const int32_t paired = x + 1 < pixels.last && column >= 0 && last < shape->input_w;
        const int8_t *weights = args->weights;
        int32_t packed = 0; /* channels of the blocks so far, missing ones included */
        width = paired ? 2 : 1;
        for (int32_t g = 0; g < shape->groups; ++g) {
            int8_t *target = output + (x - pixels.first) * shape->output_pitch + g * group_c;
            for (int32_t left = group_c; left > 0; left -= CONV_2D_S8_BLOCK, packed += CONV_2D_S8_BLOCK) {
                const int32_t count = whole || left > CONV_2D_S8_BLOCK ? CONV_2D_S8_BLOCK : left;
                conv_2d_s8_sums sums;
                SHOAL_UNROLL(4)
                for (int32_t c = 0; c < CONV_2D_S8_BLOCK; ++c) {
                    sums.first[c] = sums.second[c] = (uint32_t)args->bias[packed + c];
                }
                SHOAL_UNROLL(1)
                for (int32_t k = 0; k < shape->filter_h; ++k) {
                    const int32_t row = top + k * shape->dilation_h;
                    if (row < 0 || row >= shape->input_h) {
                        weights =
                            conv_2d_s8_padding(&sums, args->input_zero_point, shape->filter_w, paired, weights, shape);
                    } else if (paired) {
                        weights = conv_2d_s8_taps(&sums, input_row(rows, row) + column * shape->input_c + g * filter_c,
                                                  shape->filter_w, next, weights, shape);
                    } else {
                        weights = conv_2d_s8_padding(&sums, args->input_zero_point, inside.first, 0, weights, shape);
                        weights = conv_2d_s8_taps(&sums, input_row(rows, row) + start + g * filter_c,
                                                  inside.last - inside.first, 0, weights, shape);
                        weights = conv_2d_s8_padding(&sums, args->input_zero_point, shape->filter_w - inside.last, 0,
                                                     weights, shape);
                    }
                }
                SHOAL_UNROLL(4)
                for (int32_t c = 0; c < count; ++c) {
                    const int32_t multiplier = args->multipliers[packed + c];
                    const int32_t shift = args->shifts[packed + c];
                    target[c] = conv_2d_s8_result(sums.first[c], multiplier, shift, args, shape);
                    if (paired) {
                        target[shape->output_pitch + c] =
                            conv_2d_s8_result(sums.second[c], multiplier, shift, args, shape);
                    }
                }
                target += CONV_2D_S8_BLOCK;
            }
        }
    }
}

SHOAL_INLINE void conv_2d_s8(uint8_t *arena, const conv_2d_s8_args *args, const conv_2d_s8_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->input_c};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            conv_2d_s8_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
            output += shape->output_w * shape->output_pitch;
        }
        input += shape->input_h * shape->input_w * shape->input_c;
    }
}

#endif
