/* SPDX-License-Identifier: MPL-2.0 */
/* The area is made before the worker, which only maps it: so there is something to read whenever it
 * dies. Messages it sent before its death are read before its end is told (`gone`), and so is all
 * that it counted. A worker runs other people's tests, so it may send and write anything: each turn
 * takes a bounded number of messages, intervals and records. */
#include "run/worker_process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "loop/child.h"
#include "run/run_dir.h"
#include "run/symbolize.h"

/* More than fit into the channel, into a tally's two buffers, and into a detail ring. */
#define MAX_MESSAGES  1024
#define MAX_INTERVALS 8
#define MAX_RECORDS   65536

#define DEAF_SEC 1.0 /* from the channel's end to the worker's, which usually follows at once */

#define LAST_WORDS_USEC USEC_PER_SEC /* that a stalled worker has for its last words */

struct worker_process {
    struct ev_loop *loop;
    struct child *child;
    int channel;
    ev_io watcher;
    ev_timer deafness;
    struct area *area;
    unsigned serial, first_user;
    struct casualty_times *times; /* of each user; NULL without detail */
    bool ready;
    bool going;   /* it was told to: from then on its loop turns once a second at least */
    bool deaf;    /* it runs, but can't be told anything any more */
    bool stalled; /* and it doesn't say where */
    bool has_crash;
    bool has_refusal;
    bool owes_stop;           /* its channel was full */
    uint64_t last_words_usec; /* when it was asked for them; 0: it wasn't */
    uint64_t stop_grace_usec;
    int damage; /* 0, -EBADMSG or -ENOMEM */
    struct message last_words;
    struct worker_callbacks callbacks;
};

static void give_intervals(struct worker_process *worker, bool rest)
{
    for (unsigned i = 0; i < MAX_INTERVALS; i++) {
        _cleanup_(interval_freep) struct interval *interval = NULL;
        int r = rest ? tally_take_rest(worker->area->tally, &interval)
                     : tally_take(worker->area->tally, &interval);
        if (r == -EBADMSG) {
            worker->damage = r;
            continue; /* that buffer is given up: take the other */
        }
        if (r < 0 && rest) {
            worker->damage = r; /* else there is another time */
        }
        if (r <= 0) {
            return;
        }
        worker->callbacks.interval(worker, interval, worker->callbacks.context);
    }
}

static void note_times(struct worker_process *worker, const struct detail *detail)
{
    unsigned index = detail->user - worker->first_user;

    if (index >= worker->area->n_users) {
        return;
    }
    struct casualty_times *times = &worker->times[index];
    if (detail->type == DETAIL_START_TEST) {
        *times = (struct casualty_times){detail->started_usec, detail->started_usec};
    } else if (detail->type == DETAIL_HIT || detail->type == DETAIL_REQUEST_ERROR) {
        times->last_usec = detail->started_usec + detail->elapsed_usec;
    }
}

static void give_detail(struct worker_process *worker)
{
    struct detail_ring *ring = worker->area->ring;
    char text[DETAIL_MAX_BYTES];
    struct detail detail;
    unsigned n = 0;

    while (ring && n < MAX_RECORDS && detail_ring_take(ring, &detail, text) > 0) {
        note_times(worker, &detail);
        worker->callbacks.detail(worker, &detail, worker->callbacks.context);
        n++;
    }
    if (n > 0) {
        (void)!channel_send(worker->channel, &(struct message){.type = MESSAGE_DRAINED});
        /* gone or full: a worker with unread messages knows already */
    }
}

void worker_drain(struct worker_process *worker)
{
    if (worker->owes_stop) {
        worker_stop(worker, worker->stop_grace_usec);
    }
    if (worker->area->tally) {
        if (worker->callbacks.wants_detail(worker, worker->callbacks.context)) {
            give_detail(worker);
        }
        give_intervals(worker, false);
    }
}

/* The worker says that it is ready: it has formatted what it counts in. */
static void make_ready(struct worker_process *worker)
{
    if (worker->ready || worker->has_refusal) {
        return;
    }
    int r = area_attach(worker->area);
    if (r < 0) {
        worker->has_refusal = true;
        (void)snprintf(worker->last_words.text, sizeof worker->last_words.text,
                       "cannot read what a worker counts: %s", strerror(-r));
        worker_signal(worker, SIGKILL);
        return;
    }
    worker->ready = true;
    worker->callbacks.ready(worker, worker->callbacks.context);
}

static void take_message(struct worker_process *worker, const struct message *message)
{
    switch (message->type) {
    case MESSAGE_READY:
        make_ready(worker);
        break;
    case MESSAGE_CRASH:
    case MESSAGE_REFUSED:
        if (!worker->has_crash && !worker->has_refusal) {
            worker->has_crash = message->type == MESSAGE_CRASH;
            worker->has_refusal = message->type == MESSAGE_REFUSED;
            worker->last_words = *message;
        }
        break;
    default:
        break; /* ours to send, not to get: a test wrote to descriptor 3 */
    }
}

