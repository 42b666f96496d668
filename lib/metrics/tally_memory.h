/* SPDX-License-Identifier: MPL-2.0 */
/* What a tally looks like in memory: for tally.c, which writes it, and tally_take.c, which reads
 * it. */
#ifndef LOADS_METRICS_TALLY_MEMORY_H
#define LOADS_METRICS_TALLY_MEMORY_H

#include "metrics/tally.h"

#define TALLY_MAGIC      UINT64_C(0x796c6c61742d6473) /* "sd-tally" */
#define TALLY_VERSION    2
#define TALLY_ALIGNMENT  64
#define TALLY_PAGE_BYTES (HISTOGRAM_PAGE_BUCKETS * sizeof(uint32_t))
#define TALLY_MAX_PAGES  ((NAMES_MAX_SERIES + NAMES_MAX_TIMERS + 2) * HISTOGRAM_PAGES)
#define TALLY_JOURNAL_ENTRIES                                                                      \
    64 /* a hit takes 9 at most, each of 7 phases 6, the other five one each, stores four */
#define TALLY_STORAGE_BYTES 4096

/* One word that gets a value. */
struct tally_entry {
    uint32_t offset; /* from the beginning of the memory */
    uint32_t width;  /* 4 or 8 */
    uint64_t value;
};

struct tally_journal {
    uint32_t count; /* entries that are to be applied; 0 while they are being staged */
    struct tally_entry entries[TALLY_JOURNAL_ENTRIES];
};

struct tally_series {
    uint64_t sum_usec, min_usec, max_usec; /* 0: no hits */
    uint64_t errors;
    uint64_t sent_bytes, received_bytes;
    uint32_t pages[HISTOGRAM_PAGES]; /* number in the pool + 1; 0: none */
};

/* All that is zero in a fresh buffer. */
struct tally_counts {
    uint32_t pages_used;
    struct tally_series series[NAMES_MAX_SERIES + 1];
    struct tally_series timers[NAMES_MAX_TIMERS + 1]; /* without bytes */
    uint64_t errors[NAMES_MAX_ERRORS + 1];
    int64_t counters[NAMES_MAX_COUNTERS + 1];
    uint64_t outcomes[NAMES_MAX_TESTS + 1][OUTCOMES];
};

/* Exactly one is active but for a moment in which both are: the other one is opened before this one
 * is sealed. */
enum tally_state {
    TALLY_FREE,   /* the writer may take it */
    TALLY_ACTIVE, /* the writer counts in it */
    TALLY_SEALED, /* the reader may take it */
};

struct tally_buffer {
    uint32_t state;                     /* enum tally_state */
    uint32_t first_second, last_second; /* of the run, both covered */
    uint64_t opened; /* it is the that many-eth one: the older has the lesser number */
    struct tally_counts counts;
};

struct tally_shared {
    uint64_t magic;
    uint64_t size_bytes;
    uint32_t version;
    uint32_t pages; /* of each pool that are backed by storage */
    uint64_t live_hits;
    struct tally_journal journal;
    struct tally_buffer buffers[2];
};

#define TALLY_HEAD_BYTES                                                                           \
    ((sizeof(struct tally_shared) + TALLY_STORAGE_BYTES - 1) / TALLY_STORAGE_BYTES *               \
     TALLY_STORAGE_BYTES)

struct tally {
    struct tally_shared *shared;
    size_t size_bytes;
    uint32_t *pool[2];
    unsigned active;       /* the buffer that is counted into */
    unsigned staged;       /* entries in the journal */
    unsigned staged_pages; /* new ones among what they link */
    unsigned pages;        /* backed; the writer's own copy, since it bounds its stores */
    uint64_t opened;       /* that many-eth buffer is the active one */
    bool holds;            /* something was staged for the active buffer */
    bool told; /* the reader: that states make no sense, or that there is no writer any more */
};

#endif
