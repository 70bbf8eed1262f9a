/* CONV_2D in int8 for cores with Arm's DSP extension, weights as 16 bits: the windows of two pixels are unpacked into
 * scratch, without gaps where pixels have few channels, then all output channels are computed from there, four at a
 * time: 11 instructions for 16 products, 4 to 7 for the rest of each output.
 *
 * A window is one run of contiguous input bytes per filter row. Whole words of it lie in the order 0, 2, 1, 3, which is
 * how they unpack; of what remains, three bytes in the order 0, 2, 1, one or two as they are; each run is filled up to
 * a whole number of pairs, whatever fills it: its weight is zero. Scratch holds a pair of the first pixel, then one of
 * the second, and so on. The input's zero point is folded into the bias. */
#ifndef SHOAL_CONV_2D_S8_DSP_2X4_H
#define SHOAL_CONV_2D_S8_DSP_2X4_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

enum {
    CONV_2D_S8_DSP_2X4_CHANNELS = 4,
    CONV_2D_S8_DSP_2X4_SCALE = 13 /* see conv_2d_s8_dsp_2x4_relu */
};

/* `relu`: the output's zero point is -128 and weights are scaled for conv_2d_s8_dsp_2x4_relu. */
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
    int32_t stride_h;
    int32_t stride_w;
    int32_t dilation_h;
    int32_t pad_top;
    int32_t pad_left;
    int32_t relu;
} conv_2d_s8_dsp_2x4_shape;

/* `weights`, per four output channels: four biases; per pair of inputs a word for each channel, the first input's
 * weight in the low half; for each channel its multiplier, its addend and, unless `relu`, its right shift. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t input_zero_point;
    const int32_t *weights;
} conv_2d_s8_dsp_2x4_args;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* A pair of inputs of each pixel, four words of weights; 44 bytes of code. */
#define CONV_2D_S8_DSP_2X4_PAIR                                                                                        \
    "ldrd   r2, r3, [r0], #8\n"                                                                                        \
    "ldrd   r12, lr, [r1], #8\n"                                                                                       \
    "smlad  r4, r2, r12, r4\n"                                                                                         \
    "smlad  r8, r3, r12, r8\n"                                                                                         \
    "smlad  r5, r2, lr, r5\n"                                                                                          \
    "smlad  r9, r3, lr, r9\n"                                                                                          \
    "ldrd   r12, lr, [r1], #8\n"                                                                                       \
    "smlad  r6, r2, r12, r6\n"                                                                                         \
    "smlad  r10, r3, r12, r10\n"                                                                                       \
    "smlad  r7, r2, lr, r7\n"                                                                                          \
    "smlad  r11, r3, lr, r11\n"

/* The same where the sums of the second pixel begin, with those of the first. */
#define CONV_2D_S8_DSP_2X4_FIRST                                                                                       \
    "ldrd   r2, r3, [r0], #8\n"                                                                                        \
    "ldrd   r12, lr, [r1], #8\n"                                                                                       \
    "smlad  r8, r3, r12, r4\n"                                                                                         \
    "smlad  r4, r2, r12, r4\n"                                                                                         \
    "smlad  r9, r3, lr, r5\n"                                                                                          \
    "smlad  r5, r2, lr, r5\n"                                                                                          \
    "ldrd   r12, lr, [r1], #8\n"                                                                                       \
    "smlad  r10, r3, r12, r6\n"                                                                                        \
    "smlad  r6, r2, r12, r6\n"                                                                                         \
    "smlad  r11, r3, lr, r7\n"                                                                                         \
    "smlad  r7, r2, lr, r7\n"

/* Two channels of both pixels. */
#define CONV_2D_S8_DSP_2X4_RELU(a0, b0, a1, b1)                                                                        \
    "ldmia  r1!, {r2, r3, r12, lr}\n"                                                                                  \
    "smmla  " a0 ", " a0 ", r2, r3\n"                                                                                  \
    "smmla  " b0 ", " b0 ", r2, r3\n"                                                                                  \
    "smmla  " a1 ", " a1 ", r12, lr\n"                                                                                 \
    "smmla  " b1 ", " b1 ", r12, lr\n"                                                                                 \
    "ssat   " a0 ", #8, " a0 ", asr #13\n"                                                                             \
    "ssat   " b0 ", #8, " b0 ", asr #13\n"                                                                             \
    "ssat   " a1 ", #8, " a1 ", asr #13\n"                                                                             \
    "ssat   " b1 ", #8, " b1 ", asr #13\n"

