/* SPDX-License-Identifier: MPL-2.0 */
/* Setting up, starting, stopping and ending. A worker is told what to do by its supervisor over
 * descriptor 3; when that closes, the supervisor is gone, and so is the worker. */
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "crash.h"
#include "feeder.h"
#include "iteration.h"
#include "journey.h"
#include "loop/curl.h"
#include "module.h"
#include "pace.h"
#include "record.h"
#include "request.h"
#include "run/channel.h"
#include "run/run_dir.h"
#include "run/worker_files.h"
#include "stall.h"
#include "url_test.h"
#include "user.h"
#include "ways.h"
#include "wire/mix.h"

#define RESOLVE_TTL_USEC (30 * USEC_PER_SEC)
#define MAX_CACHED_URLS  4096

/* ---- the loop -------------------------------------------------------------------------------- */

static void release_user(struct loads_user *user)
{
    session_close(&user->session);
    feeders_forget(user);
    request_forget_server(user);
    arena_reset(&user->arena);
    journey_forget(user);
    stack_give_back(user->worker->stacks, &user->stack);
}

static void on_over(struct loads_user *user)
{
    struct worker *worker = user->worker;

    release_user(user);
    if (--worker->n_running == 0) {
        ev_break(worker->loop, EVBREAK_ALL);
    }
}

static void on_prepare(struct ev_loop *loop _unused_, ev_prepare *watcher, int events _unused_)
{
    struct worker *worker = watcher->data;

    *worker->area->turned_usec = clock_monotonic_usec();
    users_run_ready(worker, on_over);
}

/* Users needn't wait for the end of the loop's turn: no library is in the middle of something. */
static void on_told(void *context)
{
    users_run_ready(context, on_over);
    users_run_ready(context, on_over); /* an iteration has ended: the next one begins */
}

static void on_idle(struct ev_loop *loop _unused_, ev_idle *watcher _unused_, int events _unused_)
{
    /* Being active is its work: the loop doesn't wait while users are ready. */
}

static void cancel_all(struct worker *worker)
{
    for (unsigned i = 0; i < worker->n_users; i++) {
        if (!context_over(&worker->users[i].context)) {
            user_cancel(&worker->users[i]);
        }
    }
}

static void on_grace(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    cancel_all(timer->data);
}

/* No iteration starts any more; those that are on may end until `at_usec`, which can be moved
 * nearer. */
static void stop(struct worker *worker, uint64_t at_usec)
{
    uint64_t now = clock_monotonic_usec();

    worker->stopping = true;
    pace_end(worker);
    ev_timer_stop(worker->loop, &worker->grace);
    if (at_usec <= now) {
        cancel_all(worker);
        return;
    }
    ev_now_update(worker->loop);
    ev_timer_set(&worker->grace, (double)(at_usec - now) / 1e6, 0);
    ev_timer_start(worker->loop, &worker->grace);
}

static void on_deadline(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct worker *worker = timer->data;
    stop(worker, worker->deadline_usec + worker->spec->grace_usec);
}

static void on_second(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct worker *worker = timer->data;
    uint64_t elapsed = clock_monotonic_usec() - worker->run_start_usec;

    tally_advance(worker->area->tally, (uint32_t)(elapsed / USEC_PER_SEC));
    stall_begin_second(worker);
}

static void go(struct worker *worker, const struct message_go *order)
{
    if (worker->run_start_usec > 0) {
        return;
    }
    uint64_t now = clock_monotonic_usec();
    worker->run_start_usec = order->run_start_usec;
    worker->deadline_usec = order->deadline_usec;
    stall_begin_second(worker);
    ev_now_update(worker->loop);
    if (order->deadline_usec > 0) {
        double left = order->deadline_usec > now ? (double)(order->deadline_usec - now) / 1e6 : 0;
        ev_timer_set(&worker->deadline, left, 0);
        ev_timer_start(worker->loop, &worker->deadline);
    }
    ev_timer_again(worker->loop, &worker->second);
    for (unsigned i = 0; i < worker->n_users; i++) {
        user_wake(&worker->users[i]);
    }
}

static void on_channel(struct ev_loop *loop, ev_io *watcher, int events _unused_)
{
    struct worker *worker = watcher->data;
    struct message message;
    int r;

    while ((r = channel_receive(worker->channel, &message)) != 0) {
        if (r == -EBADF || r == -ENOTSOCK) { /* a test closed it: the supervisor sees to our end */
            ev_io_stop(loop, watcher);
            return;
        }
        if (r < 0) {
            _exit(EXIT_FAILURE); /* the supervisor is gone: nobody will read what we count */
        }
        if (message.type == MESSAGE_GO) {
            go(worker, &message.go);
        } else if (message.type == MESSAGE_STOP) {
            stop(worker, clock_monotonic_usec() + message.stop.grace_usec);
        } else if (message.type == MESSAGE_DRAINED) {
            record_room(worker);
        }
    }
}

