/* CONV_2D in int8 for cores with Arm's DSP extension, weights as they are: the windows of three pixels are unpacked to
 * 16 bits into scratch, then all output channels are computed from there, two at a time: 17 instructions for 24
 * products, 8 to 9 for the rest of each output.
 *
 * Two channels share a stream of halfwords a + 256 * b, a of the first channel and b of the second. Multiplied as they
 * are they sum to A + 256 * B, and their low bytes, sign-extended, to A: one unpacking serves six products. The
 * generator takes this kernel only where B stays below 2^23.
 *
 * A window is one run of contiguous input bytes per filter row, filled up to a multiple of four. Four inputs lie in the
 * order 0, 2, 1, 3, which is how words of bytes unpack: scratch holds a pair of each pixel, then the other pairs. The
 * input's zero point is folded into the bias. */
#ifndef SHOAL_CONV_2D_S8_DSP_3X2_H
#define SHOAL_CONV_2D_S8_DSP_3X2_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

enum {
    CONV_2D_S8_DSP_3X2_PIXELS = 3,
    CONV_2D_S8_DSP_3X2_QUAD = 12 /* halfwords of four inputs of all pixels */
};

/* `output_c` is even. `relu`: the output's zero point is -128, so that negative sums need not be rounded rightly;
 * `clamped`: the activation keeps less than int8. */
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
    int32_t clamped;
} conv_2d_s8_dsp_3x2_shape;

/* `weights`, per pair of output channels: the biases A and A + 256 * B; per four inputs two words of halfwords; for
 * each channel its multiplier, what is added to the doubled sum's high word, its right shift. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t input_zero_point;
    int32_t low;
    int32_t high;
    const int32_t *weights;
} conv_2d_s8_dsp_3x2_args;

/* Three pixels by the channels from `outputs[0]` to `end`; outputs of pixels that are missing are those of the one
 * before, which is written later. */
typedef struct {
    const int16_t *pixels;
    const int16_t *pixels_end;
    int8_t *outputs[CONV_2D_S8_DSP_3X2_PIXELS];
    const int8_t *end;
} conv_2d_s8_dsp_3x2_tile;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* A pair of inputs of each pixel by a word of weights. */
#define CONV_2D_S8_DSP_3X2_PAIR(weights) \
    "ldmia.w r0!, {r2-r4}\n"             \
    "sxtb16 lr, " weights "\n"           \
    "smlad  r10, r2, " weights ", r10\n" \
    "smlad  r11, r3, " weights ", r11\n" \
    "smlad  r12, r4, " weights ", r12\n" \
    "smlad  r7, r2, lr, r7\n"            \
    "smlad  r8, r3, lr, r8\n"            \
    "smlad  r9, r4, lr, r9\n"

/* 68 bytes of code. */
#define CONV_2D_S8_DSP_3X2_QUAD_OF_INPUTS \
    "ldrd   r5, r6, [r1], #8\n"           \
    CONV_2D_S8_DSP_3X2_PAIR("r5")         \
    CONV_2D_S8_DSP_3X2_PAIR("r6")

/* The same where the sums of the other pixels begin, with those of the first. */
#define CONV_2D_S8_DSP_3X2_FIRST   \
    "ldrd   r5, r6, [r1], #8\n"    \
    "ldmia.w r0!, {r2-r4}\n"       \
    "sxtb16 lr, r5\n"              \
    "smlad  r11, r3, r5, r10\n"    \
    "smlad  r12, r4, r5, r10\n"    \
    "smlad  r10, r2, r5, r10\n"    \
    "smlad  r8, r3, lr, r7\n"      \
    "smlad  r9, r4, lr, r7\n"      \
    "smlad  r7, r2, lr, r7\n"      \
    CONV_2D_S8_DSP_3X2_PAIR("r6")

#define CONV_2D_S8_DSP_3X2_RELU(sum)      \
    "smmlar " sum ", " sum ", r2, r3\n"   \
    "asr    " sum ", " sum ", r4\n"       \
    "ssat   " sum ", #8, " sum "\n"

/* As fixed_point.h's requantize, of twice the sum. */
#define CONV_2D_S8_DSP_3X2_LINEAR(sum)    \
    "add    r0, r3, " sum ", asr #31\n"   \
    "smmlar " sum ", " sum ", r2, r0\n"   \
    "asr    " sum ", " sum ", r4\n"       \
    "ssat   " sum ", #8, " sum "\n"

/* Registers: r0 pixels, r1 weights, r7 to r9 the sums A, r10 to r12 A + 256 * B. None is left to count with:
 * after the first quad, the first round enters 4 unrolled ones where a multiple of 4 is left, and the end is told by
 * r0. Stack: 0 tile, 4 pixels, 8 where to enter, 12 end of pixels. */
