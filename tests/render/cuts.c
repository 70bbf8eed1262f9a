/* Runs chunks of an image by its tables. Of each one, stdin has where it begins and ends (two bytes each), its variant
 * (two bytes) and, for every tensor that is live where it begins, its bytes; stdout gets those that are live where it
 * ends. */
#include "runtime/model.h"

#include <stdio.h>
#include <string.h>

static int is_live(const model_crossing *tensor, unsigned boundary) {
    return tensor->made <= boundary && tensor->reads[tensor->read_count - 1] >= boundary;
}

int main(void) {
    uint16_t cut[3];
    while (fread(cut, sizeof cut, 1, stdin) == 1) {
        const model_chunk *chunk = image.chunks;
        while (chunk->variant != cut[2] || chunk->first > cut[0] || chunk->last < cut[1]) {
            ++chunk;
        }
        memset(arena_at(0), 0x55, image.arena_bytes);
        for (unsigned i = 0; i < chunk->tensor_count; ++i) {
            const model_crossing *tensor = &chunk->tensors[i];
            if (is_live(tensor, cut[0]) && fread(arena_at(tensor->offset), tensor->bytes, 1, stdin) != 1) {
                return 1;
            }
        }
        unsigned first = chunk->steps[cut[0] - chunk->first], last = chunk->steps[cut[1] - chunk->first];
        if (first == MODEL_NO_CUT || last == MODEL_NO_CUT) {
            return 2;
        }
        model_io io = {0};
        image.run_steps(first, last, &io);
        for (unsigned i = 0; i < chunk->tensor_count; ++i) {
            const model_crossing *tensor = &chunk->tensors[i];
            if (is_live(tensor, cut[1])) {
                fwrite(arena_at(tensor->offset), 1, tensor->bytes, stdout);
            }
        }
    }
    return 0;
}
