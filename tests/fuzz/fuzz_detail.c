/* SPDX-License-Identifier: MPL-2.0 */
/* The detail ring. An input is a sequence of steps: records are put and taken, and must come out as
 * they went in; once something was written over the ring's memory, only what is safe still holds.
 */
#include <errno.h>

#include "fuzz.h"
#include "metrics/detail.h"

#define CAPACITY    4096
#define MAX_RECORDS 64 /* in the ring at a time: it has room for fewer */

struct state {
    uint8_t *memory;
    struct detail_ring *writer, *reader;
    struct detail queue[MAX_RECORDS]; /* put and not taken */
    size_t count;
    bool written_over;
};

static void put(struct state *state, struct input *input)
{
    struct detail detail = {
        .type = DETAIL_START_TEST + input_number(input, 1) % (DETAIL_TYPES - 1),
        .id = (uint32_t)input_number(input, 2),
        .error_id = (uint32_t)input_number(input, 4),
        .started_usec = input_number(input, 8),
    };
    detail.test = ~detail.id;
    detail.user = detail.id + 1;
    detail.iteration = detail.id + 2;
    detail.cycle = detail.id + 3;
    detail.elapsed_usec = ~detail.started_usec;
    detail.value = -(int64_t)detail.error_id;
    struct input text = input_take(input, (size_t)input_number(input, 2) % (DETAIL_MAX_TEXT + 8));
    detail.text = (const char *)text.at;
    detail.text_size = text.left;

    uint64_t *word, value;
    int r = detail_ring_put(state->writer, &detail, &word, &value);
    assert(r == 0 || r == -ENOBUFS);
    if (r == 0) {
        *word = value;
        assert(state->written_over || state->count < MAX_RECORDS);
        if (!state->written_over) {
            state->queue[state->count++] = detail;
        }
    }
}

static void check_oldest(struct state *state, const struct detail *taken)
{
    struct detail put = state->queue[0];

    memmove(state->queue, state->queue + 1, --state->count * sizeof put);
    assert(taken->text_size <= put.text_size);
    assert(taken->text_size == put.text_size || taken->text_size > DETAIL_MAX_TEXT - 4);
    assert(memcmp(taken->text, put.text, taken->text_size) == 0);
    assert(taken->type == put.type && taken->id == put.id && taken->error_id == put.error_id);
    assert(taken->test == put.test && taken->user == put.user && taken->cycle == put.cycle);
    assert(taken->iteration == put.iteration && taken->started_usec == put.started_usec);
    assert(taken->elapsed_usec == put.elapsed_usec && taken->value == put.value);
}

static int take(struct state *state)
{
    /* On the heap and no larger than promised: writes beyond it are noticed. */
    _cleanup_free_ char *buffer = malloc(DETAIL_MAX_BYTES);
    struct detail taken;

    assert(buffer);
    int r = detail_ring_take(state->reader, &taken, buffer);
    if (r == 1) {
        assert(taken.type > 0 && taken.type < DETAIL_TYPES);
        assert(taken.text == buffer && taken.text_size <= DETAIL_MAX_TEXT);
        assert(buffer[taken.text_size] == '\0');
    }
    if (state->written_over) {
        assert(r == 1 || r == 0 || r == -EBADMSG);
    } else {
        assert(r == (state->count > 0));
        if (r == 1) {
            check_oldest(state, &taken);
        }
    }
    return r;
}

static void write_over(struct state *state, struct input *input)
{
    size_t size = detail_ring_size_bytes(CAPACITY);
    size_t offset = (size_t)input_number(input, 2) % size;
    struct input bytes = input_take(input, (size_t)input_number(input, 1));

    memcpy(state->memory + offset, bytes.at, MIN(bytes.left, size - offset));
    state->written_over = true;
}

static void attach(struct state *state)
{
    struct detail_ring *ring;
    int r = detail_ring_attach(&ring, state->memory, detail_ring_size_bytes(CAPACITY));

    assert(r == 0 || (r == -EINVAL && state->written_over));
    if (r == 0) {
        state->reader = detail_ring_free(state->reader);
        state->reader = ring;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct state state = {.memory = aligned_alloc(64, detail_ring_size_bytes(CAPACITY))};

    assert(state.memory);
    memset(state.memory, 0, detail_ring_size_bytes(CAPACITY));
    assert(detail_ring_new(&state.writer, state.memory, CAPACITY) == 0);
    attach(&state);
    while (input.left > 0) {
        switch (input_number(&input, 1) % 4) {
        case 0:
            put(&state, &input);
            break;
        case 1:
            (void)take(&state); /* checked there */
            break;
        case 2:
            write_over(&state, &input);
            break;
        default:
            attach(&state);
        }
    }
    unsigned n = 0;
    while (take(&state) != 0) {
        assert(++n <= MAX_RECORDS);
    }
    detail_ring_free(state.reader);
    detail_ring_free(state.writer);
    free(state.memory);
    return 0;
}
