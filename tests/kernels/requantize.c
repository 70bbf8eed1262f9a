/* Runs the kernels' forms of the rescale against gemmlowp's two roundings, written out: for each line of standard input
 * (form, multiplier, TFLite's shift, zero point, greatest magnitude of a sum) over the sums around every tie whose
 * result int8 shows, around zero, and at both ends. Prints how many sums were compared, or the first that differs. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "fixed_point.h"
#include "rv.h"

enum {
    GENERAL,   /* multiply_by_quantized_multiplier */
    SHORT,     /* requantize */
    QUADRUPLED /* rescale_quadrupled */
};

enum {
    AROUND = 16,
    BEYOND = 2,
    AT_ENDS = 200
};

typedef struct {
    int form;
    int multiplier;
    int shift;
    int zero_point;
    int reach;
} record;

static unsigned long compared;

/* Halves go away from zero, both times. */
static int64_t rounded(int64_t value, int bits) {
    int64_t half = bits ? INT64_C(1) << (bits - 1) : 0;
    return value < 0 ? -((-value + half) >> bits) : (value + half) >> bits;
}

/* SaturatingRoundingDoublingHighMul rounds halves up: its nudge is 1 − 2^30 for negative products, and its division
 * goes towards zero. */
static int64_t gemmlowp(int32_t sum, const record *r) {
    int left = r->shift > 0 ? r->shift : 0;
    int64_t product = (int64_t)sum * (INT64_C(1) << left) * r->multiplier;
    int64_t nudge = product < 0 ? 1 - (INT64_C(1) << 30) : INT64_C(1) << 30;
    int64_t high = (product + nudge) / (INT64_C(1) << 31);
    return rounded(high, r->shift < 0 ? -r->shift : 0) + r->zero_point;
}

static int64_t visible(int64_t value) {
    return value < INT8_MIN ? INT8_MIN : value > INT8_MAX ? INT8_MAX : value;
}

static int differs(int32_t sum, const record *r) {
    int64_t wanted = gemmlowp(sum, r);
    int32_t halving = -r->shift - 1;
    int32_t offset = 2 * r->zero_point + 1;
    if (wanted < INT32_MIN || wanted > INT32_MAX) {
        return 0; /* where TensorFlow Lite Micro's own addition of the zero point overflows */
    }
    ++compared;
    switch (r->form) {
    case GENERAL:
        return requantize_sum((uint32_t)sum, r->multiplier, r->shift, r->zero_point, 1) != wanted;
    case SHORT:
        return requantize_sum((uint32_t)sum, r->multiplier, halving, offset, 0) != wanted;
    default: {
        int32_t addend = 1 + offset * (INT32_C(1) << (halving + 1));
        int rectified = r->zero_point == INT8_MIN;
        int32_t full = rescale_quadrupled(sum * 4, r->multiplier, addend, halving + 2, 0);
        int32_t half = rescale_quadrupled(sum * 4, r->multiplier, addend, halving + 2, rectified);
        return visible(full) != visible(wanted) || visible(half) != visible(wanted);
    }
    }
}

static int range(int64_t from, int64_t to, const record *r) {
    from = from < -r->reach ? -r->reach : from;
    to = to > r->reach ? r->reach : to;
    for (int64_t sum = from; sum <= to; ++sum) {
        if (differs((int32_t)sum, r)) {
            printf("form %d: %d x %d x 2^(%d - 31) + %d\n", r->form, (int)sum, r->multiplier, r->shift, r->zero_point);
            return 1;
        }
    }
    return 0;
}

static int check(const record *r) {
    for (int32_t value = INT8_MIN - BEYOND; value <= INT8_MAX + BEYOND; ++value) {
        double tie = ldexp((value - r->zero_point + 0.5) / r->multiplier, 31 - r->shift);
        if (fabs(tie) <= (double)r->reach + AROUND && range((int64_t)tie - AROUND, (int64_t)tie + AROUND, r)) {
            return 1;
        }
    }
    return range(-AT_ENDS, AT_ENDS, r) || range(-(int64_t)r->reach, AT_ENDS - (int64_t)r->reach, r) ||
           range((int64_t)r->reach - AT_ENDS, r->reach, r);
}

int main(void) {
    record r;
    while (scanf("%d %d %d %d %d", &r.form, &r.multiplier, &r.shift, &r.zero_point, &r.reach) == 5) {
        if (check(&r)) {
            return 1;
        }
    }
    printf("%lu\n", compared);
    return 0;
}
