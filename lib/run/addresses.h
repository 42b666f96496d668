/* SPDX-License-Identifier: MPL-2.0 */
/* Where programs of the suite on one machine look for each other when nobody says where. */
#ifndef LOADS_RUN_ADDRESSES_H
#define LOADS_RUN_ADDRESSES_H

#include <stdbool.h>

#include "base/error.h"
#include "loop/mq.h"

#define ADDRESS_MAX_SOCKET_BYTES 107 /* of a socket's path, by the kernel */

/* The directory in which a daemon's sockets are: systemd's $RUNTIME_DIRECTORY for a service, else
 * $XDG_RUNTIME_DIR/loads, else /run/loads. It need not exist. Malloc'ed, the caller's. */
int addresses_directory(char **ret) _must_check_;

/* "ipc://DIRECTORY/NAME.sock", malloc'ed, the caller's. -ENAMETOOLONG with a text when the kernel
 * knows no paths that long; -ENOMEM. */
int addresses_socket(const char *name, char **ret, struct error *error) _must_check_;

/* The frontend of this machine's broker, for who is not told of another one: that of this user's
 * session if it is there, else the system's. Malloc'ed, the caller's. As above. */
int addresses_broker(char **ret, struct error *error) _must_check_;

/* An address that a program listens on, as one can connect to it who reached it at `dialled`: where
 * it listens on all of a machine's addresses (tcp://0.0.0.0:7781), that machine's. Malloc'ed, the
 * caller's. */
int addresses_reach(const char *listens, const char *dialled, char **ret) _must_check_;

/* Whether a program may listen on an address as long as nobody has to show who they are: on sockets
 * of this machine, and on tcp only where nobody from outside comes (127.0.0.1, ::1, localhost).
 * -EPERM with a text that says what to do; -EINVAL: it is no address. */
int addresses_check_local(const char *address, struct error *error) _must_check_;

/* Whether an address of the configuration is taken care of by the service manager, which has passed
 * in what a socket listens on so far: of this machine's own addresses it says where they are, and
 * others need not be listened on twice. */
bool addresses_was_passed(const char *address, const struct mq_socket *socket);

/* Gives a socket, by its ipc address, or its directory, by its path, to the group "loads" if there
 * is one and it is ours to give. Of tcp addresses, nothing. */
void addresses_share(const char *path);

#endif
