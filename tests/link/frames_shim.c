/* The firmware's framing as a library: bytes in, frames out, and the other way round. */
#include "link/frames.h"

static uint8_t *out;
static unsigned count;

bool hal_uart_put(unsigned port, uint8_t byte) {
    (void)port;
    out[count++] = byte;
    return true;
}

/* The bytes that the firmware sends for a header and payload. */
unsigned shim_encode(const uint8_t *content, uint8_t length, uint8_t *wire) {
    uint8_t body[FRAME_MAX];
    put_bytes(body, content, length);
    out = wire;
    count = 0;
    frame_send(0, body, length);
    return count;
}

/* Headers and payloads found in `wire`, each after its length. */
unsigned shim_decode(const uint8_t *wire, unsigned length, uint8_t *found) {
    static frame_receiver receiver;
    static const frame_receiver fresh;
    uint8_t *to = found;
    receiver = fresh;
    for (unsigned i = 0; i < length; i++) {
        uint8_t got = frame_receive(&receiver, wire[i]);
        if (got > 0) {
            *to++ = got;
            to = put_bytes(to, receiver.body, got);
        }
    }
    return (unsigned)(to - found);
}
