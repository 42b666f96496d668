/* SPDX-License-Identifier: MPL-2.0 */
/* Run with a directory as its argument, it leaves samples there, for the test that holds them
 * against the schemas. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "outputs/output.h"
#include "outputs/text.h"
#include "wire/json.h"

#define HOSTILE "\"q\\\" \x1b[31mred\x01\n\xff\xc3\x28 \xe2\x82\xac \xc2\x85 \xe2\x80\xae<"

/* Texts of a summary are its own and not const; here they are literals that nobody writes to. */
#define TEXT(literal) ((char *)(literal))

static char directory[64] = "/tmp/loads-outputs-XXXXXX";
static const char *samples; /* where samples go; NULL: nowhere */

/* ---- what is reported ---- */

struct fixture {
    void *memory;
    struct names *names;
    struct run_spec *spec;
    struct output_run run;
    struct summary summary;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){0};
    f.memory = calloc(1, names_size_bytes());
    assert_non_null(f.memory);
    assert_int_equal(names_new(&f.names, f.memory, names_size_bytes()), 0);
    assert_int_equal(run_spec_new(&f.spec), 0);
    strcpy(f.spec->run_id, "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    assert_int_equal(fqn_parse("shop.TestShop.test_buy", &f.spec->fqn, NULL), 0);
    f.spec->users = (struct number_list){{10, 20}, 2};
    f.spec->hits = (struct number_list){{5, 7}, 2};
    f.run = (struct output_run){
        .spec = f.spec,
        .names = f.names,
        .started_usec = UINT64_C(1781525706375365), /* 2026-06-15 12:15:06 */
        .ended_usec = UINT64_C(1781525708400000),
        .workers = 2,
        .outcome = "passed",
    };
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    run_spec_free(f->spec);
    names_free(f->names);
    free(f->memory);
    return 0;
}

static void use_simple_summary(struct fixture *f)
{
    static struct summary_status status = {200, 1000};
    static struct summary_name name = {
        .test = TEXT("TestShop.test_buy"),
        .name = TEXT("http://127.0.0.1:9000/"),
        .method = TEXT("GET"),
        .hits = 1000,
        .good = 1000,
        .success_rate = 1,
        .hits_per_sec = 495.6,
        .latency = {900, 88000, 41234.5, 40123, 61000, 70999, 80500, 87999},
        .statuses = &status,
        .n_statuses = 1,
    };
    static struct summary_test test = {TEXT("TestShop.test_buy"), {1000, 0, 0, 0}};
    f->summary = (struct summary){
        .hits = 1000,
        .successes = 1000,
        .duration_sec = 2.0178,
        .hits_per_sec = 495.6,
        .latency = name.latency,
        .names = &name,
        .n_names = 1,
        .slowest = &name,
        .tests = &test,
        .n_tests = 1,
    };
}

