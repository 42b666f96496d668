/* SPDX-License-Identifier: MPL-2.0 */
/* Runs that are on and the last that are over are in memory; all others only the store has, and it
 * alone knows whether the beginning of an id is one run's. While it is away, memory has to do. */
#include "inquiry.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "keep.h"
#include "keys.h"

struct inquiry *inquiry_new(struct broker *broker, const struct request *request)
{
    struct inquiry *inquiry = calloc(1, sizeof *inquiry);

    if (!inquiry) {
        frontend_answer(broker, &request->asker, NULL);
        return NULL;
    }
    inquiry->broker = broker;
    inquiry->asker = request->asker;
    inquiry->caller = request->caller;
    inquiry->json = json_incref((json_t *)request->json); /* it is counted, not changed */
    inquiry->next = broker->inquiries;
    if (inquiry->next) {
        inquiry->next->previous = inquiry;
    }
    broker->inquiries = inquiry;
    return inquiry;
}

static void drop(struct inquiry *inquiry)
{
    *(inquiry->previous ? &inquiry->previous->next : &inquiry->broker->inquiries) = inquiry->next;
    if (inquiry->next) {
        inquiry->next->previous = inquiry->previous;
    }
    json_decref(inquiry->json);
    free(inquiry);
}

void inquiries_clear(struct broker *broker)
{
    while (broker->inquiries) {
        drop(broker->inquiries);
    }
}

/* ---- answers ---- */

void inquiry_answer(struct inquiry *inquiry, json_t *result)
{
    frontend_answer(inquiry->broker, &inquiry->asker, result);
    drop(inquiry);
}

void inquiry_refuse(struct inquiry *inquiry, const char *code, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    frontend_refuse(inquiry->broker, &inquiry->asker, code, "%s", text);
    drop(inquiry);
}

void inquiry_fail(struct inquiry *inquiry, int r)
{
    if (r == -ENOMEM) {
        inquiry_answer(inquiry, NULL);
    } else {
        inquiry_refuse(inquiry, "database", "the database can't be asked: %s",
                       r == -EAGAIN ? "too much waits for it" : strerror(-r));
    }
}

void inquiry_deny(struct inquiry *inquiry, const struct store_answer *answer)
{
    const char *id = inquiry->run_id[0]
                         ? inquiry->run_id
                         : json_string_value(json_object_get(inquiry->json, "run_id"));

    if (answer->result == -ENOENT) {
        inquiry_refuse(inquiry, "unknown-run", "there is no run %.60s", id ? id : "");
    } else if (answer->result == -ENOTUNIQ) {
        inquiry_refuse(inquiry, "ambiguous-run", "several runs have ids that begin with %.60s",
                       id ? id : "");
    } else {
        inquiry_refuse(inquiry, "database", "%s", answer->reason);
    }
}

/* ---- which run ---- */

bool inquiry_may_look(struct broker *broker, const struct asker *asker)
{
    const char *trouble = store_trouble(broker->store);

    if (!broker->loaded) {
        frontend_refuse(broker, asker, "database",
                        "the broker has not read its runs back from the database yet%s%s",
                        *trouble ? ": " : "", trouble);
    }
    return broker->loaded;
}

static void on_looked_up(const struct store_answer *answer, void *context)
{
    struct inquiry *inquiry = context;

    if (answer->result < 0) {
        inquiry_deny(inquiry, answer);
        return;
    }
    (void)snprintf(inquiry->run_id, sizeof inquiry->run_id, "%s", answer->run_id);
    struct run *run = runs_find(inquiry->broker->runs, inquiry->run_id);
    if (run && run->state == RUN_NEW) { /* nobody was told of it */
        inquiry_deny(inquiry, &(struct store_answer){.result = -ENOENT});
    } else {
        inquiry->found(inquiry, run);
    }
}

/* In memory, or refused. */
static void look_here(struct inquiry *inquiry, const char *id)
{
    struct store *store = inquiry->broker->store;
    struct run *run = NULL;
    int r = *id ? runs_find_prefix(inquiry->broker->runs, id, &run) : -ENOENT;

    if (r == 0) {
        memcpy(inquiry->run_id, run->run_id, sizeof inquiry->run_id);
        inquiry->found(inquiry, run);
    } else if (r == -ENOENT && !store_is_up(store)) {
        inquiry_refuse(inquiry, "database", "whether there is a run %.60s can't be looked up: %s",
                       id, store_trouble(store));
    } else {
        inquiry_deny(inquiry, &(struct store_answer){.result = r});
    }
}

/* NULL: it is refused already. */
static struct inquiry *begin(struct broker *broker, const struct request *request)
{
    struct error error = {0};
    const char *id;

    if (!inquiry_may_look(broker, &request->asker)) {
        return NULL;
    }
    if (keys_text(request->json, "run_id", &id, &error) < 0) {
        frontend_refuse(broker, &request->asker, "bad-request", "%s", error.text);
        return NULL;
    }
    return inquiry_new(broker, request);
}

