/* SPDX-License-Identifier: MPL-2.0 */
/* What broker and agents say to each other: one JSON object per message, some with bytes beside it
 * (`payload`), which travel as a frame of their own. Times are microseconds of the sender's
 * CLOCK_MONOTONIC unless a comment says otherwise. */
#ifndef LOADS_WIRE_AGENT_MESSAGE_H
#define LOADS_WIRE_AGENT_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "metrics/names.h"
#include "wire/spec.h"

#define AGENT_PROTOCOL 1

#define AGENT_MAX_CONTROL_BYTES ((size_t)4 << 20)   /* of a frame between agent and backend */
#define AGENT_MAX_RESULTS_BYTES ((size_t)64 << 20)  /* of a frame between agent and receiver */
#define AGENT_ARCHIVE_BYTES     ((size_t)256 << 10) /* of a piece of an archive */
#define AGENT_MAX_ID_BYTES      255                /* of an agent's id, a host's name, an address */
#define AGENT_MAX_TEXT_BYTES    ((size_t)64 << 10) /* of a reason, of a piece of a log */
#define AGENT_MAX_CONTROLS      16
#define AGENT_MAX_RUNS          64
#define AGENT_MAX_WORKERS       4096

enum agent_message_type {
    /* agent to backend */
    AGENT_REGISTER,  /* protocol version agent_id incarnation hostname pid control now_usec runs */
    AGENT_HEARTBEAT, /* now_usec */
    AGENT_LEAVING, /* takes no more runs, and goes when the one that is on is over: REFUSED then */
    AGENT_ARCHIVE_GOT, /* run_id offset: how many bytes of the archive are there */
    AGENT_READY,       /* run_id cycle: all workers of it wait for the start */
    AGENT_FAILED,      /* run_id reason: it could not be prepared */
    /* run_id result reason last_seq active_usec [interrupted last_detail_seq detail_lost cpu_usec
     * memory_peak_bytes]: workers are gone */
    AGENT_ENDED,
    AGENT_STATUS, /* request workers: the answer to AGENT_ASK_STATUS */

    /* agent to receiver */
    AGENT_RESULTS, /* run_id source seq names [overflows]; payload: an interval */
    AGENT_LOG,     /* run_id source worker text */
    AGENT_DETAIL, /* run_id source seq names [overflows]; payload: detail_decode()'s; numbered apart
                   */

    /* backend to agent */
    AGENT_REGISTERED, /* broker_pid heartbeat_usec echo_usec now_usec */
    AGENT_REFUSED,    /* reason */
    AGENT_BEAT,       /* echo_usec now_usec: the answer to a heartbeat */
    AGENT_PREPARE,    /* run_id source agents agent_index spec [archive_bytes save_hits] */
    AGENT_ARCHIVE,    /* run_id offset; payload: its next AGENT_ARCHIVE_BYTES at most */
    AGENT_START,      /* run_id cycle start_usec */
    AGENT_STOP,       /* run_id grace_usec */
    AGENT_DROP,       /* run_id: its end was stored, or nobody knows it */
    AGENT_ASK_STATUS, /* request */
    AGENT_QUIT,

    /* receiver to agent; with `detail` of numbers of detail, else of results */
    AGENT_ACK,      /* run_id source seq [detail]: all up to this one are stored */
    AGENT_EXPECT,   /* run_id source seq [detail]: send again from this one on */
    AGENT_REJECTED, /* run_id source seq reason [detail]: this one can never be stored */
    AGENT_MESSAGE_TYPES
};

/* A run that an agent has, as told when it registers. */
struct agent_run {
    const char *run_id;
    uint64_t source;
    const char *state; /* "fetching", "preparing", "ready", "running", "stopping", "ended" */
    unsigned cycle;
    uint64_t last_seq; /* the last that it has numbered */
};

struct agent_worker {
    uint64_t pid;
    unsigned users;
    const char *state; /* "starting", "running", "stopping" */
    const char *run_id;
};

struct agent_name {
    enum name_kind kind;
    unsigned id; /* local to the source */
    const char *text;
};

/* What a type has no field for is zero. */
struct agent_message {
    enum agent_message_type type;
    const char *run_id;
    uint64_t source; /* the number of this life of the agent in the run */
    uint64_t seq, last_seq;
    uint64_t last_detail_seq; /* 0: there was none */
    uint64_t detail_lost;     /* records that there was no memory for */
    unsigned cycle;
    bool detail; /* `seq` is of detail */

    uint64_t protocol, pid, broker_pid;
    const char *version, *agent_id, *incarnation, *hostname;
    const char *const *control; /* addresses */
    size_t n_control;
    uint64_t now_usec, echo_usec, heartbeat_usec;
    const struct agent_run *runs;
    size_t n_runs;

    unsigned agents, agent_index;
    const char *spec; /* JSON of run_spec_encode() */
    uint64_t archive_bytes, offset;
    bool save_hits;
    uint64_t start_usec; /* of the broker's clock */
    uint64_t grace_usec;

    int result; /* 0 or -errno */
    bool interrupted;
    const char *reason;
    uint64_t active_usec;
    uint64_t cpu_usec, memory_peak_bytes; /* what processes of the run used; 0: not known */

    const struct agent_name *names;
    size_t n_names;
    uint64_t overflows[NAME_KINDS]; /* names_overflows() */
    int worker;                     /* -1: while it was prepared */
    const char *text;

    uint64_t request;
    const struct agent_worker *workers;
    size_t n_workers;
};

/* The JSON of a message, malloc'ed, the caller's. -EINVAL: a decoder would refuse it; -ENOMEM. */
int agent_message_encode(const struct agent_message *message, char **ret) _must_check_;

/* Reads bytes from outside. Unknown keys are ignored. -EBADMSG: not JSON, an unknown type, a key
 * that is missing or makes no sense, which the text names; -E2BIG; -ENOMEM. What the message points
 * to is its own. */
int agent_message_decode(const void *bytes, size_t size, struct agent_message **ret,
                         struct error *error) _must_check_;

/* For one that was decoded. */
struct agent_message *agent_message_free(struct agent_message *message);
DEFINE_CLEANUP(struct agent_message, agent_message_free)

/* Its word in the protocol: "register". */
const char *agent_message_word(enum agent_message_type type);

#endif
