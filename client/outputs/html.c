/* SPDX-License-Identifier: MPL-2.0 */
/* A page that is one file and asks nobody for anything: its styles, its program (html/page.js), the
 * charts' (uPlot) and the data, which the program shows. That data is what --output json has, so
 * that both have the same numbers, the run over time, and how often which latency was.
 *
 * Texts from outside get into the page in two ways. In the data, which a script element holds,
 * everything but ASCII is escaped as JSON has it, and of that '<', '>' and '&', so that no parser
 * of HTML finds anything in it. In the title they are escaped as XML does it. */
#include <errno.h>
#include <string.h>

#include "base/shown.h"
#include "outputs/html_assets.h"
#include "outputs/types.h"
#include "outputs/xml.h"
#include "report/summary_json.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15))

/* ---- the run over time: an array per column ---- */

enum column {
    SECOND,
    USERS,
    HITS,
    REQUEST_ERRORS,
    SUCCESSES,
    FAILURES,
    ERRORS,
    INTERRUPTED,
    P50,
    P95,
    P99,
    MAX_USEC,
    SENT,
    RECEIVED,
    COLUMNS
};

static const char *const column_names[COLUMNS] = {
    [SECOND] = "second",       [USERS] = "users",
    [HITS] = "hits",           [REQUEST_ERRORS] = "request_errors",
    [SUCCESSES] = "successes", [FAILURES] = "failures",
    [ERRORS] = "errors",       [INTERRUPTED] = "interrupted",
    [P50] = "p50_usec",        [P95] = "p95_usec",
    [P99] = "p99_usec",        [MAX_USEC] = "max_usec",
    [SENT] = "sent_bytes",     [RECEIVED] = "received_bytes",
};

static int append(json_t *array, uint64_t value)
{
    return json_array_append_new(array, json_integer((json_int_t)MIN(value, (uint64_t)INT64_MAX)));
}

/* A step without hits has no latencies: a gap in the line. */
static int append_latency(json_t *array, const struct timeline_step *step, unsigned millipercent)
{
    return step->latency->count == 0
               ? json_array_append_new(array, json_null())
               : append(array, histogram_percentile_usec(step->latency, millipercent));
}

static int add_step(const struct timeline_step *step, void *context)
{
    json_t **columns = context;
    const uint64_t *outcomes = step->outcomes;
    int r = 0;

    r |= append(columns[SECOND], step->second);
    r |= step->users > 0 ? append(columns[USERS], step->users)
                         : json_array_append_new(columns[USERS], json_null()); /* not known */
    r |= append(columns[HITS], step->latency->count);
    r |= append(columns[REQUEST_ERRORS], step->request_errors);
    r |= append(columns[SUCCESSES], outcomes[OUTCOME_SUCCESS]);
    r |= append(columns[FAILURES], outcomes[OUTCOME_FAILURE]);
    r |= append(columns[ERRORS], outcomes[OUTCOME_ERROR]);
    r |= append(columns[INTERRUPTED], outcomes[OUTCOME_INTERRUPTED]);
    r |= append_latency(columns[P50], step, 50000);
    r |= append_latency(columns[P95], step, 95000);
    r |= append_latency(columns[P99], step, 99000);
    r |= append_latency(columns[MAX_USEC], step, 100000);
    r |= append(columns[SENT], step->sent_bytes);
    r |= append(columns[RECEIVED], step->received_bytes);
    return r < 0 ? -ENOMEM : 0;
}

