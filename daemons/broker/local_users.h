/* SPDX-License-Identifier: MPL-2.0 */
/* Users of this machine, who come by ipc: what each may do. Rules say it, "NAME:ROLE" for a user,
 * "@GROUP:ROLE" for who is in a group, "*:ROLE" for all others; a user's own counts before those of
 * their groups, of which the one that lets them do most counts. Without any they may do everything,
 * and root and the user that we are always; but for the user that agents run as, who is an agent
 * unless a rule of its own says more. */
#ifndef LOADS_BROKER_LOCAL_USERS_H
#define LOADS_BROKER_LOCAL_USERS_H

#include <sys/types.h>

#include "base/strlist.h"
#include "run/key_file.h"

#define LOCAL_AGENT_USER "loads-agent" /* in the units of systemd */

struct local_users;

/* Whether a text is a rule at all; who it is about is not looked up. -EINVAL with a text. */
int local_users_check(const char *rule, struct error *error) _must_check_;

/* -EINVAL: a rule is none; -ENOENT: there is no such user or group; with a text. Who is in a group
 * is looked up here, once. */
int local_users_new(struct local_users **ret, const struct strlist *rules, struct error *error)
    _must_check_;
struct local_users *local_users_free(struct local_users *users);
DEFINE_CLEANUP(struct local_users, local_users_free)

enum key_role local_users_role(const struct local_users *users, uid_t uid, gid_t gid);

/* What they are called: "ada", or "uid 1000" of somebody without a name. Valid until the next call.
 */
const char *local_users_name(struct local_users *users, uid_t uid);

#endif
