#include "rows.h"

#include "model.h"

enum {
    HEAD = 12, /* the run's session and sequence number, a piece's header */
    TRIES = 50,
    /* of a row in one frame: of an answer that the receive ring holds whole, and of a question */
    FRAME_BYTES = FRAME_HEADER + FRAME_CRC + 3,
    PULLED_MOST =
        SHOAL_RING_BYTES - FRAME_BYTES < FRAME_PAYLOAD ? SHOAL_RING_BYTES - FRAME_BYTES - 1 : FRAME_PAYLOAD - 1,
    PUSHED_MOST = FRAME_PAYLOAD - HEAD,
};

/* The first tensor that travels in rows. */
SHOAL_LINK static uint16_t streamed(const model_tensor *tensors) {
    uint16_t index = 0;
    while (tensors[index].row_bytes == 0) {
        index++;
    }
    return index;
}

SHOAL_LINK static void put_head(uint8_t *to, const row_link *rows, uint8_t space, uint16_t index, uint32_t offset) {
    to = put16(put16(to, rows->run->session), rows->run->sequence);
    *to++ = space;
    *to++ = 0;
    put32(put16(to, index), offset);
}

/* A single board knows whoever is at the other end, a shoal's node may have others in between. */
SHOAL_LINK static uint8_t asker(const row_link *rows) {
    return SHOAL_NODE ? rows->run->source : ANY_NODE;
}

SHOAL_LINK static bool done(const link_question *question, link_request *answer) {
    return link_ask(question, answer) && answer->payload[0] == STATUS_OK;
}

/* Bytes [offset, offset + size) of a tensor or of the store, from whoever asked for the run. */
SHOAL_LINK static int pull(row_link *rows, uint8_t space, uint16_t index, uint32_t offset, uint8_t *to, uint32_t size) {
    const uint64_t start = hal_cycles();
    for (uint32_t at = 0, count; at < size; at += count) {
        uint8_t head[HEAD + 2];
        link_request answer;
        count = size - at < PULLED_MOST ? size - at : PULLED_MOST;
        put_head(head, rows, space, index, offset + at);
        put16(head + HEAD, (uint16_t)count);
        const link_question question = {.port = rows->run->port,
                                        .destination = asker(rows),
                                        .type = MESSAGE_PULL,
                                        .tries = TRIES,
                                        .head_length = sizeof head,
                                        .head = head};
        if (!done(&question, &answer) || answer.length != count + 1) {
            return STATUS_NO_ANSWER;
        }
        put_bytes(to + at, answer.payload + 1, count);
    }
    rows->bytes_in += size;
    rows->cycles += hal_cycles() - start;
    return 0;
}

SHOAL_LINK int rows_read(void *row, unsigned y, void *context) {
    const uint16_t index = streamed(image.inputs);
    const uint32_t size = image.inputs[index].row_bytes;
    return pull(context, SPACE_INPUT, index, y * size, row, size);
}

SHOAL_LINK int rows_fetch(void *page, uint32_t offset, uint32_t bytes, void *context) {
    return pull(context, SPACE_STORE, 0, offset, page, bytes);
}

SHOAL_LINK int rows_write(const void *row, unsigned y, void *context) {
    row_link *rows = context;
    const uint64_t start = hal_cycles();
    const uint16_t index = streamed(image.outputs);
    const uint32_t size = image.outputs[index].row_bytes;
    for (uint32_t at = 0, count; at < size; at += count) {
        uint8_t head[HEAD];
        link_request answer;
        count = size - at < PUSHED_MOST ? size - at : PUSHED_MOST;
        put_head(head, rows, SPACE_OUTPUT, index, y * size + at);
        const link_question question = {
            .port = rows->run->port,
            .destination = asker(rows),
            .type = MESSAGE_PUSH,
            .tries = TRIES,
            .head_length = sizeof head,
            .data_length = (uint8_t)count,
            .head = head,
            .data = (const uint8_t *)row + at,
        };
        if (!done(&question, &answer)) {
            return STATUS_NO_ANSWER;
        }
    }
    rows->bytes_out += size;
    rows->cycles += hal_cycles() - start;
    return 0;
}
