/* SPDX-License-Identifier: MPL-2.0 */
/* loads/loads.h: variables of a user, and checks. What lives as long as a user is allocated piece
 * by piece: an arena's chunk for each of thousands of users would cost more than it holds. Modules
 * know nothing of each other, so each has variables of its own. */
#include "journey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "record.h"

#define CHECK_NAME_BYTES 300

struct kept {
    struct kept *next;
    char text[];
};

struct state {
    struct state *next;
    unsigned module;
    size_t size_bytes;
    max_align_t variables[];
};

static void out_of_memory(struct loads_user *user, const char *file, int line)
    __attribute__((noreturn));
static void out_of_memory(struct loads_user *user, const char *file, int line)
{
    call_fail(user, ERROR_KIND_ERROR, "memory", file, line, "out of memory");
}

/* The user's variables of the module whose test or hook it is at. NULL: none yet. */
static struct state *find_state(const struct loads_user *user)
{
    struct state *state = user->states;

    while (state && state->module != user->test->module) {
        state = state->next;
    }
    return state;
}

/* NULL: no memory. */
static struct state *make_state(struct loads_user *user, size_t size_bytes)
{
    struct state *state = calloc(1, sizeof *state + size_bytes);

    if (state) {
        state->module = user->test->module;
        state->size_bytes = size_bytes;
        state->next = user->states;
        user->states = state;
    }
    return state;
}

/* While the user is on its way out what is there can be had, but nothing new. */
void *loads_state_(const char *file, int line, loads_user *user, size_t size_bytes)
{
    if (!call_owned(user)) {
        return NULL;
    }
    struct state *state = find_state(user);
    if (!state) {
        state = make_state(user, size_bytes);
    }
    if (!state) {
        out_of_memory(user, file, line);
    }
    if (state->size_bytes != size_bytes) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "LOADS_STATE(): this user's variables have %zu bytes, not %zu: use one type",
                       state->size_bytes, size_bytes);
        call_fail(user, ERROR_KIND_ERROR, "misuse", file, line, text);
    }
    return state->variables;
}

char *loads_keep(loads_user *user, const char *text)
{
    if (!call_owned(user)) {
        return NULL;
    }
    size_t size = strlen(text) + 1;
    struct kept *kept = malloc(sizeof *kept + size);
    if (!kept) {
        out_of_memory(user, "", 0);
    }
    kept->next = user->kept;
    user->kept = kept;
    return memcpy(kept->text, text, size);
}

void journey_forget(struct loads_user *user)
{
    while (user->kept) {
        struct kept *kept = user->kept;
        user->kept = kept->next;
        free(kept);
    }
    while (user->states) {
        struct state *state = user->states;
        user->states = state->next;
        free(state);
    }
}

bool loads_check(loads_user *user, const char *name, bool holds)
{
    char counter[CHECK_NAME_BYTES];

    if (call_allowed(user)) {
        (void)snprintf(counter, sizeof counter, "check %.200s: %s", name,
                       holds ? "passed" : "failed");
        record_counter(user, counter, 1);
    }
    return holds;
}
