/* SPDX-License-Identifier: MPL-2.0 */
/* A short list per user: tests talk to a few hosts. */
#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ways.h"

#define MAX_AGE_USEC (30 * USEC_PER_SEC)
#define MAX_PEERS    64 /* per user: the oldest goes */

struct peer {
    struct peer *next;
    uint64_t known_usec; /* when the answer came */
    unsigned current;
    unsigned tried; /* addresses that failed in a row */
    unsigned count;
    unsigned port; /* for which --resolve says where it is; 0: it is looked up */
    char (*addresses)[INET6_ADDRSTRLEN];
    char host[];
};

struct lookup {
    struct resolve_query query;
    struct loads_user *user;
    bool done;
};

static struct peer *peer_free(struct peer *peer)
{
    if (peer) {
        free(peer->addresses);
        free(peer);
    }
    return NULL;
}

void peers_free(struct peer *peers)
{
    while (peers) {
        struct peer *next = peers->next;
        peer_free(peers);
        peers = next;
    }
}

/* The link to a host's entry; to NULL at the end when there is none. */
static struct peer **find(struct loads_user *user, const char *host, unsigned port)
{
    struct peer **link = &user->session.peers;

    if (!ways_rule(user->worker, host, port)) {
        port = 0;
    }
    while (*link && ((*link)->port != port || strcmp((*link)->host, host) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

static void on_answer(struct resolve_query *query)
{
    struct lookup *lookup = query->context;
    lookup->done = true;
    user_wake(lookup->user);
}

/* Waits for the resolver, no longer than the deadline. */
static int look_up(struct loads_user *user, const char *host, uint64_t deadline_usec,
                   struct lookup *lookup)
{
    struct worker *worker = user->worker;

    *lookup = (struct lookup){.user = user, .query = {.done = on_answer}};
    lookup->query.context = lookup;
    int r = resolver_lookup(worker->resolver, host, &lookup->query);
    if (r != 0) {
        return r < 0 ? r : 0;
    }
    while (!lookup->done) {
        if (clock_monotonic_usec() >= deadline_usec) {
            resolver_cancel(worker->resolver, &lookup->query);
            return -ETIMEDOUT;
        }
        r = user_wait_until(user, deadline_usec);
        if (r < 0 && !lookup->done) {
            resolver_cancel(worker->resolver, &lookup->query);
            return r;
        }
    }
    return 0;
}

static int remember(struct loads_user *user, const char *host, unsigned port,
                    const char (*addresses)[INET6_ADDRSTRLEN], size_t count)
{
    size_t size = strlen(host) + 1;
    struct peer *peer = calloc(1, sizeof *peer + size);
    unsigned n = 0;

    if (!peer) {
        return -ENOMEM;
    }
    memcpy(peer->host, host, size);
    peer->known_usec = clock_monotonic_usec();
    peer->port = port;
    peer->count = (unsigned)count;
    peer->addresses = malloc(count * sizeof *peer->addresses);
    if (!peer->addresses) {
        peer_free(peer);
        return -ENOMEM;
    }
    memcpy(peer->addresses, addresses, count * sizeof *peer->addresses);
    peer->next = user->session.peers;
    user->session.peers = peer;
    for (struct peer **link = &peer->next; *link; link = &(*link)->next) {
        if (++n == MAX_PEERS) {
            peers_free(*link);
            *link = NULL;
            break;
        }
    }
    return 0;
}

/* A new answer: who finds its address in it again stays there, and keeps its connection. */
static int renew(struct loads_user *user, const char *host, const struct resolve_query *answer,
                 const char *address)
{
    int r = remember(user, host, 0, answer->addresses, answer->count);

    for (unsigned i = 0; r == 0 && i < user->session.peers->count; i++) {
        if (strcmp(user->session.peers->addresses[i], address) == 0) {
            user->session.peers->current = i;
        }
    }
    return r;
}

static int ask(struct loads_user *user, const char *host, uint64_t deadline_usec,
               const char *address, uint64_t *dns_usec, char reason[static 128])
{
    struct lookup lookup;
    int r = look_up(user, host, deadline_usec, &lookup);

    if (r < 0) {
        return r;
    }
    *dns_usec += lookup.query.elapsed_usec;
    if (lookup.query.result < 0 || lookup.query.count == 0) {
        (void)snprintf(reason, 128, "%s", lookup.query.reason);
        return -ENOENT;
    }
    return renew(user, host, &lookup.query, address);
}

/* Whether an entry is to be had anew. Not in the middle of trying its addresses. */
static bool is_old(const struct loads_user *user, const struct peer *peer)
{
    uint64_t age = user->worker->spec->http.no_dns_resolve ? 0 : MAX_AGE_USEC;

    return peer->port == 0 && peer->tried == 0 && clock_monotonic_usec() - peer->known_usec >= age;
}

int peer_address(struct loads_user *user, const char *host, unsigned port, uint64_t deadline_usec,
                 const char **ret, uint64_t *dns_usec, char reason[static 128])
{
    const struct spec_resolve *rule = ways_rule(user->worker, host, port);
    struct peer **link = find(user, host, port);
    char address[INET6_ADDRSTRLEN] = "";

    if (*link && is_old(user, *link)) {
        struct peer *old = *link;
        memcpy(address, old->addresses[old->current], sizeof address);
        *link = old->next;
        peer_free(old);
    }
    if (!*link) {
        int r = rule ? remember(user, host, port, rule->addresses, rule->count)
                     : ask(user, host, deadline_usec, address, dns_usec, reason);
        if (r < 0) {
            return r;
        }
    }
    link = find(user, host, port);
    *ret = (*link)->addresses[(*link)->current];
    return 0;
}

bool peer_next(struct loads_user *user, const char *host, unsigned port)
{
    struct peer **link = find(user, host, port);
    struct peer *peer = *link;

    if (!peer) {
        return false;
    }
    if (peer->port == 0) {
        resolver_demote(user->worker->resolver, host, peer->addresses[peer->current]);
    }
    if (++peer->tried < peer->count) {
        peer->current = (peer->current + 1) % peer->count;
        return true;
    }
    *link = peer->next; /* ask again next time */
    peer_free(peer);
    return false;
}

void peer_good(struct loads_user *user, const char *host, unsigned port)
{
    struct peer *peer = *find(user, host, port);
    if (peer) {
        peer->tried = 0;
    }
}
