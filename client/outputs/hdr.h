/* SPDX-License-Identifier: MPL-2.0 */
/* A histogram in the form that HdrHistogram's libraries read. */
#ifndef LOADS_OUTPUTS_HDR_H
#define LOADS_OUTPUTS_HDR_H

#include "metrics/histogram.h"

/* HdrHistogram's "V2 compressed" encoding, in base64; the caller's. Values are microseconds from 1
 * to an hour with three digits; each of our buckets is there as the value that it stands for.
 * -ENOMEM. */
int hdr_encode(const struct histogram *histogram, char **ret) _must_check_;

#endif
