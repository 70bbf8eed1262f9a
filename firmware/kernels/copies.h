/* Constants that are copied from flash into the arena before the step that reads them, where it is faster to read. */
#ifndef SHOAL_COPIES_H
#define SHOAL_COPIES_H

#include "kernel.h"

/* `bytes` from `from` on, a multiple of four as an address, go to byte `place` of the arena, another one. */
typedef struct {
    const void *from;
    uint32_t place;
    uint32_t bytes;
} constant_copy;

static SHOAL_APART void copy_constants(uint8_t *base, const constant_copy *copy, uint32_t count) {
    enum {
        BLOCK = 16 /* bytes that a compiler moves in registers */
    };
    for (; count > 0; --count, ++copy) {
        const uint8_t *from = copy->from;
        uint8_t *to = base + copy->place;
        const uint8_t *const end = from + copy->bytes;
        for (; end - from >= BLOCK; from += BLOCK, to += BLOCK) {
            memcpy(SHOAL_ALIGNED(to), SHOAL_ALIGNED(from), BLOCK);
        }
        for (; from < end; ++from, ++to) {
            *to = *from;
        }
    }
}

#endif
