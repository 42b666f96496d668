/* SPDX-License-Identifier: MPL-2.0 */
/* A request is kept as it came and looked at from the beginning when its time has come, so that
 * there is one way in which runs are made. Clients of ours lose patience and ask again with the
 * same request_id: then the one that waits is theirs. */
#include "wake_wait.h"

#include <errno.h>
#include <string.h>

#include "scheduler.h"
#include "wake.h"

struct waiter {
    struct waiter *next;
    struct asker asker;
    struct caller caller;
    json_t *json;
    void *payload;
    size_t payload_size, bytes;
    size_t wanted;
    uint64_t end_usec;
};

struct wake_wait {
    struct wake *wake;
    struct waiter *first, **last; /* in the order in which they came */
    unsigned count;
    size_t bytes;
    uint64_t queue_usec; /* when agents may be woken for runs that are queued */
};

/* By a key that is called like the host in the address. */
static void identify(const char *address, void *context)
{
    const struct broker *broker = context;
    const char *host = address + strlen("tcp://"), *colon = strrchr(host, ':');
    const struct key_line *line =
        broker->key && colon ? authority_find_name(broker->authority, host, (size_t)(colon - host))
                             : NULL;

    mq_identify(broker->mq, line ? &broker->key->pair : NULL, line ? &line->public_key : NULL);
}

int wake_wait_new(struct wake_wait **ret, struct broker *broker)
{
    _cleanup_(wake_wait_freep) struct wake_wait *wait = calloc(1, sizeof *wait);

    if (!wait) {
        return -ENOMEM;
    }
    wait->last = &wait->first;
    int r = wake_new(&wait->wake, broker->mq, identify, broker);
    if (r == 0) {
        *ret = TAKE_PTR(wait);
    }
    return r;
}

static void waiter_free(struct waiter *waiter)
{
    json_decref(waiter->json);
    free(waiter->payload);
    free(waiter);
}

/* Takes the oldest out. */
static struct waiter *shift(struct wake_wait *wait)
{
    struct waiter *waiter = wait->first;

    wait->first = waiter->next;
    if (!wait->first) {
        wait->last = &wait->first;
    }
    wait->count--;
    wait->bytes -= waiter->bytes;
    return waiter;
}

struct wake_wait *wake_wait_free(struct wake_wait *wait)
{
    if (wait) {
        while (wait->first) {
            waiter_free(shift(wait));
        }
        wake_free(wait->wake);
        free(wait);
    }
    return NULL;
}

/* ---- waiting ---- */

static size_t count_free(const struct broker *broker)
{
    size_t count;
    struct agent *const *agents = registry_agents(broker->registry, &count);

    return scheduler_count_free(agents, count);
}

static struct waiter *find_same(const struct wake_wait *wait, const struct request *request)
{
    const json_t *id = json_object_get(request->json, "request_id");
    struct waiter *waiter = json_is_string(id) ? wait->first : NULL;

    while (waiter && !json_equal(id, json_object_get(waiter->json, "request_id"))) {
        waiter = waiter->next;
    }
    return waiter;
}

/* False: there is no room. */
static bool append(struct wake_wait *wait, const struct request *request, size_t wanted,
                   uint64_t now_usec)
{
    size_t bytes =
        request->payload_size + json_string_length(json_object_get(request->json, "filedata"));

    if (wait->count == WAKE_MAX_WAITING || bytes > WAKE_MAX_WAITING_BYTES - wait->bytes) {
        return false;
    }
    struct waiter *waiter = calloc(1, sizeof *waiter);
    void *payload = malloc(MAX(request->payload_size, (size_t)1));
    if (!waiter || !payload) {
        free(waiter);
        free(payload);
        return false;
    }
    if (request->payload) {
        memcpy(payload, request->payload, request->payload_size);
        waiter->payload = payload;
        waiter->payload_size = request->payload_size;
    } else {
        free(payload);
    }
    waiter->asker = request->asker;
    waiter->caller = request->caller;
    waiter->json = json_incref((json_t *)request->json);
    waiter->bytes = bytes;
    waiter->wanted = wanted;
    waiter->end_usec = now_usec + WAKE_USEC;
    *wait->last = waiter;
    wait->last = &waiter->next;
    wait->count++;
    wait->bytes += bytes;
    return true;
}

bool wake_wait(struct broker *broker, const struct request *request, size_t wanted,
               struct error *error)
{
    struct wake_wait *wait = broker->wake;
    const struct strlist *addresses = &broker->options->agents;
    uint64_t now_usec = clock_monotonic_usec();
    char text[ERROR_TEXT_BYTES / 2];

    if (request->has_waited) {
        wake_explain(wait->wake, text, sizeof text);
        char *refusal = strdup(error->text);
        if (refusal) {
            error_set(error, error->code, "%s%s", refusal, text);
            free(refusal);
        }
        return false;
    }
    struct waiter *same = find_same(wait, request);
    if (same) {
        same->asker = request->asker;
        return true;
    }
    if (count_free(broker) + wake_count(addresses, broker->registry) < wanted ||
        !append(wait, request, wanted, now_usec)) {
        return false;
    }
    wake_begin(wait->wake, addresses, broker->registry, now_usec);
    return true;
}

void wake_for_queue(struct broker *broker)
{
    struct wake_wait *wait = broker->wake;
    uint64_t now_usec = clock_monotonic_usec();

    if (now_usec >= wait->queue_usec) {
        wait->queue_usec = now_usec + WAKE_QUEUE_USEC;
        wake_begin(wait->wake, &broker->options->agents, broker->registry, now_usec);
    }
}

/* ---- and its end ---- */

static void submit_again(struct broker *broker, struct waiter *waiter)
{
    struct request request = {.asker = waiter->asker,
                              .json = waiter->json,
                              .payload = waiter->payload,
                              .payload_size = waiter->payload_size,
                              .caller = waiter->caller,
                              .has_waited = true};
    submit_run(broker, &request);
    waiter_free(waiter);
}

void wake_wait_tick(struct broker *broker)
{
    struct wake_wait *wait = broker->wake;
    uint64_t now_usec = clock_monotonic_usec();

    wake_tick(wait->wake, broker->registry, now_usec);
    for (unsigned n = wait->count; n > 0; n--) { /* each once */
        struct waiter *waiter = shift(wait);
        if (!wake_is_on(wait->wake) || now_usec >= waiter->end_usec ||
            count_free(broker) >= waiter->wanted) {
            submit_again(broker, waiter);
            continue;
        }
        waiter->next = NULL;
        *wait->last = waiter;
        wait->last = &waiter->next;
        wait->count++;
        wait->bytes += waiter->bytes;
    }
}
