/* CONV_2D in float32 by int8 weights: each image is quantized into scratch, sums are int32, and are scaled back. Four
 * output channels of a pixel at a time, pure C; taps in the padding are left out.
 *
 * Weights lie in blocks of four output channels, [block][filter_h][filter_w][filter_c][4], missing channels zero. */
#ifndef SHOAL_CONV_2D_S8_F32_H
#define SHOAL_CONV_2D_S8_F32_H

#include "hybrid_f32.h"
#include "kernel.h"

enum {
    CONV_2D_S8_F32_BLOCK = 4 /* output channels */
};

/* `asymmetric`: see hybrid_f32_quantize. */
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
    int32_t asymmetric;
} conv_2d_s8_f32_shape;

/* `scratch`: an image in int8; `scales` of the weights and `bias`: one per output channel, in blocks as the weights
 * are. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    float low;
    float high;
    const int8_t *weights;
    const float *scales;
    const float *bias;
} conv_2d_s8_f32_args;

/* Adds the products of one filter row to the sums of a block. */
SHOAL_INLINE void conv_2d_s8_f32_taps(int32_t *sums, const int8_t *input, int32_t zero_point, span taps,
                                      const int8_t *weights, const conv_2d_s8_f32_shape *shape) {
    const int32_t filter_c = shape->input_c / shape->groups;
    for (int32_t t = taps.first; t < taps.last; ++t) {
        const int8_t *pixel = input + t * shape->dilation_w * shape->input_c;
        const int8_t *factors = weights + t * filter_c * CONV_2D_S8_F32_BLOCK;
        for (int32_t i = 0; i < filter_c; ++i) {
            const int32_t value = pixel[i] - zero_point;
            SHOAL_UNROLL(4)
            for (int32_t c = 0; c < CONV_2D_S8_F32_BLOCK; ++c) {
                sums[c] += value * factors[c];
            }
            factors += CONV_2D_S8_F32_BLOCK;
        }
    }
}

/* One output pixel of a quantized image. */
SHOAL_INLINE void conv_2d_s8_f32_pixel(const int8_t *image, hybrid_f32_scale scale, int32_t y, int32_t x, float *output,
                                       const conv_2d_s8_f32_args *args, const conv_2d_s8_f32_shape *shape) {
    const int32_t top = y * shape->stride_h - shape->pad_top;
    const int32_t column = x * shape->stride_w - shape->pad_left;
    const span taps = taps_inside(column, shape->filter_w, shape->dilation_w, shape->input_w);
    const int32_t filter_c = shape->input_c / shape->groups;
    const int32_t group_c = shape->output_c / shape->groups;
    const int8_t *weights = args->weights;
    int32_t packed = 0; /* channels of the blocks so far, missing ones included */
    for (int32_t g = 0; g < shape->groups; ++g) {
        for (int32_t left = group_c; left > 0; left -= CONV_2D_S8_F32_BLOCK, packed += CONV_2D_S8_F32_BLOCK) {
            const int32_t count = left < CONV_2D_S8_F32_BLOCK ? left : CONV_2D_S8_F32_BLOCK;
            int32_t sums[CONV_2D_S8_F32_BLOCK] = {0};
            for (int32_t k = 0; k < shape->filter_h; ++k) {
                const int32_t row = top + k * shape->dilation_h;
                if (row >= 0 && row < shape->input_h && taps.first < taps.last) {
                    const int8_t *line = image + (row * shape->input_w + column) * shape->input_c + g * filter_c;
                    conv_2d_s8_f32_taps(sums, line, scale.zero_point, taps, weights, shape);
                }
                weights += shape->filter_w * filter_c * CONV_2D_S8_F32_BLOCK;
            }
            for (int32_t c = 0; c < count; ++c) {
                const float real = (float)sums[c] * (args->scales[packed + c] * scale.scale);
                *output++ = clamp_f32(real + args->bias[packed + c], args->low, args->high);
            }
        }
    }
}

SHOAL_INLINE void conv_2d_s8_f32(uint8_t *arena, const conv_2d_s8_f32_args *args, const conv_2d_s8_f32_shape *shape) {
    const float *input = floats_at((const int8_t *)(arena + args->input));
    float *output = floats_to((int8_t *)(arena + args->output));
    int8_t *image = (int8_t *)(arena + args->scratch);
    const int32_t size = shape->input_h * shape->input_w * shape->input_c;
    for (int32_t n = 0; n < shape->batches; ++n) {
        const hybrid_f32_scale scale = hybrid_f32_quantize(input, image, size, shape->asymmetric);
        for (int32_t y = 0; y < shape->output_h; ++y) {
            for (int32_t x = 0; x < shape->output_w; ++x) {
                conv_2d_s8_f32_pixel(image, scale, y, x, output, args, shape);
                output += shape->output_c;
            }
        }
        input += size;
    }
}

#endif
