/* SPDX-License-Identifier: MPL-2.0 */
/* In $PATH (Fedora, or who has made his own), then where Debian and PostgreSQL's own packages put
 * several versions side by side, outside of it; the newest first. */
#include "programs.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "loop/child.h"
#include "run/run_dir.h"

#define VERSION_SEC     30.0
#define MAX_DIRECTORIES 256

static bool has_programs(const char *directory)
{
    static const char *const names[] = {"initdb", "postgres"};

    for (size_t i = 0; i < ELEMENTSOF(names); i++) {
        _cleanup_free_ char *path = run_dir_file(directory, "%s", names[i]);
        if (directory[0] != '/' || !path || access(path, X_OK) < 0) {
            return false;
        }
    }
    return true;
}

static int add_if_there(struct strlist *list, const char *directory, size_t size)
{
    _cleanup_free_ char *copy = strndup(directory, size);

    if (!copy) {
        return -ENOMEM;
    }
    return list->count < MAX_DIRECTORIES && has_programs(copy) ? strlist_add(list, copy) : 0;
}

static int add_path(struct strlist *list)
{
    const char *path = getenv("PATH");
    int r = 0;

    for (const char *at = path ? path : ""; r == 0 && *at; at += *at == ':') {
        size_t size = strcspn(at, ":");
        r = add_if_there(list, at, size);
        at += size;
    }
    return r;
}

static int by_version(const void *a, const void *b)
{
    return strverscmp(*(char *const *)b, *(char *const *)a);
}

static int add_packages(struct strlist *list, const char *pattern)
{
    glob_t found = {0};
    int r = 0;

    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_version);
        for (size_t i = 0; r == 0 && i < found.gl_pathc; i++) {
            r = add_if_there(list, found.gl_pathv[i], strlen(found.gl_pathv[i]));
        }
    }
    globfree(&found);
    return r;
}

/* ---- which version is it? ---- */

struct answer {
    char text[128]; /* "postgres (PostgreSQL) 15.13 (Debian …)" */
    size_t size;
    bool over;
};

static void on_output(struct child *child _unused_, const char *text, size_t size, void *context)
{
    struct answer *answer = context;
    size_t taken = MIN(size, sizeof answer->text - 1 - answer->size);

    memcpy(answer->text + answer->size, text, taken);
    answer->size += taken;
}

static void on_gone(struct child *child _unused_, int status _unused_, void *context)
{
    struct answer *answer = context;

    answer->over = true;
}

static bool is_over(const void *context)
{
    return ((const struct answer *)context)->over;
}

/* Into `programs`; false: it doesn't say. */
static bool ask_version(struct programs *programs, const char *directory, struct events *events)
{
    _cleanup_free_ char *path = run_dir_file(directory, "postgres");
    _cleanup_(child_freep) struct child *child = NULL;
    struct answer answer = {.size = 0};
    struct child_options options = {.argv = (const char *const[]){path, "--version", NULL},
                                    .channel_fd = -1,
                                    .stdout_fd = -1,
                                    .output = on_output,
                                    .gone = on_gone,
                                    .context = &answer};

    if (!path || child_spawn(&child, events->loop, &options, NULL) < 0 ||
        events_wait(events, is_over, &answer, VERSION_SEC, 0) < 0) {
        return false;
    }
    const char *number = strstr(answer.text, "(PostgreSQL) ");
    if (!number) {
        return false;
    }
    number += strlen("(PostgreSQL) ");
    (void)snprintf(programs->version, sizeof programs->version, "%.*s", (int)strcspn(number, " \n"),
                   number);
    programs->major = (unsigned)strtoul(number, NULL, 10);
    return programs->major > 0;
}

/* ---- all of them ---- */

static int choose(struct programs *ret, const struct strlist *directories, unsigned major,
                  struct events *events)
{
    for (size_t i = 0; i < directories->count; i++) {
        struct programs one = {.major = 0};
        if (!ask_version(&one, directories->items[i], events)) {
            continue;
        }
        bool fits = major == 0 || one.major == major;
        if (!fits && ret->directory) {
            continue; /* the first of those that don't is kept */
        }
        one.directory = strdup(directories->items[i]);
        if (!one.directory) {
            return -ENOMEM;
        }
        programs_clear(ret);
        *ret = one;
        if (fits) {
            return 0;
        }
    }
    return ret->directory ? -EBADE : -ENOENT;
}

int programs_find(struct programs *ret, unsigned major, struct events *events, struct error *error)
{
    struct strlist directories = {0};

    *ret = (struct programs){.major = 0};
    int r = add_path(&directories);
    if (r == 0) {
        r = add_packages(&directories, "/usr/lib/postgresql/*/bin");
    }
    if (r == 0) {
        r = add_packages(&directories, "/usr/pgsql-*/bin");
    }
    if (r == 0) {
        r = choose(ret, &directories, major, events);
    }
    strlist_clear(&directories);
    if (events->asked > 0) {
        return -EINTR;
    }
    if (r == -ENOENT) {
        return error_set(error, r,
                         "there is no PostgreSQL, neither in $PATH nor in /usr/lib/postgresql: "
                         "install the package postgresql (Fedora: postgresql-server)");
    }
    return r == -ENOMEM ? error_set_errno(error, r, "cannot look for PostgreSQL") : r;
}

void programs_clear(struct programs *programs)
{
    free(programs->directory);
    *programs = (struct programs){.major = 0};
}
