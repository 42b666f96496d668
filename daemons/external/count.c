/* SPDX-License-Identifier: MPL-2.0 */
/* Each event is one commit: counts, the user's word and the head of the detail ring change together
 * or, if we are killed meanwhile, not at all. There is room for the longest event before one
 * begins, so none is counted in part. Which process sent a message is not known, only which user it
 * says it is of; one that says none, or somebody else's, is taken as the first user's. */
#include "count.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shown.h"
#include "metrics/histogram.h"
#include "metrics/summary.h"
#include "run/channel.h"

#define MAX_CACHED_URLS   4096
#define MAX_MESSAGE_BYTES 1000 /* of an error's text; the rest is cut */
#define RECORDS_PER_EVENT ((size_t)2)
#define NONSENSE          "bad_message"

int count_init(struct count *count, struct worker_files *files)
{
    unsigned users = files->area->n_users;
    int r = url_cache_new(&count->urls, MAX_CACHED_URLS);

    if (r < 0) {
        return r;
    }
    count->begun_usec = calloc(MAX(users, 1u), sizeof *count->begun_usec);
    if (!count->begun_usec) {
        return -ENOMEM;
    }
    run_spec_test_name(files->spec, count->test_name);
    count->files = *files;
    *files = (struct worker_files){NULL, NULL, NULL};
    return 0;
}

void count_clear(struct count *count)
{
    worker_files_close(&count->files);
    url_cache_free(count->urls);
    free(count->begun_usec);
}

/* ---- commits --------------------------------------------------------------------------------- */

static struct tally *tally_of(const struct count *count)
{
    return count->files.area->tally;
}

static bool has_room(const struct count *count)
{
    const struct detail_ring *ring = count->files.area->ring;
    return !ring || detail_ring_room_bytes(ring) >= RECORDS_PER_EVENT * DETAIL_MAX_BYTES;
}

static void begin(struct count *count, struct detail *detail)
{
    struct area *area = count->files.area;
    uint64_t elapsed_usec = clock_monotonic_usec() - count->run_start_usec;
    uint64_t *head, value;
    struct error error;

    tally_advance(area->tally, (uint32_t)(elapsed_usec / USEC_PER_SEC));
    if (area_make_room(area, &error) < 0) {
        (void)!channel_refuse(count->channel, error.text); /* gone: nobody to tell */
        _exit(EXIT_FAILURE);
    }
    detail->cycle = count->cycle;
    if (area->ring && detail_ring_put(area->ring, detail, &head, &value) == 0) {
        tally_stage_store(area->tally, head, value);
    } /* it fits: has_room() */
}

/* ---- whose it is ----------------------------------------------------------------------------- */

static unsigned index_of(const struct count *count, unsigned number)
{
    unsigned index = number - count->first_number;
    return number >= count->first_number && index < count->files.area->n_users ? index : 0;
}

static uint64_t word_of(const struct count *count, unsigned index)
{
    return index < count->files.area->n_users ? count->files.area->users[index] : 0;
}

static void stage_word(struct count *count, unsigned index, uint64_t word)
{
    struct area *area = count->files.area;

    if (index < area->n_users) {
        tally_stage_store(area->tally, &area->users[index], word);
    }
}

bool count_is_on(const struct count *count, unsigned index)
{
    return user_word_phase(word_of(count, index)) != USER_BETWEEN;
}

static const char *test_of(const struct count *count, const char *test)
{
    const struct run_spec *spec = count->files.spec;

    for (unsigned i = 0; spec->mix && i < spec->mix->n; i++) {
        if (strcmp(test, spec->mix->tests[i].fqn.text) == 0) {
            return mix_name(spec->mix, i);
        }
    }
    return !test[0] || strcmp(test, spec->fqn.text) == 0 ? count->test_name : test;
}

static unsigned test_id(struct count *count, const char *test)
{
    return names_id(count->files.names->names, NAME_TEST, test, strlen(test));
}

