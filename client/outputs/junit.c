/* SPDX-License-Identifier: MPL-2.0 */
/* What programs for continuous integration read: a suite with a case per test, which failed when
 * one of its iterations did, and one per threshold. What happened to the run itself, as that it was
 * given up, is a case of its own, and only then. The form is the one that Ant's and Jenkins'
 * readers have in common, so that a case has one failure or error, with all the different ones in
 * its text. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/shown.h"
#include "outputs/types.h"
#include "outputs/xml.h"

#define DATE_BYTES 19 /* "2026-06-15T10:15:06": the form has no zone, so it is UTC */

struct suite {
    FILE *file;
    const struct output_run *run;
    const struct summary *summary;
    char name[SHOWN_BYTES];
};

/* "passed", "failed", "error", "skipped": tests that never came to an end were not tested. */
static const char *result_of(const struct summary_test *test)
{
    return test->outcomes[OUTCOME_ERROR] > 0     ? "error"
           : test->outcomes[OUTCOME_FAILURE] > 0 ? "failure"
           : test->outcomes[OUTCOME_SUCCESS] > 0 ? "passed"
                                                 : "skipped";
}

/* The run itself is worth a case. */
static bool has_trouble(const struct output_run *run)
{
    return run->outcome && strcmp(run->outcome, "passed") != 0 &&
           strcmp(run->outcome, "failed") != 0;
}

static void put_text(FILE *file, const char *text)
{
    xml_put_text(file, text, strlen(text));
}

static void put_problems(const struct suite *suite, const struct summary_test *test)
{
    const struct summary *summary = suite->summary;

    for (size_t i = 0; i < summary->n_failures_and_errors; i++) {
        const struct summary_error *error = &summary->failures_and_errors[i];
        if (strcmp(error->test, test->name) != 0) {
            continue;
        }
        (void)fprintf(suite->file, "%" PRIu64 " × ", error->count);
        put_text(suite->file, error->class);
        put_text(suite->file, ": ");
        put_text(suite->file, error->message);
        if (error->place[0]) {
            put_text(suite->file, " (");
            put_text(suite->file, error->place);
            put_text(suite->file, ")");
        }
        put_text(suite->file, "\n");
        put_text(suite->file, error->traceback);
        put_text(suite->file, error->traceback[0] ? "\n" : "");
    }
}

/* The first problem of the kind, which is the most frequent one. */
static const struct summary_error *find_problem(const struct summary *summary, const char *test,
                                                enum error_kind kind)
{
    for (size_t i = 0; i < summary->n_failures_and_errors; i++) {
        const struct summary_error *error = &summary->failures_and_errors[i];
        if (error->kind == kind && strcmp(error->test, test) == 0) {
            return error;
        }
    }
    return NULL;
}

static void put_result(const struct suite *suite, const struct summary_test *test,
                       const char *result)
{
    bool is_error = strcmp(result, "error") == 0;
    const struct summary_error *first =
        find_problem(suite->summary, test->name, is_error ? ERROR_KIND_ERROR : ERROR_KIND_FAILURE);

    (void)fprintf(suite->file, "      <%s", result);
    xml_put_attribute(suite->file, "message", first ? first->message : "there is no text of it");
    xml_put_attribute(suite->file, "type", first ? first->class : "unknown");
    (void)fputc('>', suite->file);
    put_problems(suite, test);
    (void)fprintf(suite->file, "</%s>\n", result);
}

static void put_test(const struct suite *suite, const struct summary_test *test)
{
    const char *result = result_of(test);
    FILE *file = suite->file;

    (void)fputs("    <testcase", file);
    xml_put_attribute(file, "classname", suite->name);
    xml_put_attribute(file, "name", test->name);
    xml_put_attribute_format(file, "time", "%.6f", suite->summary->duration_sec);
    (void)fputs(">\n", file);
    if (strcmp(result, "skipped") == 0) {
        (void)fputs("      <skipped message=\"no iteration came to its end\"/>\n", file);
    } else if (strcmp(result, "passed") != 0) {
        put_result(suite, test, result);
    }
    (void)fprintf(file,
                  "      <system-out>%" PRIu64 " successes, %" PRIu64 " failures, %" PRIu64
                  " errors, %" PRIu64 " interrupted</system-out>\n    </testcase>\n",
                  test->outcomes[OUTCOME_SUCCESS], test->outcomes[OUTCOME_FAILURE],
                  test->outcomes[OUTCOME_ERROR], test->outcomes[OUTCOME_INTERRUPTED]);
}

static void put_trouble(const struct suite *suite)
{
    const struct output_run *run = suite->run;
    const char *text = run->trouble ? run->trouble : "the run did not come to its end";

    (void)fputs("    <testcase", suite->file);
    xml_put_attribute(suite->file, "classname", suite->name);
    xml_put_attribute(suite->file, "name", "the run");
    xml_put_attribute_format(suite->file, "time", "%.6f", suite->summary->duration_sec);
    (void)fputs(">\n      <error", suite->file);
    xml_put_attribute(suite->file, "message", text);
    xml_put_attribute(suite->file, "type", run->outcome);
    (void)fputc('>', suite->file);
    put_text(suite->file, text);
    (void)fputs("</error>\n    </testcase>\n", suite->file);
}

