/* SPDX-License-Identifier: MPL-2.0 */
/* Results as rows. A batch is encoded when it is given, so that nothing of the caller's is borrowed
 * and what can't be stored is said at once; rows stay apart by message, since after a lost
 * connection some may turn out to be stored. Totals are absolute, of what the intervals touch;
 * names are those that are touched, and all that no batch had before: so a batch needs no other
 * one, and numbers have no gaps when a broker reads them back. */
#include <errno.h>
#include <string.h>

#include "store_postgres.h"
#include "wire/json.h"

static const struct {
    const char *key;
    unsigned max; /* id */
} kinds[NAME_KINDS] = {
    [NAME_TEST] = {"tests", NAMES_MAX_TESTS},    [NAME_SERIES] = {"series", NAMES_MAX_SERIES},
    [NAME_ERROR] = {"errors", NAMES_MAX_ERRORS}, [NAME_COUNTER] = {"counters", NAMES_MAX_COUNTERS},
    [NAME_TIMER] = {"timers", NAMES_MAX_TIMERS},
};

/* What the batch is about to touch. */
struct touched {
    bool ids[NAME_KINDS][NAMES_MAX_SERIES + 1];
    uint64_t first_second[NAMES_MAX_ERRORS + 1], end_second[NAMES_MAX_ERRORS + 1];
};
_Static_assert(NAMES_MAX_SERIES >= NAMES_MAX_TESTS && NAMES_MAX_SERIES >= NAMES_MAX_ERRORS &&
                   NAMES_MAX_SERIES >= NAMES_MAX_COUNTERS && NAMES_MAX_SERIES >= NAMES_MAX_TIMERS,
               "no kind has more ids than series");

struct batch *store_batch_free(struct batch *batch)
{
    if (batch) {
        for (unsigned i = 0; i < BATCH_TABLES; i++) {
            copy_rows_clear(&batch->rows[i]);
        }
        free(batch->names);
        free(batch->messages);
        free(batch);
    }
    return NULL;
}

/* ---- columns ---- */

static void put_count(struct copy_rows *rows, uint64_t count)
{
    if (count > INT64_MAX && rows->failed == 0) {
        rows->failed = -EINVAL;
    }
    copy_rows_int8(rows, (int64_t)count);
}

static void put_number(struct copy_rows *rows, uint64_t number)
{
    if (number > INT32_MAX && rows->failed == 0) {
        rows->failed = -EINVAL;
    }
    copy_rows_int4(rows, (int32_t)number);
}

static void put_bucket(unsigned bucket, uint64_t count _unused_, void *context)
{
    copy_rows_add_int2(context, (int16_t)bucket);
}

static void put_bucket_count(unsigned bucket _unused_, uint64_t count, void *context)
{
    struct copy_rows *rows = context;

    if (count > INT64_MAX && rows->failed == 0) {
        rows->failed = -EINVAL;
    }
    copy_rows_add_int8(rows, (int64_t)count);
}

#define SERIES_COLUMNS 9
#define TIMER_COLUMNS  7

static void put_histogram(struct copy_rows *rows, const struct histogram *histogram)
{
    copy_rows_begin_int2s(rows);
    histogram_each(histogram, put_bucket, rows);
    copy_rows_end_array(rows);
    copy_rows_begin_int8s(rows);
    histogram_each(histogram, put_bucket_count, rows);
    copy_rows_end_array(rows);
}

/* hits (of a timer, times) to max_usec. */
static void put_times(struct copy_rows *rows, const struct interval_series *series)
{
    put_count(rows, series->latency.count);
    put_count(rows, series->errors);
    put_count(rows, series->latency.sum_usec);
    put_count(rows, series->latency.min_usec);
    put_count(rows, series->latency.max_usec);
}

/* hits to counts, which intervals and totals have alike. */
static void put_series(struct copy_rows *rows, const struct interval_series *series)
{
    put_times(rows, series);
    put_count(rows, series->sent_bytes);
    put_count(rows, series->received_bytes);
    put_histogram(rows, &series->latency);
}

