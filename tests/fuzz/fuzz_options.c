/* SPDX-License-Identifier: MPL-2.0 */
/* The command line of loads-runner, one argument per line, and the run that it describes: if that
 * run makes sense, its specification survives the way to the worker. Options that name a file are
 * taken out, and so is the environment. */
#include <errno.h>

#include "base/conf.h"
#include "fuzz.h"
#include "runner/options.h"

#define MAX_ARGUMENTS 100

struct rows {
    struct conf_option rows[CONF_MAX_OPTIONS];
    size_t count;
};

static bool names_file(const struct conf_option *row)
{
    return row->where & CONF_NAMES_FILE || strcmp(row->name, "ca-file") == 0 ||
           strcmp(row->name, "cert") == 0 || strcmp(row->name, "key") == 0;
}

static void copy_rows(struct rows *rows, const struct conf_option *options, size_t count,
                      size_t offset)
{
    for (size_t i = 0; i < count; i++) {
        struct conf_option row = options[i];
        if (!names_file(&row)) {
            row.where &= ~(unsigned)CONF_ENVIRONMENT;
            row.offset += offset;
            rows->rows[rows->count++] = row;
        }
    }
}

static void check_run(const struct run_options *options)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL, *again = NULL;
    _cleanup_free_ char *text = NULL, *text_again = NULL;
    struct error error;
    int r = run_options_spec(options, &spec, &error);

    if (r == 0) {
        r = run_spec_encode(spec, &text, &error);
    }
    if (r < 0) {
        assert(r == -EINVAL);
        check_error(r, &error);
        return;
    }
    assert(run_spec_decode(text, strlen(text), &again, &error) == 0);
    assert(run_spec_encode(again, &text_again, &error) == 0 && strcmp(text, text_again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rows rows = {.count = 0};
    struct conf_table table = runner_table;
    struct runner_options options = {.run = {.grace_usec = 1,
                                             .timeout_usec = 1000000,
                                             .stack_size_bytes = SPEC_MIN_STACK_BYTES,
                                             .http = {.max_redirects = 1}}};
    struct input input = {data, size};
    struct error error;
    char *argv[MAX_ARGUMENTS + 2] = {(char *)"loads-runner"};
    int argc = 1;

    for (const struct conf_shared *shared = runner_table.shared; shared->rows; shared++) {
        copy_rows(&rows, shared->rows->options, shared->rows->count, shared->offset);
    }
    copy_rows(&rows, runner_table.options, runner_table.count, 0);
    table.shared = NULL;
    table.options = rows.rows;
    table.count = rows.count;
    while (input.left > 0 && argc <= MAX_ARGUMENTS) {
        argv[argc++] = input_text(input_until(&input, '\n'));
    }
    int r = conf_parse(&table, argc, argv, &options, &error);
    if (r < 0) {
        assert(r == -EINVAL);
        check_error(r, &error);
    } else if (options.run.fqn && !options.help && !options.version) {
        check_run(&options.run);
    }
    conf_clear(&table, &options);
    while (argc > 1) {
        free(argv[--argc]);
    }
    return 0;
}
