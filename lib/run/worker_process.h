/* SPDX-License-Identifier: MPL-2.0 */
/* One loads-worker as its supervisor sees it: the process, the channel to it and the area it counts
 * in. What becomes of the run is the supervisor's business (run/supervisor.h). */
#ifndef LOADS_RUN_WORKER_PROCESS_H
#define LOADS_RUN_WORKER_PROCESS_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "run/area.h"
#include "run/casualties.h"
#include "run/channel.h"

struct worker_process;

struct worker_launch {
    const char *program;  /* path of loads-worker, or of loads-external */
    const char *agent_id; /* for the latter; NULL: it isn't told */
    const char *run_dir;
    const char *directory; /* to run in; NULL: where we are */
    const char *cgroup;    /* to begin in (loop/child.h); NULL: ours */
    unsigned serial;       /* unique in the run: names its files */
    unsigned cycle;
    unsigned hits; /* iterations of each user in this cycle; 0: no bound */
    unsigned first_user;
    unsigned n_users;
    const uint64_t *words; /* n_users words to begin with (a takeover), NULL: all new */
    bool detail;
};

struct worker_callbacks {
    void (*ready)(struct worker_process *worker, void *context);
    /* It ended: every interval and record was given out before. The worker may be freed here. */
    void (*gone)(struct worker_process *worker, int status, void *context);
    void (*interval)(struct worker_process *worker, const struct interval *interval, void *context);
    void (*detail)(struct worker_process *worker, const struct detail *detail, void *context);
    /* Whether detail is to be given out now; what isn't stays in the ring, and when that is full,
     * users wait. That of a worker that is gone is given out in any case. */
    bool (*wants_detail)(struct worker_process *worker, void *context);
    /* What it writes to standard output and standard error. NULL: it goes to our standard error. */
    void (*output)(struct worker_process *worker, const char *text, size_t size, void *context);
    void *context;
};

int worker_launch(struct worker_process **ret, struct ev_loop *loop,
                  const struct worker_launch *launch, const struct worker_callbacks *callbacks,
                  struct error *error) _must_check_;

/* Messages; a worker that is gone is left alone, one that is full of them is told to stop when it
 * is drained next. */
void worker_go(struct worker_process *worker, uint64_t run_start_usec, uint64_t deadline_usec);
void worker_stop(struct worker_process *worker, uint64_t grace_usec);
void worker_signal(struct worker_process *worker, int signal_number);

/* Ends it if its loop has stood still for so long (0: never), or if it isn't ready after so long:
 * one that had begun is asked for its last words. It then counts as crashed. To be called now and
 * then. */
void worker_end_stalled(struct worker_process *worker, uint64_t timeout_usec);

/* Takes what it has counted; detail first. */
void worker_drain(struct worker_process *worker);

/* Its last words: NULL when there were none. Text of a refusal likewise. */
const struct message_crash *worker_crash(const struct worker_process *worker);
const char *worker_refusal(const struct worker_process *worker);

/* 0, or why not all that it counted was given out: -EBADMSG, a test wrote over its memory; -ENOMEM.
 */
int worker_damage(const struct worker_process *worker);

/* What each user did last, as far as its detail was given out; NULL without detail. */
const struct casualty_times *worker_times(const struct worker_process *worker);

/* It had closed the channel, and was killed for that. */
bool worker_was_deaf(const struct worker_process *worker);

/* Its loop stood still, or it never was ready, and it had no last words: it was killed. */
bool worker_was_stalled(const struct worker_process *worker);

bool worker_is_ready(const struct worker_process *worker);
unsigned worker_serial(const struct worker_process *worker);
unsigned worker_first_user(const struct worker_process *worker);
unsigned worker_n_users(const struct worker_process *worker);
const uint64_t *worker_words(const struct worker_process *worker);
uint64_t worker_live_hits(const struct worker_process *worker);
pid_t worker_pid(const struct worker_process *worker);

/* How one that didn't end as it should did end, for the report; `status` as given to gone(). */
void worker_describe_end(const struct worker_process *worker, const struct run_spec *spec,
                         int status, struct casualty_text *ret);

/* Kills it if it runs. */
struct worker_process *worker_process_free(struct worker_process *worker);
DEFINE_CLEANUP(struct worker_process, worker_process_free)

#endif
