/* SPDX-License-Identifier: MPL-2.0 */
/* A line of JSON for every hit and test event, described by docs/schemas/events.json: the messages
 * of the external-runner protocol, with a few fields more.
 *
 * There may be a hundred thousand of them in a second, so a line is not built as an object first
 * but written piece by piece into the stream's buffer. Nothing is allocated and nothing is kept but
 * the text of the current second. The buffer is large, so a slow run's lines would stay in it for
 * minutes: who follows the file sees them after a second or with the next line.
 *
 * What comes here was in memory that a test could write to: ids and numbers of cycles are checked
 * where they are used, and texts are taken for bytes. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "outputs/types.h"
#include "run/cycles.h"

#define DATE_BYTES 19 /* "2026-06-15T10:15:06" */

struct file_data {
    uint64_t second; /* of which `date` is the text */
    char date[CLOCK_TEXT_BYTES];
    uint64_t flushed_usec;           /* monotonic */
    char series[NAME_MAX_BYTES + 1]; /* texts of names, taken apart */
    char error[NAME_MAX_BYTES + 1];
};

/* ---- writing JSON: failures stay with the stream, file_detail() looks there ---- */

static void put(FILE *file, const char *text)
{
    (void)fputs_unlocked(text, file);
}

static void put_unsigned(FILE *file, uint64_t value, unsigned min_digits)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || sizeof digits - at < min_digits);
    (void)fwrite_unlocked(digits + at, 1, sizeof digits - at, file);
}

static void put_escape(FILE *file, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    const char *short_form = c == '"'    ? "\\\""
                             : c == '\\' ? "\\\\"
                             : c == '\n' ? "\\n"
                             : c == '\t' ? "\\t"
                             : c == '\r' ? "\\r"
                                         : NULL;
    if (short_form) {
        put(file, short_form);
        return;
    }
    const char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    (void)fwrite_unlocked(escape, 1, sizeof escape, file);
}

/* The bytes that may stand as they are. */
static size_t plain_size(const char *text, size_t size)
{
    size_t i = 0;

    while (i < size) {
        unsigned char c = (unsigned char)text[i];
        uint32_t character;
        size_t length = c < 0x80 ? c >= 0x20 && c != '"' && c != '\\'
                                 : utf8_character(text + i, size - i, &character);
        if (length == 0) {
            break;
        }
        i += length;
    }
    return i;
}

static void put_bytes(FILE *file, const char *text, size_t size)
{
    (void)putc_unlocked('"', file);
    for (size_t i = 0; i < size;) {
        size_t plain = plain_size(text + i, size - i);
        (void)fwrite_unlocked(text + i, 1, plain, file);
        i += plain;
        if (i < size && (unsigned char)text[i] < 0x80) {
            put_escape(file, (unsigned char)text[i++]);
        } else if (i < size) {
            put(file, UTF8_REPLACEMENT);
            i++;
        }
    }
    (void)putc_unlocked('"', file);
}

static void put_text(FILE *file, const char *text)
{
    put_bytes(file, text, strlen(text));
}

/* `key` is what stands before the value, such as ",\"url\":". */
static void put_text_field(FILE *file, const char *key, const char *text)
{
    put(file, key);
    put_text(file, text);
}

static void put_date(FILE *file, struct file_data *data, const char *key, uint64_t realtime_usec)
{
    uint64_t second = realtime_usec / USEC_PER_SEC;

    if (second != data->second || !data->date[0]) {
        (void)clock_format_iso(second * USEC_PER_SEC, data->date);
        data->date[DATE_BYTES] = '\0';
        data->second = second;
    }
    put(file, key);
    put(file, data->date);
    (void)putc_unlocked('.', file);
    put_unsigned(file, realtime_usec % USEC_PER_SEC, 6);
    put(file, "Z\"");
}

/* Decimal seconds, exact. */
static void put_elapsed(FILE *file, uint64_t usec)
{
    put(file, ",\"elapsed\":");
    put_unsigned(file, usec / USEC_PER_SEC, 1);
    (void)putc_unlocked('.', file);
    put_unsigned(file, usec % USEC_PER_SEC, 6);
}

/* ---- parts of lines ---- */

/* [hits, users, current_hit, current_user]; the last two count from 1. Hits are 0 with a duration.
 */
static void put_status(FILE *file, const struct run_spec *spec, const struct detail *detail)
{
    if (detail->cycle >= cycles_count(spec)) {
        return;
    }
    struct cycle cycle = cycles_at(spec, detail->cycle);
    const uint64_t numbers[] = {cycle.hits, cycle.users, (uint64_t)detail->iteration + 1,
                                (uint64_t)detail->user + 1};
    put(file, ",\"loads_status\":[");
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        if (i > 0) {
            (void)putc_unlocked(',', file);
        }
        put_unsigned(file, numbers[i], 1);
    }
    (void)putc_unlocked(']', file);
}

/* What every line begins with. */
static void put_start(FILE *file, const struct output_run *run, const struct detail *detail,
                      const char *data_type)
{
    put(file, "{\"data_type\":\"");
    put(file, data_type);
    put_text_field(file, "\",\"agent_id\":", run->detail_agent ? run->detail_agent : "local");
    put(file, ",\"run_id\":\"");
    put(file, run->spec->run_id);
    put(file, "\"");
    put_text_field(file, ",\"test\":", names_text(run->names, NAME_TEST, detail->test));
    put_status(file, run->spec, detail);
}

