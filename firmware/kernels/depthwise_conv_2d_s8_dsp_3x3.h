/* DEPTHWISE_CONV_2D in int8 with nine taps and a depth multiplier of 1 for cores with Arm's DSP extension: two pixels
 * by four channels at a time, straight from the input, without scratch. Channels come in fours, a word of them per
 * load.
 *
 * Every tap of both pixels is a pointer, so that strides, dilations and padding cost nothing in the inner loop: taps
 * outside of the image point to `padding`, one pixel of zero points. The input's zero point is folded into the bias. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_S8_DSP_3X3_H
#define SHOAL_DEPTHWISE_CONV_2D_S8_DSP_3X3_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

/* `channels` is a multiple of four; `clamped`: the activation keeps less than int8. */
typedef struct {
    int32_t batches;
    int32_t input_h;
    int32_t input_w;
    int32_t output_h;
    int32_t output_w;
    int32_t channels;
    int32_t stride_h;
    int32_t stride_w;
    int32_t dilation_h;
    int32_t dilation_w;
    int32_t pad_top;
    int32_t pad_left;
    int32_t clamped;
} depthwise_conv_2d_s8_dsp_3x3_shape;

/* `stream`, seventeen words per block of four channels: 256 * bias + right shift - 1 of each, the weights as
 * [filter_h][filter_w][4] bytes, the multipliers. `offset` is 2 * zero point + 1. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t offset;
    int32_t low;
    int32_t high;
    const int32_t *stream;
    const int8_t *padding;
} depthwise_conv_2d_s8_dsp_3x3_args;

/* Two pixels: their taps, then what all channels share. */
typedef struct {
    const int8_t *taps[2][9];
    const int32_t *stream;
    int8_t *first;
    int8_t *second;
    int32_t channels;
    int32_t offset;
} depthwise_conv_2d_s8_dsp_3x3_tile;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* Four channels of the pixel whose tap is at `tap`, times the weights in r12 (even channels) and lr (odd channels). */
#define DEPTHWISE_CONV_2D_S8_DSP_3X3_PIXEL(tap, sum0, sum1, sum2, sum3) \
    "ldr    r10, [sp, #" tap "]\n"                                      \
    "ldr    r10, [r10, r0]\n"                                           \
    "sxtb16 r11, r10\n"                                                 \
    "sxtb16 r10, r10, ror #8\n"                                         \
    "smlabb " sum0 ", r11, r12, " sum0 "\n"                             \
    "smlatt " sum2 ", r11, r12, " sum2 "\n"                             \
    "smlabb " sum1 ", r10, lr, " sum1 "\n"                              \
    "smlatt " sum3 ", r10, lr, " sum3 "\n"

#define DEPTHWISE_CONV_2D_S8_DSP_3X3_TAP(first, second)                   \
    "ldr    r12, [r1], #4\n"                                              \
    "sxtb16 lr, r12, ror #8\n"                                            \
    "sxtb16 r12, r12\n"                                                   \
    DEPTHWISE_CONV_2D_S8_DSP_3X3_PIXEL(first, "r2", "r3", "r4", "r5")     \
    DEPTHWISE_CONV_2D_S8_DSP_3X3_PIXEL(second, "r6", "r7", "r8", "r9")

/* As fixed_point.h's requantize, one channel of both pixels: r1 multipliers, r12 offset; shifts by a register are by
 * its lowest byte. */
#define DEPTHWISE_CONV_2D_S8_DSP_3X3_SCALE(first, second) \
    "ldr    r0, [r1, #-52]\n"                             \
    "ldr    r10, [r1], #4\n"                              \
    "lsl    lr, r12, r0\n"                                \
    "add    r11, lr, " first ", asr #31\n"                \
    "add    lr, lr, " second ", asr #31\n"                \
    "lsl    " first ", " first ", #1\n"                   \
    "lsl    " second ", " second ", #1\n"                 \
    "smmlar " first ", " first ", r10, r11\n"             \
    "smmlar " second ", " second ", r10, lr\n"            \
    "asr    " first ", " first ", r0\n"                   \
    "asr    " second ", " second ", r0\n"                 \
    "ssat   " first ", #8, " first ", asr #1\n"           \
    "ssat   " second ", #8, " second ", asr #1\n"

/* Registers: r0 the channel, r1 the stream, r2 to r5 the sums of the first pixel, r6 to r9 of the second. The tile is
 * copied to the stack, where it costs no register: taps from 0 and 36, first 76, second 80, channels 84, offset 88; the
 * channel is kept at 72. */
