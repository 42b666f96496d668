/* SPDX-License-Identifier: MPL-2.0 */
/* The files that tests are fed with, and who gets which row of them. */
#ifndef LOADS_WORKER_FEEDER_H
#define LOADS_WORKER_FEEDER_H

#include "base/error.h"
#include "loads/loads.h"
#include "run/data_file.h"
#include "user.h"

/* Opens the files of all feeders that the module has registered. What is wrong with one is told to
 * the test that asks for a row of it. */
void feeders_open(struct worker *worker);
void feeders_close(void);

/* The next row for a user, in memory of its iteration. 0; -ENODATA: rows are used up, and
 * feeder->at_end says what is to happen; other -errno; with a text for the test. */
int feeder_next(struct loads_user *user, loads_feeder *feeder, struct data_row *ret,
                struct error *error) _must_check_;

/* What the feeder does when rows are used up. */
enum loads_at_end feeder_at_end(const loads_feeder *feeder);

/* Frees what is known of a user. */
void feeders_forget(struct loads_user *user);

#endif
