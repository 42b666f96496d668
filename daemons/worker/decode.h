/* SPDX-License-Identifier: MPL-2.0 */
/* Content codings, undone piece by piece as a body comes in: gzip, x-gzip, deflate, identity. */
#ifndef LOADS_WORKER_DECODE_H
#define LOADS_WORKER_DECODE_H

#include <stdbool.h>

#include "base/error.h"

/* What a request says it accepts. */
#define DECODER_ACCEPTS "gzip, deflate"

#define DECODER_MAX_STAGES 3

/* The largest piece that a sink is given of a decoded body. */
#define DECODER_PIECE_BYTES ((size_t)16 * 1024)

/* What decoder_use_room() takes. */
#define DECODER_ROOM_BYTES (DECODER_MAX_STAGES * DECODER_PIECE_BYTES)

struct decoder_pool;
struct decoder;

/* Takes a piece of the decoded body. False: no more of it. */
typedef bool decoder_sink(void *context, const void *bytes, size_t size);

/* Decoders are recycled: a worker has one pool. Freeing it: all decoders must have been freed. */
int decoder_pool_new(struct decoder_pool **ret) _must_check_;
struct decoder_pool *decoder_pool_free(struct decoder_pool *pool);
DEFINE_CLEANUP(struct decoder_pool, decoder_pool_free)

/* A decoder for one body. `coding` is the value of Content-Encoding (several lines: joined by
 * commas; NULL or empty: none), in which the coding that was applied first stands first. If it
 * names one that isn't known, the body passes unchanged. -ENOMEM; -EBADMSG: more than
 * DECODER_MAX_STAGES codings. */
int decoder_new(struct decoder **ret, struct decoder_pool *pool, const char *coding, size_t size,
                struct error *error) _must_check_;

/* Hands it back to its pool. */
struct decoder *decoder_free(struct decoder *decoder);
DEFINE_CLEANUP(struct decoder, decoder_free)

/* Has it decode in this room, which stays the caller's, instead of on the stack. */
void decoder_use_room(struct decoder *decoder, unsigned char room[DECODER_ROOM_BYTES]);

/* Decodes the next piece of the body into the sink, which is called as often as it takes, each time
 * with at most DECODER_PIECE_BYTES of a decoded body: how much a small body may grow to is for the
 * sink to decide. -EBADMSG: the body isn't what Content-Encoding says; -ENOMEM; -ECANCELED: the
 * sink wanted no more. After an error there is no going on: further calls return it again. */
int decoder_write(struct decoder *decoder, const void *bytes, size_t size, decoder_sink *sink,
                  void *context, struct error *error) _must_check_;

/* The body is at its end. -EBADMSG: in the middle of the coding; or the error that there was. An
 * empty body is whole in any coding. */
int decoder_finish(struct decoder *decoder, struct error *error) _must_check_;

#endif
