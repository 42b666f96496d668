/* SPDX-License-Identifier: MPL-2.0 */
/* Who did what, and who was refused what: in the log, and in the table `audit`. */
#ifndef LOADS_BROKER_AUDIT_H
#define LOADS_BROKER_AUDIT_H

#include "authority.h"

struct audit;
struct broker;

/* Borrows the broker. -ENOMEM. */
int audit_new(struct audit **ret, struct broker *broker) _must_check_;

struct audit *audit_free(struct audit *audit);
DEFINE_CLEANUP(struct audit, audit_free)

/* What it is about; NULL: nothing. */
struct audit_subject {
    const char *run_id, *agent_id;
    const char *key; /* that was shown; whoever tries has another each time, so it makes no
                        difference between refusals */
    bool told;       /* the log has it already (story.h) */
};
#define AUDIT_NOTHING ((struct audit_subject){.told = false})

/* A change that somebody asked for was made. `what`: the command. */
void audit_accepted(struct audit *audit, const struct caller *caller, const char *what,
                    struct audit_subject subject);

/* Something was refused. What is the same within some seconds is one line and one row after the
 * first. */
void audit_refused(struct audit *audit, const struct caller *caller, const char *what,
                   struct audit_subject subject, const char *format, ...) _printf_(5, 6);

/* From time to time; and before the end: what it has counted is told. */
void audit_tick(struct audit *audit);
void audit_flush(struct audit *audit);

#endif