/* The caller's; NULL: no memory. */
static json_t *timeline_value(const struct timeline *timeline)
{
    json_t *object = json_object(), *columns[COLUMNS];
    int r = json_object_set_new(object, "step_sec", json_integer(timeline_step_sec(timeline)));

    for (unsigned i = 0; i < COLUMNS; i++) {
        columns[i] = json_array(); /* the object's from here on, or freed with a failure */
        r = json_object_set_new(object, column_names[i], columns[i]) < 0 ? -1 : r;
    }
    if (r == 0) {
        r = timeline_each(timeline, add_step, columns);
    }
    if (r < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- how often which latency was ---- */

struct buckets {
    json_t *array;
    bool failed;
};

static void add_bucket(unsigned bucket, uint64_t count, void *context)
{
    struct buckets *buckets = context;
    json_t *pair = json_pack("[II]", (json_int_t)histogram_bucket_usec(bucket), (json_int_t)count);

    buckets->failed = json_array_append_new(buckets->array, pair) < 0 || buckets->failed;
}

static json_t *distribution_value(const struct totals *totals)
{
    struct buckets buckets = {.array = json_array()};
    struct histogram sum = {.count = 0};
    int r = 0;

    for (unsigned id = 0; r == 0 && id < ELEMENTSOF(totals->series); id++) {
        r = histogram_merge(&sum, &totals->series[id].latency);
    }
    if (r == 0) {
        histogram_each(&sum, add_bucket, &buckets);
    }
    histogram_clear(&sum);
    if (r < 0 || buckets.failed) {
        json_decref(buckets.array);
        return NULL;
    }
    return buckets.array;
}

/* ---- the page ---- */

static const char *title_of(const struct output *output, const struct output_run *run,
                            char shown[static SHOWN_BYTES])
{
    if (output->options && output->options->html_title) {
        return output->options->html_title;
    }
    return run->spec->url ? shown_url(run->spec->url, shown) : run_spec_tests(run->spec);
}

static json_t *data_value(const char *title, const struct output_run *run,
                          const struct summary *summary)
{
    json_t *object = json_object();
    int r = json_object_set_new(object, "title", json_text(title, strlen(title)));

    r |= json_object_set_new(object, "summary", json_summary(run, summary));
    if (run->timeline) {
        r |= json_object_set_new(object, "timeline", timeline_value(run->timeline));
    }
    if (run->totals) {
        r |= json_object_set_new(object, "distribution", distribution_value(run->totals));
    }
    if (r < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* JSON that no parser of HTML sees an element or an entity in. */
static void put_data(FILE *file, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char *escape = text[i] == '<'   ? "\\u003c"
                             : text[i] == '>' ? "\\u003e"
                             : text[i] == '&' ? "\\u0026"
                                              : NULL;
        if (escape) {
            (void)fputs_unlocked(escape, file);
        } else {
            (void)putc_unlocked(text[i], file);
        }
    }
}

static void put(FILE *file, const char *text)
{
    (void)fputs(text, file); /* failures stay with the stream */
}

static void put_head(FILE *file, const char *title)
{
    put(file, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"generator\" content=\"Loads " LOADS_VERSION "\">\n"
              "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
              "script-src 'unsafe-inline'; style-src 'unsafe-inline'\">\n<title>");
    xml_put_text(file, title, strlen(title));
    put(file, "</title>\n<style>\n");
    put(file, html_uplot_css);
    put(file, "\n");
    put(file, html_page_css);
    put(file, "</style>\n</head>\n<body>\n<main><noscript>This page needs JavaScript to show what "
              "is in it.</noscript></main>\n");
}

static void put_scripts(FILE *file)
{
    put(file, "<!-- The next script is uPlot, whose licence is:\n\n");
    put(file, html_uplot_license);
    put(file, "-->\n<script>\n");
    put(file, html_uplot_js);
    put(file, "</script>\n<script>\n");
    put(file, html_page_js);
    put(file, "</script>\n</body>\n</html>\n");
}

int html_end(struct output *output, const struct output_run *run, const struct summary *summary,
             struct error *error)
{
    char shown[SHOWN_BYTES];
    const char *title = title_of(output, run, shown);
    _cleanup_(json_decrefp) json_t *data = data_value(title, run, summary);

    /* Measured before, as in json.c. */
    size_t size = data ? json_dumpb(data, NULL, 0, DUMP_FLAGS) : 0;
    _cleanup_free_ char *text = size > 0 ? malloc(size) : NULL;
    if (!text || json_dumpb(data, text, size, DUMP_FLAGS) != size) {
        return error_set_errno(error, -ENOMEM, "output html");
    }
    put_head(output->file, title);
    put(output->file, "<script type=\"application/json\" id=\"data\">");
    put_data(output->file, text, size);
    put(output->file, "</script>\n");
    put_scripts(output->file);
    return output_check(output, error);
}
