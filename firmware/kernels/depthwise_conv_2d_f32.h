/* DEPTHWISE_CONV_2D in float32, pure C: four output channels of a pixel at a time, straight from the input, without
 * scratch. Weights are [filter_h][filter_w][output channels]; taps in the padding are left out. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_F32_H
#define SHOAL_DEPTHWISE_CONV_2D_F32_H

#include "float_32.h"
#include "kernel.h"
#include "rows.h"

enum {
    DEPTHWISE_CONV_2D_F32_BLOCK = 4 /* output channels */
};

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
} depthwise_conv_2d_f32_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    float low;
    float high;
    const float *weights;
    const float *bias;
} depthwise_conv_2d_f32_args;

/* What both kinds of weights share. */
typedef struct {
    const void *weights;
    const float *bias;
    float low;
    float high;
    int32_t halves; /* see weight_at */
} depthwise_conv_2d_f32_constants;

/* `count` channels of one pixel from `first` on: taps `columns` of the window whose first row is `top` and whose first
 * column is `column`. */
SHOAL_INLINE void depthwise_conv_2d_f32_block(const input_rows *rows, int32_t top, int32_t column, span columns,
                                              int32_t first, int32_t count, float *output,
                                              const depthwise_conv_2d_f32_constants *k,
                                              const depthwise_conv_2d_f32_shape *shape) {
    const int32_t channels = shape->input_c * shape->multiplier;
    float sums[DEPTHWISE_CONV_2D_F32_BLOCK] = {0.0f};
    for (int32_t i = 0; i < shape->filter_h; ++i) {
        const int32_t row = top + i * shape->dilation_h;
        if (row < 0 || row >= shape->input_h) {
            continue;
        }
        const float *line = floats_at(input_row(rows, row));
        for (int32_t j = columns.first; j < columns.last; ++j) {
            const float *input = line + (column + j * shape->dilation_w) * shape->input_c;
            const int32_t weight = (i * shape->filter_w + j) * channels + first;
            SHOAL_UNROLL(4)
            for (int32_t c = 0; c < count; ++c) {
                sums[c] += input[(first + c) / shape->multiplier] * weight_at(k->weights, weight + c, k->halves);
            }
        }
    }
    for (int32_t c = 0; c < count; ++c) {
        output[first + c] = clamp_f32(sums[c] + k->bias[first + c], k->low, k->high);
    }
}

/* One band, see rows.h, by either kind of weights. */
SHOAL_INLINE void depthwise_conv_2d_f32_row(const input_rows *rows, int32_t y, span pixels, float *output,
                                            const depthwise_conv_2d_f32_constants *k,
                                            const depthwise_conv_2d_f32_shape *shape) {
    const int32_t channels = shape->input_c * shape->multiplier;
    const int32_t whole = channels / DEPTHWISE_CONV_2D_F32_BLOCK * DEPTHWISE_CONV_2D_F32_BLOCK;
    const int32_t top = y * shape->stride_h - shape->pad_top;
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        const int32_t column = x * shape->stride_w - shape->pad_left;
        const span columns = taps_inside(column, shape->filter_w, shape->dilation_w, shape->input_w);
        for (int32_t c = 0; c < whole; c += DEPTHWISE_CONV_2D_F32_BLOCK) {
            depthwise_conv_2d_f32_block(rows, top, column, columns, c, DEPTHWISE_CONV_2D_F32_BLOCK, output, k, shape);
        }
        if (whole < channels) {
            depthwise_conv_2d_f32_block(rows, top, column, columns, whole, channels - whole, output, k, shape);
        }
        output += channels;
    }
}

/* All rows of all images. */
SHOAL_INLINE void depthwise_conv_2d_f32_images(const int8_t *input, float *output,
                                               const depthwise_conv_2d_f32_constants *k,
                                               const depthwise_conv_2d_f32_shape *shape) {
    const int32_t pitch = shape->input_w * shape->input_c * (int32_t)sizeof(float);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = pitch};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            depthwise_conv_2d_f32_row(&rows, y, (span){0, shape->output_w}, output, k, shape);
            output += shape->output_w * shape->input_c * shape->multiplier;
        }
        input += shape->input_h * pitch;
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void depthwise_conv_2d_f32_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                             const depthwise_conv_2d_f32_args *args,
                                             const depthwise_conv_2d_f32_shape *shape) {
    const depthwise_conv_2d_f32_constants constants = {args->weights, args->bias, args->low, args->high, 0};
    depthwise_conv_2d_f32_row(rows, y, pixels, floats_to(output), &constants, shape);
}

SHOAL_INLINE void depthwise_conv_2d_f32(uint8_t *arena, const depthwise_conv_2d_f32_args *args,
                                        const depthwise_conv_2d_f32_shape *shape) {
    const depthwise_conv_2d_f32_constants constants = {args->weights, args->bias, args->low, args->high, 0};
    depthwise_conv_2d_f32_images((const int8_t *)(arena + args->input), floats_to((int8_t *)(arena + args->output)),
                                 &constants, shape);
}

#endif
