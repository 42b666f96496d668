/* SPDX-License-Identifier: MPL-2.0 */
/* An observer is a stranger's program in all but its owner: it may hang, write for ever or crash.
 * So it is a child in a group of its own with a limit of time, reads from a file that nobody has to
 * fill, and of what it writes only the beginning is kept. How many there are at a time has a limit,
 * too. */
#include "observe.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/utf8.h"
#include "loop/child.h"
#include "observers.h"
#include "observers_input.h"
#include "store.h"

#define MAX_RUNNING      16
#define MAX_WAITING      1000
#define MAX_OUTPUT_BYTES 4096
#define KILL_SEC         2.0 /* from asking it to end */

struct observing {
    struct observing *next;
    struct observe *observe;
    char run_id[SPEC_RUN_ID_BYTES + 1];
    char *name;
    struct strlist command;
    int input_fd;
    struct child *child; /* NULL: it waits */
    ev_timer timer;
    bool is_late;
    uint64_t limit_usec;
    char output[MAX_OUTPUT_BYTES + 1];
    size_t output_size;
};

struct observe {
    struct broker *broker;
    struct observing *first, *last; /* in the order in which their runs have ended */
    unsigned n_running, n_waiting;
};

static void start_next(struct observe *observe);

/* ---- what is said of it ---------------------------------------------------------------------- */

/* What it wrote is a stranger's text. */
static void clean(char *text)
{
    size_t size = strlen(text);
    bool is_text = utf8_valid(text, size);

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        text[i] = (c < ' ' && c != '\n') || c == 0x7f || (c > 0x7f && !is_text) ? '?' : text[i];
    }
}

/* Its last line that says something; "" without. */
static const char *last_line(char *text)
{
    size_t size = strlen(text);

    while (size > 0 && isspace((unsigned char)text[size - 1])) {
        text[--size] = '\0';
    }
    const char *end = strrchr(text, '\n');
    return end ? end + 1 : text;
}

static void tell(struct broker *broker, const char *run_id, const char *name, const char *result,
                 const char *output, const char *text)
{
    json_auto_t *details =
        json_pack("{ss ss ss*}", "observer", name, "result", result, "output", output);
    _cleanup_free_ char *details_text = NULL;

    if (strcmp(result, "done") == 0) {
        broker_log(LOG_INFO, run_id, NULL, "run %s: %s", run_id, text);
    } else {
        broker_event(EVENT_OBSERVER_FAILED, run_id, NULL, "run %s: %s", run_id, text);
    }
    /* Without memory or room for it the log has it alone. */
    if (details && wire_json_dump(details, &details_text) == 0) {
        (void)!store_event(broker->store, run_id, "observer", -1, text, details_text, NULL, NULL);
    }
}

static void tell_failure(struct broker *broker, const char *run_id, const char *name,
                         const char *reason)
{
    char text[ERROR_TEXT_BYTES];

    (void)snprintf(text, sizeof text, "the observer %s failed: %s", name, reason); /* cut is fine */
    tell(broker, run_id, name, "failed", NULL, text);
}

static void tell_end(struct observing *one, int status)
{
    char how[128], text[ERROR_TEXT_BYTES], output[MAX_OUTPUT_BYTES + 1];
    bool done = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    one->output[one->output_size] = '\0';
    clean(one->output);
    memcpy(output, one->output, sizeof output);
    const char *line = last_line(output);
    child_describe_status(status, how, sizeof how);
    if (done) {
        (void)snprintf(text, sizeof text, "the observer %s is done", one->name);
    } else if (one->is_late) {
        (void)snprintf(text, sizeof text,
                       "the observer %s was ended, since it took more than %g s%s%s", one->name,
                       (double)one->limit_usec / 1e6, *line ? ": " : "", line);
    } else {
        (void)snprintf(text, sizeof text, "the observer %s failed: %s", one->name,
                       *line ? line : how);
    }
    tell(one->observe->broker, one->run_id, one->name,
         done           ? "done"
         : one->is_late ? "late"
                        : "failed",
         one->output[0] ? one->output : NULL, text);
}

/* ---- its life -------------------------------------------------------------------------------- */

static struct observing *observing_free(struct observing *one)
{
    if (one) {
        child_free(one->child);
        close_fd(one->input_fd);
        strlist_clear(&one->command);
        free(one->name);
        free(one);
    }
    return NULL;
}
DEFINE_CLEANUP(struct observing, observing_free)

static void take_out(struct observing *one)
{
    struct observe *observe = one->observe;
    struct observing **at = &observe->first, *previous = NULL;

    while (*at != one) {
        previous = *at;
        at = &(*at)->next;
    }
    *at = one->next;
    observe->last = observe->last == one ? previous : observe->last;
}

static void on_output(struct child *child _unused_, const char *text, size_t size, void *context)
{
    struct observing *one = context;
    size_t room = MAX_OUTPUT_BYTES - one->output_size, taken = MIN(size, room);

    for (size_t i = 0; i < taken; i++) {
        one->output[one->output_size++] = text[i] ? text[i] : '?';
    }
}

static void on_gone(struct child *child _unused_, int status, void *context)
{
    struct observing *one = context;
    struct observe *observe = one->observe;

    ev_timer_stop(observe->broker->loop, &one->timer);
    tell_end(one, status);
    observe->n_running--;
    take_out(one);
    observing_free(one);
    start_next(observe);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events _unused_)
{
    struct observing *one = timer->data;

    child_signal(one->child, one->is_late ? SIGKILL : SIGTERM);
    if (!one->is_late) {
        one->is_late = true;
        ev_timer_set(timer, KILL_SEC, 0);
        ev_timer_start(loop, timer);
    }
}

/* ---- its environment ------------------------------------------------------------------------- */

