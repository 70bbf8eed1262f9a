/* CONV_2D in int8, pure C: two pixels by four output channels at a time, straight from the input, without scratch.
 *
 * Weights lie in blocks of four output channels, [block][filter_h][filter_w][filter_c][4], missing channels zero; the
 * input's zero point is folded into the bias. A window that lies inside the input is read as runs of memory; one that
 * leaves it is read tap by tap, with taps outside taken from `padding`, one pixel of zero points. */
#ifndef SHOAL_CONV_2D_S8_H
#define SHOAL_CONV_2D_S8_H

#include "fixed_point.h"
#include "kernel.h"

enum {
    CONV_2D_S8_BLOCK = 4 /* output channels */
};

/* `general`: requantization constants need the general form; `clamped`: the activation keeps less than int8. */
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
    int32_t general;
    int32_t clamped;
} conv_2d_s8_shape;

/* `bias`, `multipliers`, `shifts`: one per output channel, in blocks as the weights are. Where the form is not general
 * `shifts` holds right shifts − 1 and `offset` is 2 · zero point + 1, else TFLite's shifts and the zero point. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t offset;
    int32_t low;
    int32_t high;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multipliers;
    const int8_t *shifts;
    const int8_t *padding;
} conv_2d_s8_args;

/* The sums of one block of channels over one or two pixels. */
typedef struct {
    uint32_t first[CONV_2D_S8_BLOCK];
    uint32_t second[CONV_2D_S8_BLOCK];
} conv_2d_s8_sums;

/* Adds one run of `length` input bytes; the second pixel, where there is one, lies `next` bytes after the first.
 * Returns the weights that follow. */
SHOAL_INLINE const int8_t *conv_2d_s8_run(conv_2d_s8_sums *sums, const int8_t *input, int32_t length, int32_t next,
                                          const int8_t *weights) {
    for (int32_t i = 0; i < length; ++i) {
        SHOAL_UNROLL(4)
        for (int32_t c = 0; c < CONV_2D_S8_BLOCK; ++c) {
            int32_t weight = weights[c];
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

/* Requantizes and stores one channel of a pixel. */
SHOAL_INLINE void conv_2d_s8_store(uint32_t sum, int32_t multiplier, int32_t shift, int8_t *output,
                                   const conv_2d_s8_args *args, const conv_2d_s8_shape *shape) {
    int32_t value = shape->general ? multiply_by_quantized_multiplier((int32_t)sum, multiplier, shift) + args->offset
                                   : requantize((int32_t)sum, multiplier, shift, args->offset);
    *output = shape->clamped ? (int8_t)clamp(value, args->low, args->high) : saturate_s8(value);
}

/* One output row of one image; `top` is the image's row under the first row of the filter. */
SHOAL_INLINE void conv_2d_s8_row(const int8_t *image, int32_t top, int8_t *output, const conv_2d_s8_args *args,
                                 const conv_2d_s8_shape *shape) {
    const int32_t filter_c = shape->input_c / shape->groups;
    const int32_t group_c = shape->output_c / shape->groups;
    const int32_t blocks = (group_c + CONV_2D_S8_BLOCK - 1) / CONV_2D_S8_BLOCK;
    const int32_t merged = shape->dilation_w == 1 && shape->groups == 1;
    const int32_t runs = merged ? 1 : shape->filter_w;
    const int32_t length = merged ? shape->filter_w * filter_c : filter_c;
    const int32_t pitch = shape->input_w * shape->input_c;
    const int32_t extent_h = (shape->filter_h - 1) * shape->dilation_h + 1;
    const int32_t extent_w = (shape->filter_w - 1) * shape->dilation_w + 1;
    const int32_t begin = (shape->pad_left + shape->stride_w - 1) / shape->stride_w;
    const int32_t end = top < 0 || top + extent_h > shape->input_h
                            ? 0
                            : (shape->input_w + shape->pad_left - extent_w + shape->stride_w) / shape->stride_w;
    for (int32_t x = 0, pixels; x < shape->output_w; x += pixels) {
        const int32_t column = x * shape->stride_w - shape->pad_left;
        const int32_t inside = x >= begin && x + 2 <= end;
        pixels = inside ? 2 : 1;
        const int8_t *weights = args->weights;
        int32_t packed = 0; /* channels of the blocks so far, missing ones included */
        for (int32_t g = 0; g < shape->groups; ++g) {
            for (int32_t b = 0; b < blocks; ++b, packed += CONV_2D_S8_BLOCK) {
                const int32_t left = group_c - b * CONV_2D_S8_BLOCK;
                const int32_t count = left < CONV_2D_S8_BLOCK ? left : CONV_2D_S8_BLOCK;
                int8_t *target = output + x * shape->output_c + g * group_c + b * CONV_2D_S8_BLOCK;
                conv_2d_s8_sums sums;
                SHOAL_UNROLL(4)
                for (int32_t c = 0; c < CONV_2D_S8_BLOCK; ++c) {
                    sums.first[c] = sums.second[c] = (uint32_t)args->bias[packed + c];
                }
                if (inside) {
                    for (int32_t y = 0; y < shape->filter_h; ++y) {
                        const int8_t *input =
                            image + (top + y * shape->dilation_h) * pitch + column * shape->input_c + g * filter_c;
                        for (int32_t r = 0; r < runs; ++r) {
                            weights = conv_2d_s8_run(&sums, input + r * shape->dilation_w * shape->input_c, length,
                                                     shape->stride_w * shape->input_c, weights);
                        }
                    }
                } else {
                    for (int32_t y = 0; y < shape->filter_h; ++y) {
                        const int32_t row = top + y * shape->dilation_h;
                        for (int32_t k = 0; k < shape->filter_w; ++k) {
                            const int32_t at = column + k * shape->dilation_w;
                            const int8_t *input = row < 0 || row >= shape->input_h || at < 0 || at >= shape->input_w
                                                      ? args->padding
                                                      : image + row * pitch + at * shape->input_c;
                            weights = conv_2d_s8_run(&sums, input + g * filter_c, filter_c, 0, weights);
                        }
                    }
                }
                SHOAL_UNROLL(4)
                for (int32_t c = 0; c < count; ++c) {
                    const int32_t multiplier = args->multipliers[packed + c];
                    const int32_t shift = args->shifts[packed + c];
                    conv_2d_s8_store(sums.first[c], multiplier, shift, target + c, args, shape);
                    if (inside) {
                        conv_2d_s8_store(sums.second[c], multiplier, shift, target + shape->output_c + c, args, shape);
                    }
                }
            }
        }
    }
}

SHOAL_INLINE void conv_2d_s8(uint8_t *arena, const conv_2d_s8_args *args, const conv_2d_s8_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        for (int32_t y = 0; y < shape->output_h; ++y) {
            conv_2d_s8_row(input, y * shape->stride_h - shape->pad_top, output, args, shape);
            output += shape->output_w * shape->output_c;
        }
        input += shape->input_h * shape->input_w * shape->input_c;
    }
}

#endif
