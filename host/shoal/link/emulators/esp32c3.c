/* Counts what Unicorn executes for the ESP32-C3 emulator, and stops it in time; see regions.h for the model's calls. */
#include "regions.h"

#define EXPORT   __attribute__((visibility("default")))
#define BUCKETS  16384u
#define MEMORIES 4u

/* Memory that holds code, as the host sees it. */
typedef struct {
    uint64_t base;
    uint64_t bytes;
    const uint8_t *at;
} memory;

typedef struct known {
    block *block;
    uint32_t instructions;
    struct known *next;
} known;

typedef struct {
    void (*stop)(void *engine);
    memory memories[MEMORIES];
    regions regions;
    known *table[BUCKETS];
    const known *last;
    uint64_t executed; /* instructions, those of the block that has just begun included */
    uint64_t deadline; /* a block that would begin at or after this count does not */
    bool stopped;
} counter;

EXPORT counter *counter_new(void (*stop)(void *engine)) {
    counter *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->stop = stop;
    }
    return c;
}

EXPORT bool counter_memory(counter *c, uint64_t base, uint64_t bytes, const uint8_t *at) {
    for (unsigned i = 0; i < MEMORIES; i++) {
        if (c->memories[i].at == NULL) {
            c->memories[i] = (memory){base, bytes, at};
            return true;
        }
    }
    return false;
}

/* Counts the calls of these entries (a null-terminated list) into a file. */
EXPORT bool counter_regions(counter *c, const char *const *entries, const char *const *interrupts,
                            const char *const *excluded, bool with_blocks, const char *path) {
    bool good = true;
    for (; *entries != NULL; entries++) {
        good = good && add_range(&c->regions.entries, *entries);
    }
    for (; *interrupts != NULL; interrupts++) {
        good = good && add_range(&c->regions.interrupts, *interrupts);
    }
    for (; *excluded != NULL; excluded++) {
        good = good && add_range(&c->regions.excluded, *excluded);
    }
    c->regions.with_blocks = with_blocks;
    c->regions.out = fopen(path, "w");
    return good && c->regions.out != NULL;
}

EXPORT uint64_t counter_executed(const counter *c) {
    return c->executed;
}

/* Whether the engine was stopped by the deadline, and not by a trap or a wait for an interrupt. */
EXPORT bool counter_stopped(const counter *c) {
    return c->stopped;
}

EXPORT void counter_deadline(counter *c, uint64_t executed) {
    c->deadline = executed;
    c->stopped = false;
}

/* The bytes of the instruction at `address`, 0 where there is no memory. */
static uint32_t length(const counter *c, uint64_t address) {
    for (unsigned i = 0; i < MEMORIES; i++) {
        const memory *m = &c->memories[i];
        if (address - m->base < m->bytes) {
            return (m->at[address - m->base] & 3u) == 3u ? 4 : 2;
        }
    }
    return 0;
}

/* Instructions in [first, end); those that count, or all. */
static uint32_t instructions(const counter *c, uint64_t first, uint64_t end, bool all) {
    uint32_t count = 0;
    uint32_t bytes;
    for (uint64_t at = first; at < end && (bytes = length(c, at)) != 0; at += bytes) {
        count += all || is_counted(&c->regions, at);
    }
    return count;
}

/* The last block was left before `address`: what follows there did not run. */
EXPORT void counter_left_at(counter *c, uint64_t address) {
    if (c->last == NULL || address < c->last->block->first || address >= c->last->block->end) {
        return;
    }
    uint64_t end = c->last->block->end;
    c->executed -= instructions(c, address, end, true);
    if (c->regions.active) {
        c->regions.instructions -= instructions(c, address, end, false);
    }
}

static known *find(counter *c, uint64_t first, uint64_t end) {
    known **bucket = &c->table[(first >> 1) % BUCKETS];
    for (known *k = *bucket; k != NULL; k = k->next) {
        if (k->block->first == first && k->block->end == end) {
            return k;
        }
    }
    known *k = calloc(1, sizeof *k);
    block *b = new_block(&c->regions, first, end);
    if (k == NULL || b == NULL) {
        abort();
    }
    b->counted = instructions(c, first, end, false);
    *k = (known){.block = b, .instructions = instructions(c, first, end, true), .next = *bucket};
    *bucket = k;
    return k;
}

/* Unicorn's block hook: called before a block is executed. */
EXPORT void counter_block(void *engine, uint64_t address, uint32_t bytes, counter *c) {
    if (c->executed >= c->deadline) {
        c->stopped = true;
        c->stop(engine);
        return;
    }
    const known *k = find(c, address, address + bytes);
    c->executed += k->instructions;
    c->last = k;
    if (c->regions.out != NULL) {
        run_block(&c->regions, k->block);
    }
}
