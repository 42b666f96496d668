/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "broker/results.h"
#include "metrics/summary.h"
#include "random.h"
#include "shared_memory.h"

/* ---- what agents do ---- */

/* An agent of a run: it meets names in an order of its own, so they have other numbers there. */
struct side {
    void *memory;
    struct names *names;
    unsigned told; /* ids of series below this one were named to the broker */
    uint64_t seq;
    struct totals *counted; /* since it sent something */
};

static void side_open(struct side *side)
{
    *side = (struct side){.memory = share_memory(names_size_bytes()), .told = 1};
    assert_int_equal(names_new(&side->names, side->memory, names_size_bytes()), 0);
    assert_int_equal(totals_new(&side->counted), 0);
}

static void side_close(struct side *side)
{
    totals_free(side->counted);
    names_free(side->names);
    unshare_memory(side->memory, names_size_bytes());
}

static void side_hit(struct side *side, const char *name, unsigned status, uint64_t usec)
{
    unsigned id = names_series(side->names, &(struct series_key){"T.t", name, "GET", status});
    assert_int_equal(histogram_add(&side->counted->series[id].latency, usec, 1), 0);
}

/* Sends what was counted, with the names that are new. */
static void side_send(struct side *side, struct results *results, unsigned source, uint32_t second,
                      uint32_t seconds)
{
    static struct agent_name names[NAMES_MAX_SERIES];
    struct agent_message message = {
        .type = AGENT_RESULTS, .source = source, .seq = ++side->seq, .names = names};
    _cleanup_(interval_freep) struct interval *interval = NULL;
    _cleanup_free_ uint8_t *bytes = NULL;
    size_t size;

    for (; side->told < names_count(side->names, NAME_SERIES); side->told++) {
        names[message.n_names++] = (struct agent_name){
            NAME_SERIES, side->told, names_text(side->names, NAME_SERIES, side->told)};
    }
    message.overflows[NAME_SERIES] = names_overflows(side->names, NAME_SERIES);
    assert_int_equal(totals_interval(side->counted, &interval), 0);
    interval->second = second;
    interval->seconds = seconds;
    assert_int_equal(interval_encode(interval, &bytes, &size), 0);
    assert_int_equal(results_take(results, source, &message, bytes, size, NULL), RESULTS_TAKEN);
    totals_free(side->counted);
    assert_int_equal(totals_new(&side->counted), 0);
}

/* ---- percentiles ---- */

#define HITS       20000
#define NAMES      40
#define SECONDS    20
#define MAX_AGENTS 5

struct hit {
    unsigned name, status, second;
    uint64_t usec;
};

/* Latencies from 1 microsecond to an hour; a series has few hits or many. */
static const struct hit *record(void)
{
    static struct hit hits[HITS];
    uint64_t seed = 20261126;

    for (unsigned i = 0; i < HITS; i++) {
        hits[i] = (struct hit){
            .name = (unsigned)(random_below(&seed, NAMES) * random_below(&seed, NAMES) / NAMES),
            .status = random_below(&seed, 10) == 0 ? 404 : 200,
            .second = i * SECONDS / HITS,
            .usec = random_below(&seed, UINT64_C(1) << (1 + random_below(&seed, 31))),
        };
    }
    return hits;
}

/* The same hits on so many agents; `coarse`: the last one sends several seconds at once, as one
 * that was cut off does. */
static struct results *spread(const struct hit *hits, unsigned agents, bool coarse)
{
    struct side sides[MAX_AGENTS];
    struct results *results = NULL;
    char name[32];
    unsigned at = 0;

    assert_int_equal(results_new(&results, agents), 0);
    for (unsigned i = 0; i < agents; i++) {
        side_open(&sides[i]);
    }
    for (unsigned second = 0; second < SECONDS; second++) {
        for (; at < HITS && hits[at].second == second; at++) {
            (void)snprintf(name, sizeof name, "/page/%u", hits[at].name);
            side_hit(&sides[at % agents], name, hits[at].status, hits[at].usec);
        }
        for (unsigned i = agents; i-- > 0;) { /* whoever is first: it is another one's order */
            bool late = coarse && i == agents - 1;
            if (!late || second % 4 == 3) {
                side_send(&sides[i], results, i, late ? second - 3 : second, late ? 4 : 1);
            }
        }
    }
    for (unsigned i = 0; i < agents; i++) {
        side_close(&sides[i]);
    }
    return results;
}

static void expect_same_histogram(const struct histogram *a, const struct histogram *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->sum_usec, b->sum_usec);
    assert_int_equal(a->min_usec, b->min_usec);
    assert_int_equal(a->max_usec, b->max_usec);
    for (unsigned millipercent = 0; millipercent <= 100000; millipercent += 500) {
        assert_int_equal(histogram_percentile_usec(a, millipercent),
                         histogram_percentile_usec(b, millipercent));
    }
}

