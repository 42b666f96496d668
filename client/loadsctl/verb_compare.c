/* SPDX-License-Identifier: MPL-2.0 */
/* A run held against another one: the broker is asked, and limits decide about the exit code. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "comparison.h"
#include "remote/remote_run.h"
#include "remote/requests.h"
#include "remote/status.h"
#include "verbs.h"

#define MAX_LIMITS     50
#define ANSWER_SECONDS 120 /* hours with hundreds of names take a while */

static enum exit_code read_limits(const struct strlist *texts, struct comparison_limit **ret)
{
    _cleanup_free_ struct comparison_limit *limits = NULL;
    struct error error;

    if (texts->count > MAX_LIMITS) {
        log_error("--fail-if: there can be %d", MAX_LIMITS);
        return EXIT_USAGE;
    }
    limits = calloc(texts->count + 1, sizeof *limits);
    if (!limits) {
        log_error("out of memory");
        return EXIT_ABORTED;
    }
    for (size_t i = 0; i < texts->count; i++) {
        if (threshold_parse_change(texts->items[i], &limits[i].limit, &error) < 0) {
            log_error("--fail-if: %s", error.text);
            return EXIT_USAGE;
        }
    }
    *ret = TAKE_PTR(limits);
    return EXIT_PASSED;
}

static int ask(const struct ctl_options *options, struct frontend *frontend, json_t **ret,
               struct error *error)
{
    _cleanup_(json_decrefp) json_t *request =
        json_pack("{ss ss ss}", "command", "CTRL_COMPARE", "a", options->words.items[0], "b",
                  options->words.items[1]);

    if (!request) {
        return error_set(error, -EINVAL, "a run's name is no UTF-8");
    }
    frontend_be_patient(frontend, ANSWER_SECONDS);
    int r = frontend_ask(frontend, request, NULL, ret, error);
    if (r == 0 && !comparison_is_whole(*ret)) {
        json_decref(*ret);
        *ret = NULL;
        return error_set(error, -EBADMSG, "the broker's answer to CTRL_COMPARE is no comparison");
    }
    return r;
}

static enum exit_code print_json(json_t *document, const struct comparison_limit *limits,
                                 size_t count)
{
    _cleanup_(json_decrefp) json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        const json_t *difference = json_object_get(limits[i].furthest, "difference");
        (void)json_array_append_new(list,
                                    json_pack("{ss sb sO?}", "limit", limits[i].limit.text, "holds",
                                              (int)limits[i].holds, "difference", difference));
    }
    if (json_array_size(list) != count || json_object_set(document, "limits", list) < 0) {
        log_error("out of memory");
        return EXIT_ABORTED;
    }
    return status_print_json(document);
}

enum exit_code verb_compare(const struct ctl_options *options)
{
    _cleanup_(remote_close) struct remote remote = {.loop = NULL};
    _cleanup_(json_decrefp) json_t *document = NULL;
    _cleanup_free_ struct comparison_limit *limits = NULL;
    const size_t count = options->fail_if.count;
    struct error error;
    bool all_hold = true;

    if (options->words.count != 2) {
        log_error("which two runs? give their ids, their beginnings or baselines; try 'loadsctl "
                  "compare --help'");
        return EXIT_USAGE;
    }
    enum exit_code code = read_limits(&options->fail_if, &limits);
    if (code == EXIT_PASSED) {
        code = remote_open(&remote, options->broker);
    }
    if (code != EXIT_PASSED) {
        return code;
    }
    int r = ask(options, remote.frontend, &document, &error);
    if (r < 0) {
        return remote_fail(&remote, r, &error);
    }
    assert(limits && document);
    for (size_t i = 0; i < count; i++) {
        comparison_judge(document, &limits[i]);
        all_hold = all_hold && limits[i].holds;
    }
    if (options->json) {
        code = print_json(document, limits, count);
    } else {
        comparison_put(stdout, document);
        comparison_put_limits(stdout, limits, count);
    }
    return code == EXIT_PASSED && !all_hold ? EXIT_THRESHOLD : code;
}
