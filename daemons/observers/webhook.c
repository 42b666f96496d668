/* SPDX-License-Identifier: MPL-2.0 */
/* The observer webhook: the results as JSON, posted to a URL, with a signature if there is a
 * secret. Servers that don't answer, or say that they can't just now, are asked again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/shown.h"
#include "observers/transfer.h"
#include "report/summary_json.h"
#include "run/hash.h"

#define FIRST_PAUSE_USEC (500 * USEC_PER_MSEC)
#define ATTEMPTS         3 /* for which there is time though none of them is answered */

/* What others may know: neither our options nor our limits. */
static int compose(const struct input *input, char **ret)
{
    json_auto_t *body = json_copy(input->json);
    char line[LINE_BYTES];
    struct facts facts;

    facts_of(input, &facts);
    facts_line(&facts, line);
    if (!body || json_object_set_new(body, "text", json_string(line)) < 0) {
        return -ENOMEM;
    }
    static const char *const ours[] = {"observer", "observer_options", "timeout_usec"};
    for (size_t i = 0; i < ELEMENTSOF(ours); i++) {
        (void)json_object_del(body, ours[i]); /* it need not be there */
    }
    size_t size;
    return summary_json_text(body, JSON_COMPACT, ret, &size);
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
    _cleanup_free_ char *header = NULL;

    if (asprintf(&header, "%s: %s", name, value) < 0) {
        header = NULL;
        return -ENOMEM;
    }
    struct curl_slist *more = curl_slist_append(*list, header);
    *list = more ? more : *list;
    return more ? 0 : -ENOMEM;
}

static int add_signature(struct curl_slist **list, const struct input *input, const char *body,
                         struct error *error)
{
    char secret[SECRET_MAX_BYTES], value[sizeof "sha256=" + HASH_HEX_BYTES] = "sha256=";
    unsigned char sum[HASH_BYTES];

    int r = input_secret(input, "secret_file", secret, error);
    if (r < 0 || !*secret) {
        return r;
    }
    r = hash_hmac(secret, strlen(secret), body, strlen(body), sum);
    explicit_bzero(secret, sizeof secret);
    if (r == 0) {
        (void)hash_hex(sum, value + strlen(value));
        r = add_header(list, "X-Loads-Signature", value);
    }
    return r < 0 ? error_set_errno(error, r, "the signature") : 0;
}

static size_t leave(char *bytes _unused_, size_t size, size_t count, void *context _unused_)
{
    return size * count;
}

static void pause_for(uint64_t usec)
{
    struct timespec time = {(time_t)(usec / USEC_PER_SEC), (long)(usec % USEC_PER_SEC) * 1000};
    (void)nanosleep(&time, NULL); /* shorter is fine */
}

/* 0; -EAGAIN: it may be better later; -EIO. With a text. */
static int post_once(struct transfer *transfer, const char *shown, struct error *error)
{
    long status = 0;

    transfer->error[0] = '\0';
    CURLcode code = curl_easy_perform(transfer->curl);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
        code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
        return error_set(error, -EIO, "%s: %s", shown, transfer_text(transfer, code));
    }
    if (code != CURLE_OK) {
        return error_set(error, -EAGAIN, "%s: %s", shown, transfer_text(transfer, code));
    }
    (void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) {
        return 0;
    }
    bool may_change = status == 408 || status == 429 || status >= 500;
    return error_set(error, may_change ? -EAGAIN : -EIO, "%s answers with status %ld", shown,
                     status);
}

static int post(struct transfer *transfer, const struct input *input, const char *shown,
                struct error *error)
{
    uint64_t each_usec = input_left_usec(input) / ATTEMPTS, pause_usec = FIRST_PAUSE_USEC;
    unsigned attempts = 0;
    int r;

    do {
        if (attempts++ > 0) {
            pause_for(pause_usec);
            pause_usec *= 2;
        }
        uint64_t usec = MIN(each_usec, input_left_usec(input));
        (void)curl_easy_setopt(transfer->curl, CURLOPT_TIMEOUT_MS,
                               (long)MAX(usec / 1000, UINT64_C(1)));
        r = post_once(transfer, shown, error);
    } while (r == -EAGAIN && pause_usec < input_left_usec(input));
    if (r == -EAGAIN && attempts > 1) {
        struct error last = *error;
        return error_set(error, r, "%s (tried %u times)", last.text, attempts);
    }
    return r;
}

static int send_body(struct transfer *transfer, const struct input *input, const char *url,
                     const char *body, struct error *error)
{
    struct curl_slist *headers = NULL;
    char shown[SHOWN_BYTES];
    CURL *curl = transfer->curl;

    int r = add_header(&headers, "Content-Type", "application/json");
    if (r == 0) {
        r = add_header(&headers, "X-Loads-Run-Id", input_text(input, "run_id", ""));
    }
    r = r < 0 ? error_set_errno(error, r, "headers") : add_signature(&headers, input, body, error);
    if (r == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_URL, url);
        (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, leave);
        r = post(transfer, input, shown_url(url, shown), error);
    }
    curl_slist_free_all(headers);
    return r;
}

static int observe(const struct input *input, struct error *error)
{
    struct transfer transfer = {.curl = NULL};
    const char *url = input_option(input, "url", NULL);
    _cleanup_free_ char *body = NULL;

    if (!url) {
        return error_set(error, -EINVAL, "there is no URL: --observer-webhook-url says one");
    }
    if (shown_url_lacks(url)) {
        return error_set(
            error, -EINVAL,
            "the secrets of its URL are gone: the broker was restarted during the run");
    }
    int r = compose(input, &body);
    if (r < 0) {
        return error_set_errno(error, r, "the results");
    }
    r = transfer_open(&transfer, input, error);
    if (r == 0) {
        r = send_body(&transfer, input, url, body, error);
    }
    transfer_close(&transfer);
    return r;
}

int main(void)
{
    return observer_main(observe);
}
