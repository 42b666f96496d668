/* SPDX-License-Identifier: MPL-2.0 */
/* A run's thresholds on the broker, where they hold whoever is attached. What was counted before
 * this broker was started is in the totals, and in none of the seconds. */
#ifndef LOADS_BROKER_JUDGE_H
#define LOADS_BROKER_JUDGE_H

#include "run.h"

/* Readies a run with thresholds: nothing is done for one without. -EINVAL with a text; -ENOMEM. */
int judge_new(struct run *run, struct error *error) _must_check_;

/* Now and then, while it is running: stops the run for the sake of a threshold. True: just now. */
bool judge_look(struct run *run, uint64_t now_usec);

/* At the end of a run that came to one: run->judged is what it came to. Whether it passed. */
bool judge_end(struct run *run);

#endif
