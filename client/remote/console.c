/* SPDX-License-Identifier: MPL-2.0 */
/* Callbacks (messages of the run, signals, an answer on the terminal, the clock) only note what
 * happened and end the loop's turn; watch() then does what is to be done, one thing after the
 * other, and may ask the broker meanwhile. */
#include "remote/console.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "outputs/text.h"
#include "remote/console_report.h"
#include "remote/console_signals.h"
#include "remote/publication.h"
#include "remote/requests.h"
#include "remote/snapshot.h"
#include "shared/progress.h"
#include "shared/screen.h"

#define QUESTION    "Do you want to (s)top the test or (d)etach ? "
#define LOG_COLUMNS 2000

/* What watch() goes on with, or the exit code. */
#define GO_ON (-1)

struct console {
    const struct console_options *options;
    struct ev_loop *loop;
    struct frontend *frontend;
    const char *run_id;
    char *publisher; /* the address of the subscription */
    struct subscription *subscription;
    struct snapshot *snapshot;
    struct progress_numbers live; /* of the last message */
    bool has_live;                /* there was one */
    struct progress *progress;
    struct console_signals signals;
    ev_timer silence;
    ev_io terminal;
    bool asking, asking_broker;
    bool is_hidden; /* the question gave way to a message */
    unsigned stops; /* how often the run was told to stop */

    /* What callbacks noted: */
    bool welcome, stale, detached;
    char answer; /* 's' or 'd', 0: none */

    uint64_t lost_usec; /* since when the broker doesn't answer, 0: it does */
    bool said_queued;
};

static void wake(struct console *console)
{
    ev_break(console->loop, EVBREAK_ONE);
}

/* ---- messages of the run ---------------------------------------------------------------------- */

/* Makes room for a message. A question is asked again behind it. */
static void hide(struct console *console)
{
    progress_hide(console->progress);
    if (console->asking && !console->is_hidden) {
        (void)fputs(screen_can_draw(STDERR_FILENO) ? "\r\033[K" : "\n", stderr);
        console->is_hidden = true;
        wake(console);
    }
}

static void put_question(struct console *console)
{
    console->is_hidden = false;
    (void)fputs(QUESTION, stderr);
    (void)fflush(stderr); /* nobody looks: nothing is lost */
}

/* A text from elsewhere as one of ours, cleaned. */
static void say_problem(struct console *console, const char *agent_id, const char *text)
{
    struct error line;

    (void)error_set(&line, 0, "%s%s%s", agent_id ? agent_id : "", agent_id ? ": " : "", text);
    hide(console);
    log_warning("%s", line.text);
}

/* What a test wrote, line by line behind the agent's name. */
static void show_log(struct console *console, const char *agent_id, const char *text)
{
    hide(console);
    while (*text) {
        size_t size = strcspn(text, "\n");
        (void)text_put(stderr, agent_id ? agent_id : "", agent_id ? strlen(agent_id) : 0,
                       LOG_COLUMNS);
        (void)fputs(": ", stderr);
        (void)text_put(stderr, text, size, LOG_COLUMNS);
        (void)fputc('\n', stderr);
        text += size + (text[size] == '\n');
    }
}

static void take_live(struct console *console, const struct publication *live)
{
    if (console->snapshot && live->number <= console->snapshot->number) {
        return; /* the snapshot has it */
    }
    console_report_live(live, &console->live);
    console->has_live = true;
    if (!console->said_queued && strcmp(live->state, "queued") == 0) {
        console->said_queued = true;
        hide(console);
        log_notice("the run waits until enough agents are free");
    }
}

static void on_published(const struct publication *publication, void *context)
{
    struct console *console = context;

    ev_timer_again(console->loop, &console->silence);
    switch (publication->type) {
    case PUBLICATION_LIVE:
        take_live(console, publication);
        break;
    case PUBLICATION_LOG:
        show_log(console, publication->agent_id, publication->text);
        break;
    case PUBLICATION_PROBLEM:
        say_problem(console, publication->agent_id, publication->text);
        break;
    case PUBLICATION_DETACH:
        console->detached = true;
        wake(console);
        break;
    case PUBLICATION_FINISHED:
        console->stale = true;
        wake(console);
        break;
    case PUBLICATION_OTHER:
        break;
    }
}

static void on_welcome(void *context)
{
    struct console *console = context;

    console->welcome = console->stale = true;
    wake(console);
}

static void on_silence(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct console *console = timer->data;

    console->stale = true;
    wake(console);
}

