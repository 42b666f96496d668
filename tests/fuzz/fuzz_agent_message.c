/* SPDX-License-Identifier: MPL-2.0 */
/* Messages between broker and agents: one that is accepted can be written, and is the same when it
 * was read again. */
#include <errno.h>

#include "fuzz.h"
#include "wire/agent_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(agent_message_freep) struct agent_message *message = NULL, *again = NULL;
    _cleanup_free_ char *text = NULL, *text_again = NULL;
    struct error error;
    int r = agent_message_decode(data, size, &message, &error);

    if (r < 0) {
        assert(!message && (r == -EBADMSG || r == -E2BIG));
        check_error(r, &error);
        return 0;
    }
    assert(message->n_runs <= AGENT_MAX_RUNS && message->n_control <= AGENT_MAX_CONTROLS);
    assert(message->n_workers <= AGENT_MAX_WORKERS);
    for (size_t i = 0; i < message->n_names; i++) {
        assert(message->names[i].kind < NAME_KINDS && message->names[i].id <= NAMES_MAX_SERIES);
    }
    assert(agent_message_encode(message, &text) == 0);
    assert(agent_message_decode(text, strlen(text), &again, &error) == 0);
    assert(agent_message_encode(again, &text_again) == 0);
    assert(strcmp(text, text_again) == 0);
    return 0;
}
