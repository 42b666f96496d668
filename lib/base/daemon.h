/* SPDX-License-Identifier: MPL-2.0 */
/* What a service and systemd tell each other. Without systemd none of it does anything. */
#ifndef LOADS_BASE_DAEMON_H
#define LOADS_BASE_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Tells the service manager, if there is one, assignments such as "READY=1\nSTATUS=…". */
void daemon_notify(const char *format, ...) _printf_(1, 2);

/* The line that the manager shows, told when it has changed and at most once a second: to be called
 * some times a second; it does nothing when it isn't due. All zero: nothing was told. */
#define DAEMON_STATUS_BYTES 1024
struct daemon_status {
    char text[DAEMON_STATUS_BYTES];
    uint64_t told_usec;
};
bool daemon_status_is_due(const struct daemon_status *status, uint64_t now_usec);
void daemon_tell_status(struct daemon_status *status, uint64_t now_usec, const char *format, ...)
    _printf_(3, 4);

/* That ending takes a while: the manager waits for so long before it kills, or is told again. */
void daemon_notify_ending(uint64_t usec);

/* That configuration is being read again; "READY=1" ends it. */
void daemon_notify_reloading(void);

/* How often "WATCHDOG=1" must be told at least, in microseconds; 0: nobody waits for it. */
uint64_t daemon_watchdog_usec(void);

#define DAEMON_MAX_SOCKETS 256

/* The sockets that were passed in. Call it once, before others read the environment. -errno with a
 * text. They are closed on exec, and on free when nobody took them. */
struct daemon_sockets;
int daemon_sockets_new(struct daemon_sockets **ret, struct error *error) _must_check_;
struct daemon_sockets *daemon_sockets_free(struct daemon_sockets *sockets);
DEFINE_CLEANUP(struct daemon_sockets, daemon_sockets_free)

/* The next one that the unit calls so (FileDescriptorName=), which is the caller's then; -1: there
 * is no more. */
int daemon_sockets_take(struct daemon_sockets *sockets, const char *name);

/* Whether each has one of these names. -EINVAL with a text that says which hasn't. */
int daemon_sockets_check(const struct daemon_sockets *sockets, const char *const *names,
                         size_t count, struct error *error) _must_check_;

#endif