/* All that can be in a summary, with texts that mean harm. */
static void use_hostile_summary(struct fixture *f)
{
    static char long_name[9000];
    static struct summary_status statuses[] = {{200, 7}, {404, 2}, {503, 1}}, other = {0, 4};
    static struct summary_name names[30];
    static struct summary_error errors[5];
    static struct summary_counter counters[] = {{TEXT("logins"), 12}, {TEXT(HOSTILE), -5}};
    static struct summary_test tests[] = {{TEXT("A.a"), {5, 2, 3, 1}}, {TEXT("B.b"), {0, 0, 0, 0}}};
    static struct output_usage usage[25];

    memset(long_name, 'x', sizeof long_name - 1);
    memcpy(long_name, "http://", 7);
    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        names[i] = (struct summary_name){
            .test = TEXT("A.a"), .name = TEXT("/n"), .method = TEXT("GET"), .errors = 1};
    }
    names[0] = (struct summary_name){.test = TEXT("A.a"),
                                     .name = TEXT(HOSTILE),
                                     .method = TEXT("GET"),
                                     .hits = 10,
                                     .good = 7,
                                     .success_rate = 0.7,
                                     .latency = {1, 3599999999, 1e6, 2, 3, 4, 5, 6},
                                     .statuses = statuses,
                                     .n_statuses = 3};
    names[1] = (struct summary_name){.test = TEXT(""),
                                     .name = TEXT("(other)"),
                                     .method = TEXT(""),
                                     .hits = 4,
                                     .good = 4,
                                     .success_rate = 1,
                                     .latency = {1, 4, 2.5, 2, 4, 4, 4, 4},
                                     .statuses = &other,
                                     .n_statuses = 1};
    names[2].name = long_name;
    for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
        errors[i] = (struct summary_error){ERROR_KIND_ERROR,
                                           TEXT("connect"),
                                           TEXT("Connection refused"),
                                           TEXT(""),
                                           TEXT("A.a"),
                                           TEXT(""),
                                           2};
    }
    errors[0] = (struct summary_error){ERROR_KIND_FAILURE, TEXT("assertion"), TEXT(HOSTILE),
                                       TEXT("shop.c:12"),  TEXT("A.a"),       TEXT(""),
                                       UINT64_MAX};
    errors[1] = (struct summary_error){ERROR_KIND_ERROR,
                                       TEXT("crash"),
                                       TEXT("segmentation fault"),
                                       TEXT("shop.c:7"),
                                       TEXT("A.a"),
                                       TEXT("#0 a\n#1 b\n#2 c\n#3 d\n#4 e\n#5 f\n#6 g\n#7 h\n#8 i"),
                                       1};
    f->summary = (struct summary){
        .hits = 14,
        .request_errors = 28,
        .successes = 5,
        .failures = 2,
        .errors = 3,
        .interrupted = 1,
        .duration_sec = 10,
        .hits_per_sec = 1.4,
        .latency = names[0].latency,
        .sent_bytes = 1,
        .received_bytes = 2,
        .sockets = {.opened = 3, .received_bytes = 4},
        .names = names,
        .n_names = ELEMENTSOF(names),
        .slowest = &names[0],
        .failures_and_errors = errors,
        .n_failures_and_errors = ELEMENTSOF(errors),
        .counters = counters,
        .n_counters = ELEMENTSOF(counters),
        .tests = tests,
        .n_tests = ELEMENTSOF(tests),
        .other_series = 4,
    };
    for (size_t i = 0; i < ELEMENTSOF(usage); i++) {
        usage[i] = (struct output_usage){HOSTILE, i > 0 ? INT64_MAX : 0, i < 7 ? INT64_MAX : 0};
    }
    f->run.usage = usage;
    f->run.n_usage = ELEMENTSOF(usage);
    assert_int_equal(strlist_add(&f->spec->tags, "branch=\"main\""), 0);
    f->spec->project_name = strdup("proj\xc3\xa9t");
    f->spec->user_id = strdup("me");
    f->spec->server_url = strdup("http://127.0.0.1:1/");
    f->run.outcome = "aborted";
    f->run.trouble = "workers crashed 4 times: " HOSTILE;
}

/* ---- helpers ---- */

/* Everything in a file, malloc'ed, with a NUL behind. */
static char *read_all(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = 0, space = 1 << 20;
    char *text = malloc(space);
    assert_non_null(text);
    size = fread(text, 1, space - 1, file);
    assert_true(size < space - 1);
    text[size] = '\0';
    assert_int_equal(fclose(file), 0);
    if (ret_size) {
        *ret_size = size;
    }
    return text;
}

static void copy_sample(const char *path, const char *name)
{
    char to[512];
    size_t size;

    if (samples) {
        _cleanup_free_ char *text = read_all(path, &size);
        (void)snprintf(to, sizeof to, "%s/%s", samples, name);
        FILE *file = fopen(to, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, size, file), size);
        assert_int_equal(fclose(file), 0);
    }
}

