/* DEPTHWISE_CONV_2D in int8 with a depth multiplier of 1 for cores with Arm's DSP extension and any window of up to 25
 * taps: one pixel by four channels at a time, straight from the input, without scratch. Where windows share no columns
 * that is as good as more pixels at once: 2.25 instructions per MAC, and seven to nine per result.
 *
 * Every tap is a pointer, so that strides, dilations and rows wherever they lie cost nothing in the inner loop: taps
 * outside of the image point to `padding`, one pixel of zero points. A load and two SXTB16 give channels 0 and 2, and 1
 * and 3, which meet halfword pairs of weights: SMLABB and SMLATT. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_S8_DSP_TAPS_H
#define SHOAL_DEPTHWISE_CONV_2D_S8_DSP_TAPS_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

enum {
    DEPTHWISE_CONV_2D_S8_DSP_TAPS_MOST = 25, /* of a window */
    DEPTHWISE_CONV_2D_S8_DSP_TAPS_SHIFT = 11 /* right shift of every channel whose weights are scaled */
};

/* `channels` is a multiple of four; `scaled`: the form of `stream`; `clamped`: the activation keeps less than int8. */
typedef struct {
    int32_t batches;
    int32_t input_h;
    int32_t input_w;
    int32_t output_h;
    int32_t output_w;
    int32_t channels;
    int32_t filter_h;
    int32_t filter_w;
    int32_t stride_h;
    int32_t stride_w;
    int32_t dilation_h;
    int32_t dilation_w;
    int32_t pad_top;
    int32_t pad_left;
    int32_t scaled;
    int32_t clamped;
} depthwise_conv_2d_s8_dsp_taps_shape;

/* `stream`, of each four channels: four biases; per tap two words of int16 weights, of channels 0 and 2 and of 1 and 3;
 * then per channel a multiplier and an addend and, where not `scaled`, a right shift. All of them are as in
 * depthwise_conv_2d_s8_dsp_tile.h. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t low;
    int32_t high;
    const int32_t *stream;
    const int8_t *padding;
} depthwise_conv_2d_s8_dsp_taps_args;

/* A pixel: pointers to the first channel under each tap. */
typedef struct {
    const int8_t *const *taps;
    int32_t count;
    const int32_t *stream;
    int8_t *output;
    int32_t channels;
} depthwise_conv_2d_s8_dsp_taps_window;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* Four channels of a tap, 36 bytes of code. */
#define DEPTHWISE_CONV_2D_S8_DSP_TAPS_TAP \
    "ldr    r10, [r2], #4\n"              \
    "ldrd   r8, r9, [r1], #8\n"           \
    "ldr    r10, [r10, r0]\n"             \
    "sxtb16 r11, r10, ror #8\n"           \
    "sxtb16 r10, r10\n"                   \
    "smlabb r4, r10, r8, r4\n"            \
    "smlatt r6, r10, r8, r6\n"            \
    "smlabb r5, r11, r9, r5\n"            \
    "smlatt r7, r11, r9, r7\n"

/* As fixed_point.h's requantize; where scaled the sum's sign does not matter, as -128 takes all below zero. */
#define DEPTHWISE_CONV_2D_S8_DSP_TAPS_SCALE_0(sum)            \
    "ldmia  r1!, {r8, r9, r10}\n"                             \
    "add    r9, r9, " sum ", asr #31\n"                       \
    "smmlar " sum ", " sum ", r8, r9\n"                       \
    "asr    " sum ", " sum ", r10\n"                          \
    "ssat   " sum ", #8, " sum "\n"                           \
    "strb   " sum ", [lr], #1\n"
#define DEPTHWISE_CONV_2D_S8_DSP_TAPS_SCALE_1(sum)            \
    "ldrd   r8, r9, [r1], #8\n"                               \
    "smmla  " sum ", " sum ", r8, r9\n"                       \
    "ssat   " sum ", #8, " sum ", asr #11\n"                  \
    "strb   " sum ", [lr], #1\n"

/* Registers: r0 the channel, r1 stream, r2 the next tap's pointer, r3 their end, r4 to r7 sums, r12 where the loop over
 * taps is entered so that fours of them remain, lr the output. Stack: pointers, channels. */
