/* SPDX-License-Identifier: MPL-2.0 */
/* The receiving end of a ZMTP connection, as a PULL socket of ZeroMQ's has it: version 3 with the
 * mechanism NULL (https://rfc.zeromq.org/spec/23/ and 37). Bytes in, messages out; no I/O. */
#ifndef LOADS_LOOP_ZMTP_H
#define LOADS_LOOP_ZMTP_H

#include <stddef.h>

#include "base/error.h"

struct zmtp;

struct zmtp_message {
    const char *bytes; /* borrowed until the next zmtp_room() */
    size_t size;
    const char *fault; /* why the bytes are left out; NULL: they are there */
};

/* max_bytes: of a message; a longer one comes without its bytes. -ENOMEM. */
int zmtp_new(struct zmtp **ret, size_t max_bytes) _must_check_;
struct zmtp *zmtp_free(struct zmtp *zmtp);
DEFINE_CLEANUP(struct zmtp, zmtp_free)

/* Where the bytes that come are to be put, *ret_size of them at most, which is never 0 when
 * zmtp_next() has said that it needs more; zmtp_fill() tells how many they were. -ENOMEM. */
int zmtp_room(struct zmtp *zmtp, char **ret, size_t *ret_size) _must_check_;
void zmtp_fill(struct zmtp *zmtp, size_t size);

/* 1: *ret is the next message; 0: more bytes are needed; -EPROTO with a text: this is nobody who
 * pushes messages; the connection is of no use any more. */
int zmtp_next(struct zmtp *zmtp, struct zmtp_message *ret, struct error *error) _must_check_;

/* What is to be sent, borrowed until the next call; at first there is some. */
const char *zmtp_output(const struct zmtp *zmtp, size_t *ret_size);
void zmtp_sent(struct zmtp *zmtp, size_t size);

#endif