static const char *file_path(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static struct output *open_output(const char *type, const char *path)
{
    struct output *output = NULL;
    struct error error = {0};
    char argument[256];

    (void)snprintf(argument, sizeof argument, "%s=%s", type, path);
    int r = output_open(&output, argument, NULL, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(r, 0);
    return output;
}

/* What stdout's end() writes: the type has no file of its own, so it is given one. */
static char *print_summary(struct fixture *f)
{
    struct error error = {0};
    char *text = NULL;
    size_t size;
    const struct output_type *type = output_types;

    while (strcmp(type->name, "stdout") != 0) {
        type++;
    }
    struct output *output = calloc(1, sizeof *output);
    assert_non_null(output);
    output->type = type;
    output->file = open_memstream(&text, &size);
    assert_non_null(output->file);
    assert_int_equal(output_begin(output, &f->run, &error), 0);
    assert_int_equal(output_end(output, &f->run, &f->summary, &error), 0);
    assert_int_equal(output_close(output, &error), 0);
    output_free(output);
    return text;
}

static json_t *parse(const char *text, size_t size)
{
    json_error_t reason;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &reason);
    if (!json) {
        fail_msg("%s in: %.*s", reason.text, (int)size, text);
    }
    return json;
}

static const char *string_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

/* ---- numbers and texts ---- */

static void test_numbers(void **state _unused_)
{
    static const struct {
        double share;
        const char *text;
    } shares[] = {{0, "0 %"},      {0.00001, "<0.1 %"}, {0.001, "0.1 %"}, {0.5, "50.0 %"},
                  {0.9, "90.0 %"}, {0.99999, "99.9 %"}, {1, "100 %"}};
    char text[TEXT_NUMBER_BYTES];

    for (size_t i = 0; i < ELEMENTSOF(shares); i++) {
        assert_string_equal(text_share(shares[i].share, text), shares[i].text);
    }
}

static void check_text(const char *text, unsigned columns, const char *expected, unsigned used)
{
    char *got = NULL;
    size_t size;
    FILE *file = open_memstream(&got, &size);

    assert_non_null(file);
    assert_int_equal(text_put(file, text, strlen(text), columns), used);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(got, expected);
    free(got);
}

static void test_text(void **state _unused_)
{
    check_text("", 10, "", 0);
    check_text("abc", 5, "abc", 3);
    check_text("abcdefghij", 10, "abcdefghij", 10);
    check_text("abcdefghijk", 10, "abcde…hijk", 10);
    check_text("äöüäöü", 5, "äö…öü", 5);
    check_text("a\x1b[31m", 20, "a\\x1b[31m", 9);
    check_text("\r\n\t\x7f", 20, "\\r\\n\\t\\x7f", 10);
    check_text("a\xc2\x85", 20, "a\\u0085", 7);
    check_text("\xe2\x80\xae!", 20, "\\u202e!", 7);
    check_text("\xff\xc3(", 20, "\xef\xbf\xbd\xef\xbf\xbd(", 3);
    /* An escape is shown as a whole or not at all. */
    check_text("\x01\x02\x03\x04\x05", 10, "\\x01…\\x05", 9);
    check_text("\xf0\x9f\x98\x80\xf0\x9f\x98", 10,
               "\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 4);
}

/* ---- stdout ---- */

static void test_stdout(void **state)
{
    struct fixture *f = *state;

    use_simple_summary(f);
    _cleanup_free_ char *text = print_summary(f);
    assert_string_equal(text,
                        "Hits: 1000\n"
                        "Started: 2026-06-15 12:15:06.375365\n"
                        "Duration: 2.02 seconds\n"
                        "Approximate Average RPS: 496\n"
                        "Average request time: 0.04s\n"
                        "Opened web sockets: 0\n"
                        "Bytes received via web sockets : 0\n"
                        "\n"
                        "Success: 1000\n"
                        "Errors: 0\n"
                        "Failures: 0\n"
                        "\n"
                        "Latency       50 %      90 %      95 %      99 %    99.9 %       max\n"
                        "           40.1 ms   61.0 ms   71.0 ms   80.5 ms   88.0 ms   88.0 ms\n"
                        "\n"
                        "Slowest URL: http://127.0.0.1:9000/ (41.2 ms on average)\n"
                        "\n"
                        "Name                                     Hits Success  Average      p95"
                        "      p99\n"
                        "GET http://127.0.0.1:9000/               1000   100 %  41.2 ms  71.0 ms"
                        "  80.5 ms\n");
}

/* What agents know; one that can't count memory says so. */
static void test_stdout_usage(void **state)
{
    struct fixture *f = *state;
    static const struct output_usage usage[] = {
        {"box1-1", 12345678, UINT64_C(220200960)}, {"box2-1", 4000, 0}, {"box3-1", 0, 1 << 20}};

    use_simple_summary(f);
    f->run.usage = usage;
    f->run.n_usage = ELEMENTSOF(usage);
    _cleanup_free_ char *text = print_summary(f);
    assert_non_null(strstr(
        text, "\n\nAgent                                 Processor time      Memory at most\n"
              "box1-1                                       12.35 s           210.0 MiB\n"
              "box2-1                                        0.00 s       not available\n"
              "box3-1                                 not available             1.0 MiB\n"));
}

static void test_stdout_without_hits(void **state)
{
    struct fixture *f = *state;
    static const char head[] = "Hits: 0\n"
                               "Started: 2026-06-15 12:15:06.375365\n"
                               "Duration: 0.00 seconds\n"
                               "Approximate Average RPS: 0\n"
                               "Average request time: 0.00s\n"
                               "Opened web sockets: 0\n"
                               "Bytes received via web sockets : 0\n"
                               "\n"
                               "Success: 0\n"
                               "Errors: 0\n"
                               "Failures: 0\n"
                               "\n";
    char expected[1024];

    _cleanup_free_ char *none = print_summary(f);
    (void)snprintf(expected, sizeof expected, "%s%s", head,
                   "No request got an answer, so there are no latencies.\n");
    assert_string_equal(none, expected);

    f->summary.request_errors = 12;
    _cleanup_free_ char *unanswered = print_summary(f);
    (void)snprintf(expected, sizeof expected, "%s%s", head,
                   "None of 12 requests got a complete answer, so there are no latencies.\n");
    assert_string_equal(unanswered, expected);
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) {
        n++;
    }
    return n;
}

static void test_stdout_hostile(void **state)
{
    struct fixture *f = *state;

    use_hostile_summary(f);
    _cleanup_free_ char *text = print_summary(f);
    assert_non_null(strstr(text, "Failures: 2\nInterrupted: 1\n\nThe run was given up:\n"));
    assert_non_null(strstr(text, "Requests without a complete answer: 28\n"));
    assert_int_equal(count_of(text, "A.a: GET /n "), 17); /* 20 rows with the first three */
    assert_non_null(strstr(text, "\nand 10 more names (see --output json)\n"));
    assert_non_null(strstr(text, "A.a: GET http://xx…"));
    assert_non_null(strstr(text, "  18446744073709551615 failures, assertion: "));
    assert_non_null(strstr(text, "    at shop.c:7 in A.a\n    #0 a\n"));
    assert_non_null(strstr(text, "    #7 h\n    (1 more line)\n"));
    assert_non_null(strstr(text, "  2 errors, connect: Connection refused\n    in A.a\n"));
    assert_non_null(strstr(text, "\n  and 2 more (see --output json)\n"));
    assert_non_null(strstr(text, "\n4 requests went to \"(other)\""));
    assert_non_null(strstr(text, "\nCounters\n  logins "));
    assert_non_null(strstr(text, "\nand 5 more agents (see --output json)\n"));
    assert_null(strstr(text, "\xff"));
    assert_null(strstr(text, "\xc2\x85"));
    assert_null(strstr(text, "\xe2\x80\xae"));
    for (const char *c = text; *c; c++) {
        assert_true((unsigned char)*c >= ' ' || *c == '\n');
        assert_int_not_equal(*c, 0x7f);
    }
    /* Tables keep to 80 columns whatever is in them. */
    const char *line = strstr(text, "\nName ") + 1;
    for (; *line != '\n'; line = strchr(line, '\n') + 1) {
        assert_true(text_columns(line, strcspn(line, "\n")) <= 80);
    }
    if (samples) {
        (void)fputs(text, stderr);
    }
}

/* ---- json ---- */

static json_t *write_json(struct fixture *f, const char *sample)
{
    struct error error = {0};
    struct output *output = open_output("json", file_path("json"));
    size_t size;

    assert_int_equal(output_begin(output, &f->run, &error), 0);
    assert_int_equal(output_end(output, &f->run, &f->summary, &error), 0);
    assert_int_equal(output_close(output, &error), 0);
    output_free(output);
    copy_sample(file_path("json"), sample);
    _cleanup_free_ char *text = read_all(file_path("json"), &size);
    assert_int_equal(text[size - 1], '\n');
    return parse(text, size);
}

static void test_json(void **state)
{
    struct fixture *f = *state;

    use_simple_summary(f);
    _cleanup_(json_decrefp) json_t *json = write_json(f, "summary-simple.json");
    assert_int_equal(json_integer_value(json_object_get(json, "hits")), 1000);
    assert_int_equal(json_integer_value(json_object_get(json, "duration_usec")), 2017800);
    assert_string_equal(string_at(json, "started"), "2026-06-15T12:15:06.375365Z");
    assert_string_equal(string_at(json, "ended"), "2026-06-15T12:15:08.400000Z");
    assert_string_equal(string_at(json, "run_id"), f->spec->run_id);
    assert_null(json_object_get(json, "trouble"));
    const json_t *options = json_object_get(json, "options");
    assert_string_equal(string_at(options, "fqn"), "shop.TestShop.test_buy");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(options, "hits"), 1)), 7);
    const json_t *latency = json_object_get(json, "latency");
    assert_int_equal(json_integer_value(json_object_get(latency, "p999_usec")), 87999);
    assert_true(json_real_value(json_object_get(latency, "average_usec")) == 41234.5);
}