/* ---- messages ---- */

/* The first columns of a row of an interval. */
static void begin_row(struct copy_rows *rows, unsigned columns, const struct batch *batch,
                      const struct store_interval *message, unsigned id)
{
    copy_rows_begin(rows, 6 + columns);
    copy_rows_uuid(rows, batch->run_id);
    put_number(rows, message->interval->second);
    put_number(rows, message->interval->seconds);
    put_number(rows, message->source);
    put_number(rows, id);
    put_count(rows, message->seq);
}

static void put_interval(struct batch *batch, const struct store_interval *message)
{
    const struct interval *interval = message->interval;
    struct copy_rows *series = &batch->rows[TABLE_INTERVALS];
    struct copy_rows *tests = &batch->rows[TABLE_INTERVAL_TESTS];
    struct copy_rows *timers = &batch->rows[TABLE_INTERVAL_TIMERS];

    for (size_t i = 0; i < interval->n_series; i++) {
        begin_row(series, SERIES_COLUMNS, batch, message, interval->series[i].id);
        put_series(series, &interval->series[i]);
    }
    for (size_t i = 0; i < interval->n_tests; i++) {
        begin_row(tests, OUTCOMES, batch, message, interval->tests[i].id);
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            put_count(tests, interval->tests[i].outcomes[outcome]);
        }
    }
    for (size_t i = 0; i < interval->n_timers; i++) {
        begin_row(timers, TIMER_COLUMNS, batch, message, interval->timers[i].id);
        put_times(timers, &interval->timers[i]);
        put_histogram(timers, &interval->timers[i].latency);
    }
}

static void touch(struct touched *touched, enum name_kind kind, unsigned id)
{
    assert(id <= kinds[kind].max);
    touched->ids[kind][id] = true;
}

static void touch_interval(struct touched *touched, const struct interval *interval)
{
    for (size_t i = 0; i < interval->n_series; i++) {
        touch(touched, NAME_SERIES, interval->series[i].id);
    }
    for (size_t i = 0; i < interval->n_tests; i++) {
        touch(touched, NAME_TEST, interval->tests[i].id);
    }
    for (size_t i = 0; i < interval->n_counters; i++) {
        touch(touched, NAME_COUNTER, interval->counters[i].id);
    }
    for (size_t i = 0; i < interval->n_timers; i++) {
        touch(touched, NAME_TIMER, interval->timers[i].id);
    }
    for (size_t i = 0; i < interval->n_errors; i++) {
        unsigned id = interval->errors[i].id;
        assert(id <= NAMES_MAX_ERRORS);
        uint64_t end = (uint64_t)interval->second + interval->seconds;
        bool first = !touched->ids[NAME_ERROR][id];
        touched->first_second[id] =
            first ? interval->second : MIN(touched->first_second[id], interval->second);
        touched->end_second[id] = first ? end : MAX(touched->end_second[id], end);
        touch(touched, NAME_ERROR, id);
    }
}

static void put_hit(struct batch *batch, const struct store_details *message,
                    const struct detail *detail)
{
    struct copy_rows *rows = &batch->rows[TABLE_HITS];
    size_t size = 0;
    _cleanup_free_ char *url = store_clean_text(detail->text ? detail->text : "",
                                                detail->text ? detail->text_size : 0, &size);

    if (!url) {
        rows->failed = rows->failed < 0 ? rows->failed : -ENOMEM;
        return;
    }
    copy_rows_begin(rows, 12);
    copy_rows_uuid(rows, batch->run_id);
    put_number(rows, message->source);
    put_count(rows, message->seq);
    copy_rows_time(rows, detail->started_usec);
    put_count(rows, detail->elapsed_usec);
    put_number(rows, detail->id);
    if (detail->type == DETAIL_REQUEST_ERROR) {
        put_number(rows, detail->error_id);
    } else {
        copy_rows_null(rows);
    }
    put_number(rows, detail->test);
    put_count(rows, detail->user);
    put_count(rows, detail->iteration);
    put_number(rows, detail->cycle);
    copy_rows_text(rows, url, size);
}

