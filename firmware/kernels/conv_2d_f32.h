/* CONV_2D in float32, pure C: two pixels by four output channels at a time, straight from the input, without scratch.
 *
 * Weights lie in blocks of four output channels, [block][filter_h][filter_w][filter_c][4], missing channels zero; taps
 * in the padding are left out. Eight sums and four weights are in registers; per product an addition, a multiplication
 * and three quarters of a load. */
#ifndef SHOAL_CONV_2D_F32_H
#define SHOAL_CONV_2D_F32_H

#include "float_32.h"
#include "kernel.h"
#include "rows.h"

enum {
    CONV_2D_F32_BLOCK = 4 /* output channels */
};

/* `output_pitch`: from a pixel of the output to the next, in elements, more than output_c where other calls compute the
 * other channels. */
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
} conv_2d_f32_shape;

/* `bias`: one per output channel, in blocks as the weights are. */
typedef struct {
    uint32_t input;
    uint32_t output;
    float low;
    float high;
    const float *weights;
    const float *bias;
} conv_2d_f32_args;

/* The sums of one block of channels over one or two pixels. */
typedef struct {
    float first[CONV_2D_F32_BLOCK];
    float second[CONV_2D_F32_BLOCK];
} conv_2d_f32_sums;

/* What both kinds of weights share. */
typedef struct {
    const void *weights;
    const float *bias;
    float low;
    float high;
    int32_t halves; /* see weight_at */
} conv_2d_f32_constants;

/* Adds a run of `length` inputs by the weights from `weight` on; the second pixel, where there is one, lies `next`
 * elements after the first. */
SHOAL_INLINE void conv_2d_f32_run(conv_2d_f32_sums *sums, const float *input, int32_t length, int32_t next,
                                  int32_t weight, const conv_2d_f32_constants *k) {
    for (int32_t i = 0; i < length; ++i) {
        SHOAL_UNROLL(4)
        for (int32_t c = 0; c < CONV_2D_F32_BLOCK; ++c) {
            const float factor = weight_at(k->weights, weight + i * CONV_2D_F32_BLOCK + c, k->halves);
            sums->first[c] += input[i] * factor;
            if (next != 0) {
                sums->second[c] += input[i + next] * factor;
            }
        }
    }
}

/* Adds `taps` taps of a filter row, neighbours in one run where they are contiguous. */
SHOAL_INLINE void conv_2d_f32_taps(conv_2d_f32_sums *sums, const float *input, int32_t taps, int32_t next,
                                   int32_t weight, const conv_2d_f32_constants *k, const conv_2d_f32_shape *shape) {
    const int32_t filter_c = shape->input_c / shape->groups;
    if (shape->dilation_w == 1 && shape->groups == 1) {
        conv_2d_f32_run(sums, input, taps * filter_c, next, weight, k);
        return;
    }
    for (int32_t t = 0; t < taps; ++t) {
        conv_2d_f32_run(sums, input + t * shape->dilation_w * shape->input_c, filter_c, next,
                        weight + t * filter_c * CONV_2D_F32_BLOCK, k);
    }
}

/* One band, see rows.h, by either kind of weights. */
SHOAL_INLINE void conv_2d_f32_row(const input_rows *rows, int32_t y, span pixels, float *output,
                                  const conv_2d_f32_constants *constants, const conv_2d_f32_shape *shape) {
    const conv_2d_f32_constants k = *constants;
    const int32_t top = y * shape->stride_h - shape->pad_top;
    const int32_t filter_c = shape->input_c / shape->groups;
    const int32_t group_c = shape->output_c / shape->groups;
    const int32_t next = shape->stride_w * shape->input_c;
    const int32_t tap = filter_c * CONV_2D_F32_BLOCK;
    for (int32_t x = pixels.first, width; x < pixels.last; x += width) {
        const int32_t column = x * shape->stride_w - shape->pad_left;
        const span inside = taps_inside(column, shape->filter_w, shape->dilation_w, shape->input_w);
        /* the first tap inside a row; none where all of them lie in the padding */
        const int32_t start =
            inside.first < inside.last ? (column + inside.first * shape->dilation_w) * shape->input_c : 0;
        const int32_t last = column + shape->stride_w + (shape->filter_w - 1) * shape->dilation_w;
        const int32_t paired = x + 1 < pixels.last && column >= 0 && last < shape->input_w;
        const float *bias = k.bias;
        int32_t weight = 0;
        width = paired ? 2 : 1;
        for (int32_t g = 0; g < shape->groups; ++g) {
            float *target = output + (x - pixels.first) * shape->output_pitch + g * group_c;
            for (int32_t left = group_c; left > 0; left -= CONV_2D_F32_BLOCK) {
                const int32_t count = left > CONV_2D_F32_BLOCK ? CONV_2D_F32_BLOCK : left;
                conv_2d_f32_sums sums = {{0.0f}, {0.0f}};
                SHOAL_UNROLL(1)
                for (int32_t j = 0; j < shape->filter_h; ++j, weight += shape->filter_w * tap) {
                    const int32_t row = top + j * shape->dilation_h;
                    if (row < 0 || row >= shape->input_h) {
                        continue;
                    }
                    const float *input = floats_at(input_row(rows, row)) + g * filter_c;
                    if (paired) {
                        conv_2d_f32_taps(&sums, input + column * shape->input_c, shape->filter_w, next, weight, &k,
                                         shape);
                    } else {
                        conv_2d_f32_taps(&sums, input + start, inside.last - inside.first, 0,
                                         weight + inside.first * tap, &k, shape);
                    }
                }
                for (int32_t c = 0; c < count; ++c) {
                    target[c] = clamp_f32(sums.first[c] + bias[c], k.low, k.high);
                    if (paired) {
                        target[shape->output_pitch + c] = clamp_f32(sums.second[c] + bias[c], k.low, k.high);
                    }
                }
                target += CONV_2D_F32_BLOCK;
                bias += CONV_2D_F32_BLOCK;
            }
        }
    }
}

/* All rows of all images. */
SHOAL_INLINE void conv_2d_f32_images(const int8_t *input, float *output, const conv_2d_f32_constants *constants,
                                     const conv_2d_f32_shape *shape) {
    const int32_t pitch = shape->input_w * shape->input_c * (int32_t)sizeof(float);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = pitch};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            conv_2d_f32_row(&rows, y, (span){0, shape->output_w}, output, constants, shape);
            output += shape->output_w * shape->output_pitch;
        }
        input += shape->input_h * pitch;
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void conv_2d_f32_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                   const conv_2d_f32_args *args, const conv_2d_f32_shape *shape) {
    const conv_2d_f32_constants constants = {args->weights, args->bias, args->low, args->high, 0};
    conv_2d_f32_row(rows, y, pixels, floats_to(output), &constants, shape);
}

SHOAL_INLINE void conv_2d_f32(uint8_t *arena, const conv_2d_f32_args *args, const conv_2d_f32_shape *shape) {
    const conv_2d_f32_constants constants = {args->weights, args->bias, args->low, args->high, 0};
    conv_2d_f32_images((const int8_t *)(arena + args->input), floats_to((int8_t *)(arena + args->output)), &constants,
                       shape);
}

#endif
