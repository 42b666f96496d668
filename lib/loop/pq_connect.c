/* SPDX-License-Identifier: MPL-2.0 */
/* Making connections, and losing them. An attempt resolves the names of the hosts, one after the
 * other, and gives libpq their addresses beside the names (certificates are held against those), so
 * that PQconnectPoll() never waits for a name server. The socket can change with each
 * PQconnectPoll(), even to another one of the same number, so it is watched anew each time.
 *
 * Whatever goes wrong is noted (pq_lose) and acted upon on the next turn of the loop, so that
 * nobody is called back from inside a call, and nothing is freed that is still being used. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/pq_state.h"

#define CONNECT_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define RETRY_USEC           (100 * USEC_PER_MSEC)
#define MAX_RETRY_USEC       (5 * USEC_PER_SEC)

/* A connection that held so long was a good one: the back-off begins anew after it. */
#define GOOD_USEC (10 * USEC_PER_SEC)

static void attempt(struct pq *pq);

void pq_set_timer(struct pq *pq, uint64_t usec)
{
    ev_timer_stop(pq->loop, &pq->timer);
    ev_now_update(pq->loop); /* what the delay counts from */
    ev_timer_set(&pq->timer, (double)usec / 1e6, 0.);
    ev_timer_start(pq->loop, &pq->timer);
}

void pq_watch(struct pq *pq, int events)
{
    ev_io_stop(pq->loop, &pq->io);
    ev_io_set(&pq->io, PQsocket(pq->conn), events);
    ev_io_start(pq->loop, &pq->io);
}

void pq_lose(struct pq *pq, int code, const char *text)
{
    char words[2048];

    if (pq->is_lost) {
        return;
    }
    pq_copy_words(words, sizeof words, text ? text : pq->conn ? PQerrorMessage(pq->conn) : "");
    pq->is_lost = true;
    (void)error_set(&pq->lost, code, "%s: %s", pq->conninfo.where,
                    words[0] ? words : "the connection is lost");
    ev_timer_start(pq->loop, &pq->soon);
}

/* Answers all queries with the loss. */
static void answer_all(struct pq *pq)
{
    struct pq_request *request = TAKE_PTR(pq->first);
    const struct pq_result result = {.code = -ECONNRESET, .text = pq->lost.text};

    pq->end = &pq->first;
    pq->unsent = NULL;
    pq->count = pq->bytes = 0;
    while (request) {
        struct pq_request *next = request->next;
        if (request->done) {
            request->done(&result, request->context);
        }
        pq_request_free(request);
        request = next;
    }
}

static void lose_now(struct pq *pq)
{
    uint64_t longest = pq->options.max_retry_usec, wait;

    if (pq->state == PQ_UP && clock_monotonic_usec() - pq->up_since_usec >= GOOD_USEC) {
        pq->retry_usec = pq->options.retry_usec;
    }
    wait = pq->retry_usec;
    pq->retry_usec = MIN(2 * pq->retry_usec, longest);
    pq_connect_stop(pq);
    pq_set_timer(pq, wait);
    answer_all(pq);
    pq->is_lost = false; /* what the callbacks say of the lost connection counts no more */
    pq->options.down(pq, &pq->lost, pq->options.context);
}

static void on_soon(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    lose_now(CONTAINER_OF(timer, struct pq, soon));
}

/* libpq would print them on standard error. */
static void on_notice(void *context _unused_, const PGresult *result)
{
    char words[1024];

    pq_copy_words(words, sizeof words, PQresultErrorMessage(result));
    log_debug("PostgreSQL: %s", words);
}

/* ---- connecting ---- */

static void set_up(struct pq *pq)
{
    if (PQsetnonblocking(pq->conn, 1) != 0 ||
        (pq->options.pipeline && PQenterPipelineMode(pq->conn) != 1)) {
        pq_lose(pq, -ECONNRESET, NULL);
        return;
    }
    ev_timer_stop(pq->loop, &pq->timer);
    pq->state = PQ_UP;
    pq->up_since_usec = clock_monotonic_usec();
    pq_watch(pq, EV_READ);
    pq->options.up(pq, pq->options.context);
}

