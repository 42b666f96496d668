/* SPDX-License-Identifier: MPL-2.0 */
/* libzmq's sockets on the loop; the home of zmq.h. Messages are frames of bytes; whole ones come by
 * callback, none is ever sent or received in part. */
#ifndef LOADS_LOOP_MQ_H
#define LOADS_LOOP_MQ_H

#include <ev.h>
#include <stdbool.h>

#include "base/daemon.h"
#include "base/error.h"

#define MQ_MAX_FRAMES        8
#define MQ_MAX_IDENTITY      256
#define MQ_MAX_MESSAGE_BYTES ((size_t)1 << 20) /* of a frame, where nothing else is asked for */
#define MQ_HIGH_WATER        1000              /* messages, likewise */
#define MQ_WELCOME           "loads"           /* what an XPUB says first to each new subscriber */

/* A context of libzmq, which has a thread of its own. Sockets are freed before it. */
struct mq;
struct mq_socket;
int mq_new(struct mq **ret, struct ev_loop *loop) _must_check_;
struct mq *mq_free(struct mq *mq);
DEFINE_CLEANUP(struct mq, mq_free)

/* ---- keys: CURVE, libzmq's elliptic curve security ---- */

#define MQ_KEY_BYTES 40 /* of a key as text */

struct mq_key {
    char text[MQ_KEY_BYTES + 1];
};

struct mq_key_pair {
    struct mq_key public_key, secret_key;
};

/* A new pair. -ENOTSUP: this libzmq has no CURVE. */
int mq_key_pair_make(struct mq_key_pair *ret) _must_check_;

/* False: the text is no key. */
bool mq_key_parse(const char *text, struct mq_key *ret);

/* The public key of a secret one. -EINVAL: it is none; -ENOTSUP. */
int mq_key_derive(const struct mq_key *secret_key, struct mq_key *ret) _must_check_;

/* What listens on tcp from now on takes only connections of clients with a key, which
 * mq_guard_new() is asked about; ipc is the file system's to guard. */
void mq_serve(struct mq *mq, const struct mq_key_pair *pair);

/* What connects to tcp from now on does it with a key, and to none but who has that other one. pair
 * NULL: without. */
void mq_identify(struct mq *mq, const struct mq_key_pair *pair, const struct mq_key *servers_key);

/* Ends all connections that came to the tcp addresses of a socket; who may connect does it again by
 * itself, and is asked for the key again. Returns how many. libzmq has no word for it: their
 * descriptors are looked for. */
unsigned mq_socket_cut(const struct mq_socket *socket);

/* Why a tcp connection came to nothing; who connects tries again for ever. */
enum mq_failure {
    MQ_KEY_REFUSED, /* the guard said no: ours, or theirs */
    MQ_MECHANISM,   /* one end wants keys, the other has none */
    MQ_OTHER_KEY, /* who connects takes the other for somebody else: the one who listens sees it */
    MQ_NO_CONVERSATION, /* the other end was gone before that: all that MQ_OTHER_KEY is answered,
                           and MQ_MECHANISM sometimes */
};

/* Has a socket tell why connections fail. `peer`: the address of who connected; "" when they were
 * gone before we could ask, or it is we who did. -errno with a text. */
typedef void mq_failed(struct mq_socket *socket, enum mq_failure failure, const char *peer,
                       void *context);
int mq_socket_watch(struct mq_socket *socket, mq_failed *failed, void *context, struct error *error)
    _must_check_;

/* Asked whether somebody may connect from an address, as of mq_message_peer(), to a socket that has
 * a name; it is the only one that asks in its context. public_key NULL: none is wanted there. */
struct mq_guard;
typedef bool mq_guard_allows(const struct mq_key *public_key, const char *address,
                             const char *socket_name, void *context);
int mq_guard_new(struct mq_guard **ret, struct mq *mq, mq_guard_allows *allows, void *context,
                 struct error *error) _must_check_;
struct mq_guard *mq_guard_free(struct mq_guard *guard);
DEFINE_CLEANUP(struct mq_guard, mq_guard_free)

/* ---- messages ---- */

struct mq_message;
int mq_message_new(struct mq_message **ret) _must_check_;
struct mq_message *mq_message_free(struct mq_message *message);
DEFINE_CLEANUP(struct mq_message, mq_message_free)

