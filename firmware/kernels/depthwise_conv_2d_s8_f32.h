/* DEPTHWISE_CONV_2D in float32 by int8 weights: each image is quantized into scratch, sums are int32, and are scaled
 * back. Weights are [filter_h][filter_w][output channels]; taps in the padding are left out. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_S8_F32_H
#define SHOAL_DEPTHWISE_CONV_2D_S8_F32_H

#include "hybrid_f32.h"
#include "kernel.h"

/* `asymmetric`: see hybrid_f32_quantize. */
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
    int32_t asymmetric;
} depthwise_conv_2d_s8_f32_shape;

/* `scratch`: an image in int8; `scales` of the weights and `bias`: one per output channel. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    float low;
    float high;
    const int8_t *weights;
    const float *scales;
    const float *bias;
} depthwise_conv_2d_s8_f32_args;

/* The sum of one output value of a quantized image. */
SHOAL_INLINE int32_t depthwise_conv_2d_s8_f32_sum(const int8_t *image, int32_t zero_point, int32_t top, int32_t column,
                                                  span taps, int32_t channel, const depthwise_conv_2d_s8_f32_args *args,
                                                  const depthwise_conv_2d_s8_f32_shape *shape) {
    const int32_t channels = shape->input_c * shape->multiplier;
    int32_t sum = 0;
    for (int32_t k = 0; k < shape->filter_h; ++k) {
        const int32_t row = top + k * shape->dilation_h;
        if (row < 0 || row >= shape->input_h) {
            continue;
        }
        for (int32_t t = taps.first; t < taps.last; ++t) {
            const int32_t pixel = row * shape->input_w + column + t * shape->dilation_w;
            const int32_t value = image[pixel * shape->input_c + channel / shape->multiplier] - zero_point;
            sum += value * args->weights[(k * shape->filter_w + t) * channels + channel];
        }
    }
    return sum;
}

SHOAL_INLINE void depthwise_conv_2d_s8_f32(uint8_t *arena, const depthwise_conv_2d_s8_f32_args *args,
                                           const depthwise_conv_2d_s8_f32_shape *shape) {
    const float *input = floats_at((const int8_t *)(arena + args->input));
    float *output = floats_to((int8_t *)(arena + args->output));
    int8_t *image = (int8_t *)(arena + args->scratch);
    const int32_t size = shape->input_h * shape->input_w * shape->input_c;
    for (int32_t n = 0; n < shape->batches; ++n) {
        const hybrid_f32_scale scale = hybrid_f32_quantize(input, image, size, shape->asymmetric);
        for (int32_t y = 0; y < shape->output_h; ++y) {
            for (int32_t x = 0; x < shape->output_w; ++x) {
                const int32_t column = x * shape->stride_w - shape->pad_left;
                const span taps = taps_inside(column, shape->filter_w, shape->dilation_w, shape->input_w);
                for (int32_t c = 0; c < shape->input_c * shape->multiplier; ++c) {
                    const int32_t sum = depthwise_conv_2d_s8_f32_sum(
                        image, scale.zero_point, y * shape->stride_h - shape->pad_top, column, taps, c, args, shape);
                    const float real = (float)sum * (args->scales[c] * scale.scale);
                    *output++ = clamp_f32(real + args->bias[c], args->low, args->high);
                }
            }
        }
        input += size;
    }
}

#endif
