/* SPDX-License-Identifier: MPL-2.0 */
/* A file is opened once per worker, before the run begins. Who gets which row needs no list of rows
 * and nobody who deals them out:
 *   - in order, and shuffled, each user goes through all rows by itself; where it is, is a number
 * per user and feeder, and its shuffled order a permutation that follows from the seed;
 *   - unique per user, the row is the user's number, which counts over workers and agents;
 *   - unique over the run, an agent has every nth row, beginning with that of its place among n,
 * and its workers share a counter (run/deal.h). Feeders of the same file share it, too. */
#include "feeder.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "choice.h"

#define MAX_FEEDERS 1000

/* In loads_feeder as `loaded_`. */
struct loads_loaded {
    struct loads_loaded *next;
    size_t index;
    struct data_file *file; /* NULL: it can't be used, */
    char *trouble;          /* and why; NULL: there was no memory */
    uint64_t key;           /* of its path */
};

static loads_feeder *feeders[MAX_FEEDERS];
static size_t n_feeders, n_opened;
static struct loads_loaded *opened; /* also those that nobody registered */

void loads_register_feeder_(loads_feeder *feeder)
{
    if (n_feeders < MAX_FEEDERS) {
        feeders[n_feeders++] = feeder;
    }
}

/* ---- opening ---- */

static void on_turn(void *context)
{
    struct worker *worker = context;
    *worker->area->turned_usec = clock_monotonic_usec(); /* it is large, but we don't stand still */
}

/* Never 0. */
static uint64_t key_of(const char *path)
{
    uint64_t key = 0;

    for (const char *c = path; *c; c++) {
        key = prng_key((uint64_t[]){key, (unsigned char)*c}, 2);
    }
    return key | 1;
}

static int check(const loads_feeder *feeder, struct error *error)
{
    if (!feeder->path || !*feeder->path) {
        return error_set(error, -EINVAL, "a feeder without a file");
    }
    if ((unsigned)feeder->order > LOADS_UNIQUE || (unsigned)feeder->at_end > LOADS_FAIL) {
        return error_set(error, -EINVAL, "%s: there is no such .order or .at_end", feeder->path);
    }
    if (feeder->separator && strchr("\"\r\n", feeder->separator)) {
        return error_set(error, -EINVAL, "%s: that .separator can't part values", feeder->path);
    }
    return 0;
}

static int open_feeder(struct worker *worker, loads_feeder *feeder)
{
    struct loads_loaded *loaded = calloc(1, sizeof *loaded);
    struct error error;

    if (!loaded) {
        return -ENOMEM;
    }
    int r = check(feeder, &error);
    if (r == 0) {
        loaded->key = key_of(feeder->path);
        r = data_file_open(&loaded->file, feeder->path, feeder->separator ? feeder->separator : ',',
                           on_turn, worker, &error);
    }
    if (r < 0) {
        loaded->trouble = strdup(error.text);
    }
    loaded->index = n_opened++;
    loaded->next = opened;
    opened = feeder->loaded_ = loaded;
    return 0;
}

void feeders_open(struct worker *worker)
{
    for (size_t i = 0; i < n_feeders; i++) {
        (void)open_feeder(worker, feeders[i]); /* who asks for a row has another try */
    }
}

void feeders_close(void)
{
    while (opened) { /* no test runs any more that could ask for a row */
        struct loads_loaded *loaded = opened;
        opened = loaded->next;
        data_file_free(loaded->file);
        free(loaded->trouble);
        free(loaded);
    }
}

/* ---- whose turn it is ---- */

/* How many rows a user had of a feeder. One that was taken over from a worker that died had about
 * one per iteration. NULL: no memory. */
static uint64_t *taken(struct loads_user *user, size_t index)
{
    if (index >= user->n_taken) {
        size_t n = MAX(n_opened, index + 1);
        uint64_t *more = realloc(user->taken, n * sizeof *more);
        if (!more) {
            return NULL;
        }
        for (size_t i = user->n_taken; i < n; i++) {
            more[i] = user->first_iteration;
        }
        user->taken = more;
        user->n_taken = n;
    }
    return &user->taken[index];
}

/* What a row is chosen from, and which it is. */
struct share {
    uint64_t count;  /* rows that can be had */
    uint64_t number; /* of one of them; from count on: there is none left */
    uint64_t first, step;
};

