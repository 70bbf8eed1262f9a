#include "chunks.h"

#include "deliver.h"
#include "node.h"
#include "server.h"

#if SHOAL_NODE

enum {
    BEGIN_HEADER = 8, /* epoch, inference */
    MILLISECOND = 1000,
    STATE_IDLE = 0,
    STATE_RECEIVING = 1,
    STATE_RUNNING = 2,
    STATE_SENDING = 3,
    STATE_WAITING = 4,
};

static uint32_t epoch;   /* 0: none */
static uint32_t earlier; /* the one before: a late frame of its start must not bring it back */
static uint32_t latest;  /* inference that was taken in this epoch */
static uint32_t released;

static inference inferences[2];
static inference *coming = &inferences[0];  /* is received */
static inference *current = &inferences[1]; /* runs, or is sent on */

static uint32_t got[PLAN_WAYS]; /* bytes of the coming one's inputs */
static uint32_t whole;          /* those of which all is there */
static uint32_t began;          /* when it was taken, in microseconds */
static bool late;               /* its deadline is over */
static bool running;            /* current */
static bool dropped;            /* an epoch began while it ran */
static bool occupied;           /* a session runs the model */
static uint8_t *receive;        /* slots of the chunk at work: found while no model runs, whose code that would be */
static uint8_t *retain;
static uint32_t turned_away; /* nodes that were told to come again, by number */
static uint32_t bytes_in;    /* since the epoch began */

SHOAL_LINK uint32_t chunks_epoch(void) {
    return epoch;
}

SHOAL_LINK bool chunks_busy(void) {
    return occupied || coming->taken || current->taken;
}

/* Whether inputs may be written to their own places, and steps run. */
SHOAL_LINK static bool arena_is_free(void) {
    return !running && !occupied && !(current->taken && current->in_place);
}

/* Tells those who were turned away to come again. */
SHOAL_LINK static void offer(void) {
    for (uint8_t node = 0; turned_away != 0 && node < MODEL_NODES; node++) {
        if (has(turned_away, node)) {
            link_tell(link_route(node), node, MESSAGE_READY, 0, 0);
        }
    }
    turned_away = 0;
}

SHOAL_LINK static reply turn_away(const link_request *request) {
    if (request->source < MODEL_NODES) {
        turned_away = with(turned_away, request->source);
    }
    return refuse(STATUS_FULL);
}

/* Nothing of an epoch is left but a run that has not ended. */
SHOAL_LINK static void forget(uint32_t next) {
    earlier = epoch;
    epoch = next;
    latest = released = bytes_in = 0;
    turned_away = 0;
    coming->taken = false;
    if (running) {
        dropped = true;
    } else {
        current->taken = false;
    }
    deliver_forget();
}

void chunks_leave(void) {
    if (epoch != 0) {
        forget(0);
    }
}

void chunks_occupy(bool up) {
    occupied = up;
    if (!up) {
        offer();
    }
}

SHOAL_LINK static reply start(const link_request *request) {
    const uint32_t wanted = get32(request->payload);
    if (request->length != 4 || wanted == 0) {
        return refuse(STATUS_MALFORMED);
    }
    if (wanted == earlier) {
        return refuse(STATUS_EPOCH);
    }
    if (wanted != epoch) {
        forget(wanted);
        server_forget();
    }
    return refuse(STATUS_OK);
}

SHOAL_LINK static bool same(const uint8_t *a, const uint8_t *b, uint32_t count) {
    while (count-- > 0) {
        if (*a++ != *b++) {
            return false;
        }
    }
    return true;
}

/* An inference that was taken before is begun again. */
SHOAL_LINK static reply begin_again(const link_request *request, uint32_t number, uint32_t length) {
    if (coming->taken && coming->number == number &&
        (coming->length != length || !same(coming->packet, request->payload + BEGIN_HEADER, length))) {
        return refuse(STATUS_MALFORMED);
    }
    return refuse(STATUS_OK);
}

