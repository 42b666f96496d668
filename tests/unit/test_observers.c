/* SPDX-License-Identifier: MPL-2.0 */
/* What a run may ask of observers, and what they are told: the broker's side, without any process.
 */
#include "observers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "observers_input.h"
#include "test.h"

static char directory[] = "/tmp/loads-observers-XXXXXX";

struct fixture {
    struct broker_options options;
    struct run_spec *spec;
};

static int make_directory(void **state _unused_)
{
    char path[64];

    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/mine", directory);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
    (void)snprintf(path, sizeof path, "%s/text", directory);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    return 0;
}

static int remove_directory(void **state _unused_)
{
    char path[64];

    (void)snprintf(path, sizeof path, "%s/mine", directory);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/text", directory);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
    return 0;
}

static char *copy(const char *text)
{
    char *made = strdup(text);
    assert_non_null(made);
    return made;
}

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.options = {.observer_timeout_usec = 30 * USEC_PER_SEC}};
    f.options.observer_dir = copy(directory);
    assert_int_equal(run_spec_new(&f.spec), 0);
    strcpy(f.spec->run_id, "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    f.spec->url = copy("http://ada:secret@127.0.0.1/?token=x");
    f.spec->users = (struct number_list){{1}, 1};
    f.spec->hits = (struct number_list){{1}, 1};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    run_spec_free(f->spec);
    for (size_t i = 0; i < OBSERVER_BUILT_IN_OPTIONS; i++) {
        free(f->options.observers.values[i]);
    }
    strlist_clear(&f->options.observers.names);
    strlist_clear(&f->options.observers.options);
    strlist_clear(&f->options.observer_callables);
    free(f->options.observer_dir);
    free(f->options.observer_ca_file);
    free(f->options.web_root);
    return 0;
}

static void configure(struct fixture *f, enum observer_option option, const char *value)
{
    f->options.observers.values[option] = copy(value);
}

static void wish(struct fixture *f, const char *observer, const char *option)
{
    if (observer) {
        assert_int_equal(strlist_add(&f->spec->observers, observer), 0);
    }
    if (option) {
        assert_int_equal(strlist_add(&f->spec->observer_options, option), 0);
    }
}

static void check(struct fixture *f, const char *expected)
{
    struct error error = {0};
    int r = observers_check(&f->options, f->spec, &error);

    assert_int_equal(r, expected ? -EINVAL : 0);
    if (expected && !strstr(error.text, expected)) {
        fail_msg("'%s' does not say '%s'", error.text, expected);
    }
}

static void expect(struct fixture *f, const char *name, const char *key, const char *value)
{
    json_auto_t *options = observers_options(&f->options, f->spec, name);
    const char *found = json_string_value(json_object_get(options, key));

    assert_non_null(options);
    if (value) {
        assert_non_null(found);
        assert_string_equal(found, value);
    } else {
        assert_null(found);
    }
}

static void test_names(void **state)
{
    struct fixture *f = *state;

    wish(f, "mine", "mine.anything=x");
    check(f, NULL);
    wish(f, "nosuch", NULL);
    check(f, "there is no observer 'nosuch'");
}

static void test_what_is_no_program(void **state)
{
    struct fixture *f = *state;

    wish(f, "text", NULL);
    check(f, "there is no observer 'text'");
}

static void test_callables(void **state)
{
    struct fixture *f = *state;
    _cleanup_(strlist_clear) struct strlist command = {0};
    struct error error;

    wish(f, "os.system", NULL);
    check(f, "observer-callable");
    assert_int_equal(strlist_add(&f->options.observer_callables, "os.system"), 0);
    check(f, NULL);
    assert_int_equal(observers_find(&f->options, "os.system", &command, &error), 0);
    assert_int_equal(command.count, 4);
    assert_string_equal(command.items[3], "os.system");
    assert_int_equal(observers_find(&f->options, "../mine", &command, &error), -EINVAL);
}

static void test_options_that_there_are_none(void **state)
{
    struct fixture *f = *state;

    wish(f, NULL, "email.nosuch=x");
    check(f, "the observer email has no option 'nosuch'");
}

static void test_credentials_are_not_a_runs(void **state)
{
    struct fixture *f = *state;

    wish(f, NULL, "email.password-file=/etc/shadow");
    check(f, "email.password_file is for the broker's administrator");
    expect(f, "email", "password_file", NULL);
}

static void test_bad_values(void **state)
{
    struct fixture *f = *state;

    wish(f, NULL, "email.port=x");
    check(f, "email.port: 'x'");
}

static void test_servers_may_be_fixed(void **state)
{
    struct fixture *f = *state;

    wish(f, NULL, "irc.channel=#mine");
    f->options.observer_servers_fixed = true;
    check(f, NULL);
    wish(f, NULL, "irc.server=elsewhere");
    check(f, "observer-servers");
}

