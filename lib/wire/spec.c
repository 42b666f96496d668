/* SPDX-License-Identifier: MPL-2.0 */
/* The run specification as JSON. One table of keys serves both directions, so that they can't drift
 * apart; types are judged key by key while reading, limits and what belongs together afterwards, by
 * the same function that judges a specification before it is written. Absent, never null: what
 * isn't given has no key. */
#include "wire/spec.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/shown.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "wire/json.h"

enum kind {
    KIND_RUN_ID,
    KIND_FQN,
    KIND_URL,
    KIND_PATH, /* absolute */
    KIND_FILE, /* absolute, or below the test's directory */
    KIND_NAME,
    KIND_WORDS,
    KIND_TAGS,
    KIND_NUMBERS,
    KIND_NUMBER,
    KIND_FLAG,
};

static const struct key {
    const char *name;
    enum kind kind;
    bool required;
    size_t offset;
    uint64_t min, max; /* of KIND_NUMBER, unless it may be left out and is 0 */
} keys[] = {
#define AT(member) offsetof(struct run_spec, member)
    {"run_id", KIND_RUN_ID, true, AT(run_id), 0, 0},
    {"test_runner", KIND_WORDS, false, AT(test_runner), 0, 0}, /* fqn depends on it */
    {"test_runner_self", KIND_FLAG, false, AT(test_runner_self), 0, 0},
    {"external_timeout_usec", KIND_NUMBER, false, AT(external_timeout_usec), 1000,
     PARSE_MAX_DURATION_USEC},
    {"fqn", KIND_FQN, false, AT(fqn), 0, 0},
    {"url", KIND_URL, false, AT(url), 0, 0},
    {"module_path", KIND_PATH, false, AT(module_path), 0, 0},
    {"test_dir", KIND_PATH, false, AT(test_dir), 0, 0},
    {"users", KIND_NUMBERS, true, AT(users), 0, 0},
    {"hits", KIND_NUMBERS, false, AT(hits), 0, 0},
    {"duration_usec", KIND_NUMBER, false, AT(duration_usec), 1, PARSE_MAX_DURATION_USEC},
    {"grace_usec", KIND_NUMBER, true, AT(grace_usec), 0, PARSE_MAX_DURATION_USEC},
    {"http_timeout_usec", KIND_NUMBER, true, AT(http_timeout_usec), 1000, PARSE_MAX_DURATION_USEC},
    {"stack_size_bytes", KIND_NUMBER, true, AT(stack_size_bytes), SPEC_MIN_STACK_BYTES,
     SPEC_MAX_STACK_BYTES},
    {"stall_timeout_usec", KIND_NUMBER, false, AT(stall_timeout_usec), 100000,
     PARSE_MAX_DURATION_USEC},
    {"workers", KIND_NUMBER, false, AT(workers), 1, SPEC_MAX_WORKERS},
    {"cflags", KIND_WORDS, false, AT(cflags), 0, 0},
    {"libs", KIND_WORDS, false, AT(libs), 0, 0},
    {"server_url", KIND_URL, false, AT(server_url), 0, 0},
    {"ca_file", KIND_FILE, false, AT(ca_file), 0, 0},
    {"insecure", KIND_FLAG, true, AT(insecure), 0, 0},
    {"user_id", KIND_NAME, false, AT(user_id), 0, 0},
    {"project_name", KIND_NAME, false, AT(project_name), 0, 0},
    {"tags", KIND_TAGS, false, AT(tags), 0, 0},
    {"detail", KIND_FLAG, true, AT(detail), 0, 0},
#undef AT
};

int run_spec_new(struct run_spec **ret)
{
    struct run_spec *spec = calloc(1, sizeof *spec);
    if (!spec) {
        return -ENOMEM;
    }
    spec->grace_usec = 5000000;
    spec->http_timeout_usec = 30000000;
    spec->stack_size_bytes = 256 << 10;
    *ret = spec;
    return 0;
}

struct run_spec *run_spec_free(struct run_spec *spec)
{
    if (spec) {
        free(spec->url);
        free(spec->module_path);
        free(spec->test_dir);
        free(spec->test_runner);
        free(spec->ca_file);
        free(spec->cflags);
        free(spec->libs);
        free(spec->server_url);
        free(spec->user_id);
        free(spec->project_name);
        strlist_clear(&spec->tags);
        free(spec);
    }
    return NULL;
}

int run_spec_set_fqn(struct run_spec *spec, const char *text, struct error *error)
{
    int r = fqn_parse(text, &spec->fqn, error);

    if (r < 0 && spec->test_runner && strlen(text) <= FQN_MAX_BYTES) {
        spec->fqn = (struct fqn){.text = ""};
        memcpy(spec->fqn.text, text, strlen(text));
        return 0;
    }
    return r;
}