static void on_channel(struct ev_loop *loop, ev_io *watcher, int events _unused_)
{
    struct worker_process *worker = watcher->data;
    struct message message;

    for (unsigned i = 0; i < MAX_MESSAGES; i++) {
        int r = channel_receive(worker->channel, &message);
        if (r == 0) {
            return;
        }
        if (r > 0) {
            take_message(worker, &message);
        } else if (r != -EBADMSG) {
            ev_io_stop(loop, watcher); /* its end follows through the child's watcher */
            ev_timer_start(loop, &worker->deafness);
            return;
        }
    }
}

/* A test closed the channel. What is left of the worker could neither be stopped nor told of room
 * in the ring. */
static void on_deaf(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct worker_process *worker = timer->data;

    worker->deaf = true;
    worker_signal(worker, SIGKILL);
}

static void on_output(struct child *child _unused_, const char *text, size_t size, void *context)
{
    struct worker_process *worker = context;
    worker->callbacks.output(worker, text, size, worker->callbacks.context);
}

static void on_gone(struct child *child _unused_, int status, void *context)
{
    struct worker_process *worker = context;

    on_channel(worker->loop, &worker->watcher, EV_READ);
    ev_timer_stop(worker->loop, &worker->deafness);
    if (area_attach(worker->area) == -ENOMEM) { /* -EINVAL: it died before there was anything */
        worker->damage = -ENOMEM;
    }
    if (worker->area->tally) {
        tally_recover(worker->area->tally);
        give_detail(worker);
        give_intervals(worker, true);
    }
    worker->callbacks.gone(worker, status, worker->callbacks.context);
}

static int make_area(struct worker_process *worker, const struct worker_launch *launch,
                     struct error *error)
{
    _cleanup_free_ char *path = run_dir_file(launch->run_dir, "worker-%u", launch->serial);
    if (!path) {
        return error_set_errno(error, -ENOMEM, "cannot start a worker");
    }
    int r = area_create(&worker->area, path, launch->n_users, launch->detail, error);
    if (r == 0) {
        *worker->area->turned_usec = clock_monotonic_usec();
    }
    if (r == 0 && launch->words) {
        memcpy(worker->area->users, launch->words, launch->n_users * sizeof(uint64_t));
    }
    if (r == 0 && launch->detail) {
        worker->times = calloc(MAX(launch->n_users, 1u), sizeof *worker->times);
        r = worker->times ? 0 : error_set_errno(error, -ENOMEM, "cannot start a worker");
    }
    return r;
}

static int start_child(struct worker_process *worker, const struct worker_launch *launch, int fd,
                       struct error *error)
{
    char numbers[4][16];
    unsigned values[4] = {launch->serial, launch->cycle, launch->first_user, launch->hits};

    for (int i = 0; i < 4; i++) {
        (void)snprintf(numbers[i], sizeof numbers[i], "%u", values[i]);
    }
    const char *argv[] = {launch->program,
                          "--run-dir",
                          launch->run_dir,
                          "--serial",
                          numbers[0],
                          "--cycle",
                          numbers[1],
                          "--first-user",
                          numbers[2],
                          "--iterations",
                          numbers[3],
                          NULL,
                          NULL,
                          NULL};
    if (launch->agent_id) {
        argv[ELEMENTSOF(argv) - 3] = "--agent-id";
        argv[ELEMENTSOF(argv) - 2] = launch->agent_id;
    }
    struct child_options options = {.argv = argv,
                                    .directory = launch->directory,
                                    .channel_fd = fd,
                                    .stdout_fd = -1,
                                    .cgroup = launch->cgroup,
                                    .output = worker->callbacks.output ? on_output : NULL,
                                    .gone = on_gone,
                                    .context = worker};
    return child_spawn(&worker->child, worker->loop, &options, error);
}

int worker_launch(struct worker_process **ret, struct ev_loop *loop,
                  const struct worker_launch *launch, const struct worker_callbacks *callbacks,
                  struct error *error)
{
    _cleanup_(worker_process_freep) struct worker_process *worker = calloc(1, sizeof *worker);
    _cleanup_fd_ int theirs = -1;
    int pair[2];

    if (!worker) {
        return error_set_errno(error, -ENOMEM, "cannot start a worker");
    }
    worker->loop = loop;
    worker->channel = -1;
    worker->serial = launch->serial;
    worker->first_user = launch->first_user;
    worker->callbacks = *callbacks;
    int r = make_area(worker, launch, error);
    if (r < 0) {
        return r;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return error_set_errno(error, -errno, "cannot start a worker");
    }
    worker->channel = pair[0];
    theirs = pair[1];
    r = start_child(worker, launch, theirs, error);
    if (r < 0) {
        return r;
    }
    ev_io_init(&worker->watcher, on_channel, worker->channel, EV_READ);
    ev_timer_init(&worker->deafness, on_deaf, DEAF_SEC, 0);
    worker->watcher.data = worker->deafness.data = worker;
    ev_io_start(loop, &worker->watcher);
    *ret = TAKE_PTR(worker);
    return 0;
}

