/* SPDX-License-Identifier: MPL-2.0 */
/* The files that a run's processes share: both sides of them, in one process. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "allocation.h"
#include "processes.h"
#include "run/area.h"
#include "run/run_dir.h"

struct fixture {
    char *directory;
    char *path;
    unsigned n_descriptors;
};

static int set_up(void **state)
{
    static struct fixture f;

    f.n_descriptors = count_descriptors();
    assert_int_equal(run_dir_make(&f.directory, NULL), 0);
    f.path = run_dir_file(f.directory, "worker-0");
    assert_non_null(f.path);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    allocation_fails_after = -1;
    run_dir_remove(f->directory);
    free(f->path);
    assert_int_equal(count_descriptors(), f->n_descriptors);
    return 0;
}

static struct area *create(const struct fixture *f, uint32_t n_users, bool detail)
{
    struct area *area = NULL;
    struct error error;
    assert_int_equal(area_create(&area, f->path, n_users, detail, &error), 0);
    return area;
}

static struct area *open_area(const struct fixture *f)
{
    struct area *area = NULL;
    struct error error;
    assert_int_equal(area_open(&area, f->path, &error), 0);
    return area;
}

/* Takes everything; the hits in it. */
static uint64_t take_hits(struct area *area)
{
    uint64_t hits = 0;
    int r;

    do {
        _cleanup_(interval_freep) struct interval *interval = NULL;
        r = tally_take_rest(area->tally, &interval);
        assert_true(r >= 0);
        for (size_t i = 0; r > 0 && i < interval->n_series; i++) {
            hits += interval->series[i].latency.count;
        }
    } while (r > 0);
    return hits;
}

static void test_both_sides(void **state)
{
    struct fixture *f = *state;
    struct area *ours = create(f, 1000, false);

    assert_int_equal(ours->n_users, 1000);
    assert_null(ours->tally);
    assert_null(ours->ring);
    ours->users[999] = user_word(7, USER_BETWEEN, 0); /* as for a takeover */
    assert_int_equal(area_attach(ours), -EINVAL);     /* nobody has formatted it */
    struct area *theirs = open_area(f);
    assert_int_equal(theirs->n_users, 1000);
    assert_null(theirs->ring);
    assert_int_equal(user_word_iterations(theirs->users[999]), 7);
    assert_int_equal(theirs->users[0], 0);
    assert_int_equal(area_attach(ours), 0);
    assert_int_equal(area_attach(ours), 0); /* again: nothing happens */
    tally_stage_hit(theirs->tally, 3, 1000, 1, 1);
    tally_stage_store(theirs->tally, &theirs->users[0], user_word(1, USER_REQUESTING, 517));
    tally_stage_store(theirs->tally, &theirs->users[999], user_word(8, USER_ITERATING, 0));
    tally_commit(theirs->tally);
    theirs = area_free(theirs);
    assert_int_equal(tally_live_hits(ours->tally), 1);
    assert_int_equal(user_word_iterations(ours->users[0]), 1);
    assert_int_equal(user_word_phase(ours->users[0]), USER_REQUESTING);
    assert_int_equal(user_word_series(ours->users[0]), 517);
    assert_int_equal(user_word_phase(ours->users[999]), USER_ITERATING);
    assert_int_equal(take_hits(ours), 1);
    area_free(ours);
    assert_int_equal(access(f->path, F_OK), 0); /* the file stays */
}

/* A process that a test forked writes to all descriptors that it has. */
static void test_stray_writes_do_no_harm(void **state)
{
    struct fixture *f = *state;
    static const char garbage[4096] = {1, 2, 3};
    _cleanup_(area_freep) struct area *ours = create(f, 1, false);
    _cleanup_(area_freep) struct area *theirs = open_area(f);

    assert_int_equal(area_attach(ours), 0);
    tally_stage_hit(theirs->tally, 1, 100, 1, 1);
    tally_commit(theirs->tally);
    assert_int_equal(write(theirs->fd, garbage, sizeof garbage), sizeof garbage);
    assert_int_equal(pwrite(theirs->fd, garbage, sizeof garbage, 0), sizeof garbage);
    assert_int_equal(take_hits(ours), 1);
}

