/* SPDX-License-Identifier: MPL-2.0 */
/* Options, specifications from elsewhere and the worker judge the same texts: by the functions
 * here, so that what one of them takes the others take too. */
#include "wire/spec_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void spec_http_clear(struct spec_http *http)
{
    free(http->cert_file);
    free(http->key_file);
    free(http->tls_min);
    *http = (struct spec_http){.http2 = false};
}

int spec_http_check_tls(const char *text, struct error *error)
{
    return strcmp(text, "1.2") == 0 || strcmp(text, "1.3") == 0
               ? 0
               : error_set(error, -EINVAL, "'%.60s' is neither 1.2 nor 1.3", text);
}

unsigned spec_http_tls_min(const struct spec_http *http)
{
    return !http->tls_min ? 0 : strcmp(http->tls_min, "1.3") == 0 ? 13 : 12;
}

const char *spec_http_given(const struct spec_http *http)
{
    const struct {
        const char *name;
        bool given;
    } keys[] = {
        {"cert_file", http->cert_file},
        {"tls_min", http->tls_min},
        {"http2", http->http2},
    };

    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        if (keys[i].given) {
            return keys[i].name;
        }
    }
    return NULL;
}

int spec_http_check(const struct spec_http *http, struct error *error)
{
    if (http->key_file && !http->cert_file) {
        return error_set(error, -EINVAL, "key_file: it needs cert_file");
    }
    if (http->tls_min) {
        int r = spec_http_check_tls(http->tls_min, error);
        if (r < 0) {
            return error_prefix(error, r, "tls_min");
        }
    }
    return 0;
}
