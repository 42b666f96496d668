/* SPDX-License-Identifier: MPL-2.0 */
/* PostgreSQL on the loop: the interface, and the queue of queries. A query is copied into one piece
 * of memory and stays in the queue until it is answered, sent or not; when the connection is lost,
 * all are answered with that, since nobody knows how far the server was. */
#include "loop/pq.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "loop/pq_state.h"

#define QUERY_TIMEOUT_USEC (60 * USEC_PER_SEC)

int pq_new(struct pq **ret, struct ev_loop *loop, struct resolver *resolver,
           const struct pq_options *options, struct error *error)
{
    _cleanup_(pq_freep) struct pq *pq = calloc(1, sizeof *pq);
    int r;

    if (!pq) {
        return error_set_errno(error, -ENOMEM, "connection to PostgreSQL");
    }
    pq->loop = loop;
    pq->resolver = resolver;
    pq->options = *options;
    pq->options.conninfo = pq->options.database = pq->options.application_name =
        NULL; /* the caller's */
    pq->end = &pq->first;
    if (pq->options.query_timeout_usec == 0) {
        pq->options.query_timeout_usec = QUERY_TIMEOUT_USEC;
    }
    (void)snprintf(pq->application_name, sizeof pq->application_name, "%s",
                   options->application_name ? options->application_name : "");
    r = pq_conninfo_parse(options, &pq->conninfo, error);
    if (r < 0) {
        return r;
    }
    pq_connect_init(pq);
    *ret = TAKE_PTR(pq);
    return 0;
}

struct pq *pq_free(struct pq *pq)
{
    if (!pq) {
        return NULL;
    }
    pq_connect_stop(pq);
    while (pq->first) {
        struct pq_request *next = pq->first->next;
        pq_request_free(pq->first);
        pq->first = next;
    }
    pq_conninfo_clear(&pq->conninfo);
    free(pq);
    return NULL;
}

bool pq_is_up(const struct pq *pq)
{
    return pq->state == PQ_UP && !pq->is_lost;
}

const char *pq_where(const struct pq *pq)
{
    return pq->conninfo.where;
}

void pq_reset(struct pq *pq, const char *reason)
{
    if (pq->state == PQ_UP) {
        pq_lose(pq, -ECONNABORTED, reason);
    }
}

/* ---- the queue ---- */

/* Copies a text to where `at` points, and moves that on. */
static const char *put_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);

    *at += size;
    return copy;
}

/* A request with its texts behind it. */
static int make_request(const char *sql, const char *const *parameters, size_t n, pq_done *done,
                        void *context, struct pq_request **ret)
{
    size_t bytes = sizeof(struct pq_request) + n * sizeof(char *) + strlen(sql) + 1;

    for (size_t i = 0; i < n; i++) {
        bytes += parameters[i] ? strlen(parameters[i]) + 1 : 0;
    }
    struct pq_request *request = calloc(1, bytes);
    if (!request) {
        return -ENOMEM;
    }
    request->done = done;
    request->context = context;
    request->bytes = bytes;
    request->parameters = (const char **)(request + 1);
    request->n_parameters = n;
    char *at = (char *)(request->parameters + n);
    request->sql = put_text(&at, sql);
    for (size_t i = 0; i < n; i++) {
        request->parameters[i] = parameters[i] ? put_text(&at, parameters[i]) : NULL;
    }
    *ret = request;
    return 0;
}

/* Takes it in any case. */
static int enqueue(struct pq *pq, struct pq_request *request)
{
    if (pq->bytes + request->bytes > PQ_MAX_QUEUED_BYTES && pq->first) {
        pq_request_free(request);
        return -EAGAIN;
    }
    *pq->end = request;
    pq->end = &request->next;
    pq->count++;
    pq->bytes += request->bytes;
    if (!pq->unsent) {
        pq->unsent = request;
    }
    pq_send_requests(pq);
    return 0;
}

static int may_ask(const struct pq *pq)
{
    return !pq_is_up(pq) ? -ENOTCONN : pq->count >= PQ_MAX_QUEUED ? -EAGAIN : 0;
}

int pq_query(struct pq *pq, const char *sql, const char *const *parameters, size_t n, pq_done *done,
             void *context)
{
    struct pq_request *request;
    int r = may_ask(pq);

    assert(n <= PQ_MAX_PARAMETERS);
    if (r == 0) {
        r = make_request(sql, parameters, n, done, context, &request);
    }
    return r < 0 ? r : enqueue(pq, request);
}

/* A signature that ends in a NUL, and two words that are zero: the literal's own NUL is the last of
 * them. */
static const char copy_header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
_Static_assert(sizeof copy_header == 19, "signature, flags, no extension");
static const char copy_trailer[] = {'\377', '\377'};

int pq_copy(struct pq *pq, const char *sql, const struct pq_bytes *pieces, size_t n, pq_done *done,
            void *context)
{
    struct pq_request *request;
    int r = may_ask(pq);

    assert(!pq->options.pipeline);
    if (r == 0 && n > PQ_MAX_PIECES) {
        r = -E2BIG;
    }
    if (r == 0) {
        r = make_request(sql, NULL, 0, done, context, &request);
    }
    if (r < 0) {
        return r;
    }
    request->pieces = calloc(n + 2, sizeof *request->pieces);
    if (!request->pieces) {
        pq_request_free(request);
        return -ENOMEM;
    }
    request->pieces[0] = (struct pq_bytes){copy_header, sizeof copy_header};
    if (n > 0) {
        memcpy(request->pieces + 1, pieces, n * sizeof *pieces);
    }
    request->pieces[n + 1] = (struct pq_bytes){copy_trailer, sizeof copy_trailer};
    request->n_pieces = n + 2;
    return enqueue(pq, request);
}
