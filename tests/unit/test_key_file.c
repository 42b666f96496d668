/* SPDX-License-Identifier: MPL-2.0 */
/* Keys: pairs and their files, lines of those that are let in, and sockets that ask for one. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loop/mq.h"
#include "run/key_file.h"
#include "temporary_dir.h"

#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7" /* of RFC 32 */

static struct error error;

static void test_pairs(void **state _unused_)
{
    struct mq_key_pair pair;
    struct mq_key derived;

    assert_int_equal(mq_key_pair_make(&pair), 0);
    assert_int_equal(mq_key_derive(&pair.secret_key, &derived), 0);
    assert_string_equal(derived.text, pair.public_key.text);
    assert_true(mq_key_parse(KEY, &derived));
    assert_false(mq_key_parse("", &derived));
    assert_false(mq_key_parse(KEY "x", &derived));
    assert_false(mq_key_parse("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf\"", &derived));
}

static void test_roles_and_names(void **state _unused_)
{
    for (unsigned role = KEY_NOBODY + 1; role < KEY_ROLES; role++) {
        assert_int_equal(key_role_parse(key_role_word((enum key_role)role)), role);
    }
    assert_int_equal(key_role_parse("root"), KEY_NOBODY);
    assert_null(key_role_word(KEY_NOBODY));
    assert_true(key_name_is_valid("box-1.example_2"));
    assert_false(key_name_is_valid(""));
    assert_false(key_name_is_valid("../x"));
    assert_false(key_name_is_valid("a b"));
    assert_false(key_name_is_valid("-a"));
}

static void test_lines(void **state _unused_)
{
    struct key_line line;

    assert_int_equal(key_line_parse("", &line, &error), 0);
    assert_int_equal(key_line_parse("  # ada run " KEY, &line, &error), 0);
    assert_int_equal(key_line_parse(" ada\trun  " KEY "\r\n", &line, &error), 1);
    assert_string_equal(line.name, "ada");
    assert_int_equal(line.role, KEY_RUN);
    assert_string_equal(line.public_key.text, KEY);
    assert_string_equal(line.hosts, "");
    assert_int_equal(key_line_parse("box agent " KEY " box*", &line, &error), 1);
    assert_string_equal(line.hosts, "box*");
}

static void test_lines_that_make_no_sense(void **state _unused_)
{
    static const struct {
        const char *line, *text;
    } cases[] = {
        {"ada", "NAME ROLE PUBLICKEY [HOSTS] is expected"},
        {"ada run " KEY " box* more", "NAME ROLE PUBLICKEY [HOSTS] is expected"},
        {"a/b run " KEY, "'a/b' is no name of a key"},
        {"ada fly " KEY, "'fly' is not observe, run, admin or agent"},
        {"ada run key", "'key' is no public key"},
        {"ada run " KEY " box*", "only agents have HOSTS"},
    };
    struct key_line line;
    char longest[600];

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(key_line_parse(cases[i].line, &line, &error), -EINVAL);
        assert_string_equal(error.text, cases[i].text);
    }
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(key_line_parse(longest, &line, &error), -EINVAL);
}

static void test_files(void **state _unused_)
{
    static const char path[] = "new/key";
    struct key_file made, read;

    assert_int_equal(key_file_make(path, "a b", &made, &error), -EINVAL);
    assert_int_equal(key_file_make(path, "ada", &made, &error), 0);
    assert_int_equal(key_file_make(path, "ada", &read, &error), -EEXIST);
    assert_int_equal(key_file_read(path, &read, &error), 0);
    assert_memory_equal(&read, &made, sizeof made);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(key_file_read(path, &read, &error), -EPERM);
    assert_non_null(strstr(error.text, "chmod 600 "));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(key_file_read(path, &read, &error), -ENOENT);
}

static void test_files_that_make_no_sense(void **state _unused_)
{
    static const char *const texts[] = {
        "",
        "name = ada\n",
        "[key]\nname = ada\n",
        "[key]\nname = ada\npublic-key = x\n",
        "[key]\nname = ada\npublic-key = " KEY "\nsecret-key = " KEY "\n",
        "[key]\nname = a b\n",
        "[key]\ncolour = red\n",
    };
    static const char path[] = "./key";
    struct key_file read;

    for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
        write_file(path, texts[i], 0600);
        assert_int_equal(key_file_read(path, &read, &error), -EINVAL);
        assert_non_null(strstr(error.text, path));
        assert_null(strstr(error.text, KEY)); /* it may be a secret */
    }
    assert_int_equal(key_file_read("/", &read, &error), -EINVAL);
}

/* ---- directories ---- */

struct seen {
    char text[512];
    int stop;
};

static int note(const struct key_line *line, const char *text, void *context)
{
    struct seen *seen = context;
    size_t size = strlen(seen->text);

    (void)snprintf(seen->text + size, sizeof seen->text - size, "%s\n", line ? line->name : text);
    return seen->stop;
}

