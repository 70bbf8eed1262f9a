/* The input rows of spatial kernels, wherever they lie, and the bands of output computed from them.
 *
 * A spatial kernel F that does not need a whole tensor computes one as a loop over its band body,
 *
 *     F_band(&rows, y, pixels, output, [scratch,] [state,] args, shape)
 *
 * (with &rows_0, &rows_1 where it has two inputs; `scratch` and `state` are void pointers to multiples of four)
 * which computes the pixels from `pixels.first` up to `pixels.last`, that one not included, of row y of one image's
 * output; the first of them goes to `output`. Kernels that know no channels count elements, not pixels. `shape`
 * describes the whole image; the offsets in `args` are not used.
 * A band reads only rows that its window has inside the image, each through `input_row` and only from the first to the
 * last column under its pixels: no row needs another one before or behind it. Nothing but `state`, which is zero before
 * the first band, is kept from one to the next, so they may come in any order: downwards or upwards, a ring of as many
 * slots as the window has rows, (filter_h - 1) * dilation_h + 1, serves them all.
 *
 * A kernel that accumulates has one row of output, computed from all rows of its input: its band is called once for
 * each of these, row y of the input, with all of the output's pixels. It adds the row to `state`; the last of the calls
 * writes the output, whichever row it is of. */
#ifndef SHOAL_ROWS_H
#define SHOAL_ROWS_H

#include "kernel.h"

/* `base`: the first pixel of slot 0; `pitch`: bytes from a slot to the next; `count`: the slots of a ring, where row y
 * of the image lies in slot y modulo `count`, or 0 where each row has its own slot. `late`: where row `late_row` lies
 * instead, the last one that is read, or null. */
typedef struct {
    const int8_t *base;
    int32_t pitch;
    int32_t count;
    const int8_t *late;
    int32_t late_row;
} input_rows;

/* How many bytes after slot 0 the image's row y starts; y is not negative. */
SHOAL_INLINE int32_t row_start(int32_t y, int32_t pitch, int32_t count) {
    return (count == 0 ? y : (int32_t)((uint32_t)y % (uint32_t)count)) * pitch;
}

/* The first pixel of the image's row y. */
SHOAL_INLINE const int8_t *input_row(const input_rows *rows, int32_t y) {
    return rows->late != 0 && y == rows->late_row ? rows->late : rows->base + row_start(y, rows->pitch, rows->count);
}

/* Rows of the arena, slot 0 of which lies at `first`. */
SHOAL_INLINE input_rows rows_at(const uint8_t *first, int32_t pitch, int32_t count) {
    return (input_rows){(const int8_t *)first, pitch, count, 0, 0};
}

/* Such rows, of which row y has just come to `late`. */
SHOAL_INLINE input_rows rows_late(const uint8_t *first, int32_t pitch, int32_t count, const uint8_t *late, int32_t y) {
    return (input_rows){(const int8_t *)first, pitch, count, (const int8_t *)late, y};
}

/* Where row y of such rows is written. */
SHOAL_INLINE int8_t *row_at(uint8_t *first, int32_t pitch, int32_t count, int32_t y) {
    return (int8_t *)first + row_start(y, pitch, count);
}

/* The same where rows `from`, `from` + `step`, ... come to `late`. */
SHOAL_INLINE int8_t *row_or_late(uint8_t *first, int32_t pitch, int32_t count, int32_t y, uint8_t *late, int32_t from,
                                 int32_t step) {
    return y >= from && (y - from) % step == 0 ? (int8_t *)late : row_at(first, pitch, count, y);
}

/* Moves row y from `late` to its slot, unless it is behind the `last` one that is read again. */
SHOAL_INLINE void settle_row(uint8_t *first, int32_t pitch, int32_t count, const uint8_t *late, int32_t y,
                             int32_t last) {
    if (y <= last) {
        memcpy(row_at(first, pitch, count, y), late, (size_t)pitch);
    }
}

#endif
