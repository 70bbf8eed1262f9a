/* CONV_2D 3x3 without stride in int8 for cores with Arm's DSP extension, by Winograd's algorithm F(4x4, 3x3): a tile of
 * 4x4 outputs costs 36 products per input and output channel where the sum itself has 144.
 *
 * All of it is exact. The transforms of the inputs (points 0, 1, -1, 2, -2 and infinity; their coefficients are
 * integers) and of the weights (24 times the rational ones in both directions, 12 times for infinity; made by the
 * generator) fit 16 bits for all int8 values; sums of products and the transform of the outputs are integers modulo
 * 2^32 and come to 576 times the sum. Multiplied by the inverse of 9 that is 64 times the sum, which the generator
 * proved to be below 2^25.
 *
 * The four rows of a tile need six rows of input: they are transformed downwards for all columns, then across for two
 * tiles at a time, whose products with the weights are summed for four output channels at once. Tiles that leave the
 * image read padding and drop what lies outside. Two channels share a word from first to last; inputs are counted as
 * value + 128, which the bias has taken off. */
#ifndef SHOAL_CONV_2D_S8_DSP_WINOGRAD_H
#define SHOAL_CONV_2D_S8_DSP_WINOGRAD_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"

enum {
    WINOGRAD_TILE = 4,       /* outputs of a tile in each direction */
    WINOGRAD_POINTS = 6,     /* points of its transform in each direction */
    WINOGRAD_POSITIONS = 36, /* of both */
    WINOGRAD_TILES = 2,      /* tiles whose products are summed at once */
    WINOGRAD_CHANNELS = 4,   /* output channels of a block of weights */
    WINOGRAD_PAIRS = 8,      /* pairs of input channels that the weights are filled up to a multiple of */
    WINOGRAD_SUMS = WINOGRAD_TILES * WINOGRAD_CHANNELS
};

/* `input_c` and `output_c` are multiples of 4. `clamped`: the activation keeps less than int8. */
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
} conv_2d_s8_dsp_winograd_shape;

/* `weights`: [block][position][pair][channel][2], where the pairs of every four input channels are 0 and 2, 1 and 3.
 * `requantization`, four words per output channel: 64 times the bias, the multiplier, what is added to the doubled
 * sum's high word, the right shift. `scratch` holds the transformed columns, the transformed tiles, the sums and a row
 * of padding. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t input_zero_point;
    int32_t low;
    int32_t high;
    const int16_t *weights;
    const int32_t *requantization;
} conv_2d_s8_dsp_winograd_args;

/* Two transformed tiles, [position][pair][tile], by a block of weights to `sums`, [position][tile][channel].
 * `first_end` is where the inputs of the first position end, `stride` their bytes. */
typedef struct {
    const uint32_t *inputs;
    const int16_t *weights;
    const uint32_t *first_end;
    int32_t *sums;
    uint32_t stride;
    const int32_t *sums_end;
} conv_2d_s8_dsp_winograd_products;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* One pair of input channels: a word of each tile, a word of each output channel. */
#define CONV_2D_S8_DSP_WINOGRAD_STEP \
    "ldrd  r2, r3, [r0], #8\n"       \
    "ldrd  r12, lr, [r1], #8\n"      \
    "smlad r4, r2, r12, r4\n"        \
    "smlad r8, r3, r12, r8\n"        \
    "smlad r5, r2, lr, r5\n"         \
    "smlad r9, r3, lr, r9\n"         \
    "ldrd  r12, lr, [r1], #8\n"      \
    "smlad r6, r2, r12, r6\n"        \
    "smlad r10, r3, r12, r10\n"      \
    "smlad r7, r2, lr, r7\n"         \
    "smlad r11, r3, lr, r11\n"

/* The same where the sums begin. */
#define CONV_2D_S8_DSP_WINOGRAD_FIRST \
    "ldrd  r2, r3, [r0], #8\n"        \
    "ldrd  r12, lr, [r1], #8\n"       \
    "smuad r4, r2, r12\n"             \
    "smuad r8, r3, r12\n"             \
    "smuad r5, r2, lr\n"              \
    "smuad r9, r3, lr\n"              \
    "ldrd  r12, lr, [r1], #8\n"       \
    "smuad r6, r2, r12\n"             \
    "smuad r10, r3, r12\n"            \
    "smuad r7, r2, lr\n"              \
    "smuad r11, r3, lr\n"

