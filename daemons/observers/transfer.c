/* SPDX-License-Identifier: MPL-2.0 */
/* Settings that each of them needs. */
#include "observers/transfer.h"

#include <errno.h>

int transfer_open(struct transfer *transfer, const struct input *input, struct error *error)
{
    const char *ca_file = input_option(input, "ca_file", NULL);

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return error_set_errno(error, -ENOMEM, "libcurl");
    }
    *transfer = (struct transfer){.curl = curl_easy_init()};
    if (!transfer->curl) {
        curl_global_cleanup();
        return error_set_errno(error, -ENOMEM, "libcurl");
    }
    /* None of these can fail but for memory, which the transfer itself would tell. */
    (void)curl_easy_setopt(transfer->curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(transfer->curl, CURLOPT_ERRORBUFFER, transfer->error);
    (void)curl_easy_setopt(transfer->curl, CURLOPT_USERAGENT, "loads/" LOADS_VERSION);
    (void)curl_easy_setopt(transfer->curl, CURLOPT_TIMEOUT_MS,
                           (long)(input_left_usec(input) / 1000));
    if (ca_file) {
        (void)curl_easy_setopt(transfer->curl, CURLOPT_CAINFO, ca_file);
    }
    return 0;
}

void transfer_close(struct transfer *transfer)
{
    if (transfer->curl) {
        curl_easy_cleanup(transfer->curl);
        curl_global_cleanup();
        transfer->curl = NULL;
    }
}

const char *transfer_text(const struct transfer *transfer, CURLcode code)
{
    return transfer->error[0] ? transfer->error : curl_easy_strerror(code);
}
