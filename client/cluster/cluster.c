/* SPDX-License-Identifier: MPL-2.0 */
/* A sequence: database, broker, agents, command, and back. Each waits for the one before to be
 * ready as it says itself, so that the command finds all agents at the broker, and no sooner than
 * its runs are taken. What the command is asked to do about signals is its own business: it sits in
 * the terminal's foreground with us, and the daemons are in sessions of their own. */
#include "cluster.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "database.h"
#include "loop/child.h"
#include "notifications.h"
#include "run/program.h"
#include "run/run_dir.h"

/* An agent says so when it is registered at the broker, a broker when it has read its database. */
#define IS_REGISTERED "X_LOADS_REGISTERED=1"
#define IS_LOADED     "X_LOADS_LOADED=1"

#define NO_FILE "/dev/null" /* what this machine's services are configured to be is not for us */

#define BROKER_SEC        60.0
#define AGENTS_SEC        60.0
#define EACH_AGENT_SEC    1.0
#define COMMAND_SEC       10.0
#define AGENTS_STOP_SEC   10.0
#define BROKER_STOP_SEC   10.0
#define DATABASE_STOP_SEC 60.0

/* Indices of processes: */
enum { DATABASE, BROKER, COMMAND, FIRST_AGENT };

struct cluster {
    const struct cluster_options *options;
    const struct command *command;
    struct place place;
    struct events events;
    struct notifications *notifications;
    struct strlist variables; /* the daemons' environment */
    char *frontend;           /* the broker's address */
    struct process *processes;
    size_t count;
    const struct process *blamed; /* whose log tells more */
};

/* ---- waiting for daemons ---- */

static void on_told(pid_t pid, const char *text, void *context)
{
    struct cluster *cluster = context;

    for (size_t i = 0; i < cluster->count; i++) {
        struct process *process = &cluster->processes[i];
        if (process->pid == pid && pid > 0) {
            process->ready |= notification_has(text, i == BROKER ? IS_LOADED : IS_REGISTERED);
        }
    }
}

/* All are ready, or it can't come to that any more. */
static bool is_settled(const void *context)
{
    const struct cluster *cluster = context;
    bool ready = true;

    for (size_t i = 0; i < cluster->count; i++) {
        const struct process *process = &cluster->processes[i];
        if (i != COMMAND && process->gone) {
            return true;
        }
        ready &= process->ready || process->pid == 0;
    }
    return ready;
}

/* That a process is gone is its fault. */
static int blame(struct cluster *cluster, const struct process *process, struct error *error)
{
    char how[128];

    cluster->blamed = process;
    child_describe_status(process->status, how, sizeof how);
    return error_set(error, -ECHILD, "%s %s%s%s", process->name, how,
                     cluster->place.temporary ? "" : "; its log is ",
                     cluster->place.temporary ? "" : process->log);
}

static int await_all(struct cluster *cluster, double limit_sec, struct error *error)
{
    int r = events_wait(&cluster->events, is_settled, cluster, limit_sec, 0);

    if (r == -EINTR) {
        return r;
    }
    for (size_t i = 0; i < cluster->count; i++) {
        const struct process *process = &cluster->processes[i];
        if (process->gone) {
            return blame(cluster, process, error);
        }
        if (process->pid > 0 && !process->ready) {
            cluster->blamed = process;
            return error_set(error, r, "%s is not ready after %.0f seconds", process->name,
                             limit_sec);
        }
    }
    return 0;
}

/* ---- starting ---- */

static int start_daemon(struct cluster *cluster, size_t index, const char *log,
                        const char *const *argv, struct error *error)
{
    struct process *process = &cluster->processes[index];

    process->log = place_log(&cluster->place, log);
    if (!process->name || !process->log) {
        return error_set_errno(error, -ENOMEM, "cannot start %s", argv[0]);
    }
    return process_start(process,
                         &(struct process_options){.argv = argv,
                                                   .variables = &cluster->variables,
                                                   .directory = "/",
                                                   .death_signal = SIGKILL},
                         error);
}

static int start_broker(struct cluster *cluster, struct error *error)
{
    static const char *const options[] = {"--frontend", "--backend", "--receiver", "--publisher"};
    char addresses[ELEMENTSOF(options)][128];
    _cleanup_free_ char *program = NULL;
    const char *argv[16];
    size_t n = 0;

    int r = program_find("loads-broker", &program, error);
    if (r < 0) {
        return r;
    }
    argv[n++] = program;
    argv[n++] = "--config";
    argv[n++] = NO_FILE;
    for (size_t i = 0; i < ELEMENTSOF(options); i++) {
        (void)snprintf(addresses[i], sizeof addresses[i], "ipc://%s/%s.sock",
                       cluster->place.sockets, options[i] + strlen("--"));
        argv[n++] = options[i];
        argv[n++] = addresses[i];
    }
    argv[n++] = "--database";
    argv[n++] = "dbname=loads"; /* the rest is in the environment */
    argv[n] = NULL;
    cluster->processes[BROKER].name = strdup("loads-broker");
    r = start_daemon(cluster, BROKER, "broker", argv, error);
    return r < 0 ? r : await_all(cluster, BROKER_SEC, error);
}

