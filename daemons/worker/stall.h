/* SPDX-License-Identifier: MPL-2.0 */
/* Tests that hold their worker's loop: while one does, no other user of the worker goes on, and
 * what is measured is the test's own slowness. It is said once per run and machine, and counted. */
#ifndef LOADS_WORKER_STALL_H
#define LOADS_WORKER_STALL_H

#include "user.h"

/* Longer than this is a stall. */
#define STALL_USEC UINT64_C(100000)

/* To be called about once a second, from the loop. */
void stall_begin_second(struct worker *worker);

/* The user is resumed. */
void stall_begin(struct loads_user *user);

/* It has run until now: notes whether that was a stall, and begins anew. */
void stall_note(struct loads_user *user);

/* Records what was noted as counters. On the user's own stack, within an iteration. */
void stall_record(struct loads_user *user);

#endif