#define CONV_2D_S8_DSP_3X2_TILE(rescale)                                                                               \
    "push   {r4-r11, lr}\n"                                                                                            \
    "ldrd   r2, r4, [r0]\n"                                                                                            \
    "sub    r3, r4, r2\n"                                                                                              \
    "mov    r5, #24\n"                                                                                                 \
    "udiv   r3, r3, r5\n"                                                                                              \
    "sub    r3, r3, #1\n"                                                                                              \
    "and    r3, r3, #3\n"                                                                                              \
    "mov    r5, #68\n"                                                                                                 \
    "adr.w  r6, 3f\n"                                                                                                  \
    "mls    r3, r3, r5, r6\n"                                                                                          \
    "add    r3, r3, #1\n"                                                                                              \
    "push   {r0, r2-r4}\n"                                                                                             \
    "1:\n"                                                                                                             \
    "ldrd   r7, r10, [r1], #8\n"                                                                                       \
    "ldr    r0, [sp, #4]\n"                                                                                            \
    CONV_2D_S8_DSP_3X2_FIRST                                                                                           \
    "ldr    pc, [sp, #8]\n"                                                                                            \
    "2:\n"                                                                                                             \
    ".rept  4\n"                                                                                                       \
    CONV_2D_S8_DSP_3X2_QUAD_OF_INPUTS                                                                                  \
    ".endr\n"                                                                                                          \
    "3:\n"                                                                                                             \
    "ldr    r2, [sp, #12]\n"                                                                                           \
    "cmp    r0, r2\n"                                                                                                  \
    "bne.w  2b\n"                                                                                                      \
    "sub    r10, r10, r7\n"                                                                                            \
    "sub    r11, r11, r8\n"                                                                                            \
    "sub    r12, r12, r9\n"                                                                                            \
    "lsl    r7, r7, #1\n"                                                                                              \
    "lsl    r8, r8, #1\n"                                                                                              \
    "lsl    r9, r9, #1\n"                                                                                              \
    "asr    r10, r10, #7\n"                                                                                            \
    "asr    r11, r11, #7\n"                                                                                            \
    "asr    r12, r12, #7\n"                                                                                            \
    "ldmia  r1!, {r2-r4}\n"                                                                                            \
    rescale("r7")                                                                                                      \
    rescale("r8")                                                                                                      \
    rescale("r9")                                                                                                      \
    "ldmia  r1!, {r2-r4}\n"                                                                                            \
    rescale("r10")                                                                                                     \
    rescale("r11")                                                                                                     \
    rescale("r12")                                                                                                     \
    "ldr    r0, [sp]\n"                                                                                                \
    "add    r0, r0, #8\n"                                                                                              \
    "ldmia  r0, {r2-r5}\n"                                                                                             \
    "strb   r12, [r4, #1]\n"                                                                                           \
    "strb   r9, [r4], #2\n"                                                                                            \
    "strb   r11, [r3, #1]\n"                                                                                           \
    "strb   r8, [r3], #2\n"                                                                                            \
    "strb   r10, [r2, #1]\n"                                                                                           \
    "strb   r7, [r2], #2\n"                                                                                            \
    "stmia  r0, {r2-r4}\n"                                                                                             \
    "cmp    r2, r5\n"                                                                                                  \
    "bne.w  1b\n"                                                                                                      \
    "add    sp, sp, #16\n"                                                                                             \
    "pop    {r4-r11, pc}\n"

__attribute__((naked, noipa, aligned(4), unused)) static void
conv_2d_s8_dsp_3x2_relu(conv_2d_s8_dsp_3x2_tile *tile __attribute__((unused)),
                        const int32_t *weights __attribute__((unused))) {
    __asm__ volatile(CONV_2D_S8_DSP_3X2_TILE(CONV_2D_S8_DSP_3X2_RELU));
}

__attribute__((naked, noipa, aligned(4), unused)) static void
conv_2d_s8_dsp_3x2_linear(conv_2d_s8_dsp_3x2_tile *tile __attribute__((unused)),
                          const int32_t *weights __attribute__((unused))) {
    __asm__ volatile(CONV_2D_S8_DSP_3X2_TILE(CONV_2D_S8_DSP_3X2_LINEAR));
}
/* clang-format on */

#else

SHOAL_INLINE int8_t conv_2d_s8_dsp_3x2_result(int32_t doubled, const int32_t *record, int32_t sign) {
    return saturate_s8(high_mul_add(doubled, record[0], record[1] + sign) >> record[2]);
}

