/* SPDX-License-Identifier: MPL-2.0 */
/* For test_secrets.py: a test that has secrets, and uses all of them in each iteration; then each
 * iteration goes wrong in another way. What the secrets are stands in a file, as it should: what is
 * in the source of a test is in the compiled module, too. */
#include <loads/loads.h>

#include <stdio.h>
#include <string.h>

static const char *secret(loads_user *user, const char *name)
{
    char key[32], value[128];
    FILE *file = fopen("secrets.txt", "r");

    loads_assert_not_null(file);
    while (fscanf(file, "%31s %127s", key, value) == 2) {
        if (strcmp(key, name) == 0) {
            (void)fclose(file);
            return loads_printf(user, "%s", value);
        }
    }
    (void)fclose(file);
    loads_fail("%s is not in the file", name);
    return "";
}

/* A path of the server as a URL, with a user and a password. */
static const char *as_user(loads_user *user, const char *password, const char *path)
{
    return loads_printf(user, "http://ada:%s@%s%s", password,
                        strchr(loads_server_url(user), '@') + 1, path);
}

static const char *with_token(loads_user *user, const char *path)
{
    return loads_printf(user, "%s?token=%s", path, secret(user, "token"));
}

/* --server-url has a password, too. */
static void use_all(loads_user *user)
{
    (void)loads_get(user, with_token(user, "/page"));
    (void)loads_get(user, as_user(user, secret(user, "user"), "/page"));
    (void)loads_get(user, "/page",
                    .headers = LOADS_HEADERS(
                        loads_printf(user, "Authorization: Bearer %s", secret(user, "bearer")),
                        loads_printf(user, "Cookie: own=%s", secret(user, "cookie"))));
    (void)loads_post(user, "/page",
                     .body = loads_printf(user, "password=%s", secret(user, "form")));
    (void)loads_get(user, "/login"); /* sets a cookie */
    (void)loads_get(user, "/page");  /* and gets it back */
    (void)loads_get(user, "/redirect");
}

LOADS_TEST(TestSecrets, test_all)
{
    use_all(user);
    if (loads_iteration(user) == 0) {
        (void)loads_get(user, with_token(user, "/held"));
    }
    loads_response *res;
    switch (loads_iteration(user)) {
    case 0:
        res = loads_get(user, with_token(user, "/page"));
        loads_assert_int_eq(res->status, 201);
        break;
    case 1: /* nobody listens there */
        (void)loads_get(user, loads_printf(user, "http://ada:%s@127.0.0.1:1/?token=%s",
                                           secret(user, "user"), secret(user, "token")));
        break;
    case 2:
        (void)loads_get(user, with_token(user, "/malformed"));
        break;
    case 3:
        (void)loads_get(user, with_token(user, "/loop"));
        break;
    case 4: /* a body that isn't JSON, and has a secret where it goes wrong */
        (void)loads_json_string(loads_get(user, with_token(user, "/word")), "a");
        break;
    case 5:
        (void)loads_json_string(loads_get(user, with_token(user, "/json")), "a.b");
        break;
    case 6:
        (void)loads_get(user, "/page",
                        .headers = LOADS_HEADERS(
                            loads_printf(user, "Authorization Bearer %s", secret(user, "bearer"))));
        break;
    case 7: /* a password that would have to be escaped */
        (void)loads_get(user,
                        as_user(user, loads_printf(user, "a/b%s", secret(user, "user")), "/"));
        break;
    default:
        break;
    }
}
