/* SPDX-License-Identifier: MPL-2.0 */
/* A process of the cluster. What lib/loop/child.h starts outlives us if we are killed, and is this
 * user's; here the kernel is told to end it with us, and it may be another user's. */
#ifndef LOADS_CLUSTER_PROCESS_H
#define LOADS_CLUSTER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "account.h"
#include "base/strlist.h"

struct process {
    char *name;  /* for texts: "loads-agent 3" */
    char *log;   /* the file of what it says, or NULL */
    pid_t pid;   /* while it runs, else 0 */
    bool gone;   /* it did run; then: */
    int status;  /* as of waitpid() */
    bool ready;  /* as it says itself */
    bool missed; /* that it is gone has been said */
};

struct process_options {
    const char *const *argv;         /* argv[0]: a path, or a name to look for in $PATH */
    const struct strlist *variables; /* the whole environment; NULL: ours */
    const struct account *account;   /* whose it becomes; NULL: ours */
    const char *directory;           /* where it runs; NULL: where we are */
    int death_signal;                /* what the kernel sends it when we end */
};

/* Starts it: in a session of its own, with what it says in the file `process->log`; without that,
 * as a shell would, in the foreground. -errno with a text: -ENOENT, -EACCES of the program, …. */
int process_start(struct process *process, const struct process_options *options,
                  struct error *error) _must_check_;

/* Takes note if it is gone. */
void process_reap(struct process *process);

void process_signal(const struct process *process, int signal_number);

/* One that still runs is killed, and waited for. */
void process_clear(struct process *process);

/* Writes the last lines of its log to standard error. */
void process_show_log(const struct process *process);

/* Our environment without some names ("PG" ends none), and with more: NAME=VALUE. -ENOMEM. */
int environment_make(struct strlist *ret, const char *const *without, const char *const *with)
    _must_check_;

#endif
