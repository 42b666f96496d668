/* SPDX-License-Identifier: MPL-2.0 */
/* Only words in shared memory are left of a dead worker's users; any of them may have been written
 * over by what made it crash, so nothing in them is believed beyond its range. */
#include "run/casualties.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static unsigned error_id(const struct casualties *c, const char *message, const char *place,
                         const char *traceback, const char *test)
{
    struct error_key key = {.kind = ERROR_KIND_ERROR,
                            .class = "crash",
                            .message = message,
                            .place = place,
                            .test = test,
                            .traceback = traceback};
    return names_error(c->names, &key);
}

/* The test that a user's iteration is of, as far as its word can be believed. */
static unsigned test_of(const struct casualties *c, uint64_t word)
{
    unsigned id = user_word_test(word);
    char test[SPEC_NAME_BYTES];

    if (id > 0 && id < names_count(c->names, NAME_TEST)) {
        return id;
    }
    run_spec_test_name(c->spec, test);
    return names_id(c->names, NAME_TEST, test, strlen(test));
}

static unsigned culprit_error(const struct casualties *c)
{
    const char *test =
        names_text(c->names, NAME_TEST, test_of(c, c->words[c->text->user - (int)c->first_user]));
    return error_id(c, c->text->message, c->text->place, c->text->traceback, test);
}

/* They are told together, whatever each one's test was, if there are several. */
static unsigned bystander_error(const struct casualties *c)
{
    char test[SPEC_NAME_BYTES] = "";

    if (!c->spec->mix) {
        run_spec_test_name(c->spec, test);
    }
    const char *message =
        c->text->user < 0 ? c->text->message : "cut short by the crash of another user's test";
    return error_id(c, message, "", "", test);
}

static void add_count(struct interval *interval, unsigned id, int64_t count)
{
    interval->errors[interval->n_errors++] = (struct interval_count){.id = id, .count = count};
}

/* One error for the user who crashed, another for those whom it took along. */
static void count_errors(const struct casualties *c, unsigned iterations, bool culprit,
                         struct interval *interval)
{
    unsigned own = 0, others = 0, n_own = culprit ? 1 : 0, n_others = iterations - n_own;

    if (c->interrupted || iterations == 0) {
        return;
    }
    if (c->text->user < 0) { /* nobody in particular: all are alike */
        add_count(interval, bystander_error(c), iterations);
        return;
    }
    if (n_own > 0) {
        own = culprit_error(c);
    }
    if (n_others > 0) {
        others = bystander_error(c);
    }
    if (n_own > 0 && n_others > 0 && own == others) { /* both in "(other)" */
        add_count(interval, own, iterations);
        return;
    }
    if (n_own > 0 && (n_others == 0 || own < others)) {
        add_count(interval, own, n_own);
    }
    if (n_others > 0) {
        add_count(interval, others, n_others);
    }
    if (n_own > 0 && n_others > 0 && own > others) {
        add_count(interval, own, n_own);
    }
}

static int count_series(const uint64_t *requests, struct interval *interval)
{
    size_t n = 0;

    for (unsigned id = 0; id <= NAMES_MAX_SERIES; id++) {
        n += requests[id] > 0 ? 1 : 0;
    }
    if (n == 0) {
        return 0;
    }
    interval->series = calloc(n, sizeof *interval->series);
    if (!interval->series) {
        return -ENOMEM;
    }
    for (unsigned id = 0; id <= NAMES_MAX_SERIES; id++) {
        if (requests[id] > 0) {
            interval->series[interval->n_series].id = id;
            interval->series[interval->n_series++].errors = requests[id];
        }
    }
    return 0;
}

/* How many iterations of a user are over, the one that was on included, as far as its word can be
 * believed. */
static uint32_t iterations_over(const struct casualties *c, uint64_t word)
{
    uint32_t most = c->hits > 0 ? c->hits : UINT32_MAX;
    uint32_t on = user_word_is_on(word) ? 1 : 0;

    return MIN(user_word_iterations(word), most - on) + on;
}

/* Whether a request is counted as an error: the run is not to blame for one that it cuts, and a
 * word that was written over tells nothing. */