/* What a record says of where it belongs. */
static struct detail record_of(struct count *count, enum detail_type type, unsigned index,
                               const char *test)
{
    return (struct detail){
        .type = type,
        .test = count->files.area->ring ? test_id(count, test) : 0,
        .user = count->first_user + index,
        .iteration = user_word_iterations(word_of(count, index)),
        .started_usec = clock_realtime_usec(),
    };
}

/* ---- events ---------------------------------------------------------------------------------- */

static void count_start(struct count *count, unsigned index, const char *test)
{
    struct detail detail = record_of(count, DETAIL_START_TEST, index, test);

    if (index < count->files.area->n_users) {
        count->begun_usec[index] = clock_monotonic_usec();
    }
    begin(count, &detail);
    stage_word(count, index,
               user_word_of(user_word(detail.iteration, USER_ITERATING, 0), test_id(count, test)));
    tally_commit(tally_of(count));
}

/* How it went is what ends it; one of which that wasn't said was skipped, which is nothing. */
static void count_stop(struct count *count, unsigned index)
{
    if (count_is_on(count, index)) {
        uint32_t done = user_word_iterations(word_of(count, index)) + 1;
        stage_word(count, index, user_word(done, USER_BETWEEN, 0));
        tally_commit(tally_of(count));
    }
}

/* `error`: the id of one that is counted with it; 0: none. `ends`: an iteration does by it. */
static void count_outcome(struct count *count, unsigned index, const char *test,
                          enum outcome outcome, unsigned error, bool ends)
{
    static const enum detail_type types[OUTCOMES] = {
        [OUTCOME_SUCCESS] = DETAIL_SUCCESS,
        [OUTCOME_FAILURE] = DETAIL_FAILURE,
        [OUTCOME_ERROR] = DETAIL_ERROR,
        [OUTCOME_INTERRUPTED] = DETAIL_INTERRUPTED,
    };
    struct detail detail = record_of(count, types[outcome], index, test);

    detail.id = error;
    if (count_is_on(count, index)) {
        detail.elapsed_usec = clock_monotonic_usec() - count->begun_usec[index];
    }
    begin(count, &detail);
    if (outcome == OUTCOME_FAILURE || outcome == OUTCOME_ERROR) {
        tally_stage_error(tally_of(count), error);
    }
    tally_stage_outcome(tally_of(count), test_id(count, test), outcome);
    if (ends) {
        stage_word(count, index, user_word(detail.iteration + 1, USER_BETWEEN, 0));
    }
    tally_commit(tally_of(count));
}

/* The end of a traceback says the most. */
static const char *keep_end(struct count *count, const char *text)
{
    size_t size = strlen(text), kept = COUNT_TEXT_BYTES - 64;

    if (size <= COUNT_TEXT_BYTES) {
        return text;
    }
    (void)snprintf(count->text, sizeof count->text, "(%zu bytes are left out)\n%s", size - kept,
                   text + size - kept);
    return count->text;
}

/* Python writes a class as "<class 'AssertionError'>". */
static void plain_class(const char *text, char ret[static 128])
{
    const char *from = strchr(text, '\''), *to = from ? strrchr(text, '\'') : NULL;

    if (text[0] == '<' && to > from) {
        (void)snprintf(ret, 128, "%.*s", (int)MIN(to - from - 1, 127), from + 1);
    } else {
        (void)snprintf(ret, 128, "%s", text);
    }
}

static unsigned error_of(struct count *count, const struct runner_message *message,
                         const char *test)
{
    bool failure = message->type == RUNNER_FAILURE;
    char class[128], text[MAX_MESSAGE_BYTES + 1];

    plain_class(message->class[0] ? message->class : failure ? "failure" : "error", class);
    (void)snprintf(text, sizeof text, "%s", message->exception);
    struct error_key key = {.kind = failure ? ERROR_KIND_FAILURE : ERROR_KIND_ERROR,
                            .class = class,
                            .message = text,
                            .test = test,
                            .traceback = keep_end(count, message->traceback)};
    return names_error(count->files.names->names, &key);
}

