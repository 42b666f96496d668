/* SPDX-License-Identifier: MPL-2.0 */
/* Connection strings. libpq takes them apart; we look for the hosts in them, which we have to
 * resolve ourselves since libpq would wait for it, and for what a person wants to read when there
 * is no connection: which user, host and database. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loop/pq_state.h"

/* The value of an option, or NULL when it is not there or empty. */
static const char *find(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *option = options; option && option->keyword; option++) {
        if (strcmp(option->keyword, keyword) == 0) {
            return option->val && option->val[0] ? option->val : NULL;
        }
    }
    return NULL;
}

/* Cuts a list at its commas; items may be empty. -E2BIG: more than `max`. */
static int split(const char *list, char **items, size_t max, size_t *ret)
{
    size_t n = 0;

    for (const char *end;; list = end + 1) {
        end = strchrnul(list, ',');
        if (n == max) {
            return -E2BIG;
        }
        items[n] = strndup(list, (size_t)(end - list));
        if (!items[n]) {
            return -ENOMEM;
        }
        n++;
        if (!*end) {
            *ret = n;
            return 0;
        }
    }
}

/* libpq would say so each time it connects, and quote what is no port: of postgresql://me:password,
 * without a host, that is the password. */
static bool are_ports(const char *ports)
{
    return ports[strspn(ports, "0123456789, ")] == '\0';
}

static int split_hosts(struct pq_conninfo *conninfo, const char *hosts, const char *ports,
                       struct error *error)
{
    size_t n = 0, n_ports = 0;
    int r = split(hosts, conninfo->names, PQ_MAX_HOSTS, &n);

    if (r == 0 && ports) {
        r = split(ports, conninfo->ports, PQ_MAX_HOSTS, &n_ports);
    }
    if (r == -E2BIG) {
        return error_set(error, -EINVAL, "more than %d hosts or ports", PQ_MAX_HOSTS);
    }
    if (r < 0) {
        return error_set_errno(error, r, "connection string");
    }
    if (n_ports > 1 && n_ports != n) {
        return error_set(error, -EINVAL, "%zu ports for %zu hosts", n_ports, n);
    }
    for (size_t i = 1; n_ports == 1 && i < n; i++) {
        conninfo->ports[i] = strdup(conninfo->ports[0]);
        if (!conninfo->ports[i]) {
            return error_set_errno(error, -ENOMEM, "connection string");
        }
    }
    conninfo->n_hosts = n;
    return 0;
}

/* What libpq would take if nothing were given is looked up for the text, and for PGHOST. */
static int describe(struct pq_conninfo *conninfo, struct error *error)
{
    PQconninfoOption *defaults = PQconndefaults(); /* NULL: no memory, or no such service */
    const char *user = find(conninfo->options, "user");
    const char *database = find(conninfo->options, "dbname");
    const char *host = find(conninfo->options, "host");
    const char *address = find(conninfo->options, "hostaddr");
    const char *port = find(conninfo->options, "port");
    int r = 0;

    user = user ? user : find(defaults, "user");
    database = database ? database : find(defaults, "dbname");
    database = database ? database : user;
    if (!host && !address) {
        host = find(defaults, "host");
        address = find(defaults, "hostaddr");
    }
    port = port ? port : find(defaults, "port");
    if (port && !are_ports(port)) {
        PQconninfoFree(defaults);
        return error_set(error, -EINVAL, "connection string: its port is no number");
    }
    (void)snprintf(conninfo->where, sizeof conninfo->where, "database '%s' as user '%s' on %s%s%s",
                   database ? database : "", user ? user : "",
                   host || address ? "host '" : "the socket of this machine",
                   host      ? host
                   : address ? address
                             : "",
                   host || address ? "'" : "");
    conninfo->user = strdup(user ? user : "");
    conninfo->database = strdup(database ? database : "");
    if (!conninfo->user || !conninfo->database) {
        r = error_set_errno(error, -ENOMEM, "connection string");
    } else if (host && !address) {
        r = split_hosts(conninfo, host, port, error);
    }
    PQconninfoFree(defaults);
    return r;
}

