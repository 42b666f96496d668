/* SPDX-License-Identifier: MPL-2.0 */
/* Memory for rows in tests: all of it is freed at once, and there may be an end of it. */
#ifndef LOADS_TESTS_UNIT_ROWS_MEMORY_H
#define LOADS_TESTS_UNIT_ROWS_MEMORY_H

#include "base/macros.h"

struct rows_memory {
    void *pieces[1000];
    size_t count;
    size_t limit; /* pieces that there are; 0: as many as have room above */
};

static _unused_ void *rows_allocate(void *context, size_t size)
{
    struct rows_memory *memory = context;

    if (memory->count == (memory->limit ? memory->limit : ELEMENTSOF(memory->pieces))) {
        return NULL;
    }
    void *piece = malloc(size);
    memory->pieces[memory->count++] = piece;
    return piece;
}

static _unused_ void rows_free(struct rows_memory *memory)
{
    while (memory->count > 0) {
        free(memory->pieces[--memory->count]);
    }
}

#endif
