/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "run/schema.h"

#include "postgres_query.h"

static struct postgres server;

struct told {
    unsigned count;
    char all[1024];
};

static void told(const char *text, void *context)
{
    struct told *all = context;
    size_t used = strlen(all->all);

    all->count++;
    (void)snprintf(all->all + used, sizeof all->all - used, "%s\n", text);
}

static const char *fresh_database(void)
{
    static char name[32];
    static unsigned number;
    char sql[64];

    (void)snprintf(name, sizeof name, "test%u", ++number);
    (void)snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    (void)postgres_ask(&server, "postgres", sql);
    return name;
}

static void test_migrate_and_status(void **state _unused_)
{
    const char *name = fresh_database();
    const char *conninfo = postgres_conninfo(&server, name);
    struct told all = {0};
    struct error error;
    int version = -1;

    assert_true(schema_version() >= 3);
    assert_int_equal(schema_status(conninfo, &version, &error), 0);
    assert_int_equal(version, 0);
    assert_int_equal(schema_migrate(conninfo, told, &all, &error), 0);
    assert_int_equal(all.count, schema_version());
    assert_ptr_equal(strstr(all.all, "applied 0001-tables.sql\napplied 0002-"), all.all);
    assert_int_equal(schema_status(conninfo, &version, &error), 0);
    assert_int_equal(version, schema_version());
    assert_int_equal(schema_migrate(conninfo, told, &all, &error), 0); /* nothing to do */
    assert_int_equal(all.count, schema_version());
}

static void test_older_schema(void **state _unused_)
{
    const char *name = fresh_database();
    const char *conninfo = postgres_conninfo(&server, name);
    struct told all = {0};
    struct error error;

    assert_int_equal(schema_migrate(conninfo, told, &all, &error), 0);
    (void)postgres_ask(&server, name,
                       "INSERT INTO loads.schema_migrations VALUES (99, 'tomorrow')");
    assert_int_equal(schema_migrate(conninfo, told, &all, &error), -EPROTO);
    assert_non_null(strstr(error.text, "version 99, newer than"));
}

/* What fails leaves nothing behind, and what was applied before it stays. */
static void test_migration_that_fails(void **state _unused_)
{
    const char *name = fresh_database();
    const char *conninfo = postgres_conninfo(&server, name);
    struct told all = {0};
    struct error error;
    int version = -1;

    (void)postgres_ask(&server, name, "CREATE SCHEMA loads; CREATE TABLE loads.intervals (i int)");
    assert_int_equal(schema_migrate(conninfo, told, &all, &error), -EPROTO);
    assert_non_null(strstr(error.text, "0001-tables.sql: "));
    assert_non_null(strstr(error.text, "already exists"));
    assert_non_null(strstr(error.text, name)); /* which database it is */
    assert_int_equal(all.count, 0);
    (void)postgres_ask(&server, name, "DROP SCHEMA loads CASCADE");
    assert_int_equal(schema_migrate(conninfo, told, &all, &error), 0);
    assert_int_equal(schema_status(conninfo, &version, &error), 0);
    assert_int_equal(version, schema_version());
}

static void test_not_under_a_broker(void **state _unused_)
{
    const char *name = fresh_database();
    struct postgres_question question = {0};
    struct ev_loop *loop = ev_loop_new(0);
    struct pq_options options = {.conninfo = postgres_conninfo(&server, name),
                                 .application_name = "broker",
                                 .up = on_question_up,
                                 .down = on_question_down,
                                 .context = &question};
    struct told all = {0};
    struct error error;
    struct pq *pq;

    assert_int_equal(pq_new(&pq, loop, NULL, &options, NULL), 0);
    run_until(loop, &question.up);
    assert_int_equal(
        pq_query(pq, "SELECT pg_advisory_lock(" SCHEMA_LOCK_CLASS ", " SCHEMA_LOCK_WRITER ")", NULL,
                 0, on_question_answered, &question),
        0);
    run_until(loop, &question.answered);
    assert_int_equal(schema_migrate(postgres_conninfo(&server, name), told, &all, &error), -EBUSY);
    assert_non_null(strstr(error.text, "a loads-broker writes there"));
    assert_int_equal(all.count, 0);
    pq_free(pq);
    ev_loop_destroy(loop);
}

