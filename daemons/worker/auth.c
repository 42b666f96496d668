/* SPDX-License-Identifier: MPL-2.0 */
/* Basic and bearer credentials are a header like any other, sent at once. Those of digest answer a
 * challenge, which is for the transport to do. */
#include "worker/auth.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"

static int no_memory(struct error *error)
{
    return error_set_errno(error, -ENOMEM, "credentials");
}

static int basic(const char *user, const char *password, struct arena *arena, struct auth *ret,
                 struct error *error)
{
    _cleanup_free_ char *coded = NULL;
    const char *plain = arena_printf(arena, "%s:%s", user, password);

    if (!plain || base64_encode(plain, strlen(plain), &coded) < 0) {
        return no_memory(error);
    }
    ret->line = arena_printf(arena, "Authorization: Basic %s", coded);
    return ret->line ? 0 : no_memory(error);
}

/* RFC 6750's letters: nothing that would end a header or be two. */
static int bearer(const char *token, struct arena *arena, struct auth *ret, struct error *error)
{
    size_t size = strlen(token);

    for (size_t i = 0; i < size; i++) {
        if (token[i] <= ' ' || token[i] > '~') {
            return error_set(error, -EINVAL,
                             "the token in .auth has a character that can't be in a header");
        }
    }
    if (size == 0) {
        return error_set(error, -EINVAL, "the token in .auth is empty");
    }
    ret->line = arena_printf(arena, "Authorization: Bearer %s", token);
    return ret->line ? 0 : no_memory(error);
}

int auth_find(const loads_auth *given, const struct url *url, struct arena *arena, struct auth *ret,
              struct error *error)
{
    *ret = (struct auth){.line = NULL};
    if (given->kind_ == LOADS_AUTH_NONE_) {
        return url->user ? basic(url->user, url->password ? url->password : "", arena, ret, error)
                         : 0;
    }
    if (!given->secret_ || (given->kind_ != LOADS_AUTH_BEARER_ && !given->user_)) {
        return error_set(error, -EINVAL, "a user, password or token in .auth is NULL");
    }
    if (given->kind_ == LOADS_AUTH_BEARER_) {
        return bearer(given->secret_, arena, ret, error);
    }
    if (strchr(given->user_, ':')) {
        return error_set(error, -EINVAL, "the user in .auth has a colon in it");
    }
    if (given->kind_ == LOADS_AUTH_BASIC_) {
        return basic(given->user_, given->secret_, arena, ret, error);
    }
    ret->user = given->user_;
    ret->password = given->secret_;
    return 0;
}
