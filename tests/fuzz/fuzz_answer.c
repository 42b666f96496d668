/* SPDX-License-Identifier: MPL-2.0 */
/* Answers as a transport hands them over: header lines up to an empty one, then the body in pieces
 * of as many bytes as the first byte says. Two hops with the same answer, as redirects have them.
 */
#include <errno.h>

#include "fuzz.h"
#include "worker/answer.h"
#include "worker/session.h"

#define LIMIT_BYTES ((size_t)64 << 20)

#define SOME_BYTES ((size_t)100 << 10) /* of a body that are compared */

static void give_headers(struct answer *answer, struct input *input)
{
    while (input->left > 0) {
        struct input line = input_until(input, '\n');
        if (line.left == 0) {
            return;
        }
        answer_header(answer, (const char *)line.at, line.left);
    }
}

static void check_header(const struct answer *answer, const char *name)
{
    const char *value = answer_find(answer, name);

    assert(!value || (!strchr(value, '\n') && *value != ' ' && *value != '\t'));
}

static int give_answer(struct answer *answer, struct input input, size_t step)
{
    answer_begin(answer);
    assert(answer->response.body_size == 0 && !answer_find(answer, "Location"));
    give_headers(answer, &input);
    while (input.left > 0) {
        struct input piece = input_take(&input, step);
        if (!answer_body(answer, piece.at, piece.left)) {
            assert(answer->result < 0);
            break;
        }
    }
    int r = answer_end(answer);
    assert(r == answer->result && (r == 0 || r == -EBADMSG));
    assert(r == 0 || (answer->reason[0] && !has_control(answer->reason, "\n\t")));
    assert(answer->response.body_size <= LIMIT_BYTES);
    assert(answer->response.body[answer->response.body_size] == '\0');
    check_header(answer, "Location");
    check_header(answer, "content-encoding");
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct arena_pool *chunks;
    struct decoder_pool *decoders;
    struct arena arena;
    struct answer answer;
    size_t step = (size_t)input_number(&input, 1) * 8 + 1;

    assert(arena_pool_new(&chunks) == 0 && decoder_pool_new(&decoders) == 0);
    arena_init(&arena, chunks);
    answer_init(&answer, &arena, decoders, LIMIT_BYTES);
    int r = give_answer(&answer, input, step);
    size_t kept = answer.response.body_size, some = MIN(kept, SOME_BYTES);
    _cleanup_free_ char *body = malloc(some + 1);
    assert(body);
    memcpy(body, answer.response.body, some);
    int again = give_answer(&answer, input, step);
    assert(again == r && answer.response.body_size == kept);
    assert(memcmp(body, answer.response.body, some) == 0);
    answer_close(&answer);
    arena_reset(&arena);
    decoder_pool_free(decoders);
    arena_pool_free(chunks);
    return 0;
}
