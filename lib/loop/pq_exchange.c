/* SPDX-License-Identifier: MPL-2.0 */
/* Queries go out and answers come in. In pipeline mode every query is followed by a Sync, so that
 * each is a transaction of its own and one that fails takes no other with it; its answer is
 * complete when the Sync's comes. Without, an answer is complete when libpq has no more results for
 * it.
 *
 * COPY is fed piecewise: libpq keeps what the socket doesn't take, in memory that it enlarges
 * without limit, so the next piece waits until it has nothing left. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "loop/pq_state.h"

#define COPY_PIECE_BYTES ((size_t)64 << 10)

/* The head of the queue is waited for so long, from when it became the head. */
static void restart_timer(struct pq *pq)
{
    if (pq->first) {
        pq_set_timer(pq, pq->options.query_timeout_usec);
    } else {
        ev_timer_stop(pq->loop, &pq->timer);
    }
}

static bool flush(struct pq *pq)
{
    int left = PQflush(pq->conn);

    if (left < 0) {
        pq_lose(pq, -ECONNRESET, NULL);
        return false;
    }
    pq_watch(pq, left > 0 ? EV_READ | EV_WRITE : EV_READ);
    return left == 0;
}

static bool send_one(struct pq *pq, struct pq_request *request)
{
    bool plain = !pq->options.pipeline && request->n_parameters == 0;
    int sent = plain ? PQsendQuery(pq->conn, request->sql)
                     : PQsendQueryParams(pq->conn, request->sql, (int)request->n_parameters, NULL,
                                         request->parameters, NULL, NULL, 0);

    if (sent == 1 && pq->options.pipeline) {
        sent = PQpipelineSync(pq->conn);
    }
    if (sent != 1) {
        pq_lose(pq, -ECONNRESET, NULL);
        return false;
    }
    return true;
}

void pq_send_requests(struct pq *pq)
{
    bool any = false;

    while (pq->unsent && !pq->is_lost && (pq->options.pipeline || pq->unsent == pq->first)) {
        struct pq_request *request = pq->unsent;
        pq->unsent = request->next;
        if (!send_one(pq, request)) {
            return;
        }
        any = true;
        if (request == pq->first) {
            restart_timer(pq);
        }
    }
    if (any) {
        (void)flush(pq); /* what is left goes when the socket takes it */
    }
}

/* ---- COPY ---- */

/* Gives libpq the next piece. 1: it took all of it; 0: it wants to flush first; -1: lost. */
static int put_piece(struct pq *pq, struct pq_request *request)
{
    const struct pq_bytes *piece = &request->pieces[request->piece];
    size_t size = MIN(piece->size - request->piece_offset, COPY_PIECE_BYTES);
    int put =
        PQputCopyData(pq->conn, (const char *)piece->bytes + request->piece_offset, (int)size);

    if (put == 1) {
        request->piece_offset += size;
        if (request->piece_offset == piece->size) {
            request->piece++;
            request->piece_offset = 0;
        }
    }
    return put;
}

static void feed(struct pq *pq, struct pq_request *request)
{
    int put = 1;

    while (put == 1 && request->copying) {
        if (request->piece < request->n_pieces) {
            put = put_piece(pq, request);
        } else {
            put = PQputCopyEnd(pq->conn, NULL);
            request->copying = put != 1;
        }
        if (put < 0) {
            pq_lose(pq, -ECONNRESET, NULL);
            return;
        }
        if (!flush(pq)) {
            return;
        }
    }
}

/* The server is ready for data. A COPY that nobody has data for is ended. */
static void begin_copy(struct pq *pq, struct pq_request *request)
{
    if (request->pieces) {
        request->copying = true;
        feed(pq, request);
    } else if (PQputCopyEnd(pq->conn, "there is no data") < 0) {
        pq_lose(pq, -ECONNRESET, NULL);
    }
}

/* ---- answers ---- */

static void complete(struct pq *pq)
{
    struct pq_request *request = pq->first;
    struct pq_result result = {.text = ""};
    struct error error;

    pq->first = request->next;
    if (!pq->first) {
        pq->end = &pq->first;
    }
    pq->count--;
    pq->bytes -= request->bytes;
    restart_timer(pq);
    if (request->answer) {
        pq_result_init(&result, request->answer, &error);
    }
    if (request->done) {
        request->done(&result, request->context);
    }
    pq_request_free(request);
}

/* Of several results the first failure counts, or the last one. */
static void keep(struct pq_request *request, PGresult *result)
{
    if (request->answer && PQresultStatus(request->answer) == PGRES_FATAL_ERROR) {
        PQclear(result);
        return;
    }
    PQclear(request->answer);
    request->answer = result;
}

static void take_result(struct pq *pq, PGresult *result)
{
    struct pq_request *request = pq->first;
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        complete(pq);
    } else if (status == PGRES_COPY_IN) {
        PQclear(result);
        begin_copy(pq, request);
    } else if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
        PQclear(result);
        pq_lose(pq, -EPROTO, "the server sends a COPY that nobody reads");
    } else {
        keep(request, result);
    }
}

/* Whether something more may come without waiting. */
static bool has_answers(struct pq *pq)
{
    return !pq->is_lost && pq->first && pq->first != pq->unsent && !pq->first->copying &&
           !PQisBusy(pq->conn);
}

static void take_answers(struct pq *pq)
{
    while (has_answers(pq)) {
        PGresult *result = PQgetResult(pq->conn);
        if (result) {
            take_result(pq, result);
        } else if (PQstatus(pq->conn) == CONNECTION_BAD) {
            pq_lose(pq, -ECONNRESET, NULL);
        } else if (!pq->options.pipeline) {
            complete(pq);
            pq_send_requests(pq);
        }
    }
}

void pq_exchange(struct pq *pq, int events)
{
    if (events & EV_WRITE) {
        bool empty = flush(pq);
        if (empty && pq->first && pq->first->copying) {
            restart_timer(pq);
            feed(pq, pq->first);
        }
    }
    if (!pq->is_lost && (events & EV_READ) && PQconsumeInput(pq->conn) != 1) {
        /* What came before the end may say why: "terminating connection due to …". */
        take_answers(pq);
        pq_lose(pq, -ECONNRESET, NULL);
        return;
    }
    take_answers(pq);
}

void pq_request_free(struct pq_request *request)
{
    PQclear(request->answer);
    free(request->pieces);
    free(request);
}
