/* SPDX-License-Identifier: MPL-2.0 */
/* What daemons say to their service manager, which is us: sd_notify(3). */
#ifndef LOADS_CLUSTER_NOTIFICATIONS_H
#define LOADS_CLUSTER_NOTIFICATIONS_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct notifications;

/* Listens on a socket of that path. `told` is called on the loop with the process that speaks and
 * its text. -errno with a text. */
int notifications_new(struct notifications **ret, struct ev_loop *loop, const char *path,
                      void (*told)(pid_t pid, const char *text, void *context), void *context,
                      struct error *error) _must_check_;
struct notifications *notifications_free(struct notifications *notifications);
DEFINE_CLEANUP(struct notifications, notifications_free)

/* Whether an assignment, such as "READY=1", is a line of a text. */
bool notification_has(const char *text, const char *assignment);

#endif
