/* SPDX-License-Identifier: MPL-2.0 */
/* The run over time, a line per step of metrics/timeline.h, as RFC 4180 has it. There are only
 * numbers and dates in it, so that nothing has to be quoted, and whoever reads a column as numbers
 * can: what isn't there, a latency of nothing, is empty. */
#include <inttypes.h>

#include "base/clock.h"
#include "outputs/types.h"

struct writer {
    FILE *file;
    uint64_t started_usec;
};

static void put_latencies(FILE *file, const struct histogram *latency)
{
    static const unsigned percents[] = {50000, 90000, 95000, 99000, 99900};

    if (latency->count == 0) {
        (void)fputs(",,,,,,,,", file); /* failures stay with the stream, here and below */
        return;
    }
    (void)fprintf(file, ",%.3f,%" PRIu64, (double)latency->sum_usec / (double)latency->count,
                  latency->min_usec);
    for (size_t i = 0; i < ELEMENTSOF(percents); i++) {
        (void)fprintf(file, ",%" PRIu64, histogram_percentile_usec(latency, percents[i]));
    }
    (void)fprintf(file, ",%" PRIu64, latency->max_usec);
}

static int put_step(const struct timeline_step *step, void *context)
{
    struct writer *writer = context;
    FILE *file = writer->file;
    char date[CLOCK_TEXT_BYTES];

    (void)fprintf(file, "%" PRIu32 ",%" PRIu32 ",%s,", step->second, step->seconds,
                  clock_format_iso(writer->started_usec + step->second * USEC_PER_SEC, date));
    if (step->users > 0) {
        (void)fprintf(file, "%" PRIu64, step->users);
    }
    (void)fprintf(file, ",%" PRIu64 ",%.10g,%" PRIu64, step->latency->count,
                  (double)step->latency->count / step->seconds, step->request_errors);
    (void)fprintf(file, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
                  step->outcomes[OUTCOME_SUCCESS], step->outcomes[OUTCOME_FAILURE],
                  step->outcomes[OUTCOME_ERROR], step->outcomes[OUTCOME_INTERRUPTED]);
    put_latencies(file, step->latency);
    (void)fprintf(file, ",%" PRIu64 ",%" PRIu64 "\r\n", step->sent_bytes, step->received_bytes);
    return 0;
}

int csv_end(struct output *output, const struct output_run *run,
            const struct summary *summary _unused_, struct error *error)
{
    struct writer writer = {output->file, run->started_usec};

    (void)fputs("second,seconds,time,users,hits,hits_per_sec,request_errors,"
                "successes,failures,errors,interrupted,"
                "average_usec,min_usec,p50_usec,p90_usec,p95_usec,p99_usec,p999_usec,max_usec,"
                "sent_bytes,received_bytes\r\n",
                output->file);
    int r = run->timeline ? timeline_each(run->timeline, put_step, &writer) : 0;
    return r < 0 ? error_set_errno(error, r, "output csv") : output_check(output, error);
}
