/* SPDX-License-Identifier: MPL-2.0 */
/* The built-in test: what `loads-runner http://host/path` runs. */
#ifndef LOADS_WORKER_URL_TEST_H
#define LOADS_WORKER_URL_TEST_H

#include "loads/loads.h"

/* Gets the run's URL; a status of 400 or more is a failure. */
const struct loads_test *url_test(void);

#endif
