/* SPDX-License-Identifier: MPL-2.0 */
/* The outputs that are files of others' forms: what is the same for all of them, whatever is in
 * them. What is in them is read by others' parsers in tests/system/test_formats.py. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "allocation.h"
#include "outputs/hdr.h"
#include "outputs/output.h"
#include "outputs/xml.h"

static const char *const formats[] = {"html",       "json", "csv",      "junit",
                                      "prometheus", "hdr",  "funkload", "file"};

struct fixture {
    void *memory;
    struct names *names;
    struct run_spec *spec;
    struct totals *totals;
    struct timeline *timeline;
    struct output_run run;
    struct summary *summary;
    struct detail details[6];
    struct threshold_result thresholds[3];
};

static struct interval_series series_of(unsigned id, uint64_t usec)
{
    struct interval_series series = {.id = id, .sent_bytes = 100, .received_bytes = 200};
    assert_int_equal(histogram_add(&series.latency, usec, 3), 0);
    return series;
}

static unsigned timer_of(struct fixture *f, enum timer_kind kind, const char *name)
{
    return names_timer(f->names, &(struct timer_key){kind, kind == TIMER_PHASE ? "" : "S.t", name});
}

static void count(struct fixture *f)
{
    const struct error_key error_key = {ERROR_KIND_FAILURE, "assertion",         "no & <such>",
                                        "shop.c:1",         "TestShop.test_buy", "#0 a\n#1 b"};
    struct series_key key = {"TestShop.test_buy", "/basket", "GET", 200};
    unsigned test = names_id(f->names, NAME_TEST, "TestShop.test_buy", 17);
    unsigned found = names_series(f->names, &key);
    key.status = 404;
    unsigned missing = names_series(f->names, &key);
    unsigned failure = names_error(f->names, &error_key);
    struct interval_series series[] = {series_of(found, 1000), series_of(missing, 3000)};
    struct interval_count errors[] = {{failure, 2}};
    struct interval_count counters[] = {{names_id(f->names, NAME_COUNTER, "sold", 4), 5}};
    struct interval_test tests[] = {{test, {3, 2, 0, 1}}};
    struct interval_series timers[] = {series_of(timer_of(f, TIMER_PHASE, "wait"), 900),
                                       series_of(timer_of(f, TIMER_TRANSACTION, "pay \"<"), 4000),
                                       series_of(timer_of(f, TIMER_ROUND_TRIP, "chat"), 70)};
    struct interval interval = {.seconds = 1,
                                .series = series,
                                .n_series = 2,
                                .errors = errors,
                                .n_errors = 1,
                                .counters = counters,
                                .n_counters = 1,
                                .tests = tests,
                                .n_tests = 1,
                                .timers = timers,
                                .n_timers = ELEMENTSOF(timers)};

    assert_int_equal(totals_add(f->totals, &interval), 0);
    assert_int_equal(timeline_add(f->timeline, &interval), 0);
    interval.second = 2;
    assert_int_equal(totals_add(f->totals, &interval), 0);
    assert_int_equal(timeline_add(f->timeline, &interval), 0);
    histogram_clear(&series[0].latency);
    histogram_clear(&series[1].latency);
    for (size_t i = 0; i < ELEMENTSOF(timers); i++) {
        histogram_clear(&timers[i].latency);
    }
    f->details[0] = (struct detail){.type = DETAIL_START_TEST, .test = test};
    f->details[1] = (struct detail){.type = DETAIL_HIT,
                                    .id = found,
                                    .test = test,
                                    .text = "/",
                                    .text_size = 1,
                                    .elapsed_usec = 1000};
    f->details[2] = (struct detail){.type = DETAIL_HIT, .id = missing, .test = test, .user = 1};
    f->details[3] = (struct detail){.type = DETAIL_FAILURE, .id = failure, .test = test};
    f->details[4] = (struct detail){.type = DETAIL_STOP_TEST, .test = test};
    f->details[5] = (struct detail){.type = DETAIL_HIT, .id = found, .test = test, .user = 99};
}

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.memory = calloc(1, names_size_bytes())};
    assert_non_null(f.memory);
    assert_int_equal(names_new(&f.names, f.memory, names_size_bytes()), 0);
    assert_int_equal(run_spec_new(&f.spec), 0);
    strcpy(f.spec->run_id, "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    assert_int_equal(fqn_parse("shop.TestShop.test_buy", &f.spec->fqn, NULL), 0);
    f.spec->users = (struct number_list){{2}, 1};
    f.spec->hits = (struct number_list){{5}, 1};
    assert_int_equal(totals_new(&f.totals), 0);
    assert_int_equal(timeline_new(&f.timeline, TIMELINE_MAX_STEPS), 0);
    count(&f);
    assert_int_equal(summary_new(&f.summary, f.totals, f.names, 3), 0);
    f.run = (struct output_run){
        .spec = f.spec,
        .names = f.names,
        .started_usec = UINT64_C(1781525706375365),
        .ended_usec = UINT64_C(1781525708400000),
        .outcome = "lost",
        .trouble = "an agent went away",
        .timeline = f.timeline,
        .totals = f.totals,
        .thresholds = f.thresholds,
        .n_thresholds = ELEMENTSOF(f.thresholds),
    };
    f.thresholds[0] = (struct threshold_result){.text = "p95{url=/\"<*} < 1s, stop",
                                                .shown = "3.00 ms",
                                                .holds = true,
                                                .has_value = true,
                                                .value = 3000};
    f.thresholds[1] = (struct threshold_result){.text = "errors < 1% for 2s",
                                                .shown = "50 %",
                                                .has_value = true,
                                                .value = 0.5,
                                                .has_broken_sec = true,
                                                .broken_sec = 7};
    f.thresholds[2] = (struct threshold_result){.text = "of a later version"};
    for (size_t i = 0; i < ELEMENTSOF(f.thresholds); i++) {
        threshold_result_describe(&f.thresholds[i]);
    }
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    summary_free(f->summary);
    totals_free(f->totals);
    timeline_free(f->timeline);
    run_spec_free(f->spec);
    names_free(f->names);
    free(f->memory);
    return 0;
}

/* The first failure, or 0. */
static int write_all(struct fixture *f, const char *argument, struct error *error)
{
    _cleanup_(output_freep) struct output *output = NULL;
    int r = output_open(&output, argument, NULL, error);

    if (r == 0) {
        r = output_begin(output, &f->run, error);
    }
    for (size_t i = 0; r == 0 && i < ELEMENTSOF(f->details); i++) {
        r = output_detail(output, &f->run, &f->details[i], error);
    }
    if (r == 0) {
        r = output_end(output, &f->run, f->summary, error);
    }
    return r == 0 ? output_close(output, error) : r;
}

