/* SPDX-License-Identifier: MPL-2.0 */
/* Failing allocations: for tests that are linked with
 * `-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc` (loads_unit_test_wrap_allocation()). */
#ifndef LOADS_TESTS_UNIT_ALLOCATION_H
#define LOADS_TESTS_UNIT_ALLOCATION_H

#include <stdbool.h>
#include <stdlib.h>

/* The allocation after this many others fails, once; negative: none does. */
static long allocation_fails_after = -1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *pointer, size_t size);

static bool allocation_fails(void)
{
    return allocation_fails_after >= 0 && allocation_fails_after-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *pointer, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(pointer, size);
}

#endif
