/* SPDX-License-Identifier: MPL-2.0 */
/* What the files of mq.h share. */
#ifndef LOADS_LOOP_MQ_STATE_H
#define LOADS_LOOP_MQ_STATE_H

#include <zmq.h>

#include "base/strlist.h"
#include "loop/mq.h"

struct mq {
    void *context;
    struct ev_loop *loop;
    ev_prepare prepare;
    ev_check check;
    ev_idle idle;
    struct mq_socket *sockets;
    unsigned n_sockets;
    bool dispatching; /* sockets that are freed stay in the list till its end */
    bool serves, identifies;
    struct mq_key_pair server, client;
    struct mq_key servers_key; /* of whom we connect to */
};

struct mq_message {
    zmq_msg_t frames[MQ_MAX_FRAMES];
    size_t count;
};

struct mq_socket {
    struct mq *mq;
    struct mq_socket *next;
    void *socket; /* NULL: it was freed while messages were handed out */
    struct mq_socket_options options;
    ev_io io;
    bool held; /* nothing is handed out */
    struct strlist endpoints;
    struct mq_monitor *monitor; /* NULL: nobody wants to know */
};

/* Takes the frames away. */
void mq_message_clear(struct mq_message *message);

/* Second handles on the same bytes, since sending takes those it is given; `into` is empty.
 * -ENOMEM: it still is. */
int mq_message_copy(struct mq_message *into, const struct mq_message *from) _must_check_;

struct mq_monitor *mq_monitor_free(struct mq_monitor *monitor);
DEFINE_CLEANUP(struct mq_monitor, mq_monitor_free)

#endif
