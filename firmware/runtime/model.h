/* What the harness knows of a model: how to feed it, run it and look at it. A generated image.c fills one in. */
#ifndef SHOAL_MODEL_H
#define SHOAL_MODEL_H

#include <stdint.h>

/* A tensor's place in the arena; or, where `row_bytes` is not 0, it comes or leaves in rows and has none. */
typedef struct {
    uint32_t offset;
    uint32_t bytes;
    uint32_t row_bytes;
} model_tensor;

/* Brings row y of the input, takes row y of the output; anything but 0 ends the run. */
typedef int (*model_read)(void *row, unsigned y, void *context);
typedef int (*model_write)(const void *row, unsigned y, void *context);

/* Copies bytes [offset, offset + bytes) of the store to `page`; anything but 0 ends the run. */
typedef int (*model_fetch)(void *page, uint32_t offset, uint32_t bytes, void *context);

/* Told, before each step that computes meanwhile, which bytes will be fetched next; `page`: where they may go at once,
 * or null. */
typedef void (*model_ahead)(void *page, uint32_t offset, uint32_t bytes, void *context);

/* Whom a run asks for what it lacks (what its image does not ask for may be null), and what it comes to. The status is
 * left here, not returned: emulators count the model's instructions from a call to its return, so that a compiler must
 * not make a jump of it. */
typedef struct {
    model_read read;
    model_write write;
    model_fetch fetch;
    model_ahead ahead;
    void *context;
    int status;
} model_io;

/* A tensor that may travel between nodes. */
typedef struct {
    uint32_t offset, bytes; /* where the steps have it */
    uint16_t index;         /* in the model file */
    uint16_t made;          /* the boundary from which on it is there */
    uint8_t dtype;          /* as in a crossing header */
    uint8_t read_count;
    const uint16_t *reads; /* operators that read it, ascending; their number for who takes the network's outputs */
} model_crossing;

#define MODEL_NO_CUT 0xFFFFu /* a boundary that lies inside of a step */

/* Operators [first, last), of which any [a, b) between boundaries that are no MODEL_NO_CUT is a chunk: the image's
 * steps [steps[a - first], steps[b - first]). Where what comes is more than `receive_bytes`, or what goes more than
 * `retain_bytes`, it comes and goes in place. */
typedef struct {
    uint8_t variant;
    uint16_t first, last;
    const uint16_t *steps; /* last - first + 1 of them */
    uint16_t tensor_count;
    const model_crossing *tensors; /* by ascending index */
    uint32_t receive_offset, receive_bytes;
    uint32_t retain_offset, retain_bytes;
} model_chunk;

#define MODEL_NODES    16 /* the host's number, 0, included */
#define MODEL_NO_ROUTE 0xFFu

typedef struct {
    const char *name;
    const char *tool_version;
    const char *board;
    uint8_t sha256[32]; /* of the model file */
    uint32_t arena_bytes;
    uint32_t weights_bytes;
    uint16_t step_count;
    uint16_t input_count;
    uint16_t output_count;
    const model_tensor *inputs;
    const model_tensor *outputs;
    void (*run)(model_io *io);
    void (*run_steps)(unsigned first, unsigned last, model_io *io); /* [first, last) */
    uint32_t store_bytes;
    void (*reset)(void);
#if SHOAL_NODE
    uint8_t node;
    uint8_t routes[MODEL_NODES]; /* the port by which each other node is reached, MODEL_NO_ROUTE: not at all */
    uint16_t operators;
    const model_chunk *chunks;
    uint16_t chunk_count;
#endif
} model_image;

/* Defined by the generated image.c. */
extern const model_image image;

/* Where a byte of the arena lies, whose parts may lie apart. No pointer in the image: what runs between the model's
 * steps calls it, and the bound of the stack follows pointers to wherever they might lead. */
uint8_t *arena_at(uint32_t offset);

#endif