static void test_defaults_and_wishes(void **state)
{
    struct fixture *f = *state;

    configure(f, OBSERVER_IRC_CHANNEL, "#all");
    configure(f, OBSERVER_IRC_NICK, "broker");
    wish(f, NULL, "irc.channel=#mine");
    expect(f, "irc", "channel", "#mine");
    expect(f, "irc", "nick", "broker");
    expect(f, "email", "channel", NULL);
}

/* Credentials go to the server that they stand beside. */
static void test_credentials_stay_with_their_server(void **state)
{
    struct fixture *f = *state;

    configure(f, OBSERVER_EMAIL_HOST, "mail");
    configure(f, OBSERVER_EMAIL_USER, "loads");
    configure(f, OBSERVER_EMAIL_PASSWORD_FILE, "/etc/loads/password");
    configure(f, OBSERVER_EMAIL_TLS, "tls");
    wish(f, NULL, "email.recipient=a@b");
    wish(f, NULL, "email.host=mail");
    expect(f, "email", "password_file", "/etc/loads/password");
    wish(f, NULL, "email.tls=none");
    expect(f, "email", "password_file", NULL);
    expect(f, "email", "user", NULL);
    expect(f, "email", "tls", "none");
}

static void test_a_name_alone_is_a_credential(void **state)
{
    struct fixture *f = *state;

    configure(f, OBSERVER_WEBHOOK_SECRET_FILE, "loads-webhook.secret");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    expect(f, "webhook", "secret_file", "loads-webhook.secret");
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1), 0);
    expect(f, "webhook", "secret_file", "/run/credentials/x/loads-webhook.secret");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

/* Of an observer that nobody here knows, nobody knows which options are secrets. */
static void test_what_is_configured_of_others_stays(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(strlist_add(&f->options.observers.options, "mine.room=7"), 0);
    wish(f, NULL, "mine.room=8");
    wish(f, NULL, "mine.colour=red");
    expect(f, "mine", "room", "7");
    expect(f, "mine", "colour", "red");
}

static void test_each_observer_once(void **state)
{
    struct fixture *f = *state;
    _cleanup_(strlist_clear) struct strlist names = {0};

    assert_int_equal(strlist_add(&f->options.observers.names, "irc"), 0);
    wish(f, "mine", NULL);
    wish(f, "irc", NULL);
    wish(f, "mine", NULL);
    assert_int_equal(observers_list(&f->options, f->spec, &names), 0);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.items[0], "irc");
    assert_string_equal(names.items[1], "mine");
}

/* A run that nobody had an agent for is told of like any other; secrets of its URL are not. */
static void test_input(void **state)
{
    struct fixture *f = *state;
    _cleanup_(run_freep) struct run *run = NULL;
    struct error error;
    char text[16384];

    wish(f, "mine", "mine.room=7");
    f->options.web_root = copy("https://example.org/loads/");
    struct run_options options = {.spec = &f->spec, .n_agents = 1};
    assert_int_equal(run_new(&run, &options, RUN_QUEUED, &error), 0);
    assert_null(strstr(run->spec_text, "mine"));
    assert_non_null(strstr(run->shown_spec, "mine"));
    run->outcome = "aborted";
    json_auto_t *input = observers_input(&f->options, run);
    assert_non_null(input);
    _cleanup_fd_ int fd = observers_input_open(input, &f->options, run->spec, "mine");
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    json_auto_t *read_back = NULL;
    assert_int_equal(wire_json_load(text, (size_t)n, sizeof text, &read_back, &error), 0);
    assert_string_equal(json_string_value(json_object_get(read_back, "name")),
                        "http://***@127.0.0.1/?***");
    assert_string_equal(json_string_value(json_object_get(read_back, "result")), "aborted");
    assert_string_equal(json_string_value(json_object_get(read_back, "link")),
                        "https://example.org/loads/runs/6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    assert_string_equal(json_string_value(json_object_get(read_back, "observer")), "mine");
    assert_int_equal(json_integer_value(json_object_get(read_back, "hits")), 0);
    assert_null(strstr(text, "secret"));
    assert_null(strstr(text, "token"));
    json_t *told = json_object_get(read_back, "observer_options");
    assert_string_equal(json_string_value(json_object_get(told, "room")), "7");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_names),
        TEST(test_what_is_no_program),
        TEST(test_callables),
        TEST(test_options_that_there_are_none),
        TEST(test_credentials_are_not_a_runs),
        TEST(test_bad_values),
        TEST(test_servers_may_be_fixed),
        TEST(test_defaults_and_wishes),
        TEST(test_credentials_stay_with_their_server),
        TEST(test_a_name_alone_is_a_credential),
        TEST(test_what_is_configured_of_others_stays),
        TEST(test_each_observer_once),
        TEST(test_input),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
