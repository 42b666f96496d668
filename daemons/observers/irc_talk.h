/* SPDX-License-Identifier: MPL-2.0 */
/* What to say to a server of IRC, line by line: register, join a channel, say one line there, and
 * go. Without any I/O, so that tests can be the server. */
#ifndef LOADS_OBSERVERS_IRC_TALK_H
#define LOADS_OBSERVERS_IRC_TALK_H

#include <stdbool.h>

#include "base/error.h"

#define IRC_LINE_BYTES 512  /* with its end (RFC 2812) */
#define IRC_SAY_BYTES  2048 /* of what is to be sent at a time */
#define IRC_NICK_BYTES 64

enum irc_state {
    IRC_REGISTERING,
    IRC_JOINING,
    IRC_SAYING, /* it was said; the server's answer to a PING tells that it has taken it */
    IRC_DONE,   /* QUIT was said */
};

struct irc_talk {
    const char *channel, *line; /* clean text */
    char nick[IRC_NICK_BYTES];
    unsigned nicks; /* that were tried */
    enum irc_state state;
    char say[IRC_SAY_BYTES]; /* to be sent; empty: nothing */
};

/* The beginning. `password`: "" for none. */
void irc_talk_begin(struct irc_talk *talk, const char *nick, const char *password,
                    const char *channel, const char *line);

/* A line of the server, without its end. `say` has what is to be sent then. -EPROTO with a text:
 * the server won't have it. */
int irc_talk_hear(struct irc_talk *talk, const char *line, struct error *error) _must_check_;

#endif
