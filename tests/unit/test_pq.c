/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include "loop/pq.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "loop/resolve.h"

#include "postgres.h"
#include "processes.h"

static struct postgres server;

/* ---- a connection, and what it said ---- */

struct client {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct pq *pq;
    bool up, down;
    unsigned ups, downs;
    struct error error; /* of the last down() */
};

static void on_up(struct pq *pq _unused_, void *context)
{
    struct client *client = context;

    client->up = true;
    client->ups++;
}

static void on_down(struct pq *pq _unused_, const struct error *error, void *context)
{
    struct client *client = context;

    client->up = false;
    client->down = true;
    client->downs++;
    client->error = *error;
}

/* "test.example" is where the server listens, "dead.example" where nobody does. */
static int resolve(const char *host, struct resolve_query *answer)
{
    if (strcmp(host, "nowhere.example") == 0) {
        (void)snprintf(answer->reason, sizeof answer->reason, "it is not there");
        return -ENOENT;
    }
    (void)snprintf(answer->addresses[0], sizeof answer->addresses[0], "%s",
                   strcmp(host, "test.example") == 0 ? server.address : "127.99.99.99");
    answer->count = 1;
    return 0;
}

static void client_open(struct client *client, const char *conninfo, struct pq_options options)
{
    struct error error;

    *client = (struct client){.loop = ev_loop_new(0)};
    assert_non_null(client->loop);
    assert_int_equal(resolver_new(&client->resolver, client->loop, 1000000, resolve), 0);
    options.conninfo = conninfo;
    options.application_name = "test";
    options.up = on_up;
    options.down = on_down;
    options.context = client;
    options.retry_usec = 10000;
    options.max_retry_usec = 100000;
    assert_int_equal(pq_new(&client->pq, client->loop, client->resolver, &options, &error), 0);
}

static void client_close(struct client *client)
{
    pq_free(client->pq);
    resolver_free(client->resolver);
    ev_loop_destroy(client->loop);
}

static const char *conninfo_for(const char *user)
{
    static char text[128];

    (void)snprintf(text, sizeof text, "host=%s user=%s dbname=postgres", server.folder, user);
    return text;
}

/* On the socket, up. */
static void client_open_up(struct client *client, bool pipeline)
{
    client_open(client, conninfo_for("postgres"), (struct pq_options){.pipeline = pipeline});
    run_until(client->loop, &client->up);
}

/* ---- answers ---- */

struct answer {
    bool done;
    int code;
    char sqlstate[6];
    char text[2048];
    char value[1024]; /* of the first row and column */
    size_t rows;
    uint64_t affected;
    unsigned *order; /* counts answers */
    unsigned number; /* which one this was, from 1 */
};

static void on_answer(const struct pq_result *result, void *context)
{
    struct answer *answer = context;

    assert_false(answer->done);
    answer->done = true;
    answer->code = pq_result_code(result);
    (void)snprintf(answer->text, sizeof answer->text, "%s", pq_result_text(result));
    (void)snprintf(answer->sqlstate, sizeof answer->sqlstate, "%s", pq_result_sqlstate(result));
    answer->rows = pq_result_rows(result);
    answer->affected = pq_result_affected(result);
    if (answer->rows > 0) {
        (void)snprintf(answer->value, sizeof answer->value, "%s", pq_result_value(result, 0, 0));
    }
    if (answer->order) {
        answer->number = ++*answer->order;
    }
}

static void ask_with(struct client *client, struct answer *answer, const char *sql,
                     const char *const *parameters, size_t n)
{
    *answer = (struct answer){0};
    assert_int_equal(pq_query(client->pq, sql, parameters, n, on_answer, answer), 0);
    assert_false(answer->done);
    run_until(client->loop, &answer->done);
}

static void ask(struct client *client, struct answer *answer, const char *sql)
{
    ask_with(client, answer, sql, NULL, 0);
}

static const bool kinds[] = {false, true};