/* One pixel of a tile by two channels; `relu` as in the shape. */
SHOAL_INLINE void conv_2d_s8_dsp_3x2_pixel(const conv_2d_s8_dsp_3x2_tile *tile, int32_t pixel, const int32_t *weights,
                                           int8_t *output, int32_t relu) {
    uint32_t a = (uint32_t)*weights++, both = (uint32_t)*weights++;
    for (const int16_t *x = tile->pixels + 2 * pixel; x < tile->pixels_end; x += CONV_2D_S8_DSP_3X2_QUAD / 2) {
        const int32_t low = (int16_t)*weights, high = *weights >> 16;
        a += (uint32_t)(x[0] * (int8_t)low + x[1] * (int8_t)high);
        both += (uint32_t)(x[0] * low + x[1] * high);
        ++weights;
    }
    const int32_t doubled_a = (int32_t)(a << 1), doubled_b = (int32_t)(both - a) >> 7;
    output[0] = conv_2d_s8_dsp_3x2_result(doubled_a, weights, relu ? 0 : doubled_a >> 31);
    output[1] = conv_2d_s8_dsp_3x2_result(doubled_b, weights + 3, relu ? 0 : doubled_b >> 31);
}

SHOAL_INLINE void conv_2d_s8_dsp_3x2_run(conv_2d_s8_dsp_3x2_tile *tile, const int32_t *weights, int32_t relu) {
    const int32_t step = 8 + (int32_t)(tile->pixels_end - tile->pixels) / CONV_2D_S8_DSP_3X2_QUAD * 2;
    while (tile->outputs[0] != tile->end) {
        for (int32_t p = CONV_2D_S8_DSP_3X2_PIXELS - 1; p >= 0; --p) {
            conv_2d_s8_dsp_3x2_pixel(tile, p, weights, tile->outputs[p], relu);
            tile->outputs[p] += 2;
        }
        weights += step;
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_3x2_relu(conv_2d_s8_dsp_3x2_tile *tile, const int32_t *weights) {
    conv_2d_s8_dsp_3x2_run(tile, weights, 1);
}

SHOAL_INLINE void conv_2d_s8_dsp_3x2_linear(conv_2d_s8_dsp_3x2_tile *tile, const int32_t *weights) {
    conv_2d_s8_dsp_3x2_run(tile, weights, 0);
}

#endif

/* Unpacks a run of one pixel, of which the bytes from `inside.first` to `inside.last` lie in the image; returns where
 * its next run goes. */
SHOAL_INLINE int16_t *conv_2d_s8_dsp_3x2_unpack(int16_t *target, const int8_t *input, span inside, int32_t length,
                                                int32_t zero_point) {
    for (int32_t i = 0; i < length; i += 4) {
        uint32_t word = (uint8_t)zero_point * UINT32_C(0x01010101);
        if (i >= inside.first && i + 4 <= inside.last) {
            word = load_word(input + i);
        } else if (i + 4 > inside.first && i < inside.last) {
            uint8_t bytes[4];
            memcpy(bytes, &word, 4);
            for (int32_t k = 0; k < 4; ++k) {
                if (i + k >= inside.first && i + k < inside.last) {
                    bytes[k] = (uint8_t)input[i + k];
                }
            }
            memcpy(&word, bytes, 4);
        }
        store_word(target, even_bytes(word));
        store_word(target + CONV_2D_S8_DSP_3X2_QUAD / 2, odd_bytes(word));
        target += CONV_2D_S8_DSP_3X2_QUAD;
    }
    return target;
}

/* Unpacks a run of three pixels inside of the image, `next` bytes apart. Compilers make no pairs of stores, nor loads
 * that advance their pointer. */
SHOAL_INLINE int16_t *conv_2d_s8_dsp_3x2_unpack_all(int16_t *target, const int8_t *first, int32_t next,
                                                    int32_t length) {
    const int8_t *second = first + next;
    const int8_t *third = second + next;
#if defined(__ARM_FEATURE_DSP)
    if (length >= 4) {
        int32_t count = length / 4;
        uint32_t a, b, c, d, e;
        __asm__ volatile("1:\n"
                         "ldr    %[a], [%[first]], #4\n"
                         "ldr    %[b], [%[second]], #4\n"
                         "ldr    %[c], [%[third]], #4\n"
                         "sxtb16 %[d], %[a]\n"
                         "sxtb16 %[e], %[b]\n"
                         "strd   %[d], %[e], [%[target]], #8\n"
                         "sxtb16 %[d], %[c]\n"
                         "sxtb16 %[a], %[a], ror #8\n"
                         "strd   %[d], %[a], [%[target]], #8\n"
                         "sxtb16 %[b], %[b], ror #8\n"
                         "sxtb16 %[c], %[c], ror #8\n"
                         "strd   %[b], %[c], [%[target]], #8\n"
                         "subs   %[count], %[count], #1\n"
                         "bne    1b\n"
                         : [target] "+r"(target), [first] "+r"(first), [second] "+r"(second), [third] "+r"(third),
                           [count] "+r"(count), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [e] "=&r"(e)
                         :
                         : "cc", "memory");
    }
    length %= 4;
#endif
    const span inside = {0, length};
    conv_2d_s8_dsp_3x2_unpack(target + 4, third, inside, length, 0);
    conv_2d_s8_dsp_3x2_unpack(target + 2, second, inside, length, 0);
    return conv_2d_s8_dsp_3x2_unpack(target, first, inside, length, 0);
}

/* Unpacks the windows of `count` pixels from row `top` and `column` on. */
SHOAL_INLINE void conv_2d_s8_dsp_3x2_windows(int16_t *target, const input_rows *rows, int32_t top, int32_t column,
                                             int32_t count, int32_t zero_point, const conv_2d_s8_dsp_3x2_shape *shape) {
    const int32_t length = shape->filter_w * shape->input_c;
    const int32_t next = shape->stride_w * shape->input_c;
    const int32_t end = column + (CONV_2D_S8_DSP_3X2_PIXELS - 1) * shape->stride_w + shape->filter_w;
    const int32_t inside = count == CONV_2D_S8_DSP_3X2_PIXELS && column >= 0 && end <= shape->input_w;
    SHOAL_UNROLL(1)
    for (int32_t k = 0; k < shape->filter_h; ++k) {
        const int32_t row = top + k * shape->dilation_h;
        const int32_t outside = row < 0 || row >= shape->input_h;
        const int8_t *line = outside ? NULL : input_row(rows, row);
        if (inside && !outside) {
            target = conv_2d_s8_dsp_3x2_unpack_all(target, line + column * shape->input_c, next, length);
            continue;
        }
        SHOAL_UNROLL(1)
        for (int32_t p = 0; p < count; ++p) {
            const int32_t start = column + p * shape->stride_w;
            const span taps = taps_inside(start, shape->filter_w, 1, shape->input_w);
            const span bytes = {taps.first * shape->input_c, outside ? 0 : taps.last * shape->input_c};
            conv_2d_s8_dsp_3x2_unpack(target + 2 * p, outside ? line : line + start * shape->input_c, bytes, length,
                                      zero_point);
        }
        target += (length + 3) / 4 * CONV_2D_S8_DSP_3X2_QUAD;
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void conv_2d_s8_dsp_3x2_band(const input_rows *rows, int32_t y, span pixels, int8_t *output, void *scratch,
                                          const conv_2d_s8_dsp_3x2_args *args, const conv_2d_s8_dsp_3x2_shape *shape) {
    const int32_t top = y * shape->stride_h - shape->pad_top;
    const int32_t quads = shape->filter_h * ((shape->filter_w * shape->input_c + 3) / 4);
    conv_2d_s8_dsp_3x2_tile tile = {.pixels = (int16_t *)scratch};
    tile.pixels_end = tile.pixels + quads * CONV_2D_S8_DSP_3X2_QUAD;
    for (int32_t x = pixels.first; x < pixels.last; x += CONV_2D_S8_DSP_3X2_PIXELS) {
        const int32_t left = pixels.last - x;
        const int32_t count = left < CONV_2D_S8_DSP_3X2_PIXELS ? left : CONV_2D_S8_DSP_3X2_PIXELS;
        conv_2d_s8_dsp_3x2_windows((int16_t *)scratch, rows, top, x * shape->stride_w - shape->pad_left, count,
                                   args->input_zero_point, shape);
        tile.outputs[0] = output;
        tile.outputs[1] = output + (count > 1 ? shape->output_c : 0);
        tile.outputs[2] = tile.outputs[1] + (count > 2 ? shape->output_c : 0);
        tile.end = output + shape->output_c;
        if (shape->relu) {
            conv_2d_s8_dsp_3x2_relu(&tile, args->weights);
        } else {
            conv_2d_s8_dsp_3x2_linear(&tile, args->weights);
        }
        if (shape->clamped) {
            for (int32_t i = 0; i < count * shape->output_c; ++i) {
                output[i] = (int8_t)clamp(output[i], args->low, args->high);
            }
        }
        output += count * shape->output_c;
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_3x2(uint8_t *arena, const conv_2d_s8_dsp_3x2_args *args,
                                     const conv_2d_s8_dsp_3x2_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->input_c};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            conv_2d_s8_dsp_3x2_band(&rows, y, (span){0, shape->output_w}, output, arena + args->scratch, args, shape);
            output += shape->output_w * shape->output_c;
        }
        input += shape->input_h * shape->input_w * shape->input_c;
    }
}

#endif
