/* CONV_2D 3x3 without stride in int8 for RISC-V, by Winograd's algorithm F(4x4, 3x3): a tile of 4x4 outputs costs 36
 * products per input and output channel where the sum itself has 144.
 *
 * All of it is exact. The transforms of the inputs (points 0, 1, -1, 2, -2 and infinity; their coefficients are
 * integers) and of the weights (24 times the rational ones in both directions, 12 times for infinity; made by the
 * generator) fit 16 bits for all int8 values; sums of products and the transform of the outputs are integers modulo
 * 2^32 and come to 576 times the sum. Multiplied by the inverse of 9 that is 64 times the sum, which the generator
 * proved to be below 2^25.
 *
 * Four tiles are transformed at a time, and their products with the weights summed for four output channels at once.
 * The rows under them are copied first, with padding around, so that all tiles are whole; what lies outside of the
 * output is dropped. */
#ifndef SHOAL_CONV_2D_S8_RV_WINOGRAD_H
#define SHOAL_CONV_2D_S8_RV_WINOGRAD_H

#include "fixed_point.h"
#include "kernel.h"
#include "rv.h"

enum {
    WINOGRAD_TILE = 4,       /* outputs of a tile in each direction */
    WINOGRAD_POINTS = 6,     /* points of its transform in each direction */
    WINOGRAD_POSITIONS = 36, /* of both */
    WINOGRAD_TILES = 4,      /* tiles whose products are summed at once */
    WINOGRAD_CHANNELS = 4,   /* output channels of a block of weights */
    WINOGRAD_DEPTH = 4,      /* input channels are filled up to a multiple of so many */
    WINOGRAD_SUMS = WINOGRAD_TILES * WINOGRAD_CHANNELS
};

/* `output_c` is a multiple of 4. `abreast`: how many of the four tiles lie side by side, 1, 2 or 4.
 * `rectified`: the output's zero point is -128. */
typedef struct {
    int32_t batches;
    int32_t input_h;
    int32_t input_w;
    int32_t input_c;
    int32_t output_h;
    int32_t output_w;
    int32_t output_c;
    int32_t pad_top;
    int32_t pad_left;
    int32_t abreast;
    int32_t rectified;
} conv_2d_s8_rv_winograd_shape;

/* `weights`: [block][position][input channel][channel], zero for input channels that are missing to a multiple of 4;
 * whatever is in their place. `requantization`, four words per output channel: 64 times the
 * bias, then the multiplier, addend and shift of rescale_quadrupled. `scratch` holds the transformed tiles, their sums
 * and the rows under them. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t input_zero_point;
    int32_t low;
    int32_t high;
    const int16_t *weights;
    const int32_t *requantization;
} conv_2d_s8_rv_winograd_args;

/* Four transformed tiles, [position][channel][tile], by a block of weights to [position][channel][tile]; `depth` input
 * channels. */
SHOAL_INNER_LOOP void conv_2d_s8_rv_winograd_multiply(int32_t *sums, const int16_t *inputs, const int16_t *weights,
                                                      int32_t depth) {
    const int32_t *end = sums + WINOGRAD_POSITIONS * WINOGRAD_SUMS;
    while (sums != end) {
        const int16_t *last = inputs + depth * WINOGRAD_TILES;
        uint32_t totals[WINOGRAD_SUMS] = {0};
        while (inputs != last) {
            SHOAL_UNROLL(4)
            for (int32_t k = 0; k < WINOGRAD_DEPTH; ++k) {
                SHOAL_UNROLL(16)
                for (int32_t i = 0; i < WINOGRAD_SUMS; ++i) {
                    totals[i] += (uint32_t)(inputs[k * WINOGRAD_TILES + i % WINOGRAD_TILES] *
                                            weights[k * WINOGRAD_CHANNELS + i / WINOGRAD_TILES]);
                    SHOAL_IN_REGISTER(totals[i]); /* in this order */
                }
            }
            inputs += WINOGRAD_DEPTH * WINOGRAD_TILES;
            weights += WINOGRAD_DEPTH * WINOGRAD_CHANNELS;
        }
        SHOAL_UNROLL(16)
        for (int32_t i = 0; i < WINOGRAD_SUMS; ++i) {
            sums[i] = (int32_t)totals[i];
        }
        sums += WINOGRAD_SUMS;
    }
}

