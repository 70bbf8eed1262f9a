/* What a request is answered with. */
#ifndef SHOAL_REPLY_H
#define SHOAL_REPLY_H

#include "../link/link.h"

/* An answer's status, and how many bytes of link_room follow it. */
typedef struct {
    uint8_t status;
    uint8_t length;
} reply;

/* Done, with what was written to link_room up to `end`. */
SHOAL_LINK static inline reply answer(const uint8_t *end) {
    return (reply){STATUS_OK, (uint8_t)(end - link_room())};
}

SHOAL_LINK static inline reply refuse(uint8_t status) {
    return (reply){status, 0};
}

SHOAL_LINK static inline reply refuse_value(uint8_t status, uint32_t value) {
    put32(link_room(), value);
    return (reply){status, 4};
}

#endif
