/* SPDX-License-Identifier: MPL-2.0 */
/* What connects to a PULL socket: the same messages come out of the same bytes, whatever the pieces
 * in which they come; no message is longer than it may be; it ends. */
#include <errno.h>

#include "fuzz.h"
#include "loop/zmtp.h"

#define MAX_BYTES 40000

struct outcome {
    uint64_t messages, faults, sum;
    int r;
};

static void take(struct zmtp *zmtp, struct outcome *outcome, size_t bytes)
{
    struct zmtp_message message;
    struct error error;
    size_t size;

    while ((outcome->r = zmtp_next(zmtp, &message, &error)) > 0) {
        outcome->messages++;
        assert(outcome->messages <= bytes); /* each takes some */
        assert(message.size <= MAX_BYTES && message.bytes);
        outcome->faults += message.fault ? 1 : 0;
        for (size_t i = 0; i < message.size; i++) {
            outcome->sum = outcome->sum * 31 + (unsigned char)message.bytes[i];
        }
    }
    if (outcome->r < 0) {
        assert(outcome->r == -EPROTO);
        check_error(outcome->r, &error);
    }
    (void)zmtp_output(zmtp, &size);
    assert(size <= 256);
}

static struct outcome feed(struct input input, size_t piece)
{
    _cleanup_(zmtp_freep) struct zmtp *zmtp = NULL;
    struct outcome outcome = {.r = 0};
    size_t total = input.left;

    if (zmtp_new(&zmtp, MAX_BYTES) < 0) {
        return outcome;
    }
    while (input.left > 0 && outcome.r == 0) {
        char *room = NULL;
        size_t size = 0;
        if (zmtp_room(zmtp, &room, &size) < 0) {
            return outcome;
        }
        assert(size > 0);
        struct input part = input_take(&input, MIN(size, piece));
        memcpy(room, part.at, part.left);
        zmtp_fill(zmtp, part.left);
        take(zmtp, &outcome, total);
    }
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    size_t piece = 1 + input_number(&input, 1);
    struct outcome whole = feed(input, SIZE_MAX), parts = feed(input, piece);

    assert(whole.messages == parts.messages && whole.faults == parts.faults);
    assert(whole.sum == parts.sum && whole.r == parts.r);
    return 0;
}
