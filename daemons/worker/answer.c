/* SPDX-License-Identifier: MPL-2.0 */
/* Bodies grow by doubling in the arena, in place as long as nothing else was taken from it, which
 * is so while the user waits. A body beyond the limit is cut, and the rest read and dropped, so
 * that the connection can be used again; it isn't even decoded, since a mebibyte can stand for a
 * gibibyte. */
#include "answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIRST_BODY_BYTES 1024

struct answer_line {
    struct answer_line *next;
    size_t size;
    char text[];
};

void answer_init(struct answer *answer, struct arena *arena, struct decoder_pool *decoders,
                 uint64_t limit_bytes)
{
    *answer = (struct answer){.arena = arena, .decoders = decoders, .limit_bytes = limit_bytes};
    answer->response.body = "";
    answer->response.url = "";
    answer->last = &answer->first;
}

void answer_begin(struct answer *answer)
{
    answer_close(answer);
    answer->first = NULL;
    answer->last = &answer->first;
    answer->begun = false;
    answer->result = 0;
    answer->response.body = "";
    answer->response.body_size = 0;
    answer->response.body_total = 0;
    answer->response.body_cut = false;
}

void answer_header(struct answer *answer, const char *line, size_t size)
{
    struct answer_line *kept = arena_alloc(answer->arena, sizeof *kept + size + 1);

    if (!kept) {
        answer->result = -ENOMEM;
        return;
    }
    kept->next = NULL;
    kept->size = size;
    memcpy(kept->text, line, size);
    kept->text[size] = '\0';
    *answer->last = kept;
    answer->last = &kept->next;
}

/* Appends to the body: what a decoder gives, or what came. False: no more of it is wanted. */
static bool append(void *context, const void *bytes, size_t size)
{
    struct answer *answer = context;
    loads_response *response = &answer->response;

    response->body_total += size;
    if (answer->discards) {
        return true;
    }
    if (answer->give) {
        answer->result = answer->give(answer->give_context, bytes, size) ? 0 : -ECANCELED;
        return answer->result == 0;
    }
    if (size > answer->limit_bytes - response->body_size) {
        size = (size_t)(answer->limit_bytes - response->body_size);
        response->body_cut = true;
    }
    if (response->body_size + size + 1 > answer->capacity) {
        size_t wanted = MAX(answer->capacity * 2, (size_t)FIRST_BODY_BYTES);
        wanted = (size_t)MIN((uint64_t)wanted, answer->limit_bytes + 1);
        wanted = MAX(wanted, response->body_size + size + 1);
        char *larger = arena_grow(answer->arena, answer->body, answer->capacity, wanted);
        if (!larger) {
            answer->result = -ENOMEM;
            return false;
        }
        answer->body = larger;
        answer->capacity = wanted;
    }
    memcpy(answer->body + response->body_size, bytes, size);
    response->body_size += size;
    answer->body[response->body_size] = '\0';
    response->body = answer->body;
    return !response->body_cut;
}

/* All values of Content-Encoding, joined by commas; NULL: there is none. */
static const char *codings(struct answer *answer)
{
    const char *all = NULL;

    for (const struct answer_line *line = answer->first; line; line = line->next) {
        struct header_field field;
        if (header_parse(line->text, line->size, &field) && header_is(&field, "Content-Encoding")) {
            all = arena_printf(answer->arena, "%s%s%.*s", all ? all : "", all ? ", " : "",
                               (int)field.value_size, field.value);
        }
    }
    return all;
}

static int begin_body(struct answer *answer)
{
    const char *coding = answer->raw ? NULL : codings(answer);

    answer->begun = true;
    if (!coding) {
        return 0;
    }
    struct error error = {0}; /* not before: it is larger than most answers */
    int r = decoder_new(&answer->decoder, answer->decoders, coding, strlen(coding), &error);
    if (r == 0 && answer->room) {
        decoder_use_room(answer->decoder, answer->room);
    }
    (void)snprintf(answer->reason, sizeof answer->reason, "%s", error.text);
    return r;
}

bool answer_body(struct answer *answer, const void *bytes, size_t size)
{
    if (answer->result == 0 && !answer->begun) {
        answer->result = begin_body(answer);
    }
    if (answer->result < 0) {
        return false;
    }
    if (answer->response.body_cut) {
        answer->response.body_total += answer->decoder ? 0 : size;
        return true;
    }
    if (!answer->decoder) {
        (void)append(answer, bytes, size); /* the result tells */
        return answer->result == 0;
    }
    struct error error = {0};
    int r = decoder_write(answer->decoder, bytes, size, append, answer, &error);
    if (r < 0 && answer->result == 0 && !answer->response.body_cut) {
        answer->result = r;
        (void)snprintf(answer->reason, sizeof answer->reason, "%s", error.text);
    }
    return answer->result == 0;
}

int answer_end(struct answer *answer)
{
    if (answer->result == 0 && answer->decoder && !answer->response.body_cut) {
        struct error error = {0};
        answer->result = decoder_finish(answer->decoder, &error);
        (void)snprintf(answer->reason, sizeof answer->reason, "%s", error.text);
    }
    return answer->result;
}

const char *answer_line(const struct answer *answer, size_t index)
{
    const struct answer_line *line = answer->first;

    while (line && index-- > 0) {
        line = line->next;
    }
    return line ? line->text : NULL;
}

const char *answer_find(const struct answer *answer, const char *name)
{
    for (const struct answer_line *line = answer->first; line; line = line->next) {
        struct header_field field;
        if (header_parse(line->text, line->size, &field) && header_is(&field, name)) {
            return arena_strndup(answer->arena, field.value, field.value_size);
        }
    }
    return NULL;
}

void answer_close(struct answer *answer)
{
    answer->decoder = decoder_free(answer->decoder);
}
