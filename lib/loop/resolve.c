/* SPDX-License-Identifier: MPL-2.0 */
/* One thread runs getaddrinfo, whatever the number of users: they mostly ask for the same few
 * names, so the second to ask waits for the answer to the first. (libcurl's resolver starts a
 * thread for each.)
 *
 * What the thread touches is a struct desk, counted: the resolver and the thread each hold it.
 * So the resolver can be freed while the thread sits in getaddrinfo, for which there is no
 * cancelling; the thread then finds nobody waiting and cleans up. Names and waiting queries belong
 * to the loop's side alone and need no lock. */
#include "loop/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/strmap.h"

#define MAX_NAMES      10000
#define MAX_HOST_BYTES 255
/* A name that failed is asked for again soon: it may be coming up. */
#define FAILURE_TTL_USEC USEC_PER_SEC

/* One call of the resolve function, and later its answer. */
struct job {
    struct job *next;
    struct name *name;           /* not for the thread */
    struct resolve_query answer; /* result, reason, addresses and count are used */
    char host[MAX_HOST_BYTES + 1];
};

/* Where the loop's side and the thread hand over jobs. */
struct desk {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct job *todo, **todo_end;
    struct job *answered, **answered_end;
    resolve_function *resolve;
    int event_fd;
    unsigned holders;
    bool busy; /* the thread is inside `resolve` */
    bool stop;
};

struct query_list {
    struct resolve_query *first, **end;
};

struct name {
    struct name *newer,
        *older;      /* by the time of the last answer; not in the list while asked for */
    struct job *job; /* the answer; NULL: never had one, or being asked for */
    bool asked;
    uint64_t expires_usec;
    unsigned turn;
    bool demoted[RESOLVE_MAX_ADDRESSES];
    struct query_list waiting;
    size_t host_size;
    char host[];
};

struct resolver {
    struct ev_loop *loop;
    ev_io io;
    uint64_t ttl_usec;
    struct desk *desk;
    pthread_t thread;
    bool thread_started;
    struct strmap *names;
    struct name *newest, *oldest;
    size_t asked_count;
    struct query_list ready; /* answered, done() not called yet */
};

static void list_clear(struct query_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_append(struct query_list *list, struct resolve_query *query)
{
    query->next = NULL;
    query->pending = list;
    *list->end = query;
    list->end = &query->next;
}

static void list_remove(struct query_list *list, struct resolve_query *query)
{
    struct resolve_query **link = &list->first;

    while (*link != query) {
        link = &(*link)->next;
    }
    *link = query->next;
    if (list->end == &query->next) {
        list->end = link;
    }
    query->next = NULL;
    query->pending = NULL;
}

static void jobs_free(struct job *job)
{
    while (job) {
        struct job *next = job->next;
        free(job);
        job = next;
    }
}

static void desk_destroy(struct desk *desk)
{
    jobs_free(desk->todo);
    jobs_free(desk->answered);
    close_fd(desk->event_fd);
    (void)pthread_cond_destroy(&desk->wanted); /* nobody holds either any more */
    (void)pthread_mutex_destroy(&desk->lock);
    free(desk);
}

/* Unlocks; the last holder destroys. */
static void desk_release_locked(struct desk *desk)
{
    bool last = --desk->holders == 0;

    pthread_mutex_unlock(&desk->lock);
    if (last) {
        desk_destroy(desk);
    }
}

static int desk_new(struct desk **ret, resolve_function *resolve)
{
    struct desk *desk = calloc(1, sizeof *desk);
    int r;

    if (!desk) {
        return -ENOMEM;
    }
    desk->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (desk->event_fd < 0) {
        r = -errno;
        free(desk);
        return r;
    }
    (void)pthread_mutex_init(&desk->lock, NULL); /* can't fail on Linux without attributes */
    (void)pthread_cond_init(&desk->wanted, NULL);
    desk->todo_end = &desk->todo;
    desk->answered_end = &desk->answered;
    desk->resolve = resolve;
    desk->holders = 1;
    *ret = desk;
    return 0;
}

static int result_of(int code)
{
    switch (code) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return -ENOENT;
    case EAI_MEMORY:
        return -ENOMEM;
    default:
        return -EAGAIN;
    }
}