/* Six values at the six points. */
SHOAL_INLINE void conv_2d_s8_rv_winograd_points(const int32_t *d, int32_t *points) {
    const int32_t a = d[4] - 4 * d[2];
    const int32_t b = d[3] - 4 * d[1];
    const int32_t c = d[4] - d[2];
    const int32_t e = 2 * (d[3] - d[1]);
    points[0] = c + 4 * (d[0] - d[2]);
    points[1] = a + b;
    points[2] = a - b;
    points[3] = c + e;
    points[4] = c - e;
    points[5] = d[5] - d[3] - 2 * e;
}

SHOAL_INLINE int32_t conv_2d_s8_rv_winograd_filled(int32_t channels) {
    return (channels + WINOGRAD_DEPTH - 1) / WINOGRAD_DEPTH * WINOGRAD_DEPTH;
}

/* Transforms one tile, all channels; `pitch` bytes from a row to the next, `target` [position][channel][tile]. */
SHOAL_INLINE void conv_2d_s8_rv_winograd_tile(int16_t *target, const int8_t *rows, int32_t pitch, int32_t depth) {
    const int32_t position = conv_2d_s8_rv_winograd_filled(depth) * WINOGRAD_TILES;
    SHOAL_UNROLL(1)
    for (int32_t c = 0; c < depth; ++c) {
        int32_t columns[WINOGRAD_POSITIONS];
        const int8_t *source = rows + c;
        SHOAL_UNROLL(1)
        for (int32_t j = 0; j < WINOGRAD_POINTS; ++j) {
            int32_t values[WINOGRAD_POINTS], points[WINOGRAD_POINTS];
            SHOAL_UNROLL(6)
            for (int32_t i = 0; i < WINOGRAD_POINTS; ++i) {
                values[i] = source[i * pitch];
            }
            conv_2d_s8_rv_winograd_points(values, points);
            SHOAL_UNROLL(6)
            for (int32_t i = 0; i < WINOGRAD_POINTS; ++i) {
                columns[i * WINOGRAD_POINTS + j] = points[i];
            }
            source += depth;
        }
        SHOAL_IN_MEMORY(columns);
        int16_t *out = target + c * WINOGRAD_TILES;
        SHOAL_UNROLL(1)
        for (int32_t i = 0; i < WINOGRAD_POINTS; ++i) {
            int32_t points[WINOGRAD_POINTS];
            conv_2d_s8_rv_winograd_points(columns + i * WINOGRAD_POINTS, points);
            SHOAL_UNROLL(6)
            for (int32_t j = 0; j < WINOGRAD_POINTS; ++j) {
                out[j * position] = (int16_t)points[j];
            }
            out += WINOGRAD_POINTS * position;
        }
    }
}

/* Six sums at the points to four outputs. */
SHOAL_INLINE void conv_2d_s8_rv_winograd_outputs(const uint32_t *m, uint32_t *outputs) {
    const uint32_t s = m[1] + m[2], t = m[1] - m[2], p = m[3] + m[4], q = m[3] - m[4];
    outputs[0] = m[0] + s + p;
    outputs[1] = t + (q << 1);
    outputs[2] = s + (p << 2);
    outputs[3] = t + (q << 3) + (m[5] << 1);
}

