/* SPDX-License-Identifier: MPL-2.0 */
/* A process has a time to live, since it is somebody else's program; when that is over it is asked
 * to end, then killed. That one is gone is known before all is read that it sent: how it ended is
 * counted when nothing of it can come any more, which is when no connection is left, or, if
 * somebody else holds one, when nothing has come for a second. What it prints goes to our standard
 * error; the last of what it wrote to its own is kept for the report. */
#include "processes.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "choices.h"
#include "control.h"
#include "loop/child.h"
#include "run/cycles.h"
#include "run/runner_command.h"

#define KILL_AFTER_USEC USEC_PER_SEC /* from asking with TERM to KILL */
#define LINGER_USEC     USEC_PER_SEC /* for what a process sent that is gone */
#define TAIL_BYTES      2000

struct process {
    struct processes *processes;
    struct child *child;     /* NULL: gone, or never there */
    struct control *control; /* NULL: it has none */
    bool prepared;           /* it was started before its time */
    unsigned index, n_users;
    uint64_t end_usec;  /* when its time is over; 0: never */
    bool cut_at_end;    /* like users of loads-worker; else it is late then, which is an error */
    uint64_t kill_usec; /* 0: it wasn't asked to end */
    uint64_t gone_usec; /* 0: it runs */
    bool late, cut;     /* why it was asked */
    bool counted;
    int status;
    char problem[256]; /* why it could not be started */
    char tail[TAIL_BYTES + 1];
    size_t tail_size;
};

struct processes {
    struct ev_loop *loop;
    struct processes_options options;
    struct strlist command, environment; /* of the latter, what all have in common */
    struct choices choices;
    struct process *all;
    unsigned n_all, n; /* there are; will be started: all, until it is stopped */
    unsigned n_started, n_counted;
    unsigned n_unready; /* of those that were prepared */
    bool in_line;       /* what they have written ends within a line */
    bool stopping;
    uint64_t cut_usec; /* when they are cut; only while stopping */
};

/* ---- setting up ------------------------------------------------------------------------------ */

static int note_choices(struct processes *p)
{
    const struct count *count = p->options.count;
    const struct run_spec *spec = count->files.spec;
    const struct chance first = {spec->seed, count->cycle, count->first_user};

    return choices_init(&p->choices, spec->mix, &first, count->first_number, count->files.area);
}

