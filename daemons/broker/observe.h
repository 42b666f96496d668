/* SPDX-License-Identifier: MPL-2.0 */
/* Observers at work: programs that are told of the end of a run, beside the loop. Each is started
 * at most once per run: what a broker that ends has not got to, the next one doesn't do. */
#ifndef LOADS_BROKER_OBSERVE_H
#define LOADS_BROKER_OBSERVE_H

#include "broker.h"

int observe_new(struct observe **ret, struct broker *broker) _must_check_;

/* Ends those that are on. */
struct observe *observe_free(struct observe *observe);

/* A run is over: starts its observers, or has them wait until others are done. Without any, nothing
 * is done. */
void observe_run(struct broker *broker, struct run *run);

/* Whether some are on or wait. */
bool observe_is_on(const struct observe *observe);

#endif