/* In the order of their names; what is no *.key file isn't looked at. */
static void test_directories(void **state _unused_)
{
    struct seen seen = {.stop = 0}, stopped = {.stop = -ECANCELED};

    assert_int_equal(key_directory_read("keys.d", note, &seen), -ENOENT);
    assert_int_equal(mkdir("keys.d", 0700), 0);
    write_file("keys.d/b.key", "# comment\n\nbob run " KEY "\nbad\n", 0644);
    write_file("keys.d/a.key", "ada run " KEY "\neve observe " KEY, 0644);
    write_file("keys.d/c.key~", "old run " KEY "\n", 0644);
    write_file("keys.d/.key", "hidden run " KEY "\n", 0644);
    assert_int_equal(symlink("nowhere", "keys.d/d.key"), 0);
    assert_int_equal(key_directory_read("keys.d", note, &seen), 0);
    assert_string_equal(seen.text, "ada\neve\nbob\n"
                                   "keys.d/b.key:4: NAME ROLE PUBLICKEY [HOSTS] is expected\n"
                                   "keys.d/d.key: No such file or directory\n");
    assert_int_equal(key_directory_read("keys.d", note, &stopped), -ECANCELED);
    assert_string_equal(stopped.text, "ada\n");
}

/* ---- sockets ---- */

struct talk {
    struct ev_loop *loop;
    struct mq *server, *client;
    struct mq_key allowed;
    unsigned asked, received;
    char user[64];
};

static bool allows(const struct mq_key *public_key, const char *address,
                   const char *socket_name _unused_, void *context)
{
    struct talk *talk = context;

    talk->asked++;
    assert_string_equal(address, "127.0.0.1");
    bool known = strcmp(public_key->text, talk->allowed.text) == 0;
    if (!known) {
        ev_break(talk->loop, EVBREAK_ALL);
    }
    return known;
}

static void on_message(struct mq_socket *socket _unused_, const struct mq_message *message,
                       void *context)
{
    struct talk *talk = context;

    talk->received++;
    (void)snprintf(talk->user, sizeof talk->user, "%s", mq_message_user(message));
    ev_break(talk->loop, EVBREAK_ALL);
}

/* Somebody with a key says something to a server that knows one. */
static void say(struct talk *talk, const struct mq_key_pair *server,
                const struct mq_key_pair *client)
{
    struct mq_guard *guard = NULL;
    struct mq_socket *listens = NULL, *speaks = NULL;
    struct mq_socket_options options = {.type = MQ_PULL, .received = on_message, .context = talk};
    struct mq_socket_options speaking = {.type = MQ_PUSH};

    talk->loop = ev_loop_new(EVFLAG_AUTO);
    assert_non_null(talk->loop);
    assert_int_equal(mq_new(&talk->server, talk->loop), 0);
    assert_int_equal(mq_new(&talk->client, talk->loop), 0);
    mq_serve(talk->server, server);
    mq_identify(talk->client, client, &server->public_key);
    assert_int_equal(mq_guard_new(&guard, talk->server, allows, talk, &error), 0);
    assert_int_equal(mq_socket_new(&listens, talk->server, &options, &error), 0);
    assert_int_equal(mq_socket_bind(listens, "tcp://127.0.0.1:*", &error), 0);
    assert_int_equal(mq_socket_new(&speaks, talk->client, &speaking, &error), 0);
    assert_int_equal(mq_socket_connect(speaks, mq_socket_endpoint(listens, 0), &error), 0);
    assert_int_equal(mq_socket_send_text(speaks, NULL, 0, "hello", NULL, 0), 0);
    ev_run(talk->loop, 0);
    mq_socket_free(speaks);
    mq_socket_free(listens);
    mq_guard_free(guard);
    mq_free(talk->client);
    mq_free(talk->server);
    ev_loop_destroy(talk->loop);
}

static void test_who_has_a_key_is_known(void **state _unused_)
{
    struct mq_key_pair server, client;
    struct talk talk = {0};

    assert_int_equal(mq_key_pair_make(&server), 0);
    assert_int_equal(mq_key_pair_make(&client), 0);
    talk.allowed = client.public_key;
    say(&talk, &server, &client);
    assert_int_equal(talk.received, 1);
    assert_string_equal(talk.user, client.public_key.text);
}

static void test_who_is_not_known_is_not_heard(void **state _unused_)
{
    struct mq_key_pair server, client;
    struct talk talk = {0};

    assert_int_equal(mq_key_pair_make(&server), 0);
    assert_int_equal(mq_key_pair_make(&client), 0);
    talk.allowed = server.public_key;
    say(&talk, &server, &client);
    assert_true(talk.asked > 0);
    assert_int_equal(talk.received, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_roles_and_names),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_lines_that_make_no_sense),
        cmocka_unit_test_setup_teardown(test_files, enter_temporary_dir, leave_temporary_dir),
        cmocka_unit_test_setup_teardown(test_files_that_make_no_sense, enter_temporary_dir,
                                        leave_temporary_dir),
        cmocka_unit_test_setup_teardown(test_directories, enter_temporary_dir, leave_temporary_dir),
        cmocka_unit_test(test_who_has_a_key_is_known),
        cmocka_unit_test(test_who_is_not_known_is_not_heard),
    };
    return cmocka_run_group_tests_name("key_file", tests, NULL, NULL);
}
