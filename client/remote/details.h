/* SPDX-License-Identifier: MPL-2.0 */
/* Every hit and test event of a run that keeps them (CTRL_GET_DATA), in the struct that local runs
 * have. */
#ifndef LOADS_REMOTE_DETAILS_H
#define LOADS_REMOTE_DETAILS_H

#include "metrics/detail.h"
#include "remote/frontend.h"
#include "remote/snapshot.h"

/* Borrowed during the call. */
typedef void details_visit(const struct detail *detail, const char *agent_id, void *context);

/* Asks for all of them, page by page, in the order in which they happened. Ids are those of the
 * snapshot's names; what isn't there is "(other)". As requests in remote/requests.h. */
int request_details(struct frontend *frontend, const struct snapshot *snapshot,
                    details_visit *visit, void *context, struct error *error) _must_check_;

/* Reads one event: 1, or 0 for one of a type that isn't known. -EBADMSG with a text. The texts are
 * the event's. */
int details_read(const json_t *event, const struct snapshot *snapshot, struct detail *ret,
                 struct error *error) _must_check_;

#endif