/* NULL: it is no event. */
static const char *event_word(enum detail_type type)
{
    static const char *const words[DETAIL_TYPES] = {
        [DETAIL_START_TEST] = "startTest", [DETAIL_STOP_TEST] = "stopTest",
        [DETAIL_SUCCESS] = "addSuccess",   [DETAIL_FAILURE] = "addFailure",
        [DETAIL_ERROR] = "addError",       [DETAIL_INTERRUPTED] = "interrupted",
        [DETAIL_COUNTER] = "incr_counter",
    };
    return (unsigned)type < DETAIL_TYPES ? words[type] : NULL;
}

static void put_event(struct batch *batch, const struct store_details *message,
                      const struct detail *detail, const char *word)
{
    struct copy_rows *rows = &batch->rows[TABLE_TEST_EVENTS];

    copy_rows_begin(rows, 13);
    copy_rows_uuid(rows, batch->run_id);
    put_number(rows, message->source);
    put_count(rows, message->seq);
    copy_rows_time(rows, detail->started_usec);
    copy_rows_text(rows, word, strlen(word));
    put_number(rows, detail->test);
    if (detail->type == DETAIL_FAILURE || detail->type == DETAIL_ERROR) {
        put_number(rows, detail->id);
    } else {
        copy_rows_null(rows);
    }
    if (detail->type == DETAIL_COUNTER) {
        put_number(rows, detail->id);
        copy_rows_int8(rows, detail->value);
    } else {
        copy_rows_null(rows);
        copy_rows_null(rows);
    }
    put_count(rows, detail->elapsed_usec);
    put_count(rows, detail->user);
    put_count(rows, detail->iteration);
    put_number(rows, detail->cycle);
}

static void put_details(struct batch *batch, const struct store_details *message)
{
    for (size_t i = 0; i < message->n_records; i++) {
        const struct detail *detail = &message->records[i];
        const char *word = event_word(detail->type);
        if (detail->type == DETAIL_HIT || detail->type == DETAIL_REQUEST_ERROR) {
            put_hit(batch, message, detail);
        } else if (word) {
            put_event(batch, message, detail, word);
        }
    }
}

static enum batch_table first_table(const struct batch_message *message)
{
    return message->details ? TABLE_HITS : TABLE_INTERVALS;
}

static unsigned tables_of(const struct batch_message *message)
{
    return message->details ? 2 : MESSAGE_TABLES;
}

/* Begins a message; where its rows end is known when the next one begins. */
static struct batch_message *begin_message(struct batch *batch, unsigned source, uint64_t seq,
                                           bool details)
{
    struct batch_message *message = &batch->messages[batch->n_messages++];

    *message = (struct batch_message){.source = source, .seq = seq, .details = details};
    for (unsigned i = 0; i < tables_of(message); i++) {
        message->at[i] = batch->rows[first_table(message) + i].size;
    }
    return message;
}

static void end_message(struct batch *batch, struct batch_message *message)
{
    for (unsigned i = 0; i < tables_of(message); i++) {
        message->size[i] = batch->rows[first_table(message) + i].size - message->at[i];
    }
}

static int put_messages(struct batch *batch, const struct store_batch *from,
                        struct touched *touched)
{
    batch->messages = calloc(from->n_intervals + from->n_details + 1, sizeof *batch->messages);
    if (!batch->messages) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < from->n_intervals; i++) {
        const struct store_interval *interval = &from->intervals[i];
        if (interval->source > INT32_MAX || interval->seq > INT64_MAX) {
            return -EINVAL;
        }
        struct batch_message *message =
            begin_message(batch, interval->source, interval->seq, false);
        put_interval(batch, interval);
        touch_interval(touched, interval->interval);
        end_message(batch, message);
    }
    for (size_t i = 0; i < from->n_details; i++) {
        const struct store_details *details = &from->details[i];
        if (details->source > INT32_MAX || details->seq > INT64_MAX) {
            return -EINVAL;
        }
        struct batch_message *message = begin_message(batch, details->source, details->seq, true);
        put_details(batch, details);
        end_message(batch, message);
    }
    batch->has_details = from->n_details > 0;
    return 0;
}