/* Subscribes where the broker publishes now, unless that is so already. */
static int subscribe(struct console *console, struct error *error)
{
    _cleanup_free_ char *address = NULL;
    const struct subscription_callbacks callbacks = {on_welcome, on_published, console};

    int r = frontend_publisher(console->frontend, &address, error);
    if (r < 0 || (console->publisher && strcmp(console->publisher, address) == 0)) {
        return r;
    }
    console->subscription = subscription_free(console->subscription);
    r = subscription_new(&console->subscription, frontend_mq(console->frontend), address,
                         console->run_id, &callbacks, error);
    if (r == 0) {
        free(console->publisher);
        console->publisher = TAKE_PTR(address);
    }
    return r;
}

/* ---- asking how the run is -------------------------------------------------------------------- */

/* The broker may come back, since the run goes on without it. */
static int bear_silence(struct console *console, const struct error *error)
{
    uint64_t now = clock_monotonic_usec();

    if (console->lost_usec == 0) {
        console->lost_usec = now;
        hide(console);
        log_warning("%s; the run may go on without it: waiting for it", error->text);
    }
    if (now - console->lost_usec < CONSOLE_PATIENCE_SEC * USEC_PER_SEC) {
        return GO_ON;
    }
    hide(console);
    log_error("%s for %d s: giving up; the run %s may still be on", error->text,
              CONSOLE_PATIENCE_SEC, console->run_id);
    return EXIT_NO_BROKER;
}

static int come_back(struct console *console)
{
    struct error error;

    if (console->lost_usec == 0) {
        return GO_ON;
    }
    int r = frontend_ping_again(console->frontend, &error);
    if (r == 0) {
        r = subscribe(console, &error);
    }
    if (r < 0) {
        return bear_silence(console, &error);
    }
    console->lost_usec = 0;
    hide(console);
    log_notice("the broker answers again");
    return GO_ON;
}

/* Whether asking again may help. */
static bool may_pass(const struct console *console, int r)
{
    const char *code = frontend_code(console->frontend);

    return r == -EHOSTUNREACH ||
           (r == -EREMOTEIO && (strcmp(code, "stopping") == 0 || strcmp(code, "database") == 0));
}

/* Takes a new snapshot, so that nothing that was missed matters. */
static int refresh(struct console *console)
{
    struct snapshot *snapshot;
    struct error error;

    console->stale = false;
    console->asking_broker = true;
    int r = request_snapshot(console->frontend, console->run_id, &snapshot, &error);
    console->asking_broker = false;
    ev_timer_again(console->loop, &console->silence);
    if (r == -EINTR) {
        console->stale = true; /* behind what interrupted it */
        return GO_ON;
    }
    if (r < 0 && may_pass(console, r)) {
        return bear_silence(console, &error);
    }
    if (r < 0) {
        hide(console);
        log_error("%s", error.text);
        return EXIT_ABORTED;
    }
    snapshot_free(console->snapshot);
    console->snapshot = snapshot;
    return come_back(console);
}

/* ---- showing it ------------------------------------------------------------------------------- */

static void look(struct progress_numbers *ret, void *context)
{
    struct console *console = context;

    if (console->has_live) {
        *ret = console->live;
    } else if (console->snapshot) {
        console_report_numbers(console->snapshot, ret);
    }
}

static int finish(struct console *console)
{
    progress_finish(console->progress);
    return (int)console_report_end(console->snapshot, console->stops > 0, console->frontend,
                                   console->options->reports);
}

/* ---- stopping and leaving --------------------------------------------------------------------- */

static void stop_asking(struct console *console)
{
    if (console->asking) {
        console->asking = false;
        ev_io_stop(console->loop, &console->terminal);
        progress_pause(console->progress, false);
    }
}

static int leave(struct console *console)
{
    stop_asking(console);
    hide(console);
    log_notice("detached from the run %s, which goes on", console->run_id);
    return EXIT_PASSED;
}

static int stop(struct console *console)
{
    struct error error;
    bool at_once = console->stops > 0;

    stop_asking(console);
    if (console->stops++ > 1) {
        hide(console);
        log_notice("gone without waiting for the end of the run %s", console->run_id);
        return EXIT_INTERRUPTED;
    }
    console->asking_broker = true;
    int r = request_stop(console->frontend, console->run_id, at_once, &error);
    console->asking_broker = false;
    hide(console);
    if (r == -EINTR) {
        return GO_ON;
    }
    if (r < 0) {
        log_error("cannot stop the run %s: %s", console->run_id, error.text);
        return r == -EHOSTUNREACH ? EXIT_NO_BROKER : EXIT_ABORTED;
    }
    if (!at_once) {
        log_notice("stopping: tests that are on have their grace to end; interrupt again to cut "
                   "them");
    }
    return GO_ON;
}

