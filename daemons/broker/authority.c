/* SPDX-License-Identifier: MPL-2.0 */
/* Keys are looked up for every message, so one that is taken away counts no more at once. */
#include "authority.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "wire/agent_message.h"

#define MAX_KEYS 100000

struct entry {
    struct key_line line;
    bool twice;
};

struct authority {
    struct mq_key trusted;
    struct entry *entries; /* ascending by key */
    size_t count;
    bool changed; /* somebody is not what they were */
    struct local_users *users;
    char host[KEY_MAX_HOSTS + 1]; /* this one */
};

static const struct key_line trusted_line = {.name = "broker", .role = KEY_ADMIN};

int authority_new(struct authority **ret)
{
    struct authority *authority = calloc(1, sizeof *authority);

    if (!authority) {
        return -ENOMEM;
    }
    (void)gethostname(authority->host, sizeof authority->host - 1); /* can't fail */
    *ret = authority;
    return 0;
}

struct authority *authority_free(struct authority *authority)
{
    if (authority) {
        free(authority->entries);
        local_users_free(authority->users);
        free(authority);
    }
    return NULL;
}

void authority_set_local(struct authority *authority, struct local_users **users)
{
    local_users_free(authority->users);
    authority->users = TAKE_PTR(*users);
}

void authority_trust(struct authority *authority, const struct mq_key *public_key)
{
    authority->trusted = *public_key;
}

/* ---- reading ---- */

struct entry_list {
    struct entry *entries;
    size_t count, room;
};

static int add(struct entry_list *list, const struct key_line *line)
{
    if (list->count == list->room) {
        size_t room = MAX(2 * list->room, (size_t)16);
        struct entry *entries =
            room > MAX_KEYS ? NULL : reallocarray(list->entries, room, sizeof *entries);
        if (!entries) {
            return -ENOMEM;
        }
        list->entries = entries;
        list->room = room;
    }
    list->entries[list->count++] = (struct entry){.line = *line};
    return 0;
}

static int take_line(const struct key_line *line, const char *text, void *context)
{
    if (line) {
        return add(context, line);
    }
    log_warning("%s", text);
    return 0;
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    return strcmp(a->line.public_key.text, b->line.public_key.text);
}

static void find_doubles(struct entry_list *list)
{
    for (size_t i = 1; i < list->count; i++) {
        struct entry *a = &list->entries[i - 1], *b = &list->entries[i];
        if (strcmp(a->line.public_key.text, b->line.public_key.text) == 0) {
            log_warning("'%s' and '%s' have one key: it counts for neither", a->line.name,
                        b->line.name);
            a->twice = b->twice = true;
        }
    }
}

/* Whether what was known is known still, just so. */
static bool is_the_same(const struct entry_list *list, const struct entry *known)
{
    const struct entry *now =
        list->count > 0 ? bsearch(known, list->entries, list->count, sizeof *list->entries, compare)
                        : NULL;

    return known->twice || (now && !now->twice && now->line.role == known->line.role &&
                            strcmp(now->line.name, known->line.name) == 0 &&
                            strcmp(now->line.hosts, known->line.hosts) == 0);
}

int authority_load(struct authority *authority, const char *directory, struct error *error)
{
    struct entry_list list = {0};
    int r = key_directory_read(directory, take_line, &list);

    if (r < 0) {
        free(list.entries);
        return error_set_errno(error, r, "cannot read the keys in %s", directory);
    }
    if (list.count > 0) {
        qsort(list.entries, list.count, sizeof *list.entries, compare);
    }
    find_doubles(&list);
    authority->changed = false;
    for (size_t i = 0; i < authority->count && !authority->changed; i++) {
        authority->changed = !is_the_same(&list, &authority->entries[i]);
    }
    free(authority->entries);
    authority->entries = list.entries;
    authority->count = list.count;
    return (int)list.count;
}

bool authority_has_changed(const struct authority *authority)
{
    return authority->changed;
}

/* ---- looking ---- */

