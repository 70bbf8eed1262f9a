/* uint8 to int8 of the same scale, or back: the top bit of every byte, four bytes at a time. Tensors and bands
 * start at multiples of four. */
#ifndef SHOAL_FLIP_8_H
#define SHOAL_FLIP_8_H

#include "kernel.h"
#include "rows.h"

typedef struct {
    int32_t count;
} flip_8_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
} flip_8_args;

/* One band, see rows.h. */
SHOAL_INLINE void flip_8_band(const input_rows *rows, int32_t y, span elements, int8_t *output, const flip_8_args *args,
                              const flip_8_shape *shape) {
    (void)args;
    (void)shape;
    const uint8_t *input = (const uint8_t *)input_row(rows, y) + elements.first;
    uint8_t *target = (uint8_t *)output;
    int32_t left = elements.last - elements.first;
    for (; left >= 4; left -= 4) {
        store_word(SHOAL_ALIGNED(target), load_word(SHOAL_ALIGNED(input)) ^ UINT32_C(0x80808080));
        input += 4;
        target += 4;
    }
    for (; left > 0; --left) {
        *target++ = *input++ ^ 0x80;
    }
}

SHOAL_INLINE void flip_8(uint8_t *arena, const flip_8_args *args, const flip_8_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    flip_8_band(&whole, 0, (span){0, shape->count}, (int8_t *)(arena + args->output), args, shape);
}

#endif
