/* Windows of pools over NHWC: what they hold of the input. */
#ifndef SHOAL_POOL_H
#define SHOAL_POOL_H

#include "kernel.h"
#include "rows.h"

enum {
    POOL_ROWS = 32 /* the most rows of a window */
};

/* `is_clamped`: the activation keeps less than int8. */
typedef struct {
    int32_t batches;
    int32_t input_h;
    int32_t input_w;
    int32_t channels;
    int32_t output_h;
    int32_t output_w;
    int32_t filter_h;
    int32_t filter_w;
    int32_t stride_h;
    int32_t stride_w;
    int32_t pad_top;
    int32_t pad_left;
    int32_t is_clamped;
} pool_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t low;
    int32_t high;
} pool_args;

/* What a window holds along one dimension: its first row or column inside the input, and how many. */
typedef struct {
    int32_t first;
    int32_t size;
} pool_span;

SHOAL_INLINE pool_span pool_inside(int32_t first, int32_t filter, int32_t input) {
    const int32_t last = first + filter < input ? first + filter : input;
    const int32_t start = first < 0 ? 0 : first;
    return (pool_span){start, last - start};
}

SHOAL_INLINE pool_span pool_columns(int32_t x, const pool_shape *shape) {
    const int32_t first = x * shape->stride_w - shape->pad_left;
    const int32_t reach = (shape->output_w - 1) * shape->stride_w - shape->pad_left + shape->filter_w;
    if (shape->pad_left == 0 && reach <= shape->input_w) {
        return (pool_span){first, shape->filter_w};
    }
    return pool_inside(first, shape->filter_w, shape->input_w);
}

/* Fills in pointers to the input rows under output row y; returns how many. */
SHOAL_INLINE int32_t pool_lines(const int8_t **lines, const input_rows *rows, int32_t y, const pool_shape *shape) {
    const int32_t first = y * shape->stride_h - shape->pad_top;
    const int32_t reach = (shape->output_h - 1) * shape->stride_h - shape->pad_top + shape->filter_h;
    pool_span span = {first, shape->filter_h};
    if (shape->pad_top != 0 || reach > shape->input_h) {
        span = pool_inside(first, shape->filter_h, shape->input_h);
    }
    for (int32_t k = 0; k < span.size; ++k) {
        lines[k] = input_row(rows, span.first + k);
    }
    return span.size;
}

#endif
