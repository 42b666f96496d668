/* SPDX-License-Identifier: MPL-2.0 */
/* loads-cluster: a broker, agents and a database on this machine, for as long as a command runs. */
#include <stdio.h>

#include "base/log.h"
#include "cluster.h"
#include "shared/exit_code.h"

static int run(const struct cluster_options *options)
{
    struct command command;
    struct error error;
    int r = command_choose(&command, options->command, &error);

    if (r < 0) {
        log_error("%s", error.text);
        return command_failure_code(r);
    }
    return cluster_run(options, &command);
}

int main(int argc, char *argv[])
{
    struct cluster_options options;
    struct error error = {0};
    int code = EXIT_PASSED;

    log_open("loads-cluster", LOG_NOTICE);
    if (cluster_options_parse(argc, argv, &options, &error) < 0) {
        log_error("%s", error.text);
        code = EXIT_USAGE;
    } else if (options.help) {
        conf_print_help(&cluster_table, stdout);
    } else if (options.version) {
        (void)puts("loads-cluster " LOADS_VERSION); /* it is looked at below */
    } else {
        code = run(&options);
    }
    cluster_options_clear(&options);
    return fflush(stdout) == 0 ? code : EXIT_FAILED;
}
