/* SPDX-License-Identifier: MPL-2.0 */
/* Asking a test's own PostgreSQL something. */
#ifndef LOADS_TESTS_UNIT_POSTGRES_QUERY_H
#define LOADS_TESTS_UNIT_POSTGRES_QUERY_H

#include "loop/pq.h"

#include "postgres.h"
#include "processes.h"

static const char *postgres_conninfo(const struct postgres *server, const char *database)
{
    static char text[128];

    (void)snprintf(text, sizeof text, "host=%s user=postgres dbname=%s", server->folder, database);
    return text;
}

struct postgres_question {
    bool up, answered;
    char value[4096];
};

static void on_question_up(struct pq *pq _unused_, void *context)
{
    ((struct postgres_question *)context)->up = true;
}

static void on_question_down(struct pq *pq _unused_, const struct error *error _unused_,
                             void *context _unused_)
{
}

static void on_question_answered(const struct pq_result *result, void *context)
{
    struct postgres_question *question = context;

    question->answered = true;
    if (pq_result_code(result) < 0) {
        print_error("%s\n", pq_result_text(result));
    }
    assert_int_equal(pq_result_code(result), 0);
    if (pq_result_rows(result) > 0) {
        (void)snprintf(question->value, sizeof question->value, "%s",
                       pq_result_value(result, 0, 0));
    }
}

/* The first value of the answer, "" without one; valid until the next question. Waits for a server
 * that is being started. */
static _unused_ const char *postgres_ask(const struct postgres *server, const char *database,
                                         const char *sql)
{
    static struct postgres_question question;
    struct ev_loop *loop = ev_loop_new(0);
    struct pq_options options = {.conninfo = postgres_conninfo(server, database),
                                 .application_name = "question",
                                 .retry_usec = 10000,
                                 .max_retry_usec = 50000,
                                 .up = on_question_up,
                                 .down = on_question_down,
                                 .context = &question};
    struct pq *pq;

    question = (struct postgres_question){0};
    assert_int_equal(pq_new(&pq, loop, NULL, &options, NULL), 0);
    run_until(loop, &question.up);
    assert_int_equal(pq_query(pq, sql, NULL, 0, on_question_answered, &question), 0);
    run_until(loop, &question.answered);
    pq_free(pq);
    ev_loop_destroy(loop);
    return question.value;
}

#endif