int processes_new(struct processes **ret, struct ev_loop *loop,
                  const struct processes_options *options, struct error *error)
{
    _cleanup_(processes_freep) struct processes *p = calloc(1, sizeof *p);
    const struct worker_files *files = &options->count->files;
    unsigned users = files->area->n_users;
    int r;

    if (!p) {
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    p->loop = loop;
    p->options = *options;
    r = runner_command_split(files->spec, &p->command, error);
    if (r < 0) {
        return r;
    }
    p->n = run_spec_shares_users(files->spec) ? MIN(users, 1u) : users;
    p->all = calloc(MAX(p->n, 1u), sizeof *p->all);
    if (!p->all || note_choices(p) < 0 ||
        runner_command_environment(files->spec, &p->environment) < 0) {
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    p->n_all = p->n;
    for (unsigned i = 0; i < p->n; i++) {
        p->all[i].processes = p;
        p->all[i].index = i;
        p->all[i].n_users = run_spec_shares_users(files->spec) ? users : 1;
    }
    *ret = TAKE_PTR(p);
    return 0;
}

struct processes *processes_free(struct processes *p)
{
    if (p) {
        for (unsigned i = 0; p->all && i < p->n_all; i++) {
            child_free(p->all[i].child);
            control_free(p->all[i].control);
        }
        strlist_clear(&p->command);
        strlist_clear(&p->environment);
        choices_clear(&p->choices);
        free(p->all);
        free(p);
    }
    return NULL;
}

/* ---- starting -------------------------------------------------------------------------------- */

static void keep_tail(struct process *process, const char *text, size_t size)
{
    if (size > TAIL_BYTES) {
        text += size - TAIL_BYTES;
        size = TAIL_BYTES;
    }
    size_t kept = MIN(process->tail_size, TAIL_BYTES - size);
    memmove(process->tail, process->tail + process->tail_size - kept, kept);
    memcpy(process->tail + kept, text, size);
    process->tail_size = kept + size;
    process->tail[process->tail_size] = '\0';
}

static void on_output(struct child *child _unused_, const char *text, size_t size, void *context)
{
    struct process *process = context;
    struct processes *p = process->processes;
    const char *start = p->in_line ? "" : log_line_start();
    struct iovec parts[] = {{(char *)start, strlen(start)}, {(char *)text, size}};

    keep_tail(process, text, size);
    (void)!writev(STDERR_FILENO, parts, 2); /* nobody reads it any more: it isn't for us */
    p->in_line = text[size - 1] != '\n';
}

static void on_gone(struct child *child _unused_, int status, void *context)
{
    struct process *process = context;

    process->status = status;
    process->gone_usec = clock_monotonic_usec();
    process->child = child_free(process->child);
}

/* Iterations that are left to the users of a process, all of them together. */
static uint64_t iterations_left(const struct process *process)
{
    const struct processes *p = process->processes;
    const uint64_t *words = p->options.count->files.area->users;
    uint64_t left = 0;

    for (unsigned i = process->index; i < process->index + process->n_users; i++) {
        uint32_t done = user_word_iterations(words[i]);
        left += p->options.iterations > done ? p->options.iterations - done : 0;
    }
    return left;
}

static int add_number(struct strlist *list, const char *name, uint64_t value)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%ju", (uintmax_t)value);
    return strlist_add_variable(list, name, text);
}

/* Whole seconds are whole, as many programs expect. */
static int add_seconds(struct strlist *list, const char *name, uint64_t usec)
{
    char text[32];

    if (usec % USEC_PER_SEC == 0) {
        return add_number(list, name, usec / USEC_PER_SEC);
    }
    (void)snprintf(text, sizeof text, "%.6f", (double)usec / 1e6);
    return strlist_add_variable(list, name, text);
}

/* The users of a cycle; for a process that has several, how many it has. */
static uint64_t total_users(const struct process *process)
{
    const struct processes *p = process->processes;
    const struct run_spec *spec = p->options.count->files.spec;

    return run_spec_shares_users(spec) ? process->n_users
                                       : cycles_at(spec, p->options.count->cycle).users;
}

static int make_variables(const struct process *process, struct strlist *list)
{
    const struct processes_options *options = &process->processes->options;
    const struct run_spec *spec = options->count->files.spec;
    int r = strlist_add_variable(list, "LOADS_ZMQ_RECEIVER", options->receiver);

    if (r == 0) {
        r = strlist_add_variable(list, "LOADS_AGENT_ID", options->agent_id);
    }
    if (r == 0) {
        r = strlist_add_variable(list, "LOADS_RUN_ID", spec->run_id);
    }
    if (r == 0) {
        r = add_number(list, "LOADS_TOTAL_USERS", total_users(process));
    }
    if (r == 0) {
        r = add_number(list, "LOADS_CURRENT_USER", count_number(options->count, process->index));
    }
    if (r == 0 && options->iterations > 0) {
        r = add_number(list, "LOADS_TOTAL_HITS",
                       (iterations_left(process) + process->n_users - 1) / process->n_users);
    } else if (r == 0) {
        r = add_seconds(list, "LOADS_DURATION", spec->duration_usec);
    }
    if (r == 0 && process->control) {
        r = add_number(list, "LOADS_CONTROL", CONTROL_FD);
    }
    if (r == 0 && spec->python && spec->debug_http && options->count->cycle == 0) {
        r = strlist_add_variable(list, "LOADS_DEBUG_HTTP", "1");
    }
    return r;
}

/* Pointers to what all have in common, and to what this one has of its own. */
static const char **join(const struct strlist *common, const struct strlist *own)
{
    const char **all = calloc(common->count + own->count + 1, sizeof *all);

    for (size_t i = 0; all && i < common->count; i++) {
        all[i] = common->items[i];
    }
    for (size_t i = 0; all && i < own->count; i++) {
        all[common->count + i] = own->items[i];
    }
    return all;
}

static int start(struct process *process, int control, struct error *error)
{
    struct processes *p = process->processes;
    _cleanup_(strlist_clear) struct strlist own = {0};
    _cleanup_free_ const char **environment = NULL;
    int r = make_variables(process, &own);

    if (r == 0) {
        environment = join(&p->environment, &own);
    }
    if (!environment) {
        return error_set_errno(error, -ENOMEM, "cannot start %s", p->command.items[0]);
    }
    struct child_options options = {.argv = (const char *const *)p->command.items,
                                    .environment = environment,
                                    .channel_fd = control,
                                    .stdout_fd = STDOUT_FILENO,
                                    .dies_with_us = true,
                                    .output = on_output,
                                    .gone = on_gone,
                                    .context = process};
    return child_spawn(&process->child, p->loop, &options, error);
}

static void fail_to_start(struct process *process, const struct error *error)
{
    (void)snprintf(process->problem, sizeof process->problem, "%s", error->text);
    process->gone_usec = clock_monotonic_usec();
}

/* When the time of a process that starts now is over. */
static uint64_t end_of(const struct process *process, uint64_t deadline_usec)
{
    const struct run_spec *spec = process->processes->options.count->files.spec;
    uint64_t timeout_usec =
        spec->external_timeout_usec > 0 ? spec->external_timeout_usec : SPEC_EXTERNAL_TIMEOUT_USEC;
    uint64_t left = iterations_left(process), usec;

    if (spec->python) {
        return deadline_usec > 0 ? deadline_usec + spec->grace_usec : 0;
    }
    if (deadline_usec > 0) {
        return deadline_usec + timeout_usec;
    }
    if (__builtin_mul_overflow(timeout_usec, left, &usec) ||
        __builtin_add_overflow(usec, clock_monotonic_usec(), &usec)) {
        return 0;
    }
    return usec;
}

/* ---- before the cycle ------------------------------------------------------------------------ */

static void on_ready(void *context)
{
    struct processes *p = context;

    if (--p->n_unready == 0) {
        p->options.ready(p->options.context);
    }
}

static bool on_choose(unsigned user, unsigned execution, char *ret, size_t size, void *context)
{
    const struct processes *p = context;
    return choices_write(&p->choices, user, execution, ret, size);
}

/* What doesn't work is known here, and counted in the cycle. */
static void prepare(struct process *process)
{
    struct processes *p = process->processes;
    const struct control_options options = {.ready = on_ready, .choose = on_choose, .context = p};
    struct error error;
    int theirs = -1;

    process->prepared = true;
    p->n_unready++;
    int r = control_new(&process->control, p->loop, &options, &theirs, &error);
    if (r == 0) {
        r = start(process, theirs, &error);
        close_fd(theirs); /* if that was the last one, nobody is there to be ready */
    }
    if (r < 0) {
        fail_to_start(process, &error);
    }
    if (!process->control) {
        on_ready(p);
    }
}

void processes_prepare(struct processes *p)
{
    p->n_unready = 1; /* this function, until all are started */
    for (unsigned i = 0; i < p->n; i++) {
        if (p->options.iterations == 0 || iterations_left(&p->all[i]) > 0) {
            prepare(&p->all[i]);
        }
    }
    on_ready(p);
}

/* ---- in the cycle ---------------------------------------------------------------------------- */

bool processes_start_next(struct processes *p, uint64_t deadline_usec)
{
    struct error error;

    if (p->stopping || p->n_started == p->n) {
        return false;
    }
    struct process *process = &p->all[p->n_started++];
    if (p->options.iterations > 0 && iterations_left(process) == 0) {
        process->counted = true; /* one that was before us had done them */
        p->n_counted++;
        return true;
    }
    process->end_usec = end_of(process, deadline_usec);
    process->cut_at_end = process->prepared;
    if (process->control) {
        control_go(process->control, deadline_usec);
    } else if (!process->prepared && start(process, -1, &error) < 0) {
        fail_to_start(process, &error);
    }
    return true;
}

/* ---- ending ---------------------------------------------------------------------------------- */

void processes_stop(struct processes *p, uint64_t at_usec)
{
    p->cut_usec = p->stopping ? MIN(p->cut_usec, at_usec) : at_usec;
    p->stopping = true;
    p->n = p->n_started;
    for (unsigned i = 0; i < p->n_all; i++) {
        if (p->all[i].control) {
            control_stop(p->all[i].control);
        }
    }
}

static void watch_time(struct process *process, uint64_t now)
{
    const struct processes *p = process->processes;
    bool late = process->end_usec > 0 && now >= process->end_usec;
    bool cut = (p->stopping && now >= p->cut_usec) || (late && process->cut_at_end);

    if (process->kill_usec > 0) {
        if (now >= process->kill_usec) {
            child_signal(process->child, SIGKILL);
        }
    } else if (cut || late) {
        process->cut = cut;
        process->late = !cut;
        process->kill_usec = now + KILL_AFTER_USEC;
        child_signal(process->child, SIGTERM);
    }
}

/* Whether it is to blame, and for what. */
static bool describe(const struct process *process, char *text, size_t size)
{
    const struct run_spec *spec = process->processes->options.count->files.spec;
    char how[96];

    if (process->problem[0]) {
        (void)snprintf(text, size, "%s", process->problem);
    } else if (process->late) {
        (void)snprintf(text, size,
                       "a process of the test runner was ended, since it ran for longer than "
                       "--external-process-timeout allows (%g s %s)",
                       (double)spec->external_timeout_usec / 1e6,
                       spec->duration_usec > 0 ? "beyond the duration" : "per hit");
    } else if (process->status != 0 && !process->cut) {
        child_describe_status(process->status, how, sizeof how);
        (void)snprintf(text, size, "a process of the test runner %s", how);
    } else {
        (void)snprintf(text, size,
                       "a process of the test runner ended before it said how its test went");
        return false;
    }
    return true;
}

/* Counts what it left: its users' iterations that were on, or itself. False: there is no room, and
 * it goes on where it was. */
static bool count_process(struct process *process)
{
    struct count *count = process->processes->options.count;
    char text[512];
    bool failed = describe(process, text, sizeof text);
    struct error_key error = {
        .kind = ERROR_KIND_ERROR, .class = "runner", .message = text, .traceback = process->tail};

    for (unsigned i = process->index; i < process->index + process->n_users; i++) {
        if (count_is_on(count, i)) {
            if (!count_end(count, i, process->cut ? NULL : &error)) {
                return false;
            }
            failed = false; /* it is told */
        }
    }
    return !failed || count_end(count, process->index, &error);
}

void processes_tick(struct processes *p, bool dry, bool unconnected, uint64_t heard_usec)
{
    uint64_t now = clock_monotonic_usec();

    for (unsigned i = 0; i < p->n_started; i++) {
        struct process *process = &p->all[i];
        if (process->child) {
            watch_time(process, now);
        } else if (!process->counted && dry &&
                   (unconnected || now >= MAX(process->gone_usec, heard_usec) + LINGER_USEC) &&
                   count_process(process)) {
            process->counted = true;
            p->n_counted++;
        }
    }
}

bool processes_waiting(const struct processes *p)
{
    for (unsigned i = 0; i < p->n_started; i++) {
        if (!p->all[i].child && !p->all[i].counted) {
            return true;
        }
    }
    return false;
}

bool processes_over(const struct processes *p)
{
    return p->n_started == p->n && p->n_counted == p->n;
}
