/* SPDX-License-Identifier: MPL-2.0 */
/* What AddressSanitizer, LeakSanitizer and valgrind are told about memory and stacks that we manage
 * ourselves. Everything here is nothing in a plain build that isn't run under valgrind. The only
 * file that includes their headers. */
#ifndef LOADS_WORKER_ANNOTATE_H
#define LOADS_WORKER_ANNOTATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#ifndef __has_feature
#define __has_feature(feature) 0 /* gcc has __SANITIZE_ADDRESS__ in its place */
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#define ANNOTATE_ASAN 1
#else
#define ANNOTATE_ASAN 0
#endif

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND                     0
#define VALGRIND_MAKE_MEM_NOACCESS(base, size)  ((void)(base), (void)(size))
#define VALGRIND_MAKE_MEM_UNDEFINED(base, size) ((void)(base), (void)(size))
#define VALGRIND_STACK_REGISTER(low, high)      ((void)(low), (void)(high), 0U)
#define VALGRIND_STACK_DEREGISTER(id)           ((void)(id))
#endif

/* Whether something looks at accesses: then gaps between allocations are worth their memory. */
static inline _unused_ bool annotate_watched(void)
{
    return ANNOTATE_ASAN || RUNNING_ON_VALGRIND;
}

/* Any access to this memory is an error from now on. */
static inline _unused_ void annotate_poison(const void *base, size_t size)
{
#if ANNOTATE_ASAN
    __asm__("" : "+r"(base)); /* gcc would warn that fresh memory is read by this */
    __asan_poison_memory_region(base, size);
#endif
    (void)VALGRIND_MAKE_MEM_NOACCESS(base, size); /* no result worth having */
}

/* This memory may be used; what it holds means nothing. */
static inline _unused_ void annotate_unpoison(const void *base, size_t size)
{
#if ANNOTATE_ASAN
    __asan_unpoison_memory_region(base, size);
#endif
    (void)VALGRIND_MAKE_MEM_UNDEFINED(base, size); /* no result worth having */
}

/* A stack comes into use: clean, and pointers on it keep heap memory from being called a leak.
 * Returns what annotate_stack_end() wants back. */
static inline _unused_ unsigned annotate_stack_begin(void *base, size_t size)
{
    annotate_unpoison(base, size);
#if ANNOTATE_ASAN
    __lsan_register_root_region(base, size);
#endif
    return (unsigned)VALGRIND_STACK_REGISTER(base, (char *)base + size - 1);
}

static inline _unused_ void annotate_stack_end(void *base, size_t size, unsigned id)
{
    VALGRIND_STACK_DEREGISTER(id);
#if ANNOTATE_ASAN
    __lsan_unregister_root_region(base, size);
#endif
    annotate_unpoison(base, size);
}

/* Before a switch to the stack [base, base + size). `fake_stack` keeps the left stack's
 * use-after-return frames; NULL: the left stack is never entered again. */
static inline _unused_ void annotate_switch_start(void **fake_stack, const void *base, size_t size)
{
#if ANNOTATE_ASAN
    __sanitizer_start_switch_fiber(fake_stack, base, size);
#else
    (void)fake_stack;
    (void)base;
    (void)size;
#endif
}

/* First thing on the stack that was switched to; tells the bounds of the one left (may be NULL). */
static inline _unused_ void annotate_switch_finish(void *fake_stack, const void **base,
                                                   size_t *size)
{
#if ANNOTATE_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, base, size);
#else
    (void)fake_stack;
    (void)base;
    (void)size;
#endif
}

#endif