static void poll_connection(struct pq *pq)
{
    PostgresPollingStatusType status = PQconnectPoll(pq->conn);

    if (status == PGRES_POLLING_OK) {
        set_up(pq);
    } else if (status == PGRES_POLLING_FAILED || PQsocket(pq->conn) < 0) {
        ev_io_stop(pq->loop, &pq->io); /* its descriptor may be closed already */
        pq_lose(pq, -ECONNREFUSED, NULL);
    } else {
        pq_watch(pq, status == PGRES_POLLING_WRITING ? EV_WRITE : EV_READ);
    }
}

static void on_io(struct ev_loop *loop _unused_, ev_io *watcher, int events)
{
    struct pq *pq = CONTAINER_OF(watcher, struct pq, io);

    if (pq->is_lost) {
        ev_io_stop(pq->loop, &pq->io);
    } else if (pq->state == PQ_CONNECTING) {
        poll_connection(pq);
    } else {
        pq_exchange(pq, events);
    }
}

#define MAX_OPTIONS 64

struct options {
    const char *keywords[MAX_OPTIONS + 1], *values[MAX_OPTIONS + 1];
    size_t count;
};

static void add(struct options *options, const char *keyword, const char *value)
{
    if (value && options->count < MAX_OPTIONS) {
        options->keywords[options->count] = keyword;
        options->values[options->count++] = value;
    }
}

static void start_connection(struct pq *pq)
{
    struct options options = {0};

    /* Later ones win. A peer that is gone without a word is noticed within a minute; Kerberos would
     * wait for its servers. */
    add(&options, "keepalives_idle", "10");
    add(&options, "keepalives_interval", "5");
    add(&options, "keepalives_count", "4");
    add(&options, "tcp_user_timeout", "30000");
    add(&options, "gssencmode", "disable");
    for (PQconninfoOption *option = pq->conninfo.options; option->keyword; option++) {
        add(&options, option->keyword, option->val);
    }
    if (pq->conninfo.n_hosts > 0) {
        add(&options, "host", pq->hosts);
        add(&options, "hostaddr", pq->addresses);
        add(&options, "port", pq->ports);
    }
    add(&options, "client_encoding", "UTF8");
    add(&options, "application_name", pq->application_name);
    pq->conn = PQconnectStartParams(options.keywords, options.values, 0);
    pq->state = PQ_CONNECTING;
    if (!pq->conn || PQstatus(pq->conn) == CONNECTION_BAD) {
        pq_lose(pq, pq->conn ? -ECONNREFUSED : -ENOMEM, pq->conn ? NULL : strerror(ENOMEM));
        return;
    }
    (void)PQsetNoticeReceiver(pq->conn, on_notice, NULL); /* returns the one before */
    if (PQsocket(pq->conn) < 0) {
        pq_lose(pq, -ECONNREFUSED, NULL);
        return;
    }
    pq_watch(pq, EV_WRITE);
}

/* ---- names of hosts ---- */

/* Appends an item to a list; the first one has no comma. False: it doesn't fit. */
static bool append(char *list, const char *item, bool first)
{
    size_t used = strlen(list);
    int n = snprintf(list + used, PQ_HOSTS_BYTES - used, "%s%s", first ? "" : ",", item);

    return n >= 0 && (size_t)n < PQ_HOSTS_BYTES - used;
}

