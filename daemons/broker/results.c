/* SPDX-License-Identifier: MPL-2.0 */
/* A message goes through: is it the next one, is it an interval, are its ids known, do its sums
 * fit. Only then anything changes, all of it at once. */
#include "results.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "metrics/detail_codec.h"
#include "metrics/interval_remap.h"
#include "metrics/recent.h"
#include "metrics/thresholds.h"

/* What the database can hold, with room for everything that is still to come. */
#define MAX_COUNT  (INT64_MAX / 2)
#define MAX_SECOND (INT32_MAX / 2)

struct source {
    uint32_t *ids[NAME_KINDS]; /* of the run, by those of the source; NULL: none yet */
    uint64_t overflows[NAME_KINDS];
    struct {
        uint64_t taken_seq, stored_seq;
        uint64_t nameless_seq; /* an id of this message was not known when it came before */
    } streams[STREAMS];
    uint64_t rejected;
};

struct pending {
    unsigned source;
    uint64_t seq;
    struct interval *interval;   /* of STREAM_INTERVALS */
    struct detail_list *details; /* of STREAM_DETAIL */
    size_t size;
};

struct pending_list {
    struct pending *items;
    size_t count, room, bytes;
};

/* What is with the store: the last numbers of each source. */
struct batch {
    struct batch *next;
    uint64_t seq[][STREAMS];
};

struct results {
    void *memory;
    struct names *names;
    struct totals *totals;
    struct recent *recent;
    struct thresholds *thresholds; /* borrowed; NULL */
    bool keeps_timeline;
    struct timeline *timeline; /* NULL: it isn't kept, or there was no memory */
    struct source *sources;
    unsigned n_sources;
    uint64_t restored_overflows[NAME_KINDS];
    struct pending_list pending[STREAMS];
    struct batch *batches, **last_batch; /* the oldest first */
};

int results_new(struct results **ret, unsigned sources)
{
    _cleanup_(results_freep) struct results *results = calloc(1, sizeof *results);
    if (!results) {
        return -ENOMEM;
    }
    results->sources = calloc(MAX(sources, 1u), sizeof *results->sources);
    results->n_sources = sources;
    results->last_batch = &results->batches;
    void *memory = mmap(NULL, names_size_bytes(), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) {
        results->memory = memory;
    }
    if (!results->sources || !results->memory) {
        return -ENOMEM;
    }
    int r = names_new(&results->names, results->memory, names_size_bytes());
    if (r == 0) {
        r = totals_new(&results->totals);
    }
    if (r == 0) {
        r = recent_new(&results->recent);
    }
    if (r == 0) {
        *ret = TAKE_PTR(results);
    }
    return r;
}

static void forget_pending(struct results *results)
{
    for (unsigned stream = 0; stream < STREAMS; stream++) {
        struct pending_list *list = &results->pending[stream];
        for (size_t i = 0; i < list->count; i++) {
            interval_free(list->items[i].interval);
            detail_list_free(list->items[i].details);
        }
        list->count = list->bytes = 0;
    }
}

static void clear_sources(struct results *results)
{
    for (unsigned i = 0; results->sources && i < results->n_sources; i++) {
        for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
            free(results->sources[i].ids[kind]);
        }
    }
    free(results->sources);
}

struct results *results_free(struct results *results)
{
    if (results) {
        forget_pending(results);
        for (unsigned stream = 0; stream < STREAMS; stream++) {
            free(results->pending[stream].items);
        }
        while (results->batches) {
            results_stored(results);
        }
        clear_sources(results);
        totals_free(results->totals);
        recent_free(results->recent);
        timeline_free(results->timeline);
        names_free(results->names);
        if (results->memory) {
            (void)munmap(results->memory, names_size_bytes()); /* it was mapped like this */
        }
        free(results);
    }
    return NULL;
}

struct names *results_names(struct results *results)
{
    return results->names;
}

struct totals *results_totals(struct results *results)
{
    return results->totals;
}

struct recent *results_recent(struct results *results)
{
    return results->recent;
}

void results_forget_recent(struct results *results)
{
    results->recent = recent_free(results->recent);
}

void results_watch(struct results *results, struct thresholds *thresholds)
{
    results->thresholds = thresholds;
}

