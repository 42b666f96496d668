/* SPDX-License-Identifier: MPL-2.0 */
/* The run specification as JSON. One table of keys serves both directions, so that they can't drift
 * apart; types are judged key by key while reading, limits and what belongs together afterwards, by
 * the same function that judges a specification before it is written. Absent, never null: what
 * isn't given has no key. */
#include "wire/spec_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/shown.h"
#include "base/suggest.h"
#include "wire/json.h"

int run_spec_new(struct run_spec **ret)
{
    struct run_spec *spec = calloc(1, sizeof *spec);
    if (!spec) {
        return -ENOMEM;
    }
    spec->grace_usec = 5000000;
    spec->http_timeout_usec = 30000000;
    spec->stack_size_bytes = 256 << 10;
    spec_http_init(&spec->http);
    *ret = spec;
    return 0;
}

struct run_spec *run_spec_free(struct run_spec *spec)
{
    if (spec) {
        free(spec->url);
        strlist_clear(&spec->module_paths);
        free(spec->test_dir);
        free(spec->test_runner);
        free(spec->python);
        free(spec->python_path);
        strlist_clear(&spec->python_deps);
        free(spec->mix);
        free(spec->ca_file);
        spec_http_clear(&spec->http);
        free(spec->pace);
        free(spec->cflags);
        free(spec->libs);
        free(spec->server_url);
        free(spec->user_id);
        free(spec->project_name);
        strlist_clear(&spec->tags);
        strlist_clear(&spec->thresholds);
        strlist_clear(&spec->observers);
        strlist_clear(&spec->observer_options);
        free(spec);
    }
    return NULL;
}

int run_spec_set_fqn(struct run_spec *spec, const char *text, struct error *error)
{
    struct mix mix;

    if (spec->test_runner) {
        if (fqn_parse(text, &spec->fqn, error) < 0) {
            if (strlen(text) > FQN_MAX_BYTES) {
                return -EINVAL;
            }
            spec->fqn = (struct fqn){.text = ""};
            memcpy(spec->fqn.text, text, strlen(text));
        }
        return 0;
    }
    int r = mix_parse(text, &mix, error);
    if (r < 0) {
        return r;
    }
    free(spec->mix);
    spec->mix = NULL;
    spec->fqn = mix.tests[0].fqn;
    if (mix.n > 1) {
        spec->mix = malloc(sizeof mix);
        if (!spec->mix) {
            return error_set_errno(error, -ENOMEM, "names of tests");
        }
        *spec->mix = mix;
    }
    return 0;
}

const char *run_spec_tests(const struct run_spec *spec)
{
    return spec->mix ? spec->mix->text : spec->fqn.text;
}

int run_spec_choose_seed(struct run_spec *spec)
{
    uint32_t seed = 0;

    while (seed == 0) {
        if (getrandom(&seed, sizeof seed, 0) < 0) { /* so few bytes come whole */
            return -errno;
        }
    }
    spec->seed = seed;
    return 0;
}

bool run_spec_is_external(const struct run_spec *spec)
{
    return spec->test_runner || spec->python;
}

bool run_spec_shares_users(const struct run_spec *spec)
{
    return spec->test_runner_self || spec->python;
}

void run_spec_test_name(const struct run_spec *spec, char ret[static SPEC_NAME_BYTES])
{
    const char *suite = spec->url ? SPEC_URL_SUITE : spec->fqn.suite;
    const char *test = spec->url ? SPEC_URL_TEST : spec->fqn.test;

    if (spec->mix) {
        (void)snprintf(ret, SPEC_NAME_BYTES, "%s", mix_name(spec->mix, 0));
        return;
    }
    (void)snprintf(ret, SPEC_NAME_BYTES, "%s%s%s", suite, suite[0] ? "." : "",
                   suite[0] ? test : spec->fqn.text);
}

/* ---- writing ---- */

static json_t *encode_texts(const struct strlist *texts)
{
    _cleanup_(json_decrefp) json_t *array = json_array();
    for (size_t i = 0; array && i < texts->count; i++) {
        if (json_array_append_new(array, json_string(texts->items[i])) < 0) {
            return NULL;
        }
    }
    return TAKE_PTR(array);
}

static json_t *encode_numbers(const struct number_list *list)
{
    _cleanup_(json_decrefp) json_t *array = json_array();
    for (unsigned i = 0; array && i < list->count; i++) {
        if (json_array_append_new(array, json_integer(list->values[i])) < 0) {
            return NULL;
        }
    }
    return TAKE_PTR(array);
}

static json_t *encode_shown_url(const char *url)
{
    _cleanup_free_ char *shown = shown_url_copy(url);
    return shown ? json_string(shown) : NULL;
}

