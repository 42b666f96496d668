/* SPDX-License-Identifier: MPL-2.0 */
/* Directories that go with the cluster are made like those of runs (run/run_dir.h): who is killed
 * leaves them, and the next one that makes some removes them. What is kept is locked, too. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "run/addresses.h"
#include "run/file_list.h"
#include "run/run_dir.h"

#define ROOTS_STATE "/var/lib/loads-cluster"

/* The longest names of sockets, behind the directory's. */
#define LONGEST_SOCKET "/loads-run-XXXXXX/pg/.s.PGSQL.5432"

/* ---- what is kept ---- */

static int choose_state(char **ret, struct error *error)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;

    if (state && state[0] == '/') {
        n = asprintf(ret, "%s/loads", state);
    } else if (geteuid() == 0) {
        n = asprintf(ret, "%s", ROOTS_STATE);
    } else if (home && home[0] == '/') {
        n = asprintf(ret, "%s/.local/state/loads", home);
    } else {
        return error_set(error, -EINVAL,
                         "neither XDG_STATE_HOME nor HOME says where the database can be kept: set "
                         "one, or use --temporary");
    }
    if (n < 0) {
        *ret = NULL;
        return error_set_errno(error, -ENOMEM, "cannot start");
    }
    return 0;
}

/* Who has the file locked, 0: not known. */
static long holder(int fd)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

static int take_lock(struct place *place, struct error *error)
{
    _cleanup_free_ char *path = run_dir_file(place->state, "lock");
    _cleanup_fd_ int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    char text[24];

    if (fd < 0) {
        return error_set_errno(error, path ? -errno : -ENOMEM, "cannot use %s", place->state);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        return errno != EWOULDBLOCK
                   ? error_set_errno(error, -errno, "cannot lock %s", path)
                   : error_set(error, -EBUSY,
                               "a loads-cluster uses %s already, as process %ld: end it first, or "
                               "use --temporary for another one",
                               place->state, holder(fd));
    }
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        return error_set_errno(error, -errno, "cannot write %s", path);
    }
    place->lock = TAKE_FD(fd);
    return 0;
}

/* ---- what goes with the cluster ---- */

/* A directory that is ours as long as we live; those that others left beside it go. */
static int make_claimed(const char *parent, char **ret, int *ret_claim, struct error *error)
{
    _cleanup_free_ char *path = NULL;

    int r = run_dir_make_in(parent, &path, error);
    if (r < 0) {
        return r;
    }
    r = run_dir_claim(path, error);
    if (r < 0) {
        (void)rmdir(path); /* it is empty, or no matter */
        return r;
    }
    *ret_claim = r;
    *ret = TAKE_PTR(path);
    run_dir_sweep(*ret);
    return 0;
}

/* PostgreSQL takes a list of directories, with a syntax of its own: no name that needs it. */
static bool is_usable(const char *directory)
{
    return directory && directory[0] == '/' &&
           strspn(directory,
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") ==
               strlen(directory) &&
           strlen(directory) + strlen(LONGEST_SOCKET) <= ADDRESS_MAX_SOCKET_BYTES;
}

static int make_sockets(struct place *place, struct error *error)
{
    /* A session's directory is closed to who runs PostgreSQL for root. */
    const char *parents[] = {geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR"), "/tmp"};
    int r = -ENOENT;

    for (size_t i = 0; r < 0 && r != -ENOMEM && i < ELEMENTSOF(parents); i++) {
        if (is_usable(parents[i])) {
            r = make_claimed(parents[i], &place->sockets, &place->sockets_claim, error);
        }
    }
    return r;
}

/* ---- all of it ---- */

static int make_in(const char *parent, const char *name, char **ret, struct error *error)
{
    *ret = run_dir_file(parent, "%s", name);
    if (!*ret) {
        return error_set_errno(error, -ENOMEM, "cannot use %s", parent);
    }
    return mkdir(*ret, 0700) < 0 && errno != EEXIST
               ? error_set_errno(error, -errno, "cannot make %s", *ret)
               : 0;
}

static int make_state(struct place *place, struct error *error)
{
    const char *temporary = getenv("TMPDIR");

    if (place->temporary) {
        return make_claimed(temporary && temporary[0] == '/' ? temporary : "/tmp", &place->state,
                            &place->state_claim, error);
    }
    int r = choose_state(&place->state, error);
    if (r == 0) {
        r = make_directories(place->state, error);
    }
    return r < 0 ? r : take_lock(place, error);
}

/* What a cluster that was killed has left. */
static void remove_rest(const struct place *place)
{
    run_dir_remove_all(run_dir_file(place->state, "work"));
}

static int make_inner(struct place *place, struct error *error)
{
    int r = account_let_in(&place->account, place->state, false, error);

    if (r == 0) {
        r = account_let_in(&place->account, place->sockets, false, error);
    }
    if (r == 0) {
        r = make_in(place->sockets, "pg", &place->pg, error);
    }
    if (r == 0) {
        r = account_let_in(&place->account, place->pg, true, error);
    }
    if (r == 0) {
        r = make_in(place->state, "log", &place->log, error);
    }
    if (r == 0) {
        remove_rest(place);
        r = make_in(place->state, "work", &place->work, error);
    }
    if (r == 0) {
        place->database = run_dir_file(place->state, "postgresql");
        r = place->database ? 0 : error_set_errno(error, -ENOMEM, "cannot start");
    }
    return r;
}

int place_take(struct place *place, bool temporary, struct error *error)
{
    *place = PLACE_NONE;
    place->temporary = temporary;
    int r = account_choose(&place->account, error);
    if (r == 0) {
        r = make_state(place, error);
    }
    if (r == 0) {
        r = make_sockets(place, error);
    }
    return r < 0 ? r : make_inner(place, error);
}

void place_release(struct place *place)
{
    if (place->temporary) {
        place->state = run_dir_remove_all(place->state);
    } else if (place->work) {
        remove_rest(place);
    }
    run_dir_remove_all(place->sockets);
    free(place->state);
    free(place->database);
    free(place->log);
    free(place->work);
    free(place->pg);
    close_fd(place->lock);
    close_fd(place->state_claim);
    close_fd(place->sockets_claim);
    *place = PLACE_NONE;
}

char *place_log(const struct place *place, const char *name)
{
    return run_dir_file(place->log, "%s.log", name);
}
