/* SPDX-License-Identifier: MPL-2.0 */
/* What a way of keeping runs has to offer: store.c checks arguments and passes the calls of store.h
 * on. */
#ifndef LOADS_BROKER_STORE_KIND_H
#define LOADS_BROKER_STORE_KIND_H

#include "store.h"

/* The functions are those of store.h, with its rules. Each implementation's own struct begins with
 * a struct store. */
struct store_kind {
    struct store *(*free)(struct store *store);
    bool (*is_up)(const struct store *store);
    const char *(*trouble)(const struct store *store);
    bool keeps;
    size_t (*waiting)(const struct store *store);
    int (*run_add)(struct store *store, const struct store_run *run, store_done *done,
                   void *context);
    int (*run_update)(struct store *store, const struct store_run *run, store_done *done,
                      void *context);
    int (*source_put)(struct store *store, const char *run_id, const struct store_source *source,
                      store_done *done, void *context);
    int (*results)(struct store *store, const struct store_batch *batch, store_done *done,
                   void *context);
    int (*log)(struct store *store, const char *run_id, unsigned source, int worker,
               const char *text, size_t size, store_done *done, void *context);
    int (*event)(struct store *store, const char *run_id, const char *kind, int source,
                 const char *message, const char *details, store_done *done, void *context);
    int (*audit)(struct store *store, const struct store_audit *audit);
    int (*load_active)(struct store *store, store_loaded *loaded, void *context);
    int (*load_run)(struct store *store, const char *run_id, store_loaded *loaded, void *context);
    int (*list_runs)(struct store *store, unsigned limit, bool active_only, store_loaded *loaded,
                     void *context);
    int (*find_run)(struct store *store, const char *prefix, store_done *done, void *context);
    int (*delete_run)(struct store *store, const char *run_id, store_done *done, void *context);
    int (*load_logs)(struct store *store, const char *run_id, const char *agent_id,
                     store_logs_loaded *loaded, void *context);
    int (*load_details)(struct store *store, const char *run_id, const char *data_type,
                        bool grouped, uint64_t start, uint64_t size, store_json_loaded *loaded,
                        void *context);
    int (*load_timeline)(struct store *store, const char *run_id, uint64_t start, uint64_t size,
                         store_json_loaded *loaded, void *context);
    int (*ask)(struct store *store, enum store_question question, const char *const *words,
               store_json_loaded *loaded, void *context);
};

struct store {
    const struct store_kind *kind;
};

int store_none_new(struct store **ret, struct ev_loop *loop, const struct store_options *options,
                   struct error *error) _must_check_;
int store_postgres_new(struct store **ret, struct ev_loop *loop,
                       const struct store_options *options, struct error *error) _must_check_;

#endif
