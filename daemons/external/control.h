/* SPDX-License-Identifier: MPL-2.0 */
/* The line to a process of Loads' own runners, descriptor CONTROL_FD of it: it says when it is
 * ready, and is told when to begin and when to begin nothing more. So what it takes to start isn't
 * part of the cycle. Of several tests it asks which ones a user executes next. Other people's
 * runners have nothing of the kind. */
#ifndef LOADS_EXTERNAL_CONTROL_H
#define LOADS_EXTERNAL_CONTROL_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define CONTROL_FD 3

struct control;

struct control_options {
    /* The process says that it is ready, or has closed its end: once at most. */
    void (*ready)(void *context);
    /* It asks which tests a user executes from that execution on, by its own numbers: writes a
     * text. False: there is none. */
    bool (*choose)(unsigned user, unsigned execution, char *ret, size_t size, void *context);
    void *context;
};

/* *theirs is for the process, and to be closed when it has it. -errno with a text. */
int control_new(struct control **ret, struct ev_loop *loop, const struct control_options *options,
                int *theirs, struct error *error) _must_check_;
struct control *control_free(struct control *control);
DEFINE_CLEANUP(struct control, control_free)

/* It may begin. deadline_usec: of CLOCK_MONOTONIC, when nothing more begins; 0: none. */
void control_go(struct control *control, uint64_t deadline_usec);

/* Nothing more begins. */
void control_stop(struct control *control);

#endif
