/* The receive ring of one serial port: one interrupt handler writes, one main reads, no locks. */
#ifndef SHOAL_RING_H
#define SHOAL_RING_H

#include "hal.h"

_Static_assert((SHOAL_RING_BYTES & (SHOAL_RING_BYTES - 1)) == 0, "SHOAL_RING_BYTES must be a power of two");

typedef struct {
    volatile uint16_t head; /* counts what came in, wraps */
    volatile uint16_t tail; /* counts what was taken */
    volatile uint8_t bytes[SHOAL_RING_BYTES];
} hal_ring;

/* A byte that finds the ring full is dropped: the frame's CRC notices. */
static inline __attribute__((always_inline)) void ring_put(hal_ring *ring, uint8_t byte) {
    uint16_t head = ring->head;
    if ((uint16_t)(head - ring->tail) < SHOAL_RING_BYTES) {
        ring->bytes[head % SHOAL_RING_BYTES] = byte;
        ring->head = (uint16_t)(head + 1u);
    }
}

static inline __attribute__((always_inline)) bool ring_empty(const hal_ring *ring) {
    return ring->head == ring->tail;
}

/* Of all serial ports. */
static inline __attribute__((always_inline)) bool rings_empty(const hal_ring rings[SHOAL_UARTS]) {
    for (unsigned port = 0; port < SHOAL_UARTS; port++) {
        if (!ring_empty(&rings[port])) {
            return false;
        }
    }
    return true;
}

static inline __attribute__((always_inline)) int ring_get(hal_ring *ring) {
    uint16_t tail = ring->tail;
    if (ring->head == tail) {
        return -1;
    }
    uint8_t byte = ring->bytes[tail % SHOAL_RING_BYTES];
    ring->tail = (uint16_t)(tail + 1u);
    return byte;
}

#endif
