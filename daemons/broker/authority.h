/* SPDX-License-Identifier: MPL-2.0 */
/* Who may do what. Of tcp connections the key says who it is, by the files of a directory; on ipc
 * it is the file system that lets people in, and the kernel that says who they are. */
#ifndef LOADS_BROKER_AUTHORITY_H
#define LOADS_BROKER_AUTHORITY_H

#include "local_users.h"
#include "run/key_file.h"

struct authority;

/* Nobody is known yet. */
int authority_new(struct authority **ret) _must_check_;
struct authority *authority_free(struct authority *authority);
DEFINE_CLEANUP(struct authority, authority_free)

/* Reads the *.key files of a directory, in place of what was known. What is wrong in one is logged
 * with file and line, and the others count. A key that two lines have counts for neither. Returns
 * how many keys are known; -errno with a text when the directory can't be read (-ENOENT included):
 * nothing has changed. */
int authority_load(struct authority *authority, const char *directory, struct error *error)
    _must_check_;

/* Whether a key that was known is not any more since the last authority_load(), or may do other
 * things. */
bool authority_has_changed(const struct authority *authority);

/* The line of a key; NULL: it is not known. */
const struct key_line *authority_find(const struct authority *authority, const char *public_key);

/* The line of that name, the first if several have it; NULL: there is none. */
const struct key_line *authority_find_name(const struct authority *authority, const char *name,
                                           size_t length);

/* What users of this machine may do: takes them over. NULL: everything. */
void authority_set_local(struct authority *authority, struct local_users **users);

/* One of our own, such as the broker's: it may do everything. */
void authority_trust(struct authority *authority, const struct mq_key *public_key);

/* Who sent a message. Roles are in order: who has one may do what needs an earlier one. */
struct caller {
    enum key_role role;
    char name[KEY_MAX_NAME + 1];   /* of the key, or the local user; "": there is none */
    char hosts[KEY_MAX_HOSTS + 1]; /* of an agent: a pattern; "": any */
    char peer[128];                /* as libzmq calls the other side */
};

/* The same of somebody at the other side of a connection, with a key or (NULL, "") without. */
struct caller authority_caller_of(const struct authority *authority, const char *public_key,
                                  const char *peer);

/* "ada (run) at 10.0.0.1", "root (admin), process 4321". Returns `text`. */
#define CALLER_TEXT_BYTES 256
const char *authority_describe(const struct caller *caller, char text[static CALLER_TEXT_BYTES]);

struct caller authority_caller(const struct authority *authority, const struct mq_message *message);

/* Whether it may register as that agent on that host: ids are HOST-INSTANCE, where a long HOST is
 * cut, and nobody takes the id of another host's. */
bool authority_may_be(const struct caller *caller, const char *agent_id, const char *hostname);

/* Whether it is an agent on that host (or somebody who may do everything). */
bool authority_is_agent(const struct caller *caller, const char *hostname);

#endif
