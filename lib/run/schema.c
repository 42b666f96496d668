/* SPDX-License-Identifier: MPL-2.0 */
/* Migrations. Programs that do this have nothing else to do, so each question runs a loop of its
 * own until it is answered; that way there is one way only in which we talk to PostgreSQL.
 *
 * Migrating takes two locks: one against another who migrates, which is waited for, and that of the
 * broker, so that no schema changes under one that writes. */
#include "run/schema.h"

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/strlist.h"
#include "loop/pq.h"
#include "loop/resolve.h"

#define MAX_FILE_BYTES ((off_t)4 << 20)
#define TIMEOUT_USEC   (UINT64_C(24) * 3600 * USEC_PER_SEC) /* of a migration */

int schema_version(void)
{
    return LOADS_SCHEMA_VERSION;
}

/* ---- a connection that is waited for ---- */

struct session {
    struct ev_loop *loop;
    struct resolver *resolver;
    struct pq *pq;
    bool over; /* what is waited for has come: */
    int result;
    struct error *error;
    char value[512]; /* of the first row and column, or "" */
    size_t rows;
};

static void session_close(struct session *session)
{
    pq_free(session->pq);
    resolver_free(session->resolver);
    if (session->loop) {
        ev_loop_destroy(session->loop);
    }
    *session = (struct session){0};
}

static void on_up(struct pq *pq _unused_, void *context)
{
    struct session *session = context;

    session->over = true;
}

/* Whatever is asked ends with it, too. */
static void on_down(struct pq *pq _unused_, const struct error *error, void *context)
{
    struct session *session = context;

    session->over = true;
    session->result = error_set(session->error, error->code, "%s", error->text);
}

static void wait_for(struct session *session)
{
    while (!session->over) {
        ev_run(session->loop, EVRUN_ONCE);
    }
}

/* Who we connect as and where to: conninfo's, or otherwise. */
struct target {
    const char *conninfo;
    const char *database;
    bool as_default_user;
};

static int session_open(struct session *session, const struct target *target, struct error *error)
{
    const struct pq_options options = {
        .conninfo = target->conninfo,
        .database = target->database,
        .as_default_user = target->as_default_user,
        .application_name = "loads db",
        .query_timeout_usec = TIMEOUT_USEC,
        .up = on_up,
        .down = on_down,
        .context = session,
    };
    int r;

    *session = (struct session){.loop = ev_loop_new(0), .error = error};
    r = session->loop ? resolver_new(&session->resolver, session->loop, USEC_PER_SEC, NULL)
                      : -ENOMEM;
    if (r < 0) {
        (void)error_set_errno(error, r, "connection to PostgreSQL");
    } else {
        r = pq_new(&session->pq, session->loop, session->resolver, &options, error);
    }
    if (r == 0) {
        wait_for(session);
        r = session->result;
        r = r < 0 && r != -ENOMEM ? -ECONNREFUSED : r; /* whatever the reason is */
    }
    if (r < 0) {
        session_close(session);
    }
    return r;
}

static void on_answer(const struct pq_result *result, void *context)
{
    struct session *session = context;

    session->over = true;
    session->result = pq_result_code(result);
    session->rows = pq_result_rows(result);
    session->value[0] = '\0';
    if (session->result < 0) {
        /* That of a lost connection says where by itself. */
        bool lost = session->result == -ECONNRESET;
        (void)error_set(session->error, session->result, "%s%s%s",
                        lost ? "" : pq_where(session->pq), lost ? "" : ": ",
                        pq_result_text(result));
    } else if (session->rows > 0) {
        (void)snprintf(session->value, sizeof session->value, "%s", pq_result_value(result, 0, 0));
    }
}

/* Asks and waits; session->value is the answer. */
static int ask(struct session *session, const char *sql, const char *const *parameters, size_t n)
{
    int r = pq_query(session->pq, sql, parameters, n, on_answer, session);

    if (r < 0) {
        return error_set_errno(session->error, r, "%s", pq_where(session->pq));
    }
    session->over = false;
    wait_for(session);
    return session->result;
}

/* ---- files ---- */

static int read_text(const char *path, char **ret, struct error *error)
{
    FILE *file = fopen(path, "re");
    struct stat status;
    char *text = NULL;
    int r = 0;

    if (!file || fstat(fileno(file), &status) < 0) {
        r = -errno;
    } else if (status.st_size > MAX_FILE_BYTES) {
        r = -EFBIG;
    } else if (!(text = calloc(1, (size_t)status.st_size + 1))) {
        r = -ENOMEM;
    } else if (fread(text, 1, (size_t)status.st_size, file) != (size_t)status.st_size) {
        r = -EIO;
    }
    if (file) {
        (void)fclose(file); /* it was read */
    }
    if (r < 0) {
        free(text);
        return error_set_errno(error, r, "%s", path);
    }
    *ret = text;
    return 0;
}

