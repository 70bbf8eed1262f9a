/* The input rows of spatial kernels, wherever they lie, and bands of output computed from them.
 *
 * Each spatial kernel F has a band body
 *
 *     F_band(&rows, y, pixels, output, [scratch,] args, shape)
 *
 * that computes the pixels from `pixels.first` to `pixels.last` (that one not included) of output row y of one image;
 * `output` is where the first of them goes. Of `args` it reads no offset into the arena. It asks `input_row` for the
 * rows that its window has inside the image, for no other row, and reads each only within the columns that its pixels'
 * windows have inside the image: no row needs another one before or behind it. It keeps nothing from one band to the
 * next, so that bands may come in any order; downwards or upwards, a ring of as many slots as the window has rows,
 * (filter_h - 1) * dilation_h + 1, serves them all. A whole tensor is a loop over its bands. */
#ifndef SHOAL_ROWS_H
#define SHOAL_ROWS_H

#include "kernel.h"

/* `base`: the first pixel of slot 0; `pitch`: bytes from a slot to the next; `count`: the slots of a ring, where row y
 * of the image lies in slot y modulo `count`, or 0 where each row has its own slot. */
typedef struct {
    const int8_t *base;
    int32_t pitch;
    int32_t count;
} input_rows;

/* The first pixel of the image's row y, which is not negative. */
SHOAL_INLINE const int8_t *input_row(const input_rows *rows, int32_t y) {
    const int32_t slot = rows->count == 0 ? y : (int32_t)((uint32_t)y % (uint32_t)rows->count);
    return rows->base + slot * rows->pitch;
}

#endif