static void put_event(FILE *file, struct file_data *data, const struct output_run *run,
                      const struct detail *detail, const char *data_type)
{
    put_start(file, run, detail, data_type);
    put_date(file, data, ",\"time\":\"", detail->started_usec);
}

/* "exc_info": [exception, class, traceback] */
static void put_exception(FILE *file, struct file_data *data, const struct output_run *run,
                          const struct detail *detail)
{
    struct error_key key;

    error_key_parse(names_text(run->names, NAME_ERROR, detail->id), data->error, &key);
    put_text_field(file, ",\"exc_info\":[", key.message);
    put_text_field(file, ",", key.class);
    put_text_field(file, ",", key.traceback[0] ? key.traceback : key.place);
    put(file, "]");
}

/* How an iteration ended, in two lines: what came of it, and that it is over. */
static void put_outcome(FILE *file, struct file_data *data, const struct output_run *run,
                        const struct detail *detail)
{
    const char *data_type = detail->type == DETAIL_SUCCESS   ? "addSuccess"
                            : detail->type == DETAIL_FAILURE ? "addFailure"
                            : detail->type == DETAIL_ERROR   ? "addError"
                                                             : "interrupted";
    put_event(file, data, run, detail, data_type);
    put_elapsed(file, detail->elapsed_usec);
    if (detail->type == DETAIL_FAILURE || detail->type == DETAIL_ERROR) {
        put_exception(file, data, run, detail);
    }
    put(file, "}\n");
    put_event(file, data, run, detail, "stopTest");
    put(file, "}\n");
}

/* What a hit and a request without an answer have in common. */
static void put_request(FILE *file, struct file_data *data, const struct output_run *run,
                        const struct detail *detail, struct series_key *ret)
{
    bool hit = detail->type == DETAIL_HIT;

    series_key_parse(names_text(run->names, NAME_SERIES, detail->id), data->series, ret);
    put_start(file, run, detail, hit ? "add_hit" : "request_error");
    put(file, ",\"url\":");
    put_bytes(file, detail->text ? detail->text : "", detail->text ? detail->text_size : 0);
    put_text_field(file, ",\"name\":", ret->name);
    put_text_field(file, ",\"method\":", ret->method);
    put_date(file, data, ",\"started\":\"", detail->started_usec);
    put_elapsed(file, detail->elapsed_usec);
}

static void put_hit(FILE *file, struct file_data *data, const struct output_run *run,
                    const struct detail *detail)
{
    struct series_key key;

    put_request(file, data, run, detail, &key);
    put(file, ",\"status\":");
    put_unsigned(file, key.status, 1);
    put(file, "}\n");
}

static void put_request_error(FILE *file, struct file_data *data, const struct output_run *run,
                              const struct detail *detail)
{
    struct series_key series;
    struct error_key key;

    put_request(file, data, run, detail, &series);
    error_key_parse(names_text(run->names, NAME_ERROR, detail->error_id), data->error, &key);
    put_text_field(file, ",\"error\":{\"class\":", key.class);
    put_text_field(file, ",\"message\":", key.message);
    put(file, "}}\n");
}

static void put_counter(FILE *file, struct file_data *data, const struct output_run *run,
                        const struct detail *detail)
{
    bool negative = detail->value < 0;

    put_event(file, data, run, detail, "incr_counter");
    put_text_field(file, ",\"name\":", names_text(run->names, NAME_COUNTER, detail->id));
    put(file, negative ? ",\"value\":-" : ",\"value\":");
    put_unsigned(file, negative ? -(uint64_t)detail->value : (uint64_t)detail->value, 1);
    put(file, "}\n");
}

/* ---- the type ---- */

int file_begin(struct output *output, const struct output_run *run, struct error *error)
{
    (void)run;
    struct file_data *data = calloc(1, sizeof *data);
    if (!data) {
        return error_set_errno(error, -ENOMEM, "output file");
    }
    data->flushed_usec = clock_monotonic_usec();
    output->data = data;
    return 0;
}

int file_detail(struct output *output, const struct output_run *run, const struct detail *detail,
                struct error *error)
{
    struct file_data *data = output->data;
    FILE *file = output->file;

    switch (detail->type) {
    case DETAIL_START_TEST:
    case DETAIL_STOP_TEST:
        put_event(file, data, run, detail,
                  detail->type == DETAIL_START_TEST ? "startTest" : "stopTest");
        put(file, "}\n");
        break;
    case DETAIL_SUCCESS:
    case DETAIL_FAILURE:
    case DETAIL_ERROR:
    case DETAIL_INTERRUPTED:
        put_outcome(file, data, run, detail);
        break;
    case DETAIL_HIT:
        put_hit(file, data, run, detail);
        break;
    case DETAIL_REQUEST_ERROR:
        put_request_error(file, data, run, detail);
        break;
    case DETAIL_COUNTER:
        put_counter(file, data, run, detail);
        break;
    case DETAIL_TYPES:
    default: /* a record of a type that nobody writes: there is nothing to say of it */
        break;
    }
    uint64_t now = clock_monotonic_usec();
    if (now - data->flushed_usec >= USEC_PER_SEC) {
        (void)fflush_unlocked(file); /* a failure stays with the stream */
        data->flushed_usec = now;
    }
    return output_check(output, error);
}
