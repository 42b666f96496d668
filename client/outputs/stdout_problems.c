/* SPDX-License-Identifier: MPL-2.0 */
/* What went wrong, as the end of the summary. Three kinds and no more: who has twenty mends the
 * first ones first, and all are in the JSON. */
#include <inttypes.h>
#include <string.h>

#include "outputs/stdout.h"
#include "outputs/text.h"

#define MAX_PROBLEMS        3
#define MAX_MESSAGE_LINES   6
#define MAX_TRACEBACK_LINES 8
#define MESSAGE_COLUMNS     300 /* of a line: an assertion's values are often what matters */
#define INDENT              4
#define TRACEBACK_COLUMNS   (80 - INDENT)
#define PLACE_COLUMNS       200

/* "    at example.c:12 in TestWebSite.test_es" */
static void put_place(FILE *file, const struct summary_error *problem)
{
    if (!problem->place[0] && !problem->test[0]) {
        return;
    }
    (void)fprintf(file, "%*s", INDENT, "");
    if (problem->place[0]) {
        (void)fputs("at ", file);
        (void)text_put(file, problem->place, strlen(problem->place), PLACE_COLUMNS);
    }
    if (problem->test[0]) {
        (void)fputs(problem->place[0] ? " in " : "in ", file);
        (void)text_put(file, problem->test, strlen(problem->test), PLACE_COLUMNS);
    }
    (void)fputc('\n', file);
}

static void put_problem(FILE *file, const struct summary_error *problem)
{
    const char *kind = problem->kind == ERROR_KIND_FAILURE ? "failure" : "error";
    size_t first = strcspn(problem->message, "\n");

    (void)fprintf(file, "  %" PRIu64 " %s%s", problem->count, kind, problem->count == 1 ? "" : "s");
    if (problem->class[0]) {
        (void)fputs(", ", file);
        (void)text_put(file, problem->class, strlen(problem->class), PLACE_COLUMNS);
    }
    (void)fputs(": ", file);
    (void)text_put(file, problem->message, first, MESSAGE_COLUMNS);
    (void)fputc('\n', file);
    if (problem->message[first]) {
        text_put_lines(file, problem->message + first + 1, INDENT, MESSAGE_COLUMNS,
                       MAX_MESSAGE_LINES - 1);
    }
    put_place(file, problem);
    text_put_lines(file, problem->traceback, INDENT, TRACEBACK_COLUMNS, MAX_TRACEBACK_LINES);
}

static void put_other(FILE *file, uint64_t count, int kept, const char *what)
{
    if (count > 0) {
        (void)fprintf(file, "\n%" PRIu64 " %s went to \"(other)\": a run has room for %d names.\n",
                      count, what, kept);
    }
}

void stdout_problems(FILE *file, const struct summary *summary)
{
    size_t shown = MIN(summary->n_failures_and_errors, (size_t)MAX_PROBLEMS);

    if (shown > 0) {
        (void)fputs("\nErrors and failures\n", file);
    }
    for (size_t i = 0; i < shown; i++) {
        put_problem(file, &summary->failures_and_errors[i]);
    }
    if (summary->n_failures_and_errors > shown) {
        (void)fprintf(file, "  and %zu more (see --output json)\n",
                      summary->n_failures_and_errors - shown);
    }
    put_other(file, summary->other_series, NAMES_MAX_SERIES, "requests");
    put_other(file, summary->other_errors, NAMES_MAX_ERRORS, "errors and failures");
    put_other(file, summary->other_counters, NAMES_MAX_COUNTERS, "counts");
    put_other(file, summary->other_timers, NAMES_MAX_TIMERS, "times");
}
