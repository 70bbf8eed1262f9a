/* CONV_2D in int8 for cores with Arm's DSP extension: the windows of two pixels are unpacked to 16 bits into scratch,
 * then all output channels are computed from there, two at a time, two products per instruction.
 *
 * Two channels share a stream of halfwords a + 256 * b, a of the first channel and b of the second. Multiplied as they
 * are they sum to A + 256 * B, and their low bytes, sign-extended, to A: one unpacking serves four products. The
 * generator takes this kernel only where B stays below 2^23.
 *
 * A window is a sequence of runs of contiguous input bytes (filter rows, or taps where the filter is dilated or
 * grouped), each filled up to a multiple of 4. Four inputs lie in the order 0, 2, 1, 3, which is how words of bytes
 * unpack: as `pixels` four of the first pixel, then four of the second; as `weights` four halfwords. The input's zero
 * point is folded into the bias. */
#ifndef SHOAL_CONV_2D_S8_DSP_H
#define SHOAL_CONV_2D_S8_DSP_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

/* `clamped`: the activation keeps less than int8. */
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
    int32_t clamped;
} conv_2d_s8_dsp_shape;

/* `requantization`, four words per pair of channels: 256 * bias + right shift - 1 of each, then their multipliers.
 * `offset` is 2 * zero point + 1. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t input_zero_point;
    int32_t offset;
    int32_t low;
    int32_t high;
    const int8_t *weights;
    const int32_t *requantization;
} conv_2d_s8_dsp_args;

/* Two pixels by the channels from `first` to `end`, an even number. `quads` is inputs / 4. The function leaves pointers
 * where the next channels begin. */
typedef struct {
    const int16_t *pixels;
    const int8_t *weights;
    const int32_t *requantization;
    int8_t *first;
    int8_t *second;
    const int8_t *end;
    int32_t quads;
    int32_t offset;
} conv_2d_s8_dsp_tile;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* Four inputs: two words of each pixel, two words of weights. */
#define CONV_2D_S8_DSP_QUAD                                                                                            \
    "ldmia  r0!, {r3-r6}\n"                                                                                            \
    "ldrd   r7, r12, [r1], #8\n"                                                                                       \
    "smlad  r9, r3, r7, r9\n"                                                                                          \
    "smlad  r11, r5, r7, r11\n"                                                                                        \
    "sxtb16 r7, r7\n"                                                                                                  \
    "smlad  r9, r4, r12, r9\n"                                                                                         \
    "smlad  r11, r6, r12, r11\n"                                                                                       \
    "sxtb16 r12, r12\n"                                                                                                \
    "smlad  r8, r3, r7, r8\n"                                                                                          \
    "smlad  r10, r5, r7, r10\n"                                                                                        \
    "smlad  r8, r4, r12, r8\n"                                                                                         \
    "smlad  r10, r6, r12, r10\n"

/* Registers: r0 pixels, r1 weights, r2 pairs of quads left, r8 and r9 the sums A and A + 256 * B of the first pixel, r10 and
 * r11 of the second, lr the tile. The compiler spills where it has fourteen values to hold. */
__attribute__((naked, noipa, unused)) static void conv_2d_s8_dsp_run(conv_2d_s8_dsp_tile *tile
                                                                     __attribute__((unused))) {
    __asm__ volatile(
        "push   {r4-r11, lr}\n"
        "mov    lr, r0\n"
        "ldr    r1, [lr, #4]\n"
        "1:\n"
        "ldr    r2, [lr, #8]\n"
        "ldrd   r8, r9, [r2]\n"
        "ldr    r0, [lr, #0]\n"
        "ldr    r2, [lr, #24]\n"
        "asr    r8, r8, #8\n"
        "bic    r9, r9, #255\n"
        "add    r9, r9, r8\n"
        "mov    r10, r8\n"
        "mov    r11, r9\n"
        "adds   r2, r2, #1\n"
        "lsrs   r2, r2, #1\n"
        "bcc    3f\n"
        "2:\n"
        CONV_2D_S8_DSP_QUAD
        "3:\n"
        CONV_2D_S8_DSP_QUAD
        "subs   r2, r2, #1\n"
        "bne    2b\n"
        /* to twice A and twice B */
        "sub    r9, r9, r8\n"
        "sub    r11, r11, r10\n"
        "lsl    r8, r8, #1\n"
        "lsl    r10, r10, #1\n"
        "asr    r9, r9, #7\n"
        "asr    r11, r11, #7\n"
        /* as fixed_point.h's requantize, two pixels at once */
        "ldr    r2, [lr, #8]\n"
        "ldmia  r2!, {r3-r6}\n"
        "str    r2, [lr, #8]\n"
        "ldr    r12, [lr, #28]\n"
        /* shifts by a register are by its lowest byte */
        "lsl    r0, r12, r3\n"
        "add    r2, r0, r10, asr #31\n"
        "add    r0, r0, r8, asr #31\n"
        "smmlar r10, r10, r5, r2\n"
        "smmlar r8, r8, r5, r0\n"
        "asr    r10, r10, r3\n"
        "asr    r8, r8, r3\n"
        "lsl    r0, r12, r4\n"
        "add    r2, r0, r11, asr #31\n"
        "add    r0, r0, r9, asr #31\n"
        "smmlar r11, r11, r6, r2\n"
        "smmlar r9, r9, r6, r0\n"
        "asr    r11, r11, r4\n"
        "asr    r9, r9, r4\n"
        "ldrd   r6, r7, [lr, #12]\n"
        "ssat   r10, #8, r10, asr #1\n"
        "ssat   r11, #8, r11, asr #1\n"
        "ssat   r8, #8, r8, asr #1\n"
        "ssat   r9, #8, r9, asr #1\n"
        "strb   r10, [r7], #1\n"
        "strb   r11, [r7], #1\n"
        "strb   r8, [r6], #1\n"
        "strb   r9, [r6], #1\n"
        "strd   r6, r7, [lr, #12]\n"
        "ldr    r2, [lr, #20]\n"
        "cmp    r6, r2\n"
        "bne    1b\n"
        "str    r1, [lr, #4]\n"
        "pop    {r4-r11, pc}\n");
}
/* clang-format on */