/* What is the broker's alone: its notifications and sockets, and who it is for PostgreSQL. */
static bool is_ours(const char *variable)
{
    static const char *const prefixes[] = {"NOTIFY_SOCKET=", "WATCHDOG_",  "LISTEN_", "PG",
                                           "LOADS_",         "PYTHONPATH="};

    for (size_t i = 0; i < ELEMENTSOF(prefixes); i++) {
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* The package `loads` of a build that isn't installed: ../python beside this program's directory.
 */
static int add_python_path(struct strlist *list)
{
    _cleanup_free_ char *path = NULL, *build = NULL;
    const char *before = getenv("PYTHONPATH");
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[MAX(n, (ssize_t)0)] = '\0';
    const char *slash = strrchr(self, '/');
    if (slash && asprintf(&path, "%.*s/../python", (int)(slash - self), self) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    build = path ? realpath(path, NULL) : NULL;
    before = before ? before : "";
    if (!build && !*before) {
        return 0;
    }
    free(TAKE_PTR(path));
    if (asprintf(&path, "%s%s%s", build ? build : "", build && *before ? ":" : "", before) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    return strlist_add_variable(list, "PYTHONPATH", path);
}

static int make_environment(struct strlist *list)
{
    int r = add_python_path(list);

    for (char **variable = environ; r == 0 && *variable; variable++) {
        r = is_ours(*variable) ? 0 : strlist_add(list, *variable);
    }
    return r;
}

/* ---- starting -------------------------------------------------------------------------------- */

static int start(struct observing *one, struct error *error)
{
    _cleanup_(strlist_clear) struct strlist environment = {0};
    struct broker *broker = one->observe->broker;
    int r = make_environment(&environment);

    if (r < 0) {
        return error_set_errno(error, r, "cannot start it");
    }
    const struct child_options options = {.argv = (const char *const *)one->command.items,
                                          .directory = "/",
                                          .environment = (const char *const *)environment.items,
                                          .stdin_fd = one->input_fd,
                                          .channel_fd = -1,
                                          .stdout_fd = -1,
                                          .dies_with_us = true,
                                          .output = on_output,
                                          .gone = on_gone,
                                          .context = one};
    r = child_spawn(&one->child, broker->loop, &options, error);
    if (r < 0) {
        return r;
    }
    ev_timer_init(&one->timer, on_time, (double)one->limit_usec / 1e6, 0);
    one->timer.data = one;
    ev_now_update(broker->loop);
    ev_timer_start(broker->loop, &one->timer);
    return 0;
}

static void start_next(struct observe *observe)
{
    struct observing *next;

    for (struct observing *one = observe->first; one && observe->n_running < MAX_RUNNING;
         one = next) {
        struct error error = {0};
        next = one->next;
        if (one->child) {
            continue;
        }
        observe->n_waiting--;
        if (start(one, &error) == 0) {
            observe->n_running++;
            continue;
        }
        tell_failure(observe->broker, one->run_id, one->name, error.text);
        take_out(one);
        observing_free(one);
    }
}

static int add(struct observe *observe, const struct run *run, json_t *input, const char *name,
               struct error *error)
{
    const struct broker_options *options = observe->broker->options;
    _cleanup_(observing_freep) struct observing *one = NULL;

    if (observe->n_waiting >= MAX_WAITING) {
        return error_set(error, -EBUSY, "%d observers wait already", MAX_WAITING);
    }
    one = calloc(1, sizeof *one);
    if (!one || !input) {
        return error_set_errno(error, -ENOMEM, "cannot start it");
    }
    one->input_fd = -1;
    one->observe = observe;
    one->limit_usec = options->observer_timeout_usec;
    memcpy(one->run_id, run->run_id, sizeof one->run_id);
    one->name = strdup(name);
    int r = one->name ? observers_find(options, name, &one->command, error)
                      : error_set_errno(error, -ENOMEM, "cannot start it");
    if (r < 0) {
        return r;
    }
    one->input_fd = observers_input_open(input, options, run->spec, name);
    if (one->input_fd < 0) {
        return error_set_errno(error, one->input_fd, "cannot tell it anything");
    }
    struct observing *added = TAKE_PTR(one);
    *(observe->last ? &observe->last->next : &observe->first) = added;
    observe->last = added;
    observe->n_waiting++;
    return 0;
}

void observe_run(struct broker *broker, struct run *run)
{
    _cleanup_(strlist_clear) struct strlist names = {0};
    struct error error = {0};

    if (observers_list(broker->options, run->spec, &names) < 0) {
        tell_failure(broker, run->run_id, "(all)", strerror(ENOMEM));
        return;
    }
    if (names.count == 0) {
        return;
    }
    json_auto_t *input = observers_input(broker->options, run);
    for (size_t i = 0; i < names.count; i++) {
        if (add(broker->observe, run, input, names.items[i], &error) < 0) {
            tell_failure(broker, run->run_id, names.items[i], error.text);
        }
    }
    start_next(broker->observe);
}

bool observe_is_on(const struct observe *observe)
{
    return observe && observe->first;
}

int observe_new(struct observe **ret, struct broker *broker)
{
    struct observe *observe = calloc(1, sizeof *observe);

    if (!observe) {
        return -ENOMEM;
    }
    observe->broker = broker;
    *ret = observe;
    return 0;
}

struct observe *observe_free(struct observe *observe)
{
    while (observe && observe->first) {
        struct observing *one = observe->first;
        broker_event(EVENT_OBSERVER_FAILED, one->run_id, NULL,
                     "run %s: the observer %s was ended with the broker", one->run_id, one->name);
        if (one->child) {
            ev_timer_stop(observe->broker->loop, &one->timer);
        }
        take_out(one);
        observing_free(one);
    }
    free(observe);
    return NULL;
}
