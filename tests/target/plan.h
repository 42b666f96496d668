/* SPDX-License-Identifier: MPL-2.0 */
/* What to do about one request, as its path and query ask for it.
 *
 * A path is a row of behaviours: /NAME, /NAME/VALUE, one after the other; the query is another:
 * ?NAME=VALUE&NAME. Both can be mixed, the order doesn't matter, of two equal names the later one
 * wins (headers and cookies add up):
 *
 *     /status/503/delay/50            /any?status=503&delay=50           /delay/50?status=503
 *
 * Behind /any a path may go on as it likes, so that tests can have paths of their own; names in the
 * query that begin with '_' mean nothing, so that they can have queries. The whole list is in
 * behaviours.c, a table, and in --help; answers that are told byte by byte are in script.c. */
#ifndef LOADS_TARGET_PLAN_H
#define LOADS_TARGET_PLAN_H

#include "request.h"

#define PLAN_MAX_CODED_BYTES ((uint64_t)16 << 20) /* coded bodies are made in memory */

/* How an answer that isn't sent whole ends. */
enum fault {
    FAULT_NONE,
    FAULT_RESET,            /* before any byte */
    FAULT_RESET_IN_HEADERS, /* after half of the head */
    FAULT_RESET_IN_BODY,    /* after half of the body */
    FAULT_RESET_BEFORE_BODY,
    FAULT_RESET_AFTER_BODY,
    FAULT_HALF,    /* closed in order after half of the body */
    FAULT_GARBAGE, /* sends bytes that are no HTTP, and closes */
    FAULT_HANG,    /* sends nothing and waits for the client to go */
};

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE };

/* What the next request on a connection that is kept runs into. */
enum next_request {
    NEXT_IS_SERVED,
    NEXT_IS_CLOSED, /* in order, when its first bytes are there */
    NEXT_IS_RESET,
};

enum body_source {
    SOURCE_TEXT,    /* `body` */
    SOURCE_PATTERN, /* `size` bytes of a … z, again and again */
    SOURCE_ECHO,    /* the request's own body */
    SOURCE_BOMB,    /* `size` bytes of zeros, compressed */
    SOURCE_SCRIPT,  /* none: the whole answer is `script` */
};

enum admin { ADMIN_NONE, ADMIN_COUNTS, ADMIN_RESET_COUNTS, ADMIN_RELEASE };

/* All zero: nothing asked for. */
struct plan {
    unsigned status; /* 0: 200, or 302 with a location */
    uint64_t delay_msec;
    bool held; /* until somebody releases all that are */
    enum body_source source;
    uint64_t size;
    struct text body;
    bool has_body;       /* the body was asked for; else there is a short text */
    unsigned chunks;     /* 0: one piece, with Content-Length */
    const char *type;    /* a literal; NULL: text/plain */
    struct text headers; /* whole lines, each with CRLF */
    struct text before;  /* other answers, which come before this one */
    struct text location;
    bool needs_location;
    enum coding coding;
    enum fault fault;
    const struct script *script;
    bool early;          /* answers when the head is there, and reads no body */
    bool hurry;          /* ends the pauses of other connections' scripts before it answers */
    uint64_t pause_msec; /* between bytes; 0: as fast as it goes */
    bool close;
    bool close_unsaid;  /* closes, and the answer doesn't say so */
    uint64_t idle_msec; /* closes when no request begins in that time; 0: waits for ever */
    enum next_request next;
    bool refused; /* what was asked for made no sense, and the answer says so */
    enum admin admin;
};

void plan_clear(struct plan *plan);

/* Makes the plan for a request whose head is there. What is asked for in a wrong way becomes a plan
 * for 404 or 400 with a text that says why. -ENOMEM. */
int plan_make(struct plan *plan, const struct request *request) _must_check_;

/* A plan for a refusal: a status, a reason, and the end of the connection. */
int plan_refuse(struct plan *plan, unsigned status, const char *reason) _must_check_;

/* A value of a behaviour: decoded, and where it stands in the request's target. */
struct value {
    char *text; /* NUL-terminated; NULL: none was given */
    size_t size;
    size_t target_offset, target_size;
};

struct behaviour {
    const char *name;
    const char *value; /* what --help calls it, such as "N"; "A/B" is two segments; NULL: none */
    uint64_t min, max; /* of a number; both 0: it is a text */
    const char *help;
    /* Puts it in the plan. `number` is within min and max. -EINVAL: the value makes no sense. */
    int (*apply)(struct plan *plan, const struct request *request, const struct value *value,
                 uint64_t number);
};

/* The table, ended by one without a name. */
extern const struct behaviour behaviours[];

#endif
