/* SPDX-License-Identifier: MPL-2.0 */
/* Users and groups are made up here, so that the machine has no say. */
#include "test.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "broker/local_users.h"

#define ADA   1001
#define BOB   1002
#define EVE   1003
#define OTHER 1999
#define AGENT 901
#define STAFF 50
#define TEST  51

static char ada[] = "ada", bob[] = "bob", eve[] = "eve", other[] = "a name", gone[] = "gone",
            agents[] = LOCAL_AGENT_USER, staff[] = "staff", test[] = "test";
static struct passwd people[] = {{.pw_name = ada, .pw_uid = ADA},
                                 {.pw_name = bob, .pw_uid = BOB},
                                 {.pw_name = eve, .pw_uid = EVE},
                                 {.pw_name = other, .pw_uid = OTHER},
                                 {.pw_name = agents, .pw_uid = AGENT}};
static char *staff_members[] = {ada, gone, NULL}, *test_members[] = {ada, bob, NULL};
static struct group groups[] = {{.gr_name = staff, .gr_gid = STAFF, .gr_mem = staff_members},
                                {.gr_name = test, .gr_gid = TEST, .gr_mem = test_members}};
static unsigned lookups;

struct passwd *__wrap_getpwnam(const char *name);
struct passwd *__wrap_getpwuid(uid_t uid);
struct group *__wrap_getgrnam(const char *name);
uid_t __wrap_geteuid(void);

struct passwd *__wrap_getpwnam(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(people); i++) {
        if (strcmp(people[i].pw_name, name) == 0) {
            return &people[i];
        }
    }
    return NULL;
}

struct passwd *__wrap_getpwuid(uid_t uid)
{
    lookups++;
    for (size_t i = 0; i < ELEMENTSOF(people); i++) {
        if (people[i].pw_uid == uid) {
            return &people[i];
        }
    }
    return NULL;
}

struct group *__wrap_getgrnam(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
        if (strcmp(groups[i].gr_name, name) == 0) {
            return &groups[i];
        }
    }
    return NULL;
}

uid_t __wrap_geteuid(void)
{
    return 900;
}

static struct local_users *with(const char *const *rules, size_t count)
{
    struct strlist list = {.count = 0};
    struct local_users *users = NULL;

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(strlist_add(&list, rules[i]), 0);
    }
    assert_int_equal(local_users_new(&users, &list, NULL), 0);
    strlist_clear(&list);
    return users;
}

static void test_without_rules(void **state _unused_)
{
    struct local_users *users = with(NULL, 0);

    assert_int_equal(local_users_role(users, ADA, STAFF), KEY_ADMIN);
    assert_int_equal(local_users_role(users, AGENT, STAFF), KEY_AGENT);
    local_users_free(users);
}

static void test_rules(void **state _unused_)
{
    static const char *const rules[] = {"@staff:observe", "@test:run", "*:agent", "eve:observe",
                                        "bob:admin"};
    static const struct {
        uid_t uid;
        gid_t gid;
        enum key_role role;
    } cases[] = {
        {ADA, 7, KEY_RUN}, /* of both groups */
        {BOB, 7, KEY_ADMIN},   {EVE, TEST, KEY_OBSERVE}, {OTHER, TEST, KEY_RUN},
        {OTHER, 7, KEY_AGENT}, {0, STAFF, KEY_ADMIN},    {900, STAFF, KEY_ADMIN},
    };
    struct local_users *users = with(rules, ELEMENTSOF(rules));

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        assert_int_equal(local_users_role(users, cases[i].uid, cases[i].gid), cases[i].role);
    }
    local_users_free(users);
}

static void test_agents_that_are_more(void **state _unused_)
{
    static const char *const rules[] = {"@staff:run", "loads-agent:observe"};
    struct local_users *users = with(rules, 1);

    assert_int_equal(local_users_role(users, AGENT, STAFF), KEY_AGENT);
    local_users_free(users);
    users = with(rules, 2);
    assert_int_equal(local_users_role(users, AGENT, STAFF), KEY_OBSERVE);
    local_users_free(users);
}

static void test_names(void **state _unused_)
{
    struct local_users *users = with(NULL, 0);

    lookups = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(local_users_name(users, ADA), "ada");
        assert_string_equal(local_users_name(users, OTHER), "uid 1999"); /* a blank is no good */
        assert_string_equal(local_users_name(users, 5), "uid 5");
    }
    assert_int_equal(lookups, 3);
    for (uid_t uid = 10000; uid < 10100;
         uid++) { /* the first are forgotten, nothing else happens */
        (void)local_users_name(users, uid);
    }
    assert_string_equal(local_users_name(users, ADA), "ada");
    assert_int_equal(lookups, 104);
    local_users_free(users);
}

static void test_what_is_no_rule(void **state _unused_)
{
    static const struct {
        const char *rule, *says;
        int code;
    } cases[] = {
        {"", "is not USER:ROLE", -EINVAL},        {"ada", "'ada' is not USER:ROLE", -EINVAL},
        {":run", "is not USER:ROLE", -EINVAL},    {"@:run", "is not USER:ROLE", -EINVAL},
        {"ada:fly", "is not USER:ROLE", -EINVAL}, {"zoe:run", "no user 'zoe'", -ENOENT},
        {"@zoo:run", "no group 'zoo'", -ENOENT},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct strlist list = {.count = 0};
        struct local_users *users = NULL;
        struct error error = {0};
        assert_int_equal(strlist_add(&list, "ada:run"), 0);
        assert_int_equal(strlist_add(&list, cases[i].rule), 0);
        assert_int_equal(local_users_new(&users, &list, &error), cases[i].code);
        assert_non_null(strstr(error.text, cases[i].says));
        assert_null(users);
        strlist_clear(&list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_rules),        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_agents_that_are_more), cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_is_no_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