static void test_queries_and_parameters(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        struct client client;
        struct answer answer;
        client_open_up(&client, kinds[i]);
        ask(&client, &answer, "SELECT 1 + 1, NULL");
        assert_int_equal(answer.code, 0);
        assert_string_equal(answer.text, "");
        assert_string_equal(answer.value, "2");
        ask_with(&client, &answer,
                 "SELECT concat($1::text, '|', coalesce($2, 'none'), '|', $3::int)",
                 (const char *[]){"it's 'quoted' \xc3\xa4", NULL, "-7"}, 3);
        assert_string_equal(answer.value, "it's 'quoted' \xc3\xa4|none|-7");
        ask(&client, &answer, "SELECT * FROM generate_series(1, 20000)");
        assert_int_equal(answer.rows, 20000);
        ask(&client, &answer, "SELECT current_setting('application_name')");
        assert_string_equal(answer.value, "test");
        client_close(&client);
    }
}

static void test_null_is_told_apart(void **state _unused_)
{
    struct client client;
    struct answer answer;

    client_open_up(&client, true);
    ask(&client, &answer, "SELECT NULL");
    assert_int_equal(answer.rows, 1);
    assert_string_equal(answer.value, "");
    ask(&client, &answer, "");
    assert_int_equal(answer.code, 0);
    assert_int_equal(answer.rows, 0);
    client_close(&client);
}

static void test_errors_have_codes(void **state _unused_)
{
    static const struct {
        const char *sql;
        int code;
        const char *sqlstate;
    } cases[] = {
        {"SELECT nonsense", -EPROTO, "42703"},
        {"SELECT 1 FROM nowhere", -EPROTO, "42P01"},
        {"SELECT 1/0", -EINVAL, "22012"},
        {"SELECT 'x'::int", -EINVAL, "22P02"},
        {"INSERT INTO things VALUES (1, 1)", -EEXIST, "23505"},
        {"INSERT INTO things VALUES (2, 99)", -ENOENT, "23503"},
        {"INSERT INTO things VALUES (-1, 1)", -EINVAL, "23514"},
        {"INSERT INTO things VALUES (NULL, 1)", -EINVAL, "23502"},
        {"DO $$ BEGIN RAISE 'no'; END $$", -EINVAL, "P0001"},
        {"DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", -ENOSPC, "53100"},
        {"DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", -EAGAIN, "40P01"},
        {"DO $$ BEGIN RAISE SQLSTATE 'XX000'; END $$", -EIO, "XX000"},
        {"SET LOCAL statement_timeout = 1; SELECT pg_sleep(60)", -ETIMEDOUT, "57014"},
        {"SET ROLE nobodys; SELECT * FROM things", -EACCES, "42501"},
        {"RESET ROLE; SET default_transaction_read_only = on", 0, ""},
        {"INSERT INTO things VALUES (3, 1)", -EROFS, "25006"},
    };
    struct client client;
    struct answer answer;

    client_open_up(&client, false);
    ask(&client, &answer,
        "CREATE TABLE things (id int PRIMARY KEY CHECK (id > 0), other int REFERENCES things);"
        "INSERT INTO things VALUES (1, 1); CREATE ROLE nobodys");
    assert_int_equal(answer.code, 0);
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        ask(&client, &answer, cases[i].sql);
        assert_string_equal(answer.sqlstate, cases[i].sqlstate);
        assert_int_equal(answer.code, cases[i].code);
        assert_int_equal(answer.text[0] != '\0', cases[i].code < 0);
        assert_null(strchr(answer.text, '\n'));
    }
    ask(&client, &answer, "SET default_transaction_read_only = off");
    ask(&client, &answer, "DROP TABLE things; DROP ROLE nobodys");
    assert_int_equal(answer.code, 0);
    assert_int_equal(client.downs, 0);
    client_close(&client);
}