void results_overflows(const struct results *results, uint64_t overflows[static NAME_KINDS])
{
    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        overflows[kind] = names_overflows(results->names, (enum name_kind)kind);
        for (unsigned i = 0; i < results->n_sources; i++) {
            overflows[kind] += results->sources[i].overflows[kind];
        }
        /* sources tell theirs anew, if they are still there */
        overflows[kind] = MAX(overflows[kind], results->restored_overflows[kind]);
    }
}

void results_keep_timeline(struct results *results)
{
    if (results->keeps_timeline) {
        return;
    }
    results->keeps_timeline = true;
    if (timeline_new(&results->timeline, TIMELINE_MAX_STEPS) < 0) {
        results->timeline = NULL; /* then there is none */
    }
}

struct timeline *results_timeline(struct results *results)
{
    return results->timeline;
}

/* ---- taking ---- */

static int learn_name(struct results *results, struct source *source, const struct agent_name *name)
{
    uint32_t **ids = &source->ids[name->kind];

    if (name->id == 0 || name->id > names_max_id(name->kind)) {
        return 0; /* what needs it is rejected */
    }
    if (!*ids) {
        *ids = calloc(names_max_id(name->kind) + 1, sizeof **ids);
        if (!*ids) {
            return -ENOMEM;
        }
        for (unsigned id = 0; id <= names_max_id(name->kind); id++) {
            (*ids)[id] = INTERVAL_UNMAPPED;
        }
    }
    if ((*ids)[name->id] == INTERVAL_UNMAPPED) {
        (*ids)[name->id] = names_id(results->names, name->kind, name->text, strlen(name->text));
    }
    return 0;
}

static int learn_names(struct results *results, struct source *source,
                       const struct agent_message *message)
{
    for (size_t i = 0; i < message->n_names; i++) {
        int r = learn_name(results, source, &message->names[i]);
        if (r < 0) {
            return r;
        }
    }
    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        source->overflows[kind] =
            MIN(MAX(source->overflows[kind], message->overflows[kind]), (uint64_t)MAX_COUNT);
    }
    return 0;
}

static struct interval_map map_of(const struct source *source)
{
    struct interval_map map = {0};
    for (unsigned kind = 0; kind < NAME_KINDS; kind++) {
        map.ids[kind] = source->ids[kind];
        map.counts[kind] = source->ids[kind] ? names_max_id(kind) + 1 : 0;
    }
    return map;
}

static bool adds_up(uint64_t sum, uint64_t more)
{
    return more <= MAX_COUNT && sum + more <= MAX_COUNT;
}

static bool series_fit(const struct totals *totals, const struct interval *interval)
{
    uint64_t hits = totals->hits, errors = totals->request_errors;

    for (size_t i = 0; i < interval->n_series; i++) {
        const struct interval_series *series = &interval->series[i];
        const struct interval_series *sum = &totals->series[series->id];
        if (!adds_up(hits, series->latency.count) || !adds_up(errors, series->errors) ||
            !adds_up(sum->latency.sum_usec, series->latency.sum_usec) ||
            !adds_up(sum->sent_bytes, series->sent_bytes) ||
            !adds_up(sum->received_bytes, series->received_bytes)) {
            return false;
        }
        hits += series->latency.count;
        errors += series->errors;
    }
    for (size_t i = 0; i < interval->n_timers; i++) {
        const struct interval_series *timer = &interval->timers[i];
        const struct interval_series *sum = &totals->timers[timer->id];
        if (!adds_up(sum->latency.count, timer->latency.count) ||
            !adds_up(sum->latency.sum_usec, timer->latency.sum_usec) ||
            !adds_up(sum->errors, timer->errors)) {
            return false;
        }
    }
    return true;
}

static bool counts_fit(const struct totals *totals, const struct interval *interval)
{
    for (size_t i = 0; i < interval->n_errors; i++) {
        const struct interval_count *count = &interval->errors[i];
        if (count->count < 0 || !adds_up(totals->errors[count->id], (uint64_t)count->count)) {
            return false;
        }
    }
    for (size_t i = 0; i < interval->n_tests; i++) {
        const struct interval_test *test = &interval->tests[i];
        for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
            if (!adds_up(totals->outcomes[test->id][outcome], test->outcomes[outcome])) {
                return false;
            }
        }
    }
    return true;
}