static void on_terminal(struct ev_loop *loop _unused_, ev_io *io, int events _unused_)
{
    struct console *console = io->data;
    char line[256];
    ssize_t n = read(io->fd, line, sizeof line);

    if (n < 0) {
        return; /* not yet, or the terminal is gone and says so by a signal */
    }
    char first = n > 0 ? line[0] : 'd'; /* nobody is there any more */
    if (first == 's' || first == 'd') {
        console->answer = first;
        wake(console);
    } else {
        put_question(console);
    }
}

/* The numbers so far, and the question. */
static int ask(struct console *console)
{
    int code = refresh(console);

    if (code != GO_ON || (console->snapshot && snapshot_is_over(console->snapshot))) {
        return code;
    }
    progress_finish(console->progress);
    if (console->snapshot && !console->options->quiet) {
        console_report_so_far(console->snapshot);
    }
    progress_pause(console->progress, true);
    put_question(console);
    console->asking = true;
    ev_io_start(console->loop, &console->terminal);
    return GO_ON;
}

static int take_signal(struct console *console, int number)
{
    bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);

    if (number == SIGHUP) {
        return leave(console);
    }
    if (number == SIGINT && terminal && !console->asking && console->stops == 0) {
        return ask(console);
    }
    if (console->asking) {
        (void)fputc('\n', stderr); /* behind the question */
    }
    return stop(console);
}

static int take_answer(struct console *console)
{
    char answer = console->answer;

    console->answer = 0;
    return answer == 's' ? stop(console) : leave(console);
}

/* ---- the whole -------------------------------------------------------------------------------- */

static void on_signal(void *context)
{
    struct console *console = context;

    if (console->asking_broker) {
        frontend_give_up(console->frontend);
    }
    wake(console);
}

static int watch(struct console *console)
{
    int code = GO_ON;

    while (code == GO_ON) {
        int number = console_signals_next(&console->signals);
        if (number > 0) {
            code = take_signal(console, number);
        } else if (console->detached) {
            code = leave(console);
        } else if (console->answer) {
            code = take_answer(console);
        } else if (console->stale) {
            code = refresh(console);
        } else {
            if (console->asking && console->is_hidden) {
                put_question(console);
            }
            ev_run(console->loop, 0);
        }
        if (code == GO_ON && console->snapshot && snapshot_is_over(console->snapshot)) {
            if (console->asking) {
                (void)fputc('\n', stderr); /* behind the question */
                stop_asking(console);
            }
            code = finish(console);
        }
    }
    return code;
}

static int set_up(struct console *console, struct error *error)
{
    ev_init(&console->silence, on_silence);
    console->silence.repeat = CONSOLE_SILENCE_SEC;
    console->silence.data = console;
    ev_timer_again(console->loop, &console->silence);
    ev_io_init(&console->terminal, on_terminal, STDIN_FILENO, EV_READ);
    console->terminal.data = console;
    console_signals_watch(&console->signals, console->loop, on_signal, console);
    int r = subscribe(console, error);
    if (r == 0 && !console->options->quiet) {
        r = progress_new(&console->progress, console->loop, look, console);
        if (r < 0) {
            return error_set_errno(error, r, "cannot show progress");
        }
        console->options->reports->progress = console->progress;
    }
    return r;
}

static void release(struct console *console)
{
    stop_asking(console);
    console_signals_stop(&console->signals);
    ev_timer_stop(console->loop, &console->silence);
    subscription_free(console->subscription);
    console->options->reports->progress = NULL;
    progress_free(console->progress);
    snapshot_free(console->snapshot);
    free(console->publisher);
}

enum exit_code console_attach(const struct console_options *options, const char *run_id)
{
    struct console console = {
        .options = options,
        .loop = options->loop,
        .frontend = options->frontend,
        .run_id = run_id,
    };
    struct error error;
    int code = EXIT_NO_BROKER;

    int r = set_up(&console, &error);
    if (r < 0) {
        log_error("%s", error.text);
    } else {
        code = watch(&console);
    }
    release(&console);
    return (enum exit_code)code;
}
