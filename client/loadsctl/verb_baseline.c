/* SPDX-License-Identifier: MPL-2.0 */
/* Names of runs that others are held against. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/suggest.h"
#include "outputs/text.h"
#include "remote/remote_run.h"
#include "remote/requests.h"
#include "remote/status.h"
#include "verbs.h"

#define ID_LETTERS 8 /* of a run, where that is enough to tell it from others */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void put_list(const json_t *list)
{
    char date[CLOCK_TEXT_BYTES];
    const json_t *one;
    uint64_t usec;
    size_t i;

    if (json_array_size(list) == 0) {
        (void)puts("There are no baselines");
        return;
    }
    (void)printf("%-20s %-8s  %-20s %s\n", "NAME", "RUN", "SET", "TEST");
    json_array_foreach(list, i, one)
    {
        date[0] = '\0';
        if (clock_parse_iso(text_of(one, "set_at"), &usec) == 0) {
            clock_format_local(usec, date);
            date[strcspn(date, ".")] = '\0';
        }
        text_put_padded(stdout, text_of(one, "name"), 20);
        (void)fputc(' ', stdout);
        (void)text_put(stdout, text_of(one, "run_id"), strnlen(text_of(one, "run_id"), ID_LETTERS),
                       2 * ID_LETTERS);
        (void)printf("  %-20s ", date);
        (void)text_put(stdout, text_of(one, "run_name"), strlen(text_of(one, "run_name")), 60);
        (void)fputc('\n', stdout);
    }
}

/* `request` is NULL when a word is no UTF-8. */
static enum exit_code ask(const struct ctl_options *options, const json_t *request, json_t **ret)
{
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    struct error error;

    if (!request) {
        log_error("the name of a baseline or run is no UTF-8");
        return EXIT_USAGE;
    }
    enum exit_code code = remote_open(&remote, options->broker);
    if (code != EXIT_PASSED) {
        return code;
    }
    int r = frontend_ask(remote.frontend, request, NULL, ret, &error);
    return r < 0 ? remote_fail(&remote, r, &error) : EXIT_PASSED;
}

static enum exit_code list(const struct ctl_options *options)
{
    _cleanup_(json_decrefp) json_t *request = json_pack("{ss}", "command", "CTRL_BASELINES");
    _cleanup_(json_decrefp) json_t *result = NULL;

    if (options->words.count > 1 || options->name) {
        log_error("'baseline list' takes no names; try 'loadsctl baseline --help'");
        return EXIT_USAGE;
    }
    enum exit_code code = ask(options, request, &result);
    if (code == EXIT_PASSED && options->json) {
        return status_print_json(result);
    }
    if (code == EXIT_PASSED) {
        put_list(result);
    }
    return code;
}

/* Prints what was done. */
static enum exit_code change(const struct ctl_options *options, const json_t *request,
                             const char *said, const char *before_run)
{
    _cleanup_(json_decrefp) json_t *result = NULL;
    enum exit_code code = ask(options, request, &result);

    if (code == EXIT_PASSED && options->json) {
        return status_print_json(result);
    }
    if (code == EXIT_PASSED) {
        (void)printf("%s %s%s%s\n", said, text_of(result, "name"), before_run,
                     text_of(result, "run_id"));
    }
    return code;
}

static enum exit_code set(const struct ctl_options *options)
{
    if (options->words.count != 2 || !options->name) {
        log_error("'baseline set' takes a run, and --name; try 'loadsctl baseline --help'");
        return EXIT_USAGE;
    }
    _cleanup_(json_decrefp) json_t *request =
        json_pack("{ss ss ss}", "command", "CTRL_BASELINE_SET", "run_id", options->words.items[1],
                  "name", options->name);
    return change(options, request, "Baseline", " is run ");
}

static enum exit_code remove_one(const struct ctl_options *options)
{
    if (options->words.count != 2 || options->name) {
        log_error("'baseline remove' takes the name of a baseline; try 'loadsctl baseline --help'");
        return EXIT_USAGE;
    }
    _cleanup_(json_decrefp) json_t *request =
        json_pack("{ss ss}", "command", "CTRL_BASELINE_REMOVE", "name", options->words.items[1]);
    return change(options, request, "Removed baseline", "");
}

enum exit_code verb_baseline(const struct ctl_options *options)
{
    static const struct {
        const char *name;
        enum exit_code (*run)(const struct ctl_options *options);
    } actions[] = {{"set", set}, {"list", list}, {"remove", remove_one}};
    const char *word = options->words.count > 0 ? options->words.items[0] : NULL;
    struct suggest suggest = {.word = word};

    for (size_t i = 0; word && i < ELEMENTSOF(actions); i++) {
        if (strcmp(word, actions[i].name) == 0) {
            return actions[i].run(options);
        }
        suggest_consider(&suggest, actions[i].name);
    }
    if (word && suggest.nearest) {
        log_error("unknown action '%.200s' (did you mean '%s'?); try 'loadsctl baseline --help'",
                  word, suggest.nearest);
    } else {
        log_error("what about baselines? set, list or remove; try 'loadsctl baseline --help'");
    }
    return EXIT_USAGE;
}
