/* SPDX-License-Identifier: MPL-2.0 */
/* The text of a failure, for a person: what, where, what to do. Functions return -errno; those
 * whose failure a user will read also fill a struct error that the caller passes (NULL: not
 * interested). */
#ifndef LOADS_BASE_ERROR_H
#define LOADS_BASE_ERROR_H

#include "base/macros.h"

#define ERROR_TEXT_BYTES 4096

struct error {
    int code; /* -errno, or 0 */
    char text[ERROR_TEXT_BYTES];
};

/* Sets code and text (cut at ERROR_TEXT_BYTES, control characters kept out) and returns code, so
 * that a function can end in `return error_set(error, -EINVAL, "...")`. `error` may be NULL. */
int error_set(struct error *error, int code, const char *format, ...) _printf_(3, 4);

/* The same with ": " and strerror(-code) behind the text. */
int error_set_errno(struct error *error, int code, const char *format, ...) _printf_(3, 4);

/* Puts "prefix: " in front of the text that is there; the code becomes `code`, which is returned.
 */
int error_prefix(struct error *error, int code, const char *format, ...) _printf_(3, 4);

/* clang's analyzer reads one file at a time and can't see that these return `code`. */
#ifdef __clang_analyzer__
#define error_set(error, code, ...)       ((void)error_set((error), 0, __VA_ARGS__), (code))
#define error_set_errno(error, code, ...) ((void)error_set_errno((error), 0, __VA_ARGS__), (code))
#define error_prefix(error, code, ...)    ((void)error_prefix((error), 0, __VA_ARGS__), (code))
#endif

#endif
