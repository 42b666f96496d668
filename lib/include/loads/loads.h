/* SPDX-License-Identifier: MPL-2.0 */
/* Loads: load tests that are functional tests. The one header that a test includes; it includes
 * loads/app.h, for pages, links and forms.
 *
 *     #include <loads/loads.h>
 *
 *     LOADS_TEST(TestWebSite, test_es)
 *     {
 *         loads_response *res = loads_get(user, "http://localhost:9200");
 *         loads_assert_int_eq(res->status, 200);
 *     }
 *
 * saved as example.c, runs with `loads-runner example.TestWebSite.test_es -u 100 --hits 10`.
 *
 * A test is ordinary code that looks blocking: while it waits for an answer, other virtual users
 * run in the same process, one at a time, so tests need no locks. One execution of a test is an
 * iteration. It ends at the end of the function, or where an assertion fails (a *failure*), or
 * where a request gets no complete answer (an *error*). In the last two cases the stack is unwound:
 * variables with
 * the attribute cleanup are cleaned up, and functions given to loads_defer() run. Memory that this
 * header's functions return (answers, strings) belongs to the iteration and is gone with it.
 * Cookies and connections live as long as the virtual user: for all its iterations of one cycle.
 * Threads and processes that a test starts can't use anything of this header. */
#ifndef LOADS_LOADS_H
#define LOADS_LOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#error "tests are written in C"
#endif

#define LOADS_API __attribute__((visibility("default")))

typedef struct loads_user loads_user;
typedef struct loads_request loads_request;
typedef struct loads_response loads_response;
typedef struct loads_part loads_part;
typedef struct loads_piece loads_piece;
typedef struct loads_auth loads_auth;
typedef struct loads_ws loads_ws;
typedef struct loads_ws_options loads_ws_options;
typedef struct loads_message loads_message;
typedef struct loads_distribution loads_distribution;
typedef struct loads_feeder loads_feeder;
typedef struct loads_row loads_row;

/* ---- Tests ----------------------------------------------------------------------------------- */

/* Defines a test: LOADS_TEST(Suite, test) { … `user` is the virtual user … }. In file
 * path/to/module.c its name is path.to.module.Suite.test. */
