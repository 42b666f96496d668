/* SPDX-License-Identifier: MPL-2.0 */
/* What a worker shares with its supervisor: one file in the run's directory, mapped by both, with
 * the state of each user, the tally and, when asked for, the detail ring. It outlives the worker.
 * Beside it one file per run holds the names. */
#ifndef LOADS_RUN_AREA_H
#define LOADS_RUN_AREA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "metrics/detail.h"
#include "metrics/names.h"
#include "metrics/tally.h"

/* A user's word: how many iterations are over, and what it does now. One word, so that it changes
 * in the same commit as the counts (tally_stage_store). */
enum user_phase {
    USER_BETWEEN,    /* no iteration is on */
    USER_ITERATING,  /* one is */
    USER_REQUESTING, /* and a request of it is on */
    USER_OVER,       /* none is on, and no more of its begins: it stopped before its time */
};

static inline uint64_t user_word(uint32_t iterations, enum user_phase phase, unsigned series)
{
    return (uint64_t)iterations | (uint64_t)phase << 32 | (uint64_t)series << 40;
}

/* The same of a user whose iteration is of that test (metrics/names.h). */
static inline uint64_t user_word_of(uint64_t word, unsigned test)
{
    return word | (uint64_t)test << 56;
}

/* 0: it isn't known, or there is but one. */
static inline unsigned user_word_test(uint64_t word)
{
    return (unsigned)(word >> 56);
}

static inline uint32_t user_word_iterations(uint64_t word)
{
    return (uint32_t)word;
}

static inline enum user_phase user_word_phase(uint64_t word)
{
    return (enum user_phase)(word >> 32 & 0xff);
}

/* Whether an iteration is on. */
static inline bool user_word_is_on(uint64_t word)
{
    return user_word_phase(word) != USER_BETWEEN && user_word_phase(word) != USER_OVER;
}

/* The series that takes the request as an error if it never ends. */
static inline unsigned user_word_series(uint64_t word)
{
    return (unsigned)(word >> 40 & 0xffff);
}

struct area {
    int fd;
    uint8_t *memory;
    size_t size_bytes;
    uint32_t n_users;
    uint64_t *users;          /* n_users words, n_users may be 0 */
    uint64_t *turned_usec;    /* CLOCK_MONOTONIC of the last turn of the worker's loop, or step
                               * towards its first */
    struct tally *tally;      /* the worker's or the supervisor's handle */
    struct detail_ring *ring; /* NULL: no detail */
    struct tally_layout layout;
    size_t header_offset_bytes; /* behind the tally: header, users, ring */
};

/* Supervisor: makes the file (it must not exist) and maps it; the tally and ring are attached
 * later, by area_attach(), when the worker has said that it is ready. */
int area_create(struct area **ret, const char *path, uint32_t n_users, bool detail,
                struct error *error) _must_check_;

/* Worker: maps a file that area_create() made and formats tally and ring. */
int area_open(struct area **ret, const char *path, struct error *error) _must_check_;

/* Supervisor: -EINVAL when what the worker formatted makes no sense; -ENOMEM. A tally without its
 * ring is attached nevertheless: its counts can be had. */
int area_attach(struct area *area) _must_check_;

/* Worker: backs the tally with storage when the next hit may need it. -ENOSPC with a text. */
int area_make_room(struct area *area, struct error *error) _must_check_;

/* Unmaps; the file stays. */
struct area *area_free(struct area *area);
DEFINE_CLEANUP(struct area, area_free)

/* The names of a run, in a file that all its processes map. */
struct names_file {
    uint8_t *memory;
    size_t size_bytes;
    struct names *names;
};

int names_file_create(struct names_file **ret, const char *path, struct error *error) _must_check_;
int names_file_open(struct names_file **ret, const char *path, struct error *error) _must_check_;
struct names_file *names_file_free(struct names_file *file);
DEFINE_CLEANUP(struct names_file, names_file_free)

#endif