/* Whether totals and database can hold it. */
static bool fits(const struct results *results, const struct interval *interval)
{
    return (uint64_t)interval->second + interval->seconds <= MAX_SECOND &&
           series_fit(results->totals, interval) && counts_fit(results->totals, interval);
}

static int make_room(struct pending_list *list)
{
    if (list->count < list->room) {
        return 0;
    }
    size_t room = MAX(2 * list->room, (size_t)64);
    struct pending *items = reallocarray(list->items, room, sizeof *items);
    if (!items) {
        return -ENOMEM;
    }
    list->items = items;
    list->room = room;
    return 0;
}

static int take_interval(struct results *results, unsigned number, const void *payload, size_t size,
                         struct pending *ret, struct error *error)
{
    _cleanup_(interval_freep) struct interval *interval = NULL;
    struct interval_map map = map_of(&results->sources[number]);

    int r = interval_decode(payload, size, &interval, error);
    if (r == 0) {
        r = interval_remap(interval, &map);
    }
    if (r < 0) {
        return r;
    }
    if (!fits(results, interval)) {
        return error_set(error, -ERANGE, "the sums are too large");
    }
    r = totals_add(results->totals, interval);
    if (r == 0 && results->timeline && timeline_add(results->timeline, interval) < 0) {
        results->timeline = timeline_free(results->timeline); /* better none than a wrong one */
    }
    if (r == 0 && results->thresholds) {
        thresholds_add(results->thresholds, interval, results->names);
    }
    if (r == 0) {
        if (results->recent) {
            recent_add(results->recent, interval);
        }
        ret->interval = TAKE_PTR(interval);
        ret->size = size;
    }
    return r;
}

static int take_detail(struct results *results, unsigned number, const void *payload, size_t size,
                       struct pending *ret, struct error *error)
{
    _cleanup_(detail_list_freep) struct detail_list *list = NULL;
    struct interval_map map = map_of(&results->sources[number]);

    int r = detail_decode(payload, size, &list, error);
    if (r == 0) {
        r = detail_remap(list, &map);
    }
    if (r == 0) {
        ret->size = size + list->n_records * sizeof *list->records;
        ret->details = TAKE_PTR(list);
    }
    return r;
}

/* In place of one that is rejected, so that its number is stored. */
static int make_empty(enum results_stream stream, struct pending *ret)
{
    if (stream == STREAM_DETAIL) {
        ret->details = calloc(1, sizeof *ret->details);
        return ret->details ? 0 : -ENOMEM;
    }
    ret->interval = calloc(1, sizeof *ret->interval);
    if (!ret->interval) {
        return -ENOMEM;
    }
    ret->interval->seconds = 1;
    return 0;
}

static void append(struct results *results, enum results_stream stream, struct pending *pending)
{
    struct pending_list *list = &results->pending[stream];

    pending->seq = ++results->sources[pending->source].streams[stream].taken_seq;
    list->items[list->count++] = *pending;
    list->bytes += pending->size;
}

enum results_verdict results_take(struct results *results, unsigned number,
                                  const struct agent_message *message, const void *payload,
                                  size_t size, struct error *error)
{
    assert(number < results->n_sources);
    struct source *source = &results->sources[number];
    enum results_stream stream = results_stream_of(message);
    struct pending pending = {.source = number};
    uint64_t taken_seq = source->streams[stream].taken_seq;

    if (learn_names(results, source, message) < 0) {
        return RESULTS_FULL;
    }
    if (message->seq <= taken_seq) {
        return RESULTS_KNOWN;
    }
    if (message->seq != taken_seq + 1) {
        return RESULTS_EXPECTED;
    }
    if (!results_have_room(results, stream) || make_room(&results->pending[stream]) < 0) {
        return RESULTS_FULL;
    }
    int r = stream == STREAM_DETAIL
                ? take_detail(results, number, payload, size, &pending, error)
                : take_interval(results, number, payload, size, &pending, error);
    if (r == 0) {
        append(results, stream, &pending);
        return RESULTS_TAKEN;
    }
    if (r == -ENOENT && source->streams[stream].nameless_seq != message->seq) {
        /* what named it may have been lost */
        source->streams[stream].nameless_seq = message->seq;
        return RESULTS_EXPECTED;
    }
    if (r == -ENOMEM || make_empty(stream, &pending) < 0) {
        return RESULTS_FULL;
    }
    if (r == -ENOENT) {
        error_set(error, r, "it has an id that was not named");
    }
    append(results, stream, &pending);
    source->rejected++;
    return RESULTS_REJECTED;
}