#define LOADS_TEST(suite_name, test_name)                                                          \
    static void loads_body_##suite_name##_##test_name(loads_user *user);                           \
    __attribute__((constructor)) static void loads_register_##suite_name##_##test_name(void)       \
    {                                                                                              \
        static const struct loads_test test = {#suite_name, #test_name, __FILE__, __LINE__,        \
                                               loads_body_##suite_name##_##test_name};             \
        loads_register(&test);                                                                     \
    }                                                                                              \
    static void loads_body_##suite_name##_##test_name(__attribute__((unused)) loads_user *user)

struct loads_test {
    const char *suite;
    const char *name;
    const char *file;
    int line;
    void (*body)(loads_user *user);
};

/* What is done around the tests of a suite, each defined once in its module, as a test is:
 *
 *     LOADS_USER_SET_UP(TestShop) { … log in … }
 *
 * User set-up comes before the first iteration of each virtual user, user tear-down after its last
 * one; set-up and tear-down come before and after each iteration, of which they are part: what
 * fails in them makes it fail. After a set-up that failed neither test nor tear-down runs; a user
 * set-up that failed is tried again with the next iteration. Tear-down runs however the test ended,
 * before what was given to loads_defer(). What fails in a user tear-down is an error of no
 * iteration. Who is interrupted is not torn down. */
#define LOADS_USER_SET_UP(suite)    LOADS_HOOK_(suite, LOADS_USER_SET_UP_)
#define LOADS_SET_UP(suite)         LOADS_HOOK_(suite, LOADS_SET_UP_)
#define LOADS_TEAR_DOWN(suite)      LOADS_HOOK_(suite, LOADS_TEAR_DOWN_)
#define LOADS_USER_TEAR_DOWN(suite) LOADS_HOOK_(suite, LOADS_USER_TEAR_DOWN_)

/* The number in the name is this header's: a module that was built against another one doesn't
 * load, and Loads says why. */
#define LOADS_HEADER_VERSION 1
#define loads_register       loads_register_v1
LOADS_API void loads_register(const struct loads_test *test);

/* ---- Requests -------------------------------------------------------------------------------- */

enum loads_auth_kind_ {
    LOADS_AUTH_NONE_,
    LOADS_AUTH_BASIC_,
    LOADS_AUTH_BEARER_,
    LOADS_AUTH_DIGEST_,
};
struct loads_auth {
    enum loads_auth_kind_ kind_;
    const char *user_, *secret_;
};

/* Credentials: .auth = LOADS_BASIC("ada", "secret"), LOADS_BEARER(token), LOADS_DIGEST("ada",
 * "secret"). They stay behind when a redirect leads to another host. With digest each request is
 * sent twice, and the challenge, status 401, is a hit of its own. */
#define LOADS_BASIC(user, password)  ((loads_auth){LOADS_AUTH_BASIC_, (user), (password)})
#define LOADS_BEARER(token)          ((loads_auth){LOADS_AUTH_BEARER_, NULL, (token)})
#define LOADS_DIGEST(user, password) ((loads_auth){LOADS_AUTH_DIGEST_, (user), (password)})

/* What a request can be told beside its URL, as designated initialisers:
 *
 *     loads_post(user, "/login", .body = "name=ada", .timeout_sec = 2.5,
 *                .headers = LOADS_HEADERS("Content-Type: application/x-www-form-urlencoded"));
 */
struct loads_request {
    const char *url; /* absolute, or relative to --server-url */
    const char *method;
    const char *const *headers; /* LOADS_HEADERS("Name: value", …); "Name:": no default one */
    const char *body;
    size_t body_size;        /* 0: up to the body's NUL */
    const char *json;        /* instead of body: the same, sent as application/json */
    const loads_part *parts; /* instead: LOADS_PARTS({…}, …), sent as multipart/form-data */
    const char *status; /* what is expected, such as "200 201" or "4*": else a failure; NULL: any */
    const char *body_file; /* instead of both: a file, read while it is sent */
    const char *compress;  /* "gzip" or "deflate": the body (no file's) is sent so */
    bool expect_continue;  /* the server is asked before a body is sent (Expect: 100-continue) */
    bool raw_body;         /* give the answer's body as it came, not decoded */
    bool discard_body;     /* read the answer's body, and keep nothing of it */
    /* Is given the answer's body piece by piece as it comes; nothing of it is kept. */
    void (*on_body)(loads_user *user, const loads_piece *piece, void *context);
    /* Gives the request's body as it is sent, instead of the others: writes at most `size` bytes
     * and returns how many; 0: that was all. */
    size_t (*upload)(loads_user *user, void *buffer, size_t size, void *context);
    uint64_t upload_size; /* how much that will be; 0: not known: sent in chunks */
    void *context;        /* for on_body and upload */
    loads_auth auth; /* LOADS_BASIC(user, password) and so on; instead of the URL's user:password */
    const char *name;   /* in reports, instead of the URL without query and fragment */
    double timeout_sec; /* for the whole request, redirects included; 0: --timeout (30 s) */
    bool no_redirects;  /* give the redirect itself as the answer */
    bool may_fail;     /* without a complete answer go on, with status 0 and the reason in .error */
    const char *file_; /* where the call stands: filled in by the macros */
    int line_;
};

#define LOADS_HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A part of a body of several:
 *
 *     loads_post(user, "/photos", .parts = LOADS_PARTS({.name = "title", .value = "Sunset"},
 *                                                      {.name = "photo", .path = "sunset.jpg"}));
 *
 * Files are read when the request is sent. */
struct loads_part {
    const char *name;
    const char *value;
    size_t size;          /* of the value; 0: up to its NUL */
    const char *path;     /* instead of a value: a file, from the test's directory on */
    const char *filename; /* it is a file of that name; NULL: the path's last part */
    const char *type;     /* NULL: of a file what the end of its name tells; else none */
};

#define LOADS_PARTS(...) ((const loads_part[]){__VA_ARGS__, {.name = NULL}})

/* A piece of an answer's body, decoded. While a test's function has it, or gives a piece of a
 * request's, the server waits; the function may do whatever a test may, but for
 * loads_session_reset(). When it fails the request is given up, which is an error of class
 * `cancelled` beside the failure. */
struct loads_piece {
    const char *data; /* valid until the function returns; no NUL behind */
    size_t size;
    uint64_t offset;                /* of its first byte, in the whole body */
    const loads_response *response; /* its status and headers, and no body */
};

/* An answer. Statuses of 400 and more are answers like any other: assert on them. */
struct loads_response {
    int status;       /* 200 …; 0: there is no complete answer (only with .may_fail) */
    const char *body; /* decoded, NUL-terminated; "" if there is none */
    size_t body_size;
    uint64_t body_total; /* with the bytes that were not kept */
    const char *url;     /* of the last hop */
    unsigned redirects;  /* how many were followed */
    double elapsed_sec;  /* of the last hop */
    double dns_sec;      /* of that: looking its host up; 0 when the address was known */
    bool body_cut;       /* the body was longer than --max-body: the rest was left out */
    int http_version;    /* 11 for HTTP/1.1, 20 for HTTP/2; 10, 0: not known */
    const char *error;   /* NULL, or why there is no complete answer */
};

/* Sends a request and waits for the answer, redirects (30 at most, or
 * --max-redirects) included; each hop counts as a
 * hit. Never NULL. */
LOADS_API loads_response *loads_send(loads_user *user, const loads_request *request);

/* loads_get(user, "http://…", .option = value, …) and so on. */
#define LOADS_SEND_(user, verb, ...)                                                               \
    loads_send((user),                                                                             \
               &(const loads_request){                                                             \
                   .method = (verb), .file_ = __FILE__, .line_ = __LINE__, .url = __VA_ARGS__})
#define loads_get(user, ...)     LOADS_SEND_(user, "GET", __VA_ARGS__)
#define loads_head(user, ...)    LOADS_SEND_(user, "HEAD", __VA_ARGS__)
#define loads_post(user, ...)    LOADS_SEND_(user, "POST", __VA_ARGS__)
#define loads_put(user, ...)     LOADS_SEND_(user, "PUT", __VA_ARGS__)
#define loads_patch(user, ...)   LOADS_SEND_(user, "PATCH", __VA_ARGS__)
#define loads_delete(user, ...)  LOADS_SEND_(user, "DELETE", __VA_ARGS__)
#define loads_options(user, ...) LOADS_SEND_(user, "OPTIONS", __VA_ARGS__)

/* The value of the answer's first header of that name, in any case; NULL if there is none. */
LOADS_API const char *loads_header(const loads_response *response, const char *name);

/* The JSON value at a path such as "items[0].name" ("" is the document), as const char *, intmax_t,
 * double and bool; of an array, the number of its elements as size_t. A body that isn't JSON, a
 * path that isn't there or a value of another type is a failure that says which. */
#define loads_json_string(response, path) loads_json_string_(__FILE__, __LINE__, (response), (path))
#define loads_json_int(response, path)    loads_json_int_(__FILE__, __LINE__, (response), (path))
#define loads_json_double(response, path) loads_json_double_(__FILE__, __LINE__, (response), (path))
#define loads_json_bool(response, path)   loads_json_bool_(__FILE__, __LINE__, (response), (path))
#define loads_json_count(response, path)  loads_json_count_(__FILE__, __LINE__, (response), (path))

/* Forgets the user's cookies and closes its connections: from here on it is a new visitor. */
LOADS_API void loads_session_reset(loads_user *user);

/* ---- WebSockets ------------------------------------------------------------------------------ */

/* loads_ws_open(user, "ws://localhost:9000/ws", .option = value, …) opens a WebSocket and waits
 * until it is open. The handshake is a hit, of status 101. What the test leaves open is closed at
 * the end of its iteration. */
struct loads_ws_options {
    const char *url;            /* absolute: ws://… or wss://… */
    const char *protocols;      /* "chat, http-only": the server chooses one */
    const char *const *headers; /* LOADS_HEADERS("Name: value", …) */
    /* Is given each message before loads_ws_receive() returns it. */
    void (*on_message)(loads_ws *ws, const loads_message *message, void *context);
    void *context;
    const char *name;   /* in reports, instead of the URL without query */
    double timeout_sec; /* for opening, sending and receiving; 0: --timeout (30 s) */
    bool may_fail;      /* if it doesn't open, return NULL and go on */
    const char *file_;  /* where the call stands: filled in by the macro */
    int line_;
};

struct loads_message {
    const char *data; /* with a NUL behind; valid until the next one of this socket is taken */
    size_t size;
    bool binary;
};

#define loads_ws_open(user, ...)                                                                   \
    loads_ws_open_((user), &(const loads_ws_options){                                              \
                               .file_ = __FILE__, .line_ = __LINE__, .url = __VA_ARGS__})

/* Sends a text, or bytes. Waits only when much is unsent. On a socket that is closed an error. */
#define loads_ws_send(ws, text) loads_ws_send_text_(__FILE__, __LINE__, (ws), (text))
#define loads_ws_send_binary(ws, bytes, size)                                                      \
    loads_ws_send_(__FILE__, __LINE__, (ws), (bytes), (size), true)

/* The next message. That none comes in time, or the socket is closed, is an error. At most 64 MiB.
 */
#define loads_ws_receive(ws) loads_ws_receive_(__FILE__, __LINE__, (ws))

/* The same, but NULL when none came within that time, or the socket is closed. */
LOADS_API const loads_message *loads_ws_receive_within(loads_ws *ws, double seconds);

/* Closes it, with a code of RFC 6455 (0: 1000), and waits for the server to agree. Messages that
 * came before can still be received. */
LOADS_API void loads_ws_close(loads_ws *ws, unsigned code);

LOADS_API bool loads_ws_is_open(const loads_ws *ws);
LOADS_API unsigned loads_ws_close_code(const loads_ws *ws);  /* 0: it is open */
LOADS_API const char *loads_ws_protocol(const loads_ws *ws); /* which the server chose, or "" */

/* ---- Assertions ------------------------------------------------------------------------------ */

/* One that doesn't hold ends the iteration as a failure, reported with both values, file and line.
 */
#define loads_assert(condition)       LOADS_ASSERT_(condition, #condition)
#define loads_assert_true(condition)  LOADS_ASSERT_(condition, #condition)
#define loads_assert_false(condition) LOADS_ASSERT_(!(condition), "!(" #condition ")")

#define loads_assert_int_eq(actual, expected) LOADS_INT_(#actual, actual, ==, expected)
#define loads_assert_int_ne(actual, expected) LOADS_INT_(#actual, actual, !=, expected)
#define loads_assert_int_lt(actual, bound)    LOADS_INT_(#actual, actual, <, bound)
#define loads_assert_int_le(actual, bound)    LOADS_INT_(#actual, actual, <=, bound)
#define loads_assert_int_gt(actual, bound)    LOADS_INT_(#actual, actual, >, bound)
#define loads_assert_int_ge(actual, bound)    LOADS_INT_(#actual, actual, >=, bound)

#define loads_assert_uint_eq(actual, expected) LOADS_UINT_(#actual, actual, ==, expected)
#define loads_assert_uint_ne(actual, expected) LOADS_UINT_(#actual, actual, !=, expected)
#define loads_assert_uint_lt(actual, bound)    LOADS_UINT_(#actual, actual, <, bound)
#define loads_assert_uint_le(actual, bound)    LOADS_UINT_(#actual, actual, <=, bound)
#define loads_assert_uint_gt(actual, bound)    LOADS_UINT_(#actual, actual, >, bound)
#define loads_assert_uint_ge(actual, bound)    LOADS_UINT_(#actual, actual, >=, bound)

#define loads_assert_double_lt(actual, bound) LOADS_DOUBLE_(#actual, actual, <, bound)
#define loads_assert_double_le(actual, bound) LOADS_DOUBLE_(#actual, actual, <=, bound)
#define loads_assert_double_gt(actual, bound) LOADS_DOUBLE_(#actual, actual, >, bound)
#define loads_assert_double_ge(actual, bound) LOADS_DOUBLE_(#actual, actual, >=, bound)
#define loads_assert_double_near(actual, expected, tolerance)                                      \
    loads_assert_near_(__FILE__, __LINE__, #actual, (actual), (expected), (tolerance))

/* Strings; NULL equals only NULL and contains nothing. */
#define loads_assert_str_eq(actual, expected)                                                      \
    loads_assert_str_(__FILE__, __LINE__, #actual, LOADS_STR_EQ_, (actual), (expected))
#define loads_assert_str_ne(actual, expected)                                                      \
    loads_assert_str_(__FILE__, __LINE__, #actual, LOADS_STR_NE_, (actual), (expected))
#define loads_assert_str_contains(actual, part)                                                    \
    loads_assert_str_(__FILE__, __LINE__, #actual, LOADS_STR_CONTAINS_, (actual), (part))
#define loads_assert_str_lacks(actual, part)                                                       \
    loads_assert_str_(__FILE__, __LINE__, #actual, LOADS_STR_LACKS_, (actual), (part))

#define loads_assert_mem_eq(actual, expected, size)                                                \
    loads_assert_mem_(__FILE__, __LINE__, #actual, (actual), (expected), (size))
#define loads_assert_null(pointer)     LOADS_ASSERT_((pointer) == NULL, #pointer " is NULL")
#define loads_assert_not_null(pointer) LOADS_ASSERT_((pointer) != NULL, #pointer " is not NULL")

/* Ends the iteration as a failure with a text of your own, as printf makes it. */
#define loads_fail(...) loads_fail_at_(__FILE__, __LINE__, __VA_ARGS__)

/* ---- Chance and time ------------------------------------------------------------------------- */

/* Random numbers: from `low` to `high`, both included; from 0 up to, not including, 1. They follow
 * from --seed (which the summary tells), the user's number, the cycle and the iteration alone. */
#define loads_random_int(user, low, high)                                                          \
    loads_random_int_(__FILE__, __LINE__, (user), (low), (high))
LOADS_API double loads_random_double(loads_user *user);

/* Times in seconds, from 0 to 366 days: always the same; anything between two; or such whose
 * average is `mean`, few long ones and many short ones, ten times the mean at most. */
#define LOADS_CONSTANT(seconds)  ((loads_distribution){LOADS_CONSTANT_, (seconds), 0})
#define LOADS_UNIFORM(low, high) ((loads_distribution){LOADS_UNIFORM_, (low), (high)})
#define LOADS_EXPONENTIAL(mean)  ((loads_distribution){LOADS_EXPONENTIAL_, (mean), 0})

/* loads_think(user, LOADS_UNIFORM(1, 3)) waits for such a time. Other users go on. */
#define loads_think(user, distribution) loads_think_(__FILE__, __LINE__, (user), (distribution))

/* loads_pace(user, LOADS_CONSTANT(10)): this user's next iteration begins so long after the
 * beginning of this one; at once, if this one takes longer. Instead of what --pace says. */
#define loads_pace(user, distribution) loads_pace_(__FILE__, __LINE__, (user), (distribution))

/* ---- Data ------------------------------------------------------------------------------------ */

/* LOADS_FEEDER(people, "people.csv", .option = value, …), outside of tests: rows of a file in the
 * test's directory. In CSV the first line names the columns; .json, .jsonl and .ndjson have a JSON
 * object per line. */
enum loads_order {
    LOADS_SEQUENTIAL,      /* each user gets all rows, from the first one on */
    LOADS_SHUFFLED,        /* the same in an order of its own, that follows from --seed */
    LOADS_UNIQUE_PER_USER, /* each user has one row for its life, which no other user has */
    LOADS_UNIQUE,          /* each row is given once in the run, whichever agents and workers ask */
};

/* What happens to who asks for a row when all are used up: */
enum loads_at_end {
    LOADS_AT_END_, /* not said: LOADS_WRAP for the first two orders, LOADS_FAIL for the others */
    LOADS_WRAP,    /* rows are given again, as from the beginning */
    LOADS_STOP,    /* the user ends, its iteration counts as interrupted */
    LOADS_FAIL,    /* the iteration is an error */
};

struct loads_feeder {
    const char *path;
    enum loads_order order;
    enum loads_at_end at_end;
    char separator; /* of CSV; 0: ',' */
    struct loads_loaded *loaded_;
};

#define LOADS_FEEDER(feeder_name, ...)                                                             \
    static loads_feeder feeder_name;                                                               \
    __attribute__((constructor)) static void loads_register_feeder_##feeder_name(void)             \
    {                                                                                              \
        loads_register_feeder_(&feeder_name);                                                      \
    }                                                                                              \
    static loads_feeder feeder_name = {.path = __VA_ARGS__}
LOADS_API void loads_register_feeder_(loads_feeder *feeder);

/* The next row for the user: loads_feed(user, &people). Never NULL; that the file isn't there or
 * makes no sense is an error of the iteration. */
#define loads_feed(user, feeder) loads_feed_(__FILE__, __LINE__, (user), (feeder))

/* The value in that column, or of that key: a string's text, else its JSON. Never NULL; what isn't
 * there is an error. */
#define loads_value(row, name) loads_value_(__FILE__, __LINE__, (row), (name))

LOADS_API const char *loads_row_text(const loads_row *row); /* as it stands in the file */
LOADS_API uint64_t loads_row_number(const loads_row *row);  /* among the file's rows, from 0 */

/* ---- Journeys -------------------------------------------------------------------------------- */

/* The user's own variables: a struct of yours, all zero at first, the same one in all iterations of
 * its life. A user has one of each module, of one size.
 *
 *     struct shopper *me = LOADS_STATE(user, struct shopper);
 */
#define LOADS_STATE(user, type) ((type *)loads_state_(__FILE__, __LINE__, (user), sizeof(type)))

/* A copy of a text that lives as long as the user, for its variables: other memory of this header's
 * functions is gone with the iteration. */
LOADS_API char *loads_keep(loads_user *user, const char *text);

/* Counts whether something holds, and goes on: loads_check(user, "in stock", stock > 0). The run's
 * counters have "check in stock: passed" and "check in stock: failed". Gives `holds` back. */
LOADS_API bool loads_check(loads_user *user, const char *name, bool holds);

/* Times a part of a test, think time included, as a series of its own beside those of requests:
 *
 *     LOADS_TRANSACTION(user, "checkout")
 *     {
 *         loads_get(user, "/basket");
 *         LOADS_TRANSACTION(user, "pay")
 *         {
 *             loads_post(user, "/payment", .body = card);
 *         }
 *     }
 *
 * has "checkout" and "checkout/pay". It ends with its block, however that is left; one that a
 * failure or an error ends is counted as an error, without a time. At most 16 deep. */
#define LOADS_TRANSACTION(user, name)                                                              \
    LOADS_TRANSACTION_(user, name, LOADS_NAME_(loads_t_, __LINE__))

/* ---- The rest -------------------------------------------------------------------------------- */

/* Waits: think time. Other users go on. */
LOADS_API void loads_sleep(loads_user *user, double seconds);

/* Custom counters, shown at the end of the run. */
LOADS_API void loads_incr_counter(loads_user *user, const char *name);
LOADS_API void loads_add_counter(loads_user *user, const char *name, int64_t increment);

/* Calls function(argument) at the end of the iteration, however it ends; the last given goes first.
 */
LOADS_API void loads_defer(loads_user *user, void (*function)(void *argument), void *argument);

/* Memory of the iteration, zeroed; never NULL (without memory the iteration ends as an error), but
 * in a thread of the test's own. */
LOADS_API void *loads_alloc(loads_user *user, size_t size_bytes);
LOADS_API char *loads_printf(loads_user *user, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line on the console (of the machine that runs the user), marked with user and iteration. */
LOADS_API void loads_log(loads_user *user, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Who runs: users are numbered over all workers, iterations per user, cycles per run; all from 0.
 */
LOADS_API unsigned loads_user_number(const loads_user *user);
LOADS_API unsigned loads_iteration(const loads_user *user);
LOADS_API unsigned loads_cycle(const loads_user *user);
LOADS_API const char *loads_server_url(const loads_user *user); /* or "" */

/* What this user's URLs are relative to from now on, for its life, instead of --server-url; NULL:
 * that again. One that is none is an error of the iteration. */
#define loads_set_server_url(user, url) loads_set_server_url_(__FILE__, __LINE__, (user), (url))

/* ---- What the macros above stand on ---------------------------------------------------------- */

enum loads_hook_kind_ {
    LOADS_USER_SET_UP_,
    LOADS_SET_UP_,
    LOADS_TEAR_DOWN_,
    LOADS_USER_TEAR_DOWN_,
    LOADS_HOOK_KINDS_
};
struct loads_hook_ {
    const char *suite;
    enum loads_hook_kind_ kind;
    const char *file;
    int line;
    void (*body)(loads_user *user);
};
LOADS_API void loads_register_hook_(const struct loads_hook_ *hook);
#define LOADS_HOOK_(suite_name, kind)                                                              \
    static void loads_hook_##suite_name##kind(loads_user *user);                                   \
    __attribute__((constructor)) static void loads_register_##suite_name##kind(void)               \
    {                                                                                              \
        static const struct loads_hook_ hook = {#suite_name, kind, __FILE__, __LINE__,             \
                                                loads_hook_##suite_name##kind};                    \
        loads_register_hook_(&hook);                                                               \
    }                                                                                              \
    static void loads_hook_##suite_name##kind(__attribute__((unused)) loads_user *user)
struct loads_transaction_ {
    loads_user *user_;
    const char *name_;
    const char *file_;
    int line_;
    int state_;
    uint64_t started_usec_;
    struct loads_transaction_ *outer_;
};
LOADS_API bool loads_transaction_begin_(struct loads_transaction_ *transaction);
LOADS_API void loads_transaction_end_(struct loads_transaction_ *transaction);
#define LOADS_NAME_(prefix, number)  LOADS_NAME__(prefix, number)
#define LOADS_NAME__(prefix, number) prefix##number
#define LOADS_TRANSACTION_(user, name, variable)                                                   \
    for (__attribute__((cleanup(loads_transaction_end_))) struct loads_transaction_ variable =     \
             {.user_ = (user), .name_ = (name), .file_ = __FILE__, .line_ = __LINE__};             \
         loads_transaction_begin_(&variable); loads_transaction_end_(&variable))
LOADS_API void *loads_state_(const char *file, int line, loads_user *user, size_t size_bytes);

/* Each is told what the test's author wrote: here, one level further down, macros in it are
 * expanded. */
#define LOADS_ASSERT_(condition, what)                                                             \
    ((condition) ? (void)0 : loads_fail_at_(__FILE__, __LINE__, "assertion failed: %s", what))
#define LOADS_INT_(what, actual, op, expected)                                                     \
    __extension__({                                                                                \
        intmax_t loads_a_ = (actual), loads_b_ = (expected);                                       \
        if (!(loads_a_ op loads_b_)) {                                                             \
            loads_fail_at_(__FILE__, __LINE__, "%s is %jd, expected %s%jd", what, loads_a_,        \
                           LOADS_OP_(#op), loads_b_);                                              \
        }                                                                                          \
    })
#define LOADS_UINT_(what, actual, op, expected)                                                    \
    __extension__({                                                                                \
        uintmax_t loads_a_ = (actual), loads_b_ = (expected);                                      \
        if (!(loads_a_ op loads_b_)) {                                                             \
            loads_fail_at_(__FILE__, __LINE__, "%s is %ju, expected %s%ju", what, loads_a_,        \
                           LOADS_OP_(#op), loads_b_);                                              \
        }                                                                                          \
    })
#define LOADS_DOUBLE_(what, actual, op, expected)                                                  \
    __extension__({                                                                                \
        double loads_a_ = (actual), loads_b_ = (expected);                                         \
        if (!(loads_a_ op loads_b_)) {                                                             \
            loads_fail_at_(__FILE__, __LINE__, "%s is %g, expected %s%g", what, loads_a_,          \
                           LOADS_OP_(#op), loads_b_);                                              \
        }                                                                                          \
    })
/* "200" for ==, else "!= 200", "< 200". */
#define LOADS_OP_(op) ((op)[0] == '=' ? "" : op " ")

enum loads_str_ { LOADS_STR_EQ_, LOADS_STR_NE_, LOADS_STR_CONTAINS_, LOADS_STR_LACKS_ };

LOADS_API void loads_fail_at_(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
LOADS_API void loads_assert_near_(const char *file, int line, const char *what, double actual,
                                  double expected, double tolerance);
LOADS_API void loads_assert_str_(const char *file, int line, const char *what, enum loads_str_ how,
                                 const char *actual, const char *expected);
LOADS_API const char *loads_json_string_(const char *file, int line, const loads_response *response,
                                         const char *path);
LOADS_API intmax_t loads_json_int_(const char *file, int line, const loads_response *response,
                                   const char *path);
LOADS_API double loads_json_double_(const char *file, int line, const loads_response *response,
                                    const char *path);
LOADS_API bool loads_json_bool_(const char *file, int line, const loads_response *response,
                                const char *path);
LOADS_API size_t loads_json_count_(const char *file, int line, const loads_response *response,
                                   const char *path);
LOADS_API loads_ws *loads_ws_open_(loads_user *user, const loads_ws_options *options);
LOADS_API void loads_ws_send_(const char *file, int line, loads_ws *ws, const void *bytes,
                              size_t size, bool binary);
LOADS_API void loads_ws_send_text_(const char *file, int line, loads_ws *ws, const char *text);
LOADS_API const loads_message *loads_ws_receive_(const char *file, int line, loads_ws *ws);
LOADS_API int64_t loads_random_int_(const char *file, int line, loads_user *user, int64_t low,
                                    int64_t high);
enum loads_distribution_ { LOADS_CONSTANT_, LOADS_UNIFORM_, LOADS_EXPONENTIAL_ };
struct loads_distribution {
    int kind_;
    double first_, second_;
};
LOADS_API void loads_set_server_url_(const char *file, int line, loads_user *user, const char *url);
LOADS_API const loads_row *loads_feed_(const char *file, int line, loads_user *user,
                                       loads_feeder *feeder);
LOADS_API const char *loads_value_(const char *file, int line, const loads_row *row,
                                   const char *name);
LOADS_API void loads_think_(const char *file, int line, loads_user *user,
                            loads_distribution distribution);
LOADS_API void loads_pace_(const char *file, int line, loads_user *user,
                           loads_distribution distribution);
LOADS_API void loads_assert_mem_(const char *file, int line, const char *what, const void *actual,
                                 const void *expected, size_t size);

#include <loads/app.h>

#endif