/* Every series by its name, and the numbers that people see of all of them. */
static void expect_same(struct results *a, struct results *b)
{
    struct names *names_a = results_names(a), *names_b = results_names(b);
    _cleanup_(summary_freep) struct summary *summary_a = NULL, *summary_b = NULL;

    assert_int_equal(names_count(names_a, NAME_SERIES), names_count(names_b, NAME_SERIES));
    for (unsigned id = 1; id < names_count(names_a, NAME_SERIES); id++) {
        const char *text = names_text(names_a, NAME_SERIES, id);
        unsigned other = names_find(names_b, NAME_SERIES, text, strlen(text));
        assert_int_not_equal(other, 0);
        expect_same_histogram(&results_totals(a)->series[id].latency,
                              &results_totals(b)->series[other].latency);
    }
    assert_int_equal(summary_new(&summary_a, results_totals(a), names_a, SECONDS), 0);
    assert_int_equal(summary_new(&summary_b, results_totals(b), names_b, SECONDS), 0);
    assert_int_equal(summary_a->hits, HITS);
    assert_int_equal(summary_b->hits, HITS);
    assert_memory_equal(&summary_a->latency, &summary_b->latency, sizeof summary_a->latency);
    assert_int_equal(summary_a->n_names, summary_b->n_names);
    for (size_t i = 0; i < summary_a->n_names; i++) {
        assert_string_equal(summary_a->names[i].name, summary_b->names[i].name);
        assert_memory_equal(&summary_a->names[i].latency, &summary_b->names[i].latency,
                            sizeof summary_a->names[i].latency);
    }
}

static void test_percentiles_do_not_depend_on_the_number_of_agents(void **state _unused_)
{
    static const unsigned agents[] = {2, 5};
    const struct hit *hits = record();
    _cleanup_(results_freep) struct results *one = spread(hits, 1, false);
    struct histogram all = {0};

    /* And they are those of the hits. */
    for (unsigned i = 0; i < HITS; i++) {
        assert_int_equal(histogram_add(&all, hits[i].usec, 1), 0);
    }
    _cleanup_(summary_freep) struct summary *summary = NULL;
    assert_int_equal(summary_new(&summary, results_totals(one), results_names(one), SECONDS), 0);
    assert_int_equal(summary->latency.p50_usec, histogram_percentile_usec(&all, 50000));
    assert_int_equal(summary->latency.p999_usec, histogram_percentile_usec(&all, 99900));
    assert_int_equal(summary->latency.max_usec, all.max_usec);
    histogram_clear(&all);

    for (size_t i = 0; i < ELEMENTSOF(agents); i++) {
        for (unsigned coarse = 0; coarse < 2; coarse++) {
            _cleanup_(results_freep) struct results *more = spread(hits, agents[i], coarse == 1);
            expect_same(one, more);
        }
    }
}

/* ---- names without end ---- */

#define URLS       200000
#define PER_SECOND 10000
#define URL_AGENTS 2

int __wrap_store_results(struct store *store, const struct store_batch *batch, store_done *done,
                         void *context);
int __wrap_store_results(struct store *store _unused_, const struct store_batch *batch _unused_,
                         store_done *done _unused_, void *context _unused_)
{
    return 0;
}

/* Where AddressSanitizer allocates, the C library knows of nothing; where valgrind does, nobody
 * does, and this is 0. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t allocated_bytes(void)
{
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes()
                                                   : mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* 200,000 URLs, none of them twice: memory is what it was when names and the last seconds were
 * full, but for what these differ by; every hit is there, and how many have no name of their own is
 * known. */
static void test_urls_without_end(void **state _unused_)
{
    _cleanup_(results_freep) struct results *results = NULL;
    struct side sides[URL_AGENTS];
    uint64_t overflows[NAME_KINDS], seed = 1, sum_usec = 0;
    size_t before_bytes = 0;
    char url[64];

    assert_int_equal(results_new(&results, URL_AGENTS), 0);
    for (unsigned i = 0; i < URL_AGENTS; i++) {
        side_open(&sides[i]);
    }
    for (unsigned i = 0; i < URLS; i++) {
        uint64_t usec = 1 + random_below(&seed, 1 << 20);
        sum_usec += usec;
        (void)snprintf(url, sizeof url, "http://127.0.0.1:8000/item/%u", i);
        side_hit(&sides[i % URL_AGENTS], url, 200, usec);
        if ((i + 1) % PER_SECOND == 0) {
            for (unsigned agent = 0; agent < URL_AGENTS; agent++) {
                side_send(&sides[agent], results, agent, i / PER_SECOND, 1);
            }
            assert_int_equal(results_store(results, NULL, "run", 1, NULL, NULL), 0);
            results_stored(results);
        }
        if (i + 1 == 14 * PER_SECOND) {
            before_bytes = allocated_bytes();
        }
    }
    assert_true(allocated_bytes() <= before_bytes + 262144);

    const struct totals *totals = results_totals(results);
    uint64_t named = 0;
    for (unsigned id = 1; id <= NAMES_MAX_SERIES; id++) {
        named += totals->series[id].latency.count;
        sum_usec -= totals->series[id].latency.sum_usec;
    }
    _cleanup_(summary_freep) struct summary *summary = NULL;
    assert_int_equal(summary_new(&summary, totals, results_names(results), 1), 0);
    assert_int_equal(summary->other_series, URLS - NAMES_MAX_SERIES);
    results_overflows(results, overflows);
    assert_int_equal(totals->hits, URLS);
    assert_int_equal(named, NAMES_MAX_SERIES);
    assert_int_equal(totals->series[0].latency.count, URLS - NAMES_MAX_SERIES);
    assert_int_equal(totals->series[0].latency.sum_usec, sum_usec);
    assert_int_equal(overflows[NAME_SERIES], URLS - NAMES_MAX_SERIES);
    for (unsigned i = 0; i < URL_AGENTS; i++) {
        side_close(&sides[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles_do_not_depend_on_the_number_of_agents),
        cmocka_unit_test(test_urls_without_end),
    };
    return cmocka_run_group_tests_name("results_merge", tests, NULL, NULL);
}