static void test_init(void **state _unused_)
{
    struct told all = {0};
    struct error error;
    char conninfo[128];
    int version = -1;

    assert_int_equal(setenv("PGUSER", "postgres", 1), 0); /* who we are */
    (void)snprintf(conninfo, sizeof conninfo, "host=%s user='role \"x\"' dbname=made",
                   server.folder);
    assert_int_equal(schema_status(conninfo, &version, &error), -ECONNREFUSED);
    assert_non_null(strstr(error.text, "database 'made' as user 'role \"x\"' on host '"));
    assert_int_equal(schema_init(conninfo, told, &all, &error), 0);
    assert_ptr_equal(strstr(all.all, "made role 'role \"x\"'\nmade database 'made'\napplied 0001-"),
                     all.all);
    assert_int_equal(schema_status(conninfo, &version, &error), 0);
    assert_int_equal(version, schema_version());
    assert_string_equal(postgres_ask(&server, "made",
                                     "SELECT tableowner FROM pg_tables WHERE schemaname = 'loads' "
                                     "AND tablename = 'runs'"),
                        "role \"x\"");
    all = (struct told){0};
    assert_int_equal(schema_init(conninfo, told, &all, &error), 0); /* all is there */
    assert_int_equal(all.count, 0);

    /* The role may not connect itself: what is made is its own all the same. */
    (void)snprintf(conninfo, sizeof conninfo, "host=%s user=guest dbname=guarded", server.folder);
    all = (struct told){0};
    assert_int_equal(schema_init(conninfo, told, &all, &error), 0);
    assert_string_equal(postgres_ask(&server, "guarded",
                                     "SELECT tableowner FROM pg_tables WHERE schemaname = 'loads' "
                                     "AND tablename = 'runs'"),
                        "guest");
    assert_int_equal(unsetenv("PGUSER"), 0);
}

static void test_errors(void **state _unused_)
{
    struct error error;
    struct told all = {0};
    int version;

    assert_int_equal(schema_status("nonsense", &version, &error), -EINVAL);
    assert_int_equal(schema_init("nonsense", told, &all, &error), -EINVAL);
    assert_int_equal(schema_migrate("host=/nonexistent user=u dbname=d", told, &all, &error),
                     -ECONNREFUSED);
    assert_non_null(strstr(error.text, "database 'd' as user 'u' on host '/nonexistent': "));
    assert_int_equal(schema_init("host=/nonexistent user=u dbname=d", told, &all, &error),
                     -ECONNREFUSED);
    assert_non_null(strstr(error.text, "database 'd' as user 'u' on host '/nonexistent': "));
    (void)postgres_ask(&server, "postgres", "CREATE ROLE nobodys LOGIN");
    char conninfo[128];
    assert_int_equal(setenv("PGUSER", "nobodys", 1), 0);
    (void)snprintf(conninfo, sizeof conninfo, "host=%s user=nobodys dbname=wanted", server.folder);
    assert_int_equal(schema_init(conninfo, told, &all, &error), -EACCES);
    assert_ptr_equal(strstr(error.text, "cannot make database 'wanted': database 'postgres' as "
                                        "user 'nobodys' on host '"),
                     error.text);
    assert_non_null(strstr(error.text, "': permission denied"));
    assert_int_equal(unsetenv("PGUSER"), 0);
    assert_int_equal(all.count, 0);

    /* Who may not look there is told who that is, and where. */
    const char *closed = fresh_database();
    assert_int_equal(schema_migrate(postgres_conninfo(&server, closed), told, &all, &error), 0);
    (void)snprintf(conninfo, sizeof conninfo, "host=%s user=nobodys dbname=%s", server.folder,
                   closed);
    assert_int_equal(schema_status(conninfo, &version, &error), -EACCES);
    assert_non_null(strstr(error.text, "' as user 'nobodys' on host '"));
    assert_non_null(strstr(error.text, "': permission denied"));
}

static int set_up(void **state _unused_)
{
    assert_ptr_not_equal(signal(SIGPIPE, SIG_IGN), SIG_ERR);
    postgres_make(&server);
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
        cmocka_unit_test(test_migrate_and_status),
        cmocka_unit_test(test_older_schema),
        cmocka_unit_test(test_migration_that_fails),
        cmocka_unit_test(test_not_under_a_broker),
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
