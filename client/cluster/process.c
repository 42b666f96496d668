/* SPDX-License-Identifier: MPL-2.0 */
/* Between fork() and exec() there is nothing but system calls: resolving a name takes a thread. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "outputs/text.h"

#define TAIL_BYTES   ((off_t)4096)
#define TAIL_LINES   10
#define TAIL_COLUMNS 200

/* What went wrong in the child, told to its parent. */
struct failure {
    enum { AT_USER, AT_DIRECTORY, AT_PROGRAM } at;
    int code; /* errno */
};

/* ---- in the child ---- */

/* A daemon has nothing of ours but its log. */
static void detach(int null_fd, int log_fd)
{
    (void)setsid(); /* it can't fail in a new child */
    for (int i = 1; i < NSIG; i++) {
        (void)signal(i, SIG_DFL); /* what we ignore was not meant for it; KILL and STOP stay so */
    }
    (void)dup2(null_fd, STDIN_FILENO); /* these descriptors are open: the three can't fail */
    (void)dup2(log_fd, STDOUT_FILENO);
    (void)dup2(log_fd, STDERR_FILENO);
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC); /* an old kernel: as they are */
}

static int become(const struct process_options *options, pid_t parent, struct failure *failure)
{
    int r = options->account ? account_become(options->account) : 0;

    if (r < 0) {
        *failure = (struct failure){AT_USER, -r};
        return r;
    }
    /* Behind the change of user, which would undo it. */
    if (prctl(PR_SET_PDEATHSIG, options->death_signal) < 0 || getppid() != parent) {
        _exit(EXIT_FAILURE);
    }
    if (options->directory && chdir(options->directory) < 0) {
        *failure = (struct failure){AT_DIRECTORY, errno};
        return -errno;
    }
    return 0;
}

static _Noreturn void run_child(const struct process_options *options, pid_t parent, int tell_fd)
{
    char *const *variables = options->variables ? options->variables->items : environ;
    struct failure failure;

    if (become(options, parent, &failure) == 0) {
        (void)execvpe(options->argv[0], (char *const *)options->argv, variables);
        failure = (struct failure){AT_PROGRAM, errno};
    }
    (void)!write(tell_fd, &failure, sizeof failure); /* nobody reads: nobody asks */
    _exit(EXIT_FAILURE);
}

/* ---- in the parent ---- */

static int explain(const struct process_options *options, const struct failure *failure,
                   struct error *error)
{
    const char *program = options->argv[0];

    switch (failure->at) {
    case AT_USER:
        return error_set_errno(error, -failure->code, "cannot start %s as user '%s'", program,
                               options->account->name);
    case AT_DIRECTORY:
        if (!options->account || !options->account->other) {
            return error_set_errno(error, -failure->code, "cannot start %s in %s", program,
                                   options->directory);
        }
        return error_set_errno(error, -failure->code,
                               "cannot start %s as user '%s', to whom %s is closed (set "
                               "XDG_STATE_HOME, or with --temporary TMPDIR, to another place)",
                               program, options->account->name, options->directory);
    case AT_PROGRAM:
        break;
    }
    return error_set_errno(error, -failure->code, "cannot start %s", program);
}

/* Waits until the child is another program, or has failed to be one. */
static int await_exec(struct process *process, const struct process_options *options, int fd,
                      struct error *error)
{
    struct failure failure;
    ssize_t n;

    do {
        n = read(fd, &failure, sizeof failure);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof failure) {
        return 0;
    }
    (void)waitpid(process->pid, NULL, 0); /* it is ending */
    process->pid = 0;
    return explain(options, &failure, error);
}

static int open_log(const char *path, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? error_set_errno(error, -errno, "cannot write %s", path) : fd;
}

int process_start(struct process *process, const struct process_options *options,
                  struct error *error)
{
    _cleanup_fd_ int null_fd = -1, log_fd = -1, ours = -1;
    pid_t parent = getpid();
    int ends[2];

    if (process->log) {
        null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null_fd < 0) {
            return error_set_errno(error, -errno, "cannot use /dev/null");
        }
        int r = log_fd = open_log(process->log, error);
        if (r < 0) {
            return r;
        }
    }
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return error_set_errno(error, -errno, "cannot start %s", options->argv[0]);
    }
    ours = ends[0];
    process->gone = process->ready = process->missed = false;
    pid_t pid = fork();
    int number = errno;
    if (pid == 0) {
        if (process->log) {
            detach(null_fd, log_fd);
        }
        run_child(options, parent, ends[1]);
    }
    close_fd(ends[1]);
    if (pid < 0) {
        return error_set_errno(error, -number, "cannot start %s", options->argv[0]);
    }
    process->pid = pid;
    return await_exec(process, options, ours, error);
}

void process_reap(struct process *process)
{
    if (process->pid > 0 && waitpid(process->pid, &process->status, WNOHANG) == process->pid) {
        process->pid = 0;
        process->gone = true;
    }
}

void process_signal(const struct process *process, int signal_number)
{
    if (process->pid > 0) {
        (void)kill(process->pid, signal_number); /* it isn't reaped, so it is there */
    }
}

void process_clear(struct process *process)
{
    process_signal(process, SIGKILL);
    while (process->pid > 0 && waitpid(process->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    free(process->name);
    free(process->log);
    *process = (struct process){.pid = 0};
}

/* Where the last lines of a text begin. */
static const char *last_lines(const char *text, size_t size, unsigned lines)
{
    const char *at = text + size;

    while (at > text && (at[-1] != '\n' || at == text + size || --lines > 0)) {
        at--;
    }
    return at;
}

void process_show_log(const struct process *process)
{
    _cleanup_fd_ int fd = process->log ? open(process->log, O_RDONLY | O_CLOEXEC) : -1;
    char text[TAIL_BYTES + 1];
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0) {
        return;
    }
    ssize_t n = pread(fd, text, (size_t)TAIL_BYTES, MAX(status.st_size - TAIL_BYTES, (off_t)0));
    if (n > 0) {
        text[n] = '\0';
        text_put_lines(stderr, last_lines(text, (size_t)n, TAIL_LINES), 4, TAIL_COLUMNS,
                       TAIL_LINES);
    }
}

/* ---- environments ---- */

static bool is_named(const char *variable, const char *const *names)
{
    size_t length = strcspn(variable, "=");

    for (; *names; names++) {
        if (strlen(*names) == length && memcmp(*names, variable, length) == 0) {
            return true;
        }
    }
    return false;
}

int environment_make(struct strlist *ret, const char *const *without, const char *const *with)
{
    int r = 0;

    for (char **variable = environ; r == 0 && *variable; variable++) {
        if (!is_named(*variable, without)) {
            r = strlist_add(ret, *variable);
        }
    }
    for (; r == 0 && *with; with++) {
        r = strlist_add(ret, *with);
    }
    return r;
}