/* BUILD/sql for BUILD/bin/PROGRAM. False: there is no such folder. */
static bool folder_of_build(char path[static PATH_MAX])
{
    char self[PATH_MAX - 8];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    self[MAX(n, (ssize_t)0)] = '\0';
    for (unsigned i = 0; i < 2; i++) {
        char *slash = strrchr(self, '/');
        if (!slash) {
            return false;
        }
        *slash = '\0';
    }
    (void)snprintf(path, PATH_MAX, "%s/sql", self);
    return access(path, X_OK) == 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files in their order. -ENOENT: they are not those of this build. */
static int find_files(struct strlist *ret, char folder[static PATH_MAX], struct error *error)
{
    if (!folder_of_build(folder)) {
        (void)snprintf(folder, PATH_MAX, "%s", LOADS_SQL_DIR);
    }
    DIR *directory = opendir(folder);
    if (!directory) {
        return error_set_errno(error, -errno, "%s", folder);
    }
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(directory));) {
        const char *name = entry->d_name;
        size_t size = strlen(name);
        if (strspn(name, "0123456789") == 4 && name[4] == '-' && size > 4 &&
            strcmp(name + size - 4, ".sql") == 0) {
            r = strlist_add(ret, name);
        }
    }
    (void)closedir(directory);
    if (r < 0) {
        return error_set_errno(error, r, "%s", folder);
    }
    if (ret->count > 0) {
        qsort(ret->items, ret->count, sizeof *ret->items, compare);
    }
    for (size_t i = 0; i < ret->count; i++) {
        if (strtoul(ret->items[i], NULL, 10) != i + 1) {
            return error_set(error, -ENOENT, "%s has no number %zu: is Loads installed whole?",
                             folder, i + 1);
        }
    }
    return ret->count == LOADS_SCHEMA_VERSION
               ? 0
               : error_set(error, -ENOENT,
                           "%s has %zu migrations, and this program was built for %d: is Loads "
                           "installed whole?",
                           folder, ret->count, LOADS_SCHEMA_VERSION);
}

/* ---- migrating ---- */

static int read_version(struct session *session, int *ret)
{
    int r = ask(session, "SELECT to_regclass('loads.schema_migrations') IS NOT NULL", NULL, 0);

    if (r == 0 && strcmp(session->value, "t") == 0) {
        r = ask(session, "SELECT coalesce(max(version), 0) FROM loads.schema_migrations", NULL, 0);
    }
    if (r == 0) {
        *ret = (int)strtol(session->value, NULL, 10); /* "f" is 0 */
    }
    return r;
}

static int apply(struct session *session, const char *folder, const char *name, int version)
{
    char path[PATH_MAX + NAME_MAX + 2];
    _cleanup_free_ char *text = NULL, *sql = NULL;
    int now, r;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    r = read_text(path, &text, session->error);
    if (r < 0) {
        return r;
    }
    if (asprintf(&sql, "BEGIN;\n%s\nCOMMIT;", text) < 0) {
        sql = NULL;
        return error_set_errno(session->error, -ENOMEM, "%s", name);
    }
    r = ask(session, sql, NULL, 0);
    if (r < 0) {
        return error_prefix(session->error, r, "%s", name);
    }
    r = read_version(session, &now);
    if (r == 0 && now != version) {
        r = error_set(session->error, -EPROTO, "%s: the schema has version %d after it", name, now);
    }
    return r;
}

static int take_locks(struct session *session)
{
    int r = ask(session, "SELECT pg_advisory_lock(" SCHEMA_LOCK_CLASS ", " SCHEMA_LOCK_MIGRATE ")",
                NULL, 0);

    if (r == 0) {
        r = ask(session,
                "SELECT pg_try_advisory_lock(" SCHEMA_LOCK_CLASS ", " SCHEMA_LOCK_WRITER ")", NULL,
                0);
    }
    if (r == 0 && strcmp(session->value, "t") != 0) {
        r = error_set(session->error, -EBUSY,
                      "%s: a loads-broker writes there; stop it for the migration",
                      pq_where(session->pq));
    }
    return r;
}

/* The connection's end would do it, some time: a broker may be waiting. */
static int give_locks_back(struct session *session)
{
    return ask(session, "SELECT pg_advisory_unlock_all()", NULL, 0);
}