static void look(struct inquiry *inquiry, void (*found)(struct inquiry *inquiry, struct run *run))
{
    struct broker *broker = inquiry->broker;
    const char *id = json_string_value(json_object_get(inquiry->json, "run_id"));
    const struct run *run = runs_find(broker->runs, id);
    bool here = run || !*id || !store_keeps(broker->store) || !store_is_up(broker->store);

    inquiry->found = found;
    int r = here ? 0 : store_find_run(broker->store, id, on_looked_up, inquiry);
    if (here) {
        look_here(inquiry, id);
    } else if (r == -EINVAL) { /* no beginning of an id */
        inquiry_deny(inquiry, &(struct store_answer){.result = -ENOENT});
    } else if (r < 0) {
        inquiry_fail(inquiry, r);
    }
}

void inquiry_begin(struct broker *broker, const struct request *request,
                   void (*found)(struct inquiry *inquiry, struct run *run))
{
    struct inquiry *inquiry = begin(broker, request);

    if (inquiry) {
        look(inquiry, found);
    }
}

/* ---- whose run ---- */

static const char *command_of(const struct inquiry *inquiry)
{
    return json_string_value(json_object_get(inquiry->json, "command")); /* it was found by it */
}

void inquiry_changed(const struct inquiry *inquiry, bool told)
{
    audit_accepted(inquiry->broker->audit, &inquiry->caller, command_of(inquiry),
                   (struct audit_subject){.run_id = inquiry->run_id[0] ? inquiry->run_id : NULL,
                                          .told = told});
}

static void change_if_own(struct inquiry *inquiry, struct run *run, const char *owner)
{
    const struct caller *caller = &inquiry->caller;

    if (*caller->name && owner && strcmp(owner, caller->name) == 0) {
        inquiry->change(inquiry, run);
        return;
    }
    audit_refused(inquiry->broker->audit, caller, command_of(inquiry),
                  (struct audit_subject){.run_id = inquiry->run_id},
                  "the run is not one of theirs");
    inquiry_refuse(inquiry, "not-allowed", "run %s is not one of '%s': that needs the role 'admin'",
                   inquiry->run_id, caller->name);
}

static void on_owner(const struct store_answer *answer, const struct store_record *const *records,
                     size_t count _unused_, void *context)
{
    struct inquiry *inquiry = context;
    json_auto_t *spec = NULL;

    if (answer->result < 0) {
        inquiry_deny(inquiry, answer);
        return;
    }
    const char *text = records[0]->run.spec;
    if (!text || wire_json_load(text, strlen(text), strlen(text), &spec, NULL) < 0) {
        spec = NULL; /* nobody's */
    }
    change_if_own(inquiry, NULL, json_string_value(json_object_get(spec, "user_id")));
}

static void found_to_change(struct inquiry *inquiry, struct run *run)
{
    int r = 0;

    if (inquiry->caller.role >= KEY_ADMIN) {
        inquiry->change(inquiry, run);
    } else if (run) {
        change_if_own(inquiry, run, run->spec->user_id);
    } else {
        r = store_load_run(inquiry->broker->store, inquiry->run_id, on_owner, inquiry);
    }
    if (r < 0) {
        inquiry_fail(inquiry, r);
    }
}

void inquiry_begin_change(struct broker *broker, const struct request *request,
                          void (*change)(struct inquiry *inquiry, struct run *run))
{
    struct inquiry *inquiry = begin(broker, request);

    if (inquiry) {
        inquiry->change = change;
        look(inquiry, found_to_change);
    }
}

/* ---- reports --------------------------------------------------------------------------------- */

/* Members come and go with the run, so their rows are made when asked. */
json_t *inquiry_report_of(const struct run *run, make_report *make)
{
    struct store_run row = keep_row_of(run);
    _cleanup_free_ struct store_source *sources = calloc(MAX(run->n_members, 1u), sizeof *sources);

    if (!sources) {
        return NULL;
    }
    for (unsigned i = 0; i < run->n_members; i++) {
        sources[i] = keep_source_of(run, &run->members[i]);
    }
    if (!run_state_is_over(run->state)) {
        row.state = run_state_word(run->state);
        row.active_usec = run_active_usec(run, clock_monotonic_usec());
    }
    return make(&(struct report){&row, sources, run->n_members, run->results, run->number});
}

static int report_record(const struct store_record *record, make_report *make, json_t **ret)
{
    _cleanup_(results_freep) struct results *results = NULL;
    int r = results_new(&results, (unsigned)record->n_sources);

    if (r == 0) {
        r = results_restore(results, record);
    }
    if (r == 0) {
        *ret = make(&(struct report){&record->run, record->sources, record->n_sources, results, 0});
    }
    return r;
}

static void on_loaded(const struct store_answer *answer, const struct store_record *const *records,
                      size_t count _unused_, void *context)
{
    struct inquiry *inquiry = context;
    json_t *json = NULL;

    if (answer->result < 0) {
        inquiry_deny(inquiry, answer);
        return;
    }
    int r = report_record(records[0], inquiry->make, &json);
    if (r == -EBADMSG) {
        inquiry_refuse(inquiry, "database", "what the database has of run %s doesn't fit together",
                       inquiry->run_id);
    } else {
        inquiry_answer(inquiry, json);
    }
}

void inquiry_report(struct inquiry *inquiry, const struct run *run, make_report *make)
{
    if (run) {
        inquiry_answer(inquiry, inquiry_report_of(run, make));
        return;
    }
    inquiry->make = make;
    int r = store_load_run(inquiry->broker->store, inquiry->run_id, on_loaded, inquiry);
    if (r < 0) {
        inquiry_fail(inquiry, r);
    }
}