/* As fixed_point.h's requantize, of twice the sums. */
#define CONV_2D_S8_DSP_2X4_CHANNEL(first, second)                                                                      \
    "ldmia  r1!, {r2, r3, lr}\n"                                                                                       \
    "add    r12, r3, " first ", asr #31\n"                                                                             \
    "smmlar " first ", " first ", r2, r12\n"                                                                           \
    "add    r12, r3, " second ", asr #31\n"                                                                            \
    "smmlar " second ", " second ", r2, r12\n"                                                                         \
    "asr    " first ", " first ", lr\n"                                                                                \
    "asr    " second ", " second ", lr\n"                                                                              \
    "ssat   " first ", #8, " first "\n"                                                                                \
    "ssat   " second ", #8, " second "\n"

#define CONV_2D_S8_DSP_2X4_LINEAR(a0, b0, a1, b1)                                                                      \
    CONV_2D_S8_DSP_2X4_CHANNEL(a0, b0)                                                                                 \
    CONV_2D_S8_DSP_2X4_CHANNEL(a1, b1)

#define CONV_2D_S8_DSP_2X4_STORE(first, second)                                                                        \
    "strb   " second ", [r12], #1\n"                                                                                   \
    "strb   " first ", [r0], #1\n"

/* Registers: r0 pixels, r1 weights, r4 to r7 sums of the first pixel, r8 to r11 of the second. None is left to count
 * with: after the first pair, the first round enters 16 unrolled ones where a multiple of 16 is left, and the end is
 * told by r0.
 * Stack: 0 pixels, 4 where to enter, 8 first, 12 second, 52 end of first, 56 end of pixels. */
#define CONV_2D_S8_DSP_2X4_TILE(rescale)                                                                               \
    "push   {r0-r11, lr}\n"                                                                                            \
    "ldr    r4, [sp, #56]\n"                                                                                           \
    "sub    r4, r4, r0\n"                                                                                              \
    "lsr    r4, r4, #3\n"                                                                                              \
    "sub    r4, r4, #1\n"                                                                                              \
    "and    r4, r4, #15\n"                                                                                             \
    "mov    r5, #44\n"                                                                                                 \
    "adr.w  r6, 3f\n"                                                                                                  \
    "mls    r4, r4, r5, r6\n"                                                                                          \
    "add    r4, r4, #1\n"                                                                                              \
    "str    r4, [sp, #4]\n"                                                                                            \
    "1:\n"                                                                                                             \
    "ldmia  r1!, {r4-r7}\n"                                                                                            \
    "ldr    r0, [sp]\n"                                                                                                \
    CONV_2D_S8_DSP_2X4_FIRST                                                                                           \
    "ldr    pc, [sp, #4]\n"                                                                                            \
    "2:\n"                                                                                                             \
    ".rept  16\n"                                                                                                      \
    CONV_2D_S8_DSP_2X4_PAIR                                                                                            \
    ".endr\n"                                                                                                          \
    "3:\n"                                                                                                             \
    "ldr    r2, [sp, #56]\n"                                                                                           \
    "cmp    r0, r2\n"                                                                                                  \
    "bne.w  2b\n"                                                                                                      \
    rescale("r4", "r8", "r5", "r9")                                                                                    \
    rescale("r6", "r10", "r7", "r11")                                                                                  \
    "ldrd   r0, r12, [sp, #8]\n"                                                                                       \
    CONV_2D_S8_DSP_2X4_STORE("r4", "r8")                                                                               \
    CONV_2D_S8_DSP_2X4_STORE("r5", "r9")                                                                               \
    CONV_2D_S8_DSP_2X4_STORE("r6", "r10")                                                                              \
    CONV_2D_S8_DSP_2X4_STORE("r7", "r11")                                                                              \
    "ldr    r2, [sp, #52]\n"                                                                                           \
    "strd   r0, r12, [sp, #8]\n"                                                                                       \
    "cmp    r0, r2\n"                                                                                                  \
    "bne.w  1b\n"                                                                                                      \
    "add    sp, sp, #16\n"                                                                                             \
    "pop    {r4-r11, pc}\n"

