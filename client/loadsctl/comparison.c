/* SPDX-License-Identifier: MPL-2.0 */
/* All numbers are the database's (loads.compare()): here they are only held against limits and
 * written down. */
#include "comparison.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/figure.h"
#include "outputs/text.h"

#define ID_LETTERS   8
#define LINE_COLUMNS 78
#define CELL_BYTES   64

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_of(const json_t *row, const char *key, const char *text)
{
    return strcmp(text_of(row, key), text) == 0;
}

static bool number_of(const json_t *row, const char *key, double *ret)
{
    const json_t *value = json_object_get(row, key);

    *ret = json_number_value(value);
    return json_is_number(value);
}

static bool is_marked(const json_t *row)
{
    return json_is_true(json_object_get(row, "marked"));
}

bool comparison_is_whole(const json_t *document)
{
    const json_t *rows = json_object_get(document, "rows");
    const json_t *runs = json_object_get(document, "runs");
    size_t i;
    json_t *one;

    json_array_foreach(rows, i, one)
    {
        if (!json_is_object(one)) {
            return false;
        }
    }
    json_array_foreach(runs, i, one)
    {
        if (!json_is_object(one)) {
            return false;
        }
    }
    return json_is_array(rows) && json_array_size(runs) == 2;
}

/* ---- limits ---- */

static const char *measure_of(const struct threshold *limit)
{
    switch (limit->metric) {
    case METRIC_RPS:
        return "rps";
    case METRIC_ERRORS:
        return "errors";
    default:
        return limit->millipercent == 50000 ? "p50" : limit->millipercent == 95000 ? "p95" : "p99";
    }
}

/* Iterations are of tests, all else that has a filter is of requests. */
static const char *kind_of(const struct threshold *limit)
{
    bool of_requests = limit->filters[FILTER_URL][0] || limit->filters[FILTER_METHOD][0];

    if (!of_requests && !limit->filters[FILTER_TEST][0]) {
        return "run";
    }
    return !of_requests && limit->metric == METRIC_ERRORS ? "test" : "request";
}

static bool is_about(const struct threshold *limit, const json_t *row)
{
    const struct series_key key = {.test = text_of(row, "test"),
                                   .name = text_of(row, "name"),
                                   .method = text_of(row, "method")};

    return is_of(row, "measure", measure_of(limit)) && is_of(row, "kind", kind_of(limit)) &&
           threshold_matches(limit, &key);
}

/* Without an interval there is too little to tell by. */
static bool can_tell(const struct threshold *limit, const json_t *row)
{
    return is_about(limit, row) && json_is_number(json_object_get(row, "difference")) &&
           json_is_number(json_object_get(row, "low")) &&
           json_is_number(json_object_get(row, "high"));
}

/* Of one row its own interval tells: it was chosen beforehand. Of several, one is beyond its
 * interval by chance sooner or later, so that takes a mark. */
static bool is_more_than_chance(const json_t *row, size_t rows)
{
    double low, high;

    return rows > 1 ? is_marked(row)
                    : number_of(row, "low", &low) && number_of(row, "high", &high) &&
                          (low > 0 || high < 0);
}

/* 2: the limit is missed; 1: it would be, if that weren't chance; 0: it isn't. */
static int severity_of(const struct comparison_limit *limit, const json_t *row, double sign)
{
    double difference;

    (void)number_of(row, "difference", &difference); /* it can tell */
    if (sign * (difference - limit->limit.value) <= 0) {
        return 0;
    }
    return is_more_than_chance(row, limit->rows) ? 2 : 1;
}

void comparison_judge(const json_t *document, struct comparison_limit *limit)
{
    const json_t *rows = json_object_get(document, "rows"), *row;
    const double sign = limit->limit.comparison == IS_MORE ? 1 : -1;
    double furthest = -INFINITY, difference;
    int severity = -1;
    size_t i;

    limit->rows = 0;
    limit->is_named = false;
    limit->furthest = NULL;
    json_array_foreach(rows, i, row)
    {
        limit->is_named = limit->is_named || is_about(&limit->limit, row);
        limit->rows += can_tell(&limit->limit, row);
    }
    json_array_foreach(rows, i, row)
    {
        if (!can_tell(&limit->limit, row)) {
            continue;
        }
        int its = severity_of(limit, row, sign);
        (void)number_of(row, "difference", &difference);
        if (its > severity || (its == severity && sign * difference > furthest)) {
            severity = its;
            furthest = sign * difference;
            limit->furthest = row;
        }
    }
    limit->holds = severity == 0 || severity == 1;
    limit->by_chance = severity == 1;
}

