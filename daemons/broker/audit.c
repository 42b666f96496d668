/* SPDX-License-Identifier: MPL-2.0 */
/* What can't be stored, since the database is away and too much waits already, is in the log all
 * the same. */
#include "audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker.h"
#include "refusals.h"

struct audit {
    struct broker *broker;
    struct refusals *refusals;
};

static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static void keep(const struct audit *audit, const struct caller *caller, struct store_audit *row)
{
    row->who = or_null(caller->name);
    row->role = key_role_word(caller->role);
    row->peer = or_null(caller->peer);
    row->at_usec = clock_realtime_usec();
    int r = store_audit(audit->broker->store, row);
    if (r < 0) {
        broker_log(LOG_WARNING, row->run_id, row->agent_id, "this is not kept in the database: %s",
                   strerror(-r));
    }
}

static void tell(const struct refusal *refusal, void *context)
{
    const struct audit *audit = context;
    char times[48] = "", name[CALLER_TEXT_BYTES];
    char reason[sizeof refusal->reason + sizeof refusal->key + 2];
    bool one = refusal->times == 1, connection = strcmp(refusal->what, "connect") == 0;
    struct store_audit row = {.what = refusal->what,
                              .run_id = or_null(refusal->run_id),
                              .agent_id = or_null(refusal->agent_id),
                              .reason = reason,
                              .times = refusal->times};

    (void)snprintf(reason, sizeof reason, "%s%s%s", refusal->reason, /* it fits */
                   one && *refusal->key ? ": " : "", one ? refusal->key : "");
    if (!one) {
        (void)snprintf(times, sizeof times, "%" PRIu64 " times more: ", refusal->times);
    }
    broker_event(connection ? EVENT_CONNECTION_REFUSED : EVENT_REQUEST_REFUSED, row.run_id,
                 row.agent_id, "%srefused: %s by %s: %s", times, refusal->what,
                 authority_describe(&refusal->caller, name), reason);
    keep(audit, &refusal->caller, &row);
}

int audit_new(struct audit **ret, struct broker *broker)
{
    _cleanup_(audit_freep) struct audit *audit = calloc(1, sizeof *audit);

    if (!audit) {
        return -ENOMEM;
    }
    audit->broker = broker;
    int r = refusals_new(&audit->refusals, tell, audit);
    if (r == 0) {
        *ret = TAKE_PTR(audit);
    }
    return r;
}

struct audit *audit_free(struct audit *audit)
{
    if (audit) {
        refusals_free(audit->refusals);
        free(audit);
    }
    return NULL;
}

void audit_accepted(struct audit *audit, const struct caller *caller, const char *what,
                    struct audit_subject subject)
{
    struct store_audit row = {
        .what = what, .run_id = subject.run_id, .agent_id = subject.agent_id, .times = 1};
    char name[CALLER_TEXT_BYTES];
    const char *about = subject.run_id ? subject.run_id : subject.agent_id ? subject.agent_id : "";

    if (!subject.told) {
        broker_log(LOG_INFO, subject.run_id, subject.agent_id, "%s %s by %s", what, about,
                   authority_describe(caller, name));
    }
    keep(audit, caller, &row);
}

static void copy(char *to, size_t room, const char *text)
{
    (void)snprintf(to, room, "%s", text ? text : ""); /* cut is fine */
}

void audit_refused(struct audit *audit, const struct caller *caller, const char *what,
                   struct audit_subject subject, const char *format, ...)
{
    struct refusal refusal = {.caller = *caller};
    va_list arguments;

    copy(refusal.what, sizeof refusal.what, what);
    copy(refusal.run_id, sizeof refusal.run_id, subject.run_id);
    copy(refusal.agent_id, sizeof refusal.agent_id, subject.agent_id);
    copy(refusal.key, sizeof refusal.key, subject.key);
    va_start(arguments, format);
    (void)vsnprintf(refusal.reason, sizeof refusal.reason, format, arguments); /* cut is fine */
    va_end(arguments);
    refusals_add(audit->refusals, &refusal, clock_monotonic_usec());
}

void audit_flush(struct audit *audit)
{
    refusals_tick(audit->refusals, UINT64_MAX);
}

void audit_tick(struct audit *audit)
{
    refusals_tick(audit->refusals, clock_monotonic_usec());
}