/* Two pixels by the channels from `first` to `end`; `second` may be `first` where there is one pixel only. Unpacked
 * pairs lie from `pixels` to `last`.
 *
 * Weights and bias are scaled by 2^(14 - r), r the channel's right shift, so that one shift by 13 serves all of them.
 * It rounds as TFLite where the sum is positive; where it is negative, the result is -128 either way. */
__attribute__((naked, noipa, aligned(4), unused)) static void
conv_2d_s8_dsp_2x4_relu(const int16_t *pixels __attribute__((unused)), const int32_t *weights __attribute__((unused)),
                        int8_t *first __attribute__((unused)), int8_t *second __attribute__((unused)),
                        const int8_t *end __attribute__((unused)), const int16_t *last __attribute__((unused))) {
    __asm__ volatile(CONV_2D_S8_DSP_2X4_TILE(CONV_2D_S8_DSP_2X4_RELU));
}

/* The same for any zero point; weights and bias are doubled. */
__attribute__((naked, noipa, aligned(4), unused)) static void
conv_2d_s8_dsp_2x4_linear(const int16_t *pixels __attribute__((unused)), const int32_t *weights __attribute__((unused)),
                          int8_t *first __attribute__((unused)), int8_t *second __attribute__((unused)),
                          const int8_t *end __attribute__((unused)), const int16_t *last __attribute__((unused))) {
    __asm__ volatile(CONV_2D_S8_DSP_2X4_TILE(CONV_2D_S8_DSP_2X4_LINEAR));
}
/* clang-format on */

#else

/* The sum of one pixel and one channel; `weights` is the channel's bias, one channel's words lie four apart. */
SHOAL_INLINE int32_t conv_2d_s8_dsp_2x4_sum(const int16_t *pixels, const int32_t *weights, const int16_t *last) {
    uint32_t sum = (uint32_t)*weights;
    for (; pixels != last; pixels += 4) {
        weights += CONV_2D_S8_DSP_2X4_CHANNELS;
        sum += (uint32_t)(pixels[0] * (int16_t)*weights + pixels[1] * (*weights >> 16));
    }
    return (int32_t)sum;
}