/* ---- cells ---- */

/* A share of a hundred; what is shown as nothing has no sign of its own. */
static double hundredths(double value)
{
    return fabs(value) < 0.00005 ? 0 : value * 100;
}

static void put_right(FILE *file, const char *text, unsigned columns)
{
    size_t used = text_columns(text, strlen(text));

    (void)fprintf(file, "%*s%s", (int)(used < columns ? columns - used : 0), "", text);
}

static const char *show_value(const json_t *row, const char *key, char ret[static CELL_BYTES])
{
    char number[FIGURE_BYTES];
    double value;

    if (!number_of(row, key, &value)) {
        (void)snprintf(ret, CELL_BYTES, "-");
    } else if (is_of(row, "measure", "rps")) {
        (void)snprintf(ret, CELL_BYTES, "%.1f", value);
    } else if (is_of(row, "measure", "errors")) {
        (void)snprintf(ret, CELL_BYTES, "%.2f %%", value * 100);
    } else {
        (void)snprintf(ret, CELL_BYTES, "%s", figure_usec(value, number));
    }
    return ret;
}

/* Of errors, which are shares, a difference is in hundredths of all; so is everything else's of
 * what it is held against. */
static const char *show_difference(const json_t *row, char ret[static CELL_BYTES])
{
    double value;

    if (!number_of(row, "difference", &value)) {
        (void)snprintf(ret, CELL_BYTES, "-");
    } else {
        (void)snprintf(ret, CELL_BYTES, is_of(row, "measure", "errors") ? "%+.2f" : "%+.1f %%",
                       hundredths(value));
    }
    return ret;
}

static const char *show_interval(const json_t *row, char ret[static CELL_BYTES])
{
    double low, high;

    if (!number_of(row, "low", &low) || !number_of(row, "high", &high)) {
        (void)snprintf(ret, CELL_BYTES, "too little");
    } else if (is_of(row, "measure", "errors")) {
        (void)snprintf(ret, CELL_BYTES, "%+.2f … %+.2f", hundredths(low), hundredths(high));
    } else {
        (void)snprintf(ret, CELL_BYTES, "%+.1f … %+.1f %%", low * 100, high * 100);
    }
    return ret;
}

/* ---- the table ---- */

void comparison_put_name(FILE *file, const json_t *row)
{
    const char *name = text_of(row, "name"), *method = text_of(row, "method");
    const char *test = text_of(row, "test");

    if (is_of(row, "kind", "run")) {
        (void)fputs("the whole run", file);
        return;
    }
    if (is_of(row, "kind", "request")) {
        (void)text_put(file, method, strlen(method), 12);
        (void)fputs(*method ? " " : "", file);
        (void)text_put(file, name, strlen(name), 40);
        (void)fputs("  (", file);
        (void)text_put(file, test, strlen(test), 20);
        (void)fputc(')', file);
    } else {
        (void)fputs("test ", file);
        (void)text_put(file, test, strlen(test), 60);
    }
}

static bool is_alike(const json_t *a, const json_t *b)
{
    return a && is_of(a, "kind", text_of(b, "kind")) && is_of(a, "test", text_of(b, "test")) &&
           is_of(a, "name", text_of(b, "name")) && is_of(a, "method", text_of(b, "method"));
}

static void put_row(FILE *file, const json_t *row)
{
    char cell[CELL_BYTES];

    (void)fputs("  ", file);
    text_put_padded(file, text_of(row, "measure"), 8);
    put_right(file, show_value(row, "value_b", cell), 13);
    put_right(file, show_value(row, "value_a", cell), 13);
    put_right(file, show_difference(row, cell), 12);
    put_right(file, show_interval(row, cell), 24);
    (void)fputs(is_marked(row) ? "  *\n" : "\n", file);
}

static const char *id_of(const json_t *document, size_t index, char ret[static CELL_BYTES])
{
    const json_t *run = json_array_get(json_object_get(document, "runs"), index);

    (void)snprintf(ret, CELL_BYTES, "%.*s", ID_LETTERS, text_of(run, "run_id"));
    for (char *at = ret; *at; at++) {
        *at = isalnum((unsigned char)*at) || *at == '-' ? *at : '?';
    }
    return ret;
}