/* URLs among them without their secrets. */
static json_t *encode_shown_options(const struct strlist *options)
{
    _cleanup_(strlist_clear) struct strlist shown = {0};

    for (size_t i = 0; i < options->count; i++) {
        const char *option = options->items[i], *value = strchr(option, '=') + 1;
        _cleanup_free_ char *url = strstr(value, "://") ? shown_url_copy(value) : strdup(value);
        _cleanup_free_ char *text = NULL;
        if (!url || asprintf(&text, "%.*s%s", (int)(value - option), option, url) < 0) {
            text = NULL;
            return NULL;
        }
        if (strlist_add(&shown, text) < 0) {
            return NULL;
        }
    }
    return encode_texts(&shown);
}

static json_t *encode_field(const struct run_spec *spec, const struct spec_key *key, bool shown)
{
    const void *field = (const char *)spec + key->offset;

    switch (key->kind) {
    case KIND_RUN_ID:
        return json_string(field);
    case KIND_FQN:
        return json_string(run_spec_tests(spec));
    case KIND_URL:
        if (shown) {
            return encode_shown_url(*(char *const *)field);
        }
        return json_string(*(char *const *)field);
    case KIND_PATH:
    case KIND_FILE:
    case KIND_NAME:
    case KIND_WORDS:
        return json_string(*(char *const *)field);
    case KIND_OBSERVER_OPTIONS:
        return shown ? encode_shown_options(field) : encode_texts(field);
    case KIND_TEXTS:
    case KIND_PATHS:
    case KIND_TAGS:
    case KIND_DEPS:
    case KIND_THRESHOLDS:
    case KIND_OBSERVERS:
        return encode_texts(field);
    case KIND_NUMBERS:
        return encode_numbers(field);
    case KIND_NUMBER:
        return json_integer((json_int_t) * (const uint64_t *)field);
    case KIND_FLAG:
        return json_boolean(*(const bool *)field);
    }
    return NULL;
}

static bool is_given(const struct run_spec *spec, const struct spec_key *key)
{
    const void *field = (const char *)spec + key->offset;

    switch (key->kind) {
    case KIND_FQN:
        return spec->fqn.text[0];
    case KIND_URL:
    case KIND_PATH:
    case KIND_FILE:
    case KIND_NAME:
    case KIND_WORDS:
        return *(char *const *)field;
    case KIND_TEXTS:
    case KIND_PATHS:
    case KIND_TAGS:
    case KIND_DEPS:
    case KIND_THRESHOLDS:
    case KIND_OBSERVERS:
    case KIND_OBSERVER_OPTIONS:
        return ((const struct strlist *)field)->count > 0;
    case KIND_NUMBERS:
        return ((const struct number_list *)field)->count > 0;
    case KIND_NUMBER:
        return key->required || *(const uint64_t *)field != key->absent;
    case KIND_FLAG:
        return key->required || *(const bool *)field;
    case KIND_RUN_ID:
        break;
    }
    return true;
}

static int encode(const struct run_spec *spec, bool shown, char **ret, struct error *error)
{
    int r = run_spec_check(spec, error);
    if (r < 0) {
        return r;
    }
    _cleanup_(json_decrefp) json_t *object = json_object();
    for (size_t i = 0; object && i < spec_keys_count; i++) {
        if (is_given(spec, &spec_keys[i]) &&
            json_object_set_new(object, spec_keys[i].name,
                                encode_field(spec, &spec_keys[i], shown)) < 0) {
            return error_set_errno(error, -ENOMEM, "run specification");
        }
    }
    r = object ? wire_json_dump(object, ret) : -ENOMEM;
    return r < 0 ? error_set_errno(error, r, "run specification") : 0;
}

int run_spec_encode(const struct run_spec *spec, char **ret, struct error *error)
{
    return encode(spec, false, ret, error);
}

int run_spec_encode_shown(const struct run_spec *spec, char **ret, struct error *error)
{
    return encode(spec, true, ret, error);
}

bool run_spec_lacks_secrets(const struct run_spec *spec)
{
    return (spec->url && shown_url_lacks(spec->url)) ||
           (spec->server_url && shown_url_lacks(spec->server_url)) ||
           (spec->http.proxy && shown_url_lacks(spec->http.proxy));
}

/* ---- reading ---- */

static int wrong_type(const struct spec_key *key, const char *expected, struct error *error)
{
    return error_set(error, -EBADMSG, "%s: %s expected", key->name, expected);
}

static int decode_numbers(const struct spec_key *key, const json_t *json, struct number_list *list,
                          struct error *error)
{
    size_t index;
    json_t *item;

    if (!json_is_array(json) || json_array_size(json) < 1 ||
        json_array_size(json) > PARSE_MAX_NUMBERS) {
        return wrong_type(key, "a list of 1 to 100 numbers is", error);
    }
    json_array_foreach(json, index, item)
    {
        json_int_t value = json_is_integer(item) ? json_integer_value(item) : 0;
        if (value < 1 || value > PARSE_MAX_NUMBER) {
            return wrong_type(key, "numbers from 1 to 1000000000 are", error);
        }
        list->values[list->count++] = (uint32_t)value;
    }
    return 0;
}

