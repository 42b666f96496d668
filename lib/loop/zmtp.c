/* SPDX-License-Identifier: MPL-2.0 */
/* A connection begins with 64 bytes from each side, the greeting, and a command, READY, which says
 * of what type the socket is. Then frames come: a byte of flags, a size of one or eight bytes, the
 * body. A message is one frame here: of one with several, and of one that is too long, all bytes
 * are passed over as they come, so that its sender isn't cut off for it.
 *
 * The buffer grows only when it is full, so what a frame claims to be long costs nothing before it
 * has come. */
#include "loop/zmtp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"

#define BUFFER_BYTES  ((size_t)32 << 10) /* at first, and again when a longer message is over */
#define GREETING      64
#define VERSION       10 /* where the greeting has it: major, minor */
#define MECHANISM     12
#define MECHANISM_MAX 20
#define HEADER_MAX    9
#define COMMAND_MAX   8192
#define OUTPUT_BYTES  256
#define MAX_MAJOR     3

enum flag { MORE = 1, LONG = 2, COMMAND = 4 };

/* What is awaited: the greeting, READY, frames; or the rest of one that is passed over. */
enum state { GREETED, READYING, RECEIVING, PASSING };

struct zmtp {
    char *buffer;
    size_t size, start, end; /* what has come and wasn't read yet */
    size_t max_bytes;
    enum state state;
    uint64_t passing;  /* bytes of it that are still to come */
    bool passing_more; /* and another frame of that message follows */
    const char *fault; /* why the message is passed over; NULL: none is */
    char output[OUTPUT_BYTES];
    size_t output_start, output_end;
};

struct frame {
    unsigned flags;
    uint64_t size;
    const char *body; /* NULL: it hasn't come whole */
    size_t header;
};

/* ---- what we say ----------------------------------------------------------------------------- */

static const char ready[] = "\4\32\5READY\13Socket-Type\0\0\0\4PULL";

static void say(struct zmtp *zmtp, const char *bytes, size_t size)
{
    if (size <= sizeof zmtp->output - zmtp->output_end) { /* else they don't listen */
        memcpy(zmtp->output + zmtp->output_end, bytes, size);
        zmtp->output_end += size;
    }
}

static void say_hello(struct zmtp *zmtp)
{
    static const char greeting[GREETING] = {
        [0] = '\xff', [9] = '\x7f', [VERSION] = 3, 1, [MECHANISM] = 'N', 'U', 'L', 'L'};

    say(zmtp, greeting, sizeof greeting);
    say(zmtp, ready, sizeof ready - 1);
}

const char *zmtp_output(const struct zmtp *zmtp, size_t *ret_size)
{
    *ret_size = zmtp->output_end - zmtp->output_start;
    return zmtp->output + zmtp->output_start;
}

void zmtp_sent(struct zmtp *zmtp, size_t size)
{
    zmtp->output_start += size;
    if (zmtp->output_start == zmtp->output_end) {
        zmtp->output_start = zmtp->output_end = 0;
    }
}

/* ---- the buffer ------------------------------------------------------------------------------ */

int zmtp_new(struct zmtp **ret, size_t max_bytes)
{
    _cleanup_(zmtp_freep) struct zmtp *zmtp = calloc(1, sizeof *zmtp);

    if (!zmtp) {
        return -ENOMEM;
    }
    zmtp->max_bytes = max_bytes;
    zmtp->size = BUFFER_BYTES;
    zmtp->buffer = malloc(zmtp->size);
    if (!zmtp->buffer) {
        return -ENOMEM;
    }
    say_hello(zmtp);
    *ret = TAKE_PTR(zmtp);
    return 0;
}

struct zmtp *zmtp_free(struct zmtp *zmtp)
{
    if (zmtp) {
        free(zmtp->buffer);
        free(zmtp);
    }
    return NULL;
}

static int resize(struct zmtp *zmtp, size_t size)
{
    char *buffer = realloc(zmtp->buffer, size);

    if (!buffer) {
        return -ENOMEM;
    }
    zmtp->buffer = buffer;
    zmtp->size = size;
    return 0;
}

int zmtp_room(struct zmtp *zmtp, char **ret, size_t *ret_size)
{
    size_t kept = zmtp->end - zmtp->start;
    int r = 0;

    if (zmtp->start > 0) {
        memmove(zmtp->buffer, zmtp->buffer + zmtp->start, kept);
        zmtp->start = 0;
        zmtp->end = kept;
    }
    if (kept == zmtp->size) {
        r = resize(zmtp, MIN(2 * zmtp->size, zmtp->max_bytes + HEADER_MAX));
    } else if (kept == 0 && zmtp->size > BUFFER_BYTES) {
        r = resize(zmtp, BUFFER_BYTES);
    }
    if (r < 0) {
        return r;
    }
    *ret = zmtp->buffer + zmtp->end;
    *ret_size = zmtp->size - zmtp->end;
    return 0;
}