static void test_json_hostile(void **state)
{
    struct fixture *f = *state;

    use_hostile_summary(f);
    _cleanup_(json_decrefp) json_t *json = write_json(f, "summary-hostile.json");
    const json_t *names = json_object_get(json, "names");
    assert_int_equal(json_array_size(names), 30);
    assert_string_equal(string_at(json_array_get(names, 0), "name"),
                        "\"q\\\" \x1b[31mred\x01\n\xef\xbf\xbd\xef\xbf\xbd( \xe2\x82\xac \xc2\x85 "
                        "\xe2\x80\xae<");
    assert_null(json_object_get(json_array_get(names, 3), "latency"));
    const json_t *usage = json_object_get(json, "usage");
    assert_int_equal(json_array_size(usage), 25);
    assert_null(json_object_get(json_array_get(usage, 0), "cpu_usec"));
    assert_non_null(json_object_get(json_array_get(usage, 1), "cpu_usec"));
    assert_non_null(json_object_get(json_array_get(usage, 0), "memory_peak_bytes"));
    assert_null(json_object_get(json_array_get(usage, 7), "memory_peak_bytes"));
    const json_t *errors = json_object_get(json, "errors");
    assert_int_equal(json_array_size(errors), 5);
    assert_true(json_integer_value(json_object_get(json_array_get(errors, 0), "count")) ==
                INT64_MAX);
    assert_string_equal(string_at(json_array_get(errors, 0), "kind"), "failure");
}