void run_spec_test_name(const struct run_spec *spec, char ret[static SPEC_NAME_BYTES])
{
    const char *suite = spec->url ? SPEC_URL_SUITE : spec->fqn.suite;
    const char *test = spec->url ? SPEC_URL_TEST : spec->fqn.test;

    (void)snprintf(ret, SPEC_NAME_BYTES, "%s%s%s", suite, suite[0] ? "." : "",
                   suite[0] ? test : spec->fqn.text);
}

/* ---- what makes sense ---- */

/* The same form that sd_id128_to_uuid_string() writes. */
static bool is_run_id(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (form[i] == 'x' ? !hex : text[i] != '-') {
            return false;
        }
    }
    return text[sizeof form - 1] == '\0';
}

int run_spec_check_text(const char *text, size_t max_bytes, struct error *error)
{
    size_t size = strlen(text);

    if (size == 0) {
        return error_set(error, -EINVAL, "is empty");
    }
    if (size > max_bytes) {
        return error_set(error, -EINVAL, "has %zu bytes, of %zu at most", size, max_bytes);
    }
    if (!utf8_valid(text, size)) {
        return error_set(error, -EINVAL, "is not text in UTF-8");
    }
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            return error_set(error, -EINVAL, "has control characters in it");
        }
    }
    return 0;
}

static int check_text(const char *key, const char *text, size_t max_bytes, struct error *error)
{
    int r = run_spec_check_text(text, max_bytes, error);
    return r < 0 ? error_prefix(error, r, "%s", key) : 0;
}

static int check_path(const char *key, const char *path, struct error *error)
{
    int r = check_text(key, path, PATH_MAX - 1, error);
    if (r == 0 && path[0] != '/') {
        r = error_set(error, -EINVAL, "%s: '%s' is not an absolute path", key, path);
    }
    return r;
}

/* Nothing that begins elsewhere, so that what travels with a run can't name what doesn't. */
static int check_file(const char *key, const char *path, struct error *error)
{
    int r = check_text(key, path, PATH_MAX - 1, error);
    for (const char *part = path; r == 0 && path[0] != '/' && *part;) {
        size_t length = strcspn(part, "/");
        if (length == 2 && memcmp(part, "..", 2) == 0) {
            r = error_set(error, -EINVAL, "%s: '%s' leads out of the test's directory", key, path);
        }
        part += length + strspn(part + length, "/");
    }
    return r;
}

