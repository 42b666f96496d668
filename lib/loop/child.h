/* SPDX-License-Identifier: MPL-2.0 */
/* Child processes on the loop: in a process group of their own and, if they are to be, in a cgroup,
 * both before they are another program; watched through a pidfd, so that no signal handler is
 * needed and a pid is never mistaken for another's. When memory runs out the kernel ends them
 * rather than us. Not on ev_default_loop(), which reaps every child of the process behind our back.
 */
#ifndef LOADS_LOOP_CHILD_H
#define LOADS_LOOP_CHILD_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct child;

struct child_options {
    const char *const *argv; /* ends with NULL; argv[0]: a path, or a name to look for in $PATH */
    const char *directory;   /* NULL: where we are */
    const char *const *environment; /* "NAME=value" each, ends with NULL; NULL: ours */
    int stdin_fd;                   /* becomes descriptor 0 of the child; 0: /dev/null */
    int channel_fd;                 /* becomes descriptor 3 of the child; -1: none */
    int stdout_fd;                  /* becomes descriptor 1 of the child; -1: its stderr */
    bool dies_with_us;              /* it is killed when we are gone, however that came */
    const char *cgroup;             /* directory of the cgroup that it begins in; NULL: ours */
    /* What the child writes to its standard error, in pieces as they come, the last one before
     * gone(). The child must not be freed in it. NULL: its standard error is ours. */
    void (*output)(struct child *child, const char *text, size_t size, void *context);
    /* The child is gone and reaped, and what it left running in its group is killed: `status` as of
     * waitpid(). Called once, on the loop; the child may be freed in it. */
    void (*gone)(struct child *child, int status, void *context);
    void *context;
};

/* Not on libev's default loop, which reaps every
 * child of the process itself. -errno with a text that names the program. */
int child_spawn(struct child **ret, struct ev_loop *loop, const struct child_options *options,
                struct error *error) _must_check_;

pid_t child_pid(const struct child *child);

/* Whether that is a child that child_spawn() started and that isn't reaped yet. */
bool child_is_one(pid_t pid);

/* Sends a signal to the child and all of its group; nothing if it is gone. */
void child_signal(struct child *child, int signal_number);

/* A child that still runs is killed, with its group, and waited for. */
struct child *child_free(struct child *child);
DEFINE_CLEANUP(struct child, child_free)

/* "exited with status 1", "was killed by signal 11 (Segmentation fault)". */
void child_describe_status(int status, char *text, size_t size_bytes);

#endif