/* Each query in the pipeline is a transaction of its own: what fails takes nothing with it. */
static void test_pipeline(void **state _unused_)
{
    enum { QUERIES = 1000 };
    static struct answer answers[QUERIES];
    struct client client;
    struct answer answer;
    unsigned order = 0;

    client_open_up(&client, true);
    ask(&client, &answer, "CREATE TABLE pipeline (id int PRIMARY KEY)");
    for (unsigned i = 0; i < QUERIES; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%u", i / 2);
        answers[i] = (struct answer){.order = &order};
        assert_int_equal(pq_query(client.pq, "INSERT INTO pipeline VALUES ($1)",
                                  (const char *[]){number}, 1, on_answer, &answers[i]),
                         0);
    }
    run_until(client.loop, &answers[QUERIES - 1].done);
    for (unsigned i = 0; i < QUERIES; i++) {
        assert_true(answers[i].done);
        assert_int_equal(answers[i].number, i + 1);
        assert_int_equal(answers[i].code, i % 2 == 0 ? 0 : -EEXIST);
        assert_int_equal(answers[i].affected, i % 2 == 0 ? 1 : 0);
    }
    ask(&client, &answer, "SELECT count(*) FROM pipeline");
    assert_string_equal(answer.value, "500");
    ask(&client, &answer, "DROP TABLE pipeline");
    client_close(&client);
}

/* Queries and answers that each are larger than what sockets take, at once in both directions. */
static void test_large_queries(void **state _unused_)
{
    enum { BYTES = 1 << 20, QUERIES = 4 };
    struct answer answers[QUERIES] = {0};
    char *text = malloc(BYTES + 1);

    assert_non_null(text);
    memset(text, 'x', BYTES);
    text[BYTES] = '\0';
    for (size_t kind = 0; kind < ELEMENTSOF(kinds); kind++) {
        struct client client;
        client_open_up(&client, kinds[kind]);
        for (unsigned i = 0; i < QUERIES; i++) {
            answers[i] = (struct answer){0};
            assert_int_equal(pq_query(client.pq, "SELECT $1 || $1", (const char *[]){text}, 1,
                                      on_answer, &answers[i]),
                             0);
        }
        run_until(client.loop, &answers[QUERIES - 1].done);
        for (unsigned i = 0; i < QUERIES; i++) {
            assert_int_equal(answers[i].code, 0);
            assert_int_equal(answers[i].rows, 1);
        }
        client_close(&client);
    }
    free(text);
}

static void test_queue_is_bounded(void **state _unused_)
{
    struct client client;
    struct answer last = {0};
    size_t n = 0;
    int r = 0;

    client_open_up(&client, true);
    while (r == 0 && n < 2 * PQ_MAX_QUEUED) {
        r = pq_query(client.pq, "SELECT 1", NULL, 0, n + 1 == PQ_MAX_QUEUED ? on_answer : NULL,
                     &last);
        n += r == 0;
    }
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(n, PQ_MAX_QUEUED);
    run_until(client.loop, &last.done);
    assert_int_equal(pq_query(client.pq, "SELECT 1", NULL, 0, NULL, NULL), 0);
    client_close(&client);

    client_open_up(&client, false);
    char *text = calloc(1, (PQ_MAX_QUEUED_BYTES / 2) + 1);
    assert_non_null(text);
    memset(text, 'x', PQ_MAX_QUEUED_BYTES / 2);
    assert_int_equal(pq_query(client.pq, "SELECT 1", NULL, 0, NULL, NULL), 0);
    assert_int_equal(pq_query(client.pq, "SELECT $1", (const char *[]){text}, 1, NULL, NULL), 0);
    assert_int_equal(pq_query(client.pq, "SELECT $1", (const char *[]){text}, 1, NULL, NULL),
                     -EAGAIN);
    free(text);
    client_close(&client); /* with queries under way */
}

/* ---- COPY ---- */

/* One row (int4, text), as COPY has it. */
static size_t copy_row(char *bytes, uint32_t number, const char *text, uint32_t size)
{
    const uint32_t words[] = {htonl(4), htonl(number), htonl(size)};

    memcpy(bytes, "\0\2", 2);
    memcpy(bytes + 2, words, sizeof words);
    memcpy(bytes + 14, text, size);
    return 14 + size;
}

