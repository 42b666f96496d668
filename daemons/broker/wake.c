/* SPDX-License-Identifier: MPL-2.0 */
/* A socket for each address, made for the call and gone after it: libzmq connects when it can, and
 * sends what waits then. An address that nobody listens on costs nothing but its line in the log.
 */
#include "wake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "loop/mq_address.h"
#include "wake_find.h"
#include "wire/json.h"

#define MAX_ANSWER_BYTES 4096
#define MAX_NAMED        5 /* addresses in an explanation */

enum outcome { SILENT, COMING, ELSEWHERE, HERE, LEAVING, STRANGE, OUTCOMES };

/* What is said of those that did not come. */
static const char *const words[OUTCOMES] = {
    [SILENT] = "no agent answers at",
    [COMING] = "not registered in time: the agent at",
    [ELSEWHERE] = "connected to another broker: the agent at",
    [HERE] = NULL,
    [LEAVING] = "about to leave: the agent at",
    [STRANGE] = "no agent is what answers at",
};

/* To one address. It stays when the call is over, until it is called again. */
struct call {
    struct call *next;
    struct mq_socket *socket; /* NULL: the call is over */
    uint64_t begun_usec;
    enum outcome outcome;
    bool said; /* that it does not answer */
    char address[];
};

struct wake {
    struct mq *mq;
    wake_identify *identify;
    void *context;
    struct call *calls;
    bool on;
    uint64_t end_usec;
};

int wake_new(struct wake **ret, struct mq *mq, wake_identify *identify, void *context)
{
    struct wake *wake = calloc(1, sizeof *wake);

    if (!wake) {
        return -ENOMEM;
    }
    wake->mq = mq;
    wake->identify = identify;
    wake->context = context;
    *ret = wake;
    return 0;
}

/* Takes the call that *at points to out. */
static void drop(struct call **at)
{
    struct call *call = *at;

    *at = call->next;
    mq_socket_free(call->socket);
    free(call);
}

struct wake *wake_free(struct wake *wake)
{
    if (wake) {
        while (wake->calls) {
            drop(&wake->calls);
        }
        free(wake);
    }
    return NULL;
}

/* ---- whom ---- */

bool wake_is_wanted(const char *address, const struct registry *registry)
{
    size_t count;
    struct agent *const *agents = registry_agents(registry, &count);

    for (size_t i = 0; i < count; i++) {
        if (!agents[i]->lost && strlist_has(&agents[i]->control, address)) {
            return false;
        }
    }
    return true;
}

/* Without memory some are missing. */
static void find(const struct strlist *addresses, struct strlist *ret)
{
    for (size_t i = 0; i < addresses->count; i++) {
        if (wake_is_pattern(addresses->items[i])) {
            (void)!wake_find(addresses->items[i], WAKE_MAX_ADDRESSES, ret); /* see above */
        }
    }
}

/* Names are counted, patterns aren't; what both are about counts once. */
size_t wake_count(const struct strlist *addresses, const struct registry *registry)
{
    _cleanup_(strlist_clear) struct strlist found = {0};
    size_t wanted = 0;

    find(addresses, &found);
    for (size_t i = 0; i < addresses->count; i++) {
        const char *address = addresses->items[i];
        wanted += !wake_is_pattern(address) && wake_is_wanted(address, registry) ? 1 : 0;
    }
    for (size_t i = 0; i < found.count; i++) {
        const char *address = found.items[i];
        wanted += !strlist_has(addresses, address) && wake_is_wanted(address, registry) ? 1 : 0;
    }
    return wanted;
}

/* ---- calling ---- */

static enum outcome read_outcome(const void *bytes, size_t size)
{
    json_auto_t *json = NULL;

    if (wire_json_load(bytes, size, MAX_ANSWER_BYTES, &json, NULL) < 0) {
        return STRANGE;
    }
    const json_t *result = json_object_get(json, "result");
    const json_t *connected = json_object_get(result, "connected");
    const json_t *draining = json_object_get(result, "draining");
    if (!json_is_boolean(connected) || !json_is_boolean(draining)) {
        return STRANGE;
    }
    return json_is_true(draining) ? LEAVING : json_is_true(connected) ? ELSEWHERE : COMING;
}

/* An empty frame, and JSON. */
static void on_answer(struct mq_socket *socket _unused_, const struct mq_message *message,
                      void *context)
{
    struct call *call = context;
    size_t size;
    const void *bytes = mq_message_bytes(message, mq_message_count(message) - 1, &size);

    call->outcome = read_outcome(bytes, size);
    call->said = call->said && call->outcome == STRANGE;
}

static int ask(struct wake *wake, struct call *call, struct error *error)
{
    static const char request[] = "{\"command\": \"WAKE\"}";
    struct mq_socket_options options = {.type = MQ_DEALER,
                                        .max_message_bytes = MAX_ANSWER_BYTES,
                                        .received = on_answer,
                                        .context = call};
    int r = mq_socket_new(&call->socket, wake->mq, &options, error);

    if (r == 0) {
        wake->identify(call->address, wake->context);
        r = mq_socket_connect(call->socket, call->address, error);
    }
    if (r == 0) {
        r = mq_socket_send_text(call->socket, NULL, 0, "", request, strlen(request));
        r = r < 0 ? error_set_errno(error, r, "%s", call->address) : 0;
    }
    return r;
}

