/* SPDX-License-Identifier: MPL-2.0 */
/* loads-agent: options and wiring. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <systemd/sd-id128.h>

#include "agent.h"
#include "agent_log.h"
#include "base/daemon.h"
#include "base/log.h"
#include "confinement.h"
#include "control.h"
#include "instance.h"
#include "options.h"
#include "run/addresses.h"
#include "run/program.h"
#include "wire/agent_message.h"

#define EXIT_USAGE 2

struct program {
    struct agent_program_options options;
    struct agent_options agent_options;
    struct confinement confinement;
    struct ev_loop *loop;
    struct mq *mq;
    struct agent *agent;
    struct control *control;
    ev_signal signals[2];
    ev_timer watchdog, age;
    bool ending;
    struct strlist listens;
    char *broker, *instance, *worker_program, *agent_id;
    char hostname[256];
    char incarnation[SD_ID128_UUID_STRING_MAX];
    int lock;
};

/* ---- events ---------------------------------------------------------------------------------- */

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events _unused_)
{
    struct program *program = watcher->data;

    daemon_notify("STOPPING=1");
    if (program->ending) { /* asked twice: at once */
        ev_break(loop, EVBREAK_ALL);
        return;
    }
    program->ending = true;
    agent_end(program->agent);
}

static void on_watchdog(struct ev_loop *loop _unused_, ev_timer *timer _unused_,
                        int events _unused_)
{
    daemon_notify("WATCHDOG=1");
}

static void on_age(struct ev_loop *loop _unused_, ev_timer *timer, int events _unused_)
{
    struct program *program = timer->data;

    agent_log(LOG_NOTICE, &program->agent_options, NULL, "old enough: leaving");
    agent_drain(program->agent);
}

static void start_timers(struct program *program)
{
    const struct agent_program_options *options = &program->options;
    uint64_t watchdog_usec = daemon_watchdog_usec(), chance = 0;

    (void)!getrandom(&chance, sizeof chance, GRND_NONBLOCK); /* no chance is as good */
    ev_timer_init(&program->watchdog, on_watchdog, 0, (double)watchdog_usec / 2e6);
    ev_timer_init(
        &program->age, on_age,
        (double)(options->max_age_usec + chance % (options->max_age_delta_usec + 1)) / 1e6, 0);
    program->watchdog.data = program->age.data = program;
    if (watchdog_usec > 0) {
        ev_timer_start(program->loop, &program->watchdog);
    }
    if (options->max_age_usec > 0) {
        ev_timer_start(program->loop, &program->age);
    }
}

static void watch_signals(struct program *program)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
        ev_signal_init(&program->signals[i], on_signal, numbers[i]);
        program->signals[i].data = program;
        ev_signal_start(program->loop, &program->signals[i]);
    }
    (void)signal(SIGPIPE, SIG_IGN); /* who went away is seen where it is written to */
}

/* What libev can't go on without it can only tell here: it would abort. */
static void on_loop_error(const char *what)
{
    log_error("%s: %s", what, strerror(errno));
    _exit(EXIT_FAILURE);
}

/* ---- setting up ------------------------------------------------------------------------------ */

static unsigned cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* Every user takes a descriptor or more: use all that we may. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* then what there is has to do */
    }
}