static bool lost_request(const struct casualties *c, uint64_t word)
{
    return !c->interrupted && user_word_phase(word) == USER_REQUESTING &&
           user_word_series(word) <= NAMES_MAX_SERIES;
}

int casualties_count(const struct casualties *c, uint64_t *new_words, unsigned *ret_left,
                     struct interval **ret)
{
    _cleanup_(interval_freep) struct interval *interval = calloc(1, sizeof *interval);
    _cleanup_free_ uint64_t *requests = calloc(NAMES_MAX_SERIES + 1, sizeof *requests);
    uint32_t by_test[NAMES_MAX_TESTS + 1] = {0};
    unsigned iterations = 0;
    bool culprit = false;

    if (!interval || !requests) {
        return -ENOMEM;
    }
    *interval = (struct interval){.second = c->second, .seconds = 1};
    interval->errors = calloc(2, sizeof *interval->errors);
    interval->tests = calloc(ELEMENTSOF(by_test), sizeof *interval->tests);
    if (!interval->errors || !interval->tests) {
        return -ENOMEM;
    }
    *ret_left = 0;
    for (unsigned i = 0; i < c->n_users; i++) {
        uint64_t word = c->words[i];
        uint32_t done = iterations_over(c, word);
        bool over = user_word_phase(word) == USER_OVER;
        if (user_word_is_on(word)) {
            iterations++;
            by_test[test_of(c, word)]++;
            culprit = culprit || (int)(c->first_user + i) == c->text->user;
        }
        if (lost_request(c, word)) {
            requests[user_word_series(word)]++;
        }
        new_words[i] = user_word(done, over ? USER_OVER : USER_BETWEEN, 0);
        *ret_left += !over && (c->hits == 0 || done < c->hits) ? 1 : 0;
    }
    for (unsigned id = 0; id < ELEMENTSOF(by_test); id++) {
        if (by_test[id] > 0) {
            struct interval_test *test = &interval->tests[interval->n_tests++];
            test->id = id;
            test->outcomes[c->interrupted ? OUTCOME_INTERRUPTED : OUTCOME_ERROR] = by_test[id];
        }
    }
    count_errors(c, iterations, culprit, interval);
    int r = count_series(requests, interval);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(interval);
    return 0;
}

static uint64_t elapsed(uint64_t from_usec, uint64_t now_usec)
{
    return now_usec > from_usec ? now_usec - from_usec : 0;
}

static void tell_one(const struct casualties *c, unsigned index, const struct casualty_times *times,
                     struct detail *record,
                     void (*detail)(const struct detail *detail, void *context), void *context)
{
    uint64_t now = clock_realtime_usec();
    unsigned error = record->id;

    if (lost_request(c, c->words[index])) {
        record->type = DETAIL_REQUEST_ERROR;
        record->id = user_word_series(c->words[index]);
        record->error_id = error;
        record->started_usec = MIN(times->last_usec, now);
        record->elapsed_usec = elapsed(times->last_usec, now);
        detail(record, context);
    }
    record->type = c->interrupted ? DETAIL_INTERRUPTED : DETAIL_ERROR;
    record->id = error;
    record->error_id = 0;
    record->started_usec = now;
    record->elapsed_usec = elapsed(times->started_usec, now);
    detail(record, context);
}

void casualties_tell(const struct casualties *c, const struct casualty_times *times,
                     void (*detail)(const struct detail *detail, void *context), void *context)
{
    if (!times) {
        return;
    }
    for (unsigned i = 0; i < c->n_users; i++) {
        unsigned user = c->first_user + i;
        if (!user_word_is_on(c->words[i])) {
            continue;
        }
        struct detail record = {
            .test = test_of(c, c->words[i]),
            .user = user,
            .iteration = iterations_over(c, c->words[i]) - 1,
            .cycle = c->cycle,
        };
        if (!c->interrupted) {
            record.id = (int)user == c->text->user ? culprit_error(c) : bystander_error(c);
        }
        tell_one(c, i, &times[i], &record, detail, context);
    }
}

uint64_t casualties_iterations(const uint64_t *words, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        sum += user_word_iterations(words[i]);
    }
    return sum;
}