/* A URL with a duration, stopped before there was anything. */
static void test_json_empty(void **state)
{
    struct fixture *f = *state;

    f->spec->fqn.text[0] = '\0';
    f->spec->url = strdup("http://me:hush@127.0.0.1:8000/\"?q=hush");
    f->spec->server_url = strdup("http://hush@h/");
    f->spec->hits.count = 0;
    f->spec->duration_usec = 10000000;
    f->run.outcome = "interrupted";
    f->run.ended_usec = 0;
    _cleanup_(json_decrefp) json_t *json = write_json(f, "summary-empty.json");
    assert_null(json_object_get(json, "latency"));
    assert_null(json_object_get(json, "slowest"));
    assert_null(json_object_get(json, "ended"));
    const json_t *options = json_object_get(json, "options");
    assert_null(json_object_get(options, "fqn"));
    assert_string_equal(string_at(options, "url"), "http://***@127.0.0.1:8000/\"?***");
    assert_string_equal(string_at(options, "server_url"), "http://***@h/");
}

static long json_fails_after = -1; /* allocations; negative: none fails */

static void *json_allocate(size_t size)
{
    return json_fails_after >= 0 && json_fails_after-- == 0 ? NULL : malloc(size);
}

/* Each allocation of the object fails in turn: said, nothing leaks, no half object is written. */
static void test_json_no_memory(void **state)
{
    struct fixture *f = *state;
    struct stat status;
    int r = -ENOMEM;

    use_hostile_summary(f);
    json_set_alloc_funcs(json_allocate, free);
    for (long n = 0; r == -ENOMEM; n++) {
        struct error error = {0};
        struct output *output = open_output("json", file_path("json"));
        assert_int_equal(output_begin(output, &f->run, &error), 0);
        json_fails_after = n;
        r = output_end(output, &f->run, &f->summary, &error);
        bool all_done = json_fails_after >= 0;
        json_fails_after = -1;
        assert_int_equal(r, all_done ? 0 : -ENOMEM);
        assert_int_equal(output->broken, r < 0);
        assert_string_equal(error.text, r < 0 ? "output json: Cannot allocate memory" : "");
        output_free(output);
        assert_int_equal(stat(file_path("json"), &status), 0);
        assert_true(all_done || status.st_size == 0);
        assert_true(n < 100000);
    }
    json_set_alloc_funcs(malloc, free);
}

/* ---- file ---- */

static void write_detail(struct fixture *f, struct output *output, const struct detail *detail)
{
    struct error error = {0};
    assert_int_equal(output_detail(output, &f->run, detail, &error), 0);
}

static unsigned test_id(struct fixture *f)
{
    return names_id(f->names, NAME_TEST, "TestShop.test_buy", 17);
}

static void finish(struct output *output, struct fixture *f)
{
    struct error error = {0};
    assert_int_equal(output_end(output, &f->run, &f->summary, &error), 0);
    assert_int_equal(output_close(output, &error), 0);
    output_free(output);
}

static struct output *begin_file(struct fixture *f)
{
    struct error error = {0};
    struct output *output = open_output("file", file_path("file"));
    assert_int_equal(output_begin(output, &f->run, &error), 0);
    return output;
}

#define START                                                                                      \
    "\"agent_id\":\"local\",\"run_id\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\","                  \
    "\"test\":\"TestShop.test_buy\",\"loads_status\":[7,10,3,10]"

