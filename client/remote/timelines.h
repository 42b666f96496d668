/* SPDX-License-Identifier: MPL-2.0 */
/* A run over time, as a broker has it (CTRL_TIMELINE), in the struct that local runs have. */
#ifndef LOADS_REMOTE_TIMELINES_H
#define LOADS_REMOTE_TIMELINES_H

#include "metrics/timeline.h"
#include "remote/frontend.h"
#include "remote/snapshot.h"

/* Asks for all of it, page by page. As requests in remote/requests.h. */
int request_timeline(struct frontend *frontend, const struct snapshot *snapshot,
                     struct timeline **ret, struct error *error) _must_check_;

/* Adds one page. Returns how many seconds there are in all through `ret`. -EBADMSG with a text;
 * -ENOMEM. */
int timeline_take(struct timeline *timeline, const json_t *page, uint64_t *ret, struct error *error)
    _must_check_;

#endif