void worker_run(struct worker *worker)
{
    ev_run(worker->loop, 0);
    (void)tally_seal(worker->area->tally); /* the supervisor reads both buffers at our end */
}

/* ---- setting up ------------------------------------------------------------------------------ */

static int open_files(struct worker *worker, struct error *error)
{
    struct worker_files files;
    int r = worker_files_open(&files, worker->share.run_dir, worker->share.serial, error);

    if (r < 0) {
        return r;
    }
    worker->spec = files.spec;
    worker->names = files.names;
    worker->area = files.area;
    worker->n_users = worker->area->n_users;
    if (worker->n_users > stack_pool_limit()) {
        return error_set(error, -E2BIG,
                         "%u users are more than this worker can hold: %zu with the kernel's "
                         "vm.max_map_count; raise that, or use more --workers",
                         worker->n_users, stack_pool_limit());
    }
    _cleanup_free_ char *deal = run_dir_file(worker->share.run_dir, "deal");
    return deal ? deal_open(&worker->deal, deal, error)
                : error_set_errno(error, -ENOMEM, "cannot start");
}

static void name_test(struct worker *worker, struct worker_test *test, const char *name)
{
    test->name = name;
    test->id = names_id(worker->names->names, NAME_TEST, name, strlen(name));
}

/* Of a module that is loaded. */
static int find_test(struct worker *worker, const struct mix *mix, const struct module *module,
                     struct error *error)
{
    const struct mix_test *asked = &mix->tests[worker->n_tests];
    const char *path = worker->spec->module_paths.items[asked->module];
    struct worker_test *test = &worker->tests[worker->n_tests], *other = worker->tests;
    int r = module_find(module, &asked->fqn, path, &test->test, error);

    if (r < 0) {
        return r;
    }
    test->module = asked->module;
    while (other->module != test->module || strcmp(other->test->suite, asked->fqn.suite) != 0) {
        other++; /* up to itself */
    }
    test->suite = (unsigned)(other - worker->tests);
    for (unsigned kind = 0; kind < LOADS_HOOK_KINDS_; kind++) {
        test->hooks[kind] = module_hook(module, asked->fqn.suite, kind);
    }
    name_test(worker, test, mix_name(mix, worker->n_tests++));
    return 0;
}

static int load_modules(struct worker *worker, const struct mix *mix, struct error *error)
{
    struct module *modules[MIX_MAX_TESTS];
    int r = 0;

    for (unsigned i = 0; r == 0 && i < mix->n_modules; i++) {
        const char *path = worker->spec->module_paths.items[i];
        r = module_load(path, path, &modules[i], error);
    }
    for (unsigned i = 0; r == 0 && i < mix->n; i++) {
        r = find_test(worker, mix, modules[mix->tests[i].module], error);
    }
    return r;
}

static int load_tests(struct worker *worker, struct error *error)
{
    const struct run_spec *spec = worker->spec;
    int r = 0;

    worker->mix = calloc(1, sizeof *worker->mix);
    if (!worker->mix) {
        return error_set_errno(error, -ENOMEM, "cannot set up");
    }
    worker->mix->n = 1;
    if (!spec->url) {
        r = mix_parse(run_spec_tests(spec), worker->mix, error);
    }
    if (r < 0) {
        return r;
    }
    worker->tests = calloc(worker->mix->n, sizeof *worker->tests);
    if (!worker->tests) {
        return error_set_errno(error, -ENOMEM, "cannot set up");
    }
    if (spec->url) {
        worker->tests[worker->n_tests++].test = url_test();
        name_test(worker, worker->tests, SPEC_URL_SUITE "." SPEC_URL_TEST);
        return 0;
    }
    r = load_modules(worker, worker->mix, error);
    feeders_open(worker);
    return r;
}

