/* SPDX-License-Identifier: MPL-2.0 */
/* The configuration file of loads-runner: what is accepted is within the limits of each option, and
 * what isn't is told with file and line. The environment is not looked at. */
#include <errno.h>

#include "base/conf.h"
#include "fuzz.h"
#include "runner/options.h"

#define FILE_NAME "loads.ini"

static void check_list(const struct strlist *list)
{
    assert(list->count <= CONF_MAX_ITEMS);
    for (size_t i = 0; i < list->count; i++) {
        assert(list->items[i][0]); /* an empty line is no value */
    }
}

static void check_numbers(const struct number_list *list)
{
    assert(list->count <= PARSE_MAX_NUMBERS);
    for (unsigned i = 0; i < list->count; i++) {
        assert(list->values[i] >= 1 && list->values[i] <= PARSE_MAX_NUMBER);
    }
}

static void check_options(const struct runner_options *options)
{
    check_list(&options->run.include_files);
    check_list(&options->run.outputs);
    check_list(&options->run.tags);
    check_numbers(&options->run.users);
    check_numbers(&options->run.hits);
    assert(options->run.duration_usec <= PARSE_MAX_DURATION_USEC);
    assert(options->run.grace_usec <= PARSE_MAX_DURATION_USEC);
    assert(options->run.timeout_usec <= PARSE_MAX_DURATION_USEC);
    assert(options->run.stall_timeout_usec <= PARSE_MAX_DURATION_USEC);
    assert(options->run.workers <= SPEC_MAX_WORKERS);
    assert(options->run.stack_size_bytes <= SPEC_MAX_STACK_BYTES);
    assert(options->submit.agents <= SUBMIT_MAX_AGENTS);
    check_list(&options->submit.observers.names);
    check_list(&options->submit.observers.options);
    assert(!options->config && !options->list && !options->attach && !options->help &&
           !options->version);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct runner_options options = {.run = {.grace_usec = 1}};
    struct error error;
    FILE *file = size > 0 ? fmemopen((void *)data, size, "r") : NULL;

    if (!file) {
        return 0;
    }
    int r = conf_read_file(&runner_table, file, FILE_NAME, &options, &error);
    if (r < 0) {
        assert(r == -EINVAL);
        check_error(r, &error);
        assert(strncmp(error.text, FILE_NAME ":", strlen(FILE_NAME) + 1) == 0);
        unsigned long line = strtoul(error.text + strlen(FILE_NAME) + 1, NULL, 10);
        assert(line > 0 && line <= size + 1);
    } else {
        check_options(&options);
    }
    (void)fclose(file); /* only read from */
    runner_options_clear(&options);
    assert(!options.run.fqn && !options.run.tags.items);
    return 0;
}
