/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "run/database.h"

#include "postgres_query.h"

static struct postgres server;

static void test_questions(void **state _unused_)
{
    const struct database_target target = {.conninfo = postgres_conninfo(&server, "postgres")};
    struct database_session session;
    struct error error;

    assert_int_equal(database_open(&session, &target, &error), 0);
    assert_int_equal(database_ask(&session, "SELECT $1::int + 1", (const char *[]){"41"}, 1), 0);
    assert_string_equal(session.value, "42");
    assert_int_equal(session.rows, 1);
    assert_int_equal(database_ask(&session, "SELECT 1 WHERE false", NULL, 0), 0);
    assert_string_equal(session.value, "");
    assert_int_equal(session.rows, 0);
    assert_int_equal(database_ask(&session, "SELECT FROM nosuch", NULL, 0), -EPROTO);
    assert_non_null(strstr(error.text, "database 'postgres' as user '"));
    assert_non_null(strstr(error.text, "\"nosuch\" does not exist"));
    assert_int_equal(database_ask(&session, "SELECT 'still there'", NULL, 0), 0);
    assert_string_equal(session.value, "still there");
    assert_true(database_ask(&session, "SELECT pg_terminate_backend(pg_backend_pid())", NULL, 0) <
                0);
    database_close(&session);
}

static void test_nobody_there(void **state _unused_)
{
    const struct database_target target = {.conninfo = postgres_conninfo(&server, "nosuch")};
    struct database_session session;
    struct error error;

    assert_int_equal(database_open(&session, &target, &error), -ECONNREFUSED);
    assert_non_null(strstr(error.text, "database 'nosuch' as user '"));
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
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_nobody_there),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
