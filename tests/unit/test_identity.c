/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "run/identity.h"
#include "run/key_file.h"
#include "temporary_dir.h"

#define ADDRESS "tcp://box1:7780"

static struct error error;
static struct ev_loop *loop;
static struct mq *mq;

static int set_up(void **state)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    return enter_temporary_dir(state) == 0 && loop && mq_new(&mq, loop) == 0 &&
                   setenv("XDG_CONFIG_HOME", temporary_dir, 1) == 0 &&
                   unsetenv("CREDENTIALS_DIRECTORY") == 0
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    mq = mq_free(mq);
    ev_loop_destroy(loop);
    return leave_temporary_dir(state);
}

static void make_key(const char *path, struct key_file *ret)
{
    assert_int_equal(key_file_make(path, "ada", ret, &error), 0);
}

static void test_own_path(void **state _unused_)
{
    _cleanup_free_ char *config = NULL, *home = NULL;
    char expected[128];

    assert_int_equal(identity_own_path("key", &config), 0);
    (void)snprintf(expected, sizeof expected, "%s/loads/key", temporary_dir);
    assert_string_equal(config, expected);
    assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
    assert_int_equal(setenv("HOME", "/home/ada", 1), 0);
    assert_int_equal(identity_own_path("key", &home), 0);
    assert_string_equal(home, "/home/ada/.config/loads/key");
}

static void test_who_is_not_known_gets_no_key(void **state _unused_)
{
    struct key_file key;

    assert_int_equal(identity_assume(mq, "ipc:///run/loads/frontend.sock", &error), 0);
    assert_int_equal(identity_assume(mq, ADDRESS, &error), 0);
    make_key("other", &key);
    assert_int_equal(identity_trust(NULL, "tcp://box2:7780", key.pair.public_key.text, &error), 1);
    assert_int_equal(identity_assume(mq, ADDRESS, &error), 0);
}

static void test_who_is_known_does(void **state _unused_)
{
    struct key_file brokers, own;

    make_key("other", &brokers);
    assert_int_equal(identity_trust(NULL, ADDRESS, brokers.pair.public_key.text, &error), 1);
    assert_int_equal(identity_assume(mq, ADDRESS, &error), -ENOENT);
    assert_non_null(strstr(error.text, "loadsctl keygen"));
    make_key("loads/key", &own);
    assert_int_equal(identity_assume(mq, ADDRESS, &error), 1);
    assert_int_equal(chmod("loads/key", 0604), 0);
    assert_int_equal(identity_assume(mq, ADDRESS, &error), -EPERM);
}

/* A service has its own, which come first. */
static void test_credentials(void **state _unused_)
{
    struct key_file brokers, own;
    char line[128];

    make_key("other", &brokers);
    make_key("key", &own);
    (void)snprintf(line, sizeof line, ADDRESS " %s\n", brokers.pair.public_key.text);
    write_file("known_brokers", line, 0600);
    assert_int_equal(identity_assume(mq, ADDRESS, &error), 0);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", temporary_dir, 1), 0);
    assert_int_equal(identity_assume(mq, ADDRESS, &error), 1);
}

/* What the first of the files doesn't know is in the next; what both know, the first says. */
static void test_several_files(void **state _unused_)
{
    struct key_file one, other;
    struct identity identity;
    char lines[256];

    make_key("loads/key", &one);
    make_key("other", &other);
    const char *key = one.pair.public_key.text, *others = other.pair.public_key.text;
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", temporary_dir, 1), 0);
    assert_int_equal(identity_trust(NULL, ADDRESS, key, &error), 1);
    assert_int_equal(identity_trust(NULL, "tcp://box2:7780", key, &error), 1);
    (void)snprintf(lines, sizeof lines, ADDRESS " %s\ntcp://box3:7780 %s\n", others, others);
    write_file("known_brokers", lines, 0600);
    assert_int_equal(identity_find(ADDRESS, &identity, &error), 1);
    assert_string_equal(identity.broker.text, others);
    assert_int_equal(identity_find("tcp://box2:7780", &identity, &error), 1);
    assert_string_equal(identity.broker.text, key);
    assert_int_equal(identity_find("tcp://box3:7780", &identity, &error), 1);
    assert_string_equal(identity.broker.text, others);
    assert_int_equal(identity_check(ADDRESS, others, &error), 1);
    assert_int_equal(identity_check("tcp://box4:7780", key, &error), 0);
    assert_int_equal(identity_check(ADDRESS, key, &error), -EEXIST);
    assert_non_null(strstr(error.text, temporary_dir));
    assert_null(strstr(error.text, "loads/known_brokers"));
}

/* It is everybody's to read, with lines that somebody has written by hand. */
static void test_trust_in_a_file(void **state _unused_)
{
    struct key_file one;
    struct stat status;
    char expected[256];

    make_key("one", &one);
    const char *key = one.pair.public_key.text;
    mode_t umask_before = umask(077);
    assert_int_equal(identity_trust("made/known", ADDRESS, key, &error), 1);
    (void)umask(umask_before);
    assert_int_equal(stat("made/known", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    assert_int_equal(identity_trust("made/known", ADDRESS, key, &error), 0);
    assert_int_equal(identity_check(ADDRESS, key, &error), 0);
    write_file("made/known", "# ours", 0600);
    assert_int_equal(identity_trust("made/known", ADDRESS, key, &error), 1);
    (void)snprintf(expected, sizeof expected, "# ours\n" ADDRESS " %s\n", key);
    check_file("made/known", expected);
    assert_int_equal(stat("made/known", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void test_trust(void **state _unused_)
{
    struct key_file one, other;
    const char *key = one.pair.public_key.text;

    make_key("one", &one);
    make_key("other", &other);
    assert_int_equal(identity_trust(NULL, "ipc:///x", key, &error), -EINVAL);
    assert_int_equal(identity_trust(NULL, "tcp://a b", key, &error), -EINVAL);
    assert_int_equal(identity_trust(NULL, ADDRESS, "key", &error), -EINVAL);
    assert_int_equal(identity_trust(NULL, ADDRESS, key, &error), 1);
    assert_int_equal(identity_trust(NULL, ADDRESS, key, &error), 0);
    assert_int_equal(identity_trust(NULL, ADDRESS, other.pair.public_key.text, &error), -EEXIST);
    assert_int_equal(identity_trust(NULL, "tcp://box2:7780", other.pair.public_key.text, &error),
                     1);
}

static void test_files_that_make_no_sense(void **state _unused_)
{
    static const char *const lines[] = {ADDRESS, ADDRESS " key", "x y z", ADDRESS " a b c"};
    char text[256];

    assert_int_equal(mkdir("loads", 0700), 0);
    for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
        (void)snprintf(text, sizeof text, "# known\n\n%s\n", lines[i]);
        write_file("loads/known_brokers", text, 0600);
        assert_int_equal(identity_assume(mq, ADDRESS, &error), -EINVAL);
        assert_non_null(strstr(error.text, "known_brokers:3: ADDRESS PUBLICKEY is expected"));
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_own_path),
        TEST(test_who_is_not_known_gets_no_key),
        TEST(test_who_is_known_does),
        TEST(test_credentials),
        TEST(test_several_files),
        TEST(test_trust_in_a_file),
        TEST(test_trust),
        TEST(test_files_that_make_no_sense),
    };
    return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
