/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "loop/resolve.h"

#define MINUTE (60 * USEC_PER_SEC)

static struct ev_loop *loop;
static unsigned calls;           /* of fake_resolve(), read when the resolver is at rest */
static sem_t entered, let, left; /* "gate" enters, waits to be let go, and leaves */
static bool signals_blocked;
static char order[64];

static void put(struct resolve_query *answer, const char *address)
{
    (void)snprintf(answer->addresses[answer->count++], INET6_ADDRSTRLEN, "%s", address);
}

static int fake_resolve(const char *host, struct resolve_query *answer)
{
    __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    if (strcmp(host, "three") == 0) {
        put(answer, "10.0.0.1");
        put(answer, "10.0.0.2");
        put(answer, "::3");
    } else if (strcmp(host, "gate") == 0) {
        sigset_t blocked;
        (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
        signals_blocked = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGCHLD);
        sem_post(&entered);
        while (sem_wait(&let) < 0) {
        }
        put(answer, "10.0.0.9");
        sem_post(&left);
    } else if (strcmp(host, "missing") == 0) {
        (void)snprintf(answer->reason, sizeof answer->reason, "no such thing");
        return -ENOENT;
    } else if (strcmp(host, "empty") != 0) {
        put(answer, "10.1.0.1");
    }
    return 0;
}

struct asked {
    struct resolve_query query;
    unsigned answered;
    char tag;
    struct resolver *resolver;
    struct asked *cancels, *asks;
    const char *host;
};

static void on_done(struct resolve_query *query)
{
    struct asked *asked = CONTAINER_OF(query, struct asked, query);
    size_t used = strlen(order);

    asked->answered++;
    if (asked->tag && used + 1 < sizeof order) {
        order[used] = asked->tag;
        order[used + 1] = '\0';
    }
    if (asked->cancels) {
        resolver_cancel(asked->resolver, &asked->cancels->query);
    }
    if (asked->asks) {
        asked->asks->query.done = on_done;
        assert_int_equal(resolver_lookup(asked->resolver, asked->host, &asked->asks->query), 0);
    }
}

static int lookup(struct resolver *resolver, const char *host, struct asked *asked)
{
    asked->resolver = resolver;
    asked->query.done = on_done;
    return resolver_lookup(resolver, host, &asked->query);
}

/* Looks up and waits for the answer if there is none at once. */
static const struct resolve_query *resolve(struct resolver *resolver, const char *host,
                                           struct asked *asked)
{
    int r = lookup(resolver, host, asked);

    assert_in_range(r, 0, 1);
    if (r == 0) {
        unsigned before = asked->answered;
        ev_run(loop, 0); /* ends when nothing is asked for any more */
        assert_int_equal(asked->answered, before + 1);
    }
    return &asked->query;
}

static int set_up(void **state _unused_)
{
    calls = 0;
    order[0] = '\0';
    loop = ev_loop_new(EVFLAG_AUTO);
    (void)sem_init(&entered, 0, 0);
    (void)sem_init(&let, 0, 0);
    (void)sem_init(&left, 0, 0);
    return loop ? 0 : -1;
}

static int tear_down(void **state _unused_)
{
    ev_loop_destroy(loop);
    return 0;
}

static void test_turns_and_demotion(void **state _unused_)
{
    _cleanup_(resolver_freep) struct resolver *resolver = NULL;
    static const char *const turns[] = {"10.0.0.1", "10.0.0.2", "::3", "10.0.0.1"};
    struct asked asked = {0};

    assert_int_equal(resolver_new(&resolver, loop, MINUTE, fake_resolve), 0);
    for (size_t i = 0; i < ELEMENTSOF(turns); i++) {
        const struct resolve_query *query = resolve(resolver, "three", &asked);
        assert_int_equal(query->result, 0);
        assert_int_equal(query->count, 3);
        assert_string_equal(query->addresses[0], turns[i]);
        for (size_t j = 1; j < 3; j++) { /* all others behind it, in order */
            assert_string_equal(query->addresses[j], turns[(i + j) % 3]);
        }
    }
    assert_int_equal(calls, 1);
    assert_int_equal(asked.answered, 1); /* the others at once */
    assert_int_equal(asked.query.elapsed_usec, 0);

    resolver_demote(resolver, "three", "10.0.0.2");
    resolver_demote(resolver, "three", "10.9.9.9");
    resolver_demote(resolver, "unknown", "10.0.0.2");
    unsigned first[2] = {0};
    for (int i = 0; i < 10; i++) {
        const struct resolve_query *query = resolve(resolver, "three", &asked);
        assert_int_equal(query->count, 3);
        assert_string_equal(query->addresses[2], "10.0.0.2");
        first[strcmp(query->addresses[0], "::3") == 0]++;
    }
    assert_int_equal(first[0], 5); /* the usable ones still in equal parts */
    assert_int_equal(first[1], 5);
    resolver_demote(resolver, "three", "10.0.0.1");
    resolver_demote(resolver, "three", "::3");
    assert_int_equal(resolve(resolver, "three", &asked)->count, 3); /* all bad: still all there */
}

