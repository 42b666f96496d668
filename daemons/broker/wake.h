/* SPDX-License-Identifier: MPL-2.0 */
/* Agents that may be had for the asking: at their control sockets, whose addresses the
 * configuration has, they are told WAKE. One that runs tries to reach its broker at once then; one
 * that doesn't is started by systemd, if it holds the socket for it. Nobody waits for an answer:
 * agents that come register, and wake_explain() says who didn't. */
#ifndef LOADS_BROKER_WAKE_H
#define LOADS_BROKER_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strlist.h"
#include "loop/mq.h"
#include "registry.h"

/* How long a call is on. Less than twice what our clients wait for an answer (5 s): they ask three
 * times. */
#define WAKE_USEC          (8 * USEC_PER_SEC)
#define WAKE_RETURN_USEC   (2 * USEC_PER_SEC) /* the same, for an agent that had another broker */
#define WAKE_MAX_ADDRESSES 500                /* of the configuration: a socket each */

struct wake;

/* Borrows mq. `identify` is called before an address is connected to, for mq_identify(). -ENOMEM.
 */
typedef void wake_identify(const char *address, void *context);
int wake_new(struct wake **ret, struct mq *mq, wake_identify *identify, void *context) _must_check_;
struct wake *wake_free(struct wake *wake);
DEFINE_CLEANUP(struct wake, wake_free)

/* Whether the agent at an address has yet to come: no agent that is there says that it listens on
 * it. (One that says so by another name, such as tcp://0.0.0.0:7783, is called in vain, which does
 * no harm.) */
bool wake_is_wanted(const char *address, const struct registry *registry);

/* How many of the addresses are of such agents. Here and below, an address may be a pattern
 * (wake_find.h). */
size_t wake_count(const struct strlist *addresses, const struct registry *registry);

/* Calls those agents, of which some may be called already. Of those that a pattern stands for only
 * the ones on whose sockets somebody listens. */
void wake_begin(struct wake *wake, const struct strlist *addresses, const struct registry *registry,
                uint64_t now_usec);

/* Whether any of those that were called can still be expected. */
bool wake_is_on(const struct wake *wake);

/* To be called some times a second. Who did not answer is logged, once until it does. */
void wake_tick(struct wake *wake, const struct registry *registry, uint64_t now_usec);

/* Who was called and did not come, as "; no agent answers at ADDRESS, …". "" if there is nothing to
 * say. Cut where it is too long. */
void wake_explain(const struct wake *wake, char *text, size_t size);

#endif
