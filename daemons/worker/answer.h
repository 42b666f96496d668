/* SPDX-License-Identifier: MPL-2.0 */
/* Collects an answer in the iteration's memory: header lines as they are, the body decoded. */
#ifndef LOADS_WORKER_ANSWER_H
#define LOADS_WORKER_ANSWER_H

#include "loads/loads.h"

#include "arena.h"
#include "decode.h"
#include "header.h"

struct answer_line;

struct answer {
    loads_response response; /* what the test gets */
    struct arena *arena;
    struct answer_line *first, **last;
    char *body;
    size_t capacity;
    uint64_t limit_bytes; /* of the body; what is beyond is left out */
    struct decoder_pool *decoders;
    struct decoder *decoder; /* NULL: the body comes as it is, or none has come yet */
    bool raw;                /* the body is not decoded */
    bool discards;           /* it is counted, and not kept */
    decoder_sink *give;      /* it is given to it, decoded, and not kept; NULL: no */
    void *give_context;
    unsigned char *room; /* DECODER_ROOM_BYTES, where the stack has none; NULL: it has */
    bool begun;          /* the body has */
    int result;       /* 0, or why collecting was given up: -ENOMEM, -EBADMSG; -ECANCELED: give() */
    char reason[256]; /* of -EBADMSG */
};

/* Borrows both. */
void answer_init(struct answer *answer, struct arena *arena, struct decoder_pool *decoders,
                 uint64_t limit_bytes);

/* A (new) hop: forgets the headers and the body of the one before. */
void answer_begin(struct answer *answer);

/* A header line. */
void answer_header(struct answer *answer, const char *line, size_t size);

/* A piece of the body. False: give up, answer->result says why. */
bool answer_body(struct answer *answer, const void *bytes, size_t size);

/* All has come. -EBADMSG with answer->reason: the content coding was broken; -ENOMEM. */
int answer_end(struct answer *answer) _must_check_;

/* The header lines one after the other; NULL beyond the last. */
const char *answer_line(const struct answer *answer, size_t index);

/* The first value of a header; NULL: none. */
const char *answer_find(const struct answer *answer, const char *name);

/* Gives the decoder back; the response stays. */
void answer_close(struct answer *answer);

#endif
