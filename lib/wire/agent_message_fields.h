/* SPDX-License-Identifier: MPL-2.0 */
/* The keys of messages between broker and agents: for agent_message.c, which has the tables and
 * writes, and agent_message_decode.c, which reads. */
#ifndef LOADS_WIRE_AGENT_MESSAGE_FIELDS_H
#define LOADS_WIRE_AGENT_MESSAGE_FIELDS_H

#include "wire/agent_message.h"

enum agent_field_kind {
    KIND_TEXT,   /* `max` bytes */
    KIND_WORD,   /* the same, at least one byte, without control characters */
    KIND_UUID,   /* in small letters */
    KIND_NUMBER, /* uint64_t, 0 to `max` */
    KIND_SMALL,  /* unsigned, 0 to `max` */
    KIND_SIGNED, /* int, from -`max` to 0, or to `max` */
    KIND_FLAG,
    KIND_SPEC,
    KIND_CONTROL,
    KIND_RUNS,
    KIND_WORKERS,
    KIND_NAMES,
    KIND_OVERFLOWS,
};

struct agent_field {
    const char *name;
    enum agent_field_kind kind;
    size_t offset, count_offset; /* of lists, how many there are */
    uint64_t max;
};

/* Calls `visit` for each key that a type of message has, the required ones first, until it returns
 * other than 0; returns that, or 0. */
int agent_message_each_field(enum agent_message_type type, void *context,
                             int (*visit)(const struct agent_field *field, bool required,
                                          void *context));

/* Whether a text can be the value of a key. */
bool agent_field_is_text(const struct agent_field *field, const char *text);

#endif
