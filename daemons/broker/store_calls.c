/* SPDX-License-Identifier: MPL-2.0 */
/* Calls that are single statements. Each lane has a queue of them; they are sent in their order, up
 * to so many at a time, and stay in the queue until they are answered. When the connection is lost
 * meanwhile nobody knows which ones were executed, so all of them are sent again: every statement
 * here has the same effect when it is executed twice. What is written about one row is not sent
 * while something older about that row has no answer, so that repetition can't bring an older state
 * back.
 *
 * An error that will be over some time (a full disk, a server that only reads) is treated like a
 * lost connection: it gives the back-off, the reason in the store's trouble, and the order. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "store_postgres.h"

#define MAX_IN_FLIGHT 100

/* After so many times that it took too long a call is given up. */
#define MAX_ATTEMPTS 5

bool store_is_temporary(int code)
{
    return code == -ECONNRESET || code == -ENOTCONN || code == -ESHUTDOWN || code == -EAGAIN ||
           code == -EBUSY || code == -ENOSPC || code == -ENOMEM || code == -ETIMEDOUT ||
           code == -EROFS || code == -EACCES || code == -EPROTO;
}

bool store_is_uuid(const char *text)
{
    for (unsigned i = 0; i < STORE_UUID_BYTES; i++) {
        bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !hex) {
            return false;
        }
    }
    return text[STORE_UUID_BYTES] == '\0';
}

char *store_clean_text(const char *text, size_t size, size_t *ret_size)
{
    const size_t widest = sizeof UTF8_REPLACEMENT - 1;
    char *clean = malloc(size * widest + 1);
    size_t used = 0;

    if (!clean) {
        return NULL;
    }
    for (size_t i = 0; i < size;) {
        uint32_t character;
        size_t n = utf8_character(text + i, size - i, &character);
        if (n == 0) {
            memcpy(clean + used, UTF8_REPLACEMENT, widest);
            used += widest;
            n = 1;
        } else if (text[i] == '\0') {
            clean[used++] = '?';
        } else {
            memcpy(clean + used, text + i, n);
            used += n;
        }
        i += n;
    }
    clean[used] = '\0';
    *ret_size = used;
    return clean;
}

/* ---- making them ---- */

int store_call_new(struct call **ret, enum lane_name lane, const char *sql, const char *run_id)
{
    struct call *call;

    if (run_id[0] && !store_is_uuid(run_id)) {
        return -EINVAL;
    }
    call = calloc(1, sizeof *call);
    if (!call) {
        return -ENOMEM;
    }
    call->lane_name = lane;
    call->sql = sql;
    call->source = -1;
    call->bytes = sizeof *call;
    memcpy(call->run_id, run_id, strlen(run_id));
    *ret = call;
    return 0;
}

struct call *store_call_free(struct call *call)
{
    if (call) {
        for (size_t i = 0; i < call->n_parameters; i++) {
            free(call->parameters[i]);
        }
        free(call->made_sql);
        free(call);
    }
    return NULL;
}

static void latch(struct call *call, int code)
{
    call->failed = call->failed < 0 ? call->failed : code;
}

void store_call_text(struct call *call, const char *text)
{
    assert(call->n_parameters < CALL_MAX_PARAMETERS);
    if (!text) {
        call->n_parameters++;
        return;
    }
    size_t size = strlen(text);
    if (!utf8_valid(text, size)) {
        latch(call, -EINVAL);
        return;
    }
    char *copy = strdup(text);
    if (!copy) {
        latch(call, -ENOMEM);
        return;
    }
    call->parameters[call->n_parameters++] = copy;
    call->bytes += size;
}

void store_call_number(struct call *call, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, number);
    store_call_text(call, text);
}

void store_call_count(struct call *call, uint64_t count)
{
    if (count > INT64_MAX) {
        latch(call, -EINVAL);
    }
    store_call_number(call, (int64_t)count);
}

void store_call_bool(struct call *call, bool value)
{
    store_call_text(call, value ? "t" : "f");
}

void store_call_date(struct call *call, uint64_t realtime_usec)
{
    if (realtime_usec == 0) {
        store_call_text(call, NULL);
    } else {
        store_call_count(call, realtime_usec);
    }
}

