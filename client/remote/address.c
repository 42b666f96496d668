/* SPDX-License-Identifier: MPL-2.0 */
/* Addresses of brokers. ZeroMQ connects in the background and never says that it can't; so a socket
 * of this machine is tried first by a connection of our own, which fails at once and with a reason.
 */
#include "remote/address.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "run/addresses.h"

#define IPC "ipc://"
#define TCP "tcp://"

static bool has_scheme(const char *address, const char *scheme)
{
    return strncmp(address, scheme, strlen(scheme)) == 0 && address[strlen(scheme)];
}

int address_choose(const char *option, char **ret, struct error *error)
{
    if (!option) {
        return addresses_broker(ret, error);
    }
    if (!has_scheme(option, IPC) && !has_scheme(option, TCP)) {
        return error_set(error, -EINVAL,
                         "'%s' is not an address of a broker, such as tcp://box1:7780 or "
                         "ipc:///run/loads/frontend.sock",
                         option);
    }
    if (has_scheme(option, IPC) && strlen(option + strlen(IPC)) > ADDRESS_MAX_SOCKET_BYTES) {
        return error_set(error, -ENAMETOOLONG,
                         "%s is longer than a socket's path can be (%d bytes)",
                         option + strlen(IPC), ADDRESS_MAX_SOCKET_BYTES);
    }
    *ret = strdup(option);
    return *ret ? 0 : error_set_errno(error, -ENOMEM, "the broker's address");
}

/* The group of what keeps us out, the socket or a directory above it; NULL: not known. */
static const struct group *find_group(const char *path)
{
    _cleanup_free_ char *copy = strdup(path);
    struct stat status;

    while (copy && *copy && stat(copy, &status) < 0) {
        char *slash = strrchr(copy, '/');
        if (errno != EACCES || !slash) {
            return NULL;
        }
        *slash = '\0';
    }
    return copy && *copy ? getgrgid(status.st_gid) : NULL;
}

static int explain(const char *address, int r, struct error *error)
{
    const struct group *group = r == -EACCES ? find_group(address + strlen(IPC)) : NULL;

    if (group && group->gr_gid != 0) {
        return error_set(error, r,
                         "you may not use the broker at %s: join the group '%s' ('sudo usermod -aG "
                         "%s USER', and log in again)",
                         address, group->gr_name, group->gr_name);
    }
    if (r == -EACCES) {
        return error_set(error, r, "you may not use the broker at %s: it belongs to root alone",
                         address);
    }
    if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR) {
        return error_set(error, r,
                         "there is no broker at %s: is loads-broker running? --broker or "
                         "LOADS_BROKER says where another one is",
                         address);
    }
    return error_set_errno(error, r, "cannot connect to the broker at %s", address);
}

int address_probe(const char *address, struct error *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    if (!has_scheme(address, IPC)) {
        return 0;
    }
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return error_set_errno(error, -errno, "cannot make a socket");
    }
    const char *path = address + strlen(IPC);
    memcpy(name.sun_path, path, MIN(strlen(path), sizeof name.sun_path - 1));
    if (path[0] == '@') {
        name.sun_path[0] = '\0'; /* a name of the kernel's own, without a file */
    }
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (connect(fd, (const struct sockaddr *)&name, size + (path[0] != '@')) == 0 ||
        errno == EAGAIN) { /* it has more to do than it likes */
        return 0;
    }
    return explain(address, -errno, error);
}