static void test_large_copy(void **state _unused_)
{
    enum { ROWS = 6000, TEXT = 1000, PIECES = 20 };
    static char text[TEXT];
    char *bytes = malloc(ROWS * (TEXT + 14));
    struct pq_bytes pieces[PIECES + 1];
    struct answer begin = {0}, copy = {0}, commit = {0}, answer;
    struct client client;
    size_t used = 0, n = 0;

    assert_non_null(bytes);
    memset(text, 'y', sizeof text);
    for (unsigned i = 0; i < ROWS; i++) {
        size_t size = copy_row(bytes + used, i, text, TEXT);
        if (i % (ROWS / PIECES) == 0) {
            pieces[n++] = (struct pq_bytes){bytes + used, 0};
        }
        pieces[n - 1].size += size;
        used += size;
    }
    pieces[n++] = (struct pq_bytes){bytes, 0}; /* an empty one */
    client_open_up(&client, false);
    ask(&client, &answer, "CREATE TABLE copied (id int, t text)");
    assert_int_equal(pq_query(client.pq, "BEGIN", NULL, 0, on_answer, &begin), 0);
    assert_int_equal(
        pq_copy(client.pq, "COPY copied FROM STDIN (FORMAT binary)", pieces, n, on_answer, &copy),
        0);
    assert_int_equal(pq_query(client.pq, "COMMIT", NULL, 0, on_answer, &commit), 0);
    run_until(client.loop, &commit.done);
    assert_int_equal(begin.code, 0);
    assert_int_equal(copy.code, 0);
    assert_int_equal(copy.affected, ROWS);
    assert_int_equal(commit.code, 0);
    ask(&client, &answer, "SELECT concat(count(*), ' ', sum(id), ' ', sum(length(t))) FROM copied");
    assert_string_equal(answer.value, "6000 17997000 6000000");

    /* No rows at all; data that the server refuses; the connection goes on. */
    copy.done = false;
    assert_int_equal(
        pq_copy(client.pq, "COPY copied FROM STDIN (FORMAT binary)", NULL, 0, on_answer, &copy), 0);
    run_until(client.loop, &copy.done);
    assert_int_equal(copy.code, 0);
    copy.done = false;
    pieces[0].size = 7;
    assert_int_equal(
        pq_copy(client.pq, "COPY copied FROM STDIN (FORMAT binary)", pieces, 2, on_answer, &copy),
        0);
    run_until(client.loop, &copy.done);
    assert_int_equal(copy.code, -EINVAL);
    copy.done = false;
    pieces[0].size = used;
    assert_int_equal(
        pq_copy(client.pq, "COPY nowhere FROM STDIN (FORMAT binary)", pieces, 1, on_answer, &copy),
        0);
    run_until(client.loop, &copy.done);
    assert_int_equal(copy.code, -EPROTO);
    assert_int_equal(client.downs, 0);
    ask(&client, &answer, "DROP TABLE copied");
    assert_int_equal(answer.code, 0);
    client_close(&client);
    free(bytes);
}

/* What nobody can feed or read must not stand in the way for ever. */
static void test_copies_that_are_none_of_ours(void **state _unused_)
{
    struct client client;
    struct answer answer;

    client_open_up(&client, false);
    ask(&client, &answer, "CREATE TEMP TABLE t (i int)");
    ask(&client, &answer, "COPY t FROM STDIN");
    assert_int_equal(answer.code, -ETIMEDOUT); /* 57014, as for all that the client cancels */
    ask(&client, &answer, "SELECT 1");
    assert_int_equal(answer.code, 0);
    ask(&client, &answer, "COPY (SELECT 1) TO STDOUT");
    assert_int_equal(answer.code, -ECONNRESET);
    run_until(client.loop, &client.up);
    client_close(&client);
}

/* ---- connections that are lost ---- */