static void test_file(void **state)
{
    struct fixture *f = *state;
    struct series_key hit = {"TestShop.test_buy", "cart", "POST", 201};
    struct series_key no_hit = {"TestShop.test_buy", "cart", "GET", 0};
    struct error_key refused = {.class = "connect", .message = "Connection refused"};
    struct error_key failure = {ERROR_KIND_FAILURE, "assertion", "1 is not 2", "shop.c:3", "", ""};
    struct error_key crash = {ERROR_KIND_ERROR, "crash", "fault", "shop.c:3", "", "#0 a\n#1 b"};
    struct detail detail = {.test = test_id(f), .user = 9, .iteration = 2, .cycle = 1};
    struct output *output = begin_file(f);

    detail.type = DETAIL_START_TEST;
    detail.started_usec = UINT64_C(1781525706000001);
    write_detail(f, output, &detail);
    detail.type = DETAIL_HIT;
    detail.id = names_series(f->names, &hit);
    detail.elapsed_usec = 12000345;
    detail.text = "http://127.0.0.1/cart?a=1";
    detail.text_size = strlen(detail.text);
    write_detail(f, output, &detail);
    detail.type = DETAIL_REQUEST_ERROR;
    detail.id = names_series(f->names, &no_hit);
    detail.error_id = names_error(f->names, &refused);
    detail.elapsed_usec = 0;
    detail.started_usec = UINT64_C(1781525707999999);
    write_detail(f, output, &detail);
    detail.text = NULL;
    detail.type = DETAIL_COUNTER;
    detail.id = names_id(f->names, NAME_COUNTER, "a \"b\"", 5);
    detail.value = INT64_MIN;
    write_detail(f, output, &detail);
    detail.elapsed_usec = 1000000;
    detail.type = DETAIL_SUCCESS;
    write_detail(f, output, &detail);
    detail.type = DETAIL_FAILURE;
    detail.id = names_error(f->names, &failure);
    write_detail(f, output, &detail);
    detail.type = DETAIL_ERROR;
    detail.id = names_error(f->names, &crash);
    write_detail(f, output, &detail);
    detail.type = DETAIL_INTERRUPTED;
    write_detail(f, output, &detail);
    finish(output, f);

    copy_sample(file_path("file"), "events.jsonl");
    _cleanup_free_ char *text = read_all(file_path("file"), NULL);
#define TIME "\"time\":\"2026-06-15T12:15:07.999999Z\""
#define STOP "{\"data_type\":\"stopTest\"," START "," TIME "}\n"
    assert_string_equal(
        text, "{\"data_type\":\"startTest\"," START ",\"time\":\"2026-06-15T12:15:06.000001Z\"}\n"
              "{\"data_type\":\"add_hit\"," START ",\"url\":\"http://127.0.0.1/cart?a=1\","
              "\"name\":\"cart\",\"method\":\"POST\",\"started\":\"2026-06-15T12:15:06.000001Z\","
              "\"elapsed\":12.000345,\"status\":201}\n"
              "{\"data_type\":\"request_error\"," START ",\"url\":\"http://127.0.0.1/cart?a=1\","
              "\"name\":\"cart\",\"method\":\"GET\",\"started\":\"2026-06-15T12:15:07.999999Z\","
              "\"elapsed\":0.000000,"
              "\"error\":{\"class\":\"connect\",\"message\":\"Connection refused\"}}\n"
              "{\"data_type\":\"incr_counter\"," START "," TIME ",\"name\":\"a \\\"b\\\"\","
              "\"value\":-9223372036854775808}\n"
              "{\"data_type\":\"addSuccess\"," START "," TIME ",\"elapsed\":1.000000}\n" STOP
              "{\"data_type\":\"addFailure\"," START "," TIME ",\"elapsed\":1.000000,"
              "\"exc_info\":[\"1 is not 2\",\"assertion\",\"shop.c:3\"]}\n" STOP
              "{\"data_type\":\"addError\"," START "," TIME ",\"elapsed\":1.000000,"
              "\"exc_info\":[\"fault\",\"crash\",\"#0 a\\n#1 b\"]}\n" STOP
              "{\"data_type\":\"interrupted\"," START "," TIME ",\"elapsed\":1.000000}\n" STOP);
}

/* Records that a test wrote over: any numbers, any bytes. */
static void test_file_hostile(void **state)
{
    struct fixture *f = *state;
    struct output *output = begin_file(f);
    char all[256];

    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (char)i;
    }
    for (unsigned type = 0; type <= DETAIL_TYPES + 1; type++) {
        struct detail detail = {.type = type,
                                .id = UINT32_MAX,
                                .error_id = UINT32_MAX,
                                .test = UINT32_MAX,
                                .user = UINT32_MAX,
                                .iteration = UINT32_MAX,
                                .cycle = type % 2 ? UINT32_MAX : 0,
                                .started_usec = UINT64_C(253402300799999999),
                                .elapsed_usec = UINT64_MAX,
                                .value = INT64_MAX,
                                .text = all,
                                .text_size = sizeof all};
        write_detail(f, output, &detail);
    }
    finish(output, f);

    copy_sample(file_path("file"), "events-hostile.jsonl");
    _cleanup_free_ char *text = read_all(file_path("file"), NULL);
    unsigned lines = 0;
    for (char *line = text; *line; lines++) {
        size_t size = strcspn(line, "\n");
        assert_int_equal(line[size], '\n');
        _cleanup_(json_decrefp) json_t *json = parse(line, size);
        assert_string_equal(string_at(json, "test"), "(other)");
        const json_t *url = json_object_get(json, "url");
        if (url) {
            const char *bytes = json_string_value(url);
            assert_int_equal(json_string_length(url), 128 + 128 * 3);
            assert_memory_equal(bytes, all, 128);
            assert_int_equal(count_of(bytes + 1, "\xef\xbf\xbd"), 128);
        }
        line += size + 1;
    }
    assert_int_equal(lines, DETAIL_TYPES - 1 + 4);
}

