/* Frames: what travels on a serial line. docs/link.md has the bytes; host/shoal/link/frames.py is the other side. */
#ifndef SHOAL_FRAMES_H
#define SHOAL_FRAMES_H

#include "../hal/hal.h"

enum {
    FRAME_VERSION_AT = 0,
    FRAME_SOURCE_AT = 1,
    FRAME_DESTINATION_AT = 2,
    FRAME_TYPE_AT = 3,
    FRAME_SESSION_AT = 4,
    FRAME_SEQUENCE_AT = 6,
    FRAME_HEADER = 8,
    FRAME_CRC = 4,
    FRAME_MAX = 254, /* the longest that COBS encodes with one extra byte */
    FRAME_PAYLOAD = FRAME_MAX - FRAME_HEADER - FRAME_CRC,
};

/* Takes bytes as they come; `body` holds the header and payload of the last whole frame until the next byte. */
typedef struct {
    uint8_t body[FRAME_MAX];
    uint8_t length; /* decoded so far */
    uint8_t left;   /* of the COBS block */
    bool zero;      /* the next block starts with the zero that ended this one */
    bool broken;    /* too long: ignored up to its end */
} frame_receiver;

/* CRC-32 as zlib's. */
uint32_t frame_crc(const uint8_t *data, uint32_t length);

/* The length of header and payload where this byte ends a frame whose CRC holds, else 0. */
uint8_t frame_receive(frame_receiver *receiver, uint8_t byte);

/* Sends header and payload of `length` bytes; `body` has FRAME_CRC more bytes of room. */
void frame_send(unsigned port, uint8_t *body, uint8_t length);

/* Where the compiler makes functions of these, they are part of the link, too. */
SHOAL_LINK static inline uint16_t get16(const uint8_t *from) {
    return (uint16_t)(from[0] | from[1] << 8);
}

SHOAL_LINK static inline uint32_t get32(const uint8_t *from) {
    return get16(from) | (uint32_t)get16(from + 2) << 16;
}

SHOAL_LINK static inline uint8_t *put16(uint8_t *to, uint16_t value) {
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    return to + 2;
}

SHOAL_LINK static inline uint8_t *put32(uint8_t *to, uint32_t value) {
    return put16(put16(to, (uint16_t)value), (uint16_t)(value >> 16));
}

SHOAL_LINK static inline uint8_t *put64(uint8_t *to, uint64_t value) {
    return put32(put32(to, (uint32_t)value), (uint32_t)(value >> 32));
}

SHOAL_LINK static inline uint8_t *put_bytes(uint8_t *to, const uint8_t *from, uint32_t count) {
    while (count-- > 0) {
        *to++ = *from++;
    }
    return to;
}

#endif
