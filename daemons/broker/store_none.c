/* SPDX-License-Identifier: MPL-2.0 */
/* `database = none`: nothing is kept. Calls are answered like those of a store that keeps, in their
 * order and a turn of the loop later, so that nobody depends on who is behind store.h. */
#include <errno.h>

#include "store_kind.h"

enum answer { ANSWER_DONE, ANSWER_LOADED, ANSWER_LOGS, ANSWER_JSON };

struct call {
    struct call *next;
    enum answer answer;
    int result;
    void *context;
    union {
        store_done *done;
        store_loaded *loaded;
        store_logs_loaded *logs;
        store_json_loaded *json;
    };
};

struct none {
    struct store store;
    struct ev_loop *loop;
    struct store_callbacks callbacks;
    ev_timer turn;
    struct call *first, **last;
    size_t waiting;
    bool told; /* that it is up */
};

static struct none *none_of(struct store *store)
{
    return CONTAINER_OF(store, struct none, store);
}

static void answer(const struct call *call)
{
    struct store_answer text = {call->result, call->result < 0 ? "nothing is kept" : "", ""};

    switch (call->answer) {
    case ANSWER_DONE:
        call->done(&text, call->context);
        break;
    case ANSWER_LOADED:
        call->loaded(&text, NULL, 0, call->context);
        break;
    case ANSWER_LOGS:
        call->logs(&text, NULL, 0, call->context);
        break;
    case ANSWER_JSON:
        call->json(&text, NULL, call->context);
        break;
    }
}

/* Answers those that were there when the turn began. */
static void on_turn(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct none *none = timer->data;
    struct call *calls = none->first;

    none->first = NULL;
    none->last = &none->first;
    if (!none->told) {
        none->told = true;
        none->callbacks.up(none->callbacks.context);
    }
    while (calls) {
        _cleanup_free_ struct call *call = calls;
        calls = call->next;
        none->waiting--;
        answer(call);
    }
}

static int add(struct store *store, struct call call)
{
    struct none *none = none_of(store);

    if (call.answer == ANSWER_DONE && !call.done) {
        return 0;
    }
    if (none->waiting == STORE_MAX_CALLS) {
        return -EAGAIN;
    }
    struct call *added = malloc(sizeof *added);
    if (!added) {
        return -ENOMEM;
    }
    *added = call;
    *none->last = added;
    none->last = &added->next;
    none->waiting++;
    if (!ev_is_active(&none->turn)) {
        ev_timer_start(none->loop, &none->turn);
    }
    return 0;
}

static int add_done(struct store *store, int result, store_done *done, void *context)
{
    return add(
        store,
        (struct call){.answer = ANSWER_DONE, .result = result, .done = done, .context = context});
}

static int add_loaded(struct store *store, int result, store_loaded *loaded, void *context)
{
    return add(store, (struct call){.answer = ANSWER_LOADED,
                                    .result = result,
                                    .loaded = loaded,
                                    .context = context});
}

static struct store *none_free(struct store *store)
{
    struct none *none = none_of(store);

    ev_timer_stop(none->loop, &none->turn);
    while (none->first) {
        _cleanup_free_ struct call *call = none->first;
        none->first = call->next;
    }
    free(none);
    return NULL;
}

static bool none_is_up(const struct store *store _unused_)
{
    return true;
}

static const char *none_trouble(const struct store *store _unused_)
{
    return "";
}

static size_t none_waiting(const struct store *store)
{
    return CONTAINER_OF(store, const struct none, store)->waiting;
}

static int none_run(struct store *store, const struct store_run *run _unused_, store_done *done,
                    void *context)
{
    return add_done(store, 0, done, context);
}

static int none_source_put(struct store *store, const char *run_id _unused_,
                           const struct store_source *source _unused_, store_done *done,
                           void *context)
{
    return add_done(store, 0, done, context);
}

static int none_results(struct store *store, const struct store_batch *batch _unused_,
                        store_done *done, void *context)
{
    return add_done(store, 0, done, context);
}

static int none_log(struct store *store, const char *run_id _unused_, unsigned source _unused_,
                    int worker _unused_, const char *text _unused_, size_t size _unused_,
                    store_done *done, void *context)
{
    return add_done(store, 0, done, context);
}

static int none_event(struct store *store, const char *run_id _unused_, const char *kind _unused_,
                      int source _unused_, const char *message _unused_,
                      const char *details _unused_, store_done *done, void *context)
{
    return add_done(store, 0, done, context);
}

static int none_audit(struct store *store _unused_, const struct store_audit *audit _unused_)
{
    return 0;
}

static int none_load_active(struct store *store, store_loaded *loaded, void *context)
{
    return add_loaded(store, 0, loaded, context);
}

static int none_load_run(struct store *store, const char *run_id _unused_, store_loaded *loaded,
                         void *context)
{
    return add_loaded(store, -ENOENT, loaded, context);
}

static int none_list_runs(struct store *store, unsigned limit _unused_, bool active_only _unused_,
                          store_loaded *loaded, void *context)
{
    return add_loaded(store, 0, loaded, context);
}

static int none_find_run(struct store *store, const char *text _unused_, store_done *done,
                         void *context)
{
    return add_done(store, -ENOENT, done, context);
}

static int none_load_logs(struct store *store, const char *run_id _unused_,
                          const char *agent_id _unused_, store_logs_loaded *loaded, void *context)
{
    return add(store,
               (struct call){
                   .answer = ANSWER_LOGS, .result = -ENOENT, .logs = loaded, .context = context});
}

static int none_load_details(struct store *store, const char *run_id _unused_,
                             const char *data_type _unused_, bool grouped _unused_,
                             uint64_t start _unused_, uint64_t size _unused_,
                             store_json_loaded *loaded, void *context)
{
    return add(store,
               (struct call){
                   .answer = ANSWER_JSON, .result = -ENOENT, .json = loaded, .context = context});
}

static int none_load_timeline(struct store *store, const char *run_id _unused_,
                              uint64_t start _unused_, uint64_t size _unused_,
                              store_json_loaded *loaded, void *context)
{
    return none_load_details(store, NULL, NULL, false, 0, 0, loaded, context);
}

static int none_ask(struct store *store, enum store_question question _unused_,
                    const char *const *words _unused_, store_json_loaded *loaded, void *context)
{
    return none_load_details(store, NULL, NULL, false, 0, 0, loaded, context);
}

static const struct store_kind kind = {
    .free = none_free,
    .is_up = none_is_up,
    .trouble = none_trouble,
    .keeps = false,
    .waiting = none_waiting,
    .run_add = none_run,
    .run_update = none_run,
    .source_put = none_source_put,
    .results = none_results,
    .log = none_log,
    .event = none_event,
    .audit = none_audit,
    .load_active = none_load_active,
    .load_run = none_load_run,
    .list_runs = none_list_runs,
    .find_run = none_find_run,
    .delete_run = none_find_run,
    .load_logs = none_load_logs,
    .load_details = none_load_details,
    .load_timeline = none_load_timeline,
    .ask = none_ask,
};

int store_none_new(struct store **ret, struct ev_loop *loop, const struct store_options *options,
                   struct error *error)
{
    struct none *none = calloc(1, sizeof *none);
    if (!none) {
        return error_set_errno(error, -ENOMEM, "cannot make a store");
    }
    none->store.kind = &kind;
    none->loop = loop;
    none->callbacks = options->callbacks;
    none->last = &none->first;
    ev_timer_init(&none->turn, on_turn, 0, 0);
    none->turn.data = none;
    ev_timer_start(loop, &none->turn);
    *ret = &none->store;
    return 0;
}
