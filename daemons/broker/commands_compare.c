/* SPDX-License-Identifier: MPL-2.0 */
/* Runs held against each other, and the names of those that others are held against. All of it is
 * the database's: what is asked and answered here is only passed on. */
#include <errno.h>
#include <string.h>

#include "commands.h"
#include "inquiry.h"
#include "keys.h"

/* The JSON of an answer, or NULL: the inquiry is refused. */
static json_t *take(struct inquiry *inquiry, const struct store_answer *answer, const char *text)
{
    json_t *json = NULL;

    if (answer->result < 0) {
        inquiry_refuse(inquiry, "database", "%s", answer->reason);
        return NULL;
    }
    if (wire_json_load_any(text, strlen(text), &json, NULL) < 0) {
        inquiry_answer(inquiry, NULL);
        return NULL;
    }
    const char *trouble = json_string_value(json_object_get(json, "trouble"));
    const char *code = json_string_value(json_object_get(json, "code"));
    if (trouble && code) {
        inquiry_refuse(inquiry, code, "%s", trouble);
        json_decref(json);
        return NULL;
    }
    return json;
}

static void on_answer(const struct store_answer *answer, const char *text, void *context)
{
    struct inquiry *inquiry = context;
    json_t *json = take(inquiry, answer, text);

    if (json) {
        inquiry_answer(inquiry, json);
    }
}

/* NULL: it is refused already. */
static struct inquiry *begin(struct broker *broker, const struct request *request)
{
    if (!inquiry_may_look(broker, &request->asker)) {
        return NULL;
    }
    if (!store_keeps(broker->store)) {
        frontend_refuse(broker, &request->asker, "database",
                        "the broker has no database, where runs are compared");
        return NULL;
    }
    return inquiry_new(broker, request);
}

static void ask(struct inquiry *inquiry, enum store_question question,
                const char *const words[static STORE_MAX_WORDS], store_json_loaded *loaded)
{
    int r = store_ask(inquiry->broker->store, question, words, loaded, inquiry);

    if (r == -EINVAL) {
        inquiry_refuse(inquiry, "bad-request", "a text is longer than may be, or no UTF-8");
    } else if (r < 0) {
        inquiry_fail(inquiry, r);
    }
}

/* ---- comparing ---- */

/* What is said of runs is stored in its order where the first question is asked, so it sees that a
 * run is over which just ended. The second takes long, and is asked where that stops nobody. */
static void on_comparable(const struct store_answer *answer, const char *text, void *context)
{
    struct inquiry *inquiry = context;
    json_auto_t *runs = take(inquiry, answer, text);

    if (runs) {
        const char *words[STORE_MAX_WORDS] = {json_string_value(json_object_get(runs, "a")),
                                              json_string_value(json_object_get(runs, "b"))};
        ask(inquiry, STORE_COMPARISON, words, on_answer);
    }
}

void command_compare(struct broker *broker, const struct request *request)
{
    const char *words[STORE_MAX_WORDS] = {NULL};
    struct error error = {0};

    if (keys_text(request->json, "a", &words[0], &error) < 0 ||
        keys_text(request->json, "b", &words[1], &error) < 0) {
        frontend_refuse(broker, &request->asker, "bad-request", "%s", error.text);
        return;
    }
    struct inquiry *inquiry = begin(broker, request);
    if (inquiry) {
        ask(inquiry, STORE_COMPARABLE, words, on_comparable);
    }
}

/* ---- baselines ---- */

void command_baselines(struct broker *broker, const struct request *request)
{
    const char *words[STORE_MAX_WORDS] = {NULL};
    struct inquiry *inquiry = begin(broker, request);

    if (inquiry) {
        ask(inquiry, STORE_BASELINES, words, on_answer);
    }
}

/* The name is one of a baseline: it was set or removed. */
static void tell_changed(const struct inquiry *inquiry)
{
    const char *run_id = inquiry->run_id[0] ? inquiry->run_id : NULL;
    char who[CALLER_TEXT_BYTES];

    broker_log(LOG_INFO, run_id, NULL, "baseline '%s' %s%s by %s",
               json_string_value(json_object_get(inquiry->json, "name")),
               run_id ? "is run " : "removed", run_id ? run_id : "",
               authority_describe(&inquiry->caller, who));
    inquiry_changed(inquiry, true);
}

static void on_changed(const struct store_answer *answer, const char *text, void *context)
{
    struct inquiry *inquiry = context;
    json_t *json = take(inquiry, answer, text);

    if (json) {
        tell_changed(inquiry);
        inquiry_answer(inquiry, json);
    }
}

static void set(struct inquiry *inquiry, struct run *run _unused_)
{
    const char *who = inquiry->caller.name;
    const char *words[STORE_MAX_WORDS] = {json_string_value(json_object_get(inquiry->json, "name")),
                                          inquiry->run_id, *who ? who : NULL};

    if (!store_keeps(inquiry->broker->store)) {
        inquiry_refuse(inquiry, "database", "the broker has no database, where runs are compared");
        return;
    }
    ask(inquiry, STORE_BASELINE_SET, words, on_changed);
}

void command_baseline_set(struct broker *broker, const struct request *request)
{
    struct error error = {0};
    const char *name;

    if (keys_text(request->json, "name", &name, &error) < 0) {
        frontend_refuse(broker, &request->asker, "bad-request", "%s", error.text);
        return;
    }
    inquiry_begin_change(broker, request, set);
}

void command_baseline_remove(struct broker *broker, const struct request *request)
{
    const char *words[STORE_MAX_WORDS] = {NULL};
    struct error error = {0};

    if (keys_text(request->json, "name", &words[0], &error) < 0) {
        frontend_refuse(broker, &request->asker, "bad-request", "%s", error.text);
        return;
    }
    struct inquiry *inquiry = begin(broker, request);
    if (inquiry) {
        ask(inquiry, STORE_BASELINE_REMOVE, words, on_changed);
    }
}