const struct key_line *authority_find(const struct authority *authority, const char *public_key)
{
    struct entry wanted = {0};

    if (!mq_key_parse(public_key, &wanted.line.public_key)) {
        return NULL;
    }
    if (strcmp(authority->trusted.text, public_key) == 0) {
        return &trusted_line;
    }
    const struct entry *entry = authority->count > 0
                                    ? bsearch(&wanted, authority->entries, authority->count,
                                              sizeof *authority->entries, compare)
                                    : NULL;
    return entry && !entry->twice ? &entry->line : NULL;
}

const struct key_line *authority_find_name(const struct authority *authority, const char *name,
                                           size_t length)
{
    for (size_t i = 0; i < authority->count; i++) {
        const struct key_line *line = &authority->entries[i].line;
        if (strlen(line->name) == length && memcmp(line->name, name, length) == 0) {
            return line;
        }
    }
    return NULL;
}

/* libzmq calls who comes by ipc "localhost:UID:GID:PID". */
static void identify_local(const struct authority *authority, struct caller *caller)
{
    unsigned uid, gid;

    if (!authority->users || sscanf(caller->peer, "localhost:%u:%u:", &uid, &gid) != 2) {
        caller->role = KEY_ADMIN; /* tcp, where nobody has to show a key */
        return;
    }
    caller->role = local_users_role(authority->users, uid, gid);
    (void)snprintf(caller->name, sizeof caller->name, "%s",
                   local_users_name(authority->users, uid)); /* it fits */
    if (caller->role == KEY_AGENT) {
        memcpy(caller->hosts, authority->host, sizeof caller->hosts);
    }
}

struct caller authority_caller_of(const struct authority *authority, const char *public_key,
                                  const char *peer)
{
    struct caller caller = {.role = KEY_NOBODY};

    (void)snprintf(caller.peer, sizeof caller.peer, "%s", peer); /* cut is fine */
    if (!public_key || !*public_key) {
        identify_local(authority, &caller);
        return caller;
    }
    const struct key_line *line = authority_find(authority, public_key);
    if (line) {
        caller.role = line->role;
        memcpy(caller.name, line->name, sizeof caller.name);
        memcpy(caller.hosts, line->hosts, sizeof caller.hosts);
    }
    return caller;
}

struct caller authority_caller(const struct authority *authority, const struct mq_message *message)
{
    return authority_caller_of(authority, mq_message_user(message), mq_message_peer(message));
}

const char *authority_describe(const struct caller *caller, char text[static CALLER_TEXT_BYTES])
{
    const char *role = key_role_word(caller->role);
    unsigned pid;
    int used = snprintf(text, CALLER_TEXT_BYTES, "%s%s%s%s", /* all of it fits */
                        *caller->name ? caller->name : "somebody", role ? " (" : "",
                        role ? role : "", role ? ")" : "");

    if (sscanf(caller->peer, "localhost:%*u:%*u:%u", &pid) == 1) {
        (void)snprintf(text + used, CALLER_TEXT_BYTES - (size_t)used, ", process %u", pid);
    } else {
        (void)snprintf(text + used, CALLER_TEXT_BYTES - (size_t)used, " at %s",
                       *caller->peer ? caller->peer : "an unknown address");
    }
    return text;
}

bool authority_is_agent(const struct caller *caller, const char *hostname)
{
    return caller->role == KEY_ADMIN ||
           (caller->role == KEY_AGENT &&
            (!*caller->hosts || fnmatch(caller->hosts, hostname, 0) == 0));
}

static bool is_of_host(const char *agent_id, const char *hostname)
{
    size_t same = 0;

    while (agent_id[same] && agent_id[same] == hostname[same]) {
        same++;
    }
    bool whole = hostname[same] == '\0' || strlen(agent_id) >= AGENT_MAX_ID_BYTES - 1;
    return whole && agent_id[same] == '-';
}

bool authority_may_be(const struct caller *caller, const char *agent_id, const char *hostname)
{
    return authority_is_agent(caller, hostname) &&
           (caller->role == KEY_ADMIN || is_of_host(agent_id, hostname));
}