static void test_server_restarts(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        struct client client;
        struct answer first = {0}, second = {0}, answer;
        client_open_up(&client, kinds[i]);
        assert_int_equal(pq_query(client.pq, "SELECT pg_sleep(3600)", NULL, 0, on_answer, &first),
                         0);
        assert_int_equal(pq_query(client.pq, "SELECT 1", NULL, 0, on_answer, &second), 0);
        postgres_stop(&server, i == 0 ? SIGINT : SIGQUIT);
        run_until(client.loop, &client.down);
        assert_true(first.done && second.done);
        assert_int_equal(first.code, -ECONNRESET);
        assert_int_equal(second.code, -ECONNRESET);
        assert_non_null(strstr(first.text, "database 'postgres' as user 'postgres' on host '"));
        assert_non_null(strstr(first.text, server.folder));
        assert_false(pq_is_up(client.pq));
        assert_int_equal(pq_query(client.pq, "SELECT 1", NULL, 0, NULL, NULL), -ENOTCONN);
        while (client.downs < 3) { /* tries again and again */
            client.down = false;
            run_until(client.loop, &client.down);
        }
        assert_non_null(strstr(client.error.text, server.folder));
        assert_int_equal(client.error.code, -ECONNREFUSED);
        postgres_start(&server);
        run_until(client.loop, &client.up);
        ask(&client, &answer, "SELECT 1");
        assert_int_equal(answer.code, 0);
        assert_int_equal(client.ups, 2);
        client_close(&client);
    }
}

/* An idle connection that ends is noticed, too. */
static void test_backend_is_terminated(void **state _unused_)
{
    struct client client, other;
    struct answer pid, answer;

    client_open_up(&client, true);
    client_open_up(&other, true);
    ask(&client, &pid, "SELECT pg_backend_pid()");
    ask_with(&other, &answer, "SELECT pg_terminate_backend($1::int)", (const char *[]){pid.value},
             1);
    assert_string_equal(answer.value, "t");
    run_until(client.loop, &client.down);
    run_until(client.loop, &client.up);
    ask(&client, &answer, "SELECT pg_backend_pid()");
    assert_string_not_equal(answer.value, pid.value);
    client_close(&other);
    client_close(&client);
}

static void test_reset(void **state _unused_)
{
    struct client client;
    struct answer answer = {0};

    client_open_up(&client, true);
    assert_int_equal(pq_query(client.pq, "SELECT pg_sleep(3600)", NULL, 0, on_answer, &answer), 0);
    pq_reset(client.pq, "the schema is another one");
    pq_reset(client.pq, "a second reason");
    assert_false(pq_is_up(client.pq));
    assert_false(answer.done);
    run_until(client.loop, &client.down);
    assert_int_equal(answer.code, -ECONNRESET);
    assert_non_null(strstr(client.error.text, "': the schema is another one"));
    assert_int_equal(client.error.code, -ECONNABORTED);
    pq_reset(client.pq, "it isn't up: nothing happens");
    run_until(client.loop, &client.up);
    assert_int_equal(client.downs, 1);
    client_close(&client);
}

static void test_query_timeout(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        struct client client;
        struct answer answer;
        client_open(&client, conninfo_for("postgres"),
                    (struct pq_options){.pipeline = kinds[i], .query_timeout_usec = 50000});
        run_until(client.loop, &client.up);
        ask(&client, &answer, "SELECT pg_sleep(3600)");
        assert_int_equal(answer.code, -ECONNRESET);
        assert_non_null(strstr(answer.text, "no answer to a query within 0.05 s"));
        assert_int_equal(client.error.code, -ETIMEDOUT);
        run_until(client.loop, &client.up);
        client_close(&client);
    }
}

/* ---- connecting ---- */