/* ---- totals and names ---- */

static void put_totals(struct batch *batch, const struct store_batch *from,
                       const struct touched *touched)
{
    struct copy_rows *rows = &batch->rows[TABLE_TOTALS];

    for (unsigned id = 0; id <= NAMES_MAX_SERIES; id++) {
        if (touched->ids[NAME_SERIES][id]) {
            copy_rows_begin(rows, 3 + SERIES_COLUMNS);
            copy_rows_int8(rows, (int64_t)batch->number);
            copy_rows_uuid(rows, batch->run_id);
            put_number(rows, id);
            put_series(rows, &from->totals->series[id]);
        }
    }
}

static json_t *name_of_test(const struct store_batch *from, unsigned id)
{
    const uint64_t *outcomes = from->totals->outcomes[id];

    return json_pack(
        "{si ss sI sI sI sI}", "id", (int)id, "name", names_text(from->names, NAME_TEST, id),
        "successes", (json_int_t)outcomes[OUTCOME_SUCCESS], "failures",
        (json_int_t)outcomes[OUTCOME_FAILURE], "errors", (json_int_t)outcomes[OUTCOME_ERROR],
        "interrupted", (json_int_t)outcomes[OUTCOME_INTERRUPTED]);
}

static json_t *name_of_series(const struct store_batch *from, unsigned id)
{
    char buffer[NAME_MAX_BYTES + 1];
    struct series_key key;

    series_key_parse(names_text(from->names, NAME_SERIES, id), buffer, &key);
    return json_pack("{si ss ss ss sI}", "id", (int)id, "test", key.test, "name", key.name,
                     "method", key.method, "status", (json_int_t)key.status);
}

static json_t *name_of_error(const struct store_batch *from, unsigned id,
                             const struct touched *touched)
{
    char buffer[NAME_MAX_BYTES + 1];
    struct error_key key;

    error_key_parse(names_text(from->names, NAME_ERROR, id), buffer, &key);
    json_t *name =
        json_pack("{si ss ss ss ss ss ss sI}", "id", (int)id, "kind",
                  key.kind == ERROR_KIND_FAILURE ? "failure" : "error", "class", key.class,
                  "message", key.message, "place", key.place, "test", key.test, "traceback",
                  key.traceback, "count", (json_int_t)from->totals->errors[id]);
    if (name && touched->ids[NAME_ERROR][id] &&
        (json_object_set_new(name, "first", json_integer((json_int_t)touched->first_second[id])) <
             0 ||
         json_object_set_new(name, "last", json_integer((json_int_t)touched->end_second[id] - 1)) <
             0)) {
        json_decref(name);
        return NULL;
    }
    return name;
}

static void add_bucket(unsigned bucket, uint64_t count _unused_, void *list)
{
    (void)json_array_append_new(list, json_integer(bucket)); /* the length is looked at */
}

static void add_bucket_count(unsigned bucket _unused_, uint64_t count, void *list)
{
    (void)json_array_append_new(list, json_integer((json_int_t)count));
}

static json_t *name_of_timer(const struct store_batch *from, unsigned id)
{
    const struct interval_series *total = &from->totals->timers[id];
    json_t *buckets = json_array(), *counts = json_array();
    char buffer[NAME_MAX_BYTES + 1];
    struct timer_key key;

    timer_key_parse(names_text(from->names, NAME_TIMER, id), buffer, &key);
    histogram_each(&total->latency, add_bucket, buckets);
    histogram_each(&total->latency, add_bucket_count, counts);
    return json_pack("{si ss ss ss sI sI sI sI sI so so}", "id", (int)id, "kind",
                     timer_kind_word(key.kind), "test", key.test, "name", key.name, "times",
                     (json_int_t)total->latency.count, "errors", (json_int_t)total->errors,
                     "sum_usec", (json_int_t)total->latency.sum_usec, "min_usec",
                     (json_int_t)total->latency.min_usec, "max_usec",
                     (json_int_t)total->latency.max_usec, "buckets", buckets, "counts", counts);
}

