/* SPDX-License-Identifier: MPL-2.0 */
/* Looking somebody up may take a while, where users are kept on another machine. Members of groups
 * are looked up when rules are read, and a name once for each user that comes by. */
#include "local_users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

#define MAX_RULES 1000
#define MAX_NAMES 64 /* that are remembered; then the first are forgotten */

struct rule {
    enum { OF_USER, OF_GROUP, OF_ALL } of;
    enum key_role role;
    uid_t uid;
    gid_t gid;
    uid_t *members; /* of the group, but for those whose own it is */
    size_t n_members;
};

struct local_users {
    struct rule *rules;
    size_t n_rules;
    struct known {
        uid_t uid;
        char name[KEY_MAX_NAME + 1]; /* "": an empty place */
    } known[MAX_NAMES];
    unsigned next; /* of known */
};

struct local_users *local_users_free(struct local_users *users)
{
    if (users) {
        for (size_t i = 0; i < users->n_rules; i++) {
            free(users->rules[i].members);
        }
        free(users->rules);
        free(users);
    }
    return NULL;
}

/* ---- rules ---- */

static int find_members(struct rule *rule, const struct group *group)
{
    size_t count = 0;

    while (group->gr_mem[count]) {
        count++;
    }
    rule->members = calloc(MAX(count, (size_t)1), sizeof *rule->members);
    if (!rule->members) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct passwd *entry = getpwnam(group->gr_mem[i]);
        if (entry) { /* else they are gone, and can't come */
            rule->members[rule->n_members++] = entry->pw_uid;
        }
    }
    return 0;
}

static int read_group(const char *name, struct rule *rule, struct error *error)
{
    const struct group *group = getgrnam(name);

    if (!group) {
        return error_set(error, -ENOENT, "local-role: there is no group '%.60s'", name);
    }
    rule->of = OF_GROUP;
    rule->gid = group->gr_gid;
    int r = find_members(rule, group);
    return r < 0 ? error_set_errno(error, r, "local-role") : 0;
}

static int read_user(const char *name, struct rule *rule, struct error *error)
{
    const struct passwd *entry = getpwnam(name);

    if (!entry) {
        return error_set(error, -ENOENT, "local-role: there is no user '%.60s'", name);
    }
    rule->of = OF_USER;
    rule->uid = entry->pw_uid;
    return 0;
}

/* The length of WHO. */
static int parse_rule(const char *text, size_t *ret_length, enum key_role *ret_role,
                      struct error *error)
{
    const char *colon = strrchr(text, ':');

    *ret_length = colon ? (size_t)(colon - text) : 0;
    *ret_role = colon ? key_role_parse(colon + 1) : KEY_NOBODY;
    if (*ret_length == 0 || (*ret_length == 1 && *text == '@') || *ret_role == KEY_NOBODY) {
        return error_set(error, -EINVAL,
                         "'%.100s' is not USER:ROLE, @GROUP:ROLE or *:ROLE, where ROLE is agent, "
                         "observe, run or admin",
                         text);
    }
    return 0;
}

int local_users_check(const char *rule, struct error *error)
{
    enum key_role role;
    size_t length;

    return parse_rule(rule, &length, &role, error);
}

static int read_rule(const char *text, struct rule *rule, struct error *error)
{
    size_t length;
    int r = parse_rule(text, &length, &rule->role, error);
    _cleanup_free_ char *who = r == 0 ? strndup(text, length) : NULL;

    if (r < 0) {
        return r;
    }
    if (!who) {
        return error_set_errno(error, -ENOMEM, "local-role");
    }
    if (strcmp(who, "*") == 0) {
        rule->of = OF_ALL;
        return 0;
    }
    return *who == '@' ? read_group(who + 1, rule, error) : read_user(who, rule, error);
}

/* The tests that agents run would be administrators otherwise. */
static void add_agents(struct local_users *users)
{
    const struct passwd *entry = getpwnam(LOCAL_AGENT_USER);

    for (size_t i = 0; entry && i < users->n_rules; i++) {
        if (users->rules[i].of == OF_USER && users->rules[i].uid == entry->pw_uid) {
            return;
        }
    }
    if (entry) {
        users->rules[users->n_rules++] =
            (struct rule){.of = OF_USER, .role = KEY_AGENT, .uid = entry->pw_uid};
    }
}

int local_users_new(struct local_users **ret, const struct strlist *rules, struct error *error)
{
    _cleanup_(local_users_freep) struct local_users *users = calloc(1, sizeof *users);

    if (rules->count > MAX_RULES) {
        return error_set(error, -E2BIG, "local-role: there are %zu of %d at most", rules->count,
                         MAX_RULES);
    }
    if (users) {
        users->rules = calloc(rules->count + 1, sizeof *users->rules);
    }
    if (!users || !users->rules) {
        return error_set_errno(error, -ENOMEM, "local-role");
    }
    for (size_t i = 0; i < rules->count; i++) {
        int r = read_rule(rules->items[i], &users->rules[users->n_rules++], error);
        if (r < 0) {
            return r;
        }
    }
    add_agents(users);
    *ret = TAKE_PTR(users);
    return 0;
}

/* ---- who comes ---- */

static bool is_member(const struct rule *rule, uid_t uid, gid_t gid)
{
    bool member = rule->gid == gid;

    for (size_t i = 0; i < rule->n_members && !member; i++) {
        member = rule->members[i] == uid;
    }
    return member;
}

enum key_role local_users_role(const struct local_users *users, uid_t uid, gid_t gid)
{
    enum key_role of_user = KEY_NOBODY, of_groups = KEY_NOBODY, of_all = KEY_ADMIN;

    if (uid == 0 || uid == geteuid()) {
        return KEY_ADMIN;
    }
    for (size_t i = 0; i < users->n_rules; i++) {
        const struct rule *rule = &users->rules[i];
        if (rule->of == OF_ALL) {
            of_all = rule->role;
        } else if (rule->of == OF_USER && rule->uid == uid) {
            of_user = rule->role;
        } else if (rule->of == OF_GROUP && is_member(rule, uid, gid)) {
            of_groups = MAX(of_groups, rule->role);
        }
    }
    return of_user != KEY_NOBODY ? of_user : of_groups != KEY_NOBODY ? of_groups : of_all;
}

const char *local_users_name(struct local_users *users, uid_t uid)
{
    for (size_t i = 0; i < MAX_NAMES; i++) {
        if (users->known[i].uid == uid && *users->known[i].name) {
            return users->known[i].name;
        }
    }
    struct known *known = &users->known[users->next++ % MAX_NAMES];
    const struct passwd *entry = getpwuid(uid);
    known->uid = uid;
    if (entry && key_name_is_valid(entry->pw_name)) {
        (void)snprintf(known->name, sizeof known->name, "%s", entry->pw_name); /* it fits */
    } else {
        (void)snprintf(known->name, sizeof known->name, "uid %u", (unsigned)uid);
    }
    return known->name;
}
