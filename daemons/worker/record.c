/* SPDX-License-Identifier: MPL-2.0 */
/* Each function makes one commit: counts, the user's word and the head of the detail ring change
 * together or, if the worker is killed meanwhile, not at all. */
#include "record.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "run/channel.h"

static uint64_t *word(struct loads_user *user)
{
    return &user->worker->area->users[user->index];
}

/* A time of CLOCK_MONOTONIC as a date. */
static uint64_t date_of(uint64_t monotonic_usec)
{
    return clock_realtime_usec() - (clock_monotonic_usec() - monotonic_usec);
}

static void prepare_commit(struct worker *worker)
{
    struct error error;
    uint64_t now = clock_monotonic_usec();

    tally_advance(worker->area->tally, (uint32_t)((now - worker->run_start_usec) / USEC_PER_SEC));
    if (area_make_room(worker->area, &error) < 0) {
        (void)!channel_refuse(worker->channel, error.text); /* gone: nobody to tell */
        _exit(EXIT_FAILURE);
    }
}

static void wait_for_room(struct loads_user *user)
{
    struct worker *worker = user->worker;

    user->next = NULL;
    user->queued = true; /* in the queue of those without room: others can't wake it */
    *worker->no_room.last = user;
    worker->no_room.last = &user->next;
    (void)!user_wait(user); /* cancelled or not, what happened is recorded first */
}

void record_room(struct worker *worker)
{
    struct loads_user *user = worker->no_room.first;

    worker->no_room = (struct user_queue){NULL, &worker->no_room.first};
    while (user) {
        struct loads_user *next = user->next;
        user->queued = false;
        user_wake(user);
        user = next;
    }
}

/* Puts a record into the detail ring and prepares a commit that publishes it. */
static void prepare_with_detail(struct loads_user *user, struct detail *detail)
{
    struct worker *worker = user->worker;
    struct detail_ring *ring = worker->area->ring;
    uint64_t *head, value;

    if (!ring) {
        prepare_commit(worker);
        return;
    }
    detail->test = user->test->id;
    detail->user = user->number;
    detail->iteration = user->iteration;
    detail->cycle = worker->share.cycle;
    while (detail_ring_put(ring, detail, &head, &value) == -ENOBUFS) {
        wait_for_room(user);
    }
    prepare_commit(worker);
    tally_stage_store(worker->area->tally, head, value);
}

static uint64_t word_of(const struct loads_user *user, enum user_phase phase, unsigned series)
{
    return user_word_of(user_word(user->iteration, phase, series), user->test->id);
}

static void stage_word(struct loads_user *user, enum user_phase phase)
{
    tally_stage_store(user->worker->area->tally, word(user), word_of(user, phase, 0));
}

void record_start(struct loads_user *user)
{
    struct detail detail = {.type = DETAIL_START_TEST, .started_usec = clock_realtime_usec()};

    user->iteration_started_usec = clock_monotonic_usec();
    prepare_with_detail(user, &detail);
    stage_word(user, USER_ITERATING);
    tally_commit(user->worker->area->tally);
}

void record_outcome(struct loads_user *user)
{
    static const enum detail_type types[OUTCOMES] = {
        [OUTCOME_SUCCESS] = DETAIL_SUCCESS,
        [OUTCOME_FAILURE] = DETAIL_FAILURE,
        [OUTCOME_ERROR] = DETAIL_ERROR,
        [OUTCOME_INTERRUPTED] = DETAIL_INTERRUPTED,
    };
    struct tally *tally = user->worker->area->tally;
    uint64_t now = clock_monotonic_usec();
    struct detail detail = {.type = types[user->outcome],
                            .id = user->error_id,
                            .started_usec = clock_realtime_usec(),
                            .elapsed_usec = now - user->iteration_started_usec};

    prepare_with_detail(user, &detail);
    tally_stage_outcome(tally, user->test->id, user->outcome);
    tally_stage_store(tally, word(user), user_word(user->iteration + 1, USER_BETWEEN, 0));
    tally_commit(tally);
}

void record_rest(struct loads_user *user)
{
    /* Nothing else has to change with it. */
    *word(user) = user_word(user->iteration, user->stopped ? USER_OVER : USER_BETWEEN, 0);
}

static unsigned series_of(struct loads_user *user, const char *name, const char *method,
                          unsigned status)
{
    struct series_key key = {user->test->name, name, method, status};
    return names_series(user->worker->names->names, &key);
}

void record_request(struct loads_user *user, const char *name, const char *method)
{
    /* Nothing is counted, so nothing has to change together: a plain store. */
    *word(user) = word_of(user, USER_REQUESTING, series_of(user, name, method, 0));
}

static unsigned timer_of(struct worker *worker, enum timer_kind kind, const char *test,
                         const char *name)
{
    struct timer_key key = {kind, test, name};
    return names_timer(worker->names->names, &key);
}

