/* Walking two operands that broadcast against each other: runs of elements inside up to four loops. Where nothing is
 * broadcast there is one run, and the loops fold away. */
#ifndef SHOAL_BROADCAST_H
#define SHOAL_BROADCAST_H

#include "kernel.h"

/* Members of a kernel's shape: the extent of each loop, outermost first, what each operand moves on by in each, in
 * elements, and from one element of a run to the next: 1, or 0 where that operand stays. */
#define BROADCAST_SHAPE                                                                                                \
    int32_t extent_0;                                                                                                  \
    int32_t extent_1;                                                                                                  \
    int32_t extent_2;                                                                                                  \
    int32_t extent_3;                                                                                                  \
    int32_t a_0;                                                                                                       \
    int32_t a_1;                                                                                                       \
    int32_t a_2;                                                                                                       \
    int32_t a_3;                                                                                                       \
    int32_t b_0;                                                                                                       \
    int32_t b_1;                                                                                                       \
    int32_t b_2;                                                                                                       \
    int32_t b_3;                                                                                                       \
    int32_t a_step;                                                                                                    \
    int32_t b_step;

/* Repeats the statement that follows for each run, in the output's order, with `index_a` and `index_b` the run's first
 * elements. */
#define FOR_EACH_RUN(shape, index_a, index_b)                                                                          \
    for (int32_t i0 = 0; i0 < (shape)->extent_0; ++i0)                                                                 \
        for (int32_t i1 = 0; i1 < (shape)->extent_1; ++i1)                                                             \
            for (int32_t i2 = 0; i2 < (shape)->extent_2; ++i2)                                                         \
                for (int32_t i3 = 0, index_a = i0 * (shape)->a_0 + i1 * (shape)->a_1 + i2 * (shape)->a_2,              \
                             index_b = i0 * (shape)->b_0 + i1 * (shape)->b_1 + i2 * (shape)->b_2;                      \
                     i3 < (shape)->extent_3; ++i3, index_a += (shape)->a_3, index_b += (shape)->b_3)

/* Which elements of the run of `count` that begins with element `at` of a row lie in `elements`, counted from its
 * start. */
SHOAL_INLINE span run_part(int32_t at, int32_t count, span elements) {
    const int32_t first = elements.first - at;
    const int32_t last = elements.last - at;
    return (span){first < 0 ? 0 : first, last < count ? last : count};
}

#endif
