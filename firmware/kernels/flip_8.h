/* uint8 to int8 of the same scale, or back: the top bit of every byte, four bytes at a time. Tensors start at multiples
 * of four. */
#ifndef SHOAL_FLIP_8_H
#define SHOAL_FLIP_8_H

#include "kernel.h"

typedef struct {
    int32_t count;
} flip_8_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
} flip_8_args;

SHOAL_INLINE void flip_8(uint8_t *arena, const flip_8_args *args, const flip_8_shape *shape) {
    const uint8_t *input = arena + args->input;
    uint8_t *output = arena + args->output;
    const int32_t count = shape->count;
    const int32_t words = count / 4;
    for (int32_t i = 0; i < words; ++i) {
        store_word(output + 4 * i, load_word(input + 4 * i) ^ UINT32_C(0x80808080));
    }
    for (int32_t i = 4 * words; i < count; ++i) {
        output[i] = input[i] ^ 0x80;
    }
}

#endif
