/* SPDX-License-Identifier: MPL-2.0 */
/* Options about observers: those of a run, which clients have, and the broker's, which are defaults
 * of these and what only an administrator says. Of the observers that are built in each option is a
 * row; those of others stand in --observer-option. */
#ifndef LOADS_RUN_OBSERVER_OPTIONS_H
#define LOADS_RUN_OBSERVER_OPTIONS_H

#include <stdbool.h>

#include "base/conf.h"
#include "wire/observer.h"

/* Number, observer, key. What makes a server another one has `true`: credentials are for the server
 * that stands beside them. */
#define OBSERVER_RUN_OPTIONS(X)                                                                    \
    X(EMAIL_RECIPIENT, "email", "recipient", false)                                                \
    X(EMAIL_SENDER, "email", "sender", false)                                                      \
    X(EMAIL_SUBJECT, "email", "subject", false)                                                    \
    X(EMAIL_HOST, "email", "host", true)                                                           \
    X(EMAIL_PORT, "email", "port", true)                                                           \
    X(EMAIL_TLS, "email", "tls", true)                                                             \
    X(IRC_SERVER, "irc", "server", true)                                                           \
    X(IRC_PORT, "irc", "port", true)                                                               \
    X(IRC_TLS, "irc", "tls", true)                                                                 \
    X(IRC_NICK, "irc", "nick", false)                                                              \
    X(IRC_CHANNEL, "irc", "channel", false)                                                        \
    X(WEBHOOK_URL, "webhook", "url", true)

/* Of the broker alone. */
#define OBSERVER_CREDENTIALS(X)                                                                    \
    X(EMAIL_USER, "email", "user", false)                                                          \
    X(EMAIL_PASSWORD_FILE, "email", "password_file", false)                                        \
    X(IRC_PASSWORD_FILE, "irc", "password_file", false)                                            \
    X(WEBHOOK_SECRET_FILE, "webhook", "secret_file", false)

enum observer_option {
#define X(number, observer, key, is_server) OBSERVER_##number,
    OBSERVER_RUN_OPTIONS(X) OBSERVER_CREDENTIALS(X)
#undef X
        OBSERVER_BUILT_IN_OPTIONS
};

struct observer_options {
    struct strlist names;                    /* of observers */
    struct strlist options;                  /* "NAME.KEY=VALUE" */
    char *values[OBSERVER_BUILT_IN_OPTIONS]; /* NULL: not given */
};

/* Rows of such a struct. */
extern const struct conf_rows observer_run_rows;    /* for clients */
extern const struct conf_rows observer_broker_rows; /* for the broker */

/* All of its options as "NAME.KEY=VALUE", added to a list. -ENOMEM. */
int observer_options_list(const struct observer_options *options, struct strlist *list)
    _must_check_;

/* Whether the observer is built in, and its options are known. */
bool observer_is_built_in(const char *name);

/* Whether it has that option, in a run. */
bool observer_has_run_option(const char *name, const char *key);

/* Whether the option says which server it is; whether it is one of its credentials. */
bool observer_names_server(const char *name, const char *key);
bool observer_is_credential(const char *name, const char *key);

/* Looks at a value for an observer that is built in, as rows do: a text that came otherwise.
 * -EINVAL with a text. */
int observer_check_value(const char *name, const char *key, const char *value, struct error *error)
    _must_check_;

#endif
