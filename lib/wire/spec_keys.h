/* SPDX-License-Identifier: MPL-2.0 */
/* The keys of a run specification, for the functions that read, write and judge it. */
#ifndef LOADS_WIRE_SPEC_KEYS_H
#define LOADS_WIRE_SPEC_KEYS_H

#include "wire/spec.h"

enum spec_kind {
    KIND_RUN_ID,
    KIND_FQN,
    KIND_URL,
    KIND_PATH, /* absolute */
    KIND_PATHS,
    KIND_FILE, /* absolute, or below the test's directory */
    KIND_NAME,
    KIND_WORDS,
    KIND_TEXTS,
    KIND_TAGS,
    KIND_DEPS,
    KIND_THRESHOLDS,
    KIND_OBSERVERS,
    KIND_OBSERVER_OPTIONS,
    KIND_NUMBERS,
    KIND_NUMBER,
    KIND_FLAG,
};

struct spec_key {
    const char *name;
    enum spec_kind kind;
    bool required;
    size_t offset;
    uint64_t min, max; /* of KIND_NUMBER, unless it may be left out */
    uint64_t absent;   /* what it is then */
};

/* A key comes after those that its meaning depends on. */
extern const struct spec_key spec_keys[];
extern const size_t spec_keys_count;

#endif