void worker_go(struct worker_process *worker, uint64_t run_start_usec, uint64_t deadline_usec)
{
    struct message message = {.type = MESSAGE_GO, .go = {run_start_usec, deadline_usec}};

    worker->going = true;
    *worker->area->turned_usec = clock_monotonic_usec(); /* until then it had nothing to turn for */
    (void)!channel_send(worker->channel, &message);      /* gone: its end will be told */
}

void worker_stop(struct worker_process *worker, uint64_t grace_usec)
{
    struct message message = {.type = MESSAGE_STOP, .stop = {grace_usec}};
    worker->stop_grace_usec = grace_usec;
    worker->owes_stop = channel_send(worker->channel, &message) == -EAGAIN;
    /* gone: its end will be told */
}

void worker_signal(struct worker_process *worker, int signal_number)
{
    child_signal(worker->child, signal_number);
}

void worker_end_stalled(struct worker_process *worker, uint64_t timeout_usec)
{
    uint64_t turned = *worker->area->turned_usec;
    uint64_t now = clock_monotonic_usec();
    bool waits = worker->ready && !worker->going;

    if (turned == 0 || turned > now) { /* a test wrote over it */
        *worker->area->turned_usec = now;
        return;
    }
    if (timeout_usec == 0 || waits || now - turned < timeout_usec) {
        return;
    }
    if (worker->ready && worker->last_words_usec == 0) { /* once: a second one would cut them off */
        worker->last_words_usec = now;
        (void)kill(child_pid(worker->child), SIGABRT); /* to it alone: it has a handler */
    } else if (!worker->ready || now >= worker->last_words_usec + LAST_WORDS_USEC) {
        worker->stalled = true;
        worker_signal(worker, SIGKILL);
    }
}

const struct message_crash *worker_crash(const struct worker_process *worker)
{
    return worker->has_crash ? &worker->last_words.crash : NULL;
}

const char *worker_refusal(const struct worker_process *worker)
{
    return worker->has_refusal ? worker->last_words.text : NULL;
}

int worker_damage(const struct worker_process *worker)
{
    return worker->damage;
}

const struct casualty_times *worker_times(const struct worker_process *worker)
{
    return worker->times;
}

bool worker_was_deaf(const struct worker_process *worker)
{
    return worker->deaf;
}

bool worker_was_stalled(const struct worker_process *worker)
{
    return worker->stalled;
}

bool worker_is_ready(const struct worker_process *worker)
{
    return worker->ready;
}

unsigned worker_serial(const struct worker_process *worker)
{
    return worker->serial;
}

unsigned worker_first_user(const struct worker_process *worker)
{
    return worker->first_user;
}

unsigned worker_n_users(const struct worker_process *worker)
{
    return worker->area->n_users;
}

const uint64_t *worker_words(const struct worker_process *worker)
{
    return worker->area->users;
}

uint64_t worker_live_hits(const struct worker_process *worker)
{
    return worker->area->tally ? tally_live_hits(worker->area->tally) : 0;
}

pid_t worker_pid(const struct worker_process *worker)
{
    return child_pid(worker->child);
}

void worker_describe_end(const struct worker_process *worker, const struct run_spec *spec,
                         int status, struct casualty_text *ret)
{
    const struct message_crash *crash = worker_crash(worker);

    *ret = (struct casualty_text){0};
    if (crash) {
        symbolize_crash(crash, &spec->module_paths, spec->stack_size_bytes, ret->message,
                        sizeof ret->message, ret->place, sizeof ret->place, ret->traceback,
                        sizeof ret->traceback);
        ret->user = crash->user;
    } else if (worker_was_deaf(worker)) {
        (void)snprintf(ret->message, sizeof ret->message,
                       "a test closed descriptor 3, over which its worker is told what to do");
        ret->user = -1;
    } else if (worker_was_stalled(worker)) {
        (void)snprintf(ret->message, sizeof ret->message, "%s",
                       worker->ready
                           ? "stalled for longer than --stall-timeout, with a test that blocks the "
                             "signal which asks where"
                           : "loading the test and making its users took longer than "
                             "--stall-timeout");
        ret->user = -1;
    } else {
        char how[96];
        child_describe_status(status, how, sizeof how);
        (void)snprintf(ret->message, sizeof ret->message, "the worker %s%s", how,
                       status == 0 ? " before its users were done: tests must not call exit()"
                                   : "");
        ret->user = -1;
    }
}

struct worker_process *worker_process_free(struct worker_process *worker)
{
    if (worker) {
        child_free(worker->child);
        if (worker->channel >= 0) {
            if (ev_is_active(&worker->watcher)) {
                ev_io_stop(worker->loop, &worker->watcher);
            }
            ev_timer_stop(worker->loop, &worker->deafness);
            close_fd(worker->channel);
        }
        area_free(worker->area);
        free(worker->times);
        free(worker);
    }
    return NULL;
}