static void test_detail(void **state)
{
    struct fixture *f = *state;
    struct area *ours = create(f, 1, true), *theirs = open_area(f);
    struct detail record = {.type = DETAIL_HIT, .id = 5, .text = "/a", .text_size = 2}, got;
    char buffer[DETAIL_MAX_BYTES];
    uint64_t *head, value;

    assert_int_equal(area_attach(ours), 0);
    assert_non_null(ours->ring);
    assert_int_equal(detail_ring_put(theirs->ring, &record, &head, &value), 0);
    assert_int_equal(detail_ring_take(ours->ring, &got, buffer), 0);
    tally_stage_store(theirs->tally, head, value); /* the ring's head is within reach */
    tally_commit(theirs->tally);
    assert_int_equal(detail_ring_take(ours->ring, &got, buffer), 1);
    assert_int_equal(got.id, 5);
    assert_string_equal(got.text, "/a");
    /* what is in one part isn't in another */
    assert_int_equal(theirs->users[0], 0);
    assert_int_equal(take_hits(ours), 0);
    area_free(ours);
    area_free(theirs);
}

/* A tally can be read though its ring makes no sense; and that is said every time. */
static void test_scribbled_ring(void **state)
{
    struct fixture *f = *state;
    struct area *ours = create(f, 1, true), *theirs = open_area(f);
    size_t ring_size = detail_ring_size_bytes(4096);

    tally_stage_hit(theirs->tally, 1, 1, 0, 0);
    tally_commit(theirs->tally);
    memset(ours->memory + ours->size_bytes - ((size_t)4 << 20) - 4096, 0xee, ring_size);
    assert_int_equal(area_attach(ours), -EINVAL);
    assert_int_equal(area_attach(ours), -EINVAL);
    assert_null(ours->ring);
    assert_int_equal(take_hits(ours), 1);
    area_free(ours);
    area_free(theirs);
}

static void test_sizes_of_cycles(void **state)
{
    struct fixture *f = *state;
    const uint32_t sizes[] = {0, 1, 511, 512, 513, 30000};

    for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
        for (int detail = 0; detail < 2; detail++) {
            struct area *ours = create(f, sizes[i], detail), *theirs = open_area(f);
            assert_int_equal(theirs->n_users, sizes[i]);
            assert_int_equal(theirs->ring != NULL, detail);
            assert_int_equal(ours->size_bytes, theirs->size_bytes);
            for (uint32_t user = 0; user < sizes[i]; user++) {
                theirs->users[user] = user_word(user, USER_ITERATING, 0);
            }
            assert_int_equal(area_attach(ours), 0); /* no word lies where something else does */
            assert_int_equal(take_hits(ours), 0);
            area_free(ours);
            area_free(theirs);
            assert_int_equal(unlink(f->path), 0);
        }
    }
}

/* Sparse: what isn't used takes no storage. */
static void test_storage(void **state)
{
    struct fixture *f = *state;
    struct area *area = create(f, 100, false);
    struct stat status;

    assert_int_equal(fstat(area->fd, &status), 0);
    assert_int_equal(status.st_size, area->size_bytes);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true((uint64_t)status.st_blocks * 512 < area->size_bytes / 4);
    area_free(area);
}

/* More distinct latencies than the first pages hold: every hit arrives. */
static void test_make_room(void **state)
{
    struct fixture *f = *state;
    struct area *ours = create(f, 1, false), *theirs = open_area(f);
    unsigned before = tally_pages(theirs->tally);
    uint64_t hits = 0;
    struct error error;

    assert_int_equal(area_attach(ours), 0);
    for (unsigned series = 1; series <= 100; series++) {
        for (uint64_t usec = 1; usec < HISTOGRAM_MAX_USEC; usec *= 2) {
            assert_int_equal(area_make_room(theirs, &error), 0);
            tally_stage_hit(theirs->tally, series, usec, 0, 0);
            tally_commit(theirs->tally);
            hits++;
        }
    }
    assert_true(tally_pages(theirs->tally) >= 4 * before);
    assert_int_equal(take_hits(ours), hits);
    area_free(ours);
    area_free(theirs);
}

