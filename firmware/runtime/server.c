#include "server.h"

#include "../link/link.h"
#include "chunks.h"
#include "fault.h"
#include "measure.h"
#include "model.h"
#include "node.h"
#include "plan.h"
#include "reply.h"
#include "rows.h"

enum {
    ROOM = FRAME_PAYLOAD - 1, /* of an answer, after its status */
    PIECE_HEADER = 8,         /* space, flags, index, offset */
    NAME_MAX = 48,
    BOARD_MAX = 32,
    VERSION_MAX = 24,
    BUILD_ID_MAX = 20,
    ECHO_TRIES = 5,
};

static uint16_t planned_session; /* whose plan packet was taken; 0: nobody's */
static uint32_t bytes_in;        /* since the last run */
static uint32_t bytes_out;

/* A string with its length in front. */
SHOAL_LINK static uint8_t *put_text(uint8_t *to, const char *text, uint8_t most) {
    uint8_t length = 0;
    while (length < most && text[length] != '\0') {
        to[1 + length] = (uint8_t)text[length];
        length++;
    }
    to[0] = length;
    return to + 1 + length;
}

SHOAL_LINK static reply identify(void) {
    hal_memory_map memory = hal_memory();
    uint32_t id_size = 0;
    const uint8_t *id = hal_build_id(&id_size);
    if (id_size > BUILD_ID_MAX) {
        id_size = BUILD_ID_MAX;
    }
    uint8_t *to = link_room();
    *to++ = link_node();
    *to++ = hal_has_cycles() ? 1 : 0;
    to = put32(to, hal_clock_hz());
    to = put32(to, image.arena_bytes);
    to = put32(to, image.weights_bytes);
    to = put32(to, memory.static_bytes);
    to = put32(to, (uint32_t)(memory.stack_top - memory.stack_bottom));
    to = put16(to, image.step_count);
    to = put16(to, image.input_count);
    to = put16(to, image.output_count);
    to = put32(fault_put(to), fault_starts());
    to = put_bytes(to, image.sha256, sizeof image.sha256);
    *to++ = (uint8_t)id_size;
    to = put_bytes(to, id, id_size);
    to = put_text(to, image.name, NAME_MAX);
    to = put_text(to, SHOAL_BOARD, BOARD_MAX);
    return answer(put_text(to, image.tool_version, VERSION_MAX));
}

/* A tensor of the model's inputs or outputs, or the whole arena; 0 bytes where there is none. */
SHOAL_LINK static model_tensor tensor(uint8_t space, uint16_t index) {
    const model_tensor *from = 0;
    if (space == SPACE_INPUT && index < image.input_count) {
        from = &image.inputs[index];
    } else if (space == SPACE_OUTPUT && index < image.output_count) {
        from = &image.outputs[index];
    }
    if (from == 0) {
        return (model_tensor){.bytes = space == SPACE_ARENA ? image.arena_bytes : 0};
    }
    return (model_tensor){from->offset, from->bytes, from->row_bytes}; /* a copy may be a call of memcpy */
}

SHOAL_LINK static reply tensors(const link_request *request) {
    if (request->length != 3 || request->payload[0] > SPACE_OUTPUT) {
        return refuse(STATUS_MALFORMED);
    }
    uint8_t space = request->payload[0];
    uint16_t count = space == SPACE_INPUT ? image.input_count : image.output_count;
    uint8_t *to = link_room();
    for (uint32_t i = get16(request->payload + 1); i < count && to + 8 <= link_room() + ROOM; i++) {
        const model_tensor there = tensor(space, (uint16_t)i);
        to = put32(put32(to, there.bytes), there.row_bytes);
    }
    return answer(to);
}

/* Where the piece {space, flags, index, offset} of `size` bytes lies, or 0 where it is out of range or never in the
 * arena in one piece. */
SHOAL_LINK static uint8_t *piece(const uint8_t *header, uint32_t size) {
    const model_tensor whole = tensor(header[0], get16(header + 2));
    uint32_t offset = get32(header + 4);
    if (whole.row_bytes != 0 || offset > whole.bytes || size > whole.bytes - offset) {
        return 0;
    }
    uint8_t *first = arena_at(whole.offset + offset);
    uint32_t last = size == 0 ? 0 : size - 1;
    return arena_at(whole.offset + offset + last) == first + last ? first : 0;
}

SHOAL_LINK static reply write_piece(const link_request *request) {
    if (request->length < PIECE_HEADER || request->payload[0] == SPACE_OUTPUT) {
        return refuse(STATUS_MALFORMED);
    }
    uint32_t size = (uint32_t)request->length - PIECE_HEADER;
    uint8_t *to = piece(request->payload, size);
    if (to == 0) {
        return refuse(STATUS_RANGE);
    }
    put_bytes(to, request->payload + PIECE_HEADER, size);
    bytes_in += size;
    return refuse(STATUS_OK);
}

