/* SPDX-License-Identifier: MPL-2.0 */
/* The same rows twice, since they may come from other places: a run's from everywhere, the broker's
 * from its file and command line. */
#include "run/observer_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "wire/spec.h"

#define OBSERVERS  "Observers"
#define EVERYWHERE (CONF_FILE | CONF_ENVIRONMENT)

#define MAX_TEXT_BYTES 1000

/* ---- values ---------------------------------------------------------------------------------- */

static int check_name(const char *text, void *field _unused_, struct error *error)
{
    return observer_check_name(text, error);
}

static int check_option(const char *text, void *field _unused_, struct error *error)
{
    return observer_check_option(text, error);
}

static int check_text(const char *text, void *field _unused_, struct error *error)
{
    return run_spec_check_text(text, MAX_TEXT_BYTES, error);
}

static int check_port(const char *text, void *field _unused_, struct error *error)
{
    uint64_t port;
    return parse_unsigned(text, 1, 65535, &port, error);
}

static int check_yes(const char *text, void *field _unused_, struct error *error)
{
    bool yes;
    return parse_bool(text, &yes, error);
}

static int check_email_tls(const char *text, void *field _unused_, struct error *error)
{
    return strcmp(text, "none") == 0 || strcmp(text, "starttls") == 0 || strcmp(text, "tls") == 0
               ? 0
               : error_set(error, -EINVAL, "'%.60s' is not none, starttls or tls", text);
}

/* What becomes part of a URL, or of a line of a protocol. */
static int check_word(const char *text, void *field _unused_, struct error *error)
{
    int r = run_spec_check_text(text, MAX_TEXT_BYTES, error);

    return r < 0 || !strpbrk(text, " ,/@?#\\") ? r
                                               : error_set(error, -EINVAL,
                                                           "'%.60s' has a blank, a comma or one of "
                                                           "/@?#\\ in it",
                                                           text);
}

static int check_channel(const char *text, void *field _unused_, struct error *error)
{
    int r = run_spec_check_text(text, 64, error);

    if (r == 0 && (!strchr("#&+!", text[0]) || strpbrk(text, " ,:") || !text[1])) {
        r = error_set(error, -EINVAL, "'%.60s' is no channel such as #loads", text);
    }
    return r;
}

/* One address or several with commas between: what libcurl and a header are given. */
static int check_addresses(const char *text, void *field _unused_, struct error *error)
{
    int r = run_spec_check_text(text, MAX_TEXT_BYTES, error);

    for (const char *at = text; r == 0 && at;) {
        const char *part = at + strspn(at, " ");
        size_t length = strcspn(part, ", ");
        const char *sign = memchr(part, '@', length);
        const char *end = part + length + strspn(part + length, " ");
        if (!sign || sign == part || sign + 1 == part + length || (*end && *end != ',') ||
            memchr(sign + 1, '@', length - (size_t)(sign + 1 - part)) ||
            strcspn(part, "<>\"()\\") < length) {
            r = error_set(error, -EINVAL, "'%.60s' is no address such as ada@example.org", part);
        }
        at = *end ? end + 1 : NULL;
    }
    return r;
}

static int check_address(const char *text, void *field _unused_, struct error *error)
{
    return strchr(text, ',') ? error_set(error, -EINVAL, "'%.60s' is more than one address", text)
                             : check_addresses(text, NULL, error);
}

static int check_url(const char *text, void *field _unused_, struct error *error)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0
               ? run_spec_check_text(text, SPEC_MAX_URL_BYTES, error)
               : error_set(error, -EINVAL, "it does not begin with http:// or https://");
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define FIELD(field_) .offset = offsetof(struct observer_options, field_)
#define VALUE(number) FIELD(values[OBSERVER_##number])
#define ROW(number, name_, metavar_, check, where_, help_)                                         \
    {                                                                                              \
        .name = "observer-" name_, .kind = CONF_STRING, VALUE(number), .metavar = metavar_,        \
        .parse = check, .where = where_, .group = OBSERVERS, .help = help_                         \
    }

/* An option is read as a row: */
/* clang-format off */
#define NAMES(where_, help_) \
    {.name = "observer", .kind = CONF_LIST, FIELD(names), .metavar = "NAME", .parse = check_name, \
     .where = where_, .group = OBSERVERS, .help = help_}, \
    {.name = "observer-option", .kind = CONF_LIST, FIELD(options), .metavar = "NAME.OPTION=VALUE", \
     .parse = check_option, .where = where_, .group = OBSERVERS, \
     .help = "An option of an observer that is not built in; may be repeated."}

