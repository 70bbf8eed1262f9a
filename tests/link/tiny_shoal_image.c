/* A network small enough to check by hand, in the terms of a shoal's node: whole on every node, cut wherever a plan
 * says. Variant 0 is a chain with a residual that passes by its middle; variant 1 two halves of an int32 sum. */
#include "runtime/model.h"

#if defined(__linux__)
#include <stdlib.h>
#endif

#ifndef TINY_NODE
#define TINY_NODE   1
#define TINY_ROUTES 0, MODEL_NO_ROUTE, 1, 1
#endif

enum {
    OPERATORS = 3,
    /* variant 0: y = b ^ x, b of a, a of x */
    X = 0,
    X_BYTES = 300,
    A = 300,
    A_BYTES = 500,
    B = 800,
    B_BYTES = 300,
    Y = 1100,
    /* variant 1: z = p + q, both of v */
    V = 0,
    V_BYTES = 64,
    P = 64,
    Q = 104,
    Z = 144,
    SUMS = 10,
    SLOT = 800,
    RECEIVE = 1408,
    RETAIN = RECEIVE + SLOT,
};

static long ticks = 1; /* of each step */
static long stored;    /* whether y has a page of the store added to it */

__attribute__((aligned(16))) static uint8_t arena[RETAIN + SLOT];

void SHOAL_TICK(void);

static void make_a(void) {
    for (unsigned i = 0; i < A_BYTES; i++) {
        arena[A + i] = (uint8_t)(3u * arena[X + i % X_BYTES] + i);
    }
}

/* Consumes a, as a kernel that writes in place would. */
static void make_b(void) {
    for (unsigned i = 0; i < B_BYTES; i++) {
        arena[B + i] = (uint8_t)(arena[A + i] + arena[A + i + 200]);
    }
    for (unsigned i = 0; i < A_BYTES; i++) {
        arena[A + i] = 0xEE;
    }
}

static void make_y(void) {
    for (unsigned i = 0; i < X_BYTES; i++) {
        const uint8_t page = stored != 0 ? arena[Y + i] : 0;
        arena[Y + i] = (uint8_t)(page + (arena[B + i] ^ arena[X + i]));
        arena[X + i] = 0xDD;
    }
}

static uint32_t read_sum(unsigned at, unsigned i) {
    const uint8_t *from = arena + at + 4 * i;
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static void write_sum(unsigned at, unsigned i, uint32_t value) {
    for (unsigned k = 0; k < 4; k++) {
        arena[at + 4 * i + k] = (uint8_t)(value >> 8 * k);
    }
}

static void half(unsigned to, unsigned first) {
    for (unsigned i = 0; i < SUMS; i++) {
        uint32_t sum = 0;
        for (unsigned k = first; k < first + V_BYTES / 2; k++) {
            sum += (i + 1) * (k + 1000) * arena[V + k];
        }
        write_sum(to, i, sum);
    }
}

static void make_p(void) {
    half(P, 0);
}

static void make_q(void) {
    half(Q, V_BYTES / 2);
}

static void make_z(void) {
    for (unsigned i = 0; i < SUMS; i++) {
        write_sum(Z, i, read_sum(P, i) + read_sum(Q, i));
    }
}

static void run_steps(unsigned first, unsigned last, model_io *io) {
    static void (*const steps[])(void) = {make_a, make_b, make_y, make_p, make_q, make_z};
    io->status = 0;
    for (unsigned i = first; i < last && io->status == 0; i++) {
        if (stored != 0 && steps[i] == make_y) {
            io->status = io->fetch(arena + Y, 7, X_BYTES, io->context);
        }
        steps[i]();
        for (long tick = 0; tick < ticks; tick++) {
            SHOAL_TICK();
        }
    }
}

static void run(model_io *io) {
    run_steps(0, OPERATORS, io);
}

uint8_t *arena_at(uint32_t offset) {
    return arena + offset;
}

static const model_tensor inputs[] = {{X, X_BYTES, 0}};
static const model_tensor outputs[] = {{Y, X_BYTES, 0}};

static const uint16_t x_reads[] = {0, 2}, a_reads[] = {1}, b_reads[] = {2}, y_reads[] = {OPERATORS};
static const uint16_t v_reads[] = {0, 1}, half_reads[] = {2};

static const model_crossing chain[] = {
    {X, X_BYTES, 10, 0, 0, 2, x_reads},
    {A, A_BYTES, 11, 1, 0, 1, a_reads},
    {B, B_BYTES, 12, 2, 0, 1, b_reads},
    {Y, X_BYTES, 13, 3, 0, 1, y_reads},
};
static const model_crossing sums[] = {
    {V, V_BYTES, 20, 0, 0, 2, v_reads},
    {P, 4 * SUMS, 21, 1, 2, 1, half_reads},
    {Q, 4 * SUMS, 22, 2, 2, 1, half_reads},
    {Z, 4 * SUMS, 23, 3, 2, 1, y_reads},
};

/* A resident of its own for the last two operators has no cut inside. */
static const uint16_t chain_steps[] = {0, 1, 2, 3}, sums_steps[] = {3, 4, 5, 6}, fused_steps[] = {1, MODEL_NO_CUT, 3};

static model_chunk chunks[] = {
    {2, 1, 3, fused_steps, 4, chain, RECEIVE, SLOT, RETAIN, SLOT},
    {0, 0, 3, chain_steps, 4, chain, RECEIVE, SLOT, RETAIN, SLOT},
    {1, 0, 3, sums_steps, 4, sums, RECEIVE, SLOT, RETAIN, SLOT},
};

static model_image made = {
    .name = "tiny",
    .tool_version = "0.0.0",
    .board = "none",
    .sha256 = {1, 2, 3, 4, 5, 6, 7, 8},
    .arena_bytes = sizeof arena,
    .step_count = 6,
    .input_count = 1,
    .output_count = 1,
    .inputs = inputs,
    .outputs = outputs,
    .run = run,
    .run_steps = run_steps,
    .node = TINY_NODE,
    .routes = {TINY_ROUTES},
    .operators = OPERATORS,
    .chunks = chunks,
    .chunk_count = sizeof chunks / sizeof chunks[0],
};

extern const model_image image __attribute__((alias("made")));

#if defined(__linux__)
/* One program is every node: its environment says which, before the firmware starts. TINY_NODE: its number;
 * TINY_ROUTES: a digit for each node's port; TINY_SLOTS: 0 where it has none; TINY_TICKS: of each step;
 * TINY_STORE: 1 where it fetches a page. */
__attribute__((constructor(101))) static void read_environment(void) {
    const char *routes = getenv("TINY_ROUTES");
    made.node = (uint8_t)atoi(getenv("TINY_NODE"));
    for (unsigned i = 0; i < MODEL_NODES; i++) {
        made.routes[i] = *routes == '\0' ? MODEL_NO_ROUTE : (uint8_t)(*routes++ - '0');
    }
    ticks = atol(getenv("TINY_TICKS"));
    stored = atol(getenv("TINY_STORE"));
    for (unsigned i = 0; atoi(getenv("TINY_SLOTS")) == 0 && i < sizeof chunks / sizeof chunks[0]; i++) {
        chunks[i].receive_bytes = chunks[i].retain_bytes = 0;
    }
}
#endif
