/* SPDX-License-Identifier: MPL-2.0 */
/* systemd and the kernel each have rules. systemd's: only what it has marked as delegated is
 * touched, and from within. The kernel's: a cgroup that gives controllers to its sub-groups has no
 * processes of its own; so we move to a leaf first, and a run's processes begin in another
 * (loop/child.h). (systemd's DelegateSubgroup= would do the first for us; versions that are about
 * don't have it.) Who is in the way of the second, such as a process that ExecStartPre= left, only
 * costs the limits: ending a run and its processor time need no controller. */
#include "run/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/clock.h"
#include "run/run_dir.h"

#define LEAF "supervisor"

#define MAX_FILE_BYTES ((size_t)4096)

#define CPU_PERIOD_USEC UINT64_C(100000) /* the kernel's default */

static const struct {
    const char *name;
    const char *limit; /* the file */
} controllers[CGROUP_CONTROLLERS] = {[CGROUP_MEMORY] = {"memory", "memory.max"},
                                     [CGROUP_PIDS] = {"pids", "pids.max"},
                                     [CGROUP_CPU] = {"cpu", "cpu.max"}};

/* ---- files ----------------------------------------------------------------------------------- */

static int open_file(const char *path, const char *name, int flags)
{
    _cleanup_free_ char *file = run_dir_file(path, "%s", name);

    if (!file) {
        return -ENOMEM;
    }
    int fd = open(file, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int read_fd(int fd, char text[static MAX_FILE_BYTES])
{
    ssize_t n = pread(fd, text, MAX_FILE_BYTES - 1, 0); /* they come in one piece */

    if (n < 0) {
        return -errno;
    }
    text[n] = '\0';
    return 0;
}

static int read_file(const char *path, const char *name, char text[static MAX_FILE_BYTES])
{
    _cleanup_fd_ int fd = open_file(path, name, O_RDONLY);
    return fd < 0 ? fd : read_fd(fd, text);
}

static int write_file(const char *path, const char *name, const char *text)
{
    _cleanup_fd_ int fd = open_file(path, name, O_WRONLY);

    if (fd < 0) {
        return fd;
    }
    return write(fd, text, strlen(text)) < 0 ? -errno : 0; /* they take all or nothing */
}

/* The number behind a key at the beginning of a line. */
static bool find_number(const char *text, const char *key, uint64_t *ret)
{
    size_t length = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ' ') {
            return sscanf(line + length, "%" SCNu64, ret) == 1;
        }
    }
    return false;
}

/* Whether a word is one of those with blanks in between. */
static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = text; (at = strstr(at, word)); at += length) {
        if ((at == text || at[-1] == ' ') && strchr(" \n", at[length])) {
            return true;
        }
    }
    return false;
}

/* ---- where we are ---------------------------------------------------------------------------- */

int cgroup_find(char **ret)
{
    /* All there is on one, or beside an older version's, as systemd mounts them. */
    static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char text[MAX_FILE_BYTES];
    int r = read_file("/proc/self", "cgroup", text);

    if (r < 0) {
        return r;
    }
    char *line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
    if (!line) {
        return -ENOENT;
    }
    line += *line == '\n';
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < ELEMENTSOF(roots); i++) {
        _cleanup_free_ char *path = run_dir_file(roots[i], "%s", line + strlen("0::/"));
        if (!path) {
            return -ENOMEM;
        }
        _cleanup_fd_ int fd = open_file(path, "cgroup.controllers", O_RDONLY);
        if (fd >= 0) {
            *ret = TAKE_PTR(path);
            return 0;
        }
    }
    return -ENOENT;
}

static bool has_only_us(const char *path)
{
    char text[MAX_FILE_BYTES], ours[32];

    (void)snprintf(ours, sizeof ours, "%d\n", (int)getpid());
    return read_file(path, "cgroup.procs", text) == 0 && strcmp(text, ours) == 0;
}

bool cgroup_is_ours(const char *path)
{
    _cleanup_free_ char *leaf = run_dir_file(path, "%s", LEAF);
    char value[2];

    return leaf && getxattr(path, "user.delegate", value, sizeof value) == 1 && value[0] == '1' &&
           has_only_us(path) && !cgroup_is_populated(leaf);
}

/* ---- making it ours -------------------------------------------------------------------------- */

/* What an earlier life of ours has left: systemd has ended that already where it started it. */
static void sweep(const char *path)
{
    DIR *directory = opendir(path);

    if (!directory) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        /* systemd's own begin with a dot */
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
            strcmp(entry->d_name, LEAF) == 0) {
            continue;
        }
        _cleanup_free_ char *group = run_dir_file(path, "%s", entry->d_name);
        if (group && cgroup_kill(group) == 0 &&
            cgroup_await_empty(group, CGROUP_PATIENCE_USEC) == 0) {
            (void)!cgroup_remove(group); /* the next one may */
        }
    }
    (void)closedir(directory); /* read-only */
}

/* Each by itself, since one that isn't there spoils it for all; cgroup_gives() tells which are. */
static void give_controllers(const char *path)
{
    char word[32];

    for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
        (void)snprintf(word, sizeof word, "+%s", controllers[i].name);
        (void)!write_file(path, "cgroup.subtree_control", word);
    }
}

