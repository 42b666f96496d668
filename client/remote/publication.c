/* SPDX-License-Identifier: MPL-2.0 */
/* Messages of the publisher. They tell how far a run is and no more: a message that can't be read,
 * or never comes, makes no number wrong, since results come from snapshots. */
#include "remote/publication.h"

#include <errno.h>
#include <string.h>

#include "remote/fields.h"

static const char *const types[] = {
    [PUBLICATION_LIVE] = "live",
    [PUBLICATION_LOG] = "log",
    [PUBLICATION_PROBLEM] = "problem",
    [PUBLICATION_DETACH] = "detach",
    [PUBLICATION_FINISHED] = "run-finished",
};

static enum publication_type find_type(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(types); i++) {
        if (strcmp(types[i], name) == 0) {
            return (enum publication_type)i;
        }
    }
    return PUBLICATION_OTHER;
}

static int decode_trend(const json_t *list, struct recent_numbers *ret, struct error *error)
{
    json_t *item;
    size_t index;

    if (json_array_size(list) > RECENT_TREND_SEC) {
        return error_set(error, -EBADMSG, "more than %d seconds", RECENT_TREND_SEC);
    }
    json_array_foreach(list, index, item)
    {
        if (!json_is_integer(item) || json_integer_value(item) < 0) {
            return error_set(error, -EBADMSG, "whole numbers, not negative, are expected");
        }
        ret->trend_usec[ret->n_trend++] = (uint64_t)json_integer_value(item);
    }
    return 0;
}

static int decode_recent(const json_t *json, struct recent_numbers *ret, struct error *error)
{
    const json_t *rate = json_object_get(json, "hits_per_sec"), *trend;

    int r = field_number(json, "p50_usec", &ret->p50_usec, error);
    if (r == 0) {
        r = field_number(json, "p95_usec", &ret->p95_usec, error);
    }
    if (r == 0) {
        r = field_number(json, "p99_usec", &ret->p99_usec, error);
    }
    if (r == 0 && (!json_is_number(rate) || json_number_value(rate) < 0)) {
        r = error_set(error, -EBADMSG, "hits_per_sec: a number, not negative, is expected");
    }
    ret->hits_per_sec = json_number_value(rate);
    if (r == 0) {
        r = field_array(json, "p95_usec_by_second", &trend, error);
    }
    return r == 0 ? decode_trend(trend, ret, error) : r;
}

/* What came later than the rest: older brokers don't tell it. */
static int decode_watched(struct publication *live, struct error *error)
{
    const json_t *recent = json_object_get(live->json, "recent");

    int r = field_number(live->json, "agents", &live->agents, error);
    live->lost = json_array_size(json_object_get(live->json, "lost"));
    if (r == 0) {
        r = field_text(live->json, "last_error", &live->last_error, error);
    }
    if (r == 0 && recent) {
        live->has_recent = true;
        r = decode_recent(recent, &live->recent, error);
        return r < 0 ? error_prefix(error, r, "recent") : 0;
    }
    return r;
}

static int decode_live(struct publication *live, struct error *error)
{
    const struct {
        const char *key;
        uint64_t *number;
    } numbers[] = {
        {"number", &live->number}, {"cycle", &live->cycle},
        {"cycles", &live->cycles}, {"users", &live->users},
        {"hits", &live->hits},     {"elapsed_usec", &live->elapsed_usec},
        {"errors", &live->errors}, {"failures", &live->failures},
    };
    const json_t *done = json_object_get(live->json, "done");
    int r = field_required_text(live->json, "state", &live->state, error);

    for (size_t i = 0; r == 0 && i < ELEMENTSOF(numbers); i++) {
        r = field_number(live->json, numbers[i].key, numbers[i].number, error);
    }
    if (r == 0 && done && !json_is_number(done)) {
        r = error_set(error, -EBADMSG, "done: a number is expected");
    }
    live->done = json_number_value(done);
    return r == 0 ? decode_watched(live, error) : r;
}

static int decode_text(struct publication *publication, struct error *error)
{
    int r = field_required_text(publication->json, "text", &publication->text, error);
    return r == 0 ? field_text(publication->json, "agent_id", &publication->agent_id, error) : r;
}

int publication_decode(const void *bytes, size_t size, struct publication *ret, struct error *error)
{
    struct publication publication = {.type = PUBLICATION_OTHER};
    const char *type;

    int r = wire_json_load(bytes, size, PUBLICATION_MAX_BYTES, &publication.json, error);
    if (r == 0) {
        r = field_required_text(publication.json, "data_type", &type, error);
    }
    if (r == 0) {
        publication.type = find_type(type);
    }
    if (r == 0 && publication.type == PUBLICATION_LIVE) {
        r = decode_live(&publication, error);
    } else if (r == 0 &&
               (publication.type == PUBLICATION_LOG || publication.type == PUBLICATION_PROBLEM)) {
        r = decode_text(&publication, error);
    } else if (r == 0 && publication.type == PUBLICATION_FINISHED) {
        r = field_required_text(publication.json, "state", &publication.state, error);
    }
    if (r < 0) {
        publication_clear(&publication);
        return r;
    }
    *ret = publication;
    return 0;
}

void publication_clear(struct publication *publication)
{
    json_decref(publication->json);
    *publication = (struct publication){.type = PUBLICATION_OTHER};
}

/* ---- the socket ---- */

struct subscription {
    struct mq_socket *socket;
    struct subscription_callbacks callbacks;
};

static void on_received(struct mq_socket *socket _unused_, const struct mq_message *message,
                        void *context)
{
    struct subscription *subscription = context;
    struct publication publication;
    size_t size;
    const void *bytes = mq_message_bytes(message, 1, &size);

    if (!bytes) {
        subscription->callbacks.welcome(subscription->callbacks.context);
    } else if (publication_decode(bytes, size, &publication, NULL) == 0) {
        subscription->callbacks.published(&publication, subscription->callbacks.context);
        publication_clear(&publication);
    }
}

int subscription_new(struct subscription **ret, struct mq *mq, const char *address,
                     const char *run_id, const struct subscription_callbacks *callbacks,
                     struct error *error)
{
    _cleanup_(subscription_freep) struct subscription *subscription =
        calloc(1, sizeof *subscription);
    const struct mq_socket_options options = {
        .type = MQ_SUB,
        .max_message_bytes = PUBLICATION_MAX_BYTES,
        .received = on_received,
        .context = subscription,
    };

    if (!subscription) {
        return error_set_errno(error, -ENOMEM, "cannot subscribe to the run");
    }
    subscription->callbacks = *callbacks;
    int r = mq_socket_new(&subscription->socket, mq, &options, error);
    if (r < 0) {
        return r;
    }
    r = mq_socket_subscribe(subscription->socket, run_id, strlen(run_id));
    if (r == 0) {
        r = mq_socket_subscribe(subscription->socket, MQ_WELCOME, strlen(MQ_WELCOME));
    }
    if (r < 0) {
        return error_set_errno(error, r, "cannot subscribe to the run");
    }
    r = mq_socket_connect(subscription->socket, address, error);
    if (r == 0) {
        *ret = TAKE_PTR(subscription);
    }
    return r;
}

struct subscription *subscription_free(struct subscription *subscription)
{
    if (subscription) {
        mq_socket_free(subscription->socket);
        free(subscription);
    }
    return NULL;
}