/* The call to an address; NULL without memory. */
static struct call *get(struct wake *wake, const char *address)
{
    struct call **at = &wake->calls;
    size_t size = strlen(address) + 1;

    while (*at && strcmp((*at)->address, address) != 0) {
        at = &(*at)->next;
    }
    if (!*at) {
        *at = calloc(1, sizeof **at + size);
        if (*at) {
            memcpy((*at)->address, address, size);
        }
    }
    return *at;
}

/* One that says it is connected may mean a broker that was here before us: it finds out soon. */
static bool can_come(const struct call *call, uint64_t now_usec)
{
    bool soon = now_usec - call->begun_usec < WAKE_RETURN_USEC;

    return call->socket && (call->outcome == SILENT || call->outcome == COMING ||
                            (call->outcome == ELSEWHERE && soon));
}

static void begin(struct wake *wake, struct call *call, uint64_t now_usec)
{
    struct error error;

    call->socket = mq_socket_free(call->socket);
    call->outcome = SILENT;
    call->begun_usec = now_usec;
    if (ask(wake, call, &error) < 0) {
        call->socket = mq_socket_free(call->socket);
        if (!call->said) {
            log_warning("cannot wake an agent: %s", error.text);
        }
        call->said = true;
    }
}

static void begin_if_wanted(struct wake *wake, const char *address, const struct registry *registry,
                            uint64_t now_usec)
{
    struct call *call = wake_is_wanted(address, registry) ? get(wake, address) : NULL;

    if (call && !can_come(call, now_usec)) {
        begin(wake, call, now_usec);
    }
}

/* The socket's file may be what is left of an agent that was killed. */
static bool is_listened_on(const char *address)
{
    struct error error;

    return mq_address_check(address, &error) != 0;
}

void wake_begin(struct wake *wake, const struct strlist *addresses, const struct registry *registry,
                uint64_t now_usec)
{
    _cleanup_(strlist_clear) struct strlist found = {0};

    find(addresses, &found);
    for (struct call **at = &wake->calls; *at;) {
        const char *address = (*at)->address;
        bool named = strlist_has(addresses, address) || strlist_has(&found, address);
        if (named && wake_is_wanted(address, registry)) {
            at = &(*at)->next;
        } else {
            drop(at);
        }
    }
    for (size_t i = 0; i < addresses->count; i++) {
        if (!wake_is_pattern(addresses->items[i])) {
            begin_if_wanted(wake, addresses->items[i], registry, now_usec);
        }
    }
    for (size_t i = 0; i < found.count; i++) {
        if (is_listened_on(found.items[i])) {
            begin_if_wanted(wake, found.items[i], registry, now_usec);
        }
    }
    wake->on = wake->calls != NULL;
    wake->end_usec = now_usec + WAKE_USEC;
}

bool wake_is_on(const struct wake *wake)
{
    return wake->on;
}

/* ---- the end ---- */

static void note_silence(struct call *call, uint64_t now_usec)
{
    bool late = call->outcome == SILENT && now_usec - call->begun_usec >= WAKE_USEC;

    if (call->socket && !call->said && (late || call->outcome == STRANGE)) {
        call->said = true;
        log_warning("%s %s (agents)", words[call->outcome], call->address);
    }
}

void wake_tick(struct wake *wake, const struct registry *registry, uint64_t now_usec)
{
    bool on = false;

    if (!wake->on) {
        return;
    }
    for (struct call *call = wake->calls; call; call = call->next) {
        if (can_come(call, now_usec) && !wake_is_wanted(call->address, registry)) {
            call->outcome = HERE;
        }
        note_silence(call, now_usec);
        on = on || can_come(call, now_usec);
    }
    wake->on = on && now_usec < wake->end_usec;
    for (struct call *call = wake->calls; call && !wake->on; call = call->next) {
        call->socket = mq_socket_free(call->socket);
    }
}

static void add(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    (void)snprintf(text + used, size - used, "%s", more); /* cut is fine */
}

static void explain_outcome(const struct wake *wake, enum outcome outcome, char *text, size_t size)
{
    unsigned n = 0;
    char more[32];

    for (const struct call *call = wake->calls; call; call = call->next) {
        if (call->outcome != outcome || ++n > MAX_NAMED) {
            continue;
        }
        add(text, size, n > 1 ? ", " : "; ");
        if (n == 1) {
            add(text, size, words[outcome]);
            add(text, size, " ");
        }
        add(text, size, call->address);
    }
    if (n > MAX_NAMED) {
        (void)snprintf(more, sizeof more, " and %u more", n - MAX_NAMED);
        add(text, size, more);
    }
}

void wake_explain(const struct wake *wake, char *text, size_t size)
{
    text[0] = '\0';
    for (unsigned outcome = 0; outcome < OUTCOMES; outcome++) {
        if (words[outcome]) {
            explain_outcome(wake, (enum outcome)outcome, text, size);
        }
    }
}