static int find_share(struct loads_user *user, const loads_feeder *feeder, struct share *ret,
                      struct error *error)
{
    const struct loads_loaded *loaded = feeder->loaded_;
    struct deal *deal = user->worker->deal;
    struct share share = {.count = data_file_count(loaded->file), .step = 1};

    if (feeder->order == LOADS_UNIQUE_PER_USER) {
        share.number = user->number;
    } else if (feeder->order == LOADS_UNIQUE) {
        share.first = deal_agent_index(deal);
        share.step = deal_agents(deal);
        share.count =
            share.count > share.first ? (share.count - share.first - 1) / share.step + 1 : 0;
        int r = deal_next(deal, loaded->key, &share.number);
        if (r < 0) {
            return error_set(error, r, "%s: a run can have %d files of which rows are unique",
                             feeder->path, DEAL_MAX_PILES);
        }
    } else {
        uint64_t *number = taken(user, loaded->index);
        if (!number) {
            return error_set_errno(error, -ENOMEM, "%s", feeder->path);
        }
        share.number = (*number)++;
    }
    *ret = share;
    return 0;
}

enum loads_at_end feeder_at_end(const loads_feeder *feeder)
{
    if (feeder->at_end != LOADS_AT_END_) {
        return feeder->at_end;
    }
    return feeder->order == LOADS_SEQUENTIAL || feeder->order == LOADS_SHUFFLED ? LOADS_WRAP
                                                                                : LOADS_FAIL;
}

static int used_up(const loads_feeder *feeder, const struct share *share, struct error *error)
{
    static const char *const choices[] = {
        [LOADS_WRAP] = "LOADS_WRAP begins again, and there is nothing to begin with",
        [LOADS_STOP] = "LOADS_STOP ends the user",
        [LOADS_FAIL] = "LOADS_FAIL is an error; LOADS_WRAP would begin again, LOADS_STOP end the "
                       "user",
    };
    const struct loads_loaded *loaded = feeder->loaded_;
    uint64_t all = data_file_count(loaded->file);

    if (share->count != all) {
        return error_set(error, -ENODATA,
                         "%s: rows are used up: all %" PRIu64 " that this agent has of %" PRIu64
                         " (.at_end = %s)",
                         feeder->path, share->count, all, choices[feeder_at_end(feeder)]);
    }
    return error_set(error, -ENODATA, "%s: rows are used up: all %" PRIu64 " (.at_end = %s)",
                     feeder->path, all, choices[feeder_at_end(feeder)]);
}

static uint64_t row_of(const struct loads_user *user, const loads_feeder *feeder,
                       const struct share *share)
{
    const struct loads_loaded *loaded = feeder->loaded_;
    uint64_t round = share->number / share->count, number = share->number % share->count;

    if (feeder->order == LOADS_SHUFFLED) {
        uint64_t which = prng_key((uint64_t[]){loaded->key, round}, 2);
        number = prng_permute(choice_key(user, CHOICE_FEEDER, which), share->count, number);
    }
    return share->first + number * share->step;
}

static void *allocate(void *context, size_t size)
{
    struct loads_user *user = context;
    return arena_alloc(&user->arena, size);
}

int feeder_next(struct loads_user *user, loads_feeder *feeder, struct data_row *ret,
                struct error *error)
{
    struct share share = {.count = 0};

    if (!feeder->loaded_ && open_feeder(user->worker, feeder) < 0) {
        return error_set_errno(error, -ENOMEM, "%s", feeder->path);
    }
    const struct loads_loaded *loaded = feeder->loaded_;
    if (!loaded->file) {
        return error_set(error, -EINVAL, "%s", loaded->trouble ? loaded->trouble : "out of memory");
    }
    int r = find_share(user, feeder, &share, error);
    if (r < 0) {
        return r;
    }
    if (share.count == 0 || (share.number >= share.count && feeder_at_end(feeder) != LOADS_WRAP)) {
        return used_up(feeder, &share, error);
    }
    return data_file_read(loaded->file, row_of(user, feeder, &share), allocate, user, ret, error);
}

void feeders_forget(struct loads_user *user)
{
    free(TAKE_PTR(user->taken));
    user->n_taken = 0;
}
