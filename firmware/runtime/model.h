/* What the harness knows of a model: how to feed it, run it and look at it. A generated image.c fills one in. */
#ifndef SHOAL_MODEL_H
#define SHOAL_MODEL_H

#include <stdint.h>

/* A tensor's place in the arena. */
typedef struct {
    uint32_t offset;
    uint32_t bytes;
} model_tensor;

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
    uint8_t *(*arena)(void);
    int (*run)(void);
    int (*run_steps)(unsigned first, unsigned last);
    void (*reset)(void);
} model_image;

/* Defined by the generated image.c. */
extern const model_image image;

#endif