/* The 4x4 outputs of a tile for one channel; `pixel` and `row` are bytes from one output to the next. */
SHOAL_INLINE void conv_2d_s8_rv_winograd_store(int8_t *output, int32_t pixel, int32_t row, const int32_t *sums,
                                               const int32_t *requantization, int32_t low, int32_t high,
                                               int32_t rectified) {
    const uint32_t bias = (uint32_t)requantization[0];
    const int32_t multiplier = requantization[1], addend = requantization[2], shift = requantization[3];
    uint32_t lines[WINOGRAD_TILE * WINOGRAD_POINTS];
    SHOAL_UNROLL(1)
    for (int32_t j = 0; j < WINOGRAD_POINTS; ++j) {
        uint32_t m[WINOGRAD_POINTS], outputs[WINOGRAD_TILE];
        SHOAL_UNROLL(6)
        for (int32_t i = 0; i < WINOGRAD_POINTS; ++i) {
            m[i] = (uint32_t)sums[(i * WINOGRAD_POINTS + j) * WINOGRAD_SUMS];
        }
        conv_2d_s8_rv_winograd_outputs(m, outputs);
        SHOAL_UNROLL(4)
        for (int32_t i = 0; i < WINOGRAD_TILE; ++i) {
            lines[i * WINOGRAD_POINTS + j] = outputs[i];
        }
    }
    SHOAL_IN_MEMORY(lines);
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < WINOGRAD_TILE; ++i) {
        uint32_t outputs[WINOGRAD_TILE];
        conv_2d_s8_rv_winograd_outputs(lines + i * WINOGRAD_POINTS, outputs);
        SHOAL_UNROLL(4)
        for (int32_t j = 0; j < WINOGRAD_TILE; ++j) {
            /* 576 times the sum, 64 times, four times */
            const int32_t quadrupled = (int32_t)(outputs[j] * UINT32_C(0x38E38E39) + bias) >> 4;
            const int32_t value = rescale_quadrupled(quadrupled, multiplier, addend, shift, rectified);
            output[j * pixel] = (int8_t)clamp(value, low, high);
        }
        output += row;
    }
}

/* A block of channels of one tile, of which `height` rows and `width` columns lie in the image. */
SHOAL_INLINE void conv_2d_s8_rv_winograd_block(int8_t *output, int32_t height, int32_t width, const int32_t *sums,
                                               const int32_t *requantization, const conv_2d_s8_rv_winograd_args *args,
                                               const conv_2d_s8_rv_winograd_shape *shape) {
    const int32_t line = shape->output_w * shape->output_c;
    const int32_t whole = (shape->output_h % WINOGRAD_TILE == 0 || height >= WINOGRAD_TILE) &&
                          (shape->output_w % WINOGRAD_TILE == 0 || width >= WINOGRAD_TILE);
    int8_t pixels[WINOGRAD_TILE * WINOGRAD_TILE * WINOGRAD_CHANNELS];
    int8_t *target = whole ? output : pixels;
    const int32_t pixel = whole ? shape->output_c : WINOGRAD_CHANNELS;
    const int32_t row = whole ? line : WINOGRAD_TILE * WINOGRAD_CHANNELS;
    SHOAL_UNROLL(1)
    for (int32_t c = 0; c < WINOGRAD_CHANNELS; ++c) {
        conv_2d_s8_rv_winograd_store(target + c, pixel, row, sums + c * WINOGRAD_TILES, requantization + 4 * c,
                                     args->low, args->high, shape->rectified);
    }
    if (!whole) {
        SHOAL_UNROLL(1)
        for (int32_t i = 0; i < WINOGRAD_TILE * WINOGRAD_TILE; ++i) {
            const int32_t y = i / WINOGRAD_TILE, x = i % WINOGRAD_TILE;
            if (y < height && x < width) {
                memcpy(output + y * line + x * shape->output_c, pixels + i * WINOGRAD_CHANNELS, WINOGRAD_CHANNELS);
            }
        }
    }
}