static void test_wrong_password(void **state _unused_)
{
    struct client client;
    struct answer answer;
    char conninfo[256];

    client_open_up(&client, false);
    ask(&client, &answer, "CREATE ROLE guest LOGIN PASSWORD 'right'");
    client_close(&client);
    (void)snprintf(conninfo, sizeof conninfo, "host=%s user=guest dbname=postgres password=sesame",
                   server.folder);
    client_open(&client, conninfo, (struct pq_options){0});
    run_until(client.loop, &client.down);
    assert_non_null(strstr(client.error.text, "database 'postgres' as user 'guest' on host '"));
    assert_non_null(strstr(client.error.text, "password authentication failed"));
    assert_null(strstr(client.error.text, "sesame"));
    assert_null(strchr(client.error.text, '\n'));
    client_close(&client);

    client_open(&client, "postgresql://guest:right@test.example/postgres", (struct pq_options){0});
    run_until(client.loop, &client.up);
    client_close(&client);

    client_open(&client, "host=test.example user=postgres dbname=elsewhere",
                (struct pq_options){0});
    run_until(client.loop, &client.down);
    assert_non_null(strstr(client.error.text, "database 'elsewhere' as user 'postgres' on host "
                                              "'test.example'"));
    assert_non_null(strstr(client.error.text, "does not exist"));
    client_close(&client);
}

static void test_hosts_are_resolved(void **state _unused_)
{
    static const char *const reach[] = {
        "host=test.example user=postgres dbname=postgres",
        "host=dead.example,test.example port=5432 user=postgres dbname=postgres",
        "host=nowhere.example,test.example port=1,5432 user=postgres dbname=postgres",
        "host=/nonexistent,test.example user=postgres dbname=postgres",
        "host=,test.example port=1,5432 user=postgres dbname=postgres",
        "postgresql://postgres@test.example:5432/postgres",
    };
    struct client client;
    struct answer answer;

    for (size_t i = 0; i < ELEMENTSOF(reach); i++) {
        client_open(&client, reach[i], (struct pq_options){0});
        run_until(client.loop, &client.up);
        assert_int_equal(client.downs, 0);
        ask(&client, &answer, "SELECT host(inet_server_addr())");
        assert_string_equal(answer.value, server.address);
        client_close(&client);
    }
    client_open(&client, "host=nowhere.example user=postgres dbname=x", (struct pq_options){0});
    run_until(client.loop, &client.down);
    assert_int_equal(client.error.code, -ENOENT);
    assert_string_equal(client.error.text, "database 'x' as user 'postgres' on host "
                                           "'nowhere.example': no address is known for the host: "
                                           "it is not there");
    client.down = false;
    run_until(client.loop, &client.down); /* again */
    client_close(&client);
    client_open(&client, "host=dead.example user=postgres dbname=x", (struct pq_options){0});
    run_until(client.loop, &client.down);
    assert_int_equal(client.error.code, -ECONNREFUSED);
    client_close(&client);
}

/* A server that takes the connection and says nothing. */
static void test_connect_timeout(void **state _unused_)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct client client;
    char conninfo[128];

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 10), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(conninfo, sizeof conninfo, "hostaddr=127.0.0.1 port=%u user=u dbname=d",
                   ntohs(address.sin_port));
    client_open(&client, conninfo, (struct pq_options){.connect_timeout_usec = 50000});
    run_until(client.loop, &client.down);
    assert_string_equal(client.error.text, "database 'd' as user 'u' on host '127.0.0.1': no "
                                           "connection within 0.05 s");
    client_close(&client);
    client_open(&client, conninfo, (struct pq_options){0});
    ev_run(client.loop, EVRUN_NOWAIT);
    client_close(&client); /* in the middle of connecting */
    close_fd(fd);
}

