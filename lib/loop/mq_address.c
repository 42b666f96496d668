/* SPDX-License-Identifier: MPL-2.0 */
/* An ipc path that somebody listens on is not taken over, one that nobody does is. */
#include "loop/mq_address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/macros.h"

#define IPC "ipc://"

/* libzmq takes any path over; that of a socket somebody listens on is left to them. */
int mq_address_check(const char *address, struct error *error)
{
    const char *path = address + strlen(IPC);
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    if (strncmp(address, IPC, strlen(IPC)) != 0 || *path == '@' || *path == '*') {
        return 0;
    }
    if (*path == '\0') {
        return error_set(error, -EINVAL, "%s names no path", address);
    }
    if (strlen(path) >= sizeof name.sun_path) {
        return error_set(error, -ENAMETOOLONG,
                         "%s is too long: the path of a socket has %zu bytes at most", address,
                         sizeof name.sun_path - 1);
    }
    memcpy(name.sun_path, path, strlen(path));
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return error_set_errno(error, -errno, "cannot listen on %s", address);
    }
    if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0 || errno == EAGAIN) {
        return error_set(error, -EADDRINUSE, "cannot listen on %s: another program does", address);
    }
    if (errno != ENOENT && errno != ECONNREFUSED) {
        return error_set_errno(error, -errno, "cannot listen on %s", address);
    }
    return 0;
}

const char *mq_address_plain(const char *address)
{
    static const char mapped[] = "::ffff:";
    return strncmp(address, mapped, strlen(mapped)) == 0 ? address + strlen(mapped) : address;
}

void mq_address_show_plainly(char *endpoint)
{
    static const char mapped[] = "tcp://[::ffff:";
    char *at = endpoint + strlen("tcp://"), *host = endpoint + strlen(mapped);

    if (strncmp(endpoint, mapped, strlen(mapped)) != 0) {
        return;
    }
    for (; *host; host++) {
        if (*host != ']') {
            *at++ = *host;
        }
    }
    *at = '\0';
}