/* ---- opening, failing ---- */

#define ALL_TYPES "stdout, null, html, json, csv, junit, prometheus, hdr, file, funkload, exec"

static void check_refused(const char *argument, int code, const char *text)
{
    struct output *output = NULL;
    struct error error = {0};

    assert_int_equal(output_open(&output, argument, NULL, &error), code);
    assert_string_equal(error.text, text);
    assert_null(output);
}

static void test_refused(void **state _unused_)
{
    check_refused("jsn", -EINVAL, "there is no output 'jsn'; there are: " ALL_TYPES);
    check_refused("", -EINVAL, "there is no output ''; there are: " ALL_TYPES);
    check_refused("=x", -EINVAL, "there is no output ''; there are: " ALL_TYPES);
    check_refused("jso=x", -EINVAL, "there is no output 'jso'; there are: " ALL_TYPES);
    check_refused("stdout=x", -EINVAL, "output stdout: is not written to a file: 'stdout=x'");
    check_refused("null=x", -EINVAL, "output null: is not written to a file: 'null=x'");
    check_refused("json=", -EINVAL, "output json: the name of the file is missing behind '='");
    check_refused("json=/nonexistent/x", -ENOENT,
                  "output json: can't write '/nonexistent/x': No such file or directory");
    check_refused("json:x", -EINVAL, "output json: is not written to a program: 'json:x'");
    check_refused("exec", -EINVAL, "output exec: name the program behind it, as in exec:PROGRAM");
    check_refused("exec=x", -EINVAL, "output exec: name the program behind it, as in exec:PROGRAM");
    check_refused("exec:", -EINVAL, "output exec: name the program behind it, as in exec:PROGRAM");
    check_refused("exec:'x", -EINVAL, "output exec: ''x' has a quote without its end");
    check_refused("exec:/nonexistent/x y", -ENOENT,
                  "output exec: cannot start '/nonexistent/x': No such file or directory");
    check_refused("file=/", -EISDIR, "output file: can't write '/': Is a directory");
}

/* Root may write everywhere, so it is somebody else meanwhile. */
static void test_no_permission(void **state _unused_)
{
    const char *path = file_path("closed");
    char argument[160], text[200];
    bool is_root = geteuid() == 0;

    assert_int_equal(mkdir(path, 0500), 0);
    (void)snprintf(argument, sizeof argument, "csv=%s/x", path);
    (void)snprintf(text, sizeof text, "output csv: can't write '%s/x': Permission denied", path);
    assert_true(!is_root || (chmod(directory, 0755) == 0 && seteuid(65534) == 0));
    check_refused(argument, -EACCES, text);
    assert_true(!is_root || seteuid(0) == 0);
    assert_int_equal(rmdir(path), 0);
}

static void test_null(void **state)
{
    struct fixture *f = *state;
    struct output *output = NULL;
    struct error error = {0};
    struct detail detail = {.type = DETAIL_START_TEST};

    assert_int_equal(output_open(&output, "null", NULL, &error), 0);
    assert_null(output->file);
    assert_false(output->type->wants_detail);
    assert_int_equal(output_begin(output, &f->run, &error), 0);
    assert_int_equal(output_detail(output, &f->run, &detail, &error), 0);
    assert_int_equal(output_end(output, &f->run, &f->summary, &error), 0);
    assert_int_equal(output_close(output, &error), 0);
    assert_null(output_free(output));
    assert_null(output_free(NULL));
}

/* An older file is kept until the run begins, then nothing of it is left. */
static void test_truncate(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    const char *path = file_path("older");
    struct stat status;

    FILE *older = fopen(path, "w");
    assert_non_null(older);
    for (int i = 0; i < 10000; i++) {
        (void)fputs("older than this run\n", older);
    }
    assert_int_equal(fclose(older), 0);
    struct output *output = open_output("json", path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 200000);
    output_free(output);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 200000);

    output = open_output("json", path);
    assert_int_equal(output_begin(output, &f->run, &error), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 0);
    assert_int_equal(output_end(output, &f->run, &f->summary, &error), 0);
    output_free(output);
    _cleanup_free_ char *text = read_all(path, NULL);
    assert_null(strstr(text, "older"));
}