static void test_full_disk(void **state)
{
    for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
        struct error error = {0};
        char argument[64], expected[200];
        (void)snprintf(argument, sizeof argument, "%s=/dev/full", formats[i]);
        (void)snprintf(expected, sizeof expected,
                       "output %s: can't write '/dev/full': No space left on device", formats[i]);
        assert_int_equal(write_all(*state, argument, &error), -ENOSPC);
        assert_string_equal(error.text, expected);
    }
}

/* Whatever allocation fails, it is said; and then none does, and the output is there. */
static void test_no_memory(void **state)
{
    for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
        int r = -ENOMEM;
        char argument[64];
        (void)snprintf(argument, sizeof argument, "%s=/dev/null", formats[i]);
        for (long n = 0; r < 0; n++) {
            struct error error = {0};
            allocation_fails_after = n;
            r = write_all(*state, argument, &error);
            allocation_fails_after = -1;
            assert_true(r == 0 || r == -ENOMEM);
            assert_int_equal(error.text[0] != '\0', r < 0);
            assert_true(n < 5000);
        }
    }
}

/* Without a timeline, totals, hits: attached too late, or nothing happened. */
static void test_nothing(void **state)
{
    struct fixture *f = *state;
    _cleanup_(totals_freep) struct totals *none = NULL;
    struct error error = {0};

    assert_int_equal(totals_new(&none), 0);
    summary_free(f->summary);
    assert_int_equal(summary_new(&f->summary, none, f->names, 0), 0);
    f->run.totals = none;
    f->run.timeline = NULL;
    f->run.outcome = NULL;
    f->run.trouble = NULL;
    for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
        char argument[64];
        (void)snprintf(argument, sizeof argument, "%s=/dev/null", formats[i]);
        assert_int_equal(write_all(f, argument, &error), 0);
    }
}