#define DEPTHWISE_CONV_2D_S8_DSP_TAPS_DEFINE(scaled)                                                              \
    __attribute__((naked, noipa, unused)) static void depthwise_conv_2d_s8_dsp_taps_run_##scaled(                     \
        const depthwise_conv_2d_s8_dsp_taps_window *window __attribute__((unused))) {                                   \
        __asm__ volatile(                                                                                         \
            "push   {r4-r11, lr}\n"                                                                               \
            "ldmia  r0, {r2, r3, r4, r5, r6}\n"                                                                   \
            "push   {r2, r6}\n"                                                                                   \
            "mov    r1, r4\n"                                                                                     \
            "mov    lr, r5\n"                                                                                     \
            "rsbs   r12, r3, #0\n"                                                                                \
            "and    r12, r12, #3\n"                                                                               \
            "movs   r7, #36\n"                                                                                    \
            "adr    r8, 2f\n"                                                                                     \
            "mla    r12, r12, r7, r8\n"                                                                           \
            "orr    r12, r12, #1\n"                                                                               \
            "add    r3, r2, r3, lsl #2\n"                                                                         \
            "movs   r0, #0\n"                                                                                     \
            "1:\n"                                                                                                \
            "ldr    r2, [sp]\n"                                                                                   \
            "ldmia  r1!, {r4-r7}\n"                                                                               \
            "bx     r12\n"                                                                                        \
            ".balign 4\n"                                                                                         \
            "2:\n"                                                                                                \
            DEPTHWISE_CONV_2D_S8_DSP_TAPS_TAP                                                                     \
            DEPTHWISE_CONV_2D_S8_DSP_TAPS_TAP                                                                     \
            DEPTHWISE_CONV_2D_S8_DSP_TAPS_TAP                                                                     \
            DEPTHWISE_CONV_2D_S8_DSP_TAPS_TAP                                                                     \
            "cmp    r2, r3\n"                                                                                     \
            "bne    2b\n"                                                                                         \
            DEPTHWISE_CONV_2D_S8_DSP_TAPS_SCALE_##scaled("r4")                                                    \
            DEPTHWISE_CONV_2D_S8_DSP_TAPS_SCALE_##scaled("r5")                                                    \
            DEPTHWISE_CONV_2D_S8_DSP_TAPS_SCALE_##scaled("r6")                                                    \
            DEPTHWISE_CONV_2D_S8_DSP_TAPS_SCALE_##scaled("r7")                                                    \
            "ldr    r8, [sp, #4]\n"                                                                               \
            "adds   r0, r0, #4\n"                                                                                 \
            "cmp    r0, r8\n"                                                                                     \
            "bne    1b\n"                                                                                         \
            "add    sp, sp, #8\n"                                                                                 \
            "pop    {r4-r11, pc}\n");                                                                             \
    }

DEPTHWISE_CONV_2D_S8_DSP_TAPS_DEFINE(0)
DEPTHWISE_CONV_2D_S8_DSP_TAPS_DEFINE(1)

/* clang-format on */

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_taps_pixel(const depthwise_conv_2d_s8_dsp_taps_window *window,
                                                      int32_t scaled) {
    if (scaled) {
        depthwise_conv_2d_s8_dsp_taps_run_1(window);
    } else {
        depthwise_conv_2d_s8_dsp_taps_run_0(window);
    }
}

#else

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_taps_pixel(const depthwise_conv_2d_s8_dsp_taps_window *window,
                                                      int32_t scaled) {
    const int32_t *stream = window->stream;
    for (int32_t channel = 0; channel < window->channels; channel += 4) {
        const int32_t *scale = stream + 4 + 2 * window->count;
        for (int32_t c = 0; c < 4; ++c) {
            uint32_t sum = (uint32_t)stream[c];
            for (int32_t k = 0; k < window->count; ++k) {
                const uint32_t pair = (uint32_t)stream[4 + 2 * k + c % 2];
                sum += (uint32_t)(window->taps[k][channel + c] * (int16_t)(c < 2 ? pair : pair >> 16));
            }
            const int64_t product = (int64_t)(int32_t)sum * scale[0];
            int32_t value;
            if (scaled) {
                value = ((int32_t)(product >> 32) + scale[1]) >> DEPTHWISE_CONV_2D_S8_DSP_TAPS_SHIFT;
            } else {
                value = (int32_t)((product + INT64_C(0x80000000)) >> 32) + scale[1] - ((int32_t)sum < 0);
                value >>= scale[2];
            }
            window->output[channel + c] = saturate_s8(value);
            scale += scaled ? 2 : 3;
        }
        stream = scale;
    }
}

#endif

/* One band, see rows.h. */
SHOAL_INLINE void depthwise_conv_2d_s8_dsp_taps_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                     const depthwise_conv_2d_s8_dsp_taps_args *args,
                                                     const depthwise_conv_2d_s8_dsp_taps_shape *shape) {
    const int8_t *taps[DEPTHWISE_CONV_2D_S8_DSP_TAPS_MOST];
    const int32_t top = y * shape->stride_h - shape->pad_top;
    depthwise_conv_2d_s8_dsp_taps_window window = {.taps = taps, .stream = args->stream, .output = output};
    window.count = shape->filter_h * shape->filter_w;
    window.channels = shape->channels;
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        const int32_t left = x * shape->stride_w - shape->pad_left;
        const int8_t **tap = taps;
        SHOAL_UNROLL(1)
        for (int32_t k = 0; k < shape->filter_h; ++k) {
            const int32_t row = top + k * shape->dilation_h;
            const int8_t *line = row >= 0 && row < shape->input_h ? input_row(rows, row) : NULL;
            SHOAL_UNROLL(1)
            for (int32_t j = 0; j < shape->filter_w; ++j) {
                const int32_t column = left + j * shape->dilation_w;
                const int32_t inside = line != NULL && column >= 0 && column < shape->input_w;
                *tap++ = inside ? line + column * shape->channels : args->padding;
            }
        }
        depthwise_conv_2d_s8_dsp_taps_pixel(&window, shape->scaled);
        if (shape->clamped) {
            for (int32_t c = 0; c < shape->channels; ++c) {
                window.output[c] = (int8_t)clamp(window.output[c], args->low, args->high);
            }
        }
        window.output += shape->channels;
    }
}

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_taps(uint8_t *arena, const depthwise_conv_2d_s8_dsp_taps_args *args,
                                                const depthwise_conv_2d_s8_dsp_taps_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->channels};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            depthwise_conv_2d_s8_dsp_taps_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
            output += shape->output_w * shape->channels;
        }
        input += shape->input_h * shape->input_w * shape->channels;
    }
}

#endif