SHOAL_LINK static reply begin(const link_request *request) {
    const uint8_t *packet = request->payload + BEGIN_HEADER;
    const uint32_t length = (uint32_t)request->length - BEGIN_HEADER;
    const uint32_t number = get32(request->payload + 4);
    plan_part part;
    if (number <= latest) {
        return begin_again(request, number, length);
    }
    const reply found = plan_find(packet, length, &part);
    if (found.status != STATUS_OK) {
        return found;
    }
    const uint8_t after = part.own[ASSIGNMENT_AFTER_AT];
    const bool in_place = plan_taken_at(&part, PLAN_WAYS) > part.chunk->receive_bytes;
    if (coming->taken || occupied || (after != 0 && number - latest != after) ||
        (current->taken && current->part.chunk != part.chunk) || (in_place && !arena_is_free())) {
        return turn_away(request);
    }
    if (!current->taken) {
        receive = arena_at(part.chunk->receive_offset);
        retain = arena_at(part.chunk->retain_offset);
    }
    put_bytes(coming->packet, packet, length);
    coming->taken = true;
    coming->in_place = in_place;
    coming->short_of = false;
    coming->bytes_in = 0;
    coming->length = (uint8_t)length;
    coming->number = latest = number;
    coming->part = (plan_part){coming->packet + (part.own - packet), part.chunk};
    for (unsigned i = 0; i < PLAN_WAYS; i++) {
        got[i] = 0;
    }
    whole = 0;
    began = node_now();
    late = false;
    return refuse(STATUS_OK);
}

/* Where an input is received. */
SHOAL_LINK static uint8_t *input(unsigned way) {
    return coming->in_place ? arena_at(plan_taken(&coming->part, way)->offset)
                            : receive + plan_taken_at(&coming->part, way);
}

SHOAL_LINK static reply take_piece(const link_request *request, unsigned way) {
    const model_crossing *tensor = plan_taken(&coming->part, way);
    const uint8_t flags = request->payload[10];
    const uint32_t offset = get32(request->payload + 11);
    const bool headed = (flags & DELIVER_HEADED) != 0;
    const uint32_t head = DELIVER_HEADER + (headed ? CROSSING_HEADER : 0);
    if (request->length < head) {
        return refuse(STATUS_MALFORMED);
    }
    const uint32_t count = request->length - head;
    if (offset > tensor->bytes || count > tensor->bytes - offset) {
        return refuse(STATUS_RANGE);
    }
    const bool last = (flags & DELIVER_LAST) != 0;
    if (headed != (offset == 0) || last != (offset + count == tensor->bytes) ||
        (headed && !plan_is_raw(request->payload + DELIVER_HEADER, tensor))) {
        return refuse(STATUS_ENCODING);
    }
    if (has(whole, way) || offset < got[way]) {
        return refuse(STATUS_OK);
    }
    if (offset > got[way]) {
        return refuse_value(STATUS_GAP, got[way]);
    }
    put_bytes(input(way) + offset, request->payload + head, count);
    got[way] += count;
    bytes_in += count;
    coming->bytes_in += count;
    if (last) {
        whole = with(whole, way);
    }
    return refuse(STATUS_OK);
}

SHOAL_LINK static reply deliver(const link_request *request) {
    const uint32_t number = get32(request->payload + 4);
    if (request->length < DELIVER_HEADER) {
        return refuse(STATUS_MALFORMED);
    }
    if (!coming->taken || coming->number != number) {
        return refuse(number <= latest ? STATUS_OK : STATUS_NO_BEGIN);
    }
    const uint16_t index = get16(request->payload + 8);
    for (unsigned i = 0; i < plan_inputs(&coming->part); i++) {
        if (get16(plan_input(&coming->part, i)) == index) {
            return take_piece(request, i);
        }
    }
    return refuse_value(STATUS_PLAN_TENSORS, index);
}

/* Frees the current inference where everything is done with it. */
SHOAL_LINK static void release(void) {
    const bool held = (current->packet[PLAN_FLAGS_AT] & PLAN_HOLD) != 0 && current->number > released;
    if (current->taken && !running && deliver_is_done() && !held) {
        current->taken = false;
        offer();
    }
}

SHOAL_LINK void chunks_sent(void) {
    release();
}

SHOAL_LINK static reply let_go(const link_request *request) {
    const uint32_t number = get32(request->payload + 4);
    if (number > released) {
        released = number;
    }
    release();
    return refuse(STATUS_OK);
}

SHOAL_LINK static reply state(void) {
    const uint8_t stuck = deliver_stuck();
    uint8_t *to = link_room();
    *to++ = link_node();
    to = put32(to, epoch);
    *to++ = running                                 ? STATE_RUNNING
            : current->taken && stuck < MODEL_NODES ? STATE_WAITING
            : current->taken                        ? STATE_SENDING
            : coming->taken                         ? STATE_RECEIVING
                                                    : STATE_IDLE;
    to = put32(to, current->taken ? current->number : latest);
    *to++ = current->taken && coming->taken ? 1 : 0;
    *to++ = stuck;
    return answer(deliver_state(put32(to, bytes_in)));
}

