/* CONV_2D in int8 for cores with Arm's DSP extension: 1x1 filters over eight input channels, an output zero point of
 * -128. A pixel's inputs stay in four registers as pairs while all output channels are computed from them: 8
 * instructions for a channel's 8 products, with all that belongs to it, 14 for a pixel. */
#ifndef SHOAL_CONV_2D_S8_DSP_EIGHT_H
#define SHOAL_CONV_2D_S8_DSP_EIGHT_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

enum {
    CONV_2D_S8_DSP_EIGHT_INPUTS = 8,
    CONV_2D_S8_DSP_EIGHT_RECORD = 7, /* words per output channel */
    CONV_2D_S8_DSP_EIGHT_SCALE = 13  /* right shift of all channels, see conv_2d_s8_dsp_2x4_relu */
};

/* `output_c` is a multiple of four. */
typedef struct {
    int32_t output_h;
    int32_t output_w;
    int32_t output_c;
} conv_2d_s8_dsp_eight_shape;

/* `weights`, per output channel: a word of each pair of inputs, (0, 2), (1, 3), (4, 6), (5, 7); the bias, the
 * multiplier, the addend. */
typedef struct {
    uint32_t input;
    uint32_t output;
    const int32_t *weights;
} conv_2d_s8_dsp_eight_args;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* One output channel of the pixel in r2 to r5. */
#define CONV_2D_S8_DSP_EIGHT_CHANNEL      \
    "ldmia   r1!, {r6-r12}\n"             \
    "smlad   r10, r2, r6, r10\n"          \
    "smlad   r10, r3, r7, r10\n"          \
    "smlad   r10, r4, r8, r10\n"          \
    "smlad   r10, r5, r9, r10\n"          \
    "smmla   r10, r10, r11, r12\n"        \
    "ssat    r10, #8, r10, asr #13\n"     \
    "strb    r10, [r0], #1\n"

/* The pixels whose outputs go from `output` to `end`, of `channels` each. Registers: r0 output, r1 weights, r2 to r5
 * inputs, lr the end of the pixel's outputs. Stack: 0 input, 4 weights, 8 end, 12 channels. */
__attribute__((naked, noipa, unused)) static void
conv_2d_s8_dsp_eight_run(int8_t *output __attribute__((unused)), const int8_t *input __attribute__((unused)),
                         const int32_t *weights __attribute__((unused)), const int8_t *end __attribute__((unused)),
                         int32_t channels __attribute__((unused))) {
    __asm__ volatile(
        "push    {r4-r11, lr}\n"
        "ldr     r4, [sp, #36]\n"
        "push    {r1-r4}\n"
        "1:\n"
        "ldrd    r6, r1, [sp]\n"
        "ldr     lr, [sp, #12]\n"
        "ldr     r2, [r6], #4\n"
        "ldr     r4, [r6], #4\n"
        "str     r6, [sp]\n"
        "add     lr, lr, r0\n"
        "sxtb16  r3, r2, ror #8\n"
        "sxtb16  r2, r2\n"
        "sxtb16  r5, r4, ror #8\n"
        "sxtb16  r4, r4\n"
        "2:\n"
        ".rept   4\n"
        CONV_2D_S8_DSP_EIGHT_CHANNEL
        ".endr\n"
        "cmp     r0, lr\n"
        "bne     2b\n"
        "ldr     r6, [sp, #8]\n"
        "cmp     r0, r6\n"
        "bne     1b\n"
        "add     sp, sp, #16\n"
        "pop     {r4-r11, pc}\n");
}
/* clang-format on */

#else

SHOAL_INLINE void conv_2d_s8_dsp_eight_run(int8_t *output, const int8_t *input, const int32_t *weights,
                                           const int8_t *end, int32_t channels) {
    while (output != end) {
        const uint32_t words[2] = {load_word(input), load_word(input + 4)};
        const int32_t *record = weights;
        for (int32_t c = 0; c < channels; ++c, record += CONV_2D_S8_DSP_EIGHT_RECORD) {
            uint32_t sum = (uint32_t)record[4];
            for (int32_t i = 0; i < 4; ++i) {
                const uint32_t pair = i % 2 == 0 ? even_bytes(words[i / 2]) : odd_bytes(words[i / 2]);
                sum += (uint32_t)((int16_t)pair * (int16_t)record[i]);
                sum += (uint32_t)((int16_t)(pair >> 16) * (record[i] >> 16));
            }
            const int32_t scaled = (int32_t)(((int64_t)(int32_t)sum * record[5]) >> 32);
            *output++ = saturate_s8((scaled + record[6]) >> CONV_2D_S8_DSP_EIGHT_SCALE);
        }
        input += CONV_2D_S8_DSP_EIGHT_INPUTS;
    }
}

#endif

/* One band, see rows.h. */
SHOAL_INLINE void conv_2d_s8_dsp_eight_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                            const conv_2d_s8_dsp_eight_args *args,
                                            const conv_2d_s8_dsp_eight_shape *shape) {
    const int8_t *input = input_row(rows, y) + pixels.first * CONV_2D_S8_DSP_EIGHT_INPUTS;
    const int8_t *end = output + (pixels.last - pixels.first) * shape->output_c;
    conv_2d_s8_dsp_eight_run(output, input, args->weights, end, shape->output_c);
}

SHOAL_INLINE void conv_2d_s8_dsp_eight(uint8_t *arena, const conv_2d_s8_dsp_eight_args *args,
                                       const conv_2d_s8_dsp_eight_shape *shape) {
    const input_rows rows = rows_at(arena + args->input, shape->output_w * CONV_2D_S8_DSP_EIGHT_INPUTS, 0);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t y = 0; y < shape->output_h; ++y) {
        conv_2d_s8_dsp_eight_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
        output += shape->output_w * shape->output_c;
    }
}

#endif