static void test_bad_conninfo(void **state _unused_)
{
    static const struct {
        const char *text, *expected, *unexpected;
    } cases[] = {
        {"nonsense", "missing \"=\" after \"nonsense\"", "pass"},
        {"hostname=x", "invalid connection option \"hostname\"", "pass"},
        {"host=x password=se same", "not a connection string such as", "same"},
        {"dbname=loads user=me sesame", "not a connection string such as", "sesame"},
        {"postgresql://user:sesame", "its port is no number", "sesame"},
        {"postgresql://user:sesame@host:99x/%zz", "not a connection string such as", "sesame"},
        {"service=loads", "with 'service'", "pass"},
        {"host=1,2,3,4,5,6,7,8,9", "more than 8 hosts", "pass"},
        {"host=1,2,3 port=1,2", "2 ports for 3 hosts", "pass"},
    };
    struct ev_loop *loop = ev_loop_new(0);
    struct pq *pq = NULL;
    struct error error;
    char *long_text = malloc(PQ_MAX_CONNINFO_BYTES + 2);

    assert_non_null(long_text);
    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(
            pq_new(&pq, loop, NULL, &(struct pq_options){.conninfo = cases[i].text}, &error),
            -EINVAL);
        assert_null(pq);
        assert_non_null(strstr(error.text, cases[i].expected));
        assert_null(strstr(error.text, cases[i].unexpected));
    }
    memset(long_text, 'x', PQ_MAX_CONNINFO_BYTES + 1);
    long_text[PQ_MAX_CONNINFO_BYTES + 1] = '\0';
    assert_int_equal(pq_new(&pq, loop, NULL, &(struct pq_options){.conninfo = long_text}, &error),
                     -EINVAL);
    free(long_text);
    ev_loop_destroy(loop);
}

static void test_where(void **state _unused_)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct pq *pq;

    assert_int_equal(setenv("PGHOST", "/run/there", 1), 0);
    assert_int_equal(setenv("PGDATABASE", "named", 1), 0);
    assert_int_equal(pq_new(&pq, loop, NULL, &(struct pq_options){.conninfo = "user=me"}, NULL), 0);
    assert_string_equal(pq_where(pq), "database 'named' as user 'me' on host '/run/there'");
    pq_free(pq);
    assert_int_equal(unsetenv("PGHOST"), 0);
    assert_int_equal(unsetenv("PGDATABASE"), 0);
    assert_int_equal(pq_new(&pq, loop, NULL, &(struct pq_options){.conninfo = "user=me"}, NULL), 0);
    assert_string_equal(pq_where(pq), "database 'me' as user 'me' on the socket of this machine");
    pq_free(pq);
    ev_loop_destroy(loop);
}

/* Queries may be made in all callbacks. */
static void chain(const struct pq_result *result, void *context)
{
    struct client *client = context;

    assert_int_equal(pq_result_code(result), 0);
    if (++client->ups < 10) {
        assert_int_equal(pq_query(client->pq, "SELECT 1", NULL, 0, chain, client), 0);
    } else {
        client->down = true;
    }
}

static void test_queries_from_answers(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        struct client client;
        client_open_up(&client, kinds[i]);
        assert_int_equal(pq_query(client.pq, "SELECT 1", NULL, 0, chain, &client), 0);
        run_until(client.loop, &client.down);
        client_close(&client);
    }
}

static void test_notices_are_not_printed(void **state _unused_)
{
    struct client client;
    struct answer answer;
    char path[] = "/tmp/loads-test-pq-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC), before = fcntl(2, F_DUPFD_CLOEXEC, 3);
    struct stat status;

    client_open_up(&client, true);
    assert_int_equal(dup2(fd, 2), 2);
    ask(&client, &answer, "DROP TABLE IF EXISTS never_made");
    assert_int_equal(dup2(before, 2), 2);
    assert_int_equal(answer.code, 0);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, 0);
    client_close(&client);
    close_fd(fd);
    close_fd(before);
    assert_int_equal(unlink(path), 0);
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
        cmocka_unit_test(test_queries_and_parameters),
        cmocka_unit_test(test_null_is_told_apart),
        cmocka_unit_test(test_errors_have_codes),
        cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_large_queries),
        cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_large_copy),
        cmocka_unit_test(test_copies_that_are_none_of_ours),
        cmocka_unit_test(test_server_restarts),
        cmocka_unit_test(test_backend_is_terminated),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_query_timeout),
        cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_hosts_are_resolved),
        cmocka_unit_test(test_connect_timeout),
        cmocka_unit_test(test_bad_conninfo),
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_queries_from_answers),
        cmocka_unit_test(test_notices_are_not_printed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
