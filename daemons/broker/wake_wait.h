/* SPDX-License-Identifier: MPL-2.0 */
/* Runs for which too few agents are free wait here while others are woken. */
#ifndef LOADS_BROKER_WAKE_WAIT_H
#define LOADS_BROKER_WAKE_WAIT_H

#include "broker.h"

#define WAKE_MAX_WAITING       100                 /* requests; */
#define WAKE_MAX_WAITING_BYTES ((size_t)256 << 20) /* their files */
#define WAKE_QUEUE_USEC        (30 * USEC_PER_SEC) /* between calls for runs that are queued */

/* Borrows the broker, its mq and its options. -ENOMEM. */
int wake_wait_new(struct wake_wait **ret, struct broker *broker) _must_check_;

/* Requests that wait get no answer. */
struct wake_wait *wake_wait_free(struct wake_wait *wait);
DEFINE_CLEANUP(struct wake_wait, wake_wait_free)

/* A CTRL_RUN wants more agents than are free. True: agents are being woken that would be enough,
 * and it comes to submit_run() again, once they are there or can't be expected any more. False: it
 * is to be refused; then `error` also says which agents did not come, if it has waited. */
bool wake_wait(struct broker *broker, const struct request *request, size_t wanted,
               struct error *error);

/* The same for runs that wait anyway: from time to time agents are woken. */
void wake_for_queue(struct broker *broker);

/* To be called some times a second. */
void wake_wait_tick(struct broker *broker);

#endif
