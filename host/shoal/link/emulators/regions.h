/* Counts the instructions between the call of an entry and its return, fed with the blocks that an emulator executes.
 *
 * Shared by the QEMU plugin and the ESP32-C3 emulator. A region begins when a block starts at an entry and ends when a
 * block starts behind the call: at the end of the block that was executed before the entry, interrupts apart. Entries
 * inside a region belong to it. Each finished region is appended to a file at once, before the guest can answer:
 *
 *     region <entry> <instructions> <blocks>
 *     <address> <bytes> <instructions> <runs> <taken>        one line per block if `with_blocks`
 *
 * with addresses in hex. `taken` counts the runs whose successor was not the next address. */
#ifndef SHOAL_REGIONS_H
#define SHOAL_REGIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    REGIONS_MAX = 8
};

typedef struct {
    uint64_t begin;
    uint64_t end;
} address_range;

typedef struct {
    address_range at[REGIONS_MAX];
    unsigned count;
} address_ranges;

/* A block of straight-line code; `counted` of its instructions lie outside of the ranges that are not counted. */
typedef struct block {
    uint64_t first;
    uint64_t end;
    uint64_t runs;
    uint64_t taken;
    uint32_t counted;
    bool entry;
    bool interrupt;
    struct block *older;
} block;

typedef struct {
    address_ranges entries;    /* only `begin` counts */
    address_ranges interrupts; /* may run between any two blocks; not counted */
    address_ranges excluded;   /* called by the model, not part of it; not counted */
    bool with_blocks;
    FILE *out;
    block *newest;
    block *previous; /* outside of interrupts */
    bool active;
    uint64_t entry;
    uint64_t return_address;
    uint64_t instructions;
} regions;

static inline bool in_ranges(const address_ranges *ranges, uint64_t address) {
    for (unsigned i = 0; i < ranges->count; i++) {
        if (address >= ranges->at[i].begin && address < ranges->at[i].end) {
            return true;
        }
    }
    return false;
}

/* Reads "begin" or "begin-end", in any base that strtoull knows; false where that is not what it is. */
static inline bool add_range(address_ranges *ranges, const char *text) {
    char *rest;
    if (ranges->count == REGIONS_MAX) {
        return false;
    }
    address_range range = {.begin = strtoull(text, &rest, 0)};
    range.end = *rest == '-' ? strtoull(rest + 1, &rest, 0) : range.begin + 1;
    if (rest == text || *rest != '\0') {
        return false;
    }
    ranges->at[ranges->count++] = range;
    return true;
}

/* A new block [first, end); the caller adds its counted instructions. NULL where memory is exhausted. */
static inline block *new_block(regions *r, uint64_t first, uint64_t end) {
    block *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return NULL;
    }
    *b = (block){.first = first, .end = end, .interrupt = in_ranges(&r->interrupts, first), .older = r->newest};
    for (unsigned i = 0; i < r->entries.count; i++) {
        b->entry = b->entry || r->entries.at[i].begin == first;
    }
    r->newest = b;
    return b;
}

static inline bool is_counted(const regions *r, uint64_t address) {
    return !in_ranges(&r->interrupts, address) && !in_ranges(&r->excluded, address);
}

static inline void finish_region(regions *r) {
    unsigned long blocks = 0;
    for (const block *b = r->newest; b != NULL && r->with_blocks; b = b->older) {
        blocks += b->runs != 0 && b->counted != 0;
    }
    fprintf(r->out, "region %llx %llu %lu\n", (unsigned long long)r->entry, (unsigned long long)r->instructions,
            blocks);
    for (block *b = r->newest; b != NULL; b = b->older) {
        if (r->with_blocks && b->runs != 0 && b->counted != 0) {
            fprintf(r->out, "%llx %llu %lu %llu %llu\n", (unsigned long long)b->first,
                    (unsigned long long)(b->end - b->first), (unsigned long)b->counted, (unsigned long long)b->runs,
                    (unsigned long long)b->taken);
        }
        b->runs = 0;
        b->taken = 0;
    }
    fflush(r->out);
    r->active = false;
}

/* Called whenever `b` is about to be executed. */
static inline void run_block(regions *r, block *b) {
    if (r->active && !b->interrupt) {
        r->previous->taken += b->first != r->previous->end;
        if (b->first == r->return_address) {
            finish_region(r);
        }
    }
    if (!r->active && b->entry && r->previous != NULL) {
        r->active = true;
        r->entry = b->first;
        r->return_address = r->previous->end;
        r->instructions = 0;
    }
    if (r->active) {
        r->instructions += b->counted;
        b->runs++;
    }
    if (!b->interrupt) {
        r->previous = b;
    }
}

#endif
