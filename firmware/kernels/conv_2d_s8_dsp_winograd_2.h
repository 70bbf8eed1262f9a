/* CONV_2D 3x3 without stride in int8 for cores with Arm's DSP extension, by Winograd's algorithm F(2x2, 3x3): a tile of
 * 2x2 outputs costs 16 products per input and output channel where the sum itself has 36. More products than
 * conv_2d_s8_dsp_winograd.h's tiles of 4x4, but less than half of their weights and less scratch; exact in the same way
 * and laid out alike: only the transforms differ (points 0, 1, -1 and infinity; weights are doubled in both directions,
 * so that the result is four times the sum). */
#ifndef SHOAL_CONV_2D_S8_DSP_WINOGRAD_2_H
#define SHOAL_CONV_2D_S8_DSP_WINOGRAD_2_H

#include "conv_2d_s8_dsp_winograd.h"

enum {
    WINOGRAD_2_TILE = 2,
    WINOGRAD_2_POINTS = 4,
    WINOGRAD_2_POSITIONS = 16,
    WINOGRAD_2_COLUMNS = 4 /* output columns of two tiles */
};

/* As conv_2d_s8_dsp_winograd_shape. */
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
    int32_t clamped;
} conv_2d_s8_dsp_winograd_2_shape;

/* As conv_2d_s8_dsp_winograd_args; `requantization` begins with 4 times the bias. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t input_zero_point;
    int32_t low;
    int32_t high;
    const int16_t *weights;
    const int32_t *requantization;
} conv_2d_s8_dsp_winograd_2_args;

/* Four pairs of values at the four points. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_2_points(const uint32_t *d, uint32_t *points) {
    points[0] = subtract_halves(d[0], d[2]);
    points[1] = add_halves(d[1], d[2]);
    points[2] = subtract_halves(d[2], d[1]);
    points[3] = subtract_halves(d[1], d[3]);
}

/* Transforms the `count` columns of four rows downwards, into [point][pair][column]. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_2_down(uint32_t *columns, const int8_t *const *rows, int32_t count,
                                                 int32_t pitch, const conv_2d_s8_dsp_winograd_2_shape *shape) {
    const int32_t plane = shape->input_c / 2 * pitch;
    for (int32_t c = 0; c < shape->input_c; c += 4) {
        uint32_t *target = columns + c / 2 * pitch;
        SHOAL_UNROLL(1)
        for (int32_t x = 0; x < count; ++x) {
            uint32_t words[WINOGRAD_2_POINTS], values[WINOGRAD_2_POINTS], points[WINOGRAD_2_POINTS];
            SHOAL_UNROLL(4)
            for (int32_t i = 0; i < WINOGRAD_2_POINTS; ++i) {
                words[i] = load_word(SHOAL_ALIGNED(rows[i] + x * shape->input_c + c));
                values[i] = even_bytes(words[i]);
            }
            conv_2d_s8_dsp_winograd_2_points(values, points);
            SHOAL_UNROLL(4)
            for (int32_t i = 0; i < WINOGRAD_2_POINTS; ++i) {
                target[i * plane] = points[i];
                values[i] = odd_bytes(words[i]);
            }
            conv_2d_s8_dsp_winograd_2_points(values, points);
            SHOAL_UNROLL(4)
            for (int32_t i = 0; i < WINOGRAD_2_POINTS; ++i) {
                target[i * plane + pitch] = points[i];
            }
            ++target;
        }
    }
}

/* Transforms two tiles across, from their first column; positions are `position` words apart. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_2_across(uint32_t *tiles, const uint32_t *columns, int32_t pitch,
                                                   int32_t position, const conv_2d_s8_dsp_winograd_2_shape *shape) {
    const int32_t pairs = shape->input_c / 2;
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < WINOGRAD_2_POINTS; ++i) {
        SHOAL_UNROLL(1)
        for (int32_t pair = 0; pair < pairs; ++pair) {
            uint32_t values[WINOGRAD_2_COLUMNS + 2], points[2][WINOGRAD_2_POINTS];
            SHOAL_UNROLL(6)
            for (int32_t j = 0; j < WINOGRAD_2_COLUMNS + 2; ++j) {
                values[j] = columns[j];
            }
            conv_2d_s8_dsp_winograd_2_points(values, points[0]);
            conv_2d_s8_dsp_winograd_2_points(values + WINOGRAD_2_TILE, points[1]);
            SHOAL_UNROLL(4)
            for (int32_t j = 0; j < WINOGRAD_2_POINTS; ++j) {
                tiles[j * position] = points[0][j];
                tiles[j * position + 1] = points[1][j];
            }
            columns += pitch;
            tiles += WINOGRAD_TILES;
        }
        tiles += WINOGRAD_2_POINTS * position - pairs * WINOGRAD_TILES;
    }
}

/* 4 times the sum, rescaled as fixed_point.h's requantize does. */
SHOAL_INLINE int8_t conv_2d_s8_dsp_winograd_2_rescale(uint32_t sum, uint32_t bias, int32_t multiplier, int32_t addend,
                                                      int32_t shift) {
    const int32_t doubled = (int32_t)(sum + bias) >> 1;
    return saturate_s8(high_mul_add(doubled, multiplier, addend + (doubled >> 31)) >> shift);
}