int cgroup_settle(const char *path, struct error *error)
{
    _cleanup_free_ char *leaf = run_dir_file(path, "%s", LEAF);

    if (!leaf) {
        return error_set_errno(error, -ENOMEM, "cannot use cgroup %s", path);
    }
    if (mkdir(leaf, 0755) < 0 && errno != EEXIST) {
        return error_set_errno(error, -errno, "cannot make cgroup %s", leaf);
    }
    _cleanup_fd_ int fd = open_file(leaf, "cgroup.kill", O_WRONLY);
    if (fd < 0) {
        return error_set_errno(error, fd, "cannot end cgroups (Linux 5.14 can): %s/cgroup.kill",
                               leaf);
    }
    int r = write_file(leaf, "cgroup.procs", "0");
    if (r < 0) {
        return error_set_errno(error, r, "cannot move to cgroup %s", leaf);
    }
    sweep(path);
    give_controllers(path);
    return 0;
}

bool cgroup_gives(const char *path, enum cgroup_controller controller)
{
    char text[MAX_FILE_BYTES];

    return read_file(path, "cgroup.subtree_control", text) == 0 &&
           has_word(text, controllers[controller].name);
}

const char *cgroup_controller_name(enum cgroup_controller controller)
{
    return controllers[controller].name;
}

/* ---- sub-groups ------------------------------------------------------------------------------ */

int cgroup_make(char **ret, const char *parent, const char *name, struct error *error)
{
    _cleanup_free_ char *path = run_dir_file(parent, "%s", name);

    if (!path) {
        return error_set_errno(error, -ENOMEM, "cannot make a cgroup");
    }
    if (mkdir(path, 0755) < 0) {
        return error_set_errno(error, -errno, "cannot make cgroup %s", path);
    }
    *ret = TAKE_PTR(path);
    return 0;
}

bool cgroup_limits_have(const struct cgroup_limits *limits, enum cgroup_controller controller)
{
    switch (controller) {
    case CGROUP_MEMORY:
        return limits->memory_bytes > 0;
    case CGROUP_PIDS:
        return limits->pids > 0;
    case CGROUP_CPU:
        return limits->cpu_percent > 0;
    case CGROUP_CONTROLLERS:
        break;
    }
    return false;
}

static void format_limit(const struct cgroup_limits *limits, enum cgroup_controller controller,
                         char *text, size_t size)
{
    if (controller == CGROUP_CPU) { /* so much of each period */
        (void)snprintf(text, size, "%ju %ju",
                       (uintmax_t)(limits->cpu_percent * CPU_PERIOD_USEC / 100),
                       (uintmax_t)CPU_PERIOD_USEC);
    } else {
        (void)snprintf(
            text, size, "%ju",
            (uintmax_t)(controller == CGROUP_MEMORY ? limits->memory_bytes : limits->pids));
    }
}

int cgroup_limit(const char *path, const struct cgroup_limits *limits, struct error *error)
{
    char text[64];

    for (unsigned i = 0; i < CGROUP_CONTROLLERS; i++) {
        if (!cgroup_limits_have(limits, i)) {
            continue;
        }
        format_limit(limits, i, text, sizeof text);
        int r = write_file(path, controllers[i].limit, text);
        if (r < 0 && r != -ENOENT) { /* the file is there with the controller */
            return error_set_errno(error, r, "cannot write %s to %s/%s", text, path,
                                   controllers[i].limit);
        }
    }
    return 0;
}

int cgroup_kill(const char *path)
{
    return write_file(path, "cgroup.kill", "1");
}

static bool says_populated(const char *text)
{
    uint64_t populated = 0;
    return find_number(text, "populated", &populated) && populated > 0;
}

bool cgroup_is_populated(const char *path)
{
    char text[MAX_FILE_BYTES];
    return read_file(path, "cgroup.events", text) == 0 && says_populated(text);
}

int cgroup_await_empty(const char *path, uint64_t timeout_usec)
{
    uint64_t deadline_usec = clock_monotonic_usec() + timeout_usec;
    _cleanup_fd_ int fd = open_file(path, "cgroup.events", O_RDONLY);
    char text[MAX_FILE_BYTES];

    if (fd < 0) {
        return fd;
    }
    for (;;) {
        struct pollfd poller = {.fd = fd, .events = POLLPRI}; /* since it was read last */
        uint64_t now = clock_monotonic_usec();
        int r = read_fd(fd, text);
        if (r < 0 || !says_populated(text)) {
            return r;
        }
        if (now >= deadline_usec) {
            return -ETIMEDOUT;
        }
        (void)poll(&poller, 1, (int)((deadline_usec - now) / USEC_PER_MSEC) + 1);
        /* interrupted: it is read again */
    }
}

int cgroup_remove(const char *path)
{
    char *copy = strdup(path);

    if (!copy) {
        return -ENOMEM;
    }
    run_dir_remove_all(copy); /* its files can't be removed, and needn't */
    return access(path, F_OK) == 0 ? -EBUSY : 0;
}

void cgroup_usage(const char *path, struct cgroup_usage *ret)
{
    char text[MAX_FILE_BYTES];

    *ret = (struct cgroup_usage){.has_cpu = false};
    if (read_file(path, "cpu.stat", text) == 0) {
        ret->has_cpu = find_number(text, "usage_usec", &ret->cpu_usec);
    }
    if (read_file(path, "memory.peak", text) == 0) { /* there with the controller, since 5.19 */
        ret->has_memory = sscanf(text, "%" SCNu64, &ret->memory_peak_bytes) == 1;
    }
}
