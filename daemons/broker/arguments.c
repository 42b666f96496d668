/* SPDX-License-Identifier: MPL-2.0 */
/* Each key that is understood is a row: what it is called in the specification, and how its value
 * becomes what that wants. What the values may be is the specification's business. */
#include "arguments.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-id128.h>

#include "base/parse.h"

#define DEFAULT_STALL_USEC 30000000

/* Makes the specification's value of a client's. NULL and a text: it can't be. */
typedef json_t *convert(const json_t *value, struct error *error);

static json_t *as_it_is(const json_t *value, struct error *error _unused_)
{
    return json_deep_copy(value);
}

/* 10, "10:20:30" or [10, 20, 30]. */
static json_t *numbers(const json_t *value, struct error *error)
{
    struct number_list list;

    if (json_is_integer(value)) {
        return json_pack("[I]", json_integer_value(value));
    }
    if (!json_is_string(value)) {
        return json_deep_copy(value);
    }
    if (parse_numbers(json_string_value(value), &list, error) < 0) {
        return NULL;
    }
    json_t *array = json_array();
    for (unsigned i = 0; array && i < list.count; i++) {
        (void)json_array_append_new(array, json_integer(list.values[i]));
    }
    return array;
}

/* Seconds, or "1m30s". */
static json_t *duration(const json_t *value, struct error *error)
{
    uint64_t usec = 0;

    if (json_is_number(value)) {
        double sec = json_number_value(value);
        if (sec < 0 || sec * 1e6 > (double)PARSE_MAX_DURATION_USEC) {
            (void)error_set(error, -EINVAL, "from 0 to 366 days are possible");
            return NULL;
        }
        return json_integer((json_int_t)(sec * 1e6));
    }
    if (!json_is_string(value)) {
        (void)error_set(error, -EINVAL, "seconds or a text such as 1m30s are expected");
        return NULL;
    }
    return parse_duration(json_string_value(value), &usec, error) == 0
               ? json_integer((json_int_t)usec)
               : NULL;
}

static json_t *size(const json_t *value, struct error *error)
{
    uint64_t bytes = 0;

    if (!json_is_string(value)) {
        return json_deep_copy(value);
    }
    return parse_size(json_string_value(value), &bytes, error) == 0
               ? json_integer((json_int_t)bytes)
               : NULL;
}

static json_t *texts(const json_t *value, struct error *error _unused_)
{
    return json_is_string(value) ? json_pack("[s]", json_string_value(value))
                                 : json_deep_copy(value);
}

static const struct {
    const char *name;
    const char *key; /* of the specification; NULL: it is ignored */
    convert *convert;
} rows[] = {
    {"fqn", "fqn", as_it_is},
    {"fqdn", "fqn", as_it_is},
    {"url", "url", as_it_is},
    {"users", "users", numbers},
    {"hits", "hits", numbers},
    {"duration", "duration_usec", duration},
    {"duration_usec", "duration_usec", as_it_is},
    {"grace", "grace_usec", duration},
    {"grace_usec", "grace_usec", as_it_is},
    {"timeout", "http_timeout_usec", duration},
    {"http_timeout_usec", "http_timeout_usec", as_it_is},
    {"stall_timeout", "stall_timeout_usec", duration},
    {"stall_timeout_usec", "stall_timeout_usec", as_it_is},
    {"stack_size", "stack_size_bytes", size},
    {"stack_size_bytes", "stack_size_bytes", as_it_is},
    {"workers", "workers", as_it_is},
    {"seed", "seed", as_it_is},
    {"pace", "pace", as_it_is},
    {"server_url", "server_url", as_it_is},
    {"ca_file", "ca_file", as_it_is},
    {"insecure", "insecure", as_it_is},
    {"cert_file", "cert_file", as_it_is},
    {"key_file", "key_file", as_it_is},
    {"tls_min", "tls_min", as_it_is},
    {"http2", "http2", as_it_is},
    {"proxy", "proxy", as_it_is},
    {"no_proxy", "no_proxy", as_it_is},
    {"resolve", "resolve", texts},
    {"no_dns_resolve", "no_dns_resolve", as_it_is},
    {"source_address", "source_address", as_it_is},
    {"connections", "connections", as_it_is},
    {"max_redirects", "max_redirects", as_it_is},
    {"max_body", "max_body_bytes", size},
    {"max_body_bytes", "max_body_bytes", as_it_is},
    {"test_dir", "test_dir", as_it_is},
    {"cflags", "cflags", as_it_is},
    {"test_runner", "test_runner", as_it_is},
    {"test_runner_self", "test_runner_self", as_it_is},
    {"external_timeout_usec", "external_timeout_usec", as_it_is},
    {"libs", "libs", as_it_is},
    {"python_deps", "python_deps", texts},
    {"python_dep", "python_deps", texts},
    {"no_patching", "no_patching", as_it_is},
    {"user_id", "user_id", as_it_is},
    {"project_name", "project_name", as_it_is},
    {"tags", "tags", texts},
    {"tag", "tags", texts},
    {"thresholds", "thresholds", texts},
    {"threshold", "thresholds", texts},
    {"observer", "observers", texts},
    {"observers", "observers", texts},
    {"observer_options", "observer_options", texts},
    {"run_id", NULL, NULL},
    {"detail", NULL, NULL},
};