SHOAL_LINK static reply read_piece(const link_request *request) {
    if (request->length != PIECE_HEADER + 2) {
        return refuse(STATUS_MALFORMED);
    }
    uint32_t size = get16(request->payload + PIECE_HEADER);
    const uint8_t *from = size <= ROOM ? piece(request->payload, size) : 0;
    if (from == 0) {
        return refuse(STATUS_RANGE);
    }
    bytes_out += size;
    return answer(put_bytes(link_room(), from, size));
}

#if SHOAL_NODE
/* What a session that uses the model by itself asks for; other plans are only checked. */
SHOAL_LINK static bool is_whole(const link_request *request) {
    const uint8_t *assignment = request->payload + PLAN_HEADER;
    return request->length >= PLAN_HEADER + ASSIGNMENT_HEADER && request->payload[PLAN_COUNT_AT] == 1 &&
           get16(assignment + ASSIGNMENT_FIRST_AT) == 0 && get16(assignment + ASSIGNMENT_LAST_AT) == PLAN_LAST_BOUNDARY;
}

SHOAL_LINK static reply route(const link_request *request) {
    if (request->length != MODEL_NODES) {
        return refuse(STATUS_MALFORMED);
    }
    link_set_routes(request->payload);
    return refuse(STATUS_OK);
}
#endif

/* This image holds one plan: the whole network as one chunk, as it was generated. */
SHOAL_LINK static reply plan(const link_request *request) {
    const uint8_t *packet = request->payload;
    const uint8_t *assignment = packet + PLAN_HEADER;
#if SHOAL_NODE
    if (!is_whole(request)) {
        plan_part part;
        return plan_find(packet, request->length, &part);
    }
#endif
    planned_session = 0;
    if (request->length < PLAN_HEADER) {
        return refuse(STATUS_MALFORMED);
    }
    if (packet[0] != PLAN_PACKET_VERSION) {
        return refuse_value(STATUS_PLAN_VERSION, packet[0]);
    }
    if (packet[PLAN_COUNT_AT] != 1) {
        return refuse_value(STATUS_PLAN_ASSIGNMENTS, packet[PLAN_COUNT_AT]);
    }
    const unsigned inputs = assignment[ASSIGNMENT_INPUTS_AT];
    const unsigned outputs = assignment[ASSIGNMENT_OUTPUTS_AT];
    if (request->length < PLAN_HEADER + ASSIGNMENT_HEADER ||
        request->length != PLAN_HEADER + ASSIGNMENT_HEADER + 2 * inputs + 3 * outputs) {
        return refuse(STATUS_MALFORMED);
    }
    if (assignment[ASSIGNMENT_NODE_AT] != link_node()) {
        return refuse_value(STATUS_PLAN_NODE, assignment[ASSIGNMENT_NODE_AT]);
    }
    if (assignment[ASSIGNMENT_VARIANT_AT] != 0) {
        return refuse_value(STATUS_PLAN_VARIANT, assignment[ASSIGNMENT_VARIANT_AT]);
    }
    if (get16(assignment + ASSIGNMENT_FIRST_AT) != 0) {
        return refuse_value(STATUS_PLAN_FIRST, get16(assignment + ASSIGNMENT_FIRST_AT));
    }
    if (get16(assignment + ASSIGNMENT_LAST_AT) != PLAN_LAST_BOUNDARY) {
        return refuse_value(STATUS_PLAN_LAST, get16(assignment + ASSIGNMENT_LAST_AT));
    }
    if (get32(assignment + ASSIGNMENT_MASK_AT) != 0) {
        return refuse_value(STATUS_PLAN_MASK, get32(assignment + ASSIGNMENT_MASK_AT));
    }
    if (inputs + outputs != 0) {
        return refuse_value(STATUS_PLAN_TENSORS, get16(assignment + ASSIGNMENT_HEADER));
    }
    planned_session = request->session;
#if SHOAL_NODE
    chunks_leave();
#endif
    return refuse(STATUS_OK);
}

