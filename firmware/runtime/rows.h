/* An input that comes in rows, an output that leaves in rows, constants that are not in flash: over the link, to and
 * from whoever asked for the run. */
#ifndef SHOAL_RUNTIME_ROWS_H
#define SHOAL_RUNTIME_ROWS_H

#include "../link/link.h"

/* The request whose run this is; how many bytes have come and gone, and the cycles that this took. */
typedef struct {
    const link_request *run;
    uint32_t bytes_in;
    uint32_t bytes_out;
    uint64_t cycles;
} row_link;

/* As model.h's model_read, model_write and model_fetch; `context` is a row_link. 0, or STATUS_NO_ANSWER. */
int rows_read(void *row, unsigned y, void *context);
int rows_write(const void *row, unsigned y, void *context);
int rows_fetch(void *page, uint32_t offset, uint32_t bytes, void *context);

#endif
