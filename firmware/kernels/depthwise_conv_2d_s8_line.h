/* DEPTHWISE_CONV_2D in int8 with filters of one row that stays inside of the image, pure C for cores without SIMD: a
 * few outputs of one channel at a time, straight from the input, without scratch. Each of their inputs and weights is
 * loaded once. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_S8_LINE_H
#define SHOAL_DEPTHWISE_CONV_2D_S8_LINE_H

#include "depthwise_conv_2d_s8_channel.h"
#include "kernel.h"

enum {
    DEPTHWISE_CONV_2D_S8_LINE_PIXELS = 6 /* the most of a tile; 16 taps are the most, that is 21 inputs */
};

/* `lines` runs of `output_w` outputs, each from the first `output_w` + `taps` - 1 pixels of `line` bytes of input;
 * `pixels`: of a tile, what is left over one by one; `relu`: the form of the records. */
typedef struct {
    int32_t lines;
    int32_t line;
    int32_t output_w;
    int32_t channels;
    int32_t taps;
    int32_t pixels;
    int32_t relu;
} depthwise_conv_2d_s8_line_shape;

/* `weights`: as many per channel as there are taps; `records`: see depthwise_conv_2d_s8_channel.h. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t low;
    int32_t high;
    const int16_t *weights;
    const int32_t *records;
} depthwise_conv_2d_s8_line_args;

/* `pixels` outputs, which is a literal where this is instantiated. */
SHOAL_INLINE void depthwise_conv_2d_s8_line_tile(const int8_t *input, int8_t *output, int32_t pixels,
                                                 const depthwise_conv_2d_s8_line_args *args,
                                                 const depthwise_conv_2d_s8_line_shape *shape) {
    const int16_t *weights = args->weights;
    const int32_t *records = args->records;
    depthwise_conv_2d_s8_channel channel = {.low = args->low, .high = args->high};
    SHOAL_UNROLL(1)
    for (int32_t c = 0; c < shape->channels; ++c) {
        uint32_t sums[DEPTHWISE_CONV_2D_S8_LINE_PIXELS];
        records = depthwise_conv_2d_s8_channel_read(&channel, records, shape->relu);
        SHOAL_UNROLL(6)
        for (int32_t p = 0; p < pixels; ++p) {
            sums[p] = channel.bias;
        }
        SHOAL_UNROLL(21)
        for (int32_t i = 0; i < pixels + shape->taps - 1; ++i) {
            const int32_t value = input[i * shape->channels];
            SHOAL_UNROLL(6)
            for (int32_t p = 0; p < pixels; ++p) {
                if (i >= p && i - p < shape->taps) {
                    sums[p] += (uint32_t)(value * weights[i - p]);
                }
            }
        }
        SHOAL_UNROLL(6)
        for (int32_t p = 0; p < pixels; ++p) {
            output[p * shape->channels] = (int8_t)depthwise_conv_2d_s8_channel_result(sums[p], &channel, shape->relu);
        }
        weights += shape->taps;
        ++input;
        ++output;
    }
}

SHOAL_INLINE void depthwise_conv_2d_s8_line(uint8_t *arena, const depthwise_conv_2d_s8_line_args *args,
                                            const depthwise_conv_2d_s8_line_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->lines; ++n) {
        const int8_t *line = input + n * shape->line;
        int32_t x = 0;
        SHOAL_UNROLL(1)
        for (; x + shape->pixels <= shape->output_w; x += shape->pixels) {
            depthwise_conv_2d_s8_line_tile(line + x * shape->channels, output, shape->pixels, args, shape);
            output += shape->pixels * shape->channels;
        }
        SHOAL_UNROLL(1)
        for (; x < shape->output_w; ++x) {
            depthwise_conv_2d_s8_line_tile(line + x * shape->channels, output, 1, args, shape);
            output += shape->channels;
        }
    }
}

#endif
