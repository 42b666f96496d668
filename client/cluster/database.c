/* SPDX-License-Identifier: MPL-2.0 */
/* It listens on no network, and the directory of its socket is closed to others: whoever gets there
 * is its superuser, without a password.
 *
 * It is made under another name, so that what was cut short is never taken for a database. When
 * loads-cluster is killed PostgreSQL gets SIGINT, ends in order, and may still be about it when the
 * next cluster starts. */
#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "loop/pq.h"
#include "loop/resolve.h"
#include "programs.h"
#include "run/run_dir.h"
#include "run/schema.h"

#define USER      "loads"
#define DATABASE  "loads"
#define PORT      "5432" /* the name of the socket */
#define INIT_SEC  300.0
#define READY_SEC 300.0 /* after a crash it has to recover */
#define REST_SEC  60.0

int database_set_environment(const struct place *place, struct error *error)
{
    /* What would lead elsewhere, or ask for what a socket without passwords doesn't have. */
    static const char *const others[] = {
        "PGHOSTADDR",
        "PGSERVICE",
        "PGSERVICEFILE",
        "PGSYSCONFDIR",
        "PGPASSWORD",
        "PGPASSFILE",
        "PGREQUIREPEER",
        "PGREQUIREAUTH",
        "PGSSLMODE",
        "PGREQUIRESSL",
        "PGSSLNEGOTIATION",
        "PGCHANNELBINDING",
        "PGGSSENCMODE",
        "PGOPTIONS",
        "PGTARGETSESSIONATTRS",
        "PGLOADBALANCEHOSTS",
        "PGMINPROTOCOLVERSION",
        "PGMAXPROTOCOLVERSION",
    };

    for (size_t i = 0; i < ELEMENTSOF(others); i++) {
        (void)unsetenv(others[i]); /* the names are good ones */
    }
    if (setenv("PGHOST", place->pg, 1) < 0 || setenv("PGPORT", PORT, 1) < 0 ||
        setenv("PGUSER", USER, 1) < 0 || setenv("PGDATABASE", DATABASE, 1) < 0) {
        return error_set_errno(error, -errno, "cannot start");
    }
    return 0;
}

/* A number at the beginning of a file of the database; 0: there is none. */
static unsigned long read_number(const struct place *place, const char *name)
{
    _cleanup_free_ char *path = run_dir_file(place->database, "%s", name);
    _cleanup_fd_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    char text[24] = "";

    return fd >= 0 && read(fd, text, sizeof text - 1) > 0 ? strtoul(text, NULL, 10) : 0;
}

static int find_programs(struct programs *ret, const struct place *place, struct events *events,
                         struct error *error)
{
    unsigned made_by = (unsigned)read_number(place, "PG_VERSION");

    int r = programs_find(ret, made_by, events, error);
    if (r != -EBADE) {
        return r;
    }
    return error_set(error, r,
                     "the database in %s was made by PostgreSQL %u, and here is PostgreSQL %s: "
                     "install version %u beside it (Debian: postgresql-%u), or convert it with "
                     "pg_upgrade, or move it away and begin with an empty one",
                     place->database, made_by, ret->version, made_by, made_by);
}

/* ---- one that is still ending ---- */

static void on_end(struct ev_loop *loop, ev_io *watcher, int events _unused_)
{
    ev_io_stop(loop, watcher);
}

static bool has_ended(const void *watcher)
{
    return !ev_is_active((const ev_io *)watcher);
}

/* Whether a process works in that directory, as PostgreSQL does in its own. */
static bool is_in(pid_t pid, const char *directory)
{
    struct stat here, there;
    char path[32];

    (void)snprintf(path, sizeof path, "/proc/%ld/cwd", (long)pid);
    return stat(path, &there) == 0 && stat(directory, &here) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
}

static int await_rest(const struct place *place, struct events *events, struct error *error)
{
    pid_t pid = (pid_t)read_number(place, "postmaster.pid");
    _cleanup_fd_ int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    ev_io watcher;

    if (fd < 0 || !is_in(pid, place->database)) {
        return 0;
    }
    ev_io_init(&watcher, on_end, fd, EV_READ);
    ev_io_start(events->loop, &watcher);
    int r = events_wait(events, has_ended, &watcher, REST_SEC, 0);
    ev_io_stop(events->loop, &watcher);
    return r != -ETIMEDOUT
               ? r
               : error_set(error, r, "PostgreSQL still uses %s, as process %ld: end it first",
                           place->database, (long)pid);
}

/* ---- making it ---- */

/* A name for what runs next, and a log for it. */
static int prepare(struct process *process, const struct place *place, const char *name,
                   struct error *error)
{
    process_clear(process);
    process->name = strdup(name);
    process->log = place_log(place, name);
    return process->name && process->log ? 0 : error_set_errno(error, -ENOMEM, "cannot start");
}

static int run_initdb(struct process *process, const struct programs *programs,
                      const struct place *place, const char *directory, struct events *events,
                      struct error *error)
{
    _cleanup_free_ char *program = run_dir_file(programs->directory, "initdb");
    const char *argv[] = {program, "-D",       directory, "--username",
                          USER,    "--auth",   "trust",   "--encoding",
                          "UTF8",  "--locale", "C",       place->temporary ? "--no-sync" : NULL,
                          NULL};

