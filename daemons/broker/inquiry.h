/* SPDX-License-Identifier: MPL-2.0 */
/* A request that the store may have to be asked for. Each is answered once, by inquiry_answer() or
 * inquiry_refuse(), which free it. */
#ifndef LOADS_BROKER_INQUIRY_H
#define LOADS_BROKER_INQUIRY_H

#include "broker.h"
#include "report.h"

typedef json_t *make_report(const struct report *report);

struct inquiry {
    struct broker *broker;
    struct asker asker;
    struct caller caller;
    json_t *json;                       /* the request */
    char run_id[SPEC_RUN_ID_BYTES + 1]; /* whole, once it is known */
    struct inquiry *next, *previous;    /* in broker->inquiries */

    /* Of who goes on with it: */
    void (*found)(struct inquiry *inquiry, struct run *run);
    void (*change)(struct inquiry *inquiry, struct run *run);
    make_report *make;
};

/* NULL: there was no memory for it, which the asker was told. */
struct inquiry *inquiry_new(struct broker *broker, const struct request *request);

/* Frees those that nobody will answer any more. */
void inquiries_clear(struct broker *broker);

/* As frontend_answer() and frontend_refuse(). */
void inquiry_answer(struct inquiry *inquiry, json_t *result);
void inquiry_refuse(struct inquiry *inquiry, const char *code, const char *format, ...)
    _printf_(3, 4);

/* Refuses it, since the store did not take a call: `r`; or since of what it answered. */
void inquiry_fail(struct inquiry *inquiry, int r);
void inquiry_deny(struct inquiry *inquiry, const struct store_answer *answer);

/* Begins one about the run of the request's `run_id`, which may be the beginning of its id.
 * found() gets it, or NULL: it is in the database alone, inquiry->run_id says which. */
void inquiry_begin(struct broker *broker, const struct request *request,
                   void (*found)(struct inquiry *inquiry, struct run *run));

/* Answers it with what `make` makes of a run: of one that is in memory as it is there, since the
 * database is behind it; of another (NULL) as it is in the database. */
void inquiry_report(struct inquiry *inquiry, const struct run *run, make_report *make);

/* What it makes of one in memory. */
json_t *inquiry_report_of(const struct run *run, make_report *make);

/* The same for what changes a run, which is refused unless it is the asker's own or they may do
 * everything. Who has changed it says so, and whether the log has it: that is kept (audit.h). */
void inquiry_begin_change(struct broker *broker, const struct request *request,
                          void (*change)(struct inquiry *inquiry, struct run *run));
void inquiry_changed(const struct inquiry *inquiry, bool told);

/* False: it was refused, since nobody knows yet which runs there are. */
bool inquiry_may_look(struct broker *broker, const struct asker *asker);

#endif