/* libpq's words may quote what stands there, and a mistake in a connection string is often one in
 * its password. What stands there without a keyword may be one, unless it is all there is. */
static bool may_have_password(const char *text, const char *words)
{
    return strstr(text, "pass") || strchr(text, '@') ||
           (strchr(text, '=') && strncmp(words, "missing", 7) == 0);
}

/* Sets an option to a copy of a text, or NULL. */
static int replace(PQconninfoOption *options, const char *keyword, const char *value)
{
    for (PQconninfoOption *option = options; option->keyword; option++) {
        if (strcmp(option->keyword, keyword) == 0) {
            free(option->val); /* PQconninfoFree() gives it to free(), too */
            option->val = value ? strdup(value) : NULL;
            return value && !option->val ? -ENOMEM : 0;
        }
    }
    return -EINVAL;
}

/* Puts what the caller wants otherwise into the options. */
static int override(const struct pq_options *options, struct pq_conninfo *conninfo,
                    struct error *error)
{
    int r = options->database ? replace(conninfo->options, "dbname", options->database) : 0;

    if (r == 0 && options->as_default_user) {
        r = replace(conninfo->options, "user", NULL);
    }
    if (r == 0 && options->as_default_user) {
        r = replace(conninfo->options, "password", NULL);
    }
    return r < 0 ? error_set_errno(error, r, "connection string") : 0;
}

int pq_conninfo_parse(const struct pq_options *options, struct pq_conninfo *ret,
                      struct error *error)
{
    const char *text = options->conninfo;
    char *words = NULL, reason[256];

    *ret = (struct pq_conninfo){0};
    if (strnlen(text, PQ_MAX_CONNINFO_BYTES + 1) > PQ_MAX_CONNINFO_BYTES) {
        return error_set(error, -EINVAL, "connection string has more than %d bytes",
                         PQ_MAX_CONNINFO_BYTES);
    }
    ret->options = PQconninfoParse(text, &words);
    if (!ret->options) {
        pq_copy_words(reason, sizeof reason, words && !may_have_password(text, words) ? words : "");
        PQfreemem(words);
        return error_set(error, -EINVAL,
                         "not a connection string such as \"host=db1 dbname=loads\"%s%s",
                         reason[0] ? ": " : "", reason);
    }
    int r = find(ret->options, "service")
                ? error_set(error, -EINVAL,
                            "connection string with 'service': name host, user and dbname instead")
                : override(options, ret, error);
    if (r == 0) {
        r = describe(ret, error);
    }
    if (r < 0) {
        pq_conninfo_clear(ret);
    }
    return r;
}

void pq_conninfo_clear(struct pq_conninfo *conninfo)
{
    PQconninfoFree(conninfo->options);
    free(conninfo->user);
    free(conninfo->database);
    for (size_t i = 0; i < PQ_MAX_HOSTS; i++) {
        free(conninfo->names[i]);
        free(conninfo->ports[i]);
    }
    *conninfo = (struct pq_conninfo){0};
}

int pq_conninfo_names(const char *text, char *user, size_t user_size, char *database,
                      size_t database_size, struct error *error)
{
    struct pq_conninfo conninfo;
    int r = pq_conninfo_parse(&(struct pq_options){.conninfo = text}, &conninfo, error);

    if (r < 0) {
        return r;
    }
    int n = snprintf(user, user_size, "%s", conninfo.user);
    int m = snprintf(database, database_size, "%s", conninfo.database);
    if ((size_t)n >= user_size || (size_t)m >= database_size) {
        r = error_set(error, -EINVAL,
                      "connection string: the name of the user or the database is "
                      "too long");
    }
    pq_conninfo_clear(&conninfo);
    return r;
}

int pq_conninfo_where(const char *text, char *ret, size_t size, struct error *error)
{
    struct pq_conninfo conninfo;
    int r = pq_conninfo_parse(&(struct pq_options){.conninfo = text}, &conninfo, error);

    if (r == 0) {
        (void)snprintf(ret, size, "%s", conninfo.where); /* cut is fine */
        pq_conninfo_clear(&conninfo);
    }
    return r;
}
