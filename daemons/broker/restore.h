/* SPDX-License-Identifier: MPL-2.0 */
/* What a broker that starts finds in its database: the runs that were on. */
#ifndef LOADS_BROKER_RESTORE_H
#define LOADS_BROKER_RESTORE_H

#include "broker.h"

/* To be called when the store is up: reads them back, unless that was done. Sets broker->loaded;
 * until then nobody is told that there is no such run. */
void restore_runs(struct broker *broker);

#endif
