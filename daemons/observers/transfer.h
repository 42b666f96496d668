/* SPDX-License-Identifier: MPL-2.0 */
/* libcurl, as all observers use it: one transfer at a time, which ends before the broker ends us.
 */
#ifndef LOADS_OBSERVERS_TRANSFER_H
#define LOADS_OBSERVERS_TRANSFER_H

#include <curl/curl.h>

#include "observers/common.h"

struct transfer {
    CURL *curl;
    char error[CURL_ERROR_SIZE];
};

/* -ENOMEM with a text. */
int transfer_open(struct transfer *transfer, const struct input *input, struct error *error)
    _must_check_;
void transfer_close(struct transfer *transfer);

/* What libcurl says of a code. */
const char *transfer_text(const struct transfer *transfer, CURLcode code);

#endif
