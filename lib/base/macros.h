/* SPDX-License-Identifier: MPL-2.0 */
/* The few macros that every file of the project may use. */
#ifndef LOADS_BASE_MACROS_H
#define LOADS_BASE_MACROS_H

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef NDEBUG
#error "assertions stay on: build without NDEBUG"
#endif

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _must_check_        __attribute__((warn_unused_result))
#define _unused_            __attribute__((unused))
#define _printf_(f, a)      __attribute__((format(printf, f, a)))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b)         ((a) < (b) ? (a) : (b))
#define MAX(a, b)         ((a) > (b) ? (a) : (b))

/* The value of a pointer variable, which is set to NULL: hands ownership over. */
#define TAKE_PTR(pointer)                                                                          \
    ({                                                                                             \
        __typeof__(pointer) *take_from_ = &(pointer);                                              \
        __typeof__(pointer) take_value_ = *take_from_;                                             \
        *take_from_ = NULL;                                                                        \
        take_value_;                                                                               \
    })

/* The value of a descriptor variable, which is set to -1. */
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int *take_from_ = &(fd);                                                                   \
        int take_value_ = *take_from_;                                                             \
        *take_from_ = -1;                                                                          \
        take_value_;                                                                               \
    })

/* The object in which `member` is embedded at `pointer`. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* DEFINE_CLEANUP(struct thing, thing_free) defines thing_freep() for _cleanup_(). */
#define DEFINE_CLEANUP(type, function)                                                             \
    static inline _unused_ void function##p(type **pointer)                                        \
    {                                                                                              \
        if (*pointer) {                                                                            \
            function(*pointer);                                                                    \
        }                                                                                          \
    }

static inline _unused_ void freep(void *pointer)
{
    free(*(void **)pointer);
}

/* Closes a descriptor if it is one; returns -1, so that `fd = close_fd(fd)` leaves no stale number.
 */
static inline _unused_ int close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd); /* nothing can be done about a failing close */
    }
    return -1;
}

static inline _unused_ void close_fdp(int *fd)
{
    close_fd(*fd);
}

/* Of one that was only read: what is written is known to be there only when fclose() has said so.
 */
static inline _unused_ void close_filep(FILE **file)
{
    if (*file) {
        (void)fclose(*file);
    }
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_fd_   _cleanup_(close_fdp)
#define _cleanup_file_ _cleanup_(close_filep)

#endif
