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

static int copy_row(const struct conf_option *option, void *context)
{
    struct rows *rows = context;

    if (!(option->where & CONF_NAMES_FILE) && strcmp(option->name, "ca-file") != 0) {
        rows->rows[rows->count] = *option;
        rows->rows[rows->count++].where &= ~(unsigned)CONF_ENVIRONMENT;
    }
    return 0;
}

static void check_run(const struct runner_options *options)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL, *again = NULL;
    _cleanup_free_ char *text = NULL, *text_again = NULL;
    struct error error;
    int r = runner_options_spec(options, &spec, &error);

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
    struct runner_options options = {
        .grace_usec = 1, .timeout_usec = 1000000, .stack_size_bytes = SPEC_MIN_STACK_BYTES};
    struct input input = {data, size};
    struct error error;
    char *argv[MAX_ARGUMENTS + 2] = {(char *)"loads-runner"};
    int argc = 1;

    (void)conf_each(&runner_table, copy_row, &rows); /* returns what copy_row() does */
    table.options = rows.rows;
    table.count = rows.count;
    while (input.left > 0 && argc <= MAX_ARGUMENTS) {
        argv[argc++] = input_text(input_until(&input, '\n'));
    }
    int r = conf_parse(&table, argc, argv, &options, &error);
    if (r < 0) {
        assert(r == -EINVAL);
        check_error(r, &error);
    } else if (options.fqn && !options.help && !options.version) {
        check_run(&options);
    }
    conf_clear(&table, &options);
    while (argc > 1) {
        free(argv[--argc]);
    }
    return 0;
}