static bool is_localhost(const char *host)
{
    size_t size = strlen(host), suffix = strlen(".localhost");

    return strcmp(host, "localhost") == 0 ||
           (size > suffix && strcmp(host + size - suffix, ".localhost") == 0);
}

static int resolve_by_getaddrinfo(const char *host, struct resolve_query *answer)
{
    /* Families this machine has no address of are left out, but not for localhost: loopback alone
     * doesn't count as having one. */
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = is_localhost(host) ? 0 : AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    int code = getaddrinfo(host, NULL, &hints, &list);

    if (code != 0) {
        (void)snprintf(answer->reason, sizeof answer->reason, "%s",
                       code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
        return result_of(code);
    }
    for (struct addrinfo *a = list; a && answer->count < RESOLVE_MAX_ADDRESSES; a = a->ai_next) {
        if (getnameinfo(a->ai_addr, a->ai_addrlen, answer->addresses[answer->count],
                        sizeof answer->addresses[0], NULL, 0, NI_NUMERICHOST) == 0) {
            answer->count++; /* one that doesn't fit, with a long scope, is of no use */
        }
    }
    freeaddrinfo(list);
    return 0;
}

static void run_job(struct desk *desk, struct job *job)
{
    struct resolve_query *answer = &job->answer;

    answer->result = desk->resolve(job->host, answer);
    answer->reason[sizeof answer->reason - 1] = '\0';
    answer->count = MIN(answer->count, (size_t)RESOLVE_MAX_ADDRESSES);
    if (answer->result == 0 && answer->count == 0) {
        answer->result = -ENOENT;
    }
    if (answer->result != 0) {
        answer->count = 0;
        if (!answer->reason[0]) {
            (void)snprintf(answer->reason, sizeof answer->reason, "No address for the name");
        }
    }
}

static void *resolve_thread(void *argument)
{
    static const uint64_t one = 1;
    struct desk *desk = argument;

    pthread_mutex_lock(&desk->lock);
    for (;;) {
        struct job *job;

        while (!desk->todo && !desk->stop) {
            pthread_cond_wait(&desk->wanted, &desk->lock);
        }
        if (desk->stop) {
            break;
        }
        job = desk->todo;
        desk->todo = job->next;
        if (!desk->todo) {
            desk->todo_end = &desk->todo;
        }
        desk->busy = true;
        pthread_mutex_unlock(&desk->lock);
        run_job(desk, job);
        pthread_mutex_lock(&desk->lock);
        desk->busy = false;
        job->next = NULL;
        *desk->answered_end = job;
        desk->answered_end = &job->next;
        /* Can only fail when the counter is full: then the loop is being woken anyway. */
        (void)!write(desk->event_fd, &one, sizeof one);
    }
    desk_release_locked(desk);
    return NULL;
}

/* The thread takes no signals: they are the loop's. */
static int start_thread(struct resolver *resolver)
{
    sigset_t all, before;
    int r;

    if (resolver->thread_started) {
        return 0;
    }
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails for a wrong `how` only */
    resolver->desk->holders = 2;
    r = pthread_create(&resolver->thread, NULL, resolve_thread, resolver->desk);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        resolver->desk->holders = 1;
        return -r;
    }
    resolver->thread_started = true;
    return 0;
}

static void unlink_name(struct resolver *resolver, struct name *name)
{
    *(name->newer ? &name->newer->older : &resolver->newest) = name->older;
    *(name->older ? &name->older->newer : &resolver->oldest) = name->newer;
    name->newer = name->older = NULL;
}

static void link_newest(struct resolver *resolver, struct name *name)
{
    name->newer = NULL;
    name->older = resolver->newest;
    *(name->older ? &name->older->newer : &resolver->oldest) = name;
    resolver->newest = name;
}

/* One that isn't being asked for. */
static void forget_name(struct resolver *resolver, struct name *name)
{
    unlink_name(resolver, name);
    (void)strmap_remove(resolver->names, name->host, name->host_size); /* it is `name` */
    free(name->job);
    free(name);
}

