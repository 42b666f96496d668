/* SPDX-License-Identifier: MPL-2.0 */
/* One run on this agent: its files, its preparation, its workers, and what of all that the broker
 * has to be told. Knows nothing of connections: what is true can be asked at any time and told
 * again. */
#ifndef LOADS_AGENT_RUN_H
#define LOADS_AGENT_RUN_H

#include <ev.h>

#include "base/error.h"
#include "detail_queue.h"
#include "metrics/names.h"
#include "outbox.h"
#include "run/enclosure.h"
#include "run/supervisor.h"
#include "run_log.h"
#include "run_state.h"
#include "wire/spec.h"

#define RUN_MAX_ARCHIVE_BYTES ((uint64_t)1 << 30)
#define RUN_MAX_REASON_BYTES  ((size_t)64 << 10)

struct run;

struct run_options {
    uint64_t source; /* the number of this life of this agent in the run */
    unsigned agents, agent_index;
    uint64_t archive_bytes; /* 0: the run has no files */
    unsigned workers;       /* per cycle at most */
    const char *agent_id;
    const char *worker_program;
    const char *work_dir;                      /* where directories of runs are made */
    const struct enclosure_options *enclosure; /* but for the name, which is the run's */
    struct outbox *outbox, *detail_outbox;
    bool save_hits; /* detail is wanted */

    /* It is ready, failed or ended (run_state()): the broker is to be told. */
    void (*changed)(struct run *run, void *context);
    /* For people: a worker crashed. */
    void (*problem)(struct run *run, pid_t worker, const char *text, void *context);
    /* Whether the broker is there. Then users wait for room in the outbox of detail, else they
     * don't and detail may be lost. */
    bool (*is_connected)(void *context);
    void *context;
};

/* Takes the specification; borrows all else until run_free(). */
int run_new(struct run **ret, struct ev_loop *loop, const struct run_options *options,
            struct run_spec **spec) _must_check_;

/* Ends what is on, and takes the run's directories away. */
struct run *run_free(struct run *run);
DEFINE_CLEANUP(struct run, run_free)

/* Begins to prepare it, or to wait for its archive. Failures come through changed(). */
void run_start(struct run *run);

/* The archive's next piece. How much of it is here is run_archive_got(); a piece that doesn't begin
 * there changes nothing. */
void run_add_archive(struct run *run, uint64_t offset, const void *bytes, size_t size);
uint64_t run_archive_got(const struct run *run);

/* What the broker orders; what makes no sense now does nothing. `start_usec` is of our clock. */
void run_begin_cycle(struct run *run, unsigned cycle, uint64_t start_usec);
void run_stop(struct run *run, uint64_t grace_usec);

/* To be called some times a second: puts what is complete into the queue. */
void run_tick(struct run *run);

const char *run_id(const struct run *run);
uint64_t run_source(const struct run *run);
uint64_t run_grace_usec(const struct run *run);
enum run_state run_state(const struct run *run);
const char *run_word(const struct run *run); /* of the protocol, for its state */
bool run_is_over(const struct run *run);     /* ended or failed */
unsigned run_cycle(const struct run *run);
struct outbox_queue *run_queue(struct run *run);
struct outbox_queue *run_details(struct run *run); /* NULL: none is wanted */
struct run_log *run_printed(struct run *run);

/* The names that ids in its intervals stand for; NULL before there are workers. */
struct names *run_names(struct run *run);

/* How it ended, or why it failed. `reason` is "" where there is nothing to say; borrowed. */
struct run_end {
    int result;
    const char *reason;
    bool interrupted; /* it was stopped */
    uint64_t hits;
    uint64_t active_usec;
    uint64_t detail_lost;      /* records */
    struct cgroup_usage usage; /* of all its processes */
};

void run_end(const struct run *run, struct run_end *ret);

/* How far it is; all 0 before there are workers. */
struct supervisor_live run_live(const struct run *run);

void run_each_worker(const struct run *run,
                     void (*visit)(const struct supervisor_worker *worker, void *context),
                     void *context);

#endif
