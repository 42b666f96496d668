/* SPDX-License-Identifier: MPL-2.0 */
/* Clients and daemons must come to the same answer without talking to each other. */
#include "run/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SYSTEM_DIRECTORY "/run/loads"
#define BROKER_SOCKET    "frontend"
#define GROUP            "loads"
#define TCP              "tcp://"
#define IPC              "ipc://"

/* The directory of a user's session, or NULL. */
static const char *session_directory(void)
{
    const char *directory = getenv("XDG_RUNTIME_DIR");
    return directory && directory[0] == '/' ? directory : NULL;
}

/* systemd names several with colons in between. */
static int service_directory(const char *list, char **ret)
{
    *ret = strndup(list, strcspn(list, ":"));
    return *ret ? 0 : -ENOMEM;
}

int addresses_directory(char **ret)
{
    const char *service = getenv("RUNTIME_DIRECTORY"), *session = session_directory();
    char *directory;

    if (service && service[0] == '/') {
        return service_directory(service, ret);
    }
    if (asprintf(&directory, "%s%s", session ? session : "",
                 session ? "/loads" : SYSTEM_DIRECTORY) < 0) {
        return -ENOMEM;
    }
    *ret = directory;
    return 0;
}

static int make_address(const char *directory, const char *name, char **ret, struct error *error)
{
    char *address;
    int n = asprintf(&address, IPC "%s/%s.sock", directory, name);

    if (n < 0) {
        return error_set_errno(error, -ENOMEM, "cannot name a socket");
    }
    if ((size_t)n - strlen(IPC) > ADDRESS_MAX_SOCKET_BYTES) {
        int r = error_set(error, -ENAMETOOLONG,
                          "%s is longer than a socket's path can be (%d bytes): set "
                          "XDG_RUNTIME_DIR to a shorter one, or give addresses",
                          address + strlen(IPC), ADDRESS_MAX_SOCKET_BYTES);
        free(address);
        return r;
    }
    *ret = address;
    return 0;
}

int addresses_socket(const char *name, char **ret, struct error *error)
{
    _cleanup_free_ char *directory = NULL;

    int r = addresses_directory(&directory);
    if (r < 0) {
        return error_set_errno(error, r, "cannot name a socket");
    }
    return make_address(directory, name, ret, error);
}

int addresses_broker(char **ret, struct error *error)
{
    const char *session = session_directory();
    _cleanup_free_ char *directory = NULL, *address = NULL;

    if (!session) {
        return make_address(SYSTEM_DIRECTORY, BROKER_SOCKET, ret, error);
    }
    if (asprintf(&directory, "%s/loads", session) < 0) {
        directory = NULL;
        return error_set_errno(error, -ENOMEM, "cannot name a socket");
    }
    int r = make_address(directory, BROKER_SOCKET, &address, NULL);
    if (r < 0 || access(address + strlen(IPC), F_OK) < 0) { /* nobody can listen there */
        return make_address(SYSTEM_DIRECTORY, BROKER_SOCKET, ret, error);
    }
    *ret = TAKE_PTR(address);
    return 0;
}

/* The length of a host that a port may follow. */
static size_t host_length(const char *host)
{
    const char *colon = strrchr(host, ':');
    return colon ? (size_t)(colon - host) : strlen(host);
}

static bool is_wildcard(const char *host)
{
    static const char *const wildcards[] = {"*", "0.0.0.0", "[::]", "::"};
    size_t length = host_length(host);

    for (size_t i = 0; i < ELEMENTSOF(wildcards); i++) {
        if (strlen(wildcards[i]) == length && memcmp(wildcards[i], host, length) == 0) {
            return true;
        }
    }
    return false;
}

int addresses_reach(const char *listens, const char *dialled, char **ret)
{
    bool both = strncmp(listens, TCP, strlen(TCP)) == 0 && strncmp(dialled, TCP, strlen(TCP)) == 0;
    char *address;

    if (!both || !is_wildcard(listens + strlen(TCP))) {
        address = strdup(listens);
    } else {
        const char *host = dialled + strlen(TCP), *old = listens + strlen(TCP);
        if (asprintf(&address, TCP "%.*s%s", (int)host_length(host), host, old + host_length(old)) <
            0) {
            address = NULL;
        }
    }
    if (!address) {
        return -ENOMEM;
    }
    *ret = address;
    return 0;
}

static bool is_loopback(const char *host, size_t length)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr address;

    (void)snprintf(text, sizeof text, "%.*s", (int)MIN(length, sizeof text - 1), host);
    return strcmp(text, "localhost") == 0 || strcmp(text, "[::1]") == 0 ||
           (inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

void addresses_share(const char *path)
{
    const struct group *group = getgrnam(GROUP);

    if (strncmp(path, IPC, strlen(IPC)) == 0) {
        path += strlen(IPC);
    }
    if (group && *path == '/') {
        (void)!chown(path, (uid_t)-1, group->gr_gid); /* who may not has one for themselves */
    }
}

bool addresses_was_passed(const char *address, const struct mq_socket *socket)
{
    const char *endpoint;

    if (strncmp(address, IPC, strlen(IPC)) == 0) {
        return true;
    }
    for (size_t i = 0; (endpoint = mq_socket_endpoint(socket, i)); i++) {
        if (strcmp(endpoint, address) == 0) {
            return true;
        }
    }
    return false;
}

int addresses_check_local(const char *address, struct error *error)
{
    const char *host = address + strlen(TCP);

    if (strncmp(address, IPC, strlen(IPC)) == 0 && address[strlen(IPC)]) {
        return 0;
    }
    if (strncmp(address, TCP, strlen(TCP)) != 0 || !*host) {
        return error_set(error, -EINVAL,
                         "'%s' is not an address such as tcp://127.0.0.1:7780 or "
                         "ipc:///run/loads/frontend.sock",
                         address);
    }
    return is_loopback(host, host_length(host))
               ? 0
               : error_set(error, -EPERM,
                           "%s can be reached from other machines, by anybody: that takes "
                           "a key, or allow-insecure",
                           address);
}
