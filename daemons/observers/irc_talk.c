/* SPDX-License-Identifier: MPL-2.0 */
/* A server's line is "[:FROM ]COMMAND[ ARGUMENT...][ :REST]"; answers are three digits. */
#include "observers/irc_talk.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_NICKS    5
#define SAID         "loads-said" /* what the server gives back */
#define PREFIX_BYTES 120          /* what servers put before a line that they pass on */

static _printf_(2, 3) void say(struct irc_talk *talk, const char *format, ...)
{
    size_t used = strlen(talk->say);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(talk->say + used, sizeof talk->say - used, format, arguments);
    va_end(arguments);
}

void irc_talk_begin(struct irc_talk *talk, const char *nick, const char *password,
                    const char *channel, const char *line)
{
    *talk = (struct irc_talk){.channel = channel, .line = line};
    (void)snprintf(talk->nick, sizeof talk->nick, "%.*s", IRC_NICK_BYTES - 8, nick);
    if (*password) {
        say(talk, "PASS :%s\r\n", password);
    }
    say(talk, "NICK %s\r\nUSER loads 0 * :Loads\r\n", talk->nick);
}

static int fail(const char *what, const char *reason, struct error *error)
{
    return error_set(error, -EPROTO, "%s: %s", what, *reason ? reason : "no reason is given");
}

/* The nick is somebody's: another one like it. */
static int try_nick(struct irc_talk *talk, const char *reason, struct error *error)
{
    char *end = talk->nick + strcspn(talk->nick, "|");

    if (++talk->nicks >= MAX_NICKS) {
        return fail("no nick is free", reason, error);
    }
    (void)snprintf(end, sizeof talk->nick - (size_t)(end - talk->nick), "|%u", talk->nicks + 1);
    say(talk, "NICK %s\r\n", talk->nick);
    return 0;
}

/* Cut so that it is one line for those who get it, at the end of a character. */
static void say_line(struct irc_talk *talk)
{
    size_t room = IRC_LINE_BYTES - PREFIX_BYTES - strlen(talk->channel), size = strlen(talk->line);

    if (size > room) {
        size = room;
        while (size > 0 && ((unsigned char)talk->line[size] & 0xc0) == 0x80) {
            size--;
        }
    }
    say(talk, "PRIVMSG %s :%.*s\r\nPING :" SAID "\r\n", talk->channel, (int)size, talk->line);
    talk->state = IRC_SAYING;
}

static int hear_number(struct irc_talk *talk, int number, const char *reason, struct error *error)
{
    switch (number) {
    case 1: /* welcome */
        if (talk->state == IRC_REGISTERING) {
            say(talk, "JOIN %s\r\n", talk->channel);
            talk->state = IRC_JOINING;
        }
        return 0;
    case 366: /* all names of the channel were told: we are in it */
        if (talk->state == IRC_JOINING) {
            say_line(talk);
        }
        return 0;
    case 432:
        return fail("the server doesn't take the nick", reason, error);
    case 433:
    case 436:
    case 437:
        return talk->state == IRC_REGISTERING ? try_nick(talk, reason, error) : 0;
    case 464:
    case 465:
        return fail("the server doesn't let us in", reason, error);
    case 403:
    case 405:
    case 407:
    case 471:
    case 473:
    case 474:
    case 475:
    case 476:
    case 477:
        return talk->state == IRC_JOINING ? fail("the channel can't be joined", reason, error) : 0;
    case 401:
    case 404:
        return talk->state == IRC_SAYING ? fail("nothing can be said in the channel", reason, error)
                                         : 0;
    default:
        return 0;
    }
}

int irc_talk_hear(struct irc_talk *talk, const char *line, struct error *error)
{
    const char *at = line;

    talk->say[0] = '\0';
    if (*at == ':') {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    size_t length = strcspn(at, " ");
    const char *arguments = at + length + strspn(at + length, " ");
    const char *rest = arguments[0] == ':' ? arguments : strstr(arguments, " :");
    rest = rest ? rest + strspn(rest, " :") : "";

    if (length == 4 && strncasecmp(at, "PING", 4) == 0) {
        say(talk, "PONG %s\r\n", arguments);
        return 0;
    }
    if (length == 5 && strncasecmp(at, "ERROR", 5) == 0) {
        return talk->state == IRC_DONE ? 0 : fail("the server ends the connection", rest, error);
    }
    if (length == 4 && strncasecmp(at, "PONG", 4) == 0) {
        if (talk->state == IRC_SAYING && strstr(arguments, SAID)) {
            say(talk, "QUIT :done\r\n");
            talk->state = IRC_DONE;
        }
        return 0;
    }
    bool is_number = length == 3 && isdigit((unsigned char)at[0]) &&
                     isdigit((unsigned char)at[1]) && isdigit((unsigned char)at[2]);
    return is_number ? hear_number(talk, (at[0] - '0') * 100 + (at[1] - '0') * 10 + at[2] - '0',
                                   rest, error)
                     : 0;
}
