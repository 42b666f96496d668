/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "run/addresses.h"

struct fixture {
    char root[32], folder[64], socket[96];
};

static int set_up(void **state)
{
    static struct fixture f;

    strcpy(f.root, "/tmp/loads-test-XXXXXX");
    assert_non_null(mkdtemp(f.root));
    (void)snprintf(f.folder, sizeof f.folder, "%s/loads", f.root);
    (void)snprintf(f.socket, sizeof f.socket, "%s/frontend.sock", f.folder);
    assert_int_equal(mkdir(f.folder, 0700), 0);
    assert_int_equal(unsetenv("RUNTIME_DIRECTORY"), 0);
    assert_int_equal(setenv("XDG_RUNTIME_DIR", f.root, 1), 0);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    (void)unlink(f->socket); /* only some tests make it */
    assert_int_equal(rmdir(f->folder), 0);
    assert_int_equal(rmdir(f->root), 0);
    return 0;
}

static void assert_directory(const char *expected)
{
    _cleanup_free_ char *directory = NULL;

    assert_int_equal(addresses_directory(&directory), 0);
    assert_string_equal(directory, expected);
}

static void assert_broker(const char *expected)
{
    _cleanup_free_ char *address = NULL;

    assert_int_equal(addresses_broker(&address, NULL), 0);
    assert_string_equal(address, expected);
}

static void test_directory(void **state)
{
    struct fixture *f = *state;

    assert_directory(f->folder);
    assert_int_equal(setenv("RUNTIME_DIRECTORY", "/run/loads:/run/more", 1), 0);
    assert_directory("/run/loads");
    assert_int_equal(setenv("RUNTIME_DIRECTORY", "relative", 1), 0);
    assert_directory(f->folder);
    assert_int_equal(setenv("XDG_RUNTIME_DIR", "relative", 1), 0);
    assert_directory("/run/loads");
    assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
    assert_directory("/run/loads");
}

static void test_socket(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *address = NULL;
    char expected[128];

    (void)snprintf(expected, sizeof expected, "ipc://%s/agent-1.sock", f->folder);
    assert_int_equal(addresses_socket("agent-1", &address, NULL), 0);
    assert_string_equal(address, expected);
}

/* Of the session if somebody has made it there, else the system's. */
static void test_broker(void **state)
{
    struct fixture *f = *state;
    char expected[128];

    assert_broker("ipc:///run/loads/frontend.sock");
    int fd = open(f->socket, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close_fd(fd);
    (void)snprintf(expected, sizeof expected, "ipc://%s", f->socket);
    assert_broker(expected);
    assert_int_equal(setenv("RUNTIME_DIRECTORY", "/run/other", 1), 0); /* where daemons listen */
    assert_broker(expected);
    assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
    assert_broker("ipc:///run/loads/frontend.sock");
}

static void test_too_long(void **state _unused_)
{
    char long_path[200] = "/", *address = NULL;
    struct error error;

    memset(long_path + 1, 'x', 95);
    assert_int_equal(setenv("XDG_RUNTIME_DIR", long_path, 1), 0);
    assert_int_equal(addresses_socket("a", &address, &error), -ENAMETOOLONG);
    assert_non_null(strstr(error.text, "XDG_RUNTIME_DIR"));
    assert_null(address);
    assert_broker("ipc:///run/loads/frontend.sock");
    long_path[95] = '\0'; /* 94 and "/loads/a.sock" */
    assert_int_equal(setenv("XDG_RUNTIME_DIR", long_path, 1), 0);
    assert_int_equal(addresses_socket("a", &address, &error), -ENAMETOOLONG);
    long_path[94] = '\0';
    assert_int_equal(setenv("XDG_RUNTIME_DIR", long_path, 1), 0);
    assert_int_equal(addresses_socket("a", &address, &error), 0);
    assert_int_equal(strlen(address), strlen("ipc://") + ADDRESS_MAX_SOCKET_BYTES);
    free(address);
}

static void test_reach(void **state _unused_)
{
    static const struct {
        const char *listens, *dialled, *expected;
    } cases[] = {
        {"tcp://0.0.0.0:7781", "tcp://box1:7780", "tcp://box1:7781"},
        {"tcp://*:7781", "tcp://10.0.0.1:7780", "tcp://10.0.0.1:7781"},
        {"tcp://[::]:7781", "tcp://[fe80::1]:7780", "tcp://[fe80::1]:7781"},
        {"tcp://:::7781", "tcp://box1", "tcp://box1:7781"},
        {"tcp://10.0.0.2:7781", "tcp://box1:7780", "tcp://10.0.0.2:7781"},
        {"tcp://0.0.0.0:7781", "ipc:///run/loads/frontend.sock", "tcp://0.0.0.0:7781"},
        {"ipc:///run/loads/backend.sock", "tcp://box1:7780", "ipc:///run/loads/backend.sock"},
        {"", "", ""},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_free_ char *address = NULL;
        assert_int_equal(addresses_reach(cases[i].listens, cases[i].dialled, &address), 0);
        assert_string_equal(address, cases[i].expected);
    }
}

static void test_local(void **state _unused_)
{
    static const struct {
        const char *address;
        int result;
    } cases[] = {
        {"ipc:///run/loads/backend.sock", 0},
        {"ipc://@name", 0},
        {"tcp://127.0.0.1:7781", 0},
        {"tcp://127.1.2.3:*", 0},
        {"tcp://localhost:7781", 0},
        {"tcp://[::1]:7781", 0},
        {"tcp://0.0.0.0:7781", -EPERM},
        {"tcp://*:7781", -EPERM},
        {"tcp://[::]:7781", -EPERM},
        {"tcp://10.0.0.1:7781", -EPERM},
        {"tcp://127.0.0.1.example.org:7781", -EPERM},
        {"tcp://localhost.example.org:7781", -EPERM},
        {"tcp://eth0:7781", -EPERM},
        {"tcp://", -EINVAL},
        {"ipc://", -EINVAL},
        {"", -EINVAL},
        {"udp://127.0.0.1:1", -EINVAL},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct error error = {0};
        assert_int_equal(addresses_check_local(cases[i].address, &error), cases[i].result);
        assert_int_equal(error.code, cases[i].result);
    }
}

static void test_passed(void **state _unused_)
{
    struct mq_socket_options options = {.type = MQ_ROUTER};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct mq_socket *socket = NULL;
    struct mq *mq = NULL;

    assert_int_equal(mq_new(&mq, loop), 0);
    assert_int_equal(mq_socket_new(&socket, mq, &options, NULL), 0);
    assert_int_equal(mq_socket_bind(socket, "tcp://127.0.0.1:*", NULL), 0);
    assert_true(addresses_was_passed("ipc:///run/loads/frontend.sock", socket));
    assert_true(addresses_was_passed(mq_socket_endpoint(socket, 0), socket));
    assert_false(addresses_was_passed("tcp://127.0.0.1:1", socket));
    assert_false(addresses_was_passed("tcp://127.0.0.1:*", socket));
    mq_socket_free(socket);
    mq_free(mq);
    ev_loop_destroy(loop);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_directory), TEST(test_socket), TEST(test_broker), TEST(test_too_long),
        TEST(test_reach),     TEST(test_local),  TEST(test_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
