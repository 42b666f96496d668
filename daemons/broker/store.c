/* SPDX-License-Identifier: MPL-2.0 */
/* The store as the broker sees it: says which way of keeping runs it is, checks what all of them
 * want checked, and passes calls on. */
#include "store.h"

#include <errno.h>
#include <string.h>

#include "store_kind.h"

int store_new(struct store **ret, struct ev_loop *loop, const struct store_options *options,
              struct error *error)
{
    return strcmp(options->database, "none") == 0 ? store_none_new(ret, loop, options, error)
                                                  : store_postgres_new(ret, loop, options, error);
}

struct store *store_free(struct store *store)
{
    return store ? store->kind->free(store) : NULL;
}

bool store_is_up(const struct store *store)
{
    return store->kind->is_up(store);
}

const char *store_trouble(const struct store *store)
{
    return store->kind->trouble(store);
}

bool store_keeps(const struct store *store)
{
    return store->kind->keeps;
}

size_t store_waiting(const struct store *store)
{
    return store->kind->waiting(store);
}

int store_run_add(struct store *store, const struct store_run *run, store_done *done, void *context)
{
    return store->kind->run_add(store, run, done, context);
}

int store_run_update(struct store *store, const struct store_run *run, store_done *done,
                     void *context)
{
    return store->kind->run_update(store, run, done, context);
}

int store_source_put(struct store *store, const char *run_id, const struct store_source *source,
                     store_done *done, void *context)
{
    return store->kind->source_put(store, run_id, source, done, context);
}

int store_results(struct store *store, const struct store_batch *batch, store_done *done,
                  void *context)
{
    return store->kind->results(store, batch, done, context);
}

int store_log(struct store *store, const char *run_id, unsigned source, int worker,
              const char *text, size_t size, store_done *done, void *context)
{
    size_t kept = MIN(size, (size_t)STORE_MAX_LOG_BYTES);

    return store->kind->log(store, run_id, source, worker, text, kept, done, context);
}

int store_event(struct store *store, const char *run_id, const char *kind, int source,
                const char *message, const char *details, store_done *done, void *context)
{
    return store->kind->event(store, run_id, kind, source, message, details, done, context);
}

int store_audit(struct store *store, const struct store_audit *audit)
{
    return store->kind->audit(store, audit);
}

int store_load_active(struct store *store, store_loaded *loaded, void *context)
{
    return store->kind->load_active(store, loaded, context);
}

int store_load_run(struct store *store, const char *run_id, store_loaded *loaded, void *context)
{
    return store->kind->load_run(store, run_id, loaded, context);
}

int store_list_runs(struct store *store, unsigned limit, bool active_only, store_loaded *loaded,
                    void *context)
{
    if (limit == 0 || limit > STORE_MAX_RUNS) {
        return -EINVAL;
    }
    return store->kind->list_runs(store, limit, active_only, loaded, context);
}

int store_find_run(struct store *store, const char *prefix, store_done *done, void *context)
{
    return store->kind->find_run(store, prefix, done, context);
}

int store_delete_run(struct store *store, const char *run_id, store_done *done, void *context)
{
    return store->kind->delete_run(store, run_id, done, context);
}

int store_load_logs(struct store *store, const char *run_id, const char *agent_id,
                    store_logs_loaded *loaded, void *context)
{
    return store->kind->load_logs(store, run_id, agent_id, loaded, context);
}

int store_load_details(struct store *store, const char *run_id, const char *data_type, bool grouped,
                       uint64_t start, uint64_t size, store_json_loaded *loaded, void *context)
{
    if (start > INT64_MAX || size > STORE_MAX_DETAILS) {
        return -EINVAL;
    }
    return store->kind->load_details(store, run_id, data_type, grouped, start, size, loaded,
                                     context);
}

int store_load_timeline(struct store *store, const char *run_id, uint64_t start, uint64_t size,
                        store_json_loaded *loaded, void *context)
{
    if (start > INT32_MAX || size > STORE_MAX_SECONDS) {
        return -EINVAL;
    }
    return store->kind->load_timeline(store, run_id, start, size, loaded, context);
}

int store_ask(struct store *store, enum store_question question,
              const char *const words[static STORE_MAX_WORDS], store_json_loaded *loaded,
              void *context)
{
    return store->kind->ask(store, question, words, loaded, context);
}

int store_record_restore(const struct store_record *record, struct names *names,
                         struct totals *totals)
{
    for (size_t i = 0; i < record->n_names; i++) {
        const struct store_name *name = &record->names[i];
        if (names_id(names, name->kind, name->text, strlen(name->text)) != name->id) {
            return -EBADMSG;
        }
    }
    return totals_add(totals, record->totals);
}
