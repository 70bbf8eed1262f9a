#include "frames.h"

SHOAL_LINK uint32_t frame_crc(const uint8_t *data, uint32_t length) {
    /* Four bits at a time: the remainders of 0 to 15. */
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    uint32_t crc = UINT32_MAX;
    while (length-- > 0) {
        crc ^= *data++;
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}

SHOAL_LINK static void append(frame_receiver *receiver, uint8_t byte) {
    if (receiver->length == FRAME_MAX) {
        receiver->broken = true;
    } else {
        receiver->body[receiver->length++] = byte;
    }
}

SHOAL_LINK static uint8_t finish(frame_receiver *receiver) {
    uint8_t length = receiver->length;
    bool whole = !receiver->broken && receiver->left == 0 && length >= FRAME_HEADER + FRAME_CRC;
    receiver->length = 0;
    receiver->left = 0;
    receiver->zero = false;
    receiver->broken = false;
    if (!whole) {
        return 0;
    }
    length = (uint8_t)(length - FRAME_CRC);
    return frame_crc(receiver->body, length) == get32(receiver->body + length) ? length : 0;
}

SHOAL_LINK uint8_t frame_receive(frame_receiver *receiver, uint8_t byte) {
    if (byte == 0) {
        return finish(receiver);
    }
    if (receiver->left > 0) {
        receiver->left--;
        append(receiver, byte);
    } else {
        if (receiver->zero) {
            append(receiver, 0);
        }
        receiver->left = (uint8_t)(byte - 1);
        receiver->zero = byte != 0xFF;
    }
    return 0;
}

SHOAL_LINK void frame_send(unsigned port, uint8_t *body, uint8_t length) {
    put32(body + length, frame_crc(body, length));
    unsigned end = length + FRAME_CRC;
    /* A zero in front as well: what noise came before is no part of this frame. */
    bool sent = hal_uart_put(port, 0);
    for (unsigned start = 0; sent && start <= end;) {
        unsigned stop = start;
        while (stop < end && body[stop] != 0) {
            stop++;
        }
        sent = hal_uart_put(port, (uint8_t)(stop - start + 1));
        while (sent && start < stop) {
            sent = hal_uart_put(port, body[start++]);
        }
        start = stop + 1;
    }
    (void)(sent && hal_uart_put(port, 0));
}
