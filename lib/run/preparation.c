/* SPDX-License-Identifier: MPL-2.0 */
/* The child writes one JSON object to its standard output: {"module_paths": […], "tests": […]}, or
 * {"error": …}; for tests in Python with "python" and "python_path". Before that, whenever it
 * begins to load a module, there is a line {"loading": …}: from then on it has so much time. What
 * it says is checked like anything from outside: the modules' constructors have run in that
 * process. The compiler's words go to our standard error as they are, or to whoever asked for them.
 */
#include "run/preparation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "loop/child.h"
#include "wire/json.h"

#define MAX_REPORT_BYTES ((size_t)1 << 20)
#define MAX_ARGUMENTS    (18 + 2 * SPEC_MAX_PYTHON_DEPS)

struct preparation {
    struct ev_loop *loop;
    struct child *child;
    int fd;
    ev_io watcher;
    ev_timer timer;
    bool late;
    char *report;
    size_t size;
    size_t lines_size; /* of the lines that are whole */
    struct preparation_options options;
};

/* It has no right to hang. */
static void on_time(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct preparation *p = timer->data;

    p->late = true;
    child_signal(p->child, SIGKILL);
}

/* Each module has its own time. */
static void watch_time(struct preparation *p)
{
    const char *end = memrchr(p->report, '\n', p->size);
    size_t size = end ? (size_t)(end - p->report) + 1 : 0;

    if (size > p->lines_size) {
        p->lines_size = size;
        ev_now_update(p->loop);
        ev_timer_stop(p->loop, &p->timer);
        ev_timer_set(&p->timer, (double)p->options.load_timeout_usec / 1e6, 0);
        if (p->options.load_timeout_usec > 0) {
            ev_timer_start(p->loop, &p->timer);
        }
    }
}

/* Reads what there is. */
static void take_report(struct preparation *p)
{
    ssize_t n;

    do {
        n = read(p->fd, p->report + p->size, MAX_REPORT_BYTES - p->size);
        p->size += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && p->size < MAX_REPORT_BYTES) || (n < 0 && errno == EINTR));
    if (n == 0 || p->size == MAX_REPORT_BYTES) {
        ev_io_stop(p->loop, &p->watcher);
    }
    if (p->size == MAX_REPORT_BYTES) {
        child_signal(p->child, SIGKILL); /* it would wait for ever for somebody to read the rest */
    }
    watch_time(p);
}

static void on_readable(struct ev_loop *loop _unused_, ev_io *watcher, int events _unused_)
{
    take_report(watcher->data);
}