SHOAL_LINK static reply run(const link_request *request, unsigned first, unsigned last) {
    if (planned_session != request->session) {
        return refuse(STATUS_NO_PLAN);
    }
    row_link rows = {.run = request};
#if SHOAL_NODE
    chunks_occupy(true);
#endif
    measurement measured = measure(first, last, &rows);
#if SHOAL_NODE
    chunks_occupy(false);
#endif
    if (measured.code == STATUS_NO_ANSWER) {
        return refuse(STATUS_NO_ANSWER);
    }
    if (measured.code != 0) {
        return refuse_value(STATUS_MODEL, (uint32_t)measured.code);
    }
    uint8_t *to = put64(link_room(), measured.cycles);
    to = put32(put32(to, measured.stack), measured.stack_total);
    *to++ = 0; /* requests that wait: this node has no queue */
    to = put32(put32(to, bytes_in + rows.bytes_in), bytes_out + rows.bytes_out);
    bytes_in = bytes_out = 0;
    to = put64(put16(to, link_repeats(request->port)), rows.cycles);
    return answer(put32(to, rows.ahead_bytes));
}

SHOAL_LINK static reply run_steps(const link_request *request) {
    if (request->length != 4) {
        return refuse(STATUS_MALFORMED);
    }
    uint16_t first = get16(request->payload);
    uint16_t last = get16(request->payload + 2);
    if (first >= last || last > image.step_count) {
        return refuse_value(STATUS_RANGE, image.step_count);
    }
    return run(request, first, last);
}

SHOAL_LINK static reply echo(const link_request *request) {
    if (request->length > ROOM) {
        return refuse(STATUS_RANGE);
    }
    return answer(put_bytes(link_room(), request->payload, request->length));
}

/* Asks the other end of a port to echo a pattern: the line's other direction. Not inlined: its buffers would lie below
 * the model's stack, too. */
SHOAL_LINK __attribute__((noinline)) static reply ask(const link_request *request) {
    if (request->length != 2) {
        return refuse(STATUS_MALFORMED);
    }
    uint8_t pattern[ROOM];
    const link_question question = {
        .port = request->payload[0],
        .destination = ANY_NODE,
        .type = MESSAGE_ECHO,
        .tries = ECHO_TRIES,
        .head_length = request->payload[1],
        .head = pattern,
    };
    link_request echoed;
    if (question.port >= SHOAL_UARTS || question.head_length > ROOM - 1) {
        return refuse(STATUS_RANGE);
    }
    for (uint8_t i = 0; i < question.head_length; i++) {
        pattern[i] = (uint8_t)(i * 31u);
    }
    if (!link_ask(&question, &echoed)) {
        return refuse(STATUS_NO_ANSWER);
    }
    bool same = echoed.length == question.head_length + 1 && echoed.payload[0] == STATUS_OK;
    for (uint8_t i = 0; same && i < question.head_length; i++) {
        same = echoed.payload[1 + i] == pattern[i];
    }
    return refuse(same ? STATUS_OK : STATUS_NO_ANSWER);
}

/* What comes to the same however often it runs. */
SHOAL_LINK static reply dispatch_pure(const link_request *request) {
    switch (request->type) {
    case MESSAGE_IDENTIFY:
        return identify();
    case MESSAGE_TENSORS:
        return tensors(request);
    case MESSAGE_READ:
        return read_piece(request);
    case MESSAGE_ECHO:
        return echo(request);
#if SHOAL_NODE
    case MESSAGE_START:
    case MESSAGE_BEGIN:
    case MESSAGE_DELIVER:
    case MESSAGE_RELEASE:
    case MESSAGE_STATE:
        return chunks_request(request);
#endif
    default:
        return refuse(STATUS_UNKNOWN);
    }
}

SHOAL_LINK static reply dispatch(const link_request *request) {
    switch (request->type) {
    case MESSAGE_PLAN:
        return plan(request);
    case MESSAGE_WRITE:
        return write_piece(request);
    case MESSAGE_RUN:
        return run(request, 0, 0);
    case MESSAGE_RUN_STEPS:
        return run_steps(request);
    case MESSAGE_ASK:
        return ask(request);
    case MESSAGE_RESET:
    case MESSAGE_PROVOKE:
        return refuse(STATUS_OK); /* done once the answer is out */
#if SHOAL_NODE
    case MESSAGE_ROUTE:
        return route(request);
#endif
    default:
        return dispatch_pure(request);
    }
}

#if SHOAL_NODE
SHOAL_LINK void server_serve(const link_request *request) {
    const reply made = dispatch_pure(request);
    link_answer(request, made.status, made.length);
}

SHOAL_LINK void server_forget(void) {
    planned_session = 0;
}
#endif

SHOAL_LINK bool server_step(void) {
    link_request request;
    if (!link_poll(&request)) {
        return false;
    }
    reply made = dispatch(&request);
    link_answer(&request, made.status, made.length);
    if (request.type == MESSAGE_RESET) {
        hal_uart_flush(request.port);
        hal_reset();
    }
    if (request.type == MESSAGE_PROVOKE && request.length == 1) {
        hal_uart_flush(request.port);
        hal_provoke(request.payload[0]);
    }
    return true;
}