/* Registers: r0 inputs, r1 weights, r4 to r7 the sums of the first tile, r8 to r11 of the second; on the stack the end
 * of this position's inputs, sums, stride, end of sums. The compiler spills where it has fourteen values to hold. */
__attribute__((naked, noipa, unused)) static void
conv_2d_s8_dsp_winograd_multiply(const conv_2d_s8_dsp_winograd_products *products __attribute__((unused))) {
    __asm__ volatile(
        "push  {r4-r11, lr}\n"
        "ldmia r0, {r0-r5}\n"
        "push  {r2-r5}\n"
        "1:\n"
        CONV_2D_S8_DSP_WINOGRAD_FIRST
        ".rept 7\n"
        CONV_2D_S8_DSP_WINOGRAD_STEP
        ".endr\n"
        "ldr   r2, [sp]\n"
        "cmp   r0, r2\n"
        "beq   3f\n"
        "2:\n"
        ".rept 8\n"
        CONV_2D_S8_DSP_WINOGRAD_STEP
        ".endr\n"
        "ldr   r2, [sp]\n"
        "cmp   r0, r2\n"
        "bne   2b\n"
        "3:\n"
        "ldrd  r3, r12, [sp, #4]\n"
        "add   r2, r2, r12\n"
        "stmia r3!, {r4-r11}\n"
        "strd  r2, r3, [sp]\n"
        "ldr   r2, [sp, #12]\n"
        "cmp   r3, r2\n"
        "bne   1b\n"
        "add   sp, sp, #16\n"
        "pop   {r4-r11, pc}\n");
}
/* clang-format on */

#else

SHOAL_INLINE void conv_2d_s8_dsp_winograd_multiply(const conv_2d_s8_dsp_winograd_products *products) {
    const uint32_t *inputs = products->inputs;
    const int16_t *weights = products->weights;
    for (int32_t *sums = products->sums; sums != products->sums_end; sums += WINOGRAD_SUMS) {
        uint32_t totals[WINOGRAD_SUMS] = {0};
        for (uint32_t pair = 0; pair < products->stride / 8; ++pair) {
            for (int32_t i = 0; i < WINOGRAD_SUMS; ++i) {
                const int16_t *w = weights + i % WINOGRAD_CHANNELS * 2;
                const uint32_t x = inputs[i / WINOGRAD_CHANNELS];
                totals[i] += (uint32_t)((int16_t)x * w[0]) + (uint32_t)((int16_t)(x >> 16) * w[1]);
            }
            inputs += WINOGRAD_TILES;
            weights += 2 * WINOGRAD_CHANNELS;
        }
        memcpy(sums, totals, sizeof totals);
    }
}

#endif

