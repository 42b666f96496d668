/* SPDX-License-Identifier: MPL-2.0 */
/* How iterations begin and end, and what an iteration has beside requests. What ran is told on
 * standard error: at the end of an iteration nothing else of the API may work. */
#include <stdio.h>
#include <string.h>

#include <loads/loads.h>

static void say(void *what)
{
    (void)fprintf(stderr, "%s\n", (const char *)what);
}

static void clean(const char **what)
{
    (void)fprintf(stderr, "clean %s\n", *what);
}

#define CLEANED(name) __attribute__((cleanup(clean), unused)) const char *name = #name

/* Two frames with something to clean, two deferred functions, then what the caller wants. */
static __attribute__((noinline)) void end_inside(loads_user *user, void (*how)(loads_user *user))
{
    CLEANED(inner);

    how(user);
}

static void end_by(loads_user *user, void (*how)(loads_user *user))
{
    CLEANED(outer);

    loads_defer(user, say, "deferred first");
    loads_defer(user, say, "deferred second");
    end_inside(user, how);
    (void)fputs("went on\n", stderr);
}

static void return_at_once(loads_user *user)
{
    (void)user;
}

static void fail_assertion(loads_user *user)
{
    (void)user;
    loads_fail("as planned");
}

static void get_no_answer(loads_user *user)
{
    (void)loads_get(user, "/reset");
}

static void sleep_long(loads_user *user)
{
    loads_sleep(user, 1000);
}

static void wait_long(loads_user *user)
{
    (void)loads_get(user, "/hang");
}

static void resolve_and_hang(loads_user *user)
{
    (void)loads_get(
        user, loads_printf(user, "http://localhost%s/hang", strrchr(loads_server_url(user), ':')));
}

LOADS_TEST(TestEnd, test_return)
{
    end_by(user, return_at_once);
}

LOADS_TEST(TestEnd, test_failure)
{
    end_by(user, fail_assertion);
}

LOADS_TEST(TestEnd, test_error)
{
    end_by(user, get_no_answer);
}

LOADS_TEST(TestEnd, test_cut_asleep)
{
    end_by(user, sleep_long);
}

LOADS_TEST(TestEnd, test_cut_waiting)
{
    end_by(user, wait_long);
}

LOADS_TEST(TestEnd, test_cut_by_name)
{
    end_by(user, resolve_and_hang);
}

/* ---- what deferred functions may do ---- */

static void request_deferred(void *argument)
{
    loads_user *user = argument;
    loads_assert_int_eq(loads_get(user, "/status/201")->status, 201);
    loads_incr_counter(user, "deferred");
}

LOADS_TEST(TestDeferred, test_request)
{
    loads_defer(user, request_deferred, user);
    loads_fail("as planned");
}

static void fail_deferred(void *argument)
{
    (void)argument;
    loads_fail("in the deferred function");
}

LOADS_TEST(TestDeferred, test_failure)
{
    loads_defer(user, say, "last");
    loads_defer(user, fail_deferred, NULL);
}

static void use_api(loads_user **user)
{
    loads_response *res = loads_get(*user, "/any");
    loads_incr_counter(*user, "while unwinding");
    loads_sleep(*user, 1000);
    (void)fprintf(stderr, "status %d: %s\n", res->status, res->error);
}

LOADS_TEST(TestDeferred, test_api_while_unwinding)
{
    __attribute__((cleanup(use_api), unused)) loads_user *mine = user;
    loads_fail("as planned");
}

/* ---- the rest ---- */

LOADS_TEST(TestRest, test_log)
{
    loads_log(user, "hello %d", 42);
}

LOADS_TEST(TestRest, test_counters)
{
    loads_incr_counter(user, "one");
    loads_add_counter(user, "more", 7);
    loads_add_counter(user, "less", -2);
    loads_add_counter(user, "huge", INT64_C(1) << 40);
}

LOADS_TEST(TestRest, test_numbers)
{
    loads_incr_counter(user, loads_printf(user, "%u/%u/%u", loads_cycle(user),
                                          loads_user_number(user), loads_iteration(user)));
}

LOADS_TEST(TestRest, test_memory)
{
    for (size_t size = 0; size < 300000; size = size * 3 + 1) {
        unsigned char *memory = loads_alloc(user, size);
        for (size_t i = 0; i < size; i++) {
            loads_assert_int_eq(memory[i], 0);
        }
        memset(memory, 0xff, size);
    }
    loads_assert_str_eq(loads_printf(user, "%s-%05d", "a", 42), "a-00042");
    loads_assert_uint_eq(strlen(loads_printf(user, "%100000d", 1)), 100000);
    loads_assert_uint_eq((uintptr_t)loads_alloc(user, 1) % _Alignof(max_align_t), 0);
}

LOADS_TEST(TestRest, test_no_such_time)
{
    loads_sleep(user, -1);
}

LOADS_TEST(TestRest, test_server_url)
{
    loads_assert_str_eq(loads_server_url(user), "");
    loads_assert_null(loads_get(user, "http://127.0.0.1:1/", .may_fail = true)->body[0] ? user
                                                                                        : NULL);
}
