/* SPDX-License-Identifier: MPL-2.0 */
/* What is counted of a worker that died: nothing twice, nothing left out, and nothing believed that
 * can't be. */
#include "test.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "allocation.h"
#include "run/casualties.h"
#include "shared_memory.h"

#define N_USERS 4

struct fixture {
    void *memory;
    struct names *names;
    struct run_spec spec;
    struct casualty_text text;
    uint64_t words[N_USERS], new_words[N_USERS];
    unsigned left;
    struct interval *interval;
    struct casualties casualties;
};

static int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){.memory = share_memory(names_size_bytes())};
    assert_int_equal(names_new(&f.names, f.memory, names_size_bytes()), 0);
    strcpy(f.spec.fqn.suite, "Shop");
    strcpy(f.spec.fqn.test, "login");
    f.text.user = 11;
    strcpy(f.text.message, "Segmentation fault");
    strcpy(f.text.place, "shop.c:12");
    strcpy(f.text.traceback, "  login (shop.c:12)\n");
    f.casualties = (struct casualties){.spec = &f.spec,
                                       .names = f.names,
                                       .words = f.words,
                                       .n_users = N_USERS,
                                       .first_user = 10,
                                       .hits = 5,
                                       .second = 42,
                                       .text = &f.text};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    allocation_fails_after = -1;
    interval_free(f->interval);
    names_free(f->names);
    unshare_memory(f->memory, names_size_bytes());
    return 0;
}

static void count(struct fixture *f)
{
    assert_int_equal(casualties_count(&f->casualties, f->new_words, &f->left, &f->interval), 0);
    assert_int_equal(f->interval->second, 42);
    assert_int_equal(f->interval->seconds, 1);
}

static uint64_t error_count(const struct fixture *f, const char *message)
{
    char buffer[NAME_MAX_BYTES + 1];
    struct error_key key;
    uint64_t sum = 0;

    for (size_t i = 0; i < f->interval->n_errors; i++) {
        const char *text = names_text(f->names, NAME_ERROR, f->interval->errors[i].id);
        error_key_parse(text, buffer, &key);
        if (strcmp(key.message, message) == 0) {
            assert_int_equal(key.kind, ERROR_KIND_ERROR);
            assert_string_equal(key.class, "crash");
            assert_string_equal(key.test, "Shop.login");
            sum += (uint64_t)f->interval->errors[i].count;
        }
    }
    return sum;
}

static unsigned series(struct fixture *f, const char *name)
{
    return names_series(f->names, &(struct series_key){"Shop.login", name, "GET", 0});
}

static const char cut_short[] = "cut short by the crash of another user's test";

static void test_one_crashed_others_were_on(void **state)
{
    struct fixture *f = *state;
    unsigned a = series(f, "a"), b = series(f, "b");

    f->words[0] = user_word(2, USER_REQUESTING, a);
    f->words[1] = user_word(4, USER_REQUESTING, b); /* user 11, its last iteration */
    f->words[2] = user_word(0, USER_ITERATING, 0);
    f->words[3] = user_word(5, USER_BETWEEN, 0); /* was done */
    count(f);
    assert_int_equal(f->new_words[0], user_word(3, USER_BETWEEN, 0));
    assert_int_equal(f->new_words[1], user_word(5, USER_BETWEEN, 0));
    assert_int_equal(f->new_words[2], user_word(1, USER_BETWEEN, 0));
    assert_int_equal(f->new_words[3], user_word(5, USER_BETWEEN, 0));
    assert_int_equal(f->left, 2);
    assert_int_equal(f->interval->n_tests, 1);
    assert_string_equal(names_text(f->names, NAME_TEST, f->interval->tests[0].id), "Shop.login");
    assert_int_equal(f->interval->tests[0].outcomes[OUTCOME_ERROR], 3);
    assert_int_equal(f->interval->tests[0].outcomes[OUTCOME_INTERRUPTED], 0);
    assert_int_equal(error_count(f, "Segmentation fault"), 1);
    assert_int_equal(error_count(f, cut_short), 2);
    assert_int_equal(f->interval->n_series, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(f->interval->series[i].errors, 1);
        assert_int_equal(f->interval->series[i].latency.count, 0);
    }
    assert_int_equal(casualties_iterations(f->new_words, N_USERS), 3 + 5 + 1 + 5);
}

