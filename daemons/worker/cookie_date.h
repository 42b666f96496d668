/* SPDX-License-Identifier: MPL-2.0 */
/* The dates in cookies, as servers really write them. */
#ifndef LOADS_WORKER_COOKIE_DATE_H
#define LOADS_WORKER_COOKIE_DATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* Reads a date as RFC 6265, section 5.1.1, says: any order, any separators, UTC whatever it claims.
 * *ret: microseconds since 1970, 0 for earlier dates. -EINVAL: not a date. */
int cookie_date_parse(const char *text, size_t size, uint64_t *ret) _must_check_;

#endif