__attribute__((naked, noipa, unused)) static void depthwise_conv_2d_s8_dsp_3x3_run(
    const depthwise_conv_2d_s8_dsp_3x3_tile *tile __attribute__((unused))) {
    __asm__ volatile(
        "push   {r4-r11, lr}\n"
        "sub    sp, sp, #92\n"
        "ldmia  r0!, {r1-r12}\n"
        "stmia  sp, {r1-r12}\n"
        "ldmia  r0, {r1-r11}\n"
        "add    r0, sp, #48\n"
        "stmia  r0, {r1-r11}\n"
        "ldr    r1, [sp, #72]\n"
        "movs   r0, #0\n"
        "1:\n"
        "ldmia  r1!, {r2-r5}\n"
        "asr    r2, r2, #8\n"
        "asr    r3, r3, #8\n"
        "asr    r4, r4, #8\n"
        "asr    r5, r5, #8\n"
        "mov    r6, r2\n"
        "mov    r7, r3\n"
        "mov    r8, r4\n"
        "mov    r9, r5\n"
        DEPTHWISE_CONV_2D_S8_DSP_3X3_TAP("0", "36")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_TAP("4", "40")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_TAP("8", "44")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_TAP("12", "48")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_TAP("16", "52")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_TAP("20", "56")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_TAP("24", "60")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_TAP("28", "64")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_TAP("32", "68")
        "str    r0, [sp, #72]\n"
        "ldr    r12, [sp, #88]\n"
        DEPTHWISE_CONV_2D_S8_DSP_3X3_SCALE("r2", "r6")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_SCALE("r3", "r7")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_SCALE("r4", "r8")
        DEPTHWISE_CONV_2D_S8_DSP_3X3_SCALE("r5", "r9")
        "bfi    r2, r3, #8, #8\n"
        "bfi    r2, r4, #16, #8\n"
        "bfi    r2, r5, #24, #8\n"
        "bfi    r6, r7, #8, #8\n"
        "bfi    r6, r8, #16, #8\n"
        "bfi    r6, r9, #24, #8\n"
        "ldr    r0, [sp, #72]\n"
        "ldrd   r10, r11, [sp, #76]\n"
        "str    r6, [r11, r0]\n"
        "str    r2, [r10, r0]\n"
        "ldr    r10, [sp, #84]\n"
        "adds   r0, r0, #4\n"
        "cmp    r0, r10\n"
        "bne    1b\n"
        "add    sp, sp, #92\n"
        "pop    {r4-r11, pc}\n");
}

/* clang-format on */

#else

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_3x3_run(const depthwise_conv_2d_s8_dsp_3x3_tile *tile) {
    for (int32_t channel = 0; channel < tile->channels; ++channel) {
        const int32_t *record = tile->stream + channel / 4 * 17;
        const int8_t *weights = (const int8_t *)(record + 4) + channel % 4;
        int8_t results[2];
        for (int32_t pixel = 0; pixel < 2; ++pixel) {
            int32_t sum = record[channel % 4] >> 8;
            for (int32_t k = 0; k < 9; ++k) {
                sum += tile->taps[pixel][k][channel] * weights[4 * k];
            }
            const int32_t halving = record[channel % 4] & 255;
            results[pixel] = saturate_s8(requantize(sum, record[13 + channel % 4], halving, tile->offset));
        }
        tile->second[channel] = results[1];
        tile->first[channel] = results[0];
    }
}

#endif

/* The taps of the pixel whose window begins at (top, column). */
SHOAL_INLINE void depthwise_conv_2d_s8_dsp_3x3_window(const int8_t **taps, const input_rows *rows, int32_t top,
                                                      int32_t column, const depthwise_conv_2d_s8_dsp_3x3_args *args,
                                                      const depthwise_conv_2d_s8_dsp_3x3_shape *shape) {
    SHOAL_UNROLL(3)
    for (int32_t y = 0; y < 3; ++y) {
        const int32_t row = top + y * shape->dilation_h;
        SHOAL_UNROLL(3)
        for (int32_t x = 0; x < 3; ++x) {
            const int32_t at = column + x * shape->dilation_w;
            const int32_t inside = row >= 0 && row < shape->input_h && at >= 0 && at < shape->input_w;
            *taps++ = inside ? input_row(rows, row) + at * shape->channels : args->padding;
        }
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void depthwise_conv_2d_s8_dsp_3x3_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                    const depthwise_conv_2d_s8_dsp_3x3_args *args,
                                                    const depthwise_conv_2d_s8_dsp_3x3_shape *shape) {
    const int32_t top = y * shape->stride_h - shape->pad_top;
    for (int32_t x = pixels.first; x < pixels.last; x += 2) {
        /* an odd last pixel stands for both: the second one's results are overwritten by the first one's */
        const int32_t next = x + 1 < pixels.last ? 1 : 0;
        const int32_t column = x * shape->stride_w - shape->pad_left;
        depthwise_conv_2d_s8_dsp_3x3_tile tile;
        SHOAL_UNROLL(1)
        for (int32_t pixel = 0; pixel < 2; ++pixel) {
            depthwise_conv_2d_s8_dsp_3x3_window(tile.taps[pixel], rows, top, column + pixel * next * shape->stride_w,
                                                args, shape);
        }
        tile.stream = args->stream;
        tile.first = output + (x - pixels.first) * shape->channels;
        tile.second = tile.first + next * shape->channels;
        tile.channels = shape->channels;
        tile.offset = args->offset;
        depthwise_conv_2d_s8_dsp_3x3_run(&tile);
        if (shape->clamped) {
            for (int32_t i = 0; i < (next + 1) * shape->channels; ++i) {
                tile.first[i] = (int8_t)clamp(tile.first[i], args->low, args->high);
            }
        }
    }
}

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_3x3(uint8_t *arena, const depthwise_conv_2d_s8_dsp_3x3_args *args,
                                               const depthwise_conv_2d_s8_dsp_3x3_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->channels};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            depthwise_conv_2d_s8_dsp_3x3_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
            output += shape->output_w * shape->channels;
        }
        input += shape->input_h * shape->input_w * shape->channels;
    }
}

#endif