    int r = program ? prepare(process, place, "initdb", error)
                    : error_set_errno(error, -ENOMEM, "cannot start");
    if (r == 0) {
        r = process_start(process,
                          &(struct process_options){.argv = argv,
                                                    .account = &place->account,
                                                    .directory = directory,
                                                    .death_signal = SIGKILL},
                          error);
    }
    if (r < 0) {
        return r;
    }
    r = events_wait(events, events_is_gone, process, INIT_SEC, 0);
    if (r == -ETIMEDOUT) {
        return error_set(error, r, "initdb does not come to an end");
    }
    return r == 0 && process->status != 0 ? -ECHILD : r;
}

static int make(struct process *process, const struct programs *programs, const struct place *place,
                struct events *events, struct error *error)
{
    _cleanup_free_ char *directory = run_dir_file(place->state, "postgresql.new");

    if (!directory) {
        return error_set_errno(error, -ENOMEM, "cannot make a database");
    }
    run_dir_remove_all(strdup(directory)); /* what was cut short */
    if (mkdir(directory, 0700) < 0) {
        return error_set_errno(error, -errno, "cannot make %s", directory);
    }
    int r = account_let_in(&place->account, directory, true, error);
    if (r == 0) {
        r = run_initdb(process, programs, place, directory, events, error);
    }
    if (r == 0 && rename(directory, place->database) < 0) {
        r = error_set_errno(error, -errno, "cannot make %s", place->database);
    }
    if (r < 0) {
        if (r == -EINTR || r == -ETIMEDOUT) {
            process_clear(process);
        }
        run_dir_remove_all(TAKE_PTR(directory));
    }
    return r;
}

/* ---- starting it ---- */

static int start(struct process *process, const struct programs *programs,
                 const struct place *place, struct error *error)
{
    _cleanup_free_ char *program = run_dir_file(programs->directory, "postgres");
    const char *argv[24] = {program,
                            "-D",
                            place->database,
                            "-k",
                            place->pg,
                            "-p",
                            PORT,
                            "-c",
                            "listen_addresses=",
                            "-c",
                            "logging_collector=off",
                            "-c",
                            "log_destination=stderr"};
    size_t n = 13;

    if (place->temporary) { /* what is lost when the machine fails would be gone anyway */
        static const char *const careless[] = {
            "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"};
        for (size_t i = 0; i < ELEMENTSOF(careless); i++) {
            argv[n++] = careless[i];
        }
    }
    int r = program ? prepare(process, place, "postgresql", error)
                    : error_set_errno(error, -ENOMEM, "cannot start");
    if (r < 0) {
        return r;
    }
    return process_start(process,
                         &(struct process_options){.argv = argv,
                                                   .account = &place->account,
                                                   .directory = place->database,
                                                   .death_signal = SIGINT},
                         error);
}

struct attempt {
    struct process *process;
    char reason[512]; /* why it isn't up yet */
};

static void on_up(struct pq *pq _unused_, void *context)
{
    struct attempt *attempt = context;

    attempt->process->ready = true;
}

static void on_down(struct pq *pq _unused_, const struct error *error, void *context)
{
    struct attempt *attempt = context;

    (void)snprintf(attempt->reason, sizeof attempt->reason, "%s", error->text);
}

static bool is_ready_or_gone(const void *context)
{
    const struct process *process = context;

    return process->ready || process->gone;
}

/* Connects until somebody answers. */
static int await_answer(struct process *process, struct events *events, struct error *error)
{
    struct attempt attempt = {.process = process, .reason = "it says nothing"};
    _cleanup_(resolver_freep) struct resolver *resolver = NULL;
    _cleanup_(pq_freep) struct pq *pq = NULL;
    struct pq_options options = {.conninfo = "",
                                 .database = "postgres",
                                 .application_name = "loads-cluster",
                                 .max_retry_usec = USEC_PER_SEC / 10,
                                 .up = on_up,
                                 .down = on_down,
                                 .context = &attempt};

    int r = resolver_new(&resolver, events->loop, USEC_PER_SEC, NULL);
    if (r < 0) {
        return error_set_errno(error, r, "cannot start");
    }
    r = pq_new(&pq, events->loop, resolver, &options, error);
    if (r == 0) {
        r = events_wait(events, is_ready_or_gone, process, READY_SEC, 0);
        if (r == -ETIMEDOUT) {
            r = error_set(error, r, "PostgreSQL does not answer: %s", attempt.reason);
        }
    }
    return r == 0 && process->gone ? -ECHILD : r;
}

static void on_told(const char *text _unused_, void *context _unused_)
{
}

int database_start(struct process *process, const struct place *place, struct events *events,
                   struct error *error)
{
    struct programs programs;

    int r = find_programs(&programs, place, events, error);
    if (r == 0) {
        r = await_rest(place, events, error);
    }
    if (r == 0 && access(place->database, F_OK) < 0) {
        r = make(process, &programs, place, events, error);
    }
    if (r == 0) {
        r = start(process, &programs, place, error);
    }
    programs_clear(&programs);
    if (r == 0) {
        r = await_answer(process, events, error);
    }
    return r < 0 ? r : schema_init("", on_told, NULL, error);
}