static void put_run(FILE *file, const char *title, const json_t *document, size_t index)
{
    const json_t *run = json_array_get(json_object_get(document, "runs"), index);
    const json_t *names = json_object_get(run, "baselines");
    const char *name = text_of(run, "name");
    char date[CLOCK_TEXT_BYTES] = "-", id[CELL_BYTES];
    uint64_t usec;
    double seconds;
    size_t i;

    if (clock_parse_iso(text_of(run, "started"), &usec) == 0) {
        clock_format_local(usec, date);
        date[strcspn(date, ".")] = '\0';
    }
    (void)number_of(run, "duration_sec", &seconds);
    (void)fprintf(file, "%-9s%s  %s  %.1f s  ", title, id_of(document, index, id), date, seconds);
    (void)text_put(file, name, strlen(name), 30);
    for (i = 0; i < json_array_size(names); i++) {
        const char *baseline = json_string_value(json_array_get(names, i));
        (void)fputs(i == 0 ? "  (" : ", ", file);
        (void)text_put(file, baseline ? baseline : "", baseline ? strlen(baseline) : 0, 64);
    }
    (void)fputs(i > 0 ? ")\n" : "\n", file);
}

/* Of what only one of them has there is nothing to show but its name. */
static bool is_in_both(const json_t *row)
{
    return json_is_number(json_object_get(row, "value_a")) &&
           json_is_number(json_object_get(row, "value_b"));
}

static void put_only(FILE *file, const json_t *document, const char *key, size_t index)
{
    const json_t *rows = json_object_get(document, "rows"), *row, *before = NULL;
    char id[CELL_BYTES];
    size_t i;

    json_array_foreach(rows, i, row)
    {
        bool only = is_of(row, "kind", "request") && is_of(row, "measure", "rps") &&
                    !json_is_number(json_object_get(row, key));
        if (only) {
            (void)fprintf(file, "%sOnly in %s: ", before ? "" : "\n", id_of(document, index, id));
            comparison_put_name(file, row);
            (void)fputc('\n', file);
            before = row;
        }
    }
}

void comparison_put(FILE *file, const json_t *document)
{
    const json_t *rows = json_object_get(document, "rows");
    const json_t *notes = json_object_get(document, "notes"), *row, *before = NULL;
    size_t i, marked = 0, compared = 0;
    char id[CELL_BYTES];

    put_run(file, "Run", document, 0);
    put_run(file, "against", document, 1);
    for (i = 0; i < json_array_size(notes); i++) {
        const char *note = json_string_value(json_array_get(notes, i));
        (void)fputs("Note: ", file);
        (void)text_put(file, note ? note : "", note ? strlen(note) : 0, 200);
        (void)fputc('\n', file);
    }
    (void)fprintf(file, "\n%10s%13s", "", id_of(document, 1, id));
    (void)fprintf(file, "%13s  difference         95 %% interval\n", id_of(document, 0, id));
    json_array_foreach(rows, i, row)
    {
        if (!is_in_both(row)) {
            continue;
        }
        if (!is_alike(before, row)) {
            comparison_put_name(file, row);
            (void)fputc('\n', file);
            before = row;
        }
        put_row(file, row);
        compared += json_is_number(json_object_get(row, "low"));
        marked += is_marked(row);
    }
    put_only(file, document, "value_b", 0);
    put_only(file, document, "value_a", 1);
    if (marked > 0) {
        (void)fprintf(file, "\n* more than chance: %zu of %zu differences\n", marked, compared);
    } else {
        (void)fprintf(file, "\nNone of %zu differences is more than chance\n", compared);
    }
}

void comparison_put_limits(FILE *file, const struct comparison_limit *limits, size_t count)
{
    char cell[CELL_BYTES];

    if (count > 0) {
        (void)fputs("\nLimits\n", file);
    }
    for (size_t i = 0; i < count; i++) {
        const struct comparison_limit *limit = &limits[i];
        (void)fprintf(file, "  %s ", limit->holds ? "✓" : "✗");
        text_put_padded(file, limit->limit.text, 32);
        if (!limit->furthest) {
            (void)fputs(limit->is_named ? "  too little to tell by\n" : "  nothing has that name\n",
                        file);
            continue;
        }
        put_right(file, show_difference(limit->furthest, cell), 10);
        (void)fputs(limit->by_chance ? ", which may be chance" : "", file);
        if (!is_of(limit->furthest, "kind", "run")) {
            (void)fputs("  ", file);
            comparison_put_name(file, limit->furthest);
        }
        (void)fputc('\n', file);
    }
}