/* Who asks while the name is being looked up gets the same answer, each in his turn. */
static void test_coalescing(void **state _unused_)
{
    _cleanup_(resolver_freep) struct resolver *resolver = NULL;
    struct asked gate = {.tag = 'g'}, three[3] = {{.tag = '0'}, {.tag = '1'}, {.tag = '2'}};

    assert_int_equal(resolver_new(&resolver, loop, MINUTE, fake_resolve), 0);
    assert_int_equal(lookup(resolver, "gate", &gate), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lookup(resolver, "three", &three[i]), 0);
    }
    sem_post(&let);
    ev_run(loop, 0);
    assert_string_equal(order, "g012");
    assert_int_equal(calls, 2);
    assert_true(signals_blocked);
    assert_string_equal(three[0].query.addresses[0], "10.0.0.1");
    assert_string_equal(three[1].query.addresses[0], "10.0.0.2");
    assert_string_equal(three[2].query.addresses[0], "::3");
    assert_true(gate.query.elapsed_usec < MINUTE);
}

static void test_failures(void **state _unused_)
{
    static char host[300];
    _cleanup_(resolver_freep) struct resolver *resolver = NULL;
    struct asked asked = {0};

    assert_int_equal(resolver_new(&resolver, loop, MINUTE, fake_resolve), 0);
    assert_int_equal(resolve(resolver, "missing", &asked)->result, -ENOENT);
    assert_string_equal(asked.query.reason, "no such thing");
    assert_int_equal(asked.query.count, 0);
    assert_int_equal(resolve(resolver, "empty", &asked)->result, -ENOENT);
    assert_true(asked.query.reason[0]);
    assert_int_equal(resolve(resolver, "three", &asked)->result, 0);
    assert_string_equal(asked.query.reason, "");
    assert_int_equal(calls, 3);
    memset(host, 'x', sizeof host - 1);
    assert_int_equal(lookup(resolver, host, &asked), 1);
    assert_int_equal(asked.query.result, -ENOENT);
    assert_int_equal(lookup(resolver, "", &asked), 1);
    assert_int_equal(asked.query.result, -ENOENT);
    host[255] = '\0';
    assert_int_equal(resolve(resolver, host, &asked)->result, 0);
    assert_int_equal(calls, 4);
}

static void test_ttl(void **state _unused_)
{
    struct resolver *resolver = NULL;
    struct asked asked = {0};

    assert_int_equal(resolver_new(&resolver, loop, 0, fake_resolve), 0);
    for (unsigned i = 1; i <= 3; i++) {
        (void)resolve(resolver, "three", &asked);
        assert_int_equal(calls, i);
        resolver_demote(resolver, "three", "10.0.0.2"); /* forgotten with each new answer */
    }
    assert_string_equal(asked.query.addresses[0], "::3");
    assert_string_equal(asked.query.addresses[2], "10.0.0.2");
    resolver = resolver_free(resolver);

    calls = 0;
    assert_int_equal(resolver_new(&resolver, loop, UINT64_MAX, fake_resolve), 0);
    for (unsigned i = 0; i < 3; i++) {
        (void)resolve(resolver, "three", &asked);
        (void)resolve(resolver, "missing", &asked); /* failures are kept too */
    }
    assert_int_equal(calls, 2);
    resolver_free(resolver);
}

static void test_cancel(void **state _unused_)
{
    _cleanup_(resolver_freep) struct resolver *resolver = NULL;
    struct asked queries[4] = {{.tag = '0'}, {.tag = '1'}, {.tag = '2'}, {.tag = '3'}};
    struct asked later = {.tag = 'l'};

    assert_int_equal(resolver_new(&resolver, loop, MINUTE, fake_resolve), 0);
    resolver_cancel(resolver, &later.query); /* never asked */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(lookup(resolver, "gate", &queries[i]), 0);
    }
    resolver_cancel(resolver, &queries[3].query); /* the last, the list goes on behind it */
    resolver_cancel(resolver, &queries[3].query);
    assert_int_equal(lookup(resolver, "gate", &later), 0);
    queries[0].cancels = &queries[1]; /* from a callback, when it is answered already */
    sem_post(&let);
    ev_run(loop, 0);
    assert_string_equal(order, "02l");
    resolver_cancel(resolver, &queries[0].query); /* not waiting any more */

    /* All gone: the answer is kept all the same. */
    assert_int_equal(lookup(resolver, "three", &queries[1]), 0);
    resolver_cancel(resolver, &queries[1].query);
    ev_run(loop, 0);
    assert_int_equal(lookup(resolver, "three", &queries[1]), 1);
}

static void test_lookup_from_done(void **state _unused_)
{
    _cleanup_(resolver_freep) struct resolver *resolver = NULL;
    struct asked second = {.tag = 'b'}, first = {.tag = 'a', .asks = &second, .host = "three"};

    assert_int_equal(resolver_new(&resolver, loop, 0, fake_resolve), 0);
    assert_int_equal(lookup(resolver, "three", &first), 0);
    ev_run(loop, 0);
    assert_string_equal(order, "ab");
    assert_int_equal(calls, 2);
}