static int add(json_t *spec, const char *name, const json_t *value, struct error *error)
{
    for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
        if (strcmp(rows[i].name, name) != 0) {
            continue;
        }
        if (!rows[i].key || json_is_null(value)) {
            return 0;
        }
        struct error reason = {0};
        json_t *converted = rows[i].convert(value, &reason);
        if (!converted && reason.code < 0) {
            return error_set(error, -EINVAL, "args: %s: %s", name, reason.text);
        }
        return json_object_set_new(spec, rows[i].key, converted) < 0
                   ? error_set_errno(error, -ENOMEM, "args: %s", name)
                   : 0;
    }
    return error_set(error, -EINVAL, "args: unknown key '%.100s'", name);
}

/* A URL may stand where a test would. */
static void move_url(json_t *spec)
{
    const char *fqn = json_string_value(json_object_get(spec, "fqn"));

    if (fqn && fqn_is_url(fqn)) {
        (void)json_object_set(spec, "url", json_object_get(spec, "fqn"));
        (void)json_object_del(spec, "fqn");
    }
}

static json_t *defaults(void)
{
    char run_id[SD_ID128_UUID_STRING_MAX];
    sd_id128_t id;

    if (sd_id128_randomize(&id) < 0) {
        return NULL;
    }
    (void)sd_id128_to_uuid_string(id, run_id); /* can't fail with room for one */
    return json_pack("{ss s[i] sI sI sI sI sb sb}", "run_id", run_id, "users", 1, "grace_usec",
                     (json_int_t)5000000, "http_timeout_usec", (json_int_t)30000000,
                     "stack_size_bytes", (json_int_t)(256 << 10), "stall_timeout_usec",
                     (json_int_t)DEFAULT_STALL_USEC, "insecure", 0, "detail", 0);
}

int arguments_read(const json_t *args, struct run_spec **ret, struct error *error)
{
    json_auto_t *spec = defaults();
    _cleanup_free_ char *text = NULL;
    const char *name;
    json_t *value;
    int r = spec ? 0 : error_set_errno(error, -ENOMEM, "args");

    json_object_foreach((json_t *)args, name, value)
    {
        if (r == 0) {
            r = add(spec, name, value, error);
        }
    }
    if (r < 0) {
        return r;
    }
    move_url(spec);
    if (!json_object_get(spec, "hits") && !json_object_get(spec, "duration_usec")) {
        (void)json_object_set_new(spec, "hits", json_pack("[i]", 1));
    }
    if (json_integer_value(json_object_get(spec, "stall_timeout_usec")) == 0) {
        (void)json_object_del(spec, "stall_timeout_usec"); /* never */
    }
    r = wire_json_dump(spec, &text);
    if (r < 0) {
        return error_set_errno(error, r, "args");
    }
    r = run_spec_decode(text, strlen(text), ret, error);
    if (r < 0) {
        return error_prefix(error, r == -ENOMEM ? r : -EINVAL, "args");
    }
    r = (*ret)->seed > 0 ? 0 : run_spec_choose_seed(*ret);
    if (r < 0) {
        *ret = run_spec_free(*ret);
        return error_set_errno(error, r, "args: seed");
    }
    return 0;
}
