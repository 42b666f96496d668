/* SPDX-License-Identifier: MPL-2.0 */
/* What holds the loop for too long is said once and counted. The clock and what is recorded are
 * this test's. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "run/run_dir.h"
#include "worker/record.h"
#include "worker/stall.h"

static uint64_t now_usec, delay_usec;
static char recorded[200];
static struct loads_user *stalls_again; /* while it is recorded */

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock _unused_, struct timespec *ret)
{
    *ret = (struct timespec){.tv_sec = (time_t)(now_usec / USEC_PER_SEC),
                             .tv_nsec = (long)(now_usec % USEC_PER_SEC) * 1000};
    return 0;
}

uint64_t __wrap_clock_run_delay_usec(void);
uint64_t __wrap_clock_run_delay_usec(void)
{
    return delay_usec;
}

void record_counter(struct loads_user *user, const char *name, int64_t increment)
{
    size_t size = strlen(recorded);

    (void)snprintf(recorded + size, sizeof recorded - size, "%s=%jd ", name, (intmax_t)increment);
    if (stalls_again == user) {
        stalls_again = NULL;
        now_usec += 200000;
        stall_note(user);
    }
}

struct fixture {
    char *run_dir;
    struct worker workers[2];
    struct worker_test test;
    struct loads_user users[2]; /* one in each */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error error;

    assert_non_null(f);
    assert_int_equal(run_dir_make(&f->run_dir, &error), 0);
    for (unsigned i = 0; i < 2; i++) {
        f->workers[i].share.run_dir = f->run_dir;
        f->workers[i].tests = &f->test;
        f->users[i].test = &f->test;
        f->users[i].worker = &f->workers[i];
    }
    f->test.name = "Shop.buy";
    now_usec = 1000000;
    delay_usec = 0;
    recorded[0] = '\0';
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    run_dir_remove(f->run_dir);
    free(f);
    return 0;
}

static bool is_said(const struct fixture *f)
{
    _cleanup_free_ char *path = run_dir_file(f->run_dir, "stalled-Shop.buy");
    assert_non_null(path);
    return access(path, F_OK) == 0;
}

static void hold(struct loads_user *user, uint64_t usec)
{
    stall_begin(user);
    now_usec += usec;
    stall_note(user);
}

static void test_what_is_short_is_none(void **state)
{
    struct fixture *f = *state;

    hold(&f->users[0], STALL_USEC);
    hold(&f->users[0], 1);
    stall_begin(&f->users[0]);
    stall_record(&f->users[0]);
    assert_string_equal(recorded, "");
    assert_false(is_said(f));
}

static void test_each_is_counted(void **state)
{
    struct fixture *f = *state;

    hold(&f->users[0], STALL_USEC + 1);
    assert_true(is_said(f));
    hold(&f->users[0], 250000);
    stall_begin(&f->users[0]);
    now_usec += 300000; /* and the one that ends with the iteration */
    stall_record(&f->users[0]);
    assert_string_equal(recorded, "(stalls)=3 (stalled milliseconds)=650 ");
    stall_record(&f->users[0]);
    assert_string_equal(recorded, "(stalls)=3 (stalled milliseconds)=650 ");
}

/* What a busy machine takes is no stall of the test's. */
static void test_waiting_for_a_processor(void **state)
{
    struct fixture *f = *state;

    delay_usec = 7000000;
    stall_begin_second(&f->workers[0]);
    delay_usec += 150000;
    hold(&f->users[0], 250000);
    stall_record(&f->users[0]);
    assert_string_equal(recorded, "");
    assert_false(is_said(f));
    hold(&f->users[0], 250001);
    stall_record(&f->users[0]);
    assert_string_equal(recorded, "(stalls)=1 (stalled milliseconds)=250 ");
}

static void test_what_comes_while_it_is_recorded_is_for_the_next(void **state)
{
    struct fixture *f = *state;

    hold(&f->users[0], 150000);
    stalls_again = &f->users[0];
    stall_begin(&f->users[0]);
    stall_record(&f->users[0]);
    assert_string_equal(recorded, "(stalls)=1 (stalled milliseconds)=150 ");
    recorded[0] = '\0';
    stall_record(&f->users[0]);
    assert_string_equal(recorded, "(stalls)=1 (stalled milliseconds)=200 ");
}

static int lines_of(struct fixture *f)
{
    char text[4096];
    int saved = dup(2), ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], 2), 2);
    hold(&f->users[0], 150000);
    hold(&f->users[0], 150000);
    hold(&f->users[1], 150000);
    assert_int_equal(dup2(saved, 2), 2);
    close_fd(saved);
    close_fd(ends[1]);
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close_fd(ends[0]);
    assert_true(n >= 0);
    text[n] = '\0';
    int lines = 0;
    for (const char *at = text; (at = strstr(at, "Shop.buy held its worker for 150 ms")); at++) {
        lines++;
    }
    return lines;
}

static void test_one_worker_says_it_once(void **state)
{
    assert_int_equal(lines_of(*state), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_short_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_waiting_for_a_processor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_comes_while_it_is_recorded_is_for_the_next,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_worker_says_it_once, set_up, tear_down),
    };

    log_open("test_stall", LOG_INFO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
