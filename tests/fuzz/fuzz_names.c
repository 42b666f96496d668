/* SPDX-License-Identifier: MPL-2.0 */
/* The table of names, by steps: two processes ask for names of any bytes, and something may write
 * over the table. What comes out is always clean text; before anything was written over, also the
 * same number for the same name. Nobody else runs, so the lock is never waited for. */
#include <errno.h>
#include <pthread.h>

#include "base/utf8.h"
#include "memory.h"
#include "metrics/names_table.h"

#define WRITTEN_BYTES ((size_t)24 * 1024) /* of the table: all but most of its texts */
#define MAX_TEXT      9000

int __wrap_pthread_mutex_clocklock(pthread_mutex_t *lock, clockid_t clock,
                                   const struct timespec *until);

/* Its holder never lets go. */
int __wrap_pthread_mutex_clocklock(pthread_mutex_t *lock _unused_, clockid_t clock _unused_,
                                   const struct timespec *until _unused_)
{
    return ETIMEDOUT;
}

struct state {
    uint8_t *memory;
    struct names *handles[2];
    bool written_over;
};

static void check_clean(const char *text, size_t size)
{
    assert(size <= NAME_MAX_BYTES && names_is_clean(text, size));
    assert(utf8_valid(text, size) && !has_control(text, "\n\t\x1f"));
}

static void check_cleaning(struct input input)
{
    char once[NAME_MAX_BYTES + 1], twice[NAME_MAX_BYTES + 1];
    size_t limit = input.left % 3 == 0 ? 20 : NAME_MAX_BYTES;
    size_t size = names_clean(once, limit, (const char *)input.at, input.left, true);

    once[size] = '\0';
    assert(size <= limit);
    check_clean(once, size);
    assert(names_clean(twice, limit, once, size, true) == size && memcmp(once, twice, size) == 0);
    if (limit == NAME_MAX_BYTES && size < limit - 4) {
        bool clean = size == input.left && memcmp(once, input.at, size) == 0;
        assert(clean == names_is_clean((const char *)input.at, input.left));
    }
    size = names_clean(once, limit, (const char *)input.at, input.left, false);
    assert(size <= limit && !memchr(once, NAMES_SEPARATOR, size));
}

/* Reads all there is, and takes the parts of each apart. */
static void read_all(const struct names *names)
{
    char buffer[NAME_MAX_BYTES + 1];
    struct series_key series;
    struct timer_key timer;
    struct error_key error;

    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        for (unsigned id = 0; id < names_count(names, kind) + 1; id++) {
            const char *text = names_text(names, kind, id);
            check_clean(text, strlen(text));
            series_key_parse(text, buffer, &series);
            assert(strlen(series.test) + strlen(series.name) + strlen(series.method) <=
                   strlen(text));
            timer_key_parse(text, buffer, &timer);
            assert(strlen(timer.test) + strlen(timer.name) <= strlen(text));
            error_key_parse(text, buffer, &error);
            assert(strlen(error.message) + strlen(error.traceback) <= strlen(text));
        }
    }
}

static void ask(struct state *state, struct input *input, enum name_kind kind, bool first)
{
    struct names *names = state->handles[first], *other = state->handles[!first];
    struct input name = input_take(input, (size_t)input_number(input, 2) % MAX_TEXT);
    unsigned id = names_id(names, kind, (const char *)name.at, name.left);
    const char *text = names_text(names, kind, id);

    check_clean(text, strlen(text));
    if (state->written_over) {
        (void)names_find(other, kind, (const char *)name.at, name.left); /* any number is fine */
    } else if (id != 0) {
        assert(names_id(names, kind, (const char *)name.at, name.left) == id);
        assert(names_find(other, kind, (const char *)name.at, name.left) == id);
        assert(names_find(other, kind, text, strlen(text)) == id);
    }
}

static void ask_series(struct state *state, struct input *input, bool first)
{
    unsigned status = (unsigned)input_number(input, 4);
    _cleanup_free_ char *name =
        input_text(input_take(input, (size_t)input_number(input, 2) % MAX_TEXT));
    _cleanup_free_ char *method = input_text(input_until(input, '\0'));
    struct series_key key = {.test = "S.t", .name = name, .method = method, .status = status};
    unsigned id = names_series(state->handles[first], &key);
    char buffer[NAME_MAX_BYTES + 1];

    if (!state->written_over && id != 0) {
        assert(names_series(state->handles[!first], &key) == id);
        series_key_parse(names_text(state->handles[0], NAME_SERIES, id), buffer, &key);
        assert(strcmp(key.test, "S.t") == 0 && key.status == status);
    }
}

static void ask_error(struct state *state, struct input *input, bool first)
{
    _cleanup_free_ char *message = input_text(input_until(input, '\0'));
    _cleanup_free_ char *place = input_text(input_until(input, '\0'));
    struct error_key key = {
        .kind = ERROR_KIND_FAILURE, .class = "c", .message = message, .place = place};
    unsigned id = names_error(state->handles[first], &key);
    char buffer[NAME_MAX_BYTES + 1];

    if (!state->written_over && id != 0) {
        assert(names_error(state->handles[!first], &key) == id);
        error_key_parse(names_text(state->handles[0], NAME_ERROR, id), buffer, &key);
        assert(key.kind == ERROR_KIND_FAILURE && strcmp(key.class, "c") == 0);
        assert(key.test[0] == '\0' && key.traceback[0] == '\0');
    }
}

static void run_steps(struct state *state, struct input *input)
{
    while (input->left > 0) {
        unsigned step = (unsigned)input_number(input, 1);
        bool first = step & 0x80;
        switch (step % 8) {
        case 4:
            ask_series(state, input, first);
            break;
        case 5:
            ask_error(state, input, first);
            break;
        case 6:
            write_over(state->memory, WRITTEN_BYTES, input);
            state->written_over = true;
            break;
        case 7:
            read_all(state->handles[first]);
            break;
        default:
            ask(state, input, (enum name_kind)(step % NAME_KINDS), first);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *memory;
    struct input input = {data, size};
    struct state state = {.memory = NULL};
    struct names *late;

    check_cleaning(input);
    if (!memory) {
        memory = guarded_memory(names_size_bytes());
    }
    state.memory = memory;
    assert(names_attach(&state.handles[0], memory, names_size_bytes()) == -EINVAL);
    assert(names_new(&state.handles[0], memory, names_size_bytes()) == 0);
    assert(names_attach(&state.handles[1], memory, names_size_bytes()) == 0);
    run_steps(&state, &input);
    int r = names_attach(&late, memory, names_size_bytes());
    assert(r == 0 || (r == -EINVAL && state.written_over));
    if (r == 0) {
        read_all(late);
        names_free(late);
    }
    names_free(state.handles[0]);
    names_free(state.handles[1]);
    clear_memory(memory, names_size_bytes());
    return 0;
}