/* One that stopped before its time has nothing left, and nothing was on. */
static void test_a_user_that_stopped(void **state)
{
    struct fixture *f = *state;

    f->words[0] = user_word(2, USER_OVER, 0);
    f->words[1] = user_word(4, USER_ITERATING, 0);
    f->words[2] = user_word(5, USER_BETWEEN, 0);
    f->words[3] = user_word(5, USER_BETWEEN, 0);
    count(f);
    assert_int_equal(f->new_words[0], user_word(2, USER_OVER, 0));
    assert_int_equal(f->left, 0);
    assert_int_equal(f->interval->tests[0].outcomes[OUTCOME_ERROR], 1);
    assert_int_equal(casualties_iterations(f->new_words, N_USERS), 2 + 5 + 5 + 5);
}

static void test_nobody_in_particular(void **state)
{
    struct fixture *f = *state;
    unsigned id = series(f, "a");

    f->text.user = -1;
    for (unsigned i = 0; i < N_USERS; i++) {
        f->words[i] = user_word(i, USER_REQUESTING, id);
    }
    count(f);
    assert_int_equal(f->interval->tests[0].outcomes[OUTCOME_ERROR], 4);
    assert_int_equal(f->interval->n_errors, 1);
    assert_int_equal(error_count(f, "Segmentation fault"), 4);
    assert_int_equal(f->interval->n_series, 1);
    assert_int_equal(f->interval->series[0].id, id);
    assert_int_equal(f->interval->series[0].errors, 4);
    assert_int_equal(f->left, 4);
}

/* Who crashed alone is the only error; a user of another worker isn't looked for here. */
static void test_only_the_culprit(void **state)
{
    struct fixture *f = *state;

    f->words[1] = user_word(0, USER_ITERATING, 0);
    count(f);
    assert_int_equal(f->interval->n_errors, 1);
    assert_int_equal(error_count(f, "Segmentation fault"), 1);
    assert_int_equal(f->interval->n_series, 0);
    f->interval = interval_free(f->interval);
    f->text.user = 99;
    count(f);
    assert_int_equal(f->interval->n_errors, 1);
    assert_int_equal(error_count(f, cut_short), 1);
}

static void test_nothing_was_on(void **state)
{
    struct fixture *f = *state;

    count(f);
    assert_int_equal(f->interval->n_tests, 0);
    assert_int_equal(f->interval->n_errors, 0);
    assert_int_equal(f->interval->n_series, 0);
    assert_int_equal(f->left, 4);
}

/* Killed for being late: neither success nor error, for requests neither. */
static void test_interrupted(void **state)
{
    struct fixture *f = *state;

    f->casualties.interrupted = true;
    f->words[0] = user_word(1, USER_REQUESTING, series(f, "a"));
    f->words[1] = user_word(1, USER_ITERATING, 0);
    count(f);
    assert_int_equal(f->interval->tests[0].outcomes[OUTCOME_INTERRUPTED], 2);
    assert_int_equal(f->interval->tests[0].outcomes[OUTCOME_ERROR], 0);
    assert_int_equal(f->interval->n_errors, 0);
    assert_int_equal(f->interval->n_series, 0);
}

static void test_without_bound(void **state)
{
    struct fixture *f = *state;

    f->casualties.hits = 0;
    f->words[0] = user_word(UINT32_MAX - 1, USER_ITERATING, 0);
    f->words[1] = user_word(UINT32_MAX, USER_ITERATING, 0);
    count(f);
    assert_int_equal(f->left, 4);
    assert_int_equal(user_word_iterations(f->new_words[0]), UINT32_MAX);
    assert_int_equal(user_word_iterations(f->new_words[1]), UINT32_MAX); /* doesn't begin anew */
}