static void put_threshold(const struct suite *suite, const struct threshold_result *result)
{
    FILE *file = suite->file;

    (void)fputs("    <testcase", file);
    xml_put_attribute(file, "classname", suite->name);
    xml_put_attribute_format(file, "name", "threshold: %s", result->text);
    xml_put_attribute_format(file, "time", "%.6f", suite->summary->duration_sec);
    (void)fputs(">\n", file);
    if (!result->holds) {
        (void)fputs("      <failure", file);
        xml_put_attribute_format(file, "message", "it does not hold: %s",
                                 result->shown[0] ? result->shown : "nothing was measured");
        xml_put_attribute(file, "type", "threshold");
        (void)fputs("/>\n", file);
    }
    (void)fprintf(file, "      <system-out>");
    put_text(file, result->shown);
    (void)fputs("</system-out>\n    </testcase>\n", file);
}

static void put_property(FILE *file, const char *name, const char *value)
{
    (void)fputs("      <property", file);
    xml_put_attribute(file, "name", name);
    xml_put_attribute(file, "value", value);
    (void)fputs("/>\n", file);
}

static void put_number(FILE *file, const char *name, double value)
{
    char text[40];
    (void)snprintf(text, sizeof text, "%.15g", value);
    put_property(file, name, text);
}

static void put_properties(const struct suite *suite)
{
    const struct summary *summary = suite->summary;
    FILE *file = suite->file;

    (void)fputs("    <properties>\n", file);
    put_property(file, "run_id", suite->run->spec->run_id);
    put_property(file, "outcome", suite->run->outcome ? suite->run->outcome : "");
    put_number(file, "hits", (double)summary->hits);
    put_number(file, "request_errors", (double)summary->request_errors);
    put_number(file, "hits_per_sec", summary->hits_per_sec);
    if (summary->hits > 0) {
        put_number(file, "p50_usec", (double)summary->latency.p50_usec);
        put_number(file, "p95_usec", (double)summary->latency.p95_usec);
        put_number(file, "p99_usec", (double)summary->latency.p99_usec);
    }
    (void)fputs("    </properties>\n", file);
}

/* Of the tests with a result, and of the run. */
static size_t count(const struct suite *suite, const char *result)
{
    size_t n = has_trouble(suite->run) && strcmp(result, "error") == 0;

    for (size_t i = 0; i < suite->summary->n_tests; i++) {
        n += strcmp(result_of(&suite->summary->tests[i]), result) == 0;
    }
    for (size_t i = 0; i < suite->run->n_thresholds && strcmp(result, "failure") == 0; i++) {
        n += !suite->run->thresholds[i].holds;
    }
    return n;
}

static void put_counts(const struct suite *suite)
{
    FILE *file = suite->file;

    xml_put_attribute(file, "name", suite->name);
    xml_put_attribute_format(file, "tests", "%zu",
                             suite->summary->n_tests + suite->run->n_thresholds +
                                 has_trouble(suite->run));
    xml_put_attribute_format(file, "failures", "%zu", count(suite, "failure"));
    xml_put_attribute_format(file, "errors", "%zu", count(suite, "error"));
    xml_put_attribute_format(file, "time", "%.6f", suite->summary->duration_sec);
}

static void put_suite(const struct suite *suite)
{
    char date[CLOCK_TEXT_BYTES];
    FILE *file = suite->file;

    (void)clock_format_iso(suite->run->started_usec, date);
    date[DATE_BYTES] = '\0';
    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites", file);
    put_counts(suite);
    (void)fputs(">\n  <testsuite", file);
    put_counts(suite);
    xml_put_attribute_format(file, "skipped", "%zu", count(suite, "skipped"));
    xml_put_attribute(file, "timestamp", date);
    (void)fputs(">\n", file);
    put_properties(suite);
    for (size_t i = 0; i < suite->summary->n_tests; i++) {
        put_test(suite, &suite->summary->tests[i]);
    }
    for (size_t i = 0; i < suite->run->n_thresholds; i++) {
        put_threshold(suite, &suite->run->thresholds[i]);
    }
    if (has_trouble(suite->run)) {
        put_trouble(suite);
    }
    (void)fputs("  </testsuite>\n</testsuites>\n", file);
}

int junit_end(struct output *output, const struct output_run *run, const struct summary *summary,
              struct error *error)
{
    struct suite suite = {.file = output->file, .run = run, .summary = summary};
    const char *given = output->options ? output->options->junit_suite : NULL;

    if (run->spec->url) {
        (void)shown_url(run->spec->url, suite.name);
    } else {
        (void)snprintf(suite.name, sizeof suite.name, "%s", run_spec_tests(run->spec));
    }
    if (given) {
        (void)snprintf(suite.name, sizeof suite.name, "%s", given);
    }
    put_suite(&suite);
    return output_check(output, error);
}