/* Fills a query from the name's answer: the addresses that are not demoted in turn, then the
 * others. */
static void fill(struct name *name, struct resolve_query *query)
{
    const struct resolve_query *answer = &name->job->answer;
    size_t usable[RESOLVE_MAX_ADDRESSES], usable_count = 0;

    query->result = answer->result;
    memcpy(query->reason, answer->reason, sizeof query->reason);
    query->count = 0;
    for (size_t i = 0; i < answer->count; i++) {
        if (!name->demoted[i]) {
            usable[usable_count++] = i;
        }
    }
    for (size_t i = 0; i < usable_count; i++) {
        memcpy(query->addresses[query->count++],
               answer->addresses[usable[(name->turn + i) % usable_count]], INET6_ADDRSTRLEN);
    }
    for (size_t i = 0; i < answer->count; i++) {
        if (name->demoted[i]) {
            memcpy(query->addresses[query->count++], answer->addresses[i], INET6_ADDRSTRLEN);
        }
    }
    name->turn++;
}

/* An answer has come: whoever waits for it is ready. */
static void take_answer(struct resolver *resolver, struct job *job)
{
    struct name *name = job->name;
    uint64_t now = clock_monotonic_usec();
    uint64_t ttl =
        job->answer.result == 0 ? resolver->ttl_usec : MIN(resolver->ttl_usec, FAILURE_TTL_USEC);

    name->asked = false;
    resolver->asked_count--;
    name->job = job;
    name->expires_usec = ttl < UINT64_MAX - now ? now + ttl : UINT64_MAX;
    memset(name->demoted, 0, sizeof name->demoted);
    link_newest(resolver, name);
    while (name->waiting.first) {
        struct resolve_query *query = name->waiting.first;
        list_remove(&name->waiting, query);
        fill(name, query);
        query->elapsed_usec = now - query->elapsed_usec; /* held the time of the lookup */
        list_append(&resolver->ready, query);
    }
}

static void on_answers(struct ev_loop *loop _unused_, ev_io *watcher, int events _unused_)
{
    struct resolver *resolver = CONTAINER_OF(watcher, struct resolver, io);
    struct desk *desk = resolver->desk;
    struct job *job;
    uint64_t count;

    (void)!read(desk->event_fd, &count, sizeof count); /* nothing to read: nothing has come */
    pthread_mutex_lock(&desk->lock);
    job = desk->answered;
    desk->answered = NULL;
    desk->answered_end = &desk->answered;
    pthread_mutex_unlock(&desk->lock);
    while (job) {
        struct job *next = job->next;
        take_answer(resolver, job);
        job = next;
    }
    if (resolver->asked_count == 0) {
        ev_io_stop(resolver->loop,
                   &resolver->io); /* an idle resolver doesn't keep the loop going */
    }
    /* done() may look up and cancel: what is ready is taken one by one. */
    while (resolver->ready.first) {
        struct resolve_query *query = resolver->ready.first;
        list_remove(&resolver->ready, query);
        query->done(query);
    }
}

int resolver_new(struct resolver **ret, struct ev_loop *loop, uint64_t ttl_usec,
                 resolve_function *resolve)
{
    _cleanup_(resolver_freep) struct resolver *resolver = calloc(1, sizeof *resolver);
    int r;

    if (!resolver) {
        return -ENOMEM;
    }
    resolver->loop = loop;
    resolver->ttl_usec = ttl_usec;
    list_clear(&resolver->ready);
    r = strmap_new(&resolver->names);
    if (r < 0) {
        return r;
    }
    r = desk_new(&resolver->desk, resolve ? resolve : resolve_by_getaddrinfo);
    if (r < 0) {
        return r;
    }
    ev_io_init(&resolver->io, on_answers, resolver->desk->event_fd, EV_READ);
    *ret = TAKE_PTR(resolver);
    return 0;
}

/* Waits for the thread unless it is inside the resolve function, which can take very long. */
static void stop_thread(struct resolver *resolver)
{
    struct desk *desk = resolver->desk;
    bool busy;

    pthread_mutex_lock(&desk->lock);
    desk->stop = true;
    busy = desk->busy;
    pthread_cond_signal(&desk->wanted);
    desk_release_locked(desk);
    if (resolver->thread_started) {
        if (busy) {
            (void)pthread_detach(resolver->thread); /* fails for one that is not joinable only */
        } else {
            (void)pthread_join(resolver->thread, NULL);
        }
    }
}