/* Words that a test wrote over: nobody gets more iterations than the cycle has, nor starts again.
 */
static void test_scribbled_words(void **state)
{
    struct fixture *f = *state;

    f->words[0] = UINT64_MAX;
    f->words[1] = user_word(4000000000, USER_BETWEEN, 0);
    f->words[2] = user_word(5, USER_REQUESTING, 60000); /* no such series, nothing was left to do */
    f->words[3] = user_word(7, USER_REQUESTING, NAMES_MAX_SERIES + 1);
    count(f);
    for (unsigned i = 0; i < N_USERS; i++) {
        assert_int_equal(f->new_words[i], user_word(5, USER_BETWEEN, 0));
    }
    assert_int_equal(f->left, 0);
    assert_int_equal(f->interval->tests[0].outcomes[OUTCOME_ERROR], 3);
    assert_int_equal(f->interval->n_series, 0);
}

static void test_url(void **state)
{
    struct fixture *f = *state;
    char url[] = "http://127.0.0.1/";

    f->spec.url = url;
    f->words[0] = user_word(0, USER_ITERATING, 0);
    count(f);
    assert_string_equal(names_text(f->names, NAME_TEST, f->interval->tests[0].id),
                        SPEC_URL_SUITE "." SPEC_URL_TEST);
}

/* No room for more distinct errors: both kinds are one entry then, and no count is lost. */
static void test_names_are_full(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; names_overflows(f->names, NAME_ERROR) == 0; i++) {
        char text[20];
        int n = snprintf(text, sizeof text, "error %u", i);
        (void)names_id(f->names, NAME_ERROR, text, (size_t)n);
    }
    for (unsigned i = 0; i < N_USERS; i++) {
        f->words[i] = user_word(0, USER_ITERATING, 0);
    }
    count(f);
    assert_int_equal(f->interval->n_errors, 1);
    assert_int_equal(f->interval->errors[0].id, 0);
    assert_int_equal(f->interval->errors[0].count, 4);
}

/* An interval is what can be encoded: ids ascend whichever of the two errors was known first. */
static void test_order(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < N_USERS; i++) {
        f->words[i] = user_word(0, USER_REQUESTING, series(f, i % 2 ? "a" : "b"));
    }
    f->text.user = 99;
    count(f); /* makes the others' error known */
    f->interval = interval_free(f->interval);
    f->text.user = 11;
    count(f);
    assert_int_equal(f->interval->n_errors, 2);
    _cleanup_free_ uint8_t *bytes = NULL;
    _cleanup_(interval_freep) struct interval *again = NULL;
    size_t size;
    assert_int_equal(interval_encode(f->interval, &bytes, &size), 0);
    assert_int_equal(interval_decode(bytes, size, &again, NULL), 0);
    assert_int_equal(again->errors[0].count + again->errors[1].count, 4);
}

/* ---- the detail stream
 * --------------------------------------------------------------------------- */

struct told {
    struct detail records[2 * N_USERS];
    unsigned n;
};

static void note(const struct detail *detail, void *context)
{
    struct told *told = context;

    assert_true(told->n < ELEMENTSOF(told->records));
    told->records[told->n++] = *detail;
}

