/* SPDX-License-Identifier: MPL-2.0 */
/* What the runners of other languages say (docs/external-runners.md): one JSON object per message,
 * or a batch of them. Only what has the right form comes out; what doesn't has a reason. */
#ifndef LOADS_WIRE_RUNNER_MESSAGE_H
#define LOADS_WIRE_RUNNER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define RUNNER_MAX_BYTES       ((size_t)32 << 20) /* of one message, or one batch */
#define RUNNER_MAX_TYPE_BYTES  255 /* of an unknown data type, which is a counter's name */
#define RUNNER_MAX_ELAPSED_SEC 31536000.0

enum runner_type {
    RUNNER_IGNORED, /* startTestRun, stopTestRun */
    RUNNER_START_TEST,
    RUNNER_STOP_TEST,
    RUNNER_SUCCESS,
    RUNNER_FAILURE,
    RUNNER_ERROR,
    RUNNER_HIT,
    RUNNER_SOCKET_OPEN,
    RUNNER_SOCKET_CLOSE,
    RUNNER_SOCKET_MESSAGE,
    RUNNER_COUNTER,
    RUNNER_OTHER, /* any other data type */
};

/* Texts are borrowed until the next message is taken, and "" where nothing was said. */
struct runner_message {
    enum runner_type type;
    const char *data_type;
    const char *test;
    unsigned current_user; /* of loads_status, as it was said; 0: it wasn't */
    const char *exception, *class, *traceback;
    const char *url, *method;
    unsigned status;
    uint64_t started_usec; /* realtime; 0: it wasn't said */
    uint64_t elapsed_usec;
    uint64_t size_bytes; /* of RUNNER_SOCKET_MESSAGE */
    const char *name;    /* of RUNNER_COUNTER */
};

/* The messages that came in one piece. */
struct runner_messages;

/* run_id: which they must be of, if they say any; borrowed like nothing else. -EBADMSG: it isn't
 * JSON, has no data_type, is of another run; -E2BIG; -ENOMEM; each with a text. */
int runner_messages_new(struct runner_messages **ret, const char *bytes, size_t size,
                        const char *run_id, struct error *error) _must_check_;
struct runner_messages *runner_messages_free(struct runner_messages *messages);
DEFINE_CLEANUP(struct runner_messages, runner_messages_free)

/* 1: *ret is the next one; 0: there is none any more; -EBADMSG: that one makes no sense, with a
 * text, and the next may be asked for. */
int runner_messages_next(struct runner_messages *messages, struct runner_message *ret,
                         struct error *error) _must_check_;

#endif