void zmtp_fill(struct zmtp *zmtp, size_t size)
{
    assert(size <= zmtp->size - zmtp->end);
    zmtp->end += size;
}

static const unsigned char *unread(const struct zmtp *zmtp, size_t *ret_size)
{
    *ret_size = zmtp->end - zmtp->start;
    return (const unsigned char *)zmtp->buffer + zmtp->start;
}

/* ---- the beginning --------------------------------------------------------------------------- */

/* As much of it as has come is looked at: who speaks something else may wait for us. */
static int read_greeting(struct zmtp *zmtp, struct error *error)
{
    size_t size;
    const unsigned char *bytes = unread(zmtp, &size);
    char mechanism[MECHANISM_MAX + 1] = "";

    if (size > 0 && (bytes[0] != 0xff || (size >= VERSION && !(bytes[9] & 1)))) {
        return error_set(error, -EPROTO, "what connects doesn't speak ZMTP, or version 1 of it");
    }
    if (size > VERSION && bytes[VERSION] < MAX_MAJOR) {
        return error_set(error, -EPROTO,
                         "what connects speaks an old ZMTP: use a ZeroMQ library "
                         "that has version 3 of it, such as libzmq 4");
    }
    if (size < GREETING) {
        return -EAGAIN;
    }
    for (size_t i = 0; i < MECHANISM_MAX && bytes[MECHANISM + i]; i++) {
        mechanism[i] = bytes[MECHANISM + i] > ' ' && bytes[MECHANISM + i] <= '~'
                           ? (char)bytes[MECHANISM + i]
                           : '?';
    }
    if (strcmp(mechanism, "NULL") != 0) {
        return error_set(error, -EPROTO,
                         "what connects wants the security of ZeroMQ's %s: set none", mechanism);
    }
    zmtp->start += GREETING;
    zmtp->state = READYING;
    return 0;
}

/* 1: a frame begins there; 0: its header hasn't come whole. */
static int read_frame(const struct zmtp *zmtp, struct frame *ret, struct error *error)
{
    size_t size;
    const unsigned char *bytes = unread(zmtp, &size);

    if (size == 0) {
        return 0;
    }
    if (bytes[0] & ~(unsigned)(MORE | LONG | COMMAND)) {
        return error_set(error, -EPROTO, "a frame with flags that ZMTP doesn't have");
    }
    *ret = (struct frame){.flags = bytes[0], .header = bytes[0] & LONG ? HEADER_MAX : 2};
    if (size < ret->header) {
        return 0;
    }
    for (size_t i = 1; i < ret->header; i++) {
        ret->size = ret->size << 8 | bytes[i];
    }
    if (ret->size <= size - ret->header) {
        ret->body = (const char *)bytes + ret->header;
    }
    if ((ret->flags & COMMAND) && (ret->size > COMMAND_MAX || (ret->flags & MORE))) {
        return error_set(error, -EPROTO, "a command that ZMTP doesn't have");
    }
    return 1;
}

static bool is_command(const struct frame *frame, const char *name)
{
    size_t length = strlen(name);

    return frame->size > length && (unsigned char)frame->body[0] == length &&
           memcmp(frame->body + 1, name, length) == 0;
}

/* A property of READY: a byte and a name, four bytes and a value. Takes it off the front. */
static bool take_property(const unsigned char **bytes, size_t *size, const char **ret_name,
                          size_t *ret_name_size, const char **ret_value, size_t *ret_value_size)
{
    const unsigned char *at = *bytes;
    size_t left = *size;

    if (left < 1 || left - 1 < (size_t)at[0] + 4) {
        return false;
    }
    *ret_name_size = at[0];
    *ret_name = (const char *)at + 1;
    at += 1 + *ret_name_size;
    left -= 1 + *ret_name_size + 4;
    size_t value = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    if (value > left) {
        return false;
    }
    *ret_value = (const char *)at + 4;
    *ret_value_size = value;
    *bytes = at + 4 + value;
    *size = left - value;
    return true;
}