static void test_full_disk_json(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    struct output *output = open_output("json", "/dev/full");

    assert_int_equal(output_begin(output, &f->run, &error), 0);
    assert_int_equal(output_end(output, &f->run, &f->summary, &error), -ENOSPC);
    assert_string_equal(error.text,
                        "output json: can't write '/dev/full': No space left on device");
    assert_true(output->broken);
    assert_int_equal(output_end(output, &f->run, &f->summary, &error), 0);
    assert_int_equal(output_close(output, &error), 0);
    output_free(output);
}

/* The failure comes when the buffer is full, is told once, and all goes on. */
static void test_full_disk_file(void **state)
{
    struct fixture *f = *state;
    struct error error = {0};
    struct output *output = open_output("file", "/dev/full");
    struct detail detail = {.type = DETAIL_SUCCESS, .test = test_id(f)};
    unsigned failures = 0;

    assert_int_equal(output_begin(output, &f->run, &error), 0);
    for (int i = 0; i < 10000; i++) {
        int r = output_detail(output, &f->run, &detail, &error);
        assert_true(r == 0 || r == -ENOSPC);
        failures += r < 0 ? 1 : 0;
    }
    assert_int_equal(failures, 1);
    assert_string_equal(error.text,
                        "output file: can't write '/dev/full': No space left on device");
    assert_int_equal(output_end(output, &f->run, &f->summary, &error), 0);
    assert_int_equal(output_close(output, &error), 0);
    output_free(output);
}

static void test_full_disk_close(void **state _unused_)
{
    struct error error = {0};
    struct output *output = open_output("json", "/dev/full");

    assert_true(fputs("what is left in the buffer", output->file) >= 0);
    assert_int_equal(output_close(output, &error), -ENOSPC);
    assert_string_equal(error.text,
                        "output json: can't write '/dev/full': No space left on device");
    assert_true(output->broken);
    assert_int_equal(output_close(output, &error), 0);
    output_free(output);
}

/* FILE "-" and no FILE are standard output, which stays open. */
static void test_standard_output(void **state)
{
    struct fixture *f = *state;
    static const char *const arguments[] = {"json", "json=-"};
    struct error error = {0};

    for (size_t i = 0; i < ELEMENTSOF(arguments); i++) {
        struct output *output = NULL;
        (void)fflush(stdout);
        int saved = dup(STDOUT_FILENO);
        int fd = open(file_path("out"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_true(saved >= 0 && fd >= 0 && write(fd, "kept\n", 5) == 5);
        assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
        int opened = output_open(&output, arguments[i], NULL, &error);
        int r = opened == 0 ? output_begin(output, &f->run, &error) : opened;
        r = r == 0 ? output_end(output, &f->run, &f->summary, &error) : r;
        bool no_path = r == 0 && !output->path;
        output_free(output);
        int still = fcntl(STDOUT_FILENO, F_GETFD);
        assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
        close_fd(saved);
        close_fd(fd);
        assert_int_equal(r, 0);
        assert_true(no_path && still >= 0);
        _cleanup_free_ char *text = read_all(file_path("out"), NULL);
        assert_memory_equal(text, "kept\n{", 6);
    }
}

static int remove_directory(void **state _unused_)
{
    static const char *const names[] = {"json", "file", "older", "out"};
    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        (void)unlink(file_path(names[i])); /* may not be there */
    }
    return rmdir(directory);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_numbers),
        TEST(test_text),
        TEST(test_stdout),
        TEST(test_stdout_usage),
        TEST(test_stdout_without_hits),
        TEST(test_stdout_hostile),
        TEST(test_json),
        TEST(test_json_hostile),
        TEST(test_json_empty),
        TEST(test_json_no_memory),
        TEST(test_file),
        TEST(test_file_hostile),
        TEST(test_refused),
        TEST(test_no_permission),
        TEST(test_null),
        TEST(test_truncate),
        TEST(test_full_disk_json),
        TEST(test_full_disk_file),
        TEST(test_full_disk_close),
        TEST(test_standard_output),
#undef TEST
    };
    samples = argc > 1 ? argv[1] : NULL;
    if (setenv("TZ", "UTC", 1) < 0 || !mkdtemp(directory)) {
        return 1;
    }
    tzset();
    return cmocka_run_group_tests(tests, NULL, remove_directory);
}
