/* SPDX-License-Identifier: MPL-2.0 */
/* The tally, by steps: a worker counts, then something writes over its memory, and the supervisor
 * takes what there is. What it takes must be an interval that interval_decode() accepts; before
 * anything was written over, also one that has all that was counted. */
#include <errno.h>

#include "memory.h"
#include "metrics/tally.h"

#define FIRST_PAGES     32
#define WRITTEN_PAGES   8 /* of a pool that are written over; readers may go anywhere */
#define MAX_PAGES_GIVEN 4096

struct state {
    uint8_t *memory;
    struct tally_layout layout;
    struct tally *worker, *supervisor;
    uint32_t second;
    uint64_t hits, taken_hits;
    bool written_over;
};

static void check_interval(struct state *state, const struct interval *interval)
{
    _cleanup_(interval_freep) struct interval *again = NULL;
    _cleanup_free_ uint8_t *bytes = NULL;
    struct error error;
    size_t n;

    assert(interval_encode(interval, &bytes, &n) == 0);
    assert(interval_decode(bytes, n, &again, &error) == 0);
    for (size_t i = 0; i < again->n_series; i++) {
        state->taken_hits += again->series[i].latency.count;
    }
}

static int take(struct state *state, bool rest)
{
    _cleanup_(interval_freep) struct interval *interval = NULL;
    int r = rest ? tally_take_rest(state->supervisor, &interval)
                 : tally_take(state->supervisor, &interval);

    assert(r == 0 || r == 1 || (r == -EBADMSG && state->written_over));
    assert((r == 1) == (interval != NULL));
    if (r == 1) {
        check_interval(state, interval);
    }
    return r;
}

static void count_hit(struct state *state, struct input *input)
{
    unsigned series = (unsigned)input_number(input, 2) % 1100;
    uint64_t elapsed_usec = input_number(input, 5);

    if (tally_pages_wanted(state->worker)) {
        unsigned pages = tally_pages(state->worker) * 2;
        if (pages > MAX_PAGES_GIVEN) {
            return;
        }
        tally_pages_backed(state->worker, pages);
    }
    tally_stage_hit(state->worker, series, elapsed_usec, series, elapsed_usec / 2);
    if (series % 2) {
        tally_stage_time(state->worker, series / 3, elapsed_usec / 7);
    }
    tally_commit(state->worker);
    state->hits++;
}

static void count_other(struct state *state, struct input *input)
{
    unsigned id = (unsigned)input_number(input, 2);

    tally_stage_request_error(state->worker, id);
    tally_stage_error(state->worker, id);
    tally_stage_timer_error(state->worker, id);
    tally_stage_counter(state->worker, id, (int64_t)input_number(input, 8));
    tally_stage_outcome(state->worker, id, (enum outcome)(id % OUTCOMES));
    tally_commit(state->worker);
}

/* What a worker does: it may fail in any way once its memory was written over. */
static void work(struct state *state, unsigned step, struct input *input)
{
    if (state->written_over) {
        return;
    }
    switch (step) {
    case 0:
        count_hit(state, input);
        break;
    case 1:
        count_other(state, input);
        break;
    case 2:
        state->second += (uint32_t)input_number(input, 1);
        tally_advance(state->worker, state->second);
        break;
    default:
        (void)tally_seal(state->worker); /* the rest is taken in the end */
    }
}

static void run_steps(struct state *state, struct input *input)
{
    while (input->left > 0) {
        unsigned step = (unsigned)input_number(input, 1) % 7;
        if (step < 4) {
            work(state, step, input);
        } else if (step == 4) {
            (void)take(state, false); /* checked there */
        } else if (step == 5) {
            write_over(state->memory, state->layout.head_bytes, input);
            state->written_over = true;
        } else {
            size_t pool = state->layout.pool_offset_bytes[input_number(input, 1) % 2];
            write_over(state->memory + pool, WRITTEN_PAGES * state->layout.page_bytes, input);
            state->written_over = true;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *memory;
    struct input input = {data, size};
    struct state state = {.second = 0};
    struct tally *late;

    tally_layout(&state.layout);
    size_t bytes = state.layout.size_bytes;
    if (!memory) {
        memory = guarded_memory(bytes);
    }
    state.memory = memory;
    assert(tally_attach(&state.supervisor, memory, bytes) == -EINVAL);
    assert(tally_new(&state.worker, memory, bytes, FIRST_PAGES) == 0);
    assert(tally_attach(&state.supervisor, memory, bytes) == 0);
    run_steps(&state, &input);
    int r = tally_attach(&late, memory, bytes);
    assert(r == 0 || (r == -EINVAL && state.written_over));
    if (r == 0) {
        tally_free(late);
    }
    unsigned n = 0;
    while (take(&state, true) != 0) {
        assert(++n <= 3); /* there are but two buffers, and their states */
    }
    assert(state.written_over ||
           (state.taken_hits == state.hits && tally_live_hits(state.supervisor) == state.hits));
    tally_free(state.supervisor);
    tally_free(state.worker);
    clear_memory(memory, bytes);
    return 0;
}