static void count_hit(struct count *count, unsigned index, const struct runner_message *message,
                      const char *test)
{
    const struct url *url = NULL;
    char shown[SHOWN_BYTES];
    const char *name = url_get(count->urls, NULL, message->url, &url, NULL) == 0
                           ? url->name
                           : shown_url(message->url, shown);
    struct series_key key = {test, name, message->method, message->status};
    unsigned series = names_series(count->files.names->names, &key);
    struct detail detail = record_of(count, DETAIL_HIT, index, test);

    detail.id = series;
    detail.elapsed_usec = MIN(message->elapsed_usec, HISTOGRAM_MAX_USEC);
    detail.started_usec = message->started_usec > 0 ? message->started_usec
                                                    : detail.started_usec - detail.elapsed_usec;
    detail.text = name;
    detail.text_size = strlen(name);
    begin(count, &detail);
    tally_stage_hit(tally_of(count), series, detail.elapsed_usec, 0, 0);
    tally_commit(tally_of(count));
    if (url) {
        url_unref(url);
    }
}

static void count_counter(struct count *count, unsigned index, const char *test, const char *name,
                          int64_t increment)
{
    struct detail detail = record_of(count, DETAIL_COUNTER, index, test);

    detail.id = names_id(count->files.names->names, NAME_COUNTER, name, strlen(name));
    detail.value = increment;
    begin(count, &detail);
    tally_stage_counter(tally_of(count), detail.id, increment);
    tally_commit(tally_of(count));
}

bool count_message(struct count *count, const struct runner_message *message)
{
    unsigned index = index_of(count, message->current_user);
    const char *test = test_of(count, message->test);

    if (!has_room(count)) {
        return false;
    }
    switch (message->type) {
    case RUNNER_IGNORED:
        break;
    case RUNNER_STOP_TEST:
        count_stop(count, index);
        break;
    case RUNNER_START_TEST:
        count_start(count, index, test);
        break;
    case RUNNER_SUCCESS:
        count_outcome(count, index, test, OUTCOME_SUCCESS, 0, true);
        break;
    case RUNNER_FAILURE:
    case RUNNER_ERROR:
        count_outcome(count, index, test,
                      message->type == RUNNER_FAILURE ? OUTCOME_FAILURE : OUTCOME_ERROR,
                      error_of(count, message, test), true);
        break;
    case RUNNER_HIT:
        count_hit(count, index, message, test);
        break;
    case RUNNER_SOCKET_MESSAGE:
        count_counter(count, index, test, COUNTER_SOCKETS_RECEIVED_BYTES,
                      (int64_t)MIN(message->size_bytes, (uint64_t)INT64_MAX));
        count_counter(count, index, test, COUNTER_SOCKETS_RECEIVED, 1);
        break;
    case RUNNER_SOCKET_OPEN:
        count_counter(count, index, test, COUNTER_SOCKETS_OPENED, 1);
        break;
    case RUNNER_SOCKET_CLOSE:
        count_counter(count, index, test, COUNTER_SOCKETS_CLOSED, 1);
        break;
    case RUNNER_OTHER:
        count_counter(count, index, test, message->data_type, 1);
        break;
    case RUNNER_COUNTER:
        count_counter(count, index, test, message->name, 1);
        break;
    }
    return true;
}

bool count_nonsense(struct count *count)
{
    if (!has_room(count)) {
        return false;
    }
    count_counter(count, 0, count->test_name, NONSENSE, 1);
    return true;
}

bool count_end(struct count *count, unsigned index, const struct error_key *error)
{
    if (!has_room(count)) {
        return false;
    }
    bool on = count_is_on(count, index);
    const char *test =
        on ? names_text(count->files.names->names, NAME_TEST, user_word_test(word_of(count, index)))
           : count->test_name;
    unsigned id = 0;
    if (error) {
        struct error_key key = *error;
        key.test = on || !count->files.spec->mix ? test : ""; /* of several it is none's */
        id = names_error(count->files.names->names, &key);
    }
    count_outcome(count, index, test, error ? OUTCOME_ERROR : OUTCOME_INTERRUPTED, id, on);
    return true;
}