SHOAL_LINK reply chunks_request(const link_request *request) {
    if (request->type == MESSAGE_STATE) {
        return state();
    }
    if (request->length < 4) {
        return refuse(STATUS_MALFORMED);
    }
    if (request->type == MESSAGE_START) {
        return start(request);
    }
    if (request->length < BEGIN_HEADER || get32(request->payload + 4) == 0) {
        return refuse(STATUS_MALFORMED);
    }
    if (epoch == 0 || get32(request->payload) != epoch) {
        return refuse(STATUS_EPOCH);
    }
    switch (request->type) {
    case MESSAGE_BEGIN:
        return begin(request);
    case MESSAGE_DELIVER:
        return deliver(request);
    case MESSAGE_RELEASE:
        return let_go(request);
    default:
        return refuse(STATUS_UNKNOWN);
    }
}

/* Whether the coming inference may run: all its inputs are there, or after the deadline a quorum of them and only sums
 * are missing. */
SHOAL_LINK static bool is_complete(void) {
    const uint8_t quorum = coming->part.own[ASSIGNMENT_QUORUM_AT];
    unsigned there = 0;
    bool sums = true;
    for (unsigned i = 0; i < plan_inputs(&coming->part); i++) {
        const bool is_there = has(whole, i);
        there += is_there ? 1u : 0u;
        sums = sums && (is_there || plan_taken(&coming->part, i)->dtype == DTYPE_INT32);
    }
    return there == plan_inputs(&coming->part) || (late && sums && quorum != 0 && there >= quorum);
}

/* Brings the inputs to their places; zeros where they are missing. */
static void copy_inputs(void) {
    for (unsigned i = 0; i < plan_inputs(&coming->part); i++) {
        const model_crossing *tensor = plan_taken(&coming->part, i);
        uint8_t *to = arena_at(tensor->offset);
        if (!has(whole, i)) {
            coming->short_of = true;
            for (uint32_t k = 0; k < tensor->bytes; k++) {
                to[k] = 0;
            }
        } else if (!coming->in_place) {
            put_bytes(to, receive + plan_taken_at(&coming->part, i), tensor->bytes);
        }
    }
}

SHOAL_LINK const uint8_t *chunks_output(unsigned way) {
    return current->in_place ? arena_at(plan_given(&current->part, way)->offset)
                             : retain + plan_given_at(&current->part, way);
}

static void copy_outputs(void) {
    for (unsigned i = 0; i < plan_outputs(&current->part) && !current->in_place; i++) {
        const model_crossing *tensor = plan_given(&current->part, i);
        put_bytes(retain + plan_given_at(&current->part, i), arena_at(tensor->offset), tensor->bytes);
    }
}

static void run(void) {
    inference *next = coming;
    const plan_part *part = &next->part;
    const model_chunk *chunk = part->chunk;
    const uint16_t first = chunk->steps[get16(part->own + ASSIGNMENT_FIRST_AT) - chunk->first];
    const uint16_t last = chunk->steps[get16(part->own + ASSIGNMENT_LAST_AT) - chunk->first];
    /* what it fetches while it runs, it asks of the host */
    const link_request asked = {
        .port = link_route(HOST_NODE),
        .source = HOST_NODE,
        .session = (uint16_t)next->number,
        .sequence = (uint16_t)(next->number >> 16),
    };
    row_link rows = {.run = &asked};
    copy_inputs();
    next->in_place = plan_given_at(part, PLAN_WAYS) > chunk->retain_bytes;
    coming = current;
    current = next;
    running = true;
    dropped = false;
    offer();
    if (first < last) { /* operators between which there is no step are part of another, or none */
        current->measured = measure(first, last, &rows);
    } else {
        current->measured = (measurement){0};
    }
    current->link_cycles = rows.cycles;
    running = false;
    if (dropped) {
        current->taken = false;
        offer();
        return;
    }
    copy_outputs();
    deliver_begin();
}

uint32_t chunks_step(void) {
    if (!coming->taken) {
        return NODE_LONGEST;
    }
    const uint32_t deadline = MILLISECOND * (uint32_t)get16(coming->part.own + ASSIGNMENT_DEADLINE_AT);
    const uint32_t passed = node_now() - began;
    late = late || passed >= deadline;
    if (!current->taken && !occupied && is_complete()) {
        run();
        return 0;
    }
    return late || coming->part.own[ASSIGNMENT_QUORUM_AT] == 0 ? NODE_LONGEST : deadline - passed;
}

SHOAL_LINK uint8_t chunks_waiting(void) {
    return coming->taken ? 1 : 0;
}

SHOAL_LINK const inference *chunks_sending(void) {
    return current->taken && !running ? current : 0;
}

#endif
