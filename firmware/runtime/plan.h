/* Plan packets, as a shoal's node reads them: which resident chunk one asks it to run, if it has such a one. */
#ifndef SHOAL_PLAN_H
#define SHOAL_PLAN_H

#include "model.h"
#include "reply.h"

enum {
    PLAN_MOST = 230, /* bytes of a packet */
    PLAN_WAYS = 16,  /* inputs, and outputs, of an assignment at most */
    PLAN_HOLD = 1,   /* flag: what was delivered is kept until the answer is there */
    DTYPE_INT32 = 2, /* of a crossing tensor, whose missing values a sum may take for zeros */
};

/* Sets of ways, or of nodes by number. */
static inline __attribute__((always_inline)) bool has(uint32_t set, unsigned number) {
    return (set >> number & 1u) != 0;
}

static inline __attribute__((always_inline)) uint32_t with(uint32_t set, unsigned number) {
    return set | 1u << number;
}

static inline __attribute__((always_inline)) uint32_t without(uint32_t set, unsigned number) {
    return set & ~(1u << number);
}

/* An assignment that was checked: the packet's bytes, and the chunk that runs it. */
typedef struct {
    const uint8_t *own;
    const model_chunk *chunk;
} plan_part;

/* STATUS_OK and the part, or why this node cannot run its part of the packet. What was found holds: its tensors are the
 * chunk's, live where they are taken and given, and nothing that the chunk reads is missing. */
reply plan_find(const uint8_t *packet, uint32_t length, plan_part *found);

/* A tensor of a chunk by its index; null where it has no such one. */
const model_crossing *plan_tensor(const model_chunk *chunk, uint16_t index);

static inline unsigned plan_inputs(const plan_part *part) {
    return part->own[ASSIGNMENT_INPUTS_AT];
}

static inline unsigned plan_outputs(const plan_part *part) {
    return part->own[ASSIGNMENT_OUTPUTS_AT];
}

/* Input or output number `way` of a part: where its record lies, its tensor. */
const uint8_t *plan_input(const plan_part *part, unsigned way);
const uint8_t *plan_output(const plan_part *part, unsigned way);
const model_crossing *plan_taken(const plan_part *part, unsigned way);
const model_crossing *plan_given(const plan_part *part, unsigned way);

/* Where the tensor of input `way`, or of the last one and more: all of them, ends up in a slot without gaps. */
uint32_t plan_taken_at(const plan_part *part, unsigned way);

/* The same of outputs; a tensor that leaves in several ways lies there once. */
uint32_t plan_given_at(const plan_part *part, unsigned way);

/* Writes how a tensor is encoded, and returns what follows: its values as they are, the only way there is. */
uint8_t *plan_put_crossing(uint8_t *to, const model_crossing *tensor);

/* Whether a crossing header says that of a tensor. */
bool plan_is_raw(const uint8_t *header, const model_crossing *tensor);

#endif
