/* Parts of FULLY_CONNECTED for cores with Arm's DSP extension: int32 sums of products of some of each row's inputs, a
 * multiple of eight, four outputs at a time.
 *
 * Weights lie as in fully_connected_s8_dsp.h. While they grow, the sums of four outputs are A, A + 256 * B, C, C + 256
 * * D; so are the biases, into which the input's zero point is folded. */
#ifndef SHOAL_FULLY_CONNECTED_SUMS_S8_DSP_H
#define SHOAL_FULLY_CONNECTED_SUMS_S8_DSP_H

#include "fully_connected_s8_dsp.h"

enum {
    FULLY_CONNECTED_SUMS_S8_DSP_BLOCK = 4, /* outputs */
    FULLY_CONNECTED_SUMS_S8_DSP_INPUTS = 8,
    FULLY_CONNECTED_SUMS_S8_DSP_BYTES = 32 /* weights of a block for so many inputs */
};

/* A row has `row` inputs; `input_c` of them, from `first` on, are multiplied. */
typedef struct {
    int32_t batches;
    int32_t row;
    int32_t first;
    int32_t input_c;
    int32_t output_c;
} fully_connected_sums_s8_dsp_shape;

/* `bias`: blocks filled up to four. */
typedef struct {
    uint32_t input;
    uint32_t output;
    const int8_t *weights;
    const int32_t *bias;
} fully_connected_sums_s8_dsp_args;

/* The sums from `sums` to `end`, whole blocks. `rounds` is inputs / 8, `skipped` the bytes between the weights of a
 * block and those of the next. The function leaves pointers where the next block begins. */
typedef struct {
    const int8_t *input;
    const int8_t *weights;
    uint32_t *sums;
    const uint32_t *end;
    int32_t skipped;
    int32_t rounds;
} fully_connected_sums_s8_dsp_tile;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* Registers as in fully_connected_s8_dsp.h. */
__attribute__((naked, noipa, unused)) static void
fully_connected_sums_s8_dsp_run(fully_connected_sums_s8_dsp_tile *tile __attribute__((unused))) {
    __asm__ volatile(
        "push   {r4-r11, lr}\n"
        "mov    lr, r0\n"
        "ldr    r1, [lr, #4]\n"
        "1:\n"
        "ldr    r2, [lr, #8]\n"
        "ldr    r0, [lr, #0]\n"
        "ldmia  r2, {r9-r12}\n"
        "ldr    r2, [lr, #20]\n"
        "2:\n"
        FULLY_CONNECTED_S8_DSP_QUAD
        FULLY_CONNECTED_S8_DSP_QUAD
        "subs   r2, r2, #1\n"
        "bne    2b\n"
        "ldrd   r2, r3, [lr, #8]\n"
        "ldr    r4, [lr, #16]\n"
        "stmia  r2!, {r9-r12}\n"
        "add    r1, r1, r4\n"
        "str    r2, [lr, #8]\n"
        "cmp    r2, r3\n"
        "bne    1b\n"
        "str    r1, [lr, #4]\n"
        "pop    {r4-r11, pc}\n");
}
/* clang-format on */

#else

SHOAL_INLINE void fully_connected_sums_s8_dsp_run(fully_connected_sums_s8_dsp_tile *tile) {
    do {
        for (int32_t pair = 0; pair < 2; ++pair) {
            uint32_t a = tile->sums[2 * pair];
            uint32_t both = tile->sums[2 * pair + 1];
            for (int32_t i = 0; i < tile->rounds * FULLY_CONNECTED_SUMS_S8_DSP_INPUTS; ++i) {
                const int8_t *weights = tile->weights + i / 4 * 16 + i % 2 * 8 + pair * 4 + i % 4 / 2 * 2;
                a += (uint32_t)(tile->input[i] * weights[0]);
                both += (uint32_t)(tile->input[i] * (weights[1] * 256 + (uint8_t)weights[0]));
            }
            tile->sums[2 * pair] = a;
            tile->sums[2 * pair + 1] = both;
        }
        tile->weights += tile->rounds * FULLY_CONNECTED_SUMS_S8_DSP_BYTES + tile->skipped;
        tile->sums += FULLY_CONNECTED_SUMS_S8_DSP_BLOCK;
    } while (tile->sums != tile->end);
}

#endif

/* B of a pair A, A + 256 * B. */
SHOAL_INLINE int32_t fully_connected_sums_s8_dsp_second(const uint32_t *pair) {
    return (int32_t)(pair[1] - pair[0]) >> 8;
}

SHOAL_INLINE void fully_connected_sums_s8_dsp(uint8_t *arena, const fully_connected_sums_s8_dsp_args *args,
                                              const fully_connected_sums_s8_dsp_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input) + shape->first;
    uint32_t *output = (uint32_t *)(void *)(arena + args->output);
    const int32_t outputs = shape->output_c;
    const int32_t whole = outputs / FULLY_CONNECTED_SUMS_S8_DSP_BLOCK * FULLY_CONNECTED_SUMS_S8_DSP_BLOCK;
    for (int32_t n = 0; n < shape->batches; ++n) {
        fully_connected_sums_s8_dsp_tile tile = {.input = input, .weights = args->weights, .sums = output};
        tile.end = output + whole;
        tile.rounds = shape->input_c / FULLY_CONNECTED_SUMS_S8_DSP_INPUTS;
        memcpy(output, args->bias, (size_t)outputs * sizeof *output);
        if (whole != 0) {
            fully_connected_sums_s8_dsp_run(&tile);
        }
        if (whole != outputs) {
            uint32_t last[FULLY_CONNECTED_SUMS_S8_DSP_BLOCK];
            memcpy(last, args->bias + whole, sizeof last);
            tile.sums = last;
            tile.end = last + FULLY_CONNECTED_SUMS_S8_DSP_BLOCK;
            fully_connected_sums_s8_dsp_run(&tile);
            memcpy(output + whole, last, (size_t)(outputs - whole) * sizeof *output);
        }
        for (int32_t c = 1; c < outputs; c += 2) {
            output[c] = (uint32_t)fully_connected_sums_s8_dsp_second(output + c - 1);
        }
        input += shape->row;
        output += outputs;
    }
}

#endif
