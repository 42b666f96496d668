/* SPDX-License-Identifier: MPL-2.0 */
/* getaddrinfo() for a user that waits: by the worker's resolver, which caches and asks once for all
 * users; or, for what that can't express (canonical names, addresses of IPv4 in IPv6, other
 * families), by a thread for the one call. A user that leaves doesn't wait for its thread: each of
 * the two holds the question, and the last one frees it. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "blocking.h"
#include "blocking_lookup.h"

struct question {
    unsigned holders; /* this and the next are read and written by both threads: atomically */
    bool answered;
    int event_fd;
    char *host, *service; /* service NULL: none */
    struct addrinfo hints;
    struct addrinfo *list;
    int code, error_number;
};

static struct question *question_unref(struct question *question)
{
    if (question && __atomic_sub_fetch(&question->holders, 1, __ATOMIC_ACQ_REL) == 0) {
        if (question->list) {
            freeaddrinfo(question->list);
        }
        close_fd(question->event_fd);
        free(question->host);
        free(question->service);
        free(question);
    }
    return NULL;
}
DEFINE_CLEANUP(struct question, question_unref)

static void *answer(void *argument)
{
    static const uint64_t one = 1;
    struct question *question = argument;

    question->code =
        getaddrinfo(question->host, question->service, &question->hints, &question->list);
    question->error_number = errno;
    __atomic_store_n(&question->answered, true, __ATOMIC_RELEASE);
    (void)!write(question->event_fd, &one, sizeof one); /* nothing else counts there */
    question_unref(question);
    return NULL;
}

static int question_new(struct question **ret, const char *host, const char *service,
                        const struct addrinfo *hints)
{
    struct question *question = calloc(1, sizeof *question);

    if (!question) {
        return EAI_MEMORY;
    }
    question->holders = 1;
    question->hints = *hints;
    question->host = strdup(host);
    question->service = service ? strdup(service) : NULL;
    question->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!question->host || (service && !question->service) || question->event_fd < 0) {
        question_unref(question);
        return EAI_MEMORY;
    }
    *ret = question;
    return 0;
}

/* The thread takes no signals: they are the loop's. */
static int start(struct question *question)
{
    sigset_t all, before;
    pthread_t thread;

    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails for a wrong `how` only */
    question->holders = 2;                             /* there is only one thread yet */
    int r = pthread_create(&thread, NULL, answer, question);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        question->holders = 1;
        return EAI_AGAIN;
    }
    (void)pthread_detach(thread); /* fails for one that is not joinable only */
    return 0;
}

static void on_event(struct ev_loop *loop _unused_, ev_io *watcher, int events _unused_)
{
    user_wake(watcher->data);
}

static int wait_for(struct loads_user *user, struct question *question)
{
    ev_io io;
    int r;

    ev_io_init(&io, on_event, question->event_fd, EV_READ);
    io.data = user;
    ev_io_start(user->worker->loop, &io);
    do {
        r = user_wait(user);
    } while (r == 0 && !__atomic_load_n(&question->answered, __ATOMIC_ACQUIRE));
    ev_io_stop(user->worker->loop, &io);
    return r;
}

/* An EAI_ code, or -ECANCELED, which is none. */
static int ask_thread(struct loads_user *user, const char *host, const char *service,
                      const struct addrinfo *hints, struct addrinfo **ret)
{
    _cleanup_(question_unrefp) struct question *question = NULL;

    int r = question_new(&question, host, service, hints);
    if (r == 0) {
        r = start(question);
    }
    if (r == 0) {
        r = wait_for(user, question);
    }
    if (r != 0) {
        return r;
    }
    if (question->code == 0) {
        *ret = TAKE_PTR(question->list);
    }
    errno = question->error_number;
    return question->code;
}

/* ---- the resolver ---------------------------------------------------------------------------- */

struct waiting {
    struct resolve_query query;
    struct loads_user *user;
    bool done;
};

static void on_answer(struct resolve_query *query)
{
    struct waiting *waiting = query->context;

    waiting->done = true;
    user_wake(waiting->user);
}

static int code_of(int result)
{
    return result == -ENOENT ? EAI_NONAME : result == -ENOMEM ? EAI_MEMORY : EAI_AGAIN;
}

/* As ask_thread(). */
static int ask_resolver(struct loads_user *user, const char *host, const char *service,
                        const struct addrinfo *hints, struct addrinfo **ret)
{
    struct resolver *resolver = user->worker->resolver;
    struct waiting waiting = {.query = {.done = on_answer}, .user = user};
    const char *addresses[RESOLVE_MAX_ADDRESSES];

    waiting.query.context = &waiting;
    int r = resolver_lookup(resolver, host, &waiting.query);
    if (r < 0) {
        return code_of(r);
    }
    waiting.done = r == 1;
    r = 0;
    while (r == 0 && !waiting.done) {
        r = user_wait(user);
    }
    if (r < 0) {
        resolver_cancel(resolver, &waiting.query);
        return r;
    }
    for (size_t i = 0; i < waiting.query.count; i++) {
        addresses[i] = waiting.query.addresses[i];
    }
    return waiting.query.result < 0
               ? code_of(waiting.query.result)
               : lookup_list(addresses, waiting.query.count, service, hints, ret);
}

int blocking_lookup(struct loads_user *user, const char *host, const char *service,
                    const struct addrinfo *hints, struct addrinfo **ret)
{
    int before = errno, r;

    switch (lookup_way(host, hints)) {
    case LOOKUP_RESOLVER:
        r = ask_resolver(user, host, service, hints, ret);
        break;
    case LOOKUP_THREAD: /* there are hints, or the resolver would do */
        r = ask_thread(user, host, service, hints, ret);
        break;
    default:
        return getaddrinfo(host, service, hints, ret);
    }
    if (r == -ECANCELED) {
        user_leave(user);
    }
    if (r != EAI_SYSTEM) {
        errno = before;
    }
    return r;
}