static int decode_texts(const struct spec_key *key, const json_t *json, struct strlist *texts,
                        struct error *error)
{
    size_t index;
    json_t *item;

    if (!json_is_array(json) || json_array_size(json) > SPEC_MAX_TAGS) {
        return wrong_type(key, "a list of at most 100 strings is", error);
    }
    json_array_foreach(json, index, item)
    {
        if (!json_is_string(item)) {
            return wrong_type(key, "strings are", error);
        }
        int r = strlist_add(texts, json_string_value(item));
        if (r < 0) {
            return error_set_errno(error, r, "%s", key->name);
        }
    }
    return 0;
}

static int decode_text(const struct spec_key *key, const json_t *json, struct run_spec *spec,
                       struct error *error)
{
    void *field = (char *)spec + key->offset;
    const char *text = json_string_value(json);

    if (!text) {
        return wrong_type(key, "a string is", error);
    }
    if (key->kind == KIND_FQN) {
        int r = run_spec_set_fqn(spec, text, error);
        return r == -EINVAL ? error_prefix(error, r, "%s", key->name) : r;
    }
    if (key->kind == KIND_RUN_ID) {
        (void)snprintf(field, SPEC_RUN_ID_BYTES + 1, "%s",
                       strlen(text) == SPEC_RUN_ID_BYTES ? text : ""); /* "" is refused later */
        return 0;
    }
    char *copy = strdup(text);
    if (!copy) {
        return error_set_errno(error, -ENOMEM, "%s", key->name);
    }
    *(char **)field = copy;
    return 0;
}

static int decode_field(const struct spec_key *key, const json_t *json, struct run_spec *spec,
                        struct error *error)
{
    void *field = (char *)spec + key->offset;

    switch (key->kind) {
    case KIND_RUN_ID:
    case KIND_FQN:
    case KIND_URL:
    case KIND_PATH:
    case KIND_FILE:
    case KIND_NAME:
    case KIND_WORDS:
        return decode_text(key, json, spec, error);
    case KIND_TEXTS:
    case KIND_PATHS:
    case KIND_TAGS:
    case KIND_DEPS:
    case KIND_THRESHOLDS:
    case KIND_OBSERVERS:
    case KIND_OBSERVER_OPTIONS:
        return decode_texts(key, json, field, error);
    case KIND_NUMBERS:
        return decode_numbers(key, json, field, error);
    case KIND_NUMBER:
        if (!json_is_integer(json) || json_integer_value(json) < 0) {
            return wrong_type(key, "a whole number, not negative, is", error);
        }
        *(uint64_t *)field = (uint64_t)json_integer_value(json);
        return 0;
    case KIND_FLAG:
        if (!json_is_boolean(json)) {
            return wrong_type(key, "true or false is", error);
        }
        *(bool *)field = json_is_true(json);
        return 0;
    }
    return 0;
}

static int refuse_unknown_keys(json_t *object, struct error *error)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        struct suggest suggest = {.word = name};
        for (size_t i = 0; i < spec_keys_count; i++) {
            suggest_consider(&suggest, spec_keys[i].name);
        }
        if (suggest.nearest && strcmp(suggest.nearest, name) == 0) {
            continue;
        }
        return suggest.nearest
                   ? error_set(error, -EBADMSG, "unknown key '%.60s' (did you mean '%s'?)", name,
                               suggest.nearest)
                   : error_set(error, -EBADMSG, "unknown key '%.60s'", name);
    }
    return 0;
}

int run_spec_decode(const char *bytes, size_t size, struct run_spec **ret, struct error *error)
{
    _cleanup_(json_decrefp) json_t *object = NULL;
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL;

    int r = wire_json_load(bytes, size, SPEC_MAX_BYTES, &object, error);
    if (r == 0) {
        r = refuse_unknown_keys(object, error);
    }
    if (r < 0) {
        return r;
    }
    r = run_spec_new(&spec);
    if (r < 0) {
        return error_set_errno(error, r, "run specification");
    }
    for (size_t i = 0; i < spec_keys_count; i++) {
        json_t *json = json_object_get(object, spec_keys[i].name);
        if (json) {
            r = decode_field(&spec_keys[i], json, spec, error);
        } else if (spec_keys[i].required) {
            r = error_set(error, -EBADMSG, "%s: is missing", spec_keys[i].name);
        }
        if (r < 0) {
            return r;
        }
    }
    r = run_spec_check(spec, error);
    if (r == 0) {
        *ret = TAKE_PTR(spec);
    }
    return r;
}
