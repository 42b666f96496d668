/* SPDX-License-Identifier: MPL-2.0 */
/* What a virtual user keeps from one iteration to the next, beside its cookies and connections. */
#ifndef LOADS_WORKER_JOURNEY_H
#define LOADS_WORKER_JOURNEY_H

#include "user.h"

/* Gives it all back, at the end of the user's life. */
void journey_forget(struct loads_user *user);

#endif
