/* An input that comes in rows, an output that leaves in rows, constants that are not in flash: over the link, to and
 * from whoever asked for the run. */
#ifndef SHOAL_RUNTIME_ROWS_H
#define SHOAL_RUNTIME_ROWS_H

#include "../link/link.h"

/* The request whose run this is; how many bytes have come and gone, and the cycles that this took. Of the page that
 * comes ahead: where it begins in the store, how many of its bytes are in place, and how many a question is out for;
 * `ahead_bytes`: of all pages, what was there before the model waited for it. */
typedef struct {
    const link_request *run;
    uint32_t bytes_in;
    uint32_t bytes_out;
    uint64_t cycles;
    uint32_t next_offset;
    uint32_t next_placed;
    uint16_t next_asked;
    uint32_t ahead_bytes;
} row_link;

/* As model.h's model_read, model_write, model_fetch and model_ahead; `context` is a row_link. 0, or
 * STATUS_NO_ANSWER. */
int rows_read(void *row, unsigned y, void *context);
int rows_write(const void *row, unsigned y, void *context);
int rows_fetch(void *page, uint32_t offset, uint32_t bytes, void *context);
void rows_ahead(void *page, uint32_t offset, uint32_t bytes, void *context);

#endif
