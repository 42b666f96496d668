/* SPDX-License-Identifier: MPL-2.0 */
/* A log as HdrHistogram's tools read it, version 1.3 of its form: a line for every step of the run
 * over time, of all hits, and then one per name of requests, for the whole run, with that name as
 * its tag. Times are seconds since the start that the head tells, values are microseconds; the
 * third number of a line, its maximum, is milliseconds, as their own writers have it. */
#include "outputs/hdr.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "outputs/types.h"

static int put_line(FILE *file, double start_sec, double length_sec,
                    const struct histogram *histogram)
{
    _cleanup_free_ char *text = NULL;

    int r = hdr_encode(histogram, &text);
    if (r == 0) {
        (void)fprintf(file, "%.3f,%.3f,%.3f,%s\n", start_sec, length_sec,
                      (double)histogram->max_usec / 1e3, text); /* failures stay with the stream */
    }
    return r;
}

static int put_step(const struct timeline_step *step, void *context)
{
    return step->latency->count > 0 ? put_line(context, step->second, step->seconds, step->latency)
                                    : 0;
}

/* Commas and blanks would end a tag. */
static void put_tag(FILE *file, const char *text)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size;) {
        uint32_t character = 0;
        size_t length = utf8_character(text + i, size - i, &character);
        if (length == 0) {
            (void)fputs(UTF8_REPLACEMENT, file);
        } else if (character <= ' ' || (character >= 0x7f && character <= 0xa0) ||
                   character == ',') {
            (void)fputc('_', file);
        } else {
            (void)fwrite(text + i, 1, length, file);
        }
        i += MAX(length, (size_t)1);
    }
}

/* All statuses of one name. */
static int merge_statuses(const struct output_run *run, const struct summary_name *name,
                          struct histogram *sum)
{
    _cleanup_free_ char *buffer = malloc(NAME_MAX_BYTES + 1);
    int r = buffer ? 0 : -ENOMEM;

    for (unsigned id = 0; r == 0 && id < ELEMENTSOF(run->totals->series); id++) {
        const struct histogram *latency = &run->totals->series[id].latency;
        struct series_key key;
        if (latency->count == 0) {
            continue;
        }
        series_key_parse(names_text(run->names, NAME_SERIES, id), buffer, &key);
        if (strcmp(key.name, name->name) == 0 && strcmp(key.method, name->method) == 0 &&
            strcmp(key.test, name->test) == 0) {
            r = histogram_merge(sum, latency);
        }
    }
    return r;
}

static int put_name(FILE *file, const struct output_run *run, const struct summary *summary,
                    const struct summary_name *name)
{
    struct histogram sum = {.count = 0};

    int r = merge_statuses(run, name, &sum);
    if (r == 0 && sum.count > 0) {
        (void)fputs("Tag=", file);
        if (summary->n_tests > 1 && name->test[0]) {
            put_tag(file, name->test);
            (void)fputc(':', file);
        }
        put_tag(file, name->method);
        (void)fputs(name->method[0] ? "_" : "", file);
        put_tag(file, name->name);
        (void)fputc(',', file);
        r = put_line(file, 0, summary->duration_sec, &sum);
    }
    histogram_clear(&sum);
    return r;
}

int hdr_end(struct output *output, const struct output_run *run, const struct summary *summary,
            struct error *error)
{
    FILE *file = output->file;
    char date[CLOCK_TEXT_BYTES];
    int r = 0;

    (void)fprintf(file,
                  "#[Latencies of run %s in microseconds, by Loads " LOADS_VERSION "]\n"
                  "#[Histogram log format version 1.3]\n"
                  "#[StartTime: %.3f (seconds since epoch), %s]\n"
                  "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                  "\"Interval_Compressed_Histogram\"\n",
                  run->spec->run_id, (double)run->started_usec / 1e6,
                  clock_format_iso(run->started_usec, date));
    if (run->timeline) {
        r = timeline_each(run->timeline, put_step, file);
    }
    for (size_t i = 0; run->totals && r == 0 && i < summary->n_names; i++) {
        r = put_name(file, run, summary, &summary->names[i]);
    }
    return r < 0 ? error_set_errno(error, r, "output hdr") : output_check(output, error);
}
