/* SPDX-License-Identifier: MPL-2.0 */
/* A list in the order of submission: there are few enough to be looked through. */
#include "runs.h"

#include <errno.h>
#include <string.h>

struct runs {
    struct run *first, *last;
    unsigned keep_over;
};

int runs_new(struct runs **ret, unsigned keep_over)
{
    struct runs *runs = calloc(1, sizeof *runs);
    if (!runs) {
        return -ENOMEM;
    }
    runs->keep_over = keep_over;
    *ret = runs;
    return 0;
}

struct runs *runs_free(struct runs *runs)
{
    if (runs) {
        while (runs->first) {
            runs_remove(runs, runs->first);
        }
        free(runs);
    }
    return NULL;
}

static unsigned count(const struct runs *runs, bool over)
{
    unsigned n = 0;
    for (const struct run *run = runs->first; run; run = run->next) {
        n += run_state_is_over(run->state) == over ? 1 : 0;
    }
    return n;
}

int runs_add(struct runs *runs, struct run **run, struct error *error)
{
    if (count(runs, false) >= RUNS_MAX_ACTIVE) {
        return error_set(error, -E2BIG, "%d runs are on already", RUNS_MAX_ACTIVE);
    }
    struct run *added = TAKE_PTR(*run);
    added->previous = runs->last;
    *(runs->last ? &runs->last->next : &runs->first) = added;
    runs->last = added;
    return 0;
}

void runs_remove(struct runs *runs, struct run *run)
{
    *(run->previous ? &run->previous->next : &runs->first) = run->next;
    *(run->next ? &run->next->previous : &runs->last) = run->previous;
    run_free(run);
}

void runs_trim(struct runs *runs)
{
    unsigned over = count(runs, true);

    for (struct run *run = runs->first; run && over > runs->keep_over;) {
        struct run *next = run->next;
        if (run_state_is_over(run->state) && run->calls == 0) {
            runs_remove(runs, run);
            over--;
        }
        run = next;
    }
}

struct run *runs_first(const struct runs *runs)
{
    return runs->first;
}

struct run *runs_last(const struct runs *runs)
{
    return runs->last;
}

struct run *runs_find(const struct runs *runs, const char *run_id)
{
    for (struct run *run = runs->last; run; run = run->previous) {
        if (strcmp(run->run_id, run_id) == 0) {
            return run;
        }
    }
    return NULL;
}

struct run *runs_find_request(const struct runs *runs, const char *request_id)
{
    for (struct run *run = runs->last; run; run = run->previous) {
        if (run->request_id && strcmp(run->request_id, request_id) == 0) {
            return run;
        }
    }
    return NULL;
}

int runs_find_prefix(const struct runs *runs, const char *prefix, struct run **ret)
{
    struct run *found = NULL;

    for (struct run *run = runs->first; run; run = run->next) {
        if (run->state == RUN_NEW || strncmp(run->run_id, prefix, strlen(prefix)) != 0) {
            continue;
        }
        if (found) {
            return -ENOTUNIQ;
        }
        found = run;
    }
    if (!found) {
        return -ENOENT;
    }
    *ret = found;
    return 0;
}
