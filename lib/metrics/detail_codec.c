/* SPDX-License-Identifier: MPL-2.0 */
/* There is one way to write a record, as with intervals, so a fuzzer can compare bytes.
 *
 *   chunk  = version *record | nothing
 *   record = type test user iteration cycle zigzag(started - started of the one before) elapsed
 * more more   = id size text             of a hit: the series, the URL | id error-id size text of a
 * request without an answer | id                       of a failure or an error | id
 * zigzag(increment)     of a counter | nothing                  of the others
 */
#include "metrics/detail_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/names.h"

#define VERSION        1
#define FIRST_RECORDS  64
#define LAST_DATE_USEC UINT64_C(253402300799999999) /* of the year 9999 */

/* What belongs to a type beyond what all have. */
struct shape {
    bool has_id, has_error, has_value, has_text;
    enum name_kind kind; /* of id */
};

static const struct shape shapes[DETAIL_TYPES] = {
    [DETAIL_FAILURE] = {.has_id = true, .kind = NAME_ERROR},
    [DETAIL_ERROR] = {.has_id = true, .kind = NAME_ERROR},
    [DETAIL_HIT] = {.has_id = true, .kind = NAME_SERIES, .has_text = true},
    [DETAIL_REQUEST_ERROR] = {.has_id = true,
                              .kind = NAME_SERIES,
                              .has_error = true,
                              .has_text = true},
    [DETAIL_COUNTER] = {.has_id = true, .kind = NAME_COUNTER, .has_value = true},
};

/* ---- writing ---- */

int detail_chunk_add(struct detail_chunk *chunk, const struct detail *detail)
{
    assert(detail->type > 0 && detail->type < DETAIL_TYPES);
    struct varint_writer *writer = &chunk->writer;
    const struct shape *shape = &shapes[detail->type];
    size_t text_size = detail->text ? MIN(detail->text_size, (size_t)DETAIL_MAX_TEXT) : 0;
    size_t size = writer->size;

    if (size == 0) {
        varint_put(writer, VERSION);
    }
    varint_put(writer, detail->type);
    varint_put(writer, detail->test);
    varint_put(writer, detail->user);
    varint_put(writer, detail->iteration);
    varint_put(writer, detail->cycle);
    varint_put_signed(writer, (int64_t)(detail->started_usec - chunk->started_usec));
    varint_put(writer, detail->elapsed_usec);
    if (shape->has_id) {
        varint_put(writer, detail->id);
    }
    if (shape->has_error) {
        varint_put(writer, detail->error_id);
    }
    if (shape->has_value) {
        varint_put_signed(writer, detail->value);
    }
    if (shape->has_text) {
        varint_put(writer, text_size);
        varint_put_bytes(writer, detail->text, text_size);
    }
    if (writer->failed) {
        writer->failed = false;
        writer->size = size;
        return -ENOMEM;
    }
    chunk->started_usec = detail->started_usec;
    chunk->n_records++;
    return 0;
}

bool detail_chunk_is_full(const struct detail_chunk *chunk)
{
    return chunk->writer.size >= DETAIL_CHUNK_BYTES || chunk->n_records >= DETAIL_CHUNK_RECORDS;
}

uint8_t *detail_chunk_take(struct detail_chunk *chunk, size_t *ret_size)
{
    uint8_t *bytes = chunk->writer.bytes;

    if (chunk->n_records == 0) {
        return NULL;
    }
    *ret_size = chunk->writer.size;
    *chunk = (struct detail_chunk){0};
    return bytes;
}

void detail_chunk_clear(struct detail_chunk *chunk)
{
    free(chunk->writer.bytes);
    *chunk = (struct detail_chunk){0};
}

/* ---- reading ---- */

struct detail_list *detail_list_free(struct detail_list *list)
{
    if (list) {
        free(list->records);
        free(list->bytes);
        free(list);
    }
    return NULL;
}

static uint64_t get_up_to(struct varint_reader *reader, uint64_t max, const char *text)
{
    uint64_t value = varint_get(reader);
    return value <= max ? value : varint_fail(reader, -EBADMSG, text);
}

static uint32_t get_id(struct varint_reader *reader, enum name_kind kind)
{
    uint64_t id = varint_get(reader);
    return (uint32_t)(id <= names_max_id(kind) ? id
                                               : varint_fail(reader, -E2BIG, "an id is too large"));
}

static void get_more(struct varint_reader *reader, struct detail *detail)
{
    const struct shape *shape = &shapes[detail->type];

    if (shape->has_id) {
        detail->id = get_id(reader, shape->kind);
    }
    if (shape->has_error) {
        detail->error_id = get_id(reader, NAME_ERROR);
    }
    if (shape->has_value) {
        detail->value = varint_get_signed(reader);
    }
    if (shape->has_text) {
        detail->text_size = (size_t)get_up_to(reader, DETAIL_MAX_TEXT, "a text is too long");
        detail->text = (const char *)varint_get_bytes(reader, detail->text_size);
    }
}

