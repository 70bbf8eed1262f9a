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
    /* of an answer that nobody takes out meanwhile: repeats of the run's own request may lie beside it */
    REPEATS = 2 * (FRAME_BYTES + 4),
    AHEAD_ROOM = SHOAL_UNSEEN_BYTES - FRAME_BYTES - 1 - REPEATS,
    AHEAD_MOST = AHEAD_ROOM < PULLED_MOST ? AHEAD_ROOM : PULLED_MOST,
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

/* A question for `count` bytes of a tensor or of the store; its head is put to `head`. */
SHOAL_LINK static link_question for_bytes(uint8_t *head, const row_link *rows, uint8_t space, uint16_t index,
                                          uint32_t offset, uint16_t count) {
    put_head(head, rows, space, index, offset);
    put16(head + HEAD, count);
    return (link_question){.port = rows->run->port,
                           .destination = asker(rows),
                           .type = MESSAGE_PULL,
                           .tries = TRIES,
                           .head_length = HEAD + 2,
                           .head = head};
}

SHOAL_LINK static bool done(const link_question *question, link_request *answer) {
    return link_ask(question, answer) && answer->payload[0] == STATUS_OK;
}

/* Bytes [offset, offset + size) of a tensor or of the store, from whoever asked for the run. */
SHOAL_LINK static int pull(row_link *rows, uint8_t space, uint16_t index, uint32_t offset, uint8_t *to, uint32_t size) {
    const uint64_t start = hal_cycles();
    rows->next_asked = 0; /* its answer is lost among these */
    for (uint32_t at = 0, count; at < size; at += count) {
        uint8_t head[HEAD + 2];
        link_request answer;
        count = size - at < PULLED_MOST ? size - at : PULLED_MOST;
        const link_question question = for_bytes(head, rows, space, index, offset + at, (uint16_t)count);
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

/* Takes what was asked for ahead to the page: if it is there, or comes in time where the model waits for it. */
SHOAL_LINK static void place(row_link *rows, uint8_t *page, bool waits) {
    uint8_t head[HEAD + 2];
    link_request answer;
    const uint32_t offset = rows->next_offset + rows->next_placed;
    const uint16_t count = rows->next_asked;
    const link_question question = for_bytes(head, rows, SPACE_STORE, 0, offset, count);
    const bool there = link_came(&question, false, &answer);
    if (!there && !waits) {
        return;
    }
    rows->next_asked = 0;
    if ((there || link_came(&question, true, &answer)) && answer.payload[0] == STATUS_OK &&
        answer.length == count + 1) {
        put_bytes(page + rows->next_placed, answer.payload + 1, count);
        rows->next_placed += count;
        rows->bytes_in += count;
        rows->ahead_bytes += there ? count : 0;
    }
}

SHOAL_LINK void rows_ahead(void *page, uint32_t offset, uint32_t bytes, void *context) {
    row_link *rows = context;
    if (SHOAL_NODE) {
        return; /* between its steps, a shoal's node takes out what comes in: nothing waits there */
    }
    const uint64_t start = hal_cycles();
    if (rows->next_offset != offset) {
        rows->next_offset = offset;
        rows->next_placed = rows->next_asked = 0;
    }
    if (page != 0 && rows->next_asked != 0) {
        place(rows, page, false);
    }
    const uint32_t left = bytes - rows->next_placed;
    if (rows->next_asked == 0 && left != 0) {
        uint8_t head[HEAD + 2];
        rows->next_asked = (uint16_t)(left < AHEAD_MOST ? left : AHEAD_MOST);
        const link_question question =
            for_bytes(head, rows, SPACE_STORE, 0, offset + rows->next_placed, rows->next_asked);
        link_begin(&question);
    }
    rows->cycles += hal_cycles() - start;
}

SHOAL_LINK int rows_fetch(void *page, uint32_t offset, uint32_t bytes, void *context) {
    row_link *rows = context;
    uint32_t placed = 0;
    if (rows->next_offset == offset) {
        const uint64_t start = hal_cycles();
        if (rows->next_asked != 0) {
            place(rows, page, true);
        }
        placed = rows->next_placed;
        rows->next_placed = 0;
        rows->cycles += hal_cycles() - start;
    }
    return pull(rows, SPACE_STORE, 0, offset + placed, (uint8_t *)page + placed, bytes - placed);
}

SHOAL_LINK int rows_write(const void *row, unsigned y, void *context) {
    row_link *rows = context;
    const uint64_t start = hal_cycles();
    rows->next_asked = 0; /* its answer is lost among these */
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
