/* SPDX-License-Identifier: MPL-2.0 */
/* What the parts of pq.c share: pq.c is the interface and the queue, pq_connect.c makes and loses
 * connections, pq_exchange.c sends queries and takes answers, pq_conninfo.c knows connection
 * strings, pq_result.c answers. */
#ifndef LOADS_LOOP_PQ_STATE_H
#define LOADS_LOOP_PQ_STATE_H

#include <libpq-fe.h>

#include "loop/pq.h"
#include "loop/resolve.h"

/* Lists with commas between, as libpq wants them: the same number of items in each. */
#define PQ_HOSTS_BYTES ((size_t)PQ_MAX_CONNINFO_BYTES * 2)

/* A connection string taken apart. */
struct pq_conninfo {
    PQconninfoOption *options; /* what was given; libpq adds its defaults */
    char *names[PQ_MAX_HOSTS]; /* of hosts; "/path" and "" are sockets */
    char *ports[PQ_MAX_HOSTS]; /* NULL: the default */
    char *user, *database;
    size_t n_hosts; /* 0: addresses were given, or nothing: libpq's default */
    char where[512];
};

/* `options`: conninfo, and what takes the place of parts of it. */
int pq_conninfo_parse(const struct pq_options *options, struct pq_conninfo *ret,
                      struct error *error) _must_check_;
void pq_conninfo_clear(struct pq_conninfo *conninfo);

struct pq_result {
    int code;
    const char *text;
    char sqlstate[6];
    PGresult *result; /* NULL: the connection was lost */
};

/* Judges libpq's result, which stays the caller's. `text` takes what is said. */
void pq_result_init(struct pq_result *ret, PGresult *result, struct error *text);

struct pq_request {
    struct pq_request *next;
    pq_done *done;
    void *context;
    size_t bytes;     /* that the queue counts it with */
    PGresult *answer; /* what came so far */
    const char *sql;
    const char **parameters;
    size_t n_parameters;
    struct pq_bytes *pieces; /* COPY: with header and trailer; NULL: no COPY */
    size_t n_pieces;
    size_t piece, piece_offset; /* how far it is */
    bool copying;               /* the server wants data */
};

enum pq_state {
    PQ_WAITING,   /* for the back-off to be over */
    PQ_RESOLVING, /* names of hosts */
    PQ_CONNECTING,
    PQ_UP,
};

struct pq {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct pq_options options;
    char application_name[64];
    struct pq_conninfo conninfo;
    enum pq_state state;

    struct resolve_query query; /* for the name of `host` */
    size_t host;
    size_t n_found; /* items of the lists: */
    char hosts[PQ_HOSTS_BYTES], addresses[PQ_HOSTS_BYTES], ports[PQ_HOSTS_BYTES];

    PGconn *conn; /* with PQ_CONNECTING and PQ_UP */
    ev_io io;
    ev_timer timer; /* the back-off, or what we wait for at most */
    ev_timer soon;  /* what can't be done from inside a call */
    uint64_t retry_usec, up_since_usec;
    bool is_lost; /* and `lost` says why; the end is told on the next turn */
    struct error lost;

    struct pq_request *first, **end; /* in the order of answers */
    struct pq_request *unsent;       /* the first that isn't sent, or NULL */
    size_t count, bytes;
};

/* pq_connect.c */
void pq_connect_init(struct pq *pq);
void pq_connect_stop(struct pq *pq);

/* Notes that the connection is no more; acted upon on the next turn. `text` NULL: libpq's words. */
void pq_lose(struct pq *pq, int code, const char *text);

/* Has the timer go off when `usec` have passed. */
void pq_set_timer(struct pq *pq, uint64_t usec);

/* Watches the connection's socket, which may be another one than before. */
void pq_watch(struct pq *pq, int events);

/* libpq's words in one line. */
void pq_copy_words(char *out, size_t size, const char *words);

/* pq_exchange.c: sends what can be sent; takes what has come. */
void pq_send_requests(struct pq *pq);
void pq_exchange(struct pq *pq, int events);
void pq_request_free(struct pq_request *request);

#endif