static void test_bad_files(void **state)
{
    struct fixture *f = *state;
    struct area *area = NULL, *ours;
    struct error error = {0};

    assert_int_equal(area_open(&area, f->path, &error), -ENOENT);
    assert_non_null(strstr(error.text, f->path));
    ours = create(f, 10, false);
    assert_int_equal(area_create(&area, f->path, 10, false, &error), -EEXIST);
    /* its size isn't what its header says */
    assert_int_equal(truncate(f->path, (off_t)ours->size_bytes - 4096), 0);
    assert_int_equal(area_open(&area, f->path, &error), -EINVAL);
    assert_int_equal(truncate(f->path, (off_t)ours->size_bytes + 4096), 0);
    assert_int_equal(area_open(&area, f->path, &error), -EINVAL);
    /* there is no header */
    assert_int_equal(truncate(f->path, 100), 0);
    assert_int_equal(area_open(&area, f->path, &error), -EINVAL);
    assert_int_equal(truncate(f->path, (off_t)ours->size_bytes), 0);
    assert_int_equal(area_open(&area, f->path, &error), -EINVAL);
    assert_null(area);
    area_free(ours);
    assert_int_equal(area_create(&area, "/nonexistent/file", 1, false, &error), -ENOENT);
    assert_null(area_free(NULL));
}

static void test_names(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *path = run_dir_file(f->directory, "names");
    struct names_file *ours = NULL, *theirs = NULL, *none = NULL;
    struct error error = {0};

    assert_int_equal(names_file_open(&none, path, &error), -ENOENT);
    assert_int_equal(names_file_create(&ours, path, &error), 0);
    assert_int_equal(names_file_create(&none, path, &error), -EEXIST);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(names_file_open(&theirs, path, &error), 0);
    unsigned id = names_id(theirs->names, NAME_COUNTER, "baskets", 7);
    assert_true(id > 0);
    assert_string_equal(names_text(ours->names, NAME_COUNTER, id), "baskets");
    assert_int_equal(names_id(ours->names, NAME_COUNTER, "baskets", 7), id);
    names_file_free(theirs);
    names_file_free(ours);
    assert_int_equal(names_file_open(&ours, path, &error), 0); /* it outlives them */
    assert_int_equal(names_find(ours->names, NAME_COUNTER, "baskets", 7), id);
    names_file_free(ours);
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(names_file_open(&none, path, &error), -EINVAL);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(truncate(path, (off_t)names_size_bytes()), 0);
    assert_int_equal(names_file_open(&none, path, &error), -EINVAL); /* not formatted */
    assert_null(none);
    assert_null(names_file_free(NULL));
}

/* Each allocation fails in turn: an error, and nothing is left of what was begun. */
static void test_without_memory(void **state)
{
    struct fixture *f = *state;
    unsigned failures = 0;
    int r;

    do {
        struct area *ours = NULL, *theirs = NULL;
        struct names_file *names = NULL;
        _cleanup_free_ char *path = run_dir_file(f->directory, "names-%u", failures);
        assert_non_null(path);
        (void)unlink(f->path); /* of the last turn, if it came that far */
        allocation_fails_after = failures++;
        r = area_create(&ours, f->path, 10, true, NULL);
        if (r == 0) {
            r = area_open(&theirs, f->path, NULL);
        }
        if (r == 0) {
            r = area_attach(ours);
        }
        if (r == 0) {
            r = names_file_create(&names, path, NULL);
        }
        bool failed = allocation_fails_after < 0;
        allocation_fails_after = -1;
        assert_int_equal(r, failed ? -ENOMEM : 0);
        area_free(theirs);
        area_free(ours);
        names_file_free(names);
        assert_int_equal(count_descriptors(), f->n_descriptors);
    } while (r < 0);
    assert_true(failures > 6);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_sides),      TEST(test_stray_writes_do_no_harm),
        TEST(test_detail),          TEST(test_scribbled_ring),
        TEST(test_sizes_of_cycles), TEST(test_storage),
        TEST(test_make_room),       TEST(test_bad_files),
        TEST(test_names),           TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
