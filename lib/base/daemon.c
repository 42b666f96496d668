/* SPDX-License-Identifier: MPL-2.0 */
/* The home of sd_notify() and of passed sockets, for daemons. A manager that can't be told
 * something is no reason to stop serving, so notifying has no result. */
#include "base/daemon.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

#define MAX_NOTIFICATION_BYTES 4096

struct daemon_sockets {
    char **names;
    int *fds; /* -1: taken */
    size_t count;
};

void daemon_notify(const char *format, ...)
{
    char text[MAX_NOTIFICATION_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    (void)sd_notify(0, text); /* see above */
}

bool daemon_status_is_due(const struct daemon_status *status, uint64_t now_usec)
{
    return status->told_usec == 0 || now_usec - status->told_usec >= USEC_PER_SEC;
}

void daemon_tell_status(struct daemon_status *status, uint64_t now_usec, const char *format, ...)
{
    char text[DAEMON_STATUS_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    for (char *c = text; *c; c++) { /* a new line would be another assignment */
        *c = iscntrl((unsigned char)*c) ? ' ' : *c;
    }
    if (daemon_status_is_due(status, now_usec) && strcmp(text, status->text) != 0) {
        memcpy(status->text, text, sizeof text);
        status->told_usec = now_usec;
        daemon_notify("STATUS=%s", text);
    }
}

void daemon_notify_ending(uint64_t usec)
{
    daemon_notify("EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
}

void daemon_notify_reloading(void)
{
    daemon_notify("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_usec());
}

uint64_t daemon_watchdog_usec(void)
{
    uint64_t usec = 0;
    return sd_watchdog_enabled(0, &usec) > 0 ? usec : 0;
}

int daemon_sockets_new(struct daemon_sockets **ret, struct error *error)
{
    _cleanup_(daemon_sockets_freep) struct daemon_sockets *sockets = calloc(1, sizeof *sockets);

    if (!sockets) {
        return error_set_errno(error, -ENOMEM, "cannot take sockets");
    }
    int n = sd_listen_fds_with_names(1, &sockets->names);
    if (n < 0) {
        return error_set_errno(error, n, "cannot take the sockets that were passed in");
    }
    if (n > DAEMON_MAX_SOCKETS) {
        return error_set(error, -E2BIG, "%d sockets were passed in, of %d at most", n,
                         DAEMON_MAX_SOCKETS);
    }
    sockets->fds = calloc((size_t)MAX(n, 1), sizeof *sockets->fds);
    if (!sockets->fds) {
        return error_set_errno(error, -ENOMEM, "cannot take sockets");
    }
    for (int i = 0; i < n; i++) {
        sockets->fds[sockets->count++] = SD_LISTEN_FDS_START + i;
    }
    *ret = TAKE_PTR(sockets);
    return 0;
}

struct daemon_sockets *daemon_sockets_free(struct daemon_sockets *sockets)
{
    if (sockets) {
        for (size_t i = 0; i < sockets->count; i++) {
            close_fd(sockets->fds[i]);
        }
        for (char **name = sockets->names; name && *name; name++) {
            free(*name);
        }
        free(sockets->names);
        free(sockets->fds);
        free(sockets);
    }
    return NULL;
}

int daemon_sockets_take(struct daemon_sockets *sockets, const char *name)
{
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->fds[i] >= 0 && strcmp(sockets->names[i], name) == 0) {
            return TAKE_FD(sockets->fds[i]);
        }
    }
    return -1;
}

static bool has_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

int daemon_sockets_check(const struct daemon_sockets *sockets, const char *const *names,
                         size_t count, struct error *error)
{
    char known[256] = "";
    size_t size = 0;

    for (size_t i = 0; i < count && size < sizeof known; i++) {
        const char *before = i == 0 ? "" : i + 1 < count ? ", " : " or ";
        int n = snprintf(known + size, sizeof known - size, "%s%s", before, names[i]);
        size += (size_t)MAX(n, 0); /* cut is fine */
    }
    for (size_t i = 0; i < sockets->count; i++) {
        if (!has_name(names, count, sockets->names[i])) {
            return error_set(error, -EINVAL,
                             "a socket called '%.100s' was passed in, which is not called %s",
                             sockets->names[i], known);
        }
    }
    return 0;
}