SHOAL_INLINE void conv_2d_s8_dsp_2x4_relu(const int16_t *pixels, const int32_t *weights, int8_t *first, int8_t *second,
                                          const int8_t *end, const int16_t *last) {
    while (first != end) {
        const int32_t *record = weights + CONV_2D_S8_DSP_2X4_CHANNELS * ((last - pixels) / 4 + 1);
        for (int32_t c = 0; c < CONV_2D_S8_DSP_2X4_CHANNELS; ++c) {
            const int64_t a = conv_2d_s8_dsp_2x4_sum(pixels, weights + c, last);
            const int64_t b = conv_2d_s8_dsp_2x4_sum(pixels + 2, weights + c, last + 2);
            *second++ = saturate_s8(((int32_t)((b * record[0]) >> 32) + record[1]) >> CONV_2D_S8_DSP_2X4_SCALE);
            *first++ = saturate_s8(((int32_t)((a * record[0]) >> 32) + record[1]) >> CONV_2D_S8_DSP_2X4_SCALE);
            record += 2;
        }
        weights = record;
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_2x4_linear(const int16_t *pixels, const int32_t *weights, int8_t *first,
                                            int8_t *second, const int8_t *end, const int16_t *last) {
    while (first != end) {
        const int32_t *record = weights + CONV_2D_S8_DSP_2X4_CHANNELS * ((last - pixels) / 4 + 1);
        for (int32_t c = 0; c < CONV_2D_S8_DSP_2X4_CHANNELS; ++c) {
            const int64_t a = conv_2d_s8_dsp_2x4_sum(pixels, weights + c, last);
            const int64_t b = conv_2d_s8_dsp_2x4_sum(pixels + 2, weights + c, last + 2);
            const int32_t first_addend = record[1] + (a < 0 ? -1 : 0), second_addend = record[1] + (b < 0 ? -1 : 0);
            *second++ =
                saturate_s8(((int32_t)((b * record[0] + INT64_C(0x80000000)) >> 32) + second_addend) >> record[2]);
            *first++ =
                saturate_s8(((int32_t)((a * record[0] + INT64_C(0x80000000)) >> 32) + first_addend) >> record[2]);
            record += 3;
        }
        weights = record;
    }
}

#endif

/* Unpacks a run of `length` bytes of one pixel; returns where its next run goes. */
SHOAL_INLINE int16_t *conv_2d_s8_dsp_2x4_unpack(int16_t *target, const int8_t *input, int32_t length) {
    for (int32_t i = 0; i < length / 4; ++i) {
        const uint32_t word = load_word(input);
        store_word(target, even_bytes(word));
        store_word(target + 4, odd_bytes(word));
        input += 4;
        target += 8;
    }
    if (length % 4 == 3) {
        store_word(target, even_bytes((uint32_t)(uint8_t)input[0] | (uint32_t)(uint8_t)input[2] << 16));
        store_word(target + 4, (uint32_t)input[1]);
        target += 8;
    } else if (length % 4 == 2) {
        store_word(target, even_bytes((uint32_t)(uint8_t)input[0] | (uint32_t)(uint8_t)input[1] << 16));
        target += 4;
    } else if (length % 4 == 1) {
        store_word(target, (uint32_t)input[0]);
        target += 4;
    }
    return target;
}

/* Unpacks a run of both pixels. Compilers make no pairs of stores, nor loads that advance their pointer. */
SHOAL_INLINE int16_t *conv_2d_s8_dsp_2x4_unpack_both(int16_t *target, const int8_t *first, const int8_t *second,
                                                     int32_t length) {
#if defined(__ARM_FEATURE_DSP)
    SHOAL_UNROLL(2)
    for (int32_t i = 0; i < length / 4; ++i) {
        uint32_t a, b, c, d;
        __asm__ volatile("ldr    %[a], [%[first]], #4\n"
                         "ldr    %[b], [%[second]], #4\n"
                         "sxtb16 %[c], %[a]\n"
                         "sxtb16 %[d], %[b]\n"
                         "strd   %[c], %[d], [%[target]], #8\n"
                         "sxtb16 %[c], %[a], ror #8\n"
                         "sxtb16 %[d], %[b], ror #8\n"
                         "strd   %[c], %[d], [%[target]], #8\n"
                         : [target] "+r"(target), [first] "+r"(first), [second] "+r"(second), [a] "=&r"(a),
                           [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d)
                         :
                         : "memory");
    }
#else
    for (int32_t i = 0; i < length / 4; ++i) {
        conv_2d_s8_dsp_2x4_unpack(target + 2, second, 4);
        target = conv_2d_s8_dsp_2x4_unpack(target, first, 4);
        first += 4;
        second += 4;
    }
#endif
    conv_2d_s8_dsp_2x4_unpack(target + 2, second, length % 4);
    return conv_2d_s8_dsp_2x4_unpack(target, first, length % 4);
}

/* A run of `length` bytes of padding. */
SHOAL_INLINE int16_t *conv_2d_s8_dsp_2x4_fill(int16_t *target, int32_t zero_point, int32_t length) {
    const uint32_t pair = (uint32_t)(uint16_t)zero_point * 0x10001U;
    SHOAL_UNROLL(2)
    for (int32_t i = 0; i < length; i += 2) {
        store_word(target, pair);
        target += 4;
    }
    return target;
}

/* Unpacks a filter row of one pixel that leaves the image: `line` is what its first byte would be, `first` to `last`
 * lie inside. */
SHOAL_INLINE int16_t *conv_2d_s8_dsp_2x4_edge(int16_t *target, const int8_t *line, int32_t first, int32_t last,
                                              int32_t length, int32_t zero_point) {
    for (int32_t i = 0; i < length; i += 4) {
        int8_t bytes[4];
        const int32_t count = length - i < 4 ? length - i : 4;
        for (int32_t k = 0; k < 4; ++k) {
            bytes[k] = (int8_t)(i + k < first || i + k >= last ? zero_point : line[i + k]);
        }
        target = count == 4 ? conv_2d_s8_dsp_2x4_unpack(target, bytes, 4)
                            : conv_2d_s8_dsp_2x4_unpack(target, bytes, length % 4);
    }
    return target;
}

/* Unpacks the window of one pixel wherever it lies. */
SHOAL_INLINE void conv_2d_s8_dsp_2x4_window(int16_t *target, const input_rows *rows, int32_t top, int32_t column,
                                            int32_t zero_point, const conv_2d_s8_dsp_2x4_shape *shape) {
    const int32_t length = shape->filter_w * shape->input_c;
    const span inside = taps_inside(column, shape->filter_w, 1, shape->input_w);
    const int32_t first = inside.first * shape->input_c, last = inside.last * shape->input_c;
    SHOAL_UNROLL(1)
    for (int32_t k = 0; k < shape->filter_h; ++k) {
        const int32_t row = top + k * shape->dilation_h;
        if (row < 0 || row >= shape->input_h || first == last) {
            target = conv_2d_s8_dsp_2x4_fill(target, zero_point, length);
            continue;
        }
        const int8_t *line = input_row(rows, row) + column * shape->input_c;
        if (last - first == length) {
            target = conv_2d_s8_dsp_2x4_unpack(target, line, length);
        } else if (shape->input_c % 4 == 0) {
            target = conv_2d_s8_dsp_2x4_fill(target, zero_point, first);
            target = conv_2d_s8_dsp_2x4_unpack(target, line + first, last - first);
            target = conv_2d_s8_dsp_2x4_fill(target, zero_point, length - last);
        } else {
            target = conv_2d_s8_dsp_2x4_edge(target, line, first, last, length, zero_point);
        }
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void conv_2d_s8_dsp_2x4_band(const input_rows *rows, int32_t y, span pixels, int8_t *output, void *scratch,
                                          const conv_2d_s8_dsp_2x4_args *args, const conv_2d_s8_dsp_2x4_shape *shape) {
    int16_t *unpacked = (int16_t *)scratch;
    const int32_t top = y * shape->stride_h - shape->pad_top;
    const int32_t length = shape->filter_w * shape->input_c;
    const int32_t next = shape->stride_w * shape->input_c;
    const int16_t *last = unpacked + shape->filter_h * ((length + 1) / 2) * 4;
    const int32_t rows_inside = top >= 0 && top + (shape->filter_h - 1) * shape->dilation_h < shape->input_h;
    for (int32_t x = pixels.first; x < pixels.last; x += 2) {
        const int32_t column = x * shape->stride_w - shape->pad_left;
        const int32_t paired = x + 1 < pixels.last;
        int8_t *second = output + (paired ? shape->output_c : 0);
        if (paired && rows_inside && column >= 0 && column + shape->stride_w + shape->filter_w <= shape->input_w) {
            int16_t *target = unpacked;
            SHOAL_UNROLL(1)
            for (int32_t k = 0; k < shape->filter_h; ++k) {
                const int8_t *line = input_row(rows, top + k * shape->dilation_h) + column * shape->input_c;
                target = conv_2d_s8_dsp_2x4_unpack_both(target, line, line + next, length);
            }
        } else {
            SHOAL_UNROLL(1)
            for (int32_t p = 0; p <= paired; ++p) {
                conv_2d_s8_dsp_2x4_window(unpacked + 2 * p, rows, top, column + p * shape->stride_w,
                                          args->input_zero_point, shape);
            }
        }
        if (shape->relu) {
            conv_2d_s8_dsp_2x4_relu(unpacked, args->weights, output, second, output + shape->output_c, last);
        } else {
            conv_2d_s8_dsp_2x4_linear(unpacked, args->weights, output, second, output + shape->output_c, last);
        }
        output = second + shape->output_c;
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_2x4(uint8_t *arena, const conv_2d_s8_dsp_2x4_args *args,
                                     const conv_2d_s8_dsp_2x4_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->input_c};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            conv_2d_s8_dsp_2x4_band(&rows, y, (span){0, shape->output_w}, output, arena + args->scratch, args, shape);
            output += shape->output_w * shape->output_c;
        }
        input += shape->input_h * shape->input_w * shape->input_c;
    }
}

#endif
