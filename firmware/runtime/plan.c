#include "plan.h"

#if SHOAL_NODE

enum {
    INPUT_BYTES = 2,
    OUTPUT_BYTES = 3,
    OUTPUT_TO_AT = 2,
};

SHOAL_LINK const uint8_t *plan_input(const plan_part *part, unsigned way) {
    return part->own + ASSIGNMENT_HEADER + INPUT_BYTES * way;
}

SHOAL_LINK const uint8_t *plan_output(const plan_part *part, unsigned way) {
    return plan_input(part, plan_inputs(part)) + OUTPUT_BYTES * way;
}

SHOAL_LINK const model_crossing *plan_tensor(const model_chunk *chunk, uint16_t index) {
    unsigned low = 0;
    unsigned high = chunk->tensor_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        const model_crossing *tensor = &chunk->tensors[middle];
        if (tensor->index == index) {
            return tensor;
        }
        if (tensor->index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return 0;
}

SHOAL_LINK const model_crossing *plan_taken(const plan_part *part, unsigned way) {
    return plan_tensor(part->chunk, get16(plan_input(part, way)));
}

SHOAL_LINK const model_crossing *plan_given(const plan_part *part, unsigned way) {
    return plan_tensor(part->chunk, get16(plan_output(part, way)));
}

SHOAL_LINK uint32_t plan_taken_at(const plan_part *part, unsigned way) {
    uint32_t at = 0;
    for (unsigned i = 0; i < way && i < plan_inputs(part); i++) {
        at += plan_taken(part, i)->bytes;
    }
    return at;
}

/* The first way in which the same tensor leaves. */
SHOAL_LINK static unsigned first_way(const plan_part *part, unsigned way) {
    const uint16_t index = get16(plan_output(part, way));
    unsigned first = 0;
    while (get16(plan_output(part, first)) != index) {
        first++;
    }
    return first;
}

SHOAL_LINK uint32_t plan_given_at(const plan_part *part, unsigned way) {
    const unsigned until = way < plan_outputs(part) ? first_way(part, way) : plan_outputs(part);
    uint32_t at = 0;
    for (unsigned i = 0; i < until; i++) {
        at += first_way(part, i) == i ? plan_given(part, i)->bytes : 0;
    }
    return at;
}

SHOAL_LINK static uint8_t bits(uint8_t dtype) {
    static const uint8_t widths[] = {8, 16, 32, 32, 8};
    return dtype < sizeof widths ? widths[dtype] : 0;
}

SHOAL_LINK uint8_t *plan_put_crossing(uint8_t *to, const model_crossing *tensor) {
    to = put16(to, tensor->index);
    *to++ = tensor->dtype;
    *to++ = bits(tensor->dtype);
    to = put16(to, 0);                         /* raw */
    return put32(put64(to, 0), tensor->bytes); /* of any range */
}

SHOAL_LINK bool plan_is_raw(const uint8_t *header, const model_crossing *tensor) {
    return get16(header) == tensor->index && header[2] == tensor->dtype && header[3] == bits(tensor->dtype) &&
           header[4] == 0 && get32(header + 14) == tensor->bytes;
}

/* This node's assignment in a packet; null where it has none or the packet does not add up, as `status` says then. */
SHOAL_LINK static const uint8_t *find_own(const uint8_t *packet, uint32_t length, uint8_t *status) {
    const uint8_t *own = 0;
    uint32_t at = PLAN_HEADER;
    *status = STATUS_MALFORMED;
    for (unsigned i = 0; i < packet[PLAN_COUNT_AT]; i++) {
        const uint8_t *assignment = packet + at;
        if (length - at < ASSIGNMENT_HEADER) {
            return 0;
        }
        const uint32_t inputs = assignment[ASSIGNMENT_INPUTS_AT];
        const uint32_t outputs = assignment[ASSIGNMENT_OUTPUTS_AT];
        const uint32_t size = ASSIGNMENT_HEADER + INPUT_BYTES * inputs + OUTPUT_BYTES * outputs;
        if (size > length - at) {
            return 0;
        }
        if (assignment[ASSIGNMENT_NODE_AT] == link_node()) {
            if (own != 0 || inputs > PLAN_WAYS || outputs > PLAN_WAYS) {
                return 0;
            }
            own = assignment;
        }
        at += size;
    }
    if (at != length) {
        return 0;
    }
    *status = STATUS_PLAN_NODE;
    return own;
}

SHOAL_LINK static bool is_cut(const model_chunk *chunk, uint16_t boundary) {
    return boundary >= chunk->first && boundary <= chunk->last && chunk->steps[boundary - chunk->first] != MODEL_NO_CUT;
}

/* Made before a boundary and read behind it, so that its place in the arena is its own there. */
SHOAL_LINK static bool lives(const model_crossing *tensor, uint16_t boundary) {
    return tensor != 0 && tensor->made <= boundary && tensor->read_count > 0 &&
           tensor->reads[tensor->read_count - 1] >= boundary;
}

SHOAL_LINK static bool is_read(const model_crossing *tensor, uint16_t first, uint16_t last) {
    for (unsigned i = 0; i < tensor->read_count; i++) {
        if (tensor->reads[i] >= first && tensor->reads[i] < last) {
            return true;
        }
    }
    return false;
}

SHOAL_LINK static bool is_taken(const plan_part *part, uint16_t index, unsigned ways) {
    for (unsigned i = 0; i < ways; i++) {
        if (get16(plan_input(part, i)) == index) {
            return true;
        }
    }
    return false;
}

SHOAL_LINK static bool leaves_already(const plan_part *part, unsigned way) {
    const uint8_t *output = plan_output(part, way);
    for (unsigned i = 0; i < way; i++) {
        const uint8_t *other = plan_output(part, i);
        if (get16(other) == get16(output) && other[OUTPUT_TO_AT] == output[OUTPUT_TO_AT]) {
            return true;
        }
    }
    return false;
}

/* Whether the part's tensors are right at its boundaries; the tensor that is not, else. */
SHOAL_LINK static bool tensors_fit(const plan_part *part, uint16_t first, uint16_t last, uint16_t *wrong) {
    const unsigned inputs = plan_inputs(part);
    for (unsigned i = 0; i < inputs; i++) {
        *wrong = get16(plan_input(part, i));
        if (!lives(plan_taken(part, i), first) || is_taken(part, *wrong, i)) {
            return false;
        }
    }
    for (unsigned i = 0; i < plan_outputs(part); i++) {
        const model_crossing *tensor = plan_given(part, i);
        const uint8_t to = plan_output(part, i)[OUTPUT_TO_AT];
        *wrong = get16(plan_output(part, i));
        if (!lives(tensor, last) || to >= MODEL_NODES || to == link_node() || leaves_already(part, i) ||
            (tensor->made <= first && !is_taken(part, *wrong, inputs))) {
            return false;
        }
    }
    for (unsigned i = 0; i < part->chunk->tensor_count; i++) {
        const model_crossing *tensor = &part->chunk->tensors[i];
        *wrong = tensor->index;
        if (tensor->made <= first && is_read(tensor, first, last) && !is_taken(part, *wrong, inputs)) {
            return false;
        }
    }
    return true;
}

SHOAL_LINK static reply fit(const plan_part *part) {
    const model_chunk *chunk = part->chunk;
    const uint16_t first = get16(part->own + ASSIGNMENT_FIRST_AT);
    const uint16_t last = get16(part->own + ASSIGNMENT_LAST_AT);
    uint16_t wrong;
    if (chunk->variant != part->own[ASSIGNMENT_VARIANT_AT]) {
        return refuse_value(STATUS_PLAN_VARIANT, part->own[ASSIGNMENT_VARIANT_AT]);
    }
    if (!is_cut(chunk, first)) {
        return refuse_value(STATUS_PLAN_FIRST, first);
    }
    if (!is_cut(chunk, last) || last <= first) {
        return refuse_value(STATUS_PLAN_LAST, last);
    }
    return tensors_fit(part, first, last, &wrong) ? refuse(STATUS_OK) : refuse_value(STATUS_PLAN_TENSORS, wrong);
}

SHOAL_LINK reply plan_find(const uint8_t *packet, uint32_t length, plan_part *found) {
    uint8_t status;
    if (length < PLAN_HEADER || length > PLAN_MOST) {
        return refuse(STATUS_MALFORMED);
    }
    if (packet[0] != PLAN_PACKET_VERSION) {
        return refuse_value(STATUS_PLAN_VERSION, packet[0]);
    }
    found->own = find_own(packet, length, &status);
    if (found->own == 0) {
        return status == STATUS_PLAN_NODE ? refuse_value(status, link_node()) : refuse(status);
    }
    if (get32(found->own + ASSIGNMENT_MASK_AT) != 0) {
        return refuse_value(STATUS_PLAN_MASK, get32(found->own + ASSIGNMENT_MASK_AT));
    }
    /* of several refusals the one that got furthest: their numbers go up with it */
    uint8_t furthest = STATUS_PLAN_VARIANT;
    uint32_t value = found->own[ASSIGNMENT_VARIANT_AT];
    for (unsigned i = 0; i < image.chunk_count; i++) {
        found->chunk = &image.chunks[i];
        const reply tried = fit(found);
        if (tried.status == STATUS_OK) {
            return tried;
        }
        if (tried.status > furthest) {
            furthest = tried.status;
            value = get32(link_room());
        }
    }
    return refuse_value(furthest, value);
}

#endif
