/* SPDX-License-Identifier: MPL-2.0 */
/* Setting up, starting, stopping and ending, as its supervisor says over descriptor 3. Processes
 * are started one per turn of the loop, so that what the first ones send is read meanwhile. When
 * there is no room in the detail ring, the socket is not read until there is: then its senders
 * wait. */
#include "external.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "count.h"
#include "loop/pull.h"
#include "processes.h"
#include "run/channel.h"
#include "run/cycles.h"
#include "run/run_dir.h"

#define TICK_SEC       0.02
#define OFFENDER_BYTES 200 /* of it are shown */

struct external {
    struct ev_loop *loop;
    struct external_options options;
    struct count count;
    struct processes *processes;
    struct pull *pull;
    struct runner_messages *batch;  /* that is being counted; NULL: none */
    struct runner_message message;  /* of it, for which there was no room */
    bool has_message, has_nonsense; /* which of both waits for room */
    uint64_t deadline_usec;
    bool going;
    ev_io channel_watcher;
    ev_prepare prepare;
    ev_idle starter;
    ev_timer tick;
};

/* ---- messages -------------------------------------------------------------------------------- */

/* The first one of the run is shown, whoever sees it: all workers look for the same file. */
static void show_nonsense(const struct external *external, const char *reason, const char *bytes,
                          size_t size)
{
    _cleanup_free_ char *path = run_dir_file(external->options.share->run_dir, "bad-message");
    char text[OFFENDER_BYTES + 1];
    size_t shown = MIN(size, (size_t)OFFENDER_BYTES);

    _cleanup_fd_ int fd = path ? open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600) : -1;
    if (fd < 0) {
        return;
    }
    for (size_t i = 0; i < shown; i++) {
        text[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?';
    }
    text[shown] = '\0';
    log_warning("the test runner sends what makes no sense (all of it is counted, the first is "
                "shown): %s: %s%s",
                reason, text, size > shown ? " ..." : "");
}

/* Counts what is left of a batch. False: there is no room. */
static bool count_batch(struct external *external, const char *bytes, size_t size)
{
    struct error error;
    int r = 1;

    while (r != 0) {
        if (external->has_message && !count_message(&external->count, &external->message)) {
            return false;
        }
        if (external->has_nonsense && !count_nonsense(&external->count)) {
            return false;
        }
        external->has_message = external->has_nonsense = false;
        r = external->batch ? runner_messages_next(external->batch, &external->message, &error) : 0;
        external->has_message = r > 0;
        external->has_nonsense = r < 0;
        if (r < 0) {
            show_nonsense(external, error.text, bytes, size);
        }
    }
    external->batch = runner_messages_free(external->batch);
    return true;
}

static void on_received(struct pull *pull, const struct zmtp_message *message, void *context)
{
    struct external *external = context;
    struct error error = {.text = ""};
    int r = message->fault ? error_set(&error, -EBADMSG, "%s", message->fault)
                           : runner_messages_new(&external->batch, message->bytes, message->size,
                                                 external->count.files.spec->run_id, &error);

    if (r < 0) {
        external->has_nonsense = true;
        show_nonsense(external, error.text, message->bytes, message->size);
    }
    pull_hold(pull, !count_batch(external, message->bytes, message->size));
}

/* It is told as what makes no sense is, but isn't counted: it was no message. */
static void on_refused(struct pull *pull _unused_, const char *reason, void *context)
{
    show_nonsense(context, reason, "", 0);
}

