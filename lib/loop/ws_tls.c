/* SPDX-License-Identifier: MPL-2.0 */
/* libwebsockets knows certificates; for version and cipher one has to ask OpenSSL, which it is
 * built with in Debian and Fedora. */
#include "loop/ws_tls.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <libwebsockets.h>
#include <openssl/ssl.h>

#define NAME_BYTES 512

struct teller {
    struct lws *wsi;
    void (*told)(const char *line, void *context);
    void *context;
};

static void tell_name(const struct teller *teller, enum lws_tls_cert_info type, const char *label)
{
    union {
        union lws_tls_cert_info_results results;
        char room[sizeof(union lws_tls_cert_info_results) + NAME_BYTES];
    } info = {.room = ""};
    char line[NAME_BYTES + 64];

    if (lws_tls_peer_cert_info(teller->wsi, type, &info.results, NAME_BYTES) == 0) {
        (void)snprintf(line, sizeof line, "%s%s", label, info.results.ns.name);
        teller->told(line, teller->context);
    }
}

static void tell_date(const struct teller *teller)
{
    union lws_tls_cert_info_results info = {.time = 0};
    struct tm fields;
    char line[64];

    if (lws_tls_peer_cert_info(teller->wsi, LWS_TLS_CERT_INFO_VALIDITY_TO, &info, 0) == 0 &&
        gmtime_r(&info.time, &fields) &&
        strftime(line, sizeof line, " expire date: %b %e %H:%M:%S %Y GMT", &fields) > 0) {
        teller->told(line, teller->context);
    }
}

void ws_tls_tell(struct lws *wsi, void (*told)(const char *line, void *context), void *context)
{
    struct teller teller = {.wsi = wsi, .told = told, .context = context};
    const SSL *ssl = lws_is_ssl(wsi) ? lws_get_ssl(wsi) : NULL;
    char line[128];

    if (!ssl) {
        return;
    }
    (void)snprintf(line, sizeof line, "SSL connection using %s / %s", SSL_get_version(ssl),
                   SSL_get_cipher_name(ssl));
    told(line, context);
    told("Server certificate:", context);
    tell_name(&teller, LWS_TLS_CERT_INFO_COMMON_NAME, " subject: CN=");
    tell_date(&teller);
    tell_name(&teller, LWS_TLS_CERT_INFO_ISSUER_NAME, " issuer: ");
}