/* Adds a frame, a copy of the bytes. -ENOMEM; -E2BIG beyond MQ_MAX_FRAMES. */
int mq_message_add(struct mq_message *message, const void *bytes, size_t size) _must_check_;

size_t mq_message_count(const struct mq_message *message);

/* A frame's bytes, borrowed, and how many; NULL and 0 for one that isn't there. */
const void *mq_message_bytes(const struct mq_message *message, size_t frame, size_t *ret_size);

/* Whom a received one came from, as libzmq says ("127.0.0.1", "localhost:uid:gid:pid"); "" if it
 * doesn't. Borrowed. */
const char *mq_message_peer(const struct mq_message *message);

/* The public key of who sent a received one; "" if they had to show none. Borrowed. */
const char *mq_message_user(const struct mq_message *message);

/* ---- sockets ---- */

enum mq_type { MQ_DEALER, MQ_ROUTER, MQ_SUB, MQ_XPUB, MQ_PULL, MQ_PUSH, MQ_REP, MQ_PAIR };

struct mq_socket_options {
    enum mq_type type;
    const char *name;         /* for the guard; borrowed. NULL: it isn't asked without keys */
    bool keyless;             /* it never wants a key, whatever mq_serve() says */
    size_t max_message_bytes; /* of a frame; who sends more is disconnected. 0: as above */
    int high_water;           /* messages in each direction; 0: as above */
    int linger_msec;          /* how long what was sent may outlive the socket */
    /* A message came: borrowed during the call. A ROUTER's first frame is the identity of the peer.
     * Never called from inside another function of this file; the socket may be freed in it. NULL:
     * what comes is dropped. */
    void (*received)(struct mq_socket *socket, const struct mq_message *message, void *context);
    void *context;
};

int mq_socket_new(struct mq_socket **ret, struct mq *mq, const struct mq_socket_options *options,
                  struct error *error) _must_check_;
struct mq_socket *mq_socket_free(struct mq_socket *socket);
DEFINE_CLEANUP(struct mq_socket, mq_socket_free)

/* Listens on an address, tcp:// or ipc://; may be called several times. An ipc path is for its
 * owner and group; one that nobody listens on any more is taken over. -errno with a text that names
 * the address: -EADDRINUSE, -ENAMETOOLONG (an ipc path has 107 bytes at most), -EINVAL, … */
int mq_socket_bind(struct mq_socket *socket, const char *address, struct error *error) _must_check_;

/* The same with a descriptor that listens already, such as systemd's: takes *fd over. -EINVAL: it
 * is no stream socket that listens. */
int mq_socket_bind_fd(struct mq_socket *socket, int *fd, struct error *error) _must_check_;

/* The same with all that the service manager has passed in under a name. 1: there were some; 0:
 * there is none. */
int mq_socket_bind_passed(struct mq_socket *socket, struct daemon_sockets *passed, const char *name,
                          struct error *error) _must_check_;

/* Connects, and connects again whenever the connection is lost, for ever. -EINVAL: no address. */
int mq_socket_connect(struct mq_socket *socket, const char *address, struct error *error)
    _must_check_;

/* SUB: wants messages whose first frame begins so. The publisher's welcome is one of them, if
 * MQ_WELCOME is subscribed to. */
int mq_socket_subscribe(struct mq_socket *socket, const void *topic, size_t size) _must_check_;

/* The address of each bind in turn, as others can connect to it: NULL beyond the last. */
const char *mq_socket_endpoint(const struct mq_socket *socket, size_t index);

/* While it is held, what comes waits, as much as the high-water mark allows; who sends more waits
 * (PUSH, DEALER) or loses it. At first it isn't. May be called in received(). */
void mq_socket_hold(struct mq_socket *socket, bool hold);

/* Sends a message, which stays the caller's. -EAGAIN: the high-water mark is reached;
 * -EHOSTUNREACH: a ROUTER has no such peer (any more). Nothing was sent then. */
int mq_socket_send(struct mq_socket *socket, const struct mq_message *message) _must_check_;

/* A message of an identity (NULL: none), a text and a payload (NULL: none). As above; -ENOMEM. */
int mq_socket_send_text(struct mq_socket *socket, const void *identity, size_t identity_size,
                        const char *text, const void *payload, size_t payload_size) _must_check_;

#endif