static int read_texts(const json_t *json, const char *key, struct strlist *texts)
{
    size_t index;
    const json_t *text;

    json_array_foreach(json_object_get(json, key), index, text)
    {
        int r = json_is_string(text) ? strlist_add(texts, json_string_value(text)) : -EBADMSG;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* The bytes of the lines in front that say what is loaded; *ret is what the last of them says, or
 * NULL: there is none. */
static size_t read_loading(const struct preparation *p, json_t **ret)
{
    size_t done = 0;
    const char *end;

    while ((end = memchr(p->report + done, '\n', p->size - done))) {
        size_t size = (size_t)(end - (p->report + done)) + 1;
        json_auto_t *json = NULL;
        if (wire_json_load(p->report + done, size, MAX_REPORT_BYTES, &json, NULL) < 0 ||
            !json_is_string(json_object_get(json, "loading"))) {
            break;
        }
        json_decref(*ret);
        *ret = TAKE_PTR(json);
        done += size;
    }
    return done;
}

/* The time to load it is over. */
static int set_late(const struct preparation *p, const char *source, struct error *error)
{
    size_t size = strlen(source);
    bool python = size > 3 && strcmp(source + size - 3, ".py") == 0;

    return error_set(error, -ETIMEDOUT,
                     "%s took longer than --stall-timeout (%g s) to be loaded: see to what it does "
                     "%s, or allow more time",
                     source, (double)p->options.load_timeout_usec / 1e6,
                     python ? "when it is imported, outside of its functions"
                            : "in its constructors");
}

/* Makes sense of the report and hands it on. */
static void conclude(struct preparation *p, int status)
{
    const char *name = p->options.name ? p->options.name : "the run's files";
    json_auto_t *json = NULL, *loading = NULL;
    struct prepared prepared = {0};
    struct error error = {0};
    char how[96];

    size_t skipped = read_loading(p, &loading);
    int r = wire_json_load(p->report + skipped, p->size - skipped, MAX_REPORT_BYTES, &json, NULL);
    const char *words = r == 0 ? json_string_value(json_object_get(json, "error")) : NULL;
    bool complete = r == 0 && json_is_array(json_object_get(json, "module_paths"));
    if (p->size == MAX_REPORT_BYTES) {
        r = error_set(&error, -E2BIG, "preparing %s did not succeed: it reports more than %zu KiB",
                      name, MAX_REPORT_BYTES / 1024);
    } else if (p->late && status != 0) {
        r = set_late(p, loading ? json_string_value(json_object_get(loading, "loading")) : name,
                     &error);
    } else if (words) {
        r = error_set(&error, -EINVAL, "%s", words);
    } else if (r == -ENOMEM) {
        error_set_errno(&error, r, "cannot prepare %s", name);
    } else if (status != 0 || !complete) {
        child_describe_status(status, how, sizeof how);
        r = error_set(
            &error, -ECHILD,
            "preparing %s did not succeed: loads-worker %s before it could answer; see to "
            "what the module does when it is loaded (its constructors)",
            name, how);
    } else {
        prepared.python = json_string_value(json_object_get(json, "python"));
        prepared.python_path = json_string_value(json_object_get(json, "python_path"));
        r = read_texts(json, "module_paths", &prepared.module_paths);
        if (r == 0) {
            r = read_texts(json, "tests", &prepared.tests);
        }
        if (r < 0) {
            error_set_errno(&error, r, "preparing %s did not succeed", name);
        }
    }
    p->options.done(r, &prepared, &error, p->options.context);
    strlist_clear(&prepared.module_paths);
    strlist_clear(&prepared.tests);
}

static void on_output(struct child *child _unused_, const char *text, size_t size, void *context)
{
    struct preparation *p = context;
    p->options.output(text, size, p->options.context);
}

static void on_gone(struct child *child _unused_, int status, void *context)
{
    struct preparation *p = context;

    take_report(p);
    ev_timer_stop(p->loop, &p->timer);
    conclude(p, status);
}

static int start_child(struct preparation *p, int out, struct error *error)
{
    const struct preparation_options *options = &p->options;
    const char *argv[MAX_ARGUMENTS] = {options->worker_program};
    const char *const pairs[][2] = {{options->only_list ? "--list" : "--prepare", options->name},
                                    {"--archive", options->archive},
                                    {"--test-dir", options->test_dir},
                                    {"--cflags", options->cflags},
                                    {"--libs", options->libs},
                                    {"--temporary-dir", options->temporary_dir},
                                    {"--python-dir", options->python_dir}};
    size_t n = 1;

    for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
        if (pairs[i][1]) {
            argv[n++] = pairs[i][0];
            argv[n++] = pairs[i][1];
        }
    }
    if (options->no_patching) {
        argv[n++] = "--no-patching";
    }
    for (size_t i = 0; options->python_deps && i < options->python_deps->count; i++) {
        argv[n++] = "--python-dep";
        argv[n++] = options->python_deps->items[i];
    }
    struct child_options child = {.argv = argv,
                                  .channel_fd = -1,
                                  .stdout_fd = out,
                                  .cgroup = options->cgroup,
                                  .output = options->output ? on_output : NULL,
                                  .gone = on_gone,
                                  .context = p};
    return child_spawn(&p->child, p->loop, &child, error);
}

int preparation_start(struct preparation **ret, struct ev_loop *loop,
                      const struct preparation_options *options, struct error *error)
{
    _cleanup_(preparation_freep) struct preparation *p = calloc(1, sizeof *p);
    _cleanup_fd_ int theirs = -1;
    int ends[2];

    if (!p) {
        return error_set_errno(error, -ENOMEM, "cannot prepare the run");
    }
    p->loop = loop;
    p->options = *options;
    p->fd = -1;
    p->report = malloc(MAX_REPORT_BYTES);
    if (!p->report) {
        return error_set_errno(error, -ENOMEM, "cannot prepare the run");
    }
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return error_set_errno(error, -errno, "cannot prepare the run");
    }
    p->fd = ends[0];
    theirs = ends[1];
    if (fcntl(p->fd, F_SETFL, O_NONBLOCK) < 0) { /* ours; theirs blocks as programs expect */
        return error_set_errno(error, -errno, "cannot prepare the run");
    }
    int r = start_child(p, theirs, error);
    if (r < 0) {
        return r;
    }
    ev_init(&p->timer, on_time);
    p->timer.data = p;
    ev_io_init(&p->watcher, on_readable, p->fd, EV_READ);
    p->watcher.data = p;
    ev_io_start(loop, &p->watcher);
    *ret = TAKE_PTR(p);
    return 0;
}

struct preparation *preparation_free(struct preparation *p)
{
    if (p) {
        child_free(p->child);
        if (p->fd >= 0) {
            ev_timer_stop(p->loop, &p->timer);
            if (ev_is_active(&p->watcher)) {
                ev_io_stop(p->loop, &p->watcher);
            }
            close_fd(p->fd);
        }
        free(p->report);
        free(p);
    }
    return NULL;
}

static int replace(char **text, const char *by)
{
    char *copy = by ? strdup(by) : NULL;

    free(*text);
    *text = copy;
    return by && !copy ? -ENOMEM : 0;
}

int prepared_use(const struct prepared *prepared, struct run_spec *spec)
{
    const struct strlist *paths = &prepared->module_paths;

    strlist_clear(&spec->module_paths);
    return strlist_add_all(&spec->module_paths, paths->items, paths->count) < 0 ||
                   replace(&spec->python, prepared->python) < 0 ||
                   replace(&spec->python_path, prepared->python_path) < 0
               ? -ENOMEM
               : 0;
}