static unsigned cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static int start_agent(struct cluster *cluster, const char *program, unsigned number,
                       struct error *error)
{
    struct process *process = &cluster->processes[FIRST_AGENT + number - 1];
    char instance[16], log[32], control[128], workers[16];
    const char *argv[] = {
        program,  "--config",  NO_FILE, "--broker",   cluster->frontend,   "--instance",
        instance, "--control", control, "--work-dir", cluster->place.work, "--workers",
        workers,  NULL};

    (void)snprintf(instance, sizeof instance, "%u", number);
    (void)snprintf(log, sizeof log, "agent-%u", number);
    (void)snprintf(control, sizeof control, "ipc://%s/agent-%u.sock", cluster->place.sockets,
                   number);
    /* They share the machine. */
    (void)snprintf(workers, sizeof workers, "%u",
                   MAX(cores() / (unsigned)cluster->options->agents, 1u));
    if (asprintf(&process->name, "loads-agent %u", number) < 0) {
        process->name = NULL;
    }
    return start_daemon(cluster, FIRST_AGENT + number - 1, log, argv, error);
}

static int start_agents(struct cluster *cluster, struct error *error)
{
    _cleanup_free_ char *program = NULL;
    unsigned count = (unsigned)cluster->options->agents;

    int r = program_find("loads-agent", &program, error);
    for (unsigned i = 1; r == 0 && i <= count; i++) {
        r = start_agent(cluster, program, i, error);
    }
    return r < 0 ? r : await_all(cluster, AGENTS_SEC + EACH_AGENT_SEC * count, error);
}

static int set_environment(struct cluster *cluster, struct error *error)
{
    static const char *const without[] = {
        "NOTIFY_SOCKET", "WATCHDOG_PID",   "WATCHDOG_USEC",     "LISTEN_PID",
        "LISTEN_FDS",    "LISTEN_FDNAMES", "RUNTIME_DIRECTORY", NULL};
    _cleanup_free_ char *notify = NULL, *runtime = NULL;

    int r = database_set_environment(&cluster->place, error);
    if (r < 0) {
        return r;
    }
    if (asprintf(&notify, "NOTIFY_SOCKET=%s/notify.sock", cluster->place.sockets) < 0) {
        notify = NULL;
    }
    if (asprintf(&runtime, "RUNTIME_DIRECTORY=%s", cluster->place.sockets) < 0) {
        runtime = NULL;
    }
    if (asprintf(&cluster->frontend, "ipc://%s/frontend.sock", cluster->place.sockets) < 0) {
        cluster->frontend = NULL;
    }
    if (!notify || !runtime || !cluster->frontend ||
        environment_make(&cluster->variables, without,
                         (const char *const[]){notify, runtime, NULL}) < 0 ||
        setenv("LOADS_BROKER", cluster->frontend, 1) < 0) {
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    return notifications_new(&cluster->notifications, cluster->events.loop, strchr(notify, '=') + 1,
                             on_told, cluster, error);
}

static int start_database(struct cluster *cluster, struct error *error)
{
    struct process *process = &cluster->processes[DATABASE];

    int r = database_start(process, &cluster->place, &cluster->events, error);
    if (r == -ECHILD) {
        return blame(cluster, process, error);
    }
    if (r < 0 && r != -EINTR && process->name) {
        cluster->blamed = process;
    }
    return r;
}

static int start(struct cluster *cluster, struct error *error)
{
    int r = place_take(&cluster->place, cluster->options->temporary, error);

    if (r == 0) {
        r = set_environment(cluster, error);
    }
    if (r == 0) {
        r = start_database(cluster, error);
    }
    if (r == 0) {
        r = start_broker(cluster, error);
    }
    return r < 0 ? r : start_agents(cluster, error);
}

/* ---- the command ---- */

static bool has_news(const void *context)
{
    const struct cluster *cluster = context;

    for (size_t i = 0; i < cluster->count; i++) {
        if (cluster->processes[i].gone && !cluster->processes[i].missed) {
            return true;
        }
    }
    return false;
}

/* Says which daemons are gone, once. */
static void tell_losses(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++) {
        struct process *process = &cluster->processes[i];
        char how[128];
        if (i == COMMAND || !process->gone || process->missed) {
            continue;
        }
        process->missed = true;
        child_describe_status(process->status, how, sizeof how);
        log_error("%s %s; its log is %s", process->name, how, process->log);
        process_show_log(process);
    }
}