/* More names than are kept: the oldest are asked for anew, and only they. */
static void test_limit(void **state _unused_)
{
    enum { KEPT = 10000 };
    _cleanup_(resolver_freep) struct resolver *resolver = NULL;
    struct asked asked = {0}, *many = calloc(KEPT, sizeof *many);
    char host[32];

    assert_non_null(many);
    assert_int_equal(resolver_new(&resolver, loop, MINUTE, fake_resolve), 0);
    for (size_t i = 0; i < KEPT; i++) {
        (void)snprintf(host, sizeof host, "host%zu", i);
        assert_int_equal(lookup(resolver, host, &many[i]), 0);
    }
    ev_run(loop, 0);
    assert_int_equal(calls, KEPT);
    (void)resolve(resolver, "one-more", &asked);
    assert_int_equal(calls, KEPT + 1);
    assert_int_equal(lookup(resolver, "host1", &asked), 1);
    (void)resolve(resolver, "host0", &asked);
    assert_int_equal(calls, KEPT + 2);
    free(many);
}

/* Names that are all being looked up can't make room. */
static void test_limit_of_pending(void **state _unused_)
{
    enum { KEPT = 10000 };
    _cleanup_(resolver_freep) struct resolver *resolver = NULL;
    struct asked gate = {0}, asked = {0}, *many = calloc(KEPT, sizeof *many);
    char host[32];

    assert_non_null(many);
    assert_int_equal(resolver_new(&resolver, loop, MINUTE, fake_resolve), 0);
    assert_int_equal(lookup(resolver, "gate", &gate), 0);
    for (size_t i = 1; i < KEPT; i++) {
        (void)snprintf(host, sizeof host, "host%zu", i);
        assert_int_equal(lookup(resolver, host, &many[i]), 0);
    }
    assert_int_equal(lookup(resolver, "one-more", &asked), -ENOMEM);
    assert_int_equal(lookup(resolver, "host1", &asked),
                     0); /* a known one can still be waited for */
    sem_post(&let);
    ev_run(loop, 0);
    assert_int_equal(asked.answered, 1);
    (void)resolve(resolver, "one-more", &asked);
    free(many);
}

static void test_freed_unused(void **state _unused_)
{
    struct resolver *resolver = NULL;

    assert_null(resolver_free(NULL));
    assert_int_equal(resolver_new(&resolver, loop, MINUTE, fake_resolve), 0);
    assert_null(resolver_free(resolver));
}

/* The thread is inside the resolve function, with another job waiting: free returns all the same,
 * no done() is called, and the thread finds its state alive. */
static void test_freed_while_pending(void **state _unused_)
{
    struct resolver *resolver = NULL;
    struct asked gate = {0}, three = {0};

    assert_int_equal(resolver_new(&resolver, loop, MINUTE, fake_resolve), 0);
    assert_int_equal(lookup(resolver, "gate", &gate), 0);
    assert_int_equal(lookup(resolver, "three", &three), 0);
    while (sem_wait(&entered) < 0) {
    }
    resolver_free(resolver);
    ev_run(loop, 0); /* nothing left to wait for */
    assert_int_equal(gate.answered + three.answered, 0);
    sem_post(&let);
    while (sem_wait(&left) < 0) {
    }
}

/* Answered, but the loop hasn't run since. */
static void test_freed_with_answers(void **state _unused_)
{
    struct resolver *resolver = NULL;
    struct asked three = {0}, gate = {0};

    assert_int_equal(resolver_new(&resolver, loop, MINUTE, fake_resolve), 0);
    assert_int_equal(lookup(resolver, "three", &three), 0);
    assert_int_equal(lookup(resolver, "gate", &gate), 0);
    while (sem_wait(&entered) < 0) { /* so the first is finished */
    }
    sem_post(&let);
    resolver_free(resolver);
    assert_int_equal(three.answered + gate.answered, 0);
    while (sem_wait(&left) < 0) {
    }
}

static void test_getaddrinfo(void **state _unused_)
{
    _cleanup_(resolver_freep) struct resolver *resolver = NULL;
    struct asked asked = {0};

    assert_int_equal(resolver_new(&resolver, loop, MINUTE, NULL), 0);
    assert_int_equal(resolve(resolver, "localhost", &asked)->result, 0);
    assert_in_range(asked.query.count, 1, RESOLVE_MAX_ADDRESSES);
    for (size_t i = 0; i < asked.query.count; i++) {
        assert_true(strcmp(asked.query.addresses[i], "127.0.0.1") == 0 ||
                    strcmp(asked.query.addresses[i], "::1") == 0);
    }
    assert_int_equal(resolve(resolver, "127.0.0.7", &asked)->result, 0);
    assert_string_equal(asked.query.addresses[0], "127.0.0.7");
    /* Not a name that any server is asked for. */
    assert_true(resolve(resolver, "no..such", &asked)->result < 0);
    assert_true(asked.query.reason[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_turns_and_demotion, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_coalescing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ttl, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lookup_from_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit_of_pending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_freed_unused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_freed_while_pending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_freed_with_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_getaddrinfo, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