/* The end of every iteration that was on, with the error it is counted as, and of its request. */
static void test_told(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};
    const struct casualty_times times[N_USERS] = {
        {1000, 1000}, {2000, 3000}, {UINT64_MAX, UINT64_MAX}, {4000, 4000}};

    f->casualties.cycle = 3;
    f->words[1] = user_word(4, USER_REQUESTING, series(f, "a")); /* user 11 */
    f->words[2] = user_word(0, USER_ITERATING, 0);
    casualties_tell(&f->casualties, times, note, &told);
    count(f);
    assert_int_equal(told.n, 3);
    const struct detail *request = &told.records[0];
    assert_int_equal(request->type, DETAIL_REQUEST_ERROR);
    assert_int_equal(request->id, series(f, "a"));
    assert_int_equal(request->error_id, told.records[1].id);
    assert_int_equal(request->user, 11);
    assert_int_equal(request->iteration, 4);
    assert_int_equal(request->started_usec, 3000);
    assert_true(request->elapsed_usec > 0);
    assert_int_equal(request->text_size, 0);
    assert_int_equal(told.records[1].user, 11);
    assert_int_equal(told.records[1].iteration, 4);
    assert_int_equal(told.records[2].user, 12);
    assert_int_equal(told.records[2].iteration, 0);
    assert_int_equal(told.records[2].elapsed_usec, 0); /* it hasn't begun yet, says the worker */
    assert_int_not_equal(told.records[1].id, told.records[2].id);
    for (unsigned i = 1; i < 3; i++) {
        const struct detail *record = &told.records[i];
        assert_int_equal(record->type, DETAIL_ERROR);
        assert_int_equal(record->cycle, 3);
        assert_int_equal(record->test, f->interval->tests[0].id);
        assert_true(record->id == f->interval->errors[0].id ||
                    record->id == f->interval->errors[1].id);
    }
    assert_true(told.records[1].elapsed_usec > request->elapsed_usec);
}

/* As many as are counted: none of a word that names no series. */
static void test_told_of_no_request(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};
    const struct casualty_times times[N_USERS] = {{0}};

    f->words[0] = user_word(0, USER_REQUESTING, NAMES_MAX_SERIES + 1);
    casualties_tell(&f->casualties, times, note, &told);
    count(f);
    assert_int_equal(f->interval->n_series, 0);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.records[0].type, DETAIL_ERROR);
}

static void test_told_of_interrupted(void **state)
{
    struct fixture *f = *state;
    struct told told = {0};
    const struct casualty_times times[N_USERS] = {{0}};

    f->casualties.interrupted = true;
    f->words[0] = UINT64_MAX; /* written over */
    casualties_tell(&f->casualties, NULL, note, &told);
    assert_int_equal(told.n, 0); /* detail is off */
    f->words[1] = user_word(0, USER_REQUESTING, series(f, "a"));
    casualties_tell(&f->casualties, times, note, &told);
    assert_int_equal(told.n, 2);
    assert_int_equal(told.records[0].type, DETAIL_INTERRUPTED);
    assert_int_equal(told.records[1].type, DETAIL_INTERRUPTED);
    assert_int_equal(told.records[0].iteration, 4); /* the last there can be */
}

static void test_without_memory(void **state)
{
    struct fixture *f = *state;
    unsigned failures = 0;
    int r;

    f->words[1] = user_word(0, USER_REQUESTING, series(f, "a"));
    count(f); /* names are known now: looking them up takes no memory */
    for (;; failures++) {
        f->interval = interval_free(f->interval);
        allocation_fails_after = failures;
        r = casualties_count(&f->casualties, f->new_words, &f->left, &f->interval);
        allocation_fails_after = -1;
        if (r == 0) {
            break;
        }
        assert_int_equal(r, -ENOMEM);
        assert_null(f->interval);
    }
    assert_true(failures >= 5); /* what it allocates */
    assert_int_equal(f->interval->tests[0].outcomes[OUTCOME_ERROR], 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_crashed_others_were_on),
        TEST(test_a_user_that_stopped),
        TEST(test_nobody_in_particular),
        TEST(test_only_the_culprit),
        TEST(test_nothing_was_on),
        TEST(test_interrupted),
        TEST(test_without_bound),
        TEST(test_scribbled_words),
        TEST(test_url),
        TEST(test_names_are_full),
        TEST(test_order),
        TEST(test_told),
        TEST(test_told_of_no_request),
        TEST(test_told_of_interrupted),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
