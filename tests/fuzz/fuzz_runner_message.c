/* SPDX-License-Identifier: MPL-2.0 */
/* What runners send: whatever comes, each message has all its texts, numbers in their ranges, and
 * what isn't one has a reason; it ends. */
#include <errno.h>

#include "fuzz.h"
#include "wire/runner_message.h"

#define RUN_ID "0f8fad5b-d9cb-469f-a165-70867728950e"

static void check_message(const struct runner_message *message)
{
    assert(message->type <= RUNNER_OTHER);
    assert(message->data_type[0]);
    assert(message->test && message->exception && message->class && message->traceback);
    assert(message->url && message->method && message->name);
    if (message->type == RUNNER_HIT) {
        assert(message->status >= 100 && message->status <= 999);
        assert((double)message->elapsed_usec <= RUNNER_MAX_ELAPSED_SEC * 1e6);
    }
    if (message->type == RUNNER_COUNTER) {
        assert(message->name[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(runner_messages_freep) struct runner_messages *messages = NULL;
    struct runner_message message;
    struct error error;
    int r = runner_messages_new(&messages, (const char *)data, size, RUN_ID, &error);

    if (r < 0) {
        assert(!messages && (r == -EBADMSG || r == -E2BIG));
        check_error(r, &error);
        return 0;
    }
    for (size_t i = 0; (r = runner_messages_next(messages, &message, &error)) != 0; i++) {
        assert(i <= size); /* each takes bytes */
        if (r < 0) {
            assert(r == -EBADMSG);
            check_error(r, &error);
        } else {
            check_message(&message);
        }
    }
    assert(runner_messages_next(messages, &message, &error) == 0);
    return 0;
}