/* The 2x2 outputs of a tile for one channel; `pixel` and `row` are bytes from one output to the next. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_2_store(int8_t *output, int32_t pixel, int32_t row, const int32_t *sums,
                                                  const int32_t *requantization) {
    const uint32_t bias = (uint32_t)requantization[0];
    const int32_t multiplier = requantization[1];
    const int32_t addend = requantization[2];
    const int32_t shift = requantization[3];
    uint32_t lines[WINOGRAD_2_TILE][WINOGRAD_2_POINTS];
    SHOAL_UNROLL(4)
    for (int32_t j = 0; j < WINOGRAD_2_POINTS; ++j) {
        uint32_t m[WINOGRAD_2_POINTS];
        SHOAL_UNROLL(4)
        for (int32_t i = 0; i < WINOGRAD_2_POINTS; ++i) {
            m[i] = (uint32_t)sums[(i * WINOGRAD_2_POINTS + j) * WINOGRAD_SUMS];
        }
        lines[0][j] = m[0] + m[1] + m[2];
        lines[1][j] = m[1] - m[2] - m[3];
    }
    SHOAL_UNROLL(2)
    for (int32_t i = 0; i < WINOGRAD_2_TILE; ++i) {
        const uint32_t *m = lines[i];
        output[0] = conv_2d_s8_dsp_winograd_2_rescale(m[0] + m[1] + m[2], bias, multiplier, addend, shift);
        output[pixel] = conv_2d_s8_dsp_winograd_2_rescale(m[1] - m[2] - m[3], bias, multiplier, addend, shift);
        output += row;
    }
}

/* A block of channels of two tiles, of which `height` rows and `width` columns lie in the image. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_2_block(int8_t *output, int32_t height, int32_t width, const int32_t *sums,
                                                  const int32_t *requantization,
                                                  const conv_2d_s8_dsp_winograd_2_shape *shape) {
    const int32_t line = shape->output_w * shape->output_c;
    const int32_t high = shape->output_h % WINOGRAD_2_TILE == 0 || height >= WINOGRAD_2_TILE;
    const int32_t wide = shape->output_w % WINOGRAD_2_COLUMNS == 0 || width >= WINOGRAD_2_COLUMNS;
    int8_t tiles[WINOGRAD_2_TILE * WINOGRAD_2_COLUMNS * WINOGRAD_CHANNELS];
    int8_t *target = high && wide ? output : tiles;
    const int32_t pixel = high && wide ? shape->output_c : WINOGRAD_CHANNELS;
    const int32_t row = high && wide ? line : WINOGRAD_2_COLUMNS * WINOGRAD_CHANNELS;
    const int32_t *record = requantization;
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < WINOGRAD_SUMS; ++i) {
        conv_2d_s8_dsp_winograd_2_store(target, pixel, row, sums + i, record);
        ++target;
        record += 4;
        if (i == WINOGRAD_CHANNELS - 1) {
            target += WINOGRAD_2_TILE * pixel - WINOGRAD_CHANNELS;
            record = requantization;
        }
    }
    if (!high || !wide) {
        SHOAL_UNROLL(1)
        for (int32_t i = 0; i < WINOGRAD_2_TILE * WINOGRAD_2_COLUMNS; ++i) {
            const int32_t y = i / WINOGRAD_2_COLUMNS, x = i % WINOGRAD_2_COLUMNS;
            if (y < height && x < width) {
                memcpy(output + y * line + x * shape->output_c, tiles + i * WINOGRAD_CHANNELS, WINOGRAD_CHANNELS);
            }
        }
    }
}

/* Two output rows, or the `height` last ones, from four rows of input. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_2_rows(const int8_t *const *rows, int8_t *output, int32_t height,
                                                 uint32_t *scratch, const conv_2d_s8_dsp_winograd_2_args *args,
                                                 const conv_2d_s8_dsp_winograd_2_shape *shape) {
    const int32_t step = WINOGRAD_2_COLUMNS;
    const int32_t pitch = (shape->output_w + step - 1) / step * step + 2;
    const int32_t pairs = shape->input_c / 2;
    const int32_t filled = (pairs + WINOGRAD_PAIRS - 1) / WINOGRAD_PAIRS * WINOGRAD_PAIRS;
    const int32_t room = pitch - shape->pad_left;
    const int32_t count = shape->input_w < room ? shape->input_w : room;
    uint32_t *columns = scratch;
    uint32_t *tiles = columns + WINOGRAD_2_POINTS * pairs * pitch;
    int32_t *sums = (int32_t *)(tiles + WINOGRAD_2_POSITIONS * filled * WINOGRAD_TILES);
    conv_2d_s8_dsp_winograd_products products = {.inputs = tiles, .first_end = tiles + filled * WINOGRAD_TILES};
    products.sums = sums;
    products.sums_end = sums + WINOGRAD_2_POSITIONS * WINOGRAD_SUMS;
    products.stride = (uint32_t)filled * WINOGRAD_TILES * 4;
    conv_2d_s8_dsp_winograd_2_down(columns + shape->pad_left, rows, count, pitch, shape);
    SHOAL_UNROLL(1)
    for (int32_t x = 0; x < shape->output_w; x += step) {
        conv_2d_s8_dsp_winograd_2_across(tiles, columns + x, pitch, filled * WINOGRAD_TILES, shape);
        products.weights = args->weights;
        SHOAL_UNROLL(1)
        for (int32_t c = 0; c < shape->output_c; c += WINOGRAD_CHANNELS) {
            conv_2d_s8_dsp_winograd_multiply(&products);
            products.weights += WINOGRAD_2_POSITIONS * filled * WINOGRAD_CHANNELS * 2;
            conv_2d_s8_dsp_winograd_2_block(output + x * shape->output_c + c, height, shape->output_w - x, sums,
                                            args->requantization + 4 * c, shape);
        }
    }
    if (shape->clamped) {
        for (int32_t i = 0; i < height * shape->output_w * shape->output_c; ++i) {
            output[i] = (int8_t)clamp(output[i], args->low, args->high);
        }
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_winograd_2(uint8_t *arena, const conv_2d_s8_dsp_winograd_2_args *args,
                                            const conv_2d_s8_dsp_winograd_2_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    uint32_t *scratch = (uint32_t *)(void *)(arena + args->scratch);
    const int32_t step = WINOGRAD_2_COLUMNS;
    const int32_t pitch = (shape->output_w + step - 1) / step * step + 2;
    const int32_t pairs = shape->input_c / 2;
    const int32_t filled = (pairs + WINOGRAD_PAIRS - 1) / WINOGRAD_PAIRS * WINOGRAD_PAIRS;
    const int32_t line = shape->input_w * shape->input_c;
    uint32_t *tiles = scratch + WINOGRAD_2_POINTS * pairs * pitch;
    int8_t *padding = (int8_t *)(tiles + WINOGRAD_2_POSITIONS * (filled * WINOGRAD_TILES + WINOGRAD_SUMS));
    memset(padding, args->input_zero_point, (size_t)line);
    if (filled != pairs) {
        memset(tiles, 0, (size_t)(WINOGRAD_2_POSITIONS * filled * WINOGRAD_TILES) * sizeof *tiles);
    }
    /* columns left and right of the image are the same for all rows: of a constant only the second point is not zero */
    const uint32_t doubled = (uint32_t)(uint16_t)(2 * args->input_zero_point) * UINT32_C(0x10001);
    for (int32_t i = 0; i < WINOGRAD_2_POINTS * pairs; ++i) {
        for (int32_t x = 0; x < pitch; ++x) {
            if (x < shape->pad_left || x >= shape->pad_left + shape->input_w) {
                scratch[i * pitch + x] = i / pairs == 1 ? doubled : 0;
            }
        }
    }
    for (int32_t n = 0; n < shape->batches; ++n) {
        for (int32_t y = 0; y < shape->output_h; y += WINOGRAD_2_TILE) {
            const int8_t *rows[WINOGRAD_2_POINTS];
            SHOAL_UNROLL(1)
            for (int32_t i = 0; i < WINOGRAD_2_POINTS; ++i) {
                const int32_t row = y + i - shape->pad_top;
                rows[i] = row < 0 || row >= shape->input_h ? padding : input + row * line;
            }
            const int32_t left = shape->output_h - y;
            const int32_t height = left < WINOGRAD_2_TILE ? left : WINOGRAD_2_TILE;
            conv_2d_s8_dsp_winograd_2_rows(rows, output, height, scratch, args, shape);
            output += height * shape->output_w * shape->output_c;
        }
        input += shape->input_h * line;
    }
}

#endif
