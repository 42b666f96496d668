/* SPDX-License-Identifier: MPL-2.0 */
/* Migrations.
 *
 * Migrating takes two locks: one against another who migrates, which is waited for, and that of the
 * broker, so that no schema changes under one that writes. */
#include "run/schema.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/strlist.h"
#include "loop/pq.h"
#include "run/database.h"

#define MAX_FILE_BYTES ((off_t)4 << 20)

int schema_version(void)
{
    return LOADS_SCHEMA_VERSION;
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

static int read_version(struct database_session *session, int *ret)
{
    int r =
        database_ask(session, "SELECT to_regclass('loads.schema_migrations') IS NOT NULL", NULL, 0);

    if (r == 0 && strcmp(session->value, "t") == 0) {
        r = database_ask(session, "SELECT coalesce(max(version), 0) FROM loads.schema_migrations",
                         NULL, 0);
    }
    if (r == 0) {
        *ret = (int)strtol(session->value, NULL, 10); /* "f" is 0 */
    }
    return r;
}

static int apply(struct database_session *session, const char *folder, const char *name,
                 int version)
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
    r = database_ask(session, sql, NULL, 0);
    if (r < 0) {
        return error_prefix(session->error, r, "%s", name);
    }
    r = read_version(session, &now);
    if (r == 0 && now != version) {
        r = error_set(session->error, -EPROTO, "%s: the schema has version %d after it", name, now);
    }
    return r;
}

static int take_locks(struct database_session *session)
{
    int r = database_ask(session,
                         "SELECT pg_advisory_lock(" SCHEMA_LOCK_CLASS ", " SCHEMA_LOCK_MIGRATE ")",
                         NULL, 0);

    if (r == 0) {
        r = database_ask(
            session, "SELECT pg_try_advisory_lock(" SCHEMA_LOCK_CLASS ", " SCHEMA_LOCK_WRITER ")",
            NULL, 0);
    }
    if (r == 0 && strcmp(session->value, "t") != 0) {
        r = error_set(session->error, -EBUSY,
                      "%s: a loads-broker writes there; stop it for the migration",
                      pq_where(session->pq));
    }
    return r;
}

/* The connection's end would do it, some time: a broker may be waiting. The writer's is the first,
 * so that who waits for the other finds it free. */
static int give_locks_back(struct database_session *session)
{
    int r = database_ask(session,
                         "SELECT pg_advisory_unlock(" SCHEMA_LOCK_CLASS ", " SCHEMA_LOCK_WRITER ")",
                         NULL, 0);

    return r < 0 ? r : database_ask(session, "SELECT pg_advisory_unlock_all()", NULL, 0);
}

static int migrate(struct database_session *session, schema_told *told, void *context)
{
    _cleanup_(strlist_clear) struct strlist names = {0};
    char folder[PATH_MAX], text[NAME_MAX + 16];
    int version, r = find_files(&names, folder, session->error);
    bool locked = false;

    if (r == 0) {
        r = read_version(session, &version);
    }
    if (r == 0 && version < LOADS_SCHEMA_VERSION) {
        r = take_locks(session);
        locked = r == 0;
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
    return r < 0 || !locked ? r : give_locks_back(session);
}

int schema_status(const char *conninfo, int *ret_version, struct error *error)
{
    struct database_session session;
    int r = database_open(&session, &(struct database_target){.conninfo = conninfo}, error);

    if (r == 0) {
        r = read_version(&session, ret_version);
        database_close(&session);
    }
    return r;
}

int schema_migrate(const char *conninfo, schema_told *told, void *context, struct error *error)
{
    struct database_session session;
    int r = database_open(&session, &(struct database_target){.conninfo = conninfo}, error);

    if (r == 0) {
        r = migrate(&session, told, context);
        database_close(&session);
    }
    return r;
}

/* ---- making the database ---- */

/* Executes a statement with names in it, which the server quotes. */
static int execute(struct database_session *session, const char *format, const char *first,
                   const char *second)
{
    char sql[sizeof session->value];
    int r = database_ask(session, "SELECT format($1, $2::text, $3::text)",
                         (const char *[]){format, first, second}, 3);

    if (r < 0) {
        return r;
    }
    (void)snprintf(sql, sizeof sql, "%s", session->value);
    return database_ask(session, sql, NULL, 0);
}

static int make(struct database_session *session, const char *what, const char *exists,
                const char *format, const char *name, const char *owner, schema_told *told,
                void *context)
{
    char text[256];
    int r = database_ask(session, exists, (const char *[]){name}, 1);

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

static int make_database(struct database_session *session, const char *user, const char *database,
                         schema_told *told, void *context)
{
    int r = make(session, "role", "SELECT FROM pg_roles WHERE rolname = $1", "CREATE ROLE %I LOGIN",
                 user, user, told, context);

    return r < 0 ? r
                 : make(session, "database", "SELECT FROM pg_database WHERE datname = $1",
                        "CREATE DATABASE %I OWNER %I", database, user, told, context);
}

/* As who we are, on behalf of who owns the database. */
static int migrate_for(const struct database_target *target, const char *user, schema_told *told,
                       void *context, struct error *error)
{
    struct database_session session;
    int r = database_open(&session, target, error);

    if (r < 0) {
        return r;
    }
    r = execute(&session, "SET ROLE %I", user, NULL);
    if (r == 0) {
        r = migrate(&session, told, context);
    }
    database_close(&session);
    return r;
}

/* A database to connect to while the one that is meant isn't there: every server has this one. */
#define MAINTENANCE "postgres"

int schema_init(const char *conninfo, schema_told *told, void *context, struct error *error)
{
    struct database_target as_named = {.conninfo = conninfo};
    struct database_target as_us = {.conninfo = conninfo, .as_default_user = true};
    struct database_target admin[] = {
        {.conninfo = conninfo, .database = MAINTENANCE, .as_default_user = true},
        {.conninfo = conninfo, .database = MAINTENANCE},
    };
    char user[64], database[64];
    struct database_session session;
    struct error reason;
    int r = pq_conninfo_names(conninfo, user, sizeof user, database, sizeof database, error);

    if (r < 0) {
        return r;
    }
    if (database_open(&session, &as_named, &reason) == 0) {
        session.error = error;
        r = migrate(&session, told, context);
        database_close(&session);
        return r;
    }
    r = database_open(&session, &admin[0], error);
    if (r < 0) {
        r = database_open(&session, &admin[1], error);
    }
    if (r < 0) {
        return error_set(error, r, "%s", reason.text); /* what was meant says more */
    }
    r = make_database(&session, user, database, told, context);
    database_close(&session);
    if (r < 0) {
        return r;
    }
    r = schema_migrate(conninfo, told, context, &reason);
    if (r == -ECONNREFUSED) {
        return migrate_for(&as_us, user, told, context, error);
    }
    return r < 0 ? error_set(error, r, "%s", reason.text) : 0;
}