uint64_t results_expected(const struct results *results, unsigned source,
                          enum results_stream stream)
{
    return results->sources[source].streams[stream].taken_seq + 1;
}

uint64_t results_rejected(const struct results *results, unsigned source)
{
    return results->sources[source].rejected;
}

/* ---- storing ---- */

bool results_are_pending(const struct results *results)
{
    return results->pending[STREAM_INTERVALS].count > 0 ||
           results->pending[STREAM_DETAIL].count > 0;
}

bool results_have_room(const struct results *results, enum results_stream stream)
{
    const struct pending_list *list = &results->pending[stream];

    return list->count < RESULTS_MAX_PENDING && list->bytes < RESULTS_MAX_PENDING_BYTES;
}

static int new_batch(const struct results *results, struct batch **ret)
{
    struct batch *batch = calloc(1, sizeof *batch + results->n_sources * sizeof batch->seq[0]);
    if (!batch) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < results->n_sources; i++) {
        for (unsigned stream = 0; stream < STREAMS; stream++) {
            batch->seq[i][stream] = results->sources[i].streams[stream].taken_seq;
        }
    }
    *ret = batch;
    return 0;
}

int results_store(struct results *results, struct store *store, const char *run_id,
                  uint64_t started_usec, store_done *done, void *context)
{
    const struct pending_list *some = &results->pending[STREAM_INTERVALS];
    const struct pending_list *more = &results->pending[STREAM_DETAIL];
    _cleanup_free_ struct batch *batch = NULL;
    _cleanup_free_ struct store_interval *intervals = calloc(some->count + 1, sizeof *intervals);
    _cleanup_free_ struct store_details *details = calloc(more->count + 1, sizeof *details);
    if (!intervals || !details || new_batch(results, &batch) < 0) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < some->count; i++) {
        const struct pending *pending = &some->items[i];
        intervals[i] = (struct store_interval){pending->source, pending->seq, pending->interval};
    }
    for (size_t i = 0; i < more->count; i++) {
        const struct pending *pending = &more->items[i];
        details[i] = (struct store_details){pending->source, pending->seq,
                                            pending->details->records, pending->details->n_records};
    }
    struct store_batch given = {
        .run_id = run_id,
        .started_usec = started_usec,
        .names = results->names,
        .totals = results->totals,
        .intervals = intervals,
        .n_intervals = some->count,
        .details = details,
        .n_details = more->count,
    };
    int r = store_results(store, &given, done, context);
    if (r < 0) {
        return r;
    }
    forget_pending(results);
    *results->last_batch = TAKE_PTR(batch);
    results->last_batch = &(*results->last_batch)->next;
    return 0;
}

bool results_are_being_stored(const struct results *results)
{
    return results->batches != NULL;
}

void results_stored(struct results *results)
{
    _cleanup_free_ struct batch *batch = results->batches;

    results->batches = batch->next;
    if (!results->batches) {
        results->last_batch = &results->batches;
    }
    for (unsigned i = 0; i < results->n_sources; i++) {
        for (unsigned stream = 0; stream < STREAMS; stream++) {
            results->sources[i].streams[stream].stored_seq = batch->seq[i][stream];
        }
    }
}

uint64_t results_stored_seq(const struct results *results, unsigned source,
                            enum results_stream stream)
{
    return results->sources[source].streams[stream].stored_seq;
}

int results_restore(struct results *results, const struct store_record *record)
{
    int r = store_record_restore(record, results->names, results->totals);
    if (r < 0) {
        return r;
    }
    memcpy(results->restored_overflows, record->run.overflows, sizeof results->restored_overflows);
    for (size_t i = 0; i < record->n_sources; i++) {
        const struct store_source *stored = &record->sources[i];
        if (stored->number >= results->n_sources) {
            return -EBADMSG;
        }
        const uint64_t seq[STREAMS] = {stored->last_seq, stored->last_detail_seq};
        struct source *source = &results->sources[stored->number];
        for (unsigned stream = 0; stream < STREAMS; stream++) {
            source->streams[stream].taken_seq = source->streams[stream].stored_seq = seq[stream];
        }
    }
    return 0;
}
