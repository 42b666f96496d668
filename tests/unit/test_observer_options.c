/* SPDX-License-Identifier: MPL-2.0 */
/* Options about observers: rows for clients and the broker, and what they become. */
#include "run/observer_options.h"

#include <errno.h>
#include <string.h>

#include "test.h"

struct options {
    struct observer_options observers;
};

static const struct conf_table *table(const struct conf_rows *rows)
{
    static struct conf_shared shared[2];
    static struct conf_table made;

    shared[0] = (struct conf_shared){rows, offsetof(struct options, observers)};
    made = (struct conf_table){.program = "test", .section = "test", .shared = shared};
    return &made;
}

static int parse(const struct conf_rows *rows, struct options *options, struct error *error,
                 const char *name, const char *value)
{
    char *argv[] = {(char *)"test", (char *)name, (char *)value, NULL};

    *options = (struct options){.observers = {.names = {0}}};
    return conf_parse(table(rows), 3, argv, options, error);
}

static void test_list(void **state _unused_)
{
    char *argv[] = {(char *)"test",
                    (char *)"--observer",
                    (char *)"email",
                    (char *)"--observer",
                    (char *)"mine",
                    (char *)"--observer-email-recipient",
                    (char *)"ada@example.org, bob@example.org",
                    (char *)"--observer-option",
                    (char *)"mine.room=7",
                    (char *)"--observer-irc-channel",
                    (char *)"#x",
                    NULL};
    _cleanup_(strlist_clear) struct strlist list = {0};
    struct options options = {.observers = {.names = {0}}};
    struct error error;

    assert_int_equal(conf_parse(table(&observer_run_rows), 11, argv, &options, &error), 0);
    assert_int_equal(options.observers.names.count, 2);
    assert_int_equal(observer_options_list(&options.observers, &list), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0], "email.recipient=ada@example.org, bob@example.org");
    assert_string_equal(list.items[1], "irc.channel=#x");
    assert_string_equal(list.items[2], "mine.room=7");
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(observer_check_option(list.items[i], &error), 0);
    }
    conf_clear(table(&observer_run_rows), &options);
}

static void test_values(void **state _unused_)
{
    static const struct {
        const char *name, *value;
        bool good;
    } cases[] = {
        {"--observer-email-recipient", "ada@example.org", true},
        {"--observer-email-recipient", "a@b,c@d", true},
        {"--observer-email-recipient", "ada", false},
        {"--observer-email-recipient", "@b", false},
        {"--observer-email-recipient", "a@", false},
        {"--observer-email-recipient", "a@b,", false},
        {"--observer-email-recipient", "a@b c@d", false},
        {"--observer-email-recipient", "a@b@c", false},
        {"--observer-email-recipient", "<a@b>", false},
        {"--observer-email-recipient", "a@b\r\nBcc: c@d", false},
        {"--observer-email-sender", "a@b", true},
        {"--observer-email-sender", "a@b,c@d", false},
        {"--observer-email-subject", "caf\xc3\xa9", true},
        {"--observer-email-subject", "a\nb", false},
        {"--observer-email-host", "mail.example.org", true},
        {"--observer-email-host", "::1", true},
        {"--observer-email-host", "a/b", false},
        {"--observer-email-port", "65535", true},
        {"--observer-email-port", "65536", false},
        {"--observer-email-tls", "starttls", true},
        {"--observer-email-tls", "yes", false},
        {"--observer-irc-tls", "yes", true},
        {"--observer-irc-tls", "maybe", false},
        {"--observer-irc-channel", "#a", true},
        {"--observer-irc-channel", "a", false},
        {"--observer-irc-channel", "#a,#b", false},
        {"--observer-irc-channel", "#a b", false},
        {"--observer-irc-nick", "a b", false},
        {"--observer-webhook-url", "https://example.org/x?y=z", true},
        {"--observer-webhook-url", "file:///etc/passwd", false},
        {"--observer", "/bin/sh", false},
        {"--observer-option", "x=y", false},
    };
    struct options options;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct error error = {0};
        int r = parse(&observer_run_rows, &options, &error, cases[i].name, cases[i].value);
        assert_int_equal(r, cases[i].good ? 0 : -EINVAL);
        conf_clear(table(&observer_run_rows), &options);
    }
}

/* What is the administrator's to say has no row for clients. */
static void test_credentials(void **state _unused_)
{
    struct options options;
    struct error error;

    assert_int_equal(
        parse(&observer_run_rows, &options, &error, "--observer-email-password-file", "/x"),
        -EINVAL);
    conf_clear(table(&observer_run_rows), &options);
    assert_int_equal(
        parse(&observer_broker_rows, &options, &error, "--observer-email-password-file", "/x"), 0);
    conf_clear(table(&observer_broker_rows), &options);
    assert_false(observer_has_run_option("email", "password_file"));
    assert_true(observer_has_run_option("email", "host"));
    assert_false(observer_has_run_option("email", "nosuch"));
    assert_true(observer_is_credential("webhook", "secret_file"));
    assert_false(observer_is_credential("webhook", "url"));
    assert_true(observer_names_server("irc", "server"));
    assert_false(observer_names_server("irc", "nick"));
    assert_true(observer_is_built_in("email"));
    assert_false(observer_is_built_in("mine"));
    assert_int_equal(observer_check_value("email", "port", "x", &error), -EINVAL);
    assert_int_equal(observer_check_value("email", "port", "25", &error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