/* Six values at the six points. A word is 65536 times one channel's value plus another's, whatever their signs, so that
 * words add and shift as values do. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_points(const uint32_t *d, uint32_t *points) {
    const uint32_t a = d[4] - (d[2] << 2);
    const uint32_t b = d[3] - (d[1] << 2);
    const uint32_t c = d[4] - d[2];
    const uint32_t e = d[3] - d[1];
    points[0] = c + ((d[0] - d[2]) << 2);
    points[1] = a + b;
    points[2] = a - b;
    points[3] = c + (e << 1);
    points[4] = c - (e << 1);
    points[5] = d[5] - d[3] - (e << 2);
}

/* Transforms the `count` columns of six rows downwards, into [point][pair][column]. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_down(uint32_t *columns, const int8_t *const *rows, int32_t count,
                                               int32_t pitch, const conv_2d_s8_dsp_winograd_shape *shape) {
    const int32_t plane = shape->input_c / 2 * pitch;
    for (int32_t c = 0; c < shape->input_c; c += 4) {
        uint32_t *target = columns + c / 2 * pitch;
        SHOAL_UNROLL(1)
        for (int32_t x = 0; x < count; ++x) {
            uint32_t words[WINOGRAD_POINTS], values[WINOGRAD_POINTS], points[WINOGRAD_POINTS];
            SHOAL_UNROLL(6)
            for (int32_t i = 0; i < WINOGRAD_POINTS; ++i) {
                words[i] = load_word(SHOAL_ALIGNED(rows[i] + x * shape->input_c + c)) ^ UINT32_C(0x80808080);
                values[i] = even_unsigned(words[i]);
            }
            conv_2d_s8_dsp_winograd_points(values, points);
            SHOAL_UNROLL(6)
            for (int32_t i = 0; i < WINOGRAD_POINTS; ++i) {
                target[i * plane] = points[i];
                values[i] = odd_unsigned(words[i]);
            }
            conv_2d_s8_dsp_winograd_points(values, points);
            SHOAL_UNROLL(6)
            for (int32_t i = 0; i < WINOGRAD_POINTS; ++i) {
                target[i * plane + pitch] = points[i];
            }
            ++target;
        }
    }
}

/* Transforms two tiles across, from their first column, into pairs of 16-bit values, `position` words apart. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_across(uint32_t *tiles, const uint32_t *columns, int32_t pitch,
                                                 int32_t position, const conv_2d_s8_dsp_winograd_shape *shape) {
    const int32_t pairs = shape->input_c / 2;
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < WINOGRAD_POINTS; ++i) {
        SHOAL_UNROLL(1)
        for (int32_t pair = 0; pair < pairs; ++pair) {
            SHOAL_UNROLL(2)
            for (int32_t t = 0; t < WINOGRAD_TILES; ++t) {
                uint32_t values[WINOGRAD_POINTS], points[WINOGRAD_POINTS];
                SHOAL_UNROLL(6)
                for (int32_t j = 0; j < WINOGRAD_POINTS; ++j) {
                    values[j] = columns[t * WINOGRAD_TILE + j];
                }
                /* half the range added, so that the lower value does not borrow from the upper one: one of these two
                 * is part of every point, once */
                values[4] += 0x8000;
                values[5] += 0x8000;
                conv_2d_s8_dsp_winograd_points(values, points);
                SHOAL_UNROLL(6)
                for (int32_t j = 0; j < WINOGRAD_POINTS; ++j) {
                    tiles[j * position + t] = points[j] ^ 0x8000;
                }
            }
            columns += pitch;
            tiles += WINOGRAD_TILES;
        }
        tiles += WINOGRAD_POINTS * position - pairs * WINOGRAD_TILES;
    }
}

/* 576 times the sum, rescaled as fixed_point.h's requantize does. */
SHOAL_INLINE int8_t conv_2d_s8_dsp_winograd_rescale(uint32_t sum, uint32_t bias, int32_t multiplier, int32_t addend,
                                                    int32_t shift) {
    const int32_t doubled = (int32_t)(sum * UINT32_C(0x38E38E39) + bias) >> 5;
    return saturate_s8(high_mul_add(doubled, multiplier, addend + (doubled >> 31)) >> shift);
}

