/* DEPTHWISE_CONV_2D in int8 with 3x3 filters, pure C for cores without SIMD: a row of outputs one channel at a time,
 * straight from the input, without scratch. 3.5 to 4.7 instructions per MAC on RV32IMC, 3.7 to 6.6 on a Cortex-M3, rows
 * of 48 to 3 pixels.
 *
 * A channel's nine weights stay at hand, in registers where there are as many, while the window slides over the row:
 * every column of three inputs is loaded once and goes into all the outputs that it meets. Rows outside of the image
 * have no weights, the bias makes up for them; columns outside are a constant. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_S8_3X3_H
#define SHOAL_DEPTHWISE_CONV_2D_S8_3X3_H

#include "depthwise_conv_2d_s8_channel.h"
#include "kernel.h"
#include "rows.h"

enum {
    DEPTHWISE_CONV_2D_S8_3X3_PIXELS = 3 /* in a turn of the loop: sums change their places without moving */
};

/* `stride_w` is 1 or 2; at most one column of a window lies outside of the image at each end, and the middle row of
 * none. `relu`: the form of the records. */
typedef struct {
    int32_t batches;
    int32_t input_h;
    int32_t input_w;
    int32_t input_c;
    int32_t output_h;
    int32_t output_w;
    int32_t multiplier;
    int32_t stride_h;
    int32_t stride_w;
    int32_t dilation_h;
    int32_t pad_top;
    int32_t pad_left;
    int32_t relu;
} depthwise_conv_2d_s8_3x3_shape;

/* `weights`: nine per output channel; `records`: see depthwise_conv_2d_s8_channel.h. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t input_zero_point;
    int32_t low;
    int32_t high;
    const int16_t *weights;
    const int32_t *records;
} depthwise_conv_2d_s8_3x3_args;

/* One channel along a row: its weights row by row, and the rest. */
typedef struct {
    int32_t weights[9];
    depthwise_conv_2d_s8_channel scale;
} depthwise_conv_2d_s8_3x3_channel;

/* A column of inputs times one column of weights. */
SHOAL_INLINE uint32_t depthwise_conv_2d_s8_3x3_dot(const int32_t *inputs, const int32_t *weights) {
    return (uint32_t)(inputs[0] * weights[0]) + (uint32_t)(inputs[1] * weights[3]) + (uint32_t)(inputs[2] * weights[6]);
}

SHOAL_INLINE void depthwise_conv_2d_s8_3x3_load(int32_t *inputs, const int8_t *const *rows, int32_t offset) {
    inputs[0] = rows[0][offset];
    inputs[1] = rows[1][offset];
    inputs[2] = rows[2][offset];
}

/* The next output, at `output`, whose window ends with the columns at `offset`. `sum` holds what the columns before
 * them add to it, `next` the same of the output after it. */
SHOAL_INLINE void depthwise_conv_2d_s8_3x3_pixel(const int8_t *const *columns, int32_t offset, uint32_t *sum,
                                                 uint32_t *next, int8_t *output,
                                                 const depthwise_conv_2d_s8_3x3_channel *channel,
                                                 const depthwise_conv_2d_s8_3x3_shape *shape) {
    const int32_t *weights = channel->weights;
    int32_t inputs[3];
    uint32_t whole = *sum;
    depthwise_conv_2d_s8_3x3_load(inputs, columns, offset);
    if (shape->stride_w == 1) {
        whole += depthwise_conv_2d_s8_3x3_dot(inputs, weights + 2);
        *sum = *next + depthwise_conv_2d_s8_3x3_dot(inputs, weights + 1);
        *next = channel->scale.bias + depthwise_conv_2d_s8_3x3_dot(inputs, weights);
        SHOAL_IN_REGISTER(*sum);
        SHOAL_IN_REGISTER(*next);
    } else {
        whole += depthwise_conv_2d_s8_3x3_dot(inputs, weights + 1);
        depthwise_conv_2d_s8_3x3_load(inputs, columns, offset + shape->input_c);
        whole += depthwise_conv_2d_s8_3x3_dot(inputs, weights + 2);
        *sum = channel->scale.bias + depthwise_conv_2d_s8_3x3_dot(inputs, weights);
    }
    *output = (int8_t)depthwise_conv_2d_s8_channel_result(whole, &channel->scale, shape->relu);
}

/* `count` outputs of one channel. `rows`: the first column of the first window that lies inside; `left`, `right`:
 * whether the first and the last window have a column outside, whose inputs are all `zero_point`. */
