/* SPDX-License-Identifier: MPL-2.0 */
/* Questions that a function of the schema answers, as JSON: what is worked out of a run's numbers
 * is worked out there, where everybody can ask for it. */
#include <errno.h>

#include "store_postgres.h"

static const struct {
    const char *sql;
    size_t n_words;
    enum lane_name lane; /* what takes long is a chore */
    bool writes;
} questions[] = {
    [STORE_COMPARABLE] = {"SELECT loads.compare_find($1, $2)", 2, LANE_CONTROL, false},
    [STORE_COMPARISON] = {"SELECT loads.compare_document($1, $2)", 2, LANE_CHORES, false},
    [STORE_BASELINES] =
        {"SELECT coalesce(json_agg(json_build_object('name', b.name, 'run_id',"
         " b.run_id, 'run_name', r.name, 'set_at', to_char(b.set_at,"
         " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), 'set_by', b.set_by) ORDER BY b.name),"
         " '[]') FROM loads.baselines AS b JOIN loads.runs AS r USING (run_id)",
         0, LANE_CONTROL, false},
    [STORE_BASELINE_SET] = {"SELECT loads.baseline_set($1, $2, $3)", 3, LANE_CONTROL, true},
    [STORE_BASELINE_REMOVE] = {"SELECT loads.baseline_remove($1)", 1, LANE_CONTROL, true},
};

static void answer(struct store_postgres *store _unused_, const struct call *call,
                   const struct pq_result *result, const struct store_answer *failure)
{
    static const struct store_answer good = {.reason = "", .run_id = ""};

    call->json_loaded(failure ? failure : &good, failure ? "{}" : pq_result_value(result, 0, 0),
                      call->context);
}

int store_postgres_ask(struct store *base, enum store_question question, const char *const *words,
                       store_json_loaded *loaded, void *context)
{
    _cleanup_(store_call_freep) struct call *call = NULL;
    int r = store_call_new(&call, questions[question].lane, questions[question].sql, "");

    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < questions[question].n_words; i++) {
        store_call_text(call, words[i]);
    }
    call->writes = questions[question].writes;
    call->answered = answer;
    call->json_loaded = loaded;
    call->context = context;
    return store_call(store_postgres_of(base), &call);
}
