/* SPDX-License-Identifier: MPL-2.0 */
/* One run is chosen without a question; several are a question, but only for a person. */
#include "remote/choose.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "outputs/text.h"
#include "remote/fields.h"
#include "remote/requests.h"

#define MAX_RUNS     1000
#define NAME_COLUMNS 60

static enum exit_code fail(const struct frontend *frontend, int r, const struct error *error)
{
    log_error("%s", error->text);
    return request_exit_code(frontend, r);
}

static int copy_id(const json_t *run, char **ret, struct error *error)
{
    const char *run_id;
    int r = field_required_text(run, "run_id", &run_id, error);

    return r < 0 ? r : field_copy(run, "run_id", ret, error);
}

/* The broker knows what a beginning stands for. */
static enum exit_code complete(struct frontend *frontend, const char *given, char **ret)
{
    _cleanup_(json_decrefp) json_t *result = NULL;
    struct error error;
    int r = request_simple(frontend, "CTRL_GET_METADATA", given, NULL, &result, &error);

    if (r == 0) {
        r = copy_id(result, ret, &error);
    }
    return r < 0 ? fail(frontend, r, &error) : EXIT_PASSED;
}

static void list(const json_t *runs)
{
    size_t index;
    json_t *run;

    json_array_foreach(runs, index, run)
    {
        const char *name = json_string_value(json_object_get(run, "name"));
        const char *run_id = json_string_value(json_object_get(run, "run_id"));
        (void)fprintf(stderr, "%3zu  %s  ", index + 1, run_id ? run_id : "?");
        (void)text_put(stderr, name ? name : "", name ? strlen(name) : 0, NAME_COLUMNS);
        (void)fputc('\n', stderr);
    }
}

/* A number from 1 on; 0: none. */
static uint64_t ask(uint64_t count)
{
    char line[64];
    uint64_t number;

    for (;;) {
        (void)fprintf(stderr, "Which one? ");
        (void)fflush(stderr); /* nobody looks: nothing is lost */
        if (!fgets(line, sizeof line, stdin)) {
            return 0;
        }
        line[strcspn(line, "\n")] = '\0';
        if (parse_unsigned(line, 1, count, &number, NULL) == 0) {
            return number;
        }
    }
}

enum exit_code choose_run(struct frontend *frontend, const char *given, char **ret)
{
    _cleanup_(json_decrefp) json_t *runs = NULL;
    struct error error;

    if (given && *given) {
        return complete(frontend, given, ret);
    }
    int r = request_runs(frontend, MAX_RUNS, true, &runs, &error);
    if (r < 0) {
        return fail(frontend, r, &error);
    }
    size_t count = json_array_size(runs);
    uint64_t number = 1;
    if (count == 0) {
        log_error("nothing is running right now");
        return EXIT_USAGE;
    }
    if (count > 1) {
        list(runs);
        number = isatty(STDIN_FILENO) && isatty(STDERR_FILENO) ? ask(count) : 0;
    }
    if (number == 0) {
        log_error("%zu runs are on: say which one is meant", count);
        return EXIT_USAGE;
    }
    r = copy_id(json_array_get(runs, number - 1), ret, &error);
    return r < 0 ? fail(frontend, r, &error) : EXIT_PASSED;
}