/* Who we are: host, instance, and a number for this process that no other ever had. */
static int choose_identity(struct program *program, struct error *error)
{
    _cleanup_free_ char *directory = NULL;
    sd_id128_t id;

    if (gethostname(program->hostname, sizeof program->hostname - 1) < 0) {
        return error_set_errno(error, -errno, "cannot tell this machine's name");
    }
    int r = sd_id128_randomize(&id);
    if (r < 0) {
        return error_set_errno(error, r, "cannot make an id");
    }
    (void)sd_id128_to_uuid_string(id, program->incarnation);
    r = addresses_directory(&directory);
    if (r < 0) {
        return error_set_errno(error, r, "cannot start");
    }
    r = instance_take(directory, program->options.instance, &program->instance, &program->lock,
                      error);
    if (r < 0) {
        return r;
    }
    if (asprintf(&program->agent_id, "%.*s-%s",
                 (int)(AGENT_MAX_ID_BYTES - 1 - strlen(program->instance)), program->hostname,
                 program->instance) < 0) {
        program->agent_id = NULL;
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    return 0;
}

static int choose_addresses(struct program *program, struct error *error)
{
    struct strlist *control = &program->options.control;
    _cleanup_free_ char *address = NULL, *name = NULL;
    int r = 0;

    if (!program->options.broker) {
        r = addresses_broker(&program->broker, error);
    }
    if (r < 0 || control->count > 0) {
        return r;
    }
    if (asprintf(&name, "agent-%s", program->instance) < 0) {
        name = NULL;
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    r = addresses_socket(name, &address, error);
    if (r < 0) {
        return r;
    }
    r = strlist_add(control, address);
    return r < 0 ? error_set_errno(error, r, "cannot start") : 0;
}

static const char *work_dir(const struct program *program)
{
    const char *temporary = getenv("TMPDIR");

    return program->options.work_dir          ? program->options.work_dir
           : temporary && temporary[0] == '/' ? temporary
                                              : "/var/tmp";
}

/* What would make every run fail is said at once. */
static int check_work_dir(const struct program *program, struct error *error)
{
    const char *directory = work_dir(program);

    return access(directory, R_OK | W_OK | X_OK) == 0
               ? 0
               : error_set_errno(error, -errno, "cannot use %s (work-dir)", directory);
}

/* The control socket, which systemd may have: then whoever connects there starts this agent. */
static int open_control(struct program *program, struct error *error)
{
    _cleanup_(daemon_sockets_freep) struct daemon_sockets *passed = NULL;

    int r = daemon_sockets_new(&passed, error);
    if (r == 0) {
        r = daemon_sockets_check(passed, (const char *const[]){CONTROL_SOCKET}, 1, error);
    }
    if (r == 0) {
        struct control_options options = {.addresses = &program->options.control,
                                          .passed = passed,
                                          .broker = program->agent_options.broker,
                                          .allow_insecure = program->options.allow_insecure};
        r = control_new(&program->control, program->mq, &options, program->agent, &program->listens,
                        error);
    }
    return r;
}

static int make_agent(struct program *program, struct error *error)
{
    program->agent_options = (struct agent_options){
        .broker = program->options.broker ? program->options.broker : program->broker,
        .agent_id = program->agent_id,
        .hostname = program->hostname,
        .incarnation = program->incarnation,
        .control = &program->listens,
        .worker_program = program->worker_program,
        .work_dir = work_dir(program),
        .workers = program->options.workers ? (unsigned)program->options.workers : cores(),
        .enclosure = &program->confinement.options,
        .idle_exit_usec = program->options.idle_exit_usec,
    };
    int r = mq_new(&program->mq, program->loop);
    if (r == 0) {
        r = agent_new(&program->agent, program->loop, program->mq, &program->agent_options);
    }
    if (r < 0) {
        return error_set_errno(error, r, "cannot start");
    }
    return open_control(program, error);
}

static int set_up(struct program *program, struct error *error)
{
    ev_set_syserr_cb(on_loop_error);
    raise_descriptor_limit();
    program->loop = ev_loop_new(EVFLAG_AUTO);
    if (!program->loop) {
        return error_set(error, -ENOMEM, "cannot make an event loop");
    }
    watch_signals(program);
    int r = program_find("loads-worker", &program->worker_program, error);
    if (r == 0) {
        r = confinement_begin(&program->confinement, program->loop, &program->options.run_max,
                              error);
    }
    if (r == 0) {
        r = choose_identity(program, error);
    }
    if (r == 0) {
        r = choose_addresses(program, error);
    }
    if (r == 0) {
        r = check_work_dir(program, error);
    }
    return r < 0 ? r : make_agent(program, error);
}

static void release(struct program *program)
{
    control_free(program->control);
    agent_free(program->agent);
    mq_free(program->mq);
    confinement_clear(&program->confinement);
    if (program->loop) {
        ev_loop_destroy(program->loop);
    }
    strlist_clear(&program->listens);
    free(program->broker);
    free(program->instance);
    free(program->worker_program);
    free(program->agent_id);
    close_fd(program->lock);
}

/* `systemctl status` has no log of a service that waits to be started again, but this. */
static void tell_failure(const struct error *error)
{
    log_error("%s", error->text);
    daemon_notify("STATUS=%s", error->text);
}

static int run(struct program *program)
{
    struct error error = {0};

    if (set_up(program, &error) < 0) {
        tell_failure(&error);
        return EXIT_FAILURE;
    }
    start_timers(program);
    agent_log(LOG_INFO, &program->agent_options, NULL, "%s waits for runs of the broker at %s",
              program->agent_id, program->agent_options.broker);
    daemon_notify("READY=1");
    ev_run(program->loop, 0);
    daemon_notify("STOPPING=1"); /* nobody may have asked for it */
    return EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
    struct program program = {.lock = -1};
    struct error error = {0};
    int status = EXIT_SUCCESS;

    log_open("loads-agent", LOG_INFO);
    if (agent_options_parse(argc, argv, &program.options, &error) < 0) {
        tell_failure(&error);
        status = EXIT_USAGE;
    } else if (program.options.help) {
        conf_print_help(&agent_table, stdout);
    } else if (program.options.version) {
        (void)puts("loads-agent " LOADS_VERSION);
    } else {
        log_open("loads-agent", program.options.log_level);
        status = run(&program);
        release(&program);
    }
    agent_options_clear(&program.options);
    return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}