#define RUN_ROWS(where) \
    ROW(EMAIL_RECIPIENT, "email-recipient", "ADDRESS", check_addresses, where, \
        "Whom the observer email writes to; several have commas between them."), \
    ROW(EMAIL_SENDER, "email-sender", "ADDRESS", check_address, where, \
        "From whom it is (default loads@HOSTNAME)."), \
    ROW(EMAIL_SUBJECT, "email-subject", "TEXT", check_text, where, \
        "Its subject (default: the name of the run and its result)."), \
    ROW(EMAIL_HOST, "email-host", "HOST", check_word, where, \
        "The mail server (default localhost)."), \
    ROW(EMAIL_PORT, "email-port", "PORT", check_port, where, \
        "Its port (default 25; with tls 465)."), \
    ROW(EMAIL_TLS, "email-tls", "MODE", check_email_tls, where, \
        "How it is encrypted: none (default), starttls or tls."), \
    ROW(IRC_SERVER, "irc-server", "HOST", check_word, where, \
        "Where the observer irc says a line (default localhost)."), \
    ROW(IRC_PORT, "irc-port", "PORT", check_port, where, \
        "The server's port (default 6667; with TLS 6697)."), \
    ROW(IRC_TLS, "irc-tls", "YES|NO", check_yes, where, \
        "Whether it is encrypted (default no)."), \
    ROW(IRC_NICK, "irc-nick", "NICK", check_word, where, \
        "Under which name (default loads)."), \
    ROW(IRC_CHANNEL, "irc-channel", "CHANNEL", check_channel, where, \
        "In which channel (default #loads)."), \
    ROW(WEBHOOK_URL, "webhook-url", "URL", check_url, (where) | CONF_URL, \
        "Where the observer webhook posts the results as JSON.")

static const struct conf_option run_rows[] = {
    NAMES(EVERYWHERE, "The broker tells somebody about the end of the run: email, irc, webhook or "
                      "what its administrator has installed; may be repeated."),
    RUN_ROWS(EVERYWHERE),
};

static const struct conf_option broker_rows[] = {
    NAMES(CONF_FILE, "Tell somebody about the end of every run: email, irc, webhook or a program "
                     "that is installed; may be repeated. The options below are defaults of runs."),
    RUN_ROWS(CONF_FILE),
    ROW(EMAIL_USER, "email-user", "NAME", check_text, CONF_FILE,
        "Log in to the mail server of this configuration with this name."),
    ROW(EMAIL_PASSWORD_FILE, "email-password-file", "FILE", check_text, CONF_FILE,
        "The password is the first line of this file, or, as a name alone, of one of the service's "
        "credentials."),
    ROW(IRC_PASSWORD_FILE, "irc-password-file", "FILE", check_text, CONF_FILE,
        "The same for the irc server of this configuration."),
    ROW(WEBHOOK_SECRET_FILE, "webhook-secret-file", "FILE", check_text, CONF_FILE,
        "The same: with what is posted to the URL of this configuration is signed."),
};
/* clang-format on */

const struct conf_rows observer_run_rows = {run_rows, ELEMENTSOF(run_rows)};
const struct conf_rows observer_broker_rows = {broker_rows, ELEMENTSOF(broker_rows)};

/* ---- what they mean -------------------------------------------------------------------------- */

static const struct built_in {
    const char *observer, *key;
    bool is_server;
} built_in[OBSERVER_BUILT_IN_OPTIONS] = {
#define X(number, observer, key, is_server) [OBSERVER_##number] = {observer, key, is_server},
    OBSERVER_RUN_OPTIONS(X) OBSERVER_CREDENTIALS(X)
#undef X
};

int observer_options_list(const struct observer_options *options, struct strlist *list)
{
    for (size_t i = 0; i < OBSERVER_BUILT_IN_OPTIONS; i++) {
        _cleanup_free_ char *text = NULL;
        if (!options->values[i]) {
            continue;
        }
        if (asprintf(&text, "%s.%s=%s", built_in[i].observer, built_in[i].key, options->values[i]) <
            0) {
            text = NULL;
            return -ENOMEM;
        }
        int r = strlist_add(list, text);
        if (r < 0) {
            return r;
        }
    }
    return strlist_add_all(list, options->options.items, options->options.count);
}

bool observer_is_built_in(const char *name)
{
    for (size_t i = 0; i < OBSERVER_BUILT_IN_OPTIONS; i++) {
        if (strcmp(built_in[i].observer, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Its number; OBSERVER_BUILT_IN_OPTIONS: there is none. */
static size_t find(const char *name, const char *key)
{
    size_t i = 0;

    while (i < OBSERVER_BUILT_IN_OPTIONS &&
           (strcmp(built_in[i].observer, name) != 0 || strcmp(built_in[i].key, key) != 0)) {
        i++;
    }
    return i;
}

bool observer_has_run_option(const char *name, const char *key)
{
    return find(name, key) < OBSERVER_EMAIL_USER;
}

bool observer_names_server(const char *name, const char *key)
{
    size_t i = find(name, key);
    return i < OBSERVER_BUILT_IN_OPTIONS && built_in[i].is_server;
}

bool observer_is_credential(const char *name, const char *key)
{
    size_t i = find(name, key);
    return i >= OBSERVER_EMAIL_USER && i < OBSERVER_BUILT_IN_OPTIONS;
}

int observer_check_value(const char *name, const char *key, const char *value, struct error *error)
{
    size_t offset = offsetof(struct observer_options, values) + find(name, key) * sizeof(char *);

    for (size_t i = 0; i < ELEMENTSOF(broker_rows); i++) {
        if (broker_rows[i].offset == offset && broker_rows[i].parse) {
            return broker_rows[i].parse(value, NULL, error);
        }
    }
    return 0;
}