static json_t *name_of(enum name_kind kind, const struct store_batch *from, unsigned id,
                       const struct touched *touched)
{
    switch (kind) {
    case NAME_TEST:
        return name_of_test(from, id);
    case NAME_SERIES:
        return name_of_series(from, id);
    case NAME_ERROR:
        return name_of_error(from, id, touched);
    case NAME_TIMER:
        return name_of_timer(from, id);
    default:
        return json_pack("{si ss sI}", "id", (int)id, "name",
                         names_text(from->names, NAME_COUNTER, id), "count",
                         (json_int_t)from->totals->counters[id]);
    }
}

/* Those that are touched, and those that no batch had yet. */
static int put_kind(json_t *all, enum name_kind kind, const struct store_batch *from,
                    const struct known_run *known, const struct touched *touched)
{
    unsigned count = names_count(from->names, kind);
    json_t *list = json_array();

    for (unsigned id = 0; list && id <= kinds[kind].max; id++) {
        bool is_new = id >= MAX(known->names[kind], 1u) && id < count;
        if ((touched->ids[kind][id] || is_new) &&
            json_array_append_new(list, name_of(kind, from, id, touched)) < 0) {
            json_decref(list);
            return -ENOMEM;
        }
    }
    return list && json_object_set_new(all, kinds[kind].key, list) == 0 ? 0 : -ENOMEM;
}

static int put_names(struct batch *batch, const struct store_batch *from,
                     const struct known_run *known, const struct touched *touched)
{
    _cleanup_(json_decrefp) json_t *all = json_object();

    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        int r = all ? put_kind(all, kind, from, known, touched) : -ENOMEM;
        if (r < 0) {
            return r;
        }
    }
    return wire_json_dump(all, &batch->names);
}

/* Counts that bigint doesn't hold; those of series are seen when they are written. */
static bool counts_fit(const struct totals *totals, const struct touched *touched)
{
    for (unsigned id = 0; id <= NAMES_MAX_ERRORS; id++) {
        if (touched->ids[NAME_ERROR][id] && totals->errors[id] > INT64_MAX) {
            return false;
        }
    }
    for (unsigned id = 0; id <= NAMES_MAX_TESTS; id++) {
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            if (touched->ids[NAME_TEST][id] && totals->outcomes[id][outcome] > INT64_MAX) {
                return false;
            }
        }
    }
    for (unsigned id = 0; id <= NAMES_MAX_TIMERS; id++) {
        const struct interval_series *timer = &totals->timers[id];
        if (touched->ids[NAME_TIMER][id] &&
            (timer->latency.count > INT64_MAX || timer->latency.sum_usec > INT64_MAX ||
             timer->errors > INT64_MAX)) {
            return false;
        }
    }
    return true;
}

int store_batch_new(struct batch **ret, uint64_t number, const struct known_run *known,
                    const struct store_batch *from)
{
    _cleanup_(store_batch_freep) struct batch *batch = calloc(1, sizeof *batch);
    _cleanup_free_ struct touched *touched = calloc(1, sizeof *touched);
    int r;

    if (!batch || !touched) {
        return -ENOMEM;
    }
    batch->number = number;
    batch->started_usec = from->started_usec;
    memcpy(batch->run_id, from->run_id, sizeof batch->run_id);
    r = put_messages(batch, from, touched);
    if (r == 0 && !counts_fit(from->totals, touched)) {
        r = -EINVAL;
    }
    if (r == 0) {
        put_totals(batch, from, touched);
        r = put_names(batch, from, known, touched);
    }
    batch->bytes = sizeof *batch + batch->n_messages * sizeof *batch->messages;
    for (unsigned i = 0; r == 0 && i < BATCH_TABLES; i++) {
        r = copy_rows_finish(&batch->rows[i]);
        batch->bytes += batch->rows[i].size;
    }
    if (r < 0) {
        return r;
    }
    batch->bytes += strlen(batch->names);
    *ret = TAKE_PTR(batch);
    return 0;
}
