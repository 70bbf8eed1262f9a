/* What a fault leaves behind, and how often the firmware started: both outlive a reset. */
#ifndef SHOAL_FAULT_H
#define SHOAL_FAULT_H

#include <stdint.h>

/* Bytes of a fault in messages: the start it happened in, kind, address, pc, status, stack; 32 bits each. */
enum {
    FAULT_BYTES = 24,
    NOTICE_BYTES = FAULT_BYTES + 4
};

/* Counts this start, and tells of it, with the last fault. Call it once. */
void fault_start(void);

/* Starts since power came, this one included. */
uint32_t fault_starts(void);

/* Writes the last fault since power came (start 0, kind 0: none) and returns what follows it. */
uint8_t *fault_put(uint8_t *to);

#endif