/* Outputs from row y on, as many as the tiles are high, from the rows under them. */
SHOAL_INLINE void conv_2d_s8_rv_winograd_strip(const int8_t *rows, int32_t pitch, int8_t *output, int32_t y,
                                               int16_t *tiles, int32_t *sums, const conv_2d_s8_rv_winograd_args *args,
                                               const conv_2d_s8_rv_winograd_shape *shape) {
    const int32_t depth = shape->input_c, step = shape->abreast * WINOGRAD_TILE;
    const int32_t filled = conv_2d_s8_rv_winograd_filled(depth);
    SHOAL_UNROLL(1)
    for (int32_t x = 0; x < shape->output_w; x += step) {
        const int16_t *weights = args->weights;
        SHOAL_UNROLL(1)
        for (int32_t t = 0; t < WINOGRAD_TILES; ++t) {
            const int32_t down = t / shape->abreast * WINOGRAD_TILE, across = t % shape->abreast * WINOGRAD_TILE;
            conv_2d_s8_rv_winograd_tile(tiles + t, rows + down * pitch + (x + across) * depth, pitch, depth);
        }
        SHOAL_UNROLL(1)
        for (int32_t c = 0; c < shape->output_c; c += WINOGRAD_CHANNELS) {
            conv_2d_s8_rv_winograd_multiply(sums, tiles, weights, filled);
            weights += WINOGRAD_POSITIONS * filled * WINOGRAD_CHANNELS;
            SHOAL_UNROLL(1)
            for (int32_t t = 0; t < WINOGRAD_TILES; ++t) {
                const int32_t top = y + t / shape->abreast * WINOGRAD_TILE;
                const int32_t left = x + t % shape->abreast * WINOGRAD_TILE;
                if (top < shape->output_h && left < shape->output_w) {
                    conv_2d_s8_rv_winograd_block(output + (top * shape->output_w + left) * shape->output_c + c,
                                                 shape->output_h - top, shape->output_w - left, sums + t,
                                                 args->requantization + 4 * c, args, shape);
                }
            }
        }
    }
}

SHOAL_INLINE void conv_2d_s8_rv_winograd(uint8_t *arena, const conv_2d_s8_rv_winograd_args *args,
                                         const conv_2d_s8_rv_winograd_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    const int32_t depth = shape->input_c, step = shape->abreast * WINOGRAD_TILE;
    const int32_t width = (shape->output_w + step - 1) / step * step + 2;
    const int32_t pitch = width * depth;
    const int32_t height = WINOGRAD_TILES / shape->abreast * WINOGRAD_TILE;
    const int32_t room = width - shape->pad_left;
    const int32_t count = (shape->input_w < room ? shape->input_w : room) * depth;
    int32_t *sums = (int32_t *)(void *)(arena + args->scratch);
    int16_t *tiles = (int16_t *)(void *)(sums + WINOGRAD_POSITIONS * WINOGRAD_SUMS);
    int8_t *rows = (int8_t *)(tiles + WINOGRAD_POSITIONS * conv_2d_s8_rv_winograd_filled(depth) * WINOGRAD_TILES);
    memset(rows, args->input_zero_point, (size_t)((height + 2) * pitch));
    for (int32_t n = 0; n < shape->batches; ++n) {
        for (int32_t y = 0; y < shape->output_h; y += height) {
            /* the last two rows are the next strip's first ones, where the output may be by then */
            const int32_t kept = y == 0 ? 0 : 2;
            if (kept != 0) {
                memcpy(rows, rows + height * pitch, (size_t)(2 * pitch));
            }
            SHOAL_UNROLL(1)
            for (int32_t i = kept; i < height + 2; ++i) {
                const int32_t row = y + i - shape->pad_top;
                int8_t *target = rows + i * pitch + shape->pad_left * depth;
                if (row < 0 || row >= shape->input_h) {
                    memset(target, args->input_zero_point, (size_t)count);
                } else {
                    memcpy(target, input + row * shape->input_w * depth, (size_t)count);
                }
            }
            conv_2d_s8_rv_winograd_strip(rows, pitch, output, y, tiles, sums, args, shape);
        }
        input += shape->input_h * shape->input_w * depth;
        output += shape->output_h * shape->output_w * shape->output_c;
    }
}

#endif