static void get_record(struct varint_reader *reader, uint64_t *started_usec, struct detail *ret)
{
    static const char number[] = "a number is too large";
    struct detail detail = {0};
    uint64_t type = varint_get(reader);

    if (type == 0 || type >= DETAIL_TYPES) {
        varint_fail(reader, -EBADMSG, "a record of an unknown type");
        return;
    }
    detail.type = (enum detail_type)type;
    detail.test = get_id(reader, NAME_TEST);
    detail.user = (uint32_t)get_up_to(reader, UINT32_MAX, number);
    detail.iteration = (uint32_t)get_up_to(reader, UINT32_MAX, number);
    detail.cycle = (uint32_t)get_up_to(reader, INT32_MAX, number);
    *started_usec += (uint64_t)varint_get_signed(reader);
    if (*started_usec > LAST_DATE_USEC) {
        varint_fail(reader, -EBADMSG, "a date that can't be");
    }
    detail.started_usec = *started_usec;
    detail.elapsed_usec = get_up_to(reader, INT64_MAX, number);
    get_more(reader, &detail);
    *ret = detail;
}

/* Room for one more record. */
static int make_room(struct detail_list *list, size_t *capacity)
{
    if (list->n_records < *capacity) {
        return 0;
    }
    size_t more = MAX(2 * *capacity, (size_t)FIRST_RECORDS);
    struct detail *records = reallocarray(list->records, more, sizeof *records);
    if (!records) {
        return -ENOMEM;
    }
    list->records = records;
    *capacity = more;
    return 0;
}

static void get_records(struct varint_reader *reader, struct detail_list *list)
{
    size_t capacity = 0;
    uint64_t started_usec = 0;

    if (varint_get(reader) != VERSION) {
        varint_fail(reader, -EBADMSG, "it is of another version");
    }
    if (reader->r == 0 && reader->at == reader->end) {
        varint_fail(reader, -EBADMSG, "it ends before its first record");
    }
    while (reader->r == 0 && reader->at < reader->end) {
        if (list->n_records == DETAIL_CHUNK_RECORDS) {
            varint_fail(reader, -E2BIG, "more records than there may be");
        } else if (make_room(list, &capacity) < 0) {
            varint_fail(reader, -ENOMEM, "out of memory");
        } else {
            get_record(reader, &started_usec, &list->records[list->n_records++]);
        }
    }
}

int detail_decode(const uint8_t *bytes, size_t size, struct detail_list **ret, struct error *error)
{
    _cleanup_(detail_list_freep) struct detail_list *list = calloc(1, sizeof *list);

    if (!list) {
        return error_set(error, -ENOMEM, "detail: out of memory");
    }
    if (size > 0) {
        list->bytes = malloc(size);
        if (!list->bytes) {
            return error_set(error, -ENOMEM, "detail: out of memory");
        }
        memcpy(list->bytes, bytes, size);
        struct varint_reader reader = {
            .at = list->bytes, .end = list->bytes + size, .what = "detail", .error = error};
        get_records(&reader, list);
        if (reader.r < 0) {
            return reader.r;
        }
    }
    *ret = TAKE_PTR(list);
    return 0;
}

/* ---- new ids ---- */

static bool has_names(const struct detail *detail, const struct interval_map *map)
{
    const struct shape *shape = &shapes[detail->type];

    return interval_map_id(map, NAME_TEST, detail->test) != INTERVAL_UNMAPPED &&
           (!shape->has_id || interval_map_id(map, shape->kind, detail->id) != INTERVAL_UNMAPPED) &&
           (!shape->has_error ||
            interval_map_id(map, NAME_ERROR, detail->error_id) != INTERVAL_UNMAPPED);
}

int detail_remap(struct detail_list *list, const struct interval_map *map)
{
    for (size_t i = 0; i < list->n_records; i++) {
        if (!has_names(&list->records[i], map)) {
            return -ENOENT;
        }
    }
    for (size_t i = 0; i < list->n_records; i++) {
        struct detail *detail = &list->records[i];
        detail->test = interval_map_id(map, NAME_TEST, detail->test);
        if (shapes[detail->type].has_id) {
            detail->id = interval_map_id(map, shapes[detail->type].kind, detail->id);
        }
        if (shapes[detail->type].has_error) {
            detail->error_id = interval_map_id(map, NAME_ERROR, detail->error_id);
        }
    }
    return 0;
}
