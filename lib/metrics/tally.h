/* SPDX-License-Identifier: MPL-2.0 */
/* A worker's count of everything, in memory that outlives it.
 *
 * The memory is a file that worker and supervisor both map. It holds two buffers: the worker counts
 * into one for a second of the run, then seals it and goes on in the other; the supervisor takes
 * sealed ones. If it is late, the worker stays in its buffer, whose interval then spans several
 * seconds: nothing is lost, only the resolution.
 *
 * What belongs together is staged and committed as a whole, through a journal of absolute values in
 * the same memory: a worker that is killed between two stores has either not begun to apply its
 * journal, and the event never was, or has, and the reader finishes it. So no hit is counted by
 * half, and none both as a hit and as a request in flight. (Order of stores is all that is needed,
 * a compiler barrier: the reader looks after the writer's death, or at a sealed buffer.)
 *
 * Latencies go into pages of 512 counters, given out of a pool on first use; the file behind the
 * pool grows on demand (tally_pages_wanted), since a full disk must be an error and not a SIGBUS.
 */
#ifndef LOADS_METRICS_TALLY_H
#define LOADS_METRICS_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "metrics/interval.h"
#include "metrics/names.h"

struct tally;

/* Bytes of address space that a tally takes, and which of them must be backed by storage: the head,
 * and as many pages of each buffer's pool as are in use. */
struct tally_layout {
    size_t size_bytes;
    size_t head_bytes; /* from the beginning */
    size_t pool_offset_bytes[2];
    size_t page_bytes;
    unsigned max_pages; /* all that the largest run can need */
};

void tally_layout(struct tally_layout *ret);

/* Worker: formats zeroed memory, aligned to 64 and of at least the layout's size (and below 4 GiB):
 * the tally takes the beginning, what is behind it is the caller's, for words that are stored with
 * tally_stage_store(). `pages`: how many of each pool are backed by storage. */
int tally_new(struct tally **ret, void *memory, size_t size_bytes, unsigned pages) _must_check_;

/* Supervisor: uses memory that a worker formatted. -EINVAL: it isn't a tally of that size, or of
 * another version. */
int tally_attach(struct tally **ret, void *memory, size_t size_bytes) _must_check_;

struct tally *tally_free(struct tally *tally);
DEFINE_CLEANUP(struct tally, tally_free)

/* ---- the worker's side ---- */

/* Whether what is staged next may need more pages than are backed (call before staging a hit: true
 * when the active buffer is within HISTOGRAM_PAGES of its end and not at max_pages), and the news
 * that more are. A caller that can't get more must stop: staging a hit when all are used up is a
 * bug. */
bool tally_pages_wanted(const struct tally *tally);
unsigned tally_pages(const struct tally *tally);
void tally_pages_backed(struct tally *tally, unsigned pages);

/* It is now this second of the run: seals the active buffer if it is of an earlier one, holds
 * something, and the other was taken. Call before staging, and once a second. */
void tally_advance(struct tally *tally, uint32_t second);

/* Seals what is there, as the last thing a worker does. False: the other buffer was not taken yet;
 * the reader gets both from tally_take_rest(). */
bool tally_seal(struct tally *tally);

/* Each stages one event for the next commit; at most one of each function per commit (but up to
 * four stores, and HIT_PHASES times), and a series, timer, test, error or counter at most once. */
void tally_stage_hit(struct tally *tally, unsigned series, uint64_t elapsed_usec,
                     uint64_t sent_bytes, uint64_t received_bytes);
void tally_stage_time(struct tally *tally, unsigned timer, uint64_t elapsed_usec);
void tally_stage_timer_error(struct tally *tally, unsigned timer);    /* it came to no end */
void tally_stage_request_error(struct tally *tally, unsigned series); /* no complete answer */
void tally_stage_error(struct tally *tally, unsigned error);
void tally_stage_counter(struct tally *tally, unsigned counter, int64_t increment);
void tally_stage_outcome(struct tally *tally, unsigned test, enum outcome outcome);

/* Any word of the memory that tally_new() was given gets a value in the same commit (a user's
 * state, a ring's head). */
void tally_stage_store(struct tally *tally, uint64_t *word, uint64_t value);

void tally_commit(struct tally *tally);

/* ---- the supervisor's side ---- */

/* Takes a sealed buffer. 1: *ret has it (give it to interval_free()); 0: there is none; -EBADMSG:
 * the memory makes no sense (a test wrote over it), that buffer is given up, or whatever was in one
 * whose state was written over; -ENOMEM. */
int tally_take(struct tally *tally, struct interval **ret) _must_check_;

/* The writer is dead: finishes its journal, then as above, the older buffer first, the active one
 * last. Call until it returns 0. Before reading words that tally_stage_store() wrote, call it once
 * or call tally_recover(). */
int tally_take_rest(struct tally *tally, struct interval **ret) _must_check_;
void tally_recover(struct tally *tally);

/* Hits committed so far, all intervals: may be read while the worker runs. */
uint64_t tally_live_hits(const struct tally *tally);

#endif