static int read_ready(struct zmtp *zmtp, const struct frame *frame, struct error *error)
{
    static const char key[] = "Socket-Type", push[] = "PUSH";
    size_t n, v;
    const char *name, *value;

    if (!is_command(frame, "READY")) {
        return error_set(error, -EPROTO, "what connects doesn't say that it is ready");
    }
    const unsigned char *at = (const unsigned char *)frame->body + strlen("READY") + 1;
    size_t left = (size_t)frame->size - strlen("READY") - 1;
    while (take_property(&at, &left, &name, &n, &value, &v)) {
        if (n == strlen(key) && strncasecmp(name, key, n) == 0) {
            if (v != strlen(push) || memcmp(value, push, v) != 0) {
                return error_set(error, -EPROTO, "what connects is no PUSH socket");
            }
            zmtp->state = RECEIVING;
        }
    }
    return zmtp->state == RECEIVING
               ? 0
               : error_set(error, -EPROTO, "what connects doesn't say what socket it is");
}

/* ---- messages -------------------------------------------------------------------------------- */

/* PING has a time in two bytes, and some bytes that are to be sent back. */
static int obey(struct zmtp *zmtp, const struct frame *frame, struct error *error)
{
    size_t head = strlen("PING") + 1 + 2;

    if (is_command(frame, "ERROR")) {
        return error_set(error, -EPROTO, "what connects gives up");
    }
    if (is_command(frame, "PING") && frame->size >= head && frame->size - head <= 16) {
        char bytes[2 + 5 + 16] = {COMMAND, (char)(5 + frame->size - head), 4, 'P', 'O', 'N', 'G'};
        memcpy(bytes + 7, frame->body + head, frame->size - head);
        say(zmtp, bytes, 7 + frame->size - head);
    }
    return 0;
}

/* Begins or goes on to pass a message over; fault: why, if it doesn't know yet. */
static void pass(struct zmtp *zmtp, const struct frame *frame, const char *fault)
{
    zmtp->fault = zmtp->fault ? zmtp->fault : fault;
    zmtp->start += frame->header;
    zmtp->passing = frame->size;
    zmtp->passing_more = frame->flags & MORE;
    zmtp->state = PASSING;
}

/* 1: a message; 0: something else was read; -EAGAIN: more bytes are needed. */
static int go_on_passing(struct zmtp *zmtp, struct zmtp_message *ret)
{
    uint64_t passed = MIN(zmtp->passing, (uint64_t)(zmtp->end - zmtp->start));

    zmtp->start += passed;
    zmtp->passing -= passed;
    if (zmtp->passing > 0) {
        return -EAGAIN;
    }
    zmtp->state = RECEIVING;
    if (zmtp->passing_more) {
        return 0;
    }
    *ret = (struct zmtp_message){.bytes = "", .fault = zmtp->fault};
    zmtp->fault = NULL;
    return 1;
}

static int read_frame_of_message(struct zmtp *zmtp, const struct frame *frame,
                                 struct zmtp_message *ret)
{
    if (zmtp->fault || (frame->flags & MORE)) {
        pass(zmtp, frame, "a message of several frames");
        return 0;
    }
    if (frame->size > zmtp->max_bytes) {
        pass(zmtp, frame, "a message that is too long");
        return 0;
    }
    if (!frame->body) {
        return -EAGAIN;
    }
    *ret = (struct zmtp_message){.bytes = frame->body, .size = frame->size};
    zmtp->start += frame->header + frame->size;
    return 1;
}

/* As go_on_passing(), or -EPROTO. */
static int read_next_frame(struct zmtp *zmtp, struct zmtp_message *ret, struct error *error)
{
    struct frame frame = {.flags = 0};
    int r = read_frame(zmtp, &frame, error);

    if (r <= 0) {
        return r < 0 ? r : -EAGAIN;
    }
    if (zmtp->state == RECEIVING && !(frame.flags & COMMAND)) {
        return read_frame_of_message(zmtp, &frame, ret);
    }
    if (!(frame.flags & COMMAND)) {
        return error_set(error, -EPROTO, "what connects doesn't say that it is ready");
    }
    if (!frame.body) {
        return -EAGAIN;
    }
    r = zmtp->state == READYING ? read_ready(zmtp, &frame, error) : obey(zmtp, &frame, error);
    zmtp->start += frame.header + frame.size;
    return r;
}

int zmtp_next(struct zmtp *zmtp, struct zmtp_message *ret, struct error *error)
{
    int r = 0;

    while (r == 0) {
        if (zmtp->state == GREETED) {
            r = read_greeting(zmtp, error);
        } else if (zmtp->state == PASSING) {
            r = go_on_passing(zmtp, ret);
        } else {
            r = read_next_frame(zmtp, ret, error);
        }
    }
    return r == -EAGAIN ? 0 : r;
}
