/* SPDX-License-Identifier: MPL-2.0 */
/* A worker: one process, one loop, virtual users as coroutines on it. */
#ifndef LOADS_WORKER_WORKER_H
#define LOADS_WORKER_WORKER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "loads/loads.h"

#include "arena.h"
#include "base/distribution.h"
#include "base/error.h"
#include "decode.h"
#include "loop/resolve.h"
#include "loop/transport.h"
#include "loop/url.h"
#include "loop/ws.h"
#include "run/area.h"
#include "run/deal.h"
#include "run/worker_share.h"
#include "stack.h"
#include "wire/spec.h"

struct user_queue {
    struct loads_user *first, **last;
};

struct worker_test {
    const struct loads_test *test;
    unsigned module; /* as in the mix */
    unsigned suite;  /* the first test of that suite: who was set up for one is for all */
    void (*hooks[LOADS_HOOK_KINDS_])(loads_user *user); /* around it; NULL: nothing */
    const char *name;                                   /* in results */
    unsigned id;                                        /* of that */
};

/* Read by the files of this folder; changed by worker.c and, where a comment says so, by others. */
struct worker {
    struct ev_loop *loop;
    struct worker_share share; /* its strings are the caller's */
    struct run_spec *spec;
    struct area *area;
    struct names_file *names;
    struct deal *deal; /* of unique rows */
    int channel;
    struct transport *transport;
    struct resolver *resolver;
    struct ws_client *ws; /* NULL: no test has opened a WebSocket yet */
    struct url_cache *urls;
    struct proxy *proxy;        /* NULL: none */
    struct spec_resolve *rules; /* where hosts are, instead of a look-up */
    size_t n_rules;
    char (*sources)[INET6_ADDRSTRLEN]; /* addresses that users connect from, in turn */
    size_t n_sources;
    enum spec_connections connections;
    struct stack_pool *stacks;
    struct arena_pool *arenas;
    struct decoder_pool *decoders;
    const struct url *server_url; /* NULL: none */
    struct distribution pace;     /* of spec->pace */
    struct mix *mix;              /* that its users choose from; of a URL n is 1 */
    struct worker_test *tests;    /* of it */
    unsigned n_tests;
    unsigned phases[HIT_PHASES]; /* record.c: ids of their timers; 0: not asked for yet */

    struct loads_user *users;
    unsigned n_users;
    unsigned n_running;        /* users whose coroutine isn't over */
    struct user_queue ready;   /* user.c */
    struct user_queue no_room; /* record.c: waiting for room in the detail ring */
    uint64_t run_start_usec;   /* 0: not yet */
    uint64_t deadline_usec;    /* 0: none */
    uint64_t run_delay_usec;   /* stall.c: clock_run_delay_usec() when the second began */
    bool stopping;             /* no iteration starts any more */
    uint32_t said_stalls;      /* stall.c: bits of the tests of which it was said */
    bool said_cut;             /* session.c: that a body was longer than what is kept */
    bool said_used_up;         /* api_feeder.c: that users stop for want of rows */
    struct error error;        /* page.h: of the call that is on, since users' stacks are small */

    ev_prepare prepare;
    ev_idle idle;
    ev_io channel_watcher;
    ev_timer deadline, grace, second;
};

/* Sets everything up and tells the supervisor that it is ready. -errno with a text. */
int worker_new(struct worker **ret, const struct worker_share *share, struct error *error)
    _must_check_;

/* Runs until all users are done, and seals the tally. */
void worker_run(struct worker *worker);

struct worker *worker_free(struct worker *worker);
DEFINE_CLEANUP(struct worker, worker_free)

#endif