/* Asks it to end; when it is asked again, or takes its time, it is killed. */
static void end_command(struct cluster *cluster, bool late)
{
    const struct process *process = &cluster->processes[COMMAND];
    bool kindly = cluster->events.asked == 1 && !late;

    process_signal(process, kindly ? cluster->command->end_signal : SIGKILL);
    process_signal(process, SIGCONT); /* a stopped one could not end */
}

static int run_command(struct cluster *cluster, struct error *error)
{
    struct process *process = &cluster->processes[COMMAND];
    struct events *events = &cluster->events;
    unsigned asked = 0;

    int r = process_start(
        process,
        &(struct process_options){.argv = cluster->command->argv,
                                  .death_signal = cluster->options->command ? SIGKILL : SIGHUP},
        error);
    if (r < 0) {
        return r;
    }
    events->foreground = true;
    while (!process->gone) {
        r = events_wait(events, has_news, cluster, asked > 0 ? COMMAND_SEC : 0, asked);
        if (r < 0) {
            end_command(cluster, r == -ETIMEDOUT);
            asked = events->asked;
        }
        tell_losses(cluster);
    }
    return 0;
}

/* ---- stopping ---- */

struct group {
    struct process *processes;
    size_t count;
};

static bool are_gone(const void *context)
{
    const struct group *group = context;

    for (size_t i = 0; i < group->count; i++) {
        if (group->processes[i].pid > 0) {
            return false;
        }
    }
    return true;
}

/* Asks them with one signal after the other, the last one being SIGKILL; at once, if we are asked
 * again to end. */
static void stop(struct cluster *cluster, size_t first, size_t count, const int *signals,
                 double limit_sec)
{
    struct group group = {&cluster->processes[first], count};
    unsigned patience = MAX(cluster->events.asked, 1u);

    for (;; signals++) {
        for (size_t i = 0; i < count; i++) {
            process_signal(&group.processes[i], *signals);
        }
        if (*signals == SIGKILL) {
            break; /* it is waited for when it is cleared */
        }
        if (events_wait(&cluster->events, are_gone, &group, limit_sec, patience) == 0) {
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (group.processes[i].pid > 0) {
            log_warning("%s did not end in time and was killed", group.processes[i].name);
        }
    }
}

static void stop_all(struct cluster *cluster)
{
    static const int agents[] = {SIGTERM, SIGTERM, SIGKILL}; /* asked twice: at once */
    static const int broker[] = {SIGTERM, SIGKILL};
    static const int database[] = {SIGINT, SIGQUIT, SIGKILL}; /* with its clients; at once */

    stop(cluster, FIRST_AGENT, cluster->count - FIRST_AGENT, agents, AGENTS_STOP_SEC);
    stop(cluster, BROKER, 1, broker, BROKER_STOP_SEC);
    stop(cluster, DATABASE, 1, database, DATABASE_STOP_SEC);
    for (size_t i = 0; i < cluster->count; i++) {
        process_clear(&cluster->processes[i]);
    }
}

/* ---- all of it ---- */

static void greet(const struct cluster *cluster)
{
    if (!cluster->options->command) {
        log_notice("a broker and %u agent%s are yours in this shell, and end with it; their logs "
                   "are in %s",
                   (unsigned)cluster->options->agents, cluster->options->agents == 1 ? "" : "s",
                   cluster->place.log);
    }
}

static int run(struct cluster *cluster)
{
    struct error error = {0};
    int r = start(cluster, &error);

    if (r == 0) {
        greet(cluster);
        log_over_progress(); /* of a loads-runner in it */
        r = run_command(cluster, &error);
        if (r == 0) {
            return command_exit_code(cluster->processes[COMMAND].status);
        }
    }
    if (r == -EINTR) {
        return 128 + cluster->events.ending;
    }
    log_error("%s", error.text);
    if (cluster->blamed) {
        process_show_log(cluster->blamed);
    }
    return COMMAND_NOT_STARTED;
}

int cluster_run(const struct cluster_options *options, const struct command *command)
{
    struct cluster cluster = {.options = options,
                              .command = command,
                              .place = PLACE_NONE,
                              .count = FIRST_AGENT + options->agents};
    int code = COMMAND_NOT_STARTED;

    cluster.processes = calloc(cluster.count, sizeof *cluster.processes);
    if (!cluster.processes || events_init(&cluster.events, cluster.processes, cluster.count) < 0) {
        log_error("cannot start: %s", strerror(ENOMEM));
    } else {
        code = run(&cluster);
        stop_all(&cluster);
    }
    notifications_free(cluster.notifications);
    events_release(&cluster.events);
    place_release(&cluster.place);
    strlist_clear(&cluster.variables);
    free(cluster.frontend);
    free(cluster.processes);
    return code;
}