#else

/* The sums of one pixel over the inputs of a tile; `pixel` is 0 or 1. */
SHOAL_INLINE void conv_2d_s8_dsp_sums(const conv_2d_s8_dsp_tile *tile, int32_t pixel, uint32_t *a, uint32_t *both) {
    *a = (uint32_t)(tile->requantization[0] >> 8);
    *both = *a + ((uint32_t)tile->requantization[1] & ~UINT32_C(255));
    for (int32_t i = 0; i < tile->quads * 4; ++i) {
        const int32_t value = tile->pixels[i / 4 * 8 + pixel * 4 + i % 4];
        const int32_t low = tile->weights[2 * i];
        *a += (uint32_t)(value * low);
        *both += (uint32_t)(value * (tile->weights[2 * i + 1] * 256 + (uint8_t)low));
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_store(const conv_2d_s8_dsp_tile *tile, uint32_t a, uint32_t both, int8_t *output) {
    const int32_t *r = tile->requantization;
    const int32_t b = (int32_t)(both - a) >> 8;
    output[0] = saturate_s8(requantize((int32_t)a, r[2], r[0] & 255, tile->offset));
    output[1] = saturate_s8(requantize(b, r[3], r[1] & 255, tile->offset));
}

SHOAL_INLINE void conv_2d_s8_dsp_run(conv_2d_s8_dsp_tile *tile) {
    do {
        uint32_t a[2], both[2];
        conv_2d_s8_dsp_sums(tile, 0, &a[0], &both[0]);
        conv_2d_s8_dsp_sums(tile, 1, &a[1], &both[1]);
        conv_2d_s8_dsp_store(tile, a[1], both[1], tile->second);
        conv_2d_s8_dsp_store(tile, a[0], both[0], tile->first);
        tile->weights += tile->quads * 8;
        tile->requantization += 4;
        tile->first += 2;
        tile->second += 2;
    } while (tile->first != tile->end);
}

#endif

/* Unpacks a run of `length` bytes for one pixel; returns where its next run goes. */
SHOAL_INLINE int16_t *conv_2d_s8_dsp_unpack(int16_t *target, const int8_t *input, int32_t length) {
    for (int32_t i = 0; i < length / 4; ++i) {
        const uint32_t word = load_word(input);
        store_word(target, even_bytes(word));
        store_word(target + 2, odd_bytes(word));
        input += 4;
        target += 8;
    }
    if (length % 4 > 0) {
        uint32_t word = 0;
        memcpy(&word, input, (uint32_t)length % 4U);
        store_word(target, even_bytes(word));
        store_word(target + 2, odd_bytes(word));
        target += 8;
    }
    return target;
}

/* A run of `length` bytes of padding. */
SHOAL_INLINE int16_t *conv_2d_s8_dsp_fill(int16_t *target, int32_t zero_point, int32_t length) {
    const uint32_t pair = (uint32_t)(uint16_t)zero_point * 0x10001U;
    for (int32_t i = 0; i < length; i += 4) {
        store_word(target, pair);
        store_word(target + 2, pair);
        target += 8;
    }
    return target;
}

/* A filter row that leaves the image, byte by byte: only where pixels are no whole words. */
SHOAL_INLINE int16_t *conv_2d_s8_dsp_edge(int16_t *target, const int8_t *line, span inside, int32_t zero_point,
                                          const conv_2d_s8_dsp_shape *shape) {
    static const uint8_t order[4] = {0, 2, 1, 3};
    const int32_t first = inside.first * shape->input_c;
    const int32_t last = inside.last * shape->input_c;
    const int32_t length = shape->filter_w * shape->input_c;
    for (int32_t i = 0; i < length; ++i) {
        target[i / 4 * 8 + order[i % 4]] = (int16_t)(i < first || i >= last ? zero_point : line[i - first]);
    }
    return target + (length + 3) / 4 * 8;
}

/* Unpacks the window of one pixel and group, which begins at row `top`, column `column` and channel `channel`. */
SHOAL_INLINE void conv_2d_s8_dsp_window(int16_t *target, const input_rows *rows, int32_t top, int32_t column,
                                        int32_t channel, int32_t zero_point, const conv_2d_s8_dsp_shape *shape) {
    const int32_t filter_c = shape->input_c / shape->groups;
    const span inside = taps_inside(column, shape->filter_w, shape->dilation_w, shape->input_w);
    const int32_t taps = inside.last - inside.first;
    const int32_t step = shape->dilation_w * shape->input_c;
    const int32_t start = taps == 0 ? 0 : column * shape->input_c + inside.first * step + channel;
    SHOAL_UNROLL(1)
    for (int32_t y = 0; y < shape->filter_h; ++y) {
        const int32_t row = top + y * shape->dilation_h;
        const int32_t outside = row < 0 || row >= shape->input_h;
        const int8_t *line = outside ? NULL : input_row(rows, row) + start;
        if (shape->dilation_w != 1 || shape->groups != 1) {
            for (int32_t k = 0; k < shape->filter_w; ++k) {
                target = outside || k < inside.first || k >= inside.last
                             ? conv_2d_s8_dsp_fill(target, zero_point, filter_c)
                             : conv_2d_s8_dsp_unpack(target, line + (k - inside.first) * step, filter_c);
            }
        } else if (outside || taps == 0) {
            target = conv_2d_s8_dsp_fill(target, zero_point, shape->filter_w * filter_c);
        } else if (taps == shape->filter_w) {
            target = conv_2d_s8_dsp_unpack(target, line, shape->filter_w * filter_c);
        } else if (filter_c % 4 == 0) {
            target = conv_2d_s8_dsp_fill(target, zero_point, inside.first * filter_c);
            target = conv_2d_s8_dsp_unpack(target, line, taps * filter_c);
            target = conv_2d_s8_dsp_fill(target, zero_point, (shape->filter_w - inside.last) * filter_c);
        } else {
            target = conv_2d_s8_dsp_edge(target, line, inside, zero_point, shape);
        }
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void conv_2d_s8_dsp_band(const input_rows *rows, int32_t y, span pixels, int8_t *output, void *scratch,
                                      const conv_2d_s8_dsp_args *args, const conv_2d_s8_dsp_shape *shape) {
    int16_t *unpacked = (int16_t *)scratch;
    const int32_t top = y * shape->stride_h - shape->pad_top;
    const int32_t filter_c = shape->input_c / shape->groups;
    const int32_t group_c = shape->output_c / shape->groups;
    const int32_t merged = shape->dilation_w == 1 && shape->groups == 1;
    const int32_t quads = merged ? shape->filter_h * ((shape->filter_w * filter_c + 3) / 4)
                                 : shape->filter_h * shape->filter_w * ((filter_c + 3) / 4);
    for (int32_t x = pixels.first; x < pixels.last; x += 2) {
        const int32_t column = x * shape->stride_w - shape->pad_left;
        /* an odd last pixel stands for both: the second one's results are overwritten by the first one's */
        const int32_t paired = x + 1 < pixels.last;
        int8_t *values = output + (x - pixels.first) * shape->output_c;
        conv_2d_s8_dsp_tile tile = {.weights = args->weights, .requantization = args->requantization};
        tile.pixels = unpacked;
        tile.quads = quads;
        tile.offset = args->offset;
        for (int32_t g = 0; g < shape->groups; ++g) {
            conv_2d_s8_dsp_window(unpacked, rows, top, column, g * filter_c, args->input_zero_point, shape);
            if (paired) {
                conv_2d_s8_dsp_window(unpacked + 4, rows, top, column + shape->stride_w, g * filter_c,
                                      args->input_zero_point, shape);
            }
            tile.first = values + g * group_c;
            tile.second = tile.first + (paired ? shape->output_c : 0);
            tile.end = tile.first + group_c / 2 * 2;
            if (group_c > 1) {
                conv_2d_s8_dsp_run(&tile);
            }
            if (group_c % 2 != 0) {
                int8_t last[4];
                conv_2d_s8_dsp_tile odd = tile;
                odd.first = last;
                odd.second = last + 2;
                odd.end = last + 2;
                conv_2d_s8_dsp_run(&odd);
                *tile.second = last[2];
                *tile.first = last[0];
                tile.weights = odd.weights;
                tile.requantization = odd.requantization;
            }
        }
        if (shape->clamped) {
            for (int32_t i = 0; i < (paired ? 2 : 1) * shape->output_c; ++i) {
                values[i] = (int8_t)clamp(values[i], args->low, args->high);
            }
        }
    }
}

SHOAL_INLINE void conv_2d_s8_dsp(uint8_t *arena, const conv_2d_s8_dsp_args *args, const conv_2d_s8_dsp_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    void *scratch = arena + args->scratch;
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->input_c};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            conv_2d_s8_dsp_band(&rows, y, (span){0, shape->output_w}, output, scratch, args, shape);
            output += shape->output_w * shape->output_c;
        }
        input += shape->input_h * shape->input_w * shape->input_c;
    }
}

#endif
