/* SPDX-License-Identifier: MPL-2.0 */
/* loadsctl: runs on agents from the command line. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/suggest.h"
#include "options.h"

static const struct verb *find_verb(const char *name)
{
    for (const struct verb *verb = verbs; verb->name; verb++) {
        if (strcmp(verb->name, name) == 0) {
            return verb;
        }
    }
    return NULL;
}

static enum exit_code unknown_verb(const char *name)
{
    struct suggest suggest = {.word = name};

    for (const struct verb *verb = verbs; verb->name; verb++) {
        suggest_consider(&suggest, verb->name);
    }
    if (suggest.nearest) {
        log_error("unknown verb '%.200s' (did you mean '%s'?); try 'loadsctl --help'", name,
                  suggest.nearest);
    } else {
        log_error("unknown verb '%.200s'; try 'loadsctl --help'", name);
    }
    return EXIT_USAGE;
}

static void print_help(void)
{
    conf_print_help(&ctl_table, stdout);
    (void)puts("\nVerbs:"); /* main() looks at stdout */
    for (const struct verb *verb = verbs; verb->name; verb++) {
        (void)printf("  %-14s%s\n", verb->name, verb->summary);
    }
    (void)puts("\n'loadsctl VERB --help' shows what a verb takes.");
}

static enum exit_code run_verb(const struct verb *verb, int argc, char *argv[])
{
    struct ctl_options options = {.limit = 20};
    struct error error = {0};
    enum exit_code code = EXIT_USAGE;

    run_options_init(&options.new_run);
    int r = conf_parse(verb->table, argc, argv, &options, &error);
    conf_hide_arguments(verb->table, argc, argv);
    if (r < 0) {
        log_error("%s", error.text);
    } else if (options.help) {
        conf_print_help(verb->table, stdout);
        code = EXIT_PASSED;
    } else {
        code = verb->run(&options);
    }
    conf_clear(verb->table, &options);
    return code;
}

/* Options before the verb, or what is said without one. */
static enum exit_code run_without(int argc, char *argv[])
{
    struct ctl_options options = {.help = false};
    struct error error = {0};

    if (conf_parse(&ctl_table, argc, argv, &options, &error) < 0) {
        log_error("%s", error.text);
        return EXIT_USAGE;
    }
    if (options.help) {
        print_help();
        return EXIT_PASSED;
    }
    if (options.version) {
        (void)puts("loadsctl " LOADS_VERSION); /* main() looks at stdout */
        return EXIT_PASSED;
    }
    log_error("what shall be done? try 'loadsctl --help'");
    return EXIT_USAGE;
}

int main(int argc, char *argv[])
{
    enum exit_code code;

    log_open("loadsctl", LOG_NOTICE);
    (void)signal(SIGPIPE, SIG_IGN); /* an output whose reader went away is an error, not our end */
    if (argc < 2 || argv[1][0] == '-') {
        code = run_without(argc, argv);
    } else {
        const struct verb *verb = find_verb(argv[1]);
        code = verb ? run_verb(verb, argc - 1, argv + 1) : unknown_verb(argv[1]);
    }
    if ((ferror(stdout) || fflush(stdout) != 0) && code == EXIT_PASSED) {
        log_error("cannot write to standard output: %s", strerror(errno));
        code = EXIT_FAILED;
    }
    return (int)code;
}
