/* SPDX-License-Identifier: MPL-2.0 */
/* Where PostgreSQL's programs are. */
#ifndef LOADS_CLUSTER_PROGRAMS_H
#define LOADS_CLUSTER_PROGRAMS_H

#include "events.h"

struct programs {
    char *directory;  /* of initdb and postgres */
    char version[64]; /* "15.13", for texts */
    unsigned major;
};

/* Finds those of a major version, or the first ones (0). -ENOENT with a text: there are none;
 * -EBADE: there are others, `ret` has them. To be freed in that case, too. */
int programs_find(struct programs *ret, unsigned major, struct events *events, struct error *error)
    _must_check_;
void programs_clear(struct programs *programs);

#endif