SHOAL_INLINE void depthwise_conv_2d_s8_3x3_line(const int8_t *const *rows, int32_t count, int32_t left, int32_t right,
                                                int32_t zero_point, int8_t *output,
                                                const depthwise_conv_2d_s8_3x3_channel *channel,
                                                const depthwise_conv_2d_s8_3x3_shape *shape) {
    const int32_t turn = DEPTHWISE_CONV_2D_S8_3X3_PIXELS;
    const int32_t input_c = shape->input_c;
    const int32_t output_c = shape->input_c * shape->multiplier;
    const int32_t *weights = channel->weights;
    const int32_t outside[3] = {zero_point, zero_point, zero_point};
    const int8_t *columns[3] = {rows[0], rows[1], rows[2]};
    int32_t inputs[3] = {zero_point, zero_point, zero_point};
    if (!left) {
        depthwise_conv_2d_s8_3x3_load(inputs, columns, 0);
    }
    uint32_t sum = channel->scale.bias + depthwise_conv_2d_s8_3x3_dot(inputs, weights);
    uint32_t next = 0;
    int32_t read = left ? 0 : 1;
    if (shape->stride_w == 1) {
        depthwise_conv_2d_s8_3x3_load(inputs, columns, read * input_c);
        sum += depthwise_conv_2d_s8_3x3_dot(inputs, weights + 1);
        next = channel->scale.bias + depthwise_conv_2d_s8_3x3_dot(inputs, weights);
        ++read;
    }
    SHOAL_UNROLL(3)
    for (int32_t k = 0; k < 3; ++k) {
        columns[k] += read * input_c;
    }
    /* the last output may lack a column; one to three before it, past the turns, need not begin sums that none takes */
    int32_t rest = count - 1;
    SHOAL_UNROLL(1)
    for (; rest > turn; rest -= turn) {
        SHOAL_UNROLL(3)
        for (int32_t x = 0; x < turn; ++x) {
            depthwise_conv_2d_s8_3x3_pixel(columns, x * shape->stride_w * input_c, &sum, &next, output + x * output_c,
                                           channel, shape);
        }
        SHOAL_UNROLL(3)
        for (int32_t k = 0; k < 3; ++k) {
            columns[k] += turn * shape->stride_w * input_c;
        }
        output += turn * output_c;
    }
    SHOAL_UNROLL(3)
    for (int32_t x = 0; x < rest; ++x) {
        depthwise_conv_2d_s8_3x3_pixel(columns, x * shape->stride_w * input_c, &sum, &next, output + x * output_c,
                                       channel, shape);
    }
    int32_t offset = rest * shape->stride_w * input_c;
    if (shape->stride_w == 2) {
        depthwise_conv_2d_s8_3x3_load(inputs, columns, offset);
        sum += depthwise_conv_2d_s8_3x3_dot(inputs, weights + 1);
        offset += input_c;
    }
    if (right) {
        sum += depthwise_conv_2d_s8_3x3_dot(outside, weights + 2);
    } else {
        depthwise_conv_2d_s8_3x3_load(inputs, columns, offset);
        sum += depthwise_conv_2d_s8_3x3_dot(inputs, weights + 2);
    }
    output[rest * output_c] = (int8_t)depthwise_conv_2d_s8_channel_result(sum, &channel->scale, shape->relu);
}

/* A row of weights that meets a row outside of the image becomes part of the bias. */
SHOAL_INLINE void depthwise_conv_2d_s8_3x3_leave_out(depthwise_conv_2d_s8_3x3_channel *channel, int32_t row,
                                                     int32_t zero_point) {
    int32_t *weights = channel->weights + 3 * row;
    channel->scale.bias += (uint32_t)((weights[0] + weights[1] + weights[2]) * zero_point);
    weights[0] = weights[1] = weights[2] = 0;
}

/* One band, see rows.h. */
SHOAL_INLINE void depthwise_conv_2d_s8_3x3_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                const depthwise_conv_2d_s8_3x3_args *args,
                                                const depthwise_conv_2d_s8_3x3_shape *shape) {
    const int32_t zero_point = args->input_zero_point;
    const int32_t column = pixels.first * shape->stride_w - shape->pad_left;
    const int32_t left = column < 0;
    const int32_t right = (pixels.last - 1) * shape->stride_w - shape->pad_left + 3 > shape->input_w;
    const int32_t middle = y * shape->stride_h - shape->pad_top + shape->dilation_h;
    const int32_t above = shape->pad_top == 0 || middle >= shape->dilation_h;
    const int32_t below = middle + shape->dilation_h < shape->input_h;
    const int8_t *lines[3];
    lines[1] = input_row(rows, middle) + (left ? 0 : column) * shape->input_c;
    lines[0] = above ? input_row(rows, middle - shape->dilation_h) + (left ? 0 : column) * shape->input_c : lines[1];
    lines[2] = below ? input_row(rows, middle + shape->dilation_h) + (left ? 0 : column) * shape->input_c : lines[1];
    const int16_t *weights = args->weights;
    const int32_t *records = args->records;
    depthwise_conv_2d_s8_3x3_channel channel = {.scale = {.low = args->low, .high = args->high}};
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < shape->input_c; ++i) {
        SHOAL_UNROLL(1)
        for (int32_t m = 0; m < shape->multiplier; ++m) {
            SHOAL_UNROLL(9)
            for (int32_t k = 0; k < 9; ++k) {
                channel.weights[k] = weights[k];
            }
            records = depthwise_conv_2d_s8_channel_read(&channel.scale, records, shape->relu);
            if (!above) {
                depthwise_conv_2d_s8_3x3_leave_out(&channel, 0, zero_point);
            }
            if (!below) {
                depthwise_conv_2d_s8_3x3_leave_out(&channel, 2, zero_point);
            }
            depthwise_conv_2d_s8_3x3_line(lines, pixels.last - pixels.first, left, right, zero_point, output, &channel,
                                          shape);
            weights += 9;
            ++output;
        }
        SHOAL_UNROLL(3)
        for (int32_t k = 0; k < 3; ++k) {
            ++lines[k];
        }
    }
}

SHOAL_INLINE void depthwise_conv_2d_s8_3x3(uint8_t *arena, const depthwise_conv_2d_s8_3x3_args *args,
                                           const depthwise_conv_2d_s8_3x3_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->input_c};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            depthwise_conv_2d_s8_3x3_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
            output += shape->output_w * shape->input_c * shape->multiplier;
        }
        input += shape->input_h * shape->input_w * shape->input_c;
    }
}

#endif
