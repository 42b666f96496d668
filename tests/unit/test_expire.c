/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "run/expire.h"

#include "postgres_query.h"
#include "run/schema.h"

static struct postgres server;

static void told(const char *text _unused_, void *context _unused_)
{
}

static void add_run(const char *name, unsigned number, unsigned days)
{
    char sql[512];

    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO loads.runs (run_id, name, spec, agents, state, submitted, finished) VALUES"
        " ('0a000000-0000-4000-8000-%012u', 'http://shop/', '{}', 1, 'finished',"
        " now() - interval '%u days', now() - interval '%u days')",
        number, days, days);
    (void)postgres_ask(&server, name, sql);
}

static void test_what_is_old_goes(void **state _unused_)
{
    const char *conninfo = postgres_conninfo(&server, "postgres");
    struct expired expired;
    struct error error;

    assert_int_equal(expire(conninfo, 30, false, &expired, &error), -EPROTO);
    assert_non_null(strstr(error.text, "loadsctl db init"));
    assert_int_equal(schema_migrate(conninfo, told, NULL, &error), 0);
    for (unsigned i = 1; i <= 5; i++) {
        add_run("postgres", i, 10 * i);
    }
    (void)postgres_ask(&server, "postgres",
                       "INSERT INTO loads.audit (at, accepted, what)"
                       " SELECT now() - interval '40 days', true, 'CTRL_RUN'"
                       " FROM generate_series(1, 10001)");
    assert_int_equal(expire(conninfo, 25, true, &expired, &error), 0);
    assert_int_equal(expired.runs, 3);
    assert_int_equal(expired.audit_lines, 10001);
    assert_int_equal(expire(conninfo, 25, false, &expired, &error), 0);
    assert_int_equal(expired.runs, 3);
    assert_int_equal(expired.audit_lines, 10001);
    assert_int_equal(expire(conninfo, 25, false, &expired, &error), 0);
    assert_int_equal(expired.runs + expired.audit_lines, 0);
    (void)postgres_ask(&server, "postgres",
                       "INSERT INTO loads.schema_migrations VALUES (99, 'tomorrow')");
    assert_int_equal(expire(conninfo, 1, false, &expired, &error), -EPROTO);
    assert_non_null(strstr(error.text, "newer"));
    assert_int_equal(expired.runs, 0);
}

static void test_days(void **state _unused_)
{
    struct error error;
    uint64_t days = 7;

    assert_int_equal(expire_parse_retention("none", &days, &error), 0);
    assert_int_equal(days, 0);
    assert_int_equal(expire_parse_retention("36500", &days, &error), 0);
    assert_int_equal(days, EXPIRE_MAX_DAYS);
    assert_int_equal(expire_parse_retention("0", &days, &error), -EINVAL);
    assert_string_equal(error.text, "'0' is neither a number of days, 1 to 36500, nor none");
    assert_int_equal(expire_parse_days("none", &days, &error), -EINVAL);
    assert_int_equal(expire_parse_days("36501", &days, &error), -EINVAL);
    assert_int_equal(days, EXPIRE_MAX_DAYS);
}

static int set_up(void **state _unused_)
{
    assert_ptr_not_equal(signal(SIGPIPE, SIG_IGN), SIG_ERR);
    postgres_make(&server);
    (void)postgres_ask(&server, "postgres", "SELECT 1"); /* it takes connections now */
    return 0;
}

static int tear_down(void **state _unused_)
{
    postgres_remove(&server);
    assert_no_children();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_old_goes),
        cmocka_unit_test(test_days),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
