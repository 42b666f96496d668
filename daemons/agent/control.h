/* SPDX-License-Identifier: MPL-2.0 */
/* The agent's own socket, at which it can be asked and told things without a broker: one JSON
 * object
 * {"command": …} from a REQ (or a DEALER with an empty frame in front), one back. */
#ifndef LOADS_AGENT_CONTROL_H
#define LOADS_AGENT_CONTROL_H

#include "agent.h"
#include "base/daemon.h"

#define CONTROL_MAX_BYTES 4096 /* of a request */

struct control;

struct control_options {
    const struct strlist *addresses;
    struct daemon_sockets *passed; /* those called so are taken: */
#define CONTROL_SOCKET "control"
    const char *broker;  /* who knows it by a key lets nobody but it come by tcp */
    bool allow_insecure; /* tcp beyond loopback without that */
};

/* Listens on what was passed in, and on all of the addresses. Borrows mq and agent. -errno with a
 * text. *listens is emptied and filled with the addresses that others can connect to, those of
 * ports that the kernel chose. */
int control_new(struct control **ret, struct mq *mq, const struct control_options *options,
                struct agent *agent, struct strlist *listens, struct error *error) _must_check_;
struct control *control_free(struct control *control);
DEFINE_CLEANUP(struct control, control_free)

/* What is answered to the bytes of a request: JSON, malloc'ed, the caller's. -ENOMEM. */
int control_answer(struct agent *agent, const void *bytes, size_t size, char **ret) _must_check_;

#endif
