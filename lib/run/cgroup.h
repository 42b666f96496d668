/* SPDX-License-Identifier: MPL-2.0 */
/* Cgroups (version 2) by their directories, which are files and nothing else: where we are, whether
 * it is ours, a leaf for ourselves, and a sub-group per run with limits, numbers and an end. */
#ifndef LOADS_RUN_CGROUP_H
#define LOADS_RUN_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define CGROUP_PATIENCE_USEC UINT64_C(5000000) /* from a kill to giving up */

/* The directory of the cgroup that this process is in, malloc'ed. -ENOENT: there is none to be
 * seen; -ENOMEM. */
int cgroup_find(char **ret) _must_check_;

/* Whether systemd has left it to who runs in it (Delegate=yes), and that is this process alone:
 * neither a program that started us nor another that has settled there. */
bool cgroup_is_ours(const char *path);

enum cgroup_controller { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU, CGROUP_CONTROLLERS };

/* Moves this process from a cgroup that is ours to a leaf in it, "supervisor", as the
 * kernel wants of cgroups with sub-groups, removes what others left there, and gives all sub-groups
 * the controllers that can be had. -errno with a text. */
int cgroup_settle(const char *path, struct error *error) _must_check_;

/* Whether sub-groups of it have that controller. */
bool cgroup_gives(const char *path, enum cgroup_controller controller);

/* "memory" */
const char *cgroup_controller_name(enum cgroup_controller controller);

/* A sub-group; its directory is the caller's to free, and to remove. -errno with a text. */
int cgroup_make(char **ret, const char *parent, const char *name, struct error *error) _must_check_;

struct cgroup_limits { /* 0: none */
    uint64_t memory_bytes;
    uint64_t pids;
    uint64_t cpu_percent; /* of one processor */
};

/* Whether there is one for that controller. */
bool cgroup_limits_have(const struct cgroup_limits *limits, enum cgroup_controller controller);

/* Sets those whose controllers it has. -errno with a text. */
int cgroup_limit(const char *path, const struct cgroup_limits *limits, struct error *error)
    _must_check_;

/* Kills all that is in it or in sub-groups of it, at once; they are gone a little later. */
int cgroup_kill(const char *path) _must_check_;

/* Whether a process lives in it; false if it isn't there. */
bool cgroup_is_populated(const char *path);

/* Waits until none does: -ETIMEDOUT. */
int cgroup_await_empty(const char *path, uint64_t timeout_usec) _must_check_;

/* Removes it, with its sub-groups. -EBUSY: somebody lives there. */
int cgroup_remove(const char *path) _must_check_;

/* What it has used so far. */
struct cgroup_usage {
    bool has_cpu, has_memory;
    uint64_t cpu_usec;
    uint64_t memory_peak_bytes;
};

void cgroup_usage(const char *path, struct cgroup_usage *ret);

#endif