static int check_tags(const char *key, const struct strlist *tags, struct error *error)
{
    if (tags->count > SPEC_MAX_TAGS) {
        return error_set(error, -EINVAL, "%s: %zu of them, of %d at most", key, tags->count,
                         SPEC_MAX_TAGS);
    }
    for (size_t i = 0; i < tags->count; i++) {
        size_t length;
        int r = check_text(key, tags->items[i], SPEC_MAX_TAG_BYTES, error);
        if (r == 0) {
            r = parse_key_value(tags->items[i], &length, error);
            r = r < 0 ? error_prefix(error, r, "%s", key) : 0;
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int check_numbers(const struct key *key, const struct number_list *list, struct error *error)
{
    if (list->count > PARSE_MAX_NUMBERS || (key->required && list->count == 0)) {
        return error_set(error, -EINVAL, "%s: 1 to %d numbers are expected", key->name,
                         PARSE_MAX_NUMBERS);
    }
    for (unsigned i = 0; i < list->count; i++) {
        if (list->values[i] < 1 || list->values[i] > PARSE_MAX_NUMBER) {
            return error_set(error, -EINVAL, "%s: %" PRIu32 " is not from 1 to %" PRIu32, key->name,
                             list->values[i], PARSE_MAX_NUMBER);
        }
    }
    return 0;
}

static int check_number(const struct key *key, uint64_t value, struct error *error)
{
    if ((key->required || value != 0) && (value < key->min || value > key->max)) {
        return error_set(error, -EINVAL, "%s: %" PRIu64 " is not from %" PRIu64 " to %" PRIu64,
                         key->name, value, key->min, key->max);
    }
    return 0;
}

/* Whether the field is a char *. */
static bool is_string(enum kind kind)
{
    return kind == KIND_URL || kind == KIND_PATH || kind == KIND_FILE || kind == KIND_NAME ||
           kind == KIND_WORDS;
}

static int check_field(const struct run_spec *spec, const struct key *key, struct error *error)
{
    const void *field = (const char *)spec + key->offset;
    const char *text = NULL;
    struct fqn fqn;

    if (is_string(key->kind)) {
        text = *(char *const *)field;
        if (!text) {
            return 0;
        }
    }
    switch (key->kind) {
    case KIND_RUN_ID:
        return is_run_id(field)
                   ? 0
                   : error_set(error, -EINVAL, "%s: is not a UUID in small letters", key->name);
    case KIND_FQN:
        if (!spec->fqn.text[0] || fqn_parse(spec->fqn.text, &fqn, error) == 0) {
            return 0;
        }
        return spec->test_runner ? check_text(key->name, spec->fqn.text, FQN_MAX_BYTES, error)
                                 : error_prefix(error, -EINVAL, "%s", key->name);
    case KIND_URL:
        return check_text(key->name, text, SPEC_MAX_URL_BYTES, error);
    case KIND_PATH:
        return check_path(key->name, text, error);
    case KIND_FILE:
        return check_file(key->name, text, error);
    case KIND_NAME:
        return check_text(key->name, text, SPEC_MAX_NAME_BYTES, error);
    case KIND_WORDS:
        return check_text(key->name, text, SPEC_MAX_WORDS_BYTES, error);
    case KIND_TAGS:
        return check_tags(key->name, field, error);
    case KIND_NUMBERS:
        return check_numbers(key, field, error);
    case KIND_NUMBER:
        return check_number(key, *(const uint64_t *)field, error);
    case KIND_FLAG:
        break;
    }
    return 0;
}

int run_spec_check(const struct run_spec *spec, struct error *error)
{
    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        int r = check_field(spec, &keys[i], error);
        if (r < 0) {
            return r;
        }
    }
    if (!spec->fqn.text[0] == !spec->url) {
        return error_set(error, -EINVAL, "either fqn or url must be given");
    }
    if (spec->url && !fqn_is_url(spec->url)) {
        char shown[SHOWN_BYTES];
        return error_set(error, -EINVAL, "url: '%s' does not begin with http:// or https://",
                         shown_url(spec->url, shown));
    }
    if (spec->url && spec->module_path) {
        return error_set(error, -EINVAL, "module_path: there is none with a url");
    }
    if (spec->test_runner && spec->url) {
        return error_set(error, -EINVAL, "test_runner: it is given the name of a test, not a URL");
    }
    if ((spec->hits.count == 0) == (spec->duration_usec == 0)) {
        return error_set(error, -EINVAL, "either hits or duration_usec must be given");
    }
    return 0;
}

/* ---- writing ---- */

static json_t *encode_tags(const struct strlist *tags)
{
    _cleanup_(json_decrefp) json_t *array = json_array();
    for (size_t i = 0; array && i < tags->count; i++) {
        if (json_array_append_new(array, json_string(tags->items[i])) < 0) {
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

static json_t *encode_field(const struct run_spec *spec, const struct key *key, bool shown)
{
    const void *field = (const char *)spec + key->offset;

    switch (key->kind) {
    case KIND_RUN_ID:
        return json_string(field);
    case KIND_FQN:
        return json_string(spec->fqn.text);
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
    case KIND_TAGS:
        return encode_tags(field);
    case KIND_NUMBERS:
        return encode_numbers(field);
    case KIND_NUMBER:
        return json_integer((json_int_t) * (const uint64_t *)field);
    case KIND_FLAG:
        return json_boolean(*(const bool *)field);
    }
    return NULL;
}

static bool is_given(const struct run_spec *spec, const struct key *key)
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
    case KIND_TAGS:
        return ((const struct strlist *)field)->count > 0;
    case KIND_NUMBERS:
        return ((const struct number_list *)field)->count > 0;
    case KIND_NUMBER:
        return key->required || *(const uint64_t *)field != 0;
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
    for (size_t i = 0; object && i < ELEMENTSOF(keys); i++) {
        if (is_given(spec, &keys[i]) &&
            json_object_set_new(object, keys[i].name, encode_field(spec, &keys[i], shown)) < 0) {
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
           (spec->server_url && shown_url_lacks(spec->server_url));
}

/* ---- reading ---- */

static int wrong_type(const struct key *key, const char *expected, struct error *error)
{
    return error_set(error, -EBADMSG, "%s: %s expected", key->name, expected);
}

static int decode_numbers(const struct key *key, const json_t *json, struct number_list *list,
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

static int decode_tags(const struct key *key, const json_t *json, struct strlist *tags,
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
        int r = strlist_add(tags, json_string_value(item));
        if (r < 0) {
            return error_set_errno(error, r, "%s", key->name);
        }
    }
    return 0;
}

static int decode_text(const struct key *key, const json_t *json, struct run_spec *spec,
                       struct error *error)
{
    void *field = (char *)spec + key->offset;
    const char *text = json_string_value(json);

    if (!text) {
        return wrong_type(key, "a string is", error);
    }
    if (key->kind == KIND_FQN) {
        int r = run_spec_set_fqn(spec, text, error);
        return r < 0 ? error_prefix(error, r, "%s", key->name) : 0;
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

static int decode_field(const struct key *key, const json_t *json, struct run_spec *spec,
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
    case KIND_TAGS:
        return decode_tags(key, json, field, error);
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
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
            suggest_consider(&suggest, keys[i].name);
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
    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        json_t *json = json_object_get(object, keys[i].name);
        if (json) {
            r = decode_field(&keys[i], json, spec, error);
        } else if (keys[i].required) {
            r = error_set(error, -EBADMSG, "%s: is missing", keys[i].name);
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
