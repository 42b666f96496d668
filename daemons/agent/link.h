/* SPDX-License-Identifier: MPL-2.0 */
/* The connection to the broker: found, made, watched, and made again for ever. */
#ifndef LOADS_AGENT_LINK_H
#define LOADS_AGENT_LINK_H

#include <ev.h>
#include <stdbool.h>

#include "base/error.h"
#include "loop/mq.h"
#include "wire/agent_message.h"

struct link;

struct link_options {
    const char *broker; /* address of its frontend */
    /* Fills what an agent registers with, but now_usec. What it points to is read before the call
     * of link that asked returns. */
    void (*describe)(struct agent_message *message, void *context);
    /* The broker knows us, from here on: on a connection on which nothing was sent yet, or as if.
     */
    void (*up)(void *context);
    /* It doesn't, or not any more (then there was an up() before): for people. It is tried again.
     */
    void (*down)(const char *reason, void *context);
    /* Any other message of the broker, borrowed; `payload` may be NULL. */
    void (*message)(const struct agent_message *message, const void *payload, size_t size,
                    void *context);
    void *context;
};

/* Borrows loop, mq and all texts in `options`. */
int link_new(struct link **ret, struct ev_loop *loop, struct mq *mq,
             const struct link_options *options) _must_check_;
struct link *link_free(struct link *link);
DEFINE_CLEANUP(struct link, link_free)

/* Tries at once, instead of after a while; the first time, too. When it is connected, it looks
 * whether the broker still knows us. */
void link_wake(struct link *link);

/* Gives up the connection, if there is one, without a word, and registers anew. */
void link_renew(struct link *link);

/* -ENOTCONN: the broker doesn't know us now; -EAGAIN: too much is on the way; -ENOMEM, -EINVAL. */
int link_send(struct link *link, const struct agent_message *message, const void *payload,
              size_t size) _must_check_;

bool link_is_up(const struct link *link);

/* Whether it is, or may be: the broker was told of us, and has not answered yet. */
bool link_is_known(const struct link *link);

/* How far the broker's clock is from ours, and our time at one of its times. */
int64_t link_offset_usec(const struct link *link);
uint64_t link_to_ours(const struct link *link, uint64_t brokers_usec);

#endif
