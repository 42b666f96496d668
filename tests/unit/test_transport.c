/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "loop/transport.h"

static int starts, cancels, start_result;

static int fake_start(struct transport *transport _unused_,
                      struct connections *connections _unused_, struct exchange *exchange _unused_)
{
    starts++;
    return start_result;
}

static void fake_cancel(struct exchange *exchange _unused_)
{
    cancels++;
}

static const struct transport_ops fake_ops = {.start = fake_start, .cancel = fake_cancel};

static int reset(void **state _unused_)
{
    starts = cancels = start_result = 0;
    return 0;
}

static void test_names(void **state _unused_)
{
    for (int i = 0; i < TRANSPORT_ERRORS; i++) {
        const char *name = transport_error_name((enum transport_error)i);
        assert_non_null(name);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(name, transport_error_name((enum transport_error)j));
        }
    }
    assert_string_equal(transport_error_name(TRANSPORT_TIMEOUT), "timeout");
    assert_string_equal(transport_error_name((enum transport_error)999), "other");
}

static void test_checks(void **state _unused_)
{
    static const char *const bad_methods[] = {"", "GET /", "G\r\n", "\xc3\xbc",
                                              "AMETHODTHATISMUCHTOOLONGTOBEONEOF"};
    struct transport transport = {.ops = &fake_ops};
    const char *many[EXCHANGE_MAX_HEADERS + 2] = {0};
    const char *split[] = {"A: b", "C: d\r\nE: f", NULL};
    struct exchange exchange = {.method = "GET"};

    for (size_t i = 0; i < ELEMENTSOF(bad_methods); i++) {
        exchange.method = bad_methods[i];
        assert_int_equal(exchange_start(&transport, NULL, &exchange), -EINVAL);
    }
    exchange.method = "M-SEARCH";
    exchange.headers = split;
    assert_int_equal(exchange_start(&transport, NULL, &exchange), -EINVAL);
    exchange.headers = many;
    for (size_t i = 0; i <= EXCHANGE_MAX_HEADERS; i++) {
        many[i] = "A: b";
    }
    assert_int_equal(exchange_start(&transport, NULL, &exchange), -E2BIG);
    assert_int_equal(starts, 0);
    many[EXCHANGE_MAX_HEADERS] = NULL;
    assert_int_equal(exchange_start(&transport, NULL, &exchange), 0);
    assert_int_equal(starts, 1);
}

static void test_start_and_cancel(void **state _unused_)
{
    struct transport transport = {.ops = &fake_ops};
    struct exchange exchange = {.method = "GET", .error = TRANSPORT_TLS, .status = 200};
    uint64_t before = clock_monotonic_usec();

    exchange_cancel(&exchange); /* not on */
    strcpy(exchange.error_text, "old");
    start_result = -ENOMEM;
    assert_int_equal(exchange_start(&transport, NULL, &exchange), -ENOMEM);
    exchange_cancel(&exchange);
    assert_int_equal(cancels, 0);
    start_result = 0;
    assert_int_equal(exchange_start(&transport, NULL, &exchange), 0);
    assert_int_equal(exchange.error, TRANSPORT_OK);
    assert_string_equal(exchange.error_text, "");
    assert_int_equal(exchange.status, 0);
    assert_true(exchange.started_usec >= before);
    exchange_cancel(&exchange);
    exchange_cancel(&exchange);
    assert_int_equal(cancels, 1);
    assert_null(transport_free(NULL));
    assert_null(connections_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_names, reset),
        cmocka_unit_test_setup(test_checks, reset),
        cmocka_unit_test_setup(test_start_and_cancel, reset),
    };
    return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
