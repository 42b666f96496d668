/* SPDX-License-Identifier: MPL-2.0 */
/* The libcurl transport against the TLS server of the openssl command, with a certificate made
 * here. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "loop/curl.h"
#include "loop/transport.h"
#include "loop/url.h"

static char directory[] = "/tmp/loads-test-tls-XXXXXX";
static char certificate[64], key[64];
static pid_t server;
static FILE *server_output; /* open until the end, so that the server can write */
static unsigned port;

/* Runs a program, its output into a pipe if `ret_fd` is given. */
static pid_t run(const char *const argv[], int *ret_fd)
{
    posix_spawn_file_actions_t actions;
    int fds[2] = {-1, -1};
    pid_t pid;
    int r;

    if (ret_fd && pipe2(fds, O_CLOEXEC) < 0) {
        return -1;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (ret_fd) {
        posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    }
    r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close_fd(fds[1]);
    if (ret_fd) {
        *ret_fd = fds[0];
    }
    return r == 0 ? pid : -1;
}

static int make_certificate(void)
{
    const char *argv[] = {"openssl",
                          "req",
                          "-x509",
                          "-newkey",
                          "ec",
                          "-pkeyopt",
                          "ec_paramgen_curve:prime256v1",
                          "-nodes",
                          "-subj",
                          "/CN=test",
                          "-addext",
                          "subjectAltName=DNS:right.invalid",
                          "-keyout",
                          key,
                          "-out",
                          certificate,
                          NULL};
    pid_t pid = run(argv, NULL);
    int status;

    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

/* Starts the server and reads its port from "ACCEPT 127.0.0.1:12345". */
static int start_server(void **state _unused_)
{
    const char *argv[] = {"openssl", "s_server",  "-accept", "127.0.0.1:0", "-www",
                          "-cert",   certificate, "-key",    key,           NULL};
    char line[256];
    int fd = -1;

    if (!mkdtemp(directory)) {
        return -1;
    }
    (void)snprintf(certificate, sizeof certificate, "%s/cert.pem", directory);
    (void)snprintf(key, sizeof key, "%s/key.pem", directory);
    (void)signal(SIGPIPE, SIG_IGN);
    if (make_certificate() < 0) {
        return -1;
    }
    server = run(argv, &fd);
    server_output = server > 0 ? fdopen(fd, "r") : NULL;
    while (server_output && fgets(line, sizeof line, server_output)) {
        if (sscanf(line, "ACCEPT 127.0.0.1:%u", &port) == 1) {
            return 0;
        }
    }
    return -1;
}

static int stop_server(void **state _unused_)
{
    if (server > 0) {
        (void)kill(server, SIGKILL);
        (void)waitpid(server, NULL, 0);
    }
    if (server_output) {
        (void)fclose(server_output);
    }
    (void)unlink(certificate);
    (void)unlink(key);
    (void)rmdir(directory);
    return 0;
}

static void ignore_header(struct exchange *exchange _unused_, const char *line _unused_,
                          size_t size _unused_)
{
}

static bool ignore_body(struct exchange *exchange _unused_, const void *bytes _unused_,
                        size_t size _unused_)
{
    return true;
}

static void note_done(struct exchange *exchange)
{
    (*(unsigned *)exchange->context)++;
}

/* Some exchanges at once, each on a connection of its own, with a host, which is this server
 * whatever its name; then the file is removed, if one is given, and all are made again. */
static void perform_all(const struct transport_curl_options *options, const char *host,
                        struct exchange *exchanges, size_t n, const char *removed)
{
    static const struct exchange_callbacks callbacks = {
        .header = ignore_header, .body = ignore_body, .done = note_done};
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct transport *transport = NULL;
    struct connections *users[4];
    struct url_cache *urls = NULL;
    char url[128];
    unsigned done = 0;

    (void)snprintf(url, sizeof url, "https://%s:%u/", host, port);
    assert_true(n <= ELEMENTSOF(users));
    assert_int_equal(url_cache_new(&urls, 1), 0);
    assert_int_equal(transport_curl_new(&transport, loop, options), 0);
    for (unsigned round = 0; round < (removed ? 2 : 1); round++) {
        for (size_t i = 0; i < n; i++) {
            exchanges[i] = (struct exchange){
                .method = "GET", .address = "127.0.0.1", .callbacks = &callbacks, .context = &done};
            assert_int_equal(url_get(urls, NULL, url, &exchanges[i].url, NULL), 0);
            assert_int_equal(connections_new(transport, &users[i]), 0);
            assert_int_equal(exchange_start(transport, users[i], &exchanges[i]), 0);
        }
        ev_run(loop, 0);
        assert_int_equal(done, (round + 1) * n);
        for (size_t i = 0; i < n; i++) {
            url_unref(exchanges[i].url);
            connections_free(users[i]);
        }
        if (removed) {
            (void)unlink(removed); /* gone after the first round */
        }
    }
    transport_free(transport);
    url_cache_free(urls);
    ev_loop_destroy(loop);
}

static void perform(const struct transport_curl_options *options, const char *host,
                    struct exchange *exchange)
{
    perform_all(options, host, exchange, 1, NULL);
}

static void test_trusted(void **state _unused_)
{
    const struct transport_curl_options options = {.ca_file = certificate};
    struct exchange exchange;

    perform(&options, "right.invalid", &exchange);
    assert_string_equal(exchange.error_text, "");
    assert_int_equal(exchange.status, 200);
    assert_true(exchange.timing.tls_usec > 0);
}

static void test_insecure(void **state _unused_)
{
    const struct transport_curl_options options = {.insecure = true};
    struct exchange exchange;

    perform(&options, "wrong.invalid", &exchange);
    assert_string_equal(exchange.error_text, "");
    assert_int_equal(exchange.status, 200);
}

static void test_refused(void **state _unused_)
{
    const struct transport_curl_options trusting = {.ca_file = certificate},
                                        missing = {.ca_file = "/nowhere/at/all.pem"};
    struct exchange exchange;

    perform(NULL, "right.invalid", &exchange); /* nobody has signed it */
    assert_int_equal(exchange.error, TRANSPORT_TLS);
    assert_non_null(strstr(exchange.error_text, "certificate"));
    perform(&trusting, "wrong.invalid", &exchange);
    assert_int_equal(exchange.error, TRANSPORT_TLS);
    assert_non_null(strstr(exchange.error_text, "wrong.invalid"));
    perform(&missing, "right.invalid", &exchange);
    assert_int_equal(exchange.error, TRANSPORT_TLS);
    assert_int_equal(exchange.status, 0);
}

/* No time for more than one in a turn: they come in the next ones. */
static void test_in_turns(void **state _unused_)
{
    const struct transport_curl_options options = {.ca_file = certificate, .opening_usec = 1};
    struct exchange exchanges[4];

    perform_all(&options, "right.invalid", exchanges, ELEMENTSOF(exchanges), NULL);
    for (size_t i = 0; i < ELEMENTSOF(exchanges); i++) {
        assert_string_equal(exchanges[i].error_text, "");
        assert_int_equal(exchanges[i].status, 200);
    }
}

/* Authorities are read once, not for each connection: the system's are many. Since libcurl 7.87. */
static void test_read_once(void **state _unused_)
{
    char copy[128];
    const struct transport_curl_options options = {.ca_file = copy};
    struct exchange exchange;

    (void)snprintf(copy, sizeof copy, "%s.copy", certificate);
    assert_int_equal(link(certificate, copy), 0);
    perform_all(&options, "right.invalid", &exchange, 1, copy);
    assert_string_equal(exchange.error_text, "");
    assert_int_equal(exchange.status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trusted),   cmocka_unit_test(test_insecure),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_in_turns),
        cmocka_unit_test(test_read_once),
    };
    return cmocka_run_group_tests_name("curl_tls", tests, start_server, stop_server);
}
