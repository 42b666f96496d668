/* SPDX-License-Identifier: MPL-2.0 */
/* Letters rather than numbers, since there are at most MIX_MAX_TESTS. */
#include "choices.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static_assert(MIX_MAX_TESTS <= 26, "a letter for each test");

int choices_init(struct choices *choices, const struct mix *mix, const struct chance *first,
                 unsigned first_number, const struct area *area)
{
    uint32_t *begun = calloc(MAX(area->n_users, 1u), sizeof *begun);

    if (!begun) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < area->n_users; i++) {
        begun[i] = user_word_iterations(area->users[i]);
    }
    *choices = (struct choices){.mix = mix,
                                .first = *first,
                                .first_number = first_number,
                                .n_users = area->n_users,
                                .begun = begun};
    return 0;
}

void choices_clear(struct choices *choices)
{
    free(choices->begun);
}

bool choices_write(const struct choices *choices, unsigned number, unsigned execution, char *ret,
                   size_t size)
{
    unsigned index = number - choices->first_number;

    if (!choices->mix || number < choices->first_number || index >= choices->n_users ||
        execution < 1) {
        return false;
    }
    struct chance chance = choices->first;
    uint64_t iteration = (uint64_t)choices->begun[index] + execution - 1;
    chance.user += index;
    for (size_t i = 0; i + 1 < size; i++) {
        ret[i] = (char)('a' + chance_test(&chance, choices->mix, iteration + i));
    }
    ret[size - 1] = '\0';
    return true;
}