int store_call(struct store_postgres *store, struct call **call_)
{
    _cleanup_(store_call_freep) struct call *call = TAKE_PTR(*call_);
    struct lane *lane = &store->lanes[call->lane_name];
    int r = call->failed < 0 ? call->failed : store_postgres_may_wait(store, call->bytes);

    if (r < 0) {
        return r;
    }
    call->lane = lane;
    call->number = ++store->last_number;
    store->bytes += call->bytes;
    store->waiting += !call->is_ours;
    *lane->end = call;
    lane->end = &call->next;
    if (!lane->unsent) {
        lane->unsent = call;
    }
    store_calls_send(lane);
    call = NULL; /* the lane's */
    return 0;
}

/* ---- answers ---- */

static void take_out(struct lane *lane, struct call *call)
{
    struct call **at = &lane->first;

    while (*at != call) {
        at = &(*at)->next;
    }
    *at = call->next;
    if (!*at) {
        lane->end = at;
    }
    lane->store->bytes -= call->bytes;
    lane->store->waiting -= !call->is_ours;
}

static const char *refusal(const struct call *call, int code, const struct pq_result *result)
{
    return code == -ENOENT && call->run_id[0] ? "there is no such run in the database"
                                              : pq_result_text(result);
}

static void on_answer(const struct pq_result *result, void *context)
{
    struct call *call = context;
    struct lane *lane = call->lane;
    int code = pq_result_code(result);

    lane->in_flight--;
    bool given_up = code == -ETIMEDOUT && call->attempts >= MAX_ATTEMPTS;
    if (store_is_temporary(code) && !given_up) {
        if (code != -ECONNRESET) {
            pq_reset(lane->pq, pq_result_text(result));
        }
        return; /* store_calls_lost() has it sent again */
    }
    take_out(lane, call);
    const struct store_answer failure = {
        .result = code, .reason = refusal(call, code, result), .run_id = ""};
    if (call->answered) {
        call->answered(lane->store, call, result, code < 0 ? &failure : NULL);
    }
    store_call_free(call);
    store_postgres_go(lane->store);
}

void store_answer_done(struct store_postgres *store _unused_, const struct call *call,
                       const struct pq_result *result, const struct store_answer *failure)
{
    static const struct store_answer good = {.reason = "", .run_id = ""};
    static const struct store_answer none = {
        .result = -ENOENT, .reason = "there is no such run in the database", .run_id = ""};

    if (!call->done) {
        return;
    }
    bool missing = !failure && pq_result_rows(result) + pq_result_affected(result) == 0;
    call->done(failure                                      ? failure
               : missing && call->run_id[0] && call->writes ? &none
                                                            : &good,
               call->context);
}

/* ---- sending ---- */

static bool about_the_same(const struct call *a, const struct call *b)
{
    return strcmp(a->run_id, b->run_id) == 0 &&
           (a->source < 0 || b->source < 0 || a->source == b->source);
}

static bool must_wait(const struct lane *lane, const struct call *call)
{
    const struct batch *batch = lane->store->first_batch;

    if (lane->in_flight >= MAX_IN_FLIGHT ||
        (call->after_results && batch && batch->number < call->number)) {
        return true;
    }
    for (const struct call *older = lane->first; call->writes && older != call;
         older = older->next) {
        if (older->writes && about_the_same(older, call)) {
            return true;
        }
    }
    return false;
}

static int send_call(struct lane *lane, struct call *call)
{
    if (call->tells_repetition) {
        call->parameters[call->n_parameters - 1][0] = call->attempts > 0 ? 't' : 'f';
    }
    int r = pq_query(lane->pq, call->sql, (const char *const *)call->parameters, call->n_parameters,
                     on_answer, call);
    if (r == 0) {
        call->attempts++;
        lane->in_flight++;
    }
    return r;
}

void store_calls_send(struct lane *lane)
{
    while (lane->ready && lane->store->is_up && pq_is_up(lane->pq) && lane->unsent &&
           !must_wait(lane, lane->unsent)) {
        if (send_call(lane, lane->unsent) < 0) {
            return; /* no memory, or too much in pq's queue: the next answer or digest tries again
                     */
        }
        lane->unsent = lane->unsent->next;
    }
}

void store_calls_lost(struct lane *lane)
{
    lane->unsent = lane->first;
}

void store_calls_clear(struct lane *lane)
{
    while (lane->first) {
        struct call *next = lane->first->next;
        store_call_free(lane->first);
        lane->first = next;
    }
}

bool store_calls_hold_results(const struct store_postgres *store, uint64_t number)
{
    for (const struct call *call = store->lanes[LANE_CONTROL].first; call && call->number < number;
         call = call->next) {
        if (call->before_results) {
            return true;
        }
    }
    return false;
}
