/* SPDX-License-Identifier: MPL-2.0 */
/* Programs that use this have nothing else to do, so each question runs a loop of its own until it
 * is answered; that way there is one way only in which we talk to PostgreSQL. */
#include "run/database.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "loop/pq.h"
#include "loop/resolve.h"

#define TIMEOUT_USEC (UINT64_C(24) * 3600 * USEC_PER_SEC) /* of a question: a migration, say */

void database_close(struct database_session *session)
{
    pq_free(session->pq);
    resolver_free(session->resolver);
    if (session->loop) {
        ev_loop_destroy(session->loop);
    }
    *session = (struct database_session){0};
}

static void on_up(struct pq *pq _unused_, void *context)
{
    struct database_session *session = context;

    session->over = true;
}

/* Whatever is asked ends with it, too. */
static void on_down(struct pq *pq _unused_, const struct error *error, void *context)
{
    struct database_session *session = context;

    session->over = true;
    session->result = error_set(session->error, error->code, "%s", error->text);
}

static void wait_for(struct database_session *session)
{
    while (!session->over) {
        ev_run(session->loop, EVRUN_ONCE);
    }
}

int database_open(struct database_session *session, const struct database_target *target,
                  struct error *error)
{
    const struct pq_options options = {
        .conninfo = target->conninfo,
        .database = target->database,
        .as_default_user = target->as_default_user,
        .application_name = "loads db",
        .query_timeout_usec = TIMEOUT_USEC,
        .up = on_up,
        .down = on_down,
        .context = session,
    };
    int r;

    *session = (struct database_session){.loop = ev_loop_new(0), .error = error};
    r = session->loop ? resolver_new(&session->resolver, session->loop, USEC_PER_SEC, NULL)
                      : -ENOMEM;
    if (r < 0) {
        (void)error_set_errno(error, r, "connection to PostgreSQL");
    } else {
        r = pq_new(&session->pq, session->loop, session->resolver, &options, error);
    }
    if (r == 0) {
        wait_for(session);
        r = session->result;
        r = r < 0 && r != -ENOMEM ? -ECONNREFUSED : r; /* whatever the reason is */
    }
    if (r < 0) {
        database_close(session);
    }
    return r;
}

static void on_answer(const struct pq_result *result, void *context)
{
    struct database_session *session = context;

    session->over = true;
    session->result = pq_result_code(result);
    session->rows = pq_result_rows(result);
    session->value[0] = '\0';
    if (session->result < 0) {
        /* That of a lost connection says where by itself. */
        bool lost = session->result == -ECONNRESET;
        (void)error_set(session->error, session->result, "%s%s%s",
                        lost ? "" : pq_where(session->pq), lost ? "" : ": ",
                        pq_result_text(result));
    } else if (session->rows > 0) {
        (void)snprintf(session->value, sizeof session->value, "%s", pq_result_value(result, 0, 0));
    }
}

int database_ask(struct database_session *session, const char *sql, const char *const *parameters,
                 size_t n)
{
    int r = pq_query(session->pq, sql, parameters, n, on_answer, session);

    if (r < 0) {
        return error_set_errno(session->error, r, "%s", pq_where(session->pq));
    }
    session->over = false;
    wait_for(session);
    return session->result;
}