static int migrate(struct session *session, schema_told *told, void *context)
{
    _cleanup_(strlist_clear) struct strlist names = {0};
    char folder[PATH_MAX], text[NAME_MAX + 16];
    int version, r = find_files(&names, folder, session->error);

    if (r == 0) {
        r = read_version(session, &version);
    }
    if (r == 0 && version < LOADS_SCHEMA_VERSION) {
        r = take_locks(session);
        if (r == 0) {
            r = read_version(session, &version); /* somebody else may have been faster */
        }
    }
    if (r == 0 && version > LOADS_SCHEMA_VERSION) {
        r = error_set(session->error, -EPROTO,
                      "%s: the schema has version %d, newer than the %d of this program",
                      pq_where(session->pq), version, LOADS_SCHEMA_VERSION);
    }
    for (; r == 0 && version < LOADS_SCHEMA_VERSION; version++) {
        assert(names.items); /* there are as many as versions */
        r = apply(session, folder, names.items[version], version + 1);
        if (r == 0) {
            (void)snprintf(text, sizeof text, "applied %s", names.items[version]);
            told(text, context);
        }
    }
    return r < 0 ? r : give_locks_back(session);
}

int schema_status(const char *conninfo, int *ret_version, struct error *error)
{
    struct session session;
    int r = session_open(&session, &(struct target){.conninfo = conninfo}, error);

    if (r == 0) {
        r = read_version(&session, ret_version);
        session_close(&session);
    }
    return r;
}

int schema_migrate(const char *conninfo, schema_told *told, void *context, struct error *error)
{
    struct session session;
    int r = session_open(&session, &(struct target){.conninfo = conninfo}, error);

    if (r == 0) {
        r = migrate(&session, told, context);
        session_close(&session);
    }
    return r;
}

/* ---- making the database ---- */

/* Executes a statement with names in it, which the server quotes. */
static int execute(struct session *session, const char *format, const char *first,
                   const char *second)
{
    char sql[sizeof session->value];
    int r = ask(session, "SELECT format($1, $2::text, $3::text)",
                (const char *[]){format, first, second}, 3);

    if (r < 0) {
        return r;
    }
    (void)snprintf(sql, sizeof sql, "%s", session->value);
    return ask(session, sql, NULL, 0);
}

static int make(struct session *session, const char *what, const char *exists, const char *format,
                const char *name, const char *owner, schema_told *told, void *context)
{
    char text[256];
    int r = ask(session, exists, (const char *[]){name}, 1);

    if (r < 0 || session->rows > 0) {
        return r;
    }
    r = execute(session, format, name, owner);
    if (r < 0) {
        return error_prefix(session->error, r, "cannot make %s '%s'", what, name);
    }
    (void)snprintf(text, sizeof text, "made %s '%s'", what, name);
    told(text, context);
    return 0;
}

static int make_database(struct session *session, const char *user, const char *database,
                         schema_told *told, void *context)
{
    int r = make(session, "role", "SELECT FROM pg_roles WHERE rolname = $1", "CREATE ROLE %I LOGIN",
                 user, user, told, context);

    return r < 0 ? r
                 : make(session, "database", "SELECT FROM pg_database WHERE datname = $1",
                        "CREATE DATABASE %I OWNER %I", database, user, told, context);
}

/* As who we are, on behalf of who owns the database. */
static int migrate_for(const struct target *target, const char *user, schema_told *told,
                       void *context, struct error *error)
{
    struct session session;
    int r = session_open(&session, target, error);

    if (r < 0) {
        return r;
    }
    r = execute(&session, "SET ROLE %I", user, NULL);
    if (r == 0) {
        r = migrate(&session, told, context);
    }
    session_close(&session);
    return r;
}

/* A database to connect to while the one that is meant isn't there: every server has this one. */
#define MAINTENANCE "postgres"

int schema_init(const char *conninfo, schema_told *told, void *context, struct error *error)
{
    struct target as_named = {.conninfo = conninfo};
    struct target as_us = {.conninfo = conninfo, .as_default_user = true};
    struct target admin[] = {
        {.conninfo = conninfo, .database = MAINTENANCE, .as_default_user = true},
        {.conninfo = conninfo, .database = MAINTENANCE},
    };
    char user[64], database[64];
    struct session session;
    struct error reason;
    int r = pq_conninfo_names(conninfo, user, sizeof user, database, sizeof database, error);

    if (r < 0) {
        return r;
    }
    if (session_open(&session, &as_named, &reason) == 0) {
        session.error = error;
        r = migrate(&session, told, context);
        session_close(&session);
        return r;
    }
    r = session_open(&session, &admin[0], error);
    if (r < 0) {
        r = session_open(&session, &admin[1], error);
    }
    if (r < 0) {
        return error_set(error, r, "%s", reason.text); /* what was meant says more */
    }
    r = make_database(&session, user, database, told, context);
    session_close(&session);
    if (r < 0) {
        return r;
    }
    r = schema_migrate(conninfo, told, context, &reason);
    if (r == -ECONNREFUSED) {
        return migrate_for(&as_us, user, told, context, error);
    }
    return r < 0 ? error_set(error, r, "%s", reason.text) : 0;
}