/* What Prometheus gets of times and thresholds, down to the units of its own. */
static void test_prometheus(void **state)
{
    static const char *const lines[] = {
        "loads_phase_seconds{phase=\"wait\",quantile=\"0.5\"} 0.0009\n",
        "loads_phase_seconds_count{phase=\"wait\"} 6\n",
        "loads_transaction_seconds{test=\"S.t\",name=\"pay \\\"<\",quantile=\"1\"} 0.004\n",
        "loads_transaction_seconds_sum{test=\"S.t\",name=\"pay \\\"<\"} 0.024\n",
        "loads_transaction_errors_total{test=\"S.t\",name=\"pay \\\"<\"} 0\n",
        "loads_round_trip_seconds_count{test=\"S.t\",name=\"chat\"} 6\n",
        "loads_threshold_holds{number=\"1\",threshold=\"p95{url=/\\\"<*} < 1s, stop\",stop=\"yes\","
        "judged_by=\"runner\"} 1\n",
        "loads_threshold_measured{number=\"1\",threshold=\"p95{url=/\\\"<*} < 1s, stop\","
        "unit=\"seconds\"} 0.003\n",
        "loads_threshold_holds{number=\"2\",threshold=\"errors < 1% for 2s\",stop=\"no\","
        "judged_by=\"runner\"} 0\n",
        "loads_threshold_bound{number=\"2\",threshold=\"errors < 1% for 2s\",unit=\"ratio\"} "
        "0.01\n",
        "loads_threshold_broken_seconds{number=\"2\",threshold=\"errors < 1% for 2s\"} 7\n",
        "loads_threshold_holds{number=\"3\",threshold=\"of a later version\",stop=\"no\","
        "judged_by=\"runner\"} 0\n",
    };
    static char text[20000];
    char argument[64], path[] = "/tmp/loads-formats-XXXXXX";
    struct error error = {0};

    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)snprintf(argument, sizeof argument, "prometheus=%s", path);
    assert_int_equal(write_all(*state, argument, &error), 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n > 0 && (size_t)n < sizeof text - 1);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    for (size_t i = 0; i < ELEMENTSOF(lines); i++) {
        if (!strstr(text, lines[i])) {
            fail_msg("there is no %s in %s", lines[i], text);
        }
    }
    assert_null(strstr(text, "threshold_measured{number=\"3\""));
    assert_null(strstr(text, "threshold_broken_seconds{number=\"1\""));
}

static void check_xml(const char *text, size_t size, const char *expected)
{
    char written[200] = "";
    FILE *file = fmemopen(written, sizeof written, "w");

    assert_non_null(file);
    xml_put_text(file, text, size);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(written, expected);
}

static void test_xml(void **state _unused_)
{
    check_xml("a<b>&\"'", 7, "a&lt;b&gt;&amp;&quot;'");
    check_xml("]]>\t\n\r", 6, "]]&gt;&#9;&#10;&#13;");
    check_xml("\x1b\x01\x7f\xc2\x85", 5, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    check_xml("a\0b", 3,
              "a\xef\xbf\xbd"
              "b");
    check_xml("\xff\xc3(", 3, "\xef\xbf\xbd\xef\xbf\xbd(");
    check_xml("\xef\xbf\xbe\xed\xa0\x80", 6, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    check_xml("\xe2\x82\xac\xf0\x9f\x98\x80", 7, "\xe2\x82\xac\xf0\x9f\x98\x80");
}

/* No counts at all are a histogram, too. */
static void test_hdr_empty(void **state _unused_)
{
    const struct histogram histogram = {.count = 0};
    _cleanup_free_ char *text = NULL;

    assert_int_equal(hdr_encode(&histogram, &text), 0);
    assert_memory_equal(text, "HISTFAAAA", 9); /* the cookie 0x1c849314 */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_full_disk),  TEST(test_no_memory),       TEST(test_nothing),
        TEST(test_prometheus), cmocka_unit_test(test_xml), cmocka_unit_test(test_hdr_empty),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
