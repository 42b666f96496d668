/* SPDX-License-Identifier: MPL-2.0 */
/* Paths are never taken away, since requests in progress point to them: a reset makes them zero,
 * and what is zero isn't shown. */
#include "counts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/strmap.h"

struct path_counts {
    struct path_counts *next;
    char *path;
    uint64_t requests, answers;
    struct {
        unsigned status;
        uint64_t answers;
    } * statuses;
    size_t n_statuses;
};

struct counts {
    uint64_t accepted, open, requests, answers, resets, cut, abandoned, bad_requests;
    uint64_t statuses[COUNTS_STATUSES];
    struct strmap *by_path;
    struct path_counts *paths;
    struct path_counts *other, *bad;
};

static struct path_counts *path_counts_free(struct path_counts *path)
{
    free(path->path);
    free(path->statuses);
    free(path);
    return NULL;
}

struct counts *counts_free(struct counts *counts)
{
    if (!counts) {
        return NULL;
    }
    strmap_free(counts->by_path);
    while (counts->paths) {
        struct path_counts *path = counts->paths;
        counts->paths = path->next;
        path_counts_free(path);
    }
    free(counts);
    return NULL;
}

static struct path_counts *add_path(struct counts *counts, struct slice name)
{
    struct path_counts *path = calloc(1, sizeof *path);

    if (!path) {
        return NULL;
    }
    path->path = strndup(name.bytes, name.size);
    if (!path->path || strmap_put(counts->by_path, name.bytes, name.size, path) < 0) {
        return path_counts_free(path);
    }
    path->next = counts->paths;
    counts->paths = path;
    return path;
}

int counts_new(struct counts **ret)
{
    _cleanup_(counts_freep) struct counts *counts = calloc(1, sizeof *counts);

    if (!counts || strmap_new(&counts->by_path) < 0) {
        return -ENOMEM;
    }
    counts->other = add_path(counts, (struct slice){"(other)", 7});
    counts->bad = add_path(counts, (struct slice){"(bad request)", 13});
    if (!counts->other || !counts->bad) {
        return -ENOMEM;
    }
    *ret = TAKE_PTR(counts);
    return 0;
}

void counts_reset(struct counts *counts)
{
    for (struct path_counts *path = counts->paths; path; path = path->next) {
        path->requests = path->answers = 0;
        path->n_statuses = 0;
    }
    memset(counts->statuses, 0, sizeof counts->statuses);
    counts->accepted = counts->requests = counts->answers = counts->resets = 0;
    counts->cut = counts->abandoned = counts->bad_requests = 0;
}

void counts_accepted(struct counts *counts)
{
    counts->accepted++;
    counts->open++;
}

void counts_closed(struct counts *counts)
{
    counts->open--;
}

void counts_forget_connection(struct counts *counts)
{
    counts->open--;
    if (counts->accepted > 0) {
        counts->accepted--;
    }
}

struct path_counts *counts_request(struct counts *counts, struct slice name)
{
    struct path_counts *path = strmap_get(counts->by_path, name.bytes, name.size);

    if (!path && name.size <= COUNTS_MAX_PATH_BYTES &&
        strmap_count(counts->by_path) < COUNTS_MAX_PATHS + 2) {
        path = add_path(counts, name);
    }
    path = path ? path : counts->other;
    counts->requests++;
    path->requests++;
    return path;
}

struct path_counts *counts_bad_request(struct counts *counts)
{
    counts->bad_requests++;
    return counts->bad;
}

static void count_status(struct path_counts *path, unsigned status)
{
    for (size_t i = 0; i < path->n_statuses; i++) {
        if (path->statuses[i].status == status) {
            path->statuses[i].answers++;
            return;
        }
    }
    void *grown = realloc(path->statuses, (path->n_statuses + 1) * sizeof *path->statuses);
    if (!grown) {
        return; /* the path's other counts still have it */
    }
    path->statuses = grown;
    path->statuses[path->n_statuses].status = status;
    path->statuses[path->n_statuses++].answers = 1;
}

void counts_answer(struct counts *counts, struct path_counts *path, unsigned status)
{
    assert(status < COUNTS_STATUSES);
    counts->answers++;
    counts->statuses[status]++;
    path->answers++;
    count_status(path, status);
}

void counts_reset_sent(struct counts *counts)
{
    counts->resets++;
}

void counts_cut(struct counts *counts)
{
    counts->cut++;
}

void counts_abandoned(struct counts *counts)
{
    counts->abandoned++;
}

static int set_count(json_t *object, const char *key, uint64_t count)
{
    return json_object_set_new_nocheck(object, key, json_integer((json_int_t)count));
}

static int set_status(json_t *object, unsigned status, uint64_t count)
{
    char key[16];

    (void)snprintf(key, sizeof key, "%u", status);
    return set_count(object, key, count);
}

static json_t *dump_path(const struct path_counts *path)
{
    json_t *object = json_object(), *statuses = json_object();
    int failed =
        set_count(object, "requests", path->requests) | set_count(object, "answers", path->answers);

    for (size_t i = 0; i < path->n_statuses; i++) {
        failed |= set_status(statuses, path->statuses[i].status, path->statuses[i].answers);
    }
    failed |= json_object_set_new(object, "statuses", statuses);
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int dump_details(const struct counts *counts, json_t *root)
{
    json_t *statuses = json_object(), *paths = json_object();
    int failed = 0;

    for (unsigned status = 0; status < COUNTS_STATUSES; status++) {
        if (counts->statuses[status] > 0) {
            failed |= set_status(statuses, status, counts->statuses[status]);
        }
    }
    for (const struct path_counts *path = counts->paths; path; path = path->next) {
        if (path->requests > 0 || path->answers > 0) {
            failed |= json_object_set_new_nocheck(paths, path->path, dump_path(path));
        }
    }
    failed |= json_object_set_new(root, "statuses", statuses);
    return failed | json_object_set_new(root, "paths", paths);
}

char *counts_dump(const struct counts *counts)
{
    json_t *root = json_object(), *connections = json_object();
    int failed = set_count(connections, "accepted", counts->accepted) |
                 set_count(connections, "open", counts->open);

    failed |= json_object_set_new(root, "connections", connections);
    failed |= set_count(root, "requests", counts->requests);
    failed |= set_count(root, "answers", counts->answers);
    failed |= set_count(root, "resets", counts->resets);
    failed |= set_count(root, "cut", counts->cut);
    failed |= set_count(root, "abandoned", counts->abandoned);
    failed |= set_count(root, "bad_requests", counts->bad_requests);
    failed |= dump_details(counts, root);
    char *text = failed ? NULL : json_dumps(root, JSON_INDENT(1));
    json_decref(root);
    return text;
}
