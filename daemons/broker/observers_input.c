/* SPDX-License-Identifier: MPL-2.0 */
/* Composed at the end of the run, while its numbers are in memory; the file is one without a name,
 * in memory as well, so that nobody waits for an observer to read. */
#include "observers_input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "observers.h"
#include "report/summary_json.h"

static int collect(const struct run *run, struct strlist *agents, struct strlist *lost,
                   struct output_usage *usage, size_t *ret_n_usage)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < run->n_members; i++) {
        const struct member *member = &run->members[i];
        r = strlist_add(agents, member->agent_id);
        if (r == 0 && member->lost) {
            r = strlist_add(lost, member->agent_id);
        }
        if (member->cpu_usec > 0 || member->memory_peak_bytes > 0) {
            usage[(*ret_n_usage)++] = (struct output_usage){member->agent_id, member->cpu_usec,
                                                            member->memory_peak_bytes};
        }
    }
    return r;
}

/* Of one that has no agents yet, there is nothing. */
static struct summary *summarize(const struct run *run)
{
    _cleanup_(results_freep) struct results *none = NULL;
    struct summary *summary = NULL;
    struct results *results = run->results;

    if (!results && results_new(&none, 1) == 0) {
        results = none;
    }
    return results && summary_new(&summary, results_totals(results), results_names(results),
                                  (double)run->active_usec / 1e6) == 0
               ? summary
               : NULL;
}

/* What the broker keeps of them is what the summary has of them. */
static int add_thresholds(json_t *object, const struct run *run)
{
    json_t *list = NULL;

    if (!run->judged) {
        return 0;
    }
    int r = wire_json_load_any(run->judged, strlen(run->judged), &list, NULL);
    return r < 0 ? r : json_object_set_new(object, "thresholds", list) < 0 ? -ENOMEM : 0;
}

static int add_more(json_t *object, const struct broker_options *options, const struct run *run)
{
    _cleanup_free_ char *link = NULL;

    if (json_object_set_new(object, "name", json_string(run->name)) < 0 ||
        json_object_set_new(object, "result", json_string(run->outcome)) < 0) {
        return -ENOMEM;
    }
    int r = add_thresholds(object, run);
    if (r < 0 || !options->web_root) {
        return r;
    }
    int length = (int)strlen(options->web_root);
    while (length > 0 && options->web_root[length - 1] == '/') {
        length--;
    }
    if (asprintf(&link, "%.*s/runs/%s", length, options->web_root, run->run_id) < 0) {
        link = NULL;
        return -ENOMEM;
    }
    return json_object_set_new(object, "link", json_string(link)) < 0 ? -ENOMEM : 0;
}

json_t *observers_input(const struct broker_options *options, struct run *run)
{
    _cleanup_(strlist_clear) struct strlist agents = {0}, lost = {0};
    _cleanup_free_ struct output_usage *usage = calloc(MAX(run->n_members, 1u), sizeof *usage);
    _cleanup_(summary_freep) struct summary *summary = usage ? summarize(run) : NULL;
    struct output_run facts = {.spec = run->spec,
                               .started_usec = run->started_usec,
                               .ended_usec = run->finished_usec,
                               .outcome = run->outcome,
                               .trouble = run->trouble,
                               .agents = &agents,
                               .lost = &lost,
                               .usage = usage};

    if (!summary || collect(run, &agents, &lost, usage, &facts.n_usage) < 0) {
        return NULL;
    }
    json_auto_t *object = json_summary(&facts, summary);
    return object && add_more(object, options, run) == 0 ? json_incref(object) : NULL;
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        text += MAX(n, (ssize_t)0);
        size -= (size_t)MAX(n, (ssize_t)0);
    }
    return 0;
}

int observers_input_open(json_t *input, const struct broker_options *options,
                         const struct run_spec *spec, const char *name)
{
    _cleanup_free_ char *text = NULL;
    _cleanup_fd_ int fd = -1;
    size_t size;

    if (json_object_set_new(input, "observer", json_string(name)) < 0 ||
        json_object_set_new(input, "observer_options", observers_options(options, spec, name)) <
            0 ||
        json_object_set_new(input, "timeout_usec",
                            json_integer((json_int_t)options->observer_timeout_usec)) < 0) {
        return -ENOMEM;
    }
    int r = summary_json_text(input, JSON_COMPACT, &text, &size);
    if (r < 0) {
        return r;
    }
    fd = memfd_create("loads-observer", MFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    r = write_all(fd, text, size);
    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0) {
        r = -errno;
    }
    return r < 0 ? r : TAKE_FD(fd);
}