static int make_parts(struct worker *worker, struct error *error)
{
    struct transport_curl_options options = {.ca_file = worker->spec->ca_file,
                                             .insecure = worker->spec->insecure,
                                             .cert_file = worker->spec->http.cert_file,
                                             .key_file = worker->spec->http.key_file,
                                             .tls_min = spec_http_tls_min(&worker->spec->http),
                                             .http2 = worker->spec->http.http2,
                                             .told = on_told,
                                             .context = worker};
    const char *server_url = worker->spec->url ? worker->spec->url : worker->spec->server_url;
    uint64_t ttl = worker->spec->http.no_dns_resolve ? 0 : RESOLVE_TTL_USEC;
    int r;

    worker->loop = ev_loop_new(EVFLAG_AUTO);
    if (!worker->loop) {
        return error_set(error, -ENOMEM, "cannot make an event loop");
    }
    if ((r = transport_curl_new(&worker->transport, worker->loop, &options)) < 0 ||
        (r = resolver_new(&worker->resolver, worker->loop, ttl, NULL)) < 0 ||
        (r = url_cache_new(&worker->urls, MAX_CACHED_URLS)) < 0 ||
        (r = arena_pool_new(&worker->arenas)) < 0 ||
        (r = decoder_pool_new(&worker->decoders)) < 0 ||
        (r = stack_pool_new(&worker->stacks, worker->spec->stack_size_bytes)) < 0) {
        return error_set_errno(error, r, "cannot set up");
    }
    r = ways_open(worker, error);
    if (r == 0 && worker->spec->pace) {
        r = distribution_parse(worker->spec->pace, &worker->pace, error);
    }
    return r == 0 && server_url
               ? url_get(worker->urls, NULL, server_url, &worker->server_url, error)
               : r;
}

static int make_users(struct worker *worker, struct error *error)
{
    worker->users = calloc(worker->n_users, sizeof *worker->users);
    if (!worker->users) {
        return error_set_errno(error, -ENOMEM, "cannot make %u users", worker->n_users);
    }
    for (unsigned i = 0; i < worker->n_users; i++) {
        user_init(&worker->users[i], worker, i, user_word_iterations(worker->area->users[i]));
        worker->users[i].stopped = user_word_phase(worker->area->users[i]) == USER_OVER;
        int r = user_start(&worker->users[i], iteration_loop, error);
        if (r < 0) {
            return r;
        }
        worker->n_running++;
        *worker->area->turned_usec = clock_monotonic_usec();
    }
    return 0;
}

static void make_watchers(struct worker *worker)
{
    uint64_t stall_usec = worker->spec->stall_timeout_usec;
    /* A loop that has nothing to do is to be told from one that stands still. */
    double second = stall_usec > 0 ? MIN(1.0, (double)stall_usec / 4e6) : 1.0;

    ev_prepare_init(&worker->prepare, on_prepare);
    ev_set_priority(&worker->prepare,
                    EV_MAXPRI); /* before the transport starts what users asked for */
    ev_idle_init(&worker->idle, on_idle);
    ev_io_init(&worker->channel_watcher, on_channel, worker->channel, EV_READ);
    ev_timer_init(&worker->deadline, on_deadline, 0, 0);
    ev_timer_init(&worker->grace, on_grace, 0, 0);
    ev_timer_init(&worker->second, on_second, second, second);
    worker->prepare.data = worker->channel_watcher.data = worker->deadline.data =
        worker->grace.data = worker->second.data = worker;
    ev_prepare_start(worker->loop, &worker->prepare);
    ev_io_start(worker->loop, &worker->channel_watcher);
}

int worker_new(struct worker **ret, const struct worker_share *share, struct error *error)
{
    _cleanup_(worker_freep) struct worker *worker = calloc(1, sizeof *worker);
    int r;

    if (!worker) {
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    worker->share = *share;
    worker->channel = CHANNEL_FD;
    worker->ready.last = &worker->ready.first;
    worker->no_room.last = &worker->no_room.first;
    if ((r = open_files(worker, error)) < 0 || (r = make_parts(worker, error)) < 0 ||
        (r = load_tests(worker, error)) < 0 || (r = make_users(worker, error)) < 0) {
        return r;
    }
    make_watchers(worker);
    r = crash_catch(worker->channel);
    if (r == 0) {
        r = user_watch_forks();
    }
    if (r < 0) {
        return error_set_errno(error, r, "cannot catch crashes");
    }
    r = channel_send(worker->channel, &(struct message){.type = MESSAGE_READY});
    if (r < 0) {
        return error_set_errno(error, r, "cannot reach the supervisor");
    }
    *ret = TAKE_PTR(worker);
    return 0;
}

struct worker *worker_free(struct worker *worker)
{
    if (worker) {
        for (unsigned i = 0; worker->users && i < worker->n_users; i++) {
            release_user(&worker->users[i]);
        }
        free(worker->users);
        free(worker->tests);
        free(worker->mix);
        url_unref(worker->server_url);
        transport_free(worker->transport);
        ws_client_free(worker->ws);
        resolver_free(worker->resolver);
        ways_close(worker);
        url_cache_free(worker->urls);
        stack_pool_free(worker->stacks);
        arena_pool_free(worker->arenas);
        decoder_pool_free(worker->decoders);
        feeders_close();
        deal_free(worker->deal);
        area_free(worker->area);
        names_file_free(worker->names);
        run_spec_free(worker->spec);
        if (worker->loop) {
            ev_loop_destroy(worker->loop);
        }
        free(worker);
    }
    return NULL;
}
