/* SPDX-License-Identifier: MPL-2.0 */
/* What fuzzers share: taking an input apart, and what must hold of every error. A property that
 * doesn't hold is an assertion that fails. */
#ifndef LOADS_TESTS_FUZZ_FUZZ_H
#define LOADS_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

/* What a fuzzer consists of: whatever the bytes are, it returns 0. libFuzzer calls it, or
 * replay.c. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input; numbers read as 0 at its end. */
struct input {
    const uint8_t *at;
    size_t left;
};

static inline _unused_ struct input input_take(struct input *input, size_t size)
{
    struct input piece = {input->at, MIN(size, input->left)};
    input->at += piece.left;
    input->left -= piece.left;
    return piece;
}

/* A number of `width` bytes, the least first. */
static inline _unused_ uint64_t input_number(struct input *input, size_t width)
{
    struct input piece = input_take(input, width);
    uint64_t value = 0;
    while (piece.left > 0) {
        value = value << 8 | piece.at[--piece.left];
    }
    return value;
}

/* Up to a separator, which is dropped, or all. */
static inline _unused_ struct input input_until(struct input *input, char separator)
{
    const uint8_t *end = input->left > 0 ? memchr(input->at, separator, input->left) : NULL;
    struct input piece = input_take(input, end ? (size_t)(end - input->at) : input->left);
    (void)input_take(input, end ? 1 : 0);
    return piece;
}

/* A copy that ends with NUL, and where its memory ends. The caller's. */
static inline _unused_ char *input_text(struct input piece)
{
    size_t size = strnlen((const char *)piece.at, piece.left);
    char *text = malloc(size + 1);
    assert(text);
    memcpy(text, piece.at, size);
    text[size] = '\0';
    return text;
}

/* Neither terminals nor logs get control characters from us, but for `allowed`. */
static inline _unused_ bool has_control(const char *text, const char *allowed)
{
    for (const char *c = text; *c; c++) {
        if (((unsigned char)*c < ' ' || *c == 0x7f) && !strchr(allowed, *c)) {
            return true;
        }
    }
    return false;
}

/* A result that is an error, and its text. */
static inline _unused_ void check_error(int r, const struct error *error)
{
    assert(r < 0 && error->code == r);
    assert(error->text[0] && strlen(error->text) < sizeof error->text);
    assert(!has_control(error->text, "\n\t"));
}

#endif