/* Its name is asked for once, since every hit has it. */
static void stage_phase(struct worker *worker, enum hit_phase phase, uint64_t usec)
{
    if (worker->phases[phase] == 0) {
        worker->phases[phase] = timer_of(worker, TIMER_PHASE, "", hit_phase_word(phase));
    }
    if (worker->phases[phase] > 0) { /* several in "(other)" couldn't be in one commit */
        tally_stage_time(worker->area->tally, worker->phases[phase], usec);
    }
}

/* What a hit's time was spent on. What is not the transport's or the resolver's is the worker's:
 * turns of its loop, and addresses that took no connection. */
static void stage_phases(struct worker *worker, const struct exchange *exchange,
                         uint64_t elapsed_usec, uint64_t dns_usec)
{
    const struct exchange_timing *timing = &exchange->timing;
    bool is_new = !exchange->connection_reused;
    uint64_t sum = dns_usec + timing->send_usec + timing->wait_usec + timing->receive_usec;

    if (dns_usec > 0) {
        stage_phase(worker, PHASE_DNS, dns_usec);
    }
    if (is_new) {
        stage_phase(worker, PHASE_CONNECT, timing->connect_usec);
        sum += timing->connect_usec;
    }
    if (is_new && timing->tls_usec > 0) {
        stage_phase(worker, PHASE_TLS, timing->tls_usec);
        sum += timing->tls_usec;
    }
    stage_phase(worker, PHASE_SEND, timing->send_usec);
    stage_phase(worker, PHASE_WAIT, timing->wait_usec);
    stage_phase(worker, PHASE_RECEIVE, timing->receive_usec);
    stage_phase(worker, PHASE_BLOCKED, elapsed_usec > sum ? elapsed_usec - sum : 0);
}

void record_hit(struct loads_user *user, const char *name, const struct exchange *exchange,
                uint64_t elapsed_usec, const uint64_t *dns_usec)
{
    struct tally *tally = user->worker->area->tally;
    unsigned series = series_of(user, name, exchange->method, (unsigned)exchange->status);
    struct detail detail = {.type = DETAIL_HIT,
                            .id = series,
                            .elapsed_usec = elapsed_usec,
                            .text = exchange->url->name};

    if (user->worker->area->ring) {
        detail.started_usec = date_of(exchange->ended_usec - elapsed_usec);
        detail.text_size = strlen(detail.text);
    }
    prepare_with_detail(user, &detail);
    tally_stage_hit(tally, series, elapsed_usec, exchange->sent_bytes, exchange->received_bytes);
    if (dns_usec) {
        stage_phases(user->worker, exchange, elapsed_usec, *dns_usec);
    }
    stage_word(user, USER_ITERATING);
    tally_commit(tally);
}

unsigned record_request_error(struct loads_user *user, const char *name, const char *method,
                              const char *url, uint64_t started_usec, const struct error_key *error)
{
    struct tally *tally = user->worker->area->tally;
    unsigned series = series_of(user, name, method, 0);
    unsigned id = names_error(user->worker->names->names, error);
    struct detail detail = {.type = DETAIL_REQUEST_ERROR,
                            .id = series,
                            .error_id = id,
                            .started_usec = date_of(started_usec),
                            .elapsed_usec = clock_monotonic_usec() - started_usec,
                            .text = url,
                            .text_size = strlen(url)};

    prepare_with_detail(user, &detail);
    tally_stage_request_error(tally, series);
    tally_stage_error(tally, id);
    stage_word(user, USER_ITERATING);
    tally_commit(tally);
    return id;
}

unsigned record_error(struct loads_user *user, const struct error_key *error)
{
    unsigned id = names_error(user->worker->names->names, error);

    prepare_commit(user->worker);
    tally_stage_error(user->worker->area->tally, id);
    tally_commit(user->worker->area->tally);
    return id;
}

void record_time(struct loads_user *user, enum timer_kind kind, const char *name,
                 uint64_t elapsed_usec)
{
    unsigned id = timer_of(user->worker, kind, user->test->name, name);

    prepare_commit(user->worker);
    tally_stage_time(user->worker->area->tally, id, elapsed_usec);
    tally_commit(user->worker->area->tally);
}

void record_timer_error(struct loads_user *user, enum timer_kind kind, const char *name)
{
    unsigned id = timer_of(user->worker, kind, user->test->name, name);

    prepare_commit(user->worker);
    tally_stage_timer_error(user->worker->area->tally, id);
    tally_commit(user->worker->area->tally);
}

void record_counter(struct loads_user *user, const char *name, int64_t increment)
{
    struct tally *tally = user->worker->area->tally;
    unsigned id = names_id(user->worker->names->names, NAME_COUNTER, name, strlen(name));
    struct detail detail = {.type = DETAIL_COUNTER,
                            .id = id,
                            .started_usec = clock_realtime_usec(),
                            .value = increment};

    prepare_with_detail(user, &detail);
    tally_stage_counter(tally, id, increment);
    tally_commit(tally);
}