/* What doesn't fit isn't tried: the items of the three lists must be as many. */
static void add_host(struct pq *pq, const char *address)
{
    const char *name = pq->conninfo.names[pq->host];
    const char *port = pq->conninfo.ports[pq->host] ? pq->conninfo.ports[pq->host] : "";
    size_t sizes[] = {strlen(pq->hosts), strlen(pq->addresses), strlen(pq->ports)};
    bool first = pq->n_found == 0;

    if (append(pq->hosts, name, first) && append(pq->addresses, address, first) &&
        append(pq->ports, port, first)) {
        pq->n_found++;
    } else {
        pq->hosts[sizes[0]] = pq->addresses[sizes[1]] = pq->ports[sizes[2]] = '\0';
    }
}

static void take_addresses(struct pq *pq)
{
    for (size_t i = 0; i < pq->query.count; i++) {
        add_host(pq, pq->query.addresses[i]);
    }
    pq->host++;
}

/* Goes on with the next host; connects when all have been looked up and one was found. */
static void resolve_hosts(struct pq *pq)
{
    pq->state = PQ_RESOLVING;
    while (pq->host < pq->conninfo.n_hosts) {
        const char *name = pq->conninfo.names[pq->host];
        if (name[0] == '/' || name[0] == '@' || !name[0]) {
            add_host(pq, "");
            pq->host++;
            continue;
        }
        int r = resolver_lookup(pq->resolver, name, &pq->query);
        if (r == 0) {
            return; /* on_resolved() goes on */
        }
        if (r < 0) {
            pq_lose(pq, r, strerror(-r));
            return;
        }
        take_addresses(pq);
    }
    if (pq->conninfo.n_hosts > 0 && pq->n_found == 0) {
        char text[512];
        (void)snprintf(text, sizeof text, "no address is known for the host: %s", pq->query.reason);
        pq_lose(pq, -ENOENT, text);
        return;
    }
    start_connection(pq);
}

static void on_resolved(struct resolve_query *query)
{
    struct pq *pq = query->context;

    take_addresses(pq);
    resolve_hosts(pq);
}

static void attempt(struct pq *pq)
{
    pq->host = pq->n_found = 0;
    pq->hosts[0] = pq->addresses[0] = pq->ports[0] = '\0';
    pq_set_timer(pq, pq->options.connect_timeout_usec);
    resolve_hosts(pq);
}

static void on_timer(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct pq *pq = CONTAINER_OF(timer, struct pq, timer);
    char text[128];

    if (pq->state == PQ_WAITING) {
        attempt(pq);
        return;
    }
    bool up = pq->state == PQ_UP;
    uint64_t usec = up ? pq->options.query_timeout_usec : pq->options.connect_timeout_usec;
    (void)snprintf(text, sizeof text, "no %s within %g s", up ? "answer to a query" : "connection",
                   (double)usec / 1e6);
    pq_lose(pq, -ETIMEDOUT, text);
}

void pq_connect_init(struct pq *pq)
{
    struct pq_options *options = &pq->options;

    if (options->connect_timeout_usec == 0) {
        options->connect_timeout_usec = CONNECT_TIMEOUT_USEC;
    }
    options->max_retry_usec = options->max_retry_usec ? options->max_retry_usec : MAX_RETRY_USEC;
    options->retry_usec =
        MIN(options->retry_usec ? options->retry_usec : RETRY_USEC, options->max_retry_usec);
    pq->retry_usec = options->retry_usec;
    pq->query.done = on_resolved;
    pq->query.context = pq;
    ev_init(&pq->io, on_io);
    ev_init(&pq->timer, on_timer);
    ev_timer_init(&pq->soon, on_soon, 0., 0.);
    pq->state = PQ_WAITING;
    pq_set_timer(pq, 0);
}

/* Ends whatever is under way. Closing waits for nothing. */
void pq_connect_stop(struct pq *pq)
{
    ev_io_stop(pq->loop, &pq->io);
    ev_timer_stop(pq->loop, &pq->timer);
    ev_timer_stop(pq->loop, &pq->soon);
    if (pq->resolver) {
        resolver_cancel(pq->resolver, &pq->query);
    }
    PQfinish(TAKE_PTR(pq->conn));
    pq->state = PQ_WAITING;
}