/* There is room in the detail ring again. */
static void on_room(struct external *external)
{
    if (external->has_message || external->has_nonsense) {
        pull_hold(external->pull, !count_batch(external, "", 0));
    }
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void look(struct external *external)
{
    bool waiting = processes_waiting(external->processes);
    bool dry = waiting && pull_is_dry(external->pull);

    processes_tick(external->processes, dry, dry && pull_connections(external->pull) == 0,
                   pull_heard_usec(external->pull));
    if (processes_over(external->processes)) {
        ev_break(external->loop, EVBREAK_ALL);
    }
}

static void on_tick(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct external *external = timer->data;
    uint64_t elapsed = clock_monotonic_usec() - external->count.run_start_usec;

    tally_advance(external->count.files.area->tally, (uint32_t)(elapsed / USEC_PER_SEC));
    look(external);
}

static void on_starter(struct ev_loop *loop, ev_idle *idle, int events _unused_)
{
    struct external *external = idle->data;

    if (!processes_start_next(external->processes, external->deadline_usec)) {
        ev_idle_stop(loop, idle);
        look(external);
    }
}

static void on_prepare(struct ev_loop *loop _unused_, ev_prepare *watcher, int events _unused_)
{
    struct external *external = watcher->data;
    *external->count.files.area->turned_usec = clock_monotonic_usec();
}

static void go(struct external *external, const struct message_go *order)
{
    if (external->going) {
        return;
    }
    external->going = true;
    external->count.run_start_usec = order->run_start_usec;
    external->deadline_usec = order->deadline_usec;
    ev_timer_again(external->loop, &external->tick);
    ev_idle_start(external->loop, &external->starter);
}

static void on_ready(void *context _unused_)
{
    if (channel_send(CHANNEL_FD, &(struct message){.type = MESSAGE_READY}) < 0) {
        _exit(EXIT_FAILURE); /* the supervisor is gone */
    }
}

static void on_channel(struct ev_loop *loop _unused_, ev_io *watcher, int events _unused_)
{
    struct external *external = watcher->data;
    struct message message;
    int r;

    while ((r = channel_receive(CHANNEL_FD, &message)) != 0) {
        if (r < 0) {
            _exit(EXIT_FAILURE); /* the supervisor is gone: nobody will read what we count */
        }
        if (message.type == MESSAGE_GO) {
            go(external, &message.go);
        } else if (message.type == MESSAGE_STOP) {
            processes_stop(external->processes, clock_monotonic_usec() + message.stop.grace_usec);
        } else if (message.type == MESSAGE_DRAINED) {
            on_room(external);
        }
    }
}

void external_run(struct external *external)
{
    ev_run(external->loop, 0);
    (void)tally_seal(external->count.files.area->tally); /* both buffers are read at our end */
}

/* ---- setting up ------------------------------------------------------------------------------ */

static int open_socket(struct external *external, struct error *error)
{
    struct pull_options options = {.max_message_bytes = RUNNER_MAX_BYTES,
                                   .received = on_received,
                                   .refused = on_refused,
                                   .context = external};
    _cleanup_free_ char *address = NULL;

    if (asprintf(&address, "ipc://%s/runner-%u", external->options.share->run_dir,
                 external->options.share->serial) < 0) {
        address = NULL;
        return error_set_errno(error, -ENOMEM, "cannot set up");
    }
    return pull_new(&external->pull, external->loop, address, &options, error);
}

static int make_parts(struct external *external, struct error *error)
{
    const struct worker_share *share = external->options.share;
    struct worker_files files;
    int r = worker_files_open(&files, share->run_dir, share->serial, error);

    if (r < 0) {
        return r;
    }
    r = count_init(&external->count, &files);
    if (r < 0) {
        worker_files_close(&files);
        return error_set_errno(error, r, "cannot set up");
    }
    external->count.channel = CHANNEL_FD;
    external->count.cycle = share->cycle;
    external->count.first_user = share->first_user;
    external->count.first_number =
        share->first_user % cycles_at(external->count.files.spec, share->cycle).users + 1;
    external->loop = ev_loop_new(EVFLAG_AUTO);
    if (!external->loop) {
        return error_set(error, -ENOMEM, "cannot make an event loop");
    }
    r = open_socket(external, error);
    if (r < 0) {
        return r;
    }
    struct processes_options processes = {.count = &external->count,
                                          .receiver = pull_address(external->pull),
                                          .agent_id = external->options.agent_id,
                                          .iterations = share->iterations,
                                          .ready = on_ready};
    return processes_new(&external->processes, external->loop, &processes, error);
}

static void make_watchers(struct external *external)
{
    ev_prepare_init(&external->prepare, on_prepare);
    ev_idle_init(&external->starter, on_starter);
    ev_io_init(&external->channel_watcher, on_channel, CHANNEL_FD, EV_READ);
    ev_timer_init(&external->tick, on_tick, TICK_SEC, TICK_SEC);
    external->prepare.data = external->starter.data = external->channel_watcher.data =
        external->tick.data = external;
    ev_prepare_start(external->loop, &external->prepare);
    ev_io_start(external->loop, &external->channel_watcher);
}

int external_new(struct external **ret, const struct external_options *options, struct error *error)
{
    _cleanup_(external_freep) struct external *external = calloc(1, sizeof *external);

    if (!external) {
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    external->options = *options;
    int r = make_parts(external, error);
    if (r < 0) {
        return r;
    }
    make_watchers(external);
    if (external->count.files.spec->python) {
        processes_prepare(external->processes);
    } else {
        on_ready(NULL);
    }
    *ret = TAKE_PTR(external);
    return 0;
}

struct external *external_free(struct external *external)
{
    if (external) {
        processes_free(external->processes);
        runner_messages_free(external->batch);
        pull_free(external->pull);
        count_clear(&external->count);
        if (external->loop) {
            ev_loop_destroy(external->loop);
        }
        free(external);
    }
    return NULL;
}
