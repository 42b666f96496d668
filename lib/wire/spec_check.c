/* SPDX-License-Identifier: MPL-2.0 */
/* The keys of a specification, and what their values may be. Types are judged elsewhere, while
 * reading. */
#include "wire/observer.h"
#include "wire/spec_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/distribution.h"
#include "base/shown.h"
#include "base/utf8.h"
#include "metrics/thresholds.h"

const struct spec_key spec_keys[] = {
#define AT(member) offsetof(struct run_spec, member)
    {"run_id", KIND_RUN_ID, true, AT(run_id), 0, 0, 0},
    {"test_runner", KIND_WORDS, false, AT(test_runner), 0, 0, 0}, /* fqn depends on it */
    {"test_runner_self", KIND_FLAG, false, AT(test_runner_self), 0, 0, 0},
    {"python", KIND_PATH, false, AT(python), 0, 0, 0},
    {"python_path", KIND_WORDS, false, AT(python_path), 0, 0, 0},
    {"python_deps", KIND_DEPS, false, AT(python_deps), 0, 0, 0},
    {"no_patching", KIND_FLAG, false, AT(no_patching), 0, 0, 0},
    {"debug_http", KIND_FLAG, false, AT(debug_http), 0, 0, 0},
    {"single", KIND_FLAG, false, AT(single), 0, 0, 0},
    {"external_timeout_usec", KIND_NUMBER, false, AT(external_timeout_usec), 1000,
     PARSE_MAX_DURATION_USEC, 0},
    {"fqn", KIND_FQN, false, AT(fqn), 0, 0, 0},
    {"url", KIND_URL, false, AT(url), 0, 0, 0},
    {"module_paths", KIND_PATHS, false, AT(module_paths), 0, 0, 0},
    {"test_dir", KIND_PATH, false, AT(test_dir), 0, 0, 0},
    {"users", KIND_NUMBERS, true, AT(users), 0, 0, 0},
    {"hits", KIND_NUMBERS, false, AT(hits), 0, 0, 0},
    {"duration_usec", KIND_NUMBER, false, AT(duration_usec), 1, PARSE_MAX_DURATION_USEC, 0},
    {"grace_usec", KIND_NUMBER, true, AT(grace_usec), 0, PARSE_MAX_DURATION_USEC, 0},
    {"http_timeout_usec", KIND_NUMBER, true, AT(http_timeout_usec), 1000, PARSE_MAX_DURATION_USEC,
     0},
    {"stack_size_bytes", KIND_NUMBER, true, AT(stack_size_bytes), SPEC_MIN_STACK_BYTES,
     SPEC_MAX_STACK_BYTES, 0},
    {"stall_timeout_usec", KIND_NUMBER, false, AT(stall_timeout_usec), 100000,
     PARSE_MAX_DURATION_USEC, 0},
    {"workers", KIND_NUMBER, false, AT(workers), 1, SPEC_MAX_WORKERS, 0},
    {"seed", KIND_NUMBER, false, AT(seed), 1, SPEC_MAX_SEED, 0},
    {"pace", KIND_NAME, false, AT(pace), 0, 0, 0},
    {"cflags", KIND_WORDS, false, AT(cflags), 0, 0, 0},
    {"libs", KIND_WORDS, false, AT(libs), 0, 0, 0},
    {"server_url", KIND_URL, false, AT(server_url), 0, 0, 0},
    {"ca_file", KIND_FILE, false, AT(ca_file), 0, 0, 0},
    {"insecure", KIND_FLAG, true, AT(insecure), 0, 0, 0},
    {"cert_file", KIND_FILE, false, AT(http.cert_file), 0, 0, 0},
    {"key_file", KIND_FILE, false, AT(http.key_file), 0, 0, 0},
    {"tls_min", KIND_NAME, false, AT(http.tls_min), 0, 0, 0},
    {"http2", KIND_FLAG, false, AT(http.http2), 0, 0, 0},
    {"proxy", KIND_URL, false, AT(http.proxy), 0, 0, 0},
    {"no_proxy", KIND_WORDS, false, AT(http.no_proxy), 0, 0, 0},
    {"resolve", KIND_TEXTS, false, AT(http.resolve), 0, 0, 0},
    {"no_dns_resolve", KIND_FLAG, false, AT(http.no_dns_resolve), 0, 0, 0},
    {"source_address", KIND_WORDS, false, AT(http.source_address), 0, 0, 0},
    {"connections", KIND_NAME, false, AT(http.connections), 0, 0, 0},
    {"max_redirects", KIND_NUMBER, false, AT(http.max_redirects), 0, SPEC_MAX_REDIRECTS,
     SPEC_DEFAULT_REDIRECTS},
    {"max_body_bytes", KIND_NUMBER, false, AT(http.max_body_bytes), 0, SPEC_MAX_BODY_BYTES,
     SPEC_DEFAULT_BODY_BYTES},
    {"user_id", KIND_NAME, false, AT(user_id), 0, 0, 0},
    {"project_name", KIND_NAME, false, AT(project_name), 0, 0, 0},
    {"tags", KIND_TAGS, false, AT(tags), 0, 0, 0},
    {"thresholds", KIND_THRESHOLDS, false, AT(thresholds), 0, 0, 0},
    {"observers", KIND_OBSERVERS, false, AT(observers), 0, 0, 0},
    {"observer_options", KIND_OBSERVER_OPTIONS, false, AT(observer_options), 0, 0, 0},
    {"detail", KIND_FLAG, true, AT(detail), 0, 0, 0},
#undef AT
};
const size_t spec_keys_count = ELEMENTSOF(spec_keys);

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