/* The 4x4 outputs of a tile for one channel; `pixel` and `row` are bytes from one output to the next. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_store(int8_t *output, int32_t pixel, int32_t row, const int32_t *sums,
                                                const int32_t *requantization) {
    const uint32_t bias = (uint32_t)requantization[0];
    const int32_t multiplier = requantization[1];
    const int32_t addend = requantization[2];
    const int32_t shift = requantization[3];
    uint32_t lines[WINOGRAD_TILE * WINOGRAD_POINTS];
    SHOAL_UNROLL(6)
    for (int32_t j = 0; j < WINOGRAD_POINTS; ++j) {
        uint32_t m[WINOGRAD_POINTS];
        SHOAL_UNROLL(6)
        for (int32_t i = 0; i < WINOGRAD_POINTS; ++i) {
            m[i] = (uint32_t)sums[(i * WINOGRAD_POINTS + j) * WINOGRAD_SUMS];
        }
        const uint32_t s = m[1] + m[2], t = m[1] - m[2], p = m[3] + m[4], q = m[3] - m[4];
        lines[j] = m[0] + s + p;
        lines[6 + j] = t + (q << 1);
        lines[12 + j] = s + (p << 2);
        lines[18 + j] = t + (q << 3) + (m[5] << 1);
        SHOAL_IN_MEMORY(lines);
    }
    SHOAL_UNROLL(4)
    for (int32_t i = 0; i < WINOGRAD_TILE; ++i) {
        const uint32_t *m = lines + i * WINOGRAD_POINTS;
        const uint32_t s = m[1] + m[2], t = m[1] - m[2], p = m[3] + m[4], q = m[3] - m[4];
        output[0] = conv_2d_s8_dsp_winograd_rescale(m[0] + s + p, bias, multiplier, addend, shift);
        output[pixel] = conv_2d_s8_dsp_winograd_rescale(t + (q << 1), bias, multiplier, addend, shift);
        output[2 * pixel] = conv_2d_s8_dsp_winograd_rescale(s + (p << 2), bias, multiplier, addend, shift);
        output[3 * pixel] =
            conv_2d_s8_dsp_winograd_rescale(t + (q << 3) + (m[5] << 1), bias, multiplier, addend, shift);
        output += row;
        SHOAL_IN_MEMORY(lines);
    }
}

/* A block of channels of two tiles, of which `height` rows and `width` columns lie in the image. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_block(int8_t *output, int32_t height, int32_t width, const int32_t *sums,
                                                const int32_t *requantization,
                                                const conv_2d_s8_dsp_winograd_shape *shape) {
    const int32_t columns = WINOGRAD_TILES * WINOGRAD_TILE;
    const int32_t line = shape->output_w * shape->output_c;
    const int32_t high = shape->output_h % WINOGRAD_TILE == 0 || height >= WINOGRAD_TILE;
    const int32_t wide = shape->output_w % columns == 0 || width >= columns;
    int8_t tiles[WINOGRAD_TILE * WINOGRAD_TILES * WINOGRAD_TILE * WINOGRAD_CHANNELS];
    int8_t *target = high && wide ? output : tiles;
    const int32_t pixel = high && wide ? shape->output_c : WINOGRAD_CHANNELS;
    const int32_t row = high && wide ? line : columns * WINOGRAD_CHANNELS;
    const int32_t *record = requantization;
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < WINOGRAD_SUMS; ++i) {
        conv_2d_s8_dsp_winograd_store(target, pixel, row, sums + i, record);
        ++target;
        record += 4;
        if (i == WINOGRAD_CHANNELS - 1) {
            target += WINOGRAD_TILE * pixel - WINOGRAD_CHANNELS;
            record = requantization;
        }
    }
    if (!high || !wide) {
        SHOAL_UNROLL(1)
        for (int32_t i = 0; i < WINOGRAD_TILE * columns; ++i) {
            const int32_t y = i / columns, x = i % columns;
            if (y < height && x < width) {
                memcpy(output + y * line + x * shape->output_c, tiles + i * WINOGRAD_CHANNELS, WINOGRAD_CHANNELS);
            }
        }
    }
}

/* Four output rows, or the `height` last ones, from six rows of input. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_rows(const int8_t *const *rows, int8_t *output, int32_t height,
                                               uint32_t *scratch, const conv_2d_s8_dsp_winograd_args *args,
                                               const conv_2d_s8_dsp_winograd_shape *shape) {
    const int32_t step = WINOGRAD_TILES * WINOGRAD_TILE;
    const int32_t pitch = (shape->output_w + step - 1) / step * step + 2;
    const int32_t pairs = shape->input_c / 2;
    const int32_t filled = (pairs + WINOGRAD_PAIRS - 1) / WINOGRAD_PAIRS * WINOGRAD_PAIRS;
    const int32_t room = pitch - shape->pad_left;
    const int32_t count = shape->input_w < room ? shape->input_w : room;
    uint32_t *columns = scratch;
    uint32_t *tiles = columns + WINOGRAD_POINTS * pairs * pitch;
    int32_t *sums = (int32_t *)(tiles + WINOGRAD_POSITIONS * filled * WINOGRAD_TILES);
    conv_2d_s8_dsp_winograd_products products = {.inputs = tiles, .first_end = tiles + filled * WINOGRAD_TILES};
    products.sums = sums;
    products.sums_end = sums + WINOGRAD_POSITIONS * WINOGRAD_SUMS;
    products.stride = (uint32_t)filled * WINOGRAD_TILES * 4;
    conv_2d_s8_dsp_winograd_down(columns + shape->pad_left, rows, count, pitch, shape);
    SHOAL_UNROLL(1)
    for (int32_t x = 0; x < shape->output_w; x += step) {
        conv_2d_s8_dsp_winograd_across(tiles, columns + x, pitch, filled * WINOGRAD_TILES, shape);
        products.weights = args->weights;
        SHOAL_UNROLL(1)
        for (int32_t c = 0; c < shape->output_c; c += WINOGRAD_CHANNELS) {
            conv_2d_s8_dsp_winograd_multiply(&products);
            products.weights += WINOGRAD_POSITIONS * filled * WINOGRAD_CHANNELS * 2;
            conv_2d_s8_dsp_winograd_block(output + x * shape->output_c + c, height, shape->output_w - x, sums,
                                          args->requantization + 4 * c, shape);
        }
    }
    if (shape->clamped) {
        for (int32_t i = 0; i < height * shape->output_w * shape->output_c; ++i) {
            output[i] = (int8_t)clamp(output[i], args->low, args->high);
        }
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_winograd(uint8_t *arena, const conv_2d_s8_dsp_winograd_args *args,
                                          const conv_2d_s8_dsp_winograd_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    uint32_t *scratch = (uint32_t *)(void *)(arena + args->scratch);
    const int32_t step = WINOGRAD_TILES * WINOGRAD_TILE;
    const int32_t pitch = (shape->output_w + step - 1) / step * step + 2;
    const int32_t pairs = shape->input_c / 2;
    const int32_t filled = (pairs + WINOGRAD_PAIRS - 1) / WINOGRAD_PAIRS * WINOGRAD_PAIRS;
    const int32_t line = shape->input_w * shape->input_c;
    int8_t *padding = (int8_t *)(scratch + WINOGRAD_POINTS * pairs * pitch +
                                 WINOGRAD_POSITIONS * (filled * WINOGRAD_TILES + WINOGRAD_SUMS));
    memset(padding, args->input_zero_point, (size_t)line);
    if (filled != pairs) {
        memset(scratch + WINOGRAD_POINTS * pairs * pitch, 0,
               (size_t)(WINOGRAD_POSITIONS * filled * WINOGRAD_TILES) * sizeof *scratch);
    }
    /* columns left and right of the image are the same for all rows: of a constant only the second point is not zero */
    const uint32_t constant = (uint32_t)(args->input_zero_point + 128) * UINT32_C(0x10001);
    for (int32_t i = 0; i < WINOGRAD_POINTS * pairs; ++i) {
        for (int32_t x = 0; x < pitch; ++x) {
            if (x < shape->pad_left || x >= shape->pad_left + shape->input_w) {
                scratch[i * pitch + x] = i / pairs == 1 ? 0U - 6 * constant : 0;
            }
        }
    }
    for (int32_t n = 0; n < shape->batches; ++n) {
        for (int32_t y = 0; y < shape->output_h; y += WINOGRAD_TILE) {
            const int8_t *rows[WINOGRAD_POINTS];
            SHOAL_UNROLL(1)
            for (int32_t i = 0; i < WINOGRAD_POINTS; ++i) {
                const int32_t row = y + i - shape->pad_top;
                rows[i] = row < 0 || row >= shape->input_h ? padding : input + row * line;
            }
            const int32_t left = shape->output_h - y;
            conv_2d_s8_dsp_winograd_rows(rows, output, left < WINOGRAD_TILE ? left : WINOGRAD_TILE, scratch, args,
                                         shape);
            output += (left < WINOGRAD_TILE ? left : WINOGRAD_TILE) * shape->output_w * shape->output_c;
        }
        input += shape->input_h * line;
    }
}

#endif
