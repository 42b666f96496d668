/* SPDX-License-Identifier: MPL-2.0 */
/* Whether a broker answers somewhere. */
#ifndef LOADS_BROKER_PROBE_H
#define LOADS_BROKER_PROBE_H

#include <stdint.h>

#include "base/error.h"
#include "base/strlist.h"
#include "loop/mq.h"

/* Asks at all addresses of a frontend, for a second at most; with the broker's own key (NULL: it
 * has none). 1: one answers, and says that its pid is *ret_pid; 0: none does. -errno with a text.
 */
int probe_broker(const struct strlist *addresses, const struct mq_key_pair *key, uint64_t *ret_pid,
                 struct error *error) _must_check_;

#endif