static int check_paths(const char *key, const struct strlist *paths, struct error *error)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < paths->count; i++) {
        r = check_path(key, paths->items[i], error);
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

static int check_texts(const char *key, const struct strlist *texts, struct error *error)
{
    int r = texts->count > SPEC_MAX_TAGS
                ? error_set(error, -EINVAL, "%s: %zu of them, of %d at most", key, texts->count,
                            SPEC_MAX_TAGS)
                : 0;

    for (size_t i = 0; r == 0 && i < texts->count; i++) {
        r = check_text(key, texts->items[i], SPEC_MAX_TAG_BYTES, error);
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

static int check_each(const char *key, const struct strlist *list, size_t max,
                      int (*check)(const char *text, struct error *error), struct error *error)
{
    int r = list->count > max
                ? error_set(error, -EINVAL, "%zu of them, of %zu at most", list->count, max)
                : 0;

    for (size_t i = 0; r == 0 && i < list->count; i++) {
        r = check(list->items[i], error);
    }
    return r < 0 ? error_prefix(error, r, "%s", key) : 0;
}

bool run_spec_dep_is_file(const char *text)
{
    static const char *const endings[] = {".whl", ".tar.gz", ".zip"};
    size_t size = strlen(text);

    if (strstr(text, "://")) {
        return false;
    }
    for (size_t i = 0; i < ELEMENTSOF(endings); i++) {
        size_t length = strlen(endings[i]);
        if (size > length && strcmp(text + size - length, endings[i]) == 0) {
            return true;
        }
    }
    return strchr(text, '/');
}

/* Neither an option of pip's nor a URL, which may have a password in it. */
int run_spec_check_dep(const char *text, struct error *error)
{
    int r = run_spec_check_text(text, SPEC_MAX_DEP_BYTES, error);

    if (r < 0 || run_spec_dep_is_file(text)) {
        return r;
    }
    if (strstr(text, "://")) {
        return error_set(error, -EINVAL,
                         "is a URL, but a project's name, with a version perhaps, or a wheel's "
                         "path is expected");
    }
    bool begins_well = (text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z') ||
                       (text[0] >= '0' && text[0] <= '9');
    return begins_well
               ? 0
               : error_set(error, -EINVAL,
                           "'%s' is neither a project's name, with a version perhaps, nor a "
                           "wheel's path",
                           text);
}

static int check_deps(const char *key, const struct strlist *deps, struct error *error)
{
    if (deps->count > SPEC_MAX_PYTHON_DEPS) {
        return error_set(error, -EINVAL, "%s: %zu of them, of %d at most", key, deps->count,
                         SPEC_MAX_PYTHON_DEPS);
    }
    for (size_t i = 0; i < deps->count; i++) {
        int r = run_spec_check_dep(deps->items[i], error);
        if (r == 0 && run_spec_dep_is_file(deps->items[i])) {
            r = check_file(key, deps->items[i], error);
        } else if (r < 0) {
            r = error_prefix(error, r, "%s", key);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int check_numbers(const struct spec_key *key, const struct number_list *list,
                         struct error *error)
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

static int check_number(const struct spec_key *key, uint64_t value, struct error *error)
{
    if ((key->required || value != key->absent) && (value < key->min || value > key->max)) {
        return error_set(error, -EINVAL, "%s: %" PRIu64 " is not from %" PRIu64 " to %" PRIu64,
                         key->name, value, key->min, key->max);
    }
    return 0;
}

/* Whether the field is a char *. */
static bool is_string(enum spec_kind kind)
{
    return kind == KIND_URL || kind == KIND_PATH || kind == KIND_FILE || kind == KIND_NAME ||
           kind == KIND_WORDS;
}

static int check_thresholds(const char *name, const struct strlist *thresholds, struct error *error)
{
    struct threshold threshold;

    if (thresholds->count > THRESHOLDS_MAX) {
        return error_set(error, -EINVAL, "%s: there are more than %d", name, THRESHOLDS_MAX);
    }
    for (size_t i = 0; i < thresholds->count; i++) {
        int r = threshold_parse(thresholds->items[i], &threshold, error);
        if (r < 0) {
            return error_prefix(error, r, "%s", name);
        }
    }
    return 0;
}

static int check_field(const struct run_spec *spec, const struct spec_key *key, struct error *error)
{
    const void *field = (const char *)spec + key->offset;
    const char *text = NULL;
    struct mix mix;

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
        if (!spec->fqn.text[0]) {
            return 0;
        }
        if (spec->test_runner) {
            return check_text(key->name, spec->fqn.text, FQN_MAX_BYTES, error);
        }
        return mix_parse(run_spec_tests(spec), &mix, error) < 0
                   ? error_prefix(error, -EINVAL, "%s", key->name)
                   : 0;
    case KIND_URL:
        return check_text(key->name, text, SPEC_MAX_URL_BYTES, error);
    case KIND_PATH:
        return check_path(key->name, text, error);
    case KIND_PATHS:
        return check_paths(key->name, field, error);
    case KIND_FILE:
        return check_file(key->name, text, error);
    case KIND_NAME:
        return check_text(key->name, text, SPEC_MAX_NAME_BYTES, error);
    case KIND_WORDS:
        return check_text(key->name, text, SPEC_MAX_WORDS_BYTES, error);
    case KIND_TEXTS:
        return check_texts(key->name, field, error);
    case KIND_TAGS:
        return check_tags(key->name, field, error);
    case KIND_DEPS:
        return check_deps(key->name, field, error);
    case KIND_THRESHOLDS:
        return check_thresholds(key->name, field, error);
    case KIND_OBSERVERS:
        return check_each(key->name, field, OBSERVER_MAX, observer_check_name, error);
    case KIND_OBSERVER_OPTIONS:
        return check_each(key->name, field, OBSERVER_MAX_OPTIONS, observer_check_option, error);
    case KIND_NUMBERS:
        return check_numbers(key, field, error);
    case KIND_NUMBER:
        return check_number(key, *(const uint64_t *)field, error);
    case KIND_FLAG:
        break;
    }
    return 0;
}

static int check_pace(const struct run_spec *spec, struct error *error)
{
    struct distribution pace;

    if (!spec->pace) {
        return 0;
    }
    if (run_spec_is_external(spec)) {
        return error_set(error, -EINVAL,
                         "pace: it is for tests in C and for URLs; what else runs a test paces it");
    }
    int r = distribution_parse(spec->pace, &pace, error);
    return r < 0 ? error_prefix(error, r, "pace") : 0;
}

static int check_http(const struct run_spec *spec, struct error *error)
{
    const char *given = spec_http_given(&spec->http);

    if (given && run_spec_is_external(spec)) {
        return error_set(error, -EINVAL,
                         "%s: it is for tests in C and for URLs; what else runs a test makes its "
                         "own connections",
                         given);
    }
    return spec_http_check(&spec->http, error);
}

/* One for each module of the tests. */
static int check_modules(const struct run_spec *spec, struct error *error)
{
    size_t expected = spec->mix ? spec->mix->n_modules : 1;

    if (spec->url || spec->python) {
        return error_set(error, -EINVAL, "module_paths: there are none with a %s",
                         spec->url ? "url" : "test in Python");
    }
    return spec->module_paths.count == expected
               ? 0
               : error_set(error, -EINVAL, "module_paths: %zu are given, of %zu",
                           spec->module_paths.count, expected);
}

int run_spec_check(const struct run_spec *spec, struct error *error)
{
    for (size_t i = 0; i < spec_keys_count; i++) {
        int r = check_field(spec, &spec_keys[i], error);
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
    if (spec->module_paths.count > 0) {
        int r = check_modules(spec, error);
        if (r < 0) {
            return r;
        }
    }
    if (spec->python && (spec->url || spec->test_runner)) {
        return error_set(error, -EINVAL, "python: it executes a test of its own");
    }
    if (spec->test_runner && spec->url) {
        return error_set(error, -EINVAL, "test_runner: it is given the name of a test, not a URL");
    }
    if ((spec->hits.count == 0) == (spec->duration_usec == 0)) {
        return error_set(error, -EINVAL, "either hits or duration_usec must be given");
    }
    int r = check_http(spec, error);
    return r < 0 ? r : check_pace(spec, error);
}
