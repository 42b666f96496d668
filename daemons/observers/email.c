/* SPDX-License-Identifier: MPL-2.0 */
/* The observer email: one mail by SMTP, to one recipient or several. */
#include <errno.h>
#include <string.h>

#include "observers/email_message.h"
#include "observers/transfer.h"

#define HOST_BYTES 256

struct upload {
    const char *text;
    size_t left;
};

static size_t give(char *to, size_t size, size_t count, void *context)
{
    struct upload *upload = context;
    size_t n = MIN(size * count, upload->left);

    memcpy(to, upload->text, n);
    upload->text += n;
    upload->left -= n;
    return n;
}

/* "a@b, c@d" as a list. NULL: no memory. */
static struct curl_slist *split(const char *recipients)
{
    struct curl_slist *list = NULL;

    for (const char *at = recipients + strspn(recipients, ", "); *at; at += strspn(at, ", ")) {
        _cleanup_free_ char *one = strndup(at, strcspn(at, ", "));
        struct curl_slist *more = one ? curl_slist_append(list, one) : NULL;
        if (!more) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = more;
        at += strcspn(at, ", ");
    }
    return list;
}

static int log_in(struct transfer *transfer, const struct input *input, struct error *error)
{
    const char *user = input_option(input, "user", NULL);
    char password[SECRET_MAX_BYTES];

    int r = input_secret(input, "password_file", password, error);
    if (r == 0 && user) {
        (void)curl_easy_setopt(transfer->curl, CURLOPT_USERNAME, user);
        (void)curl_easy_setopt(transfer->curl, CURLOPT_PASSWORD, password);
    }
    explicit_bzero(password, sizeof password);
    return r;
}

static int send_to(struct transfer *transfer, const struct input *input, struct email *email,
                   struct upload *upload, struct error *error)
{
    const char *tls = input_option(input, "tls", "none");
    bool is_tls = strcmp(tls, "tls") == 0;
    const char *port = input_option(input, "port", is_tls ? "465" : "25");
    _cleanup_free_ char *server = host_and_port(input_option(input, "host", "localhost"), port);
    _cleanup_free_ char *url = NULL;
    struct curl_slist *recipients = split(email->recipients);

    if (!server || !recipients ||
        asprintf(&url, "%s://%s", is_tls ? "smtps" : "smtp", server) < 0) {
        url = NULL;
        curl_slist_free_all(recipients);
        return error_set_errno(error, -ENOMEM, "the mail");
    }
    CURL *curl = transfer->curl;
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_USE_SSL,
                           strcmp(tls, "starttls") == 0 ? (long)CURLUSESSL_ALL
                                                        : (long)CURLUSESSL_NONE);
    (void)curl_easy_setopt(curl, CURLOPT_MAIL_FROM, email->sender);
    (void)curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, upload);
    int r = log_in(transfer, input, error);
    CURLcode code = r == 0 ? curl_easy_perform(curl) : CURLE_OK;
    curl_slist_free_all(recipients);
    return code == CURLE_OK ? r
                            : error_set(error, -EIO, "the mail server %s: %s", server,
                                        transfer_text(transfer, code));
}

static int observe(const struct input *input, struct error *error)
{
    struct transfer transfer = {.curl = NULL};
    _cleanup_free_ char *text = NULL, *sender = NULL;
    char host[HOST_BYTES] = "localhost";
    struct facts facts;
    struct upload upload;

    (void)gethostname(host, sizeof host - 1);
    if (asprintf(&sender, "loads@%s", host) < 0) {
        sender = NULL;
        return error_set_errno(error, -ENOMEM, "the mail");
    }
    struct email email = {.sender = input_option(input, "sender", sender),
                          .recipients = input_option(input, "recipient", NULL),
                          .subject = input_option(input, "subject", NULL),
                          .run_id = input_text(input, "run_id", "run"),
                          .host = host,
                          .date = time(NULL)};
    if (!email.recipients) {
        return error_set(error, -EINVAL,
                         "there is no recipient: --observer-email-recipient says one");
    }
    facts_of(input, &facts);
    int r = email_compose(&email, &facts, &text, &upload.left);
    if (r < 0) {
        return error_set_errno(error, r, "the mail");
    }
    upload.text = text;
    r = transfer_open(&transfer, input, error);
    if (r == 0) {
        r = send_to(&transfer, input, &email, &upload, error);
    }
    transfer_close(&transfer);
    return r;
}

int main(void)
{
    return observer_main(observe);
}
