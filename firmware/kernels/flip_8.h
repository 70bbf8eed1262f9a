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
    int32_t left = shape->count;
    for (; left >= 4; left -= 4) {
        store_word(SHOAL_ALIGNED(output), load_word(SHOAL_ALIGNED(input)) ^ UINT32_C(0x80808080));
        input += 4;
        output += 4;
    }
    for (; left > 0; --left) {
        *output++ = *input++ ^ 0x80;
    }
}

#endif