static void free_name(void *value, void *context _unused_)
{
    struct name *name = value;

    free(name->job);
    free(name);
}

struct resolver *resolver_free(struct resolver *resolver)
{
    if (!resolver) {
        return NULL;
    }
    if (resolver->desk) {
        ev_io_stop(resolver->loop, &resolver->io);
        stop_thread(resolver);
    }
    if (resolver->names) {
        strmap_each(resolver->names, free_name, NULL);
        strmap_free(resolver->names);
    }
    free(resolver);
    return NULL;
}

/* The entry of a name, made when there is none. */
static int get_name(struct resolver *resolver, const char *host, size_t size, struct name **ret)
{
    struct name *name = strmap_get(resolver->names, host, size);
    int r;

    if (name) {
        *ret = name;
        return 0;
    }
    if (strmap_count(resolver->names) >= MAX_NAMES) {
        if (!resolver->oldest) {
            return -ENOMEM;
        }
        forget_name(resolver, resolver->oldest);
    }
    name = calloc(1, sizeof *name + size + 1);
    if (!name) {
        return -ENOMEM;
    }
    memcpy(name->host, host, size);
    name->host_size = size;
    list_clear(&name->waiting);
    r = strmap_put(resolver->names, host, size, name);
    if (r < 0) {
        free(name);
        return r;
    }
    link_newest(resolver, name);
    *ret = name;
    return 0;
}

/* Has the thread find the name's addresses. */
static int ask(struct resolver *resolver, struct name *name)
{
    struct desk *desk = resolver->desk;
    struct job *job;
    int r = start_thread(resolver);

    if (r < 0) {
        return r;
    }
    job = name->job ? TAKE_PTR(name->job) : malloc(sizeof *job);
    if (!job) {
        return -ENOMEM;
    }
    memset(job, 0, sizeof *job);
    job->name = name;
    memcpy(job->host, name->host, name->host_size);
    unlink_name(resolver, name);
    name->asked = true;
    resolver->asked_count++;
    ev_io_start(resolver->loop, &resolver->io);
    pthread_mutex_lock(&desk->lock);
    *desk->todo_end = job;
    desk->todo_end = &job->next;
    pthread_cond_signal(&desk->wanted);
    pthread_mutex_unlock(&desk->lock);
    return 0;
}

int resolver_lookup(struct resolver *resolver, const char *host, struct resolve_query *query)
{
    size_t size = strnlen(host, MAX_HOST_BYTES + 1);
    uint64_t now = clock_monotonic_usec();
    struct name *name;
    int r;

    query->next = NULL;
    query->pending = NULL;
    query->elapsed_usec = 0;
    query->count = 0;
    if (size == 0 || size > MAX_HOST_BYTES) {
        query->result = -ENOENT;
        (void)snprintf(query->reason, sizeof query->reason, "The name is %s",
                       size == 0 ? "empty" : "too long");
        return 1;
    }
    r = get_name(resolver, host, size, &name);
    if (r < 0) {
        return r;
    }
    if (name->job && now < name->expires_usec) {
        fill(name, query);
        return 1;
    }
    if (!name->asked) {
        r = ask(resolver, name);
        if (r < 0) {
            return r;
        }
    }
    query->elapsed_usec = now;
    list_append(&name->waiting, query);
    return 0;
}

void resolver_cancel(struct resolver *resolver _unused_, struct resolve_query *query)
{
    if (query->pending) {
        list_remove(query->pending, query);
    }
}

void resolver_demote(struct resolver *resolver, const char *host, const char *address)
{
    struct name *name = strmap_get(resolver->names, host, strnlen(host, MAX_HOST_BYTES + 1));

    for (size_t i = 0; name && name->job && i < name->job->answer.count; i++) {
        if (strcmp(name->job->answer.addresses[i], address) == 0) {
            name->demoted[i] = true;
        }
    }
}
