/* SPDX-License-Identifier: MPL-2.0 */
/* Messages between a supervisor and its worker, over a socketpair of SOCK_SEQPACKET that is the
 * worker's descriptor 3: one datagram, one message. Both ends are of the same build, on the same
 * machine; what a worker says is checked nevertheless, since a test may write over its memory. */
#ifndef LOADS_RUN_CHANNEL_H
#define LOADS_RUN_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

#define CHANNEL_FD 3

enum message_type {
    /* worker to supervisor */
    MESSAGE_READY = 1, /* users exist, nothing has started */
    MESSAGE_CRASH,     /* last words, out of a signal handler */
    MESSAGE_REFUSED,   /* can't run at all: text */
    /* supervisor to worker */
    MESSAGE_GO,
    MESSAGE_STOP,   /* start no iteration; cut those that are on after `grace_usec` */
    MESSAGE_DRAINED /* there is room in the detail ring again */
};

#define CRASH_MAX_FRAMES 64
#define CRASH_MAX_TEXT   512

/* A frame's place: raw address, and the file that was mapped there, which the dying worker knows
 * and nobody else does any more. */
struct crash_frame {
    uint64_t offset; /* address less the object's load address */
    char object[192];
};

struct message_crash {
    int32_t signal;
    int32_t user; /* who was running; -1: none */
    uint64_t address;
    int32_t stalled;        /* 1: the supervisor ended it, since its loop stood still */
    int32_t stack_overflow; /* 1: the address is in the guard page of the user's stack */
    int32_t thread_exit;    /* 1: the test ended the worker's thread */
    uint32_t n_frames;
    struct crash_frame frames[CRASH_MAX_FRAMES];
};

struct message_go {
    uint64_t run_start_usec; /* CLOCK_MONOTONIC: second 0 of the run */
    uint64_t deadline_usec;  /* CLOCK_MONOTONIC: no iteration starts after it; 0: none */
};

struct message_stop {
    uint64_t grace_usec; /* 0: cut at once */
};

struct message {
    uint32_t type;
    union {
        struct message_crash crash;
        struct message_go go;
        struct message_stop stop;
        char text[CRASH_MAX_TEXT];
    };
};

/* Bytes of a message of this type; 0: no such type. */
size_t message_size_bytes(uint32_t type);

/* Sends without blocking. Async-signal-safe. -errno. */
int channel_send(int fd, const struct message *message) _must_check_;

/* A worker can't run, or can't go on: tells its supervisor why (cut). -errno. */
int channel_refuse(int fd, const char *reason) _must_check_;

/* 1: *ret is a message (texts end with NUL); 0: nothing there now; -EPIPE: the other end is gone;
 * -EBADMSG: not a message, dropped. */
int channel_receive(int fd, struct message *ret) _must_check_;

#endif
