/* SPDX-License-Identifier: MPL-2.0 */
/* Who submits a run chooses among what is installed, and may say much of how it is used. But the
 * credentials of the configuration go to no other server than the one they stand beside, and what
 * an administrator has said of an observer that isn't built in stays so: nobody but its author
 * knows which of its options matter. */
#include "observers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "run/program.h"

#define PYTHON  "/usr/bin/python3"
#define ADAPTER "loads.observer"

/* ---- the options of one ---------------------------------------------------------------------- */

static int set(json_t *object, const char *key, const char *value)
{
    return json_object_set_new(object, key, json_string(value)) < 0 ? -ENOMEM : 0;
}

static bool has(const json_t *object, const char *key, const char *value)
{
    const char *before = json_string_value(json_object_get(object, key));
    return before && strcmp(before, value) == 0;
}

/* A name alone is that of a credential, if systemd has any for us. */
static int set_file(json_t *object, const char *key, const char *name)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    _cleanup_free_ char *path = NULL;

    if (strchr(name, '/') || !directory || !*directory) {
        return set(object, key, name);
    }
    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    return set(object, key, path);
}

static int add_configured(json_t *object, const struct broker_options *options, const char *name)
{
    _cleanup_(strlist_clear) struct strlist list = {0};
    int r = observer_options_list(&options->observers, &list);

    for (size_t i = 0; r == 0 && i < list.count; i++) {
        char key[OBSERVER_MAX_KEY_BYTES + 1];
        if (!observer_option_is_of(list.items[i], name)) {
            continue;
        }
        const char *value = observer_option_split(list.items[i], key);
        bool is_file = observer_is_credential(name, key) && strstr(key, "_file");
        r = is_file ? set_file(object, key, value) : set(object, key, value);
    }
    if (r == 0 && options->observer_ca_file && observer_is_built_in(name)) {
        r = set(object, "ca_file", options->observer_ca_file);
    }
    return r;
}

static void drop_credentials(json_t *object, const char *name)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, key, value)
    {
        if (observer_is_credential(name, key)) {
            (void)json_object_del(object, key); /* it is there */
        }
    }
}

/* One of the run. */
static int add_wished(json_t *object, const char *name, const char *option)
{
    char key[OBSERVER_MAX_KEY_BYTES + 1];
    const char *value = observer_option_split(option, key);

    if (!observer_is_built_in(name)) {
        return json_object_get(object, key) ? 0 : set(object, key, value);
    }
    if (!observer_has_run_option(name, key)) {
        return 0; /* it was refused */
    }
    if (observer_names_server(name, key) && !has(object, key, value)) {
        drop_credentials(object, name);
    }
    return set(object, key, value);
}

json_t *observers_options(const struct broker_options *options, const struct run_spec *spec,
                          const char *name)
{
    json_auto_t *object = json_object();
    int r = object ? add_configured(object, options, name) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < spec->observer_options.count; i++) {
        const char *option = spec->observer_options.items[i];
        r = observer_option_is_of(option, name) ? add_wished(object, name, option) : 0;
    }
    return r == 0 ? json_incref(object) : NULL;
}

/* ---- programs -------------------------------------------------------------------------------- */

static bool is_program(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static int find_program(const struct broker_options *options, const char *name, char **ret,
                        struct error *error)
{
    _cleanup_free_ char *path = NULL, *relative = NULL;

    if (options->observer_dir) {
        if (asprintf(&path, "%s/%s", options->observer_dir, name) < 0) {
            path = NULL;
            return error_set_errno(error, -ENOMEM, "the observer '%s'", name);
        }
        if (is_program(path)) {
            *ret = TAKE_PTR(path);
            return 0;
        }
        free(TAKE_PTR(path));
    }
    if (asprintf(&relative, "observers/%s", name) < 0) {
        relative = NULL;
        return error_set_errno(error, -ENOMEM, "the observer '%s'", name);
    }
    if (program_find(relative, &path, NULL) < 0 || !is_program(path)) {
        return error_set(error, -ENOENT,
                         "there is no observer '%s': the broker has none of that name", name);
    }
    *ret = TAKE_PTR(path);
    return 0;
}

int observers_find(const struct broker_options *options, const char *name, struct strlist *ret,
                   struct error *error)
{
    _cleanup_(strlist_clear) struct strlist words = {0};
    _cleanup_free_ char *program = NULL;
    int r = observer_check_name(name, error);

    if (r < 0) {
        return r;
    }
    if (!observer_is_callable(name)) {
        r = find_program(options, name, &program, error);
        if (r < 0) {
            return r;
        }
        r = strlist_add(&words, program);
    } else if (!strlist_has(&options->observer_callables, name) &&
               !strlist_has(&options->observers.names, name)) {
        return error_set(
            error, -EACCES,
            "there is no observer '%s': observer-callable in the broker's configuration "
            "says which callables there are",
            name);
    } else {
        const char *const command[] = {PYTHON, "-m", ADAPTER, name};
        r = strlist_add_all(&words, (char *const *)command, ELEMENTSOF(command));
    }
    if (r < 0) {
        return error_set_errno(error, r, "the observer '%s'", name);
    }
    *ret = words;
    words = (struct strlist){0};
    return 0;
}

/* ---- of a run -------------------------------------------------------------------------------- */

static int add_new(const struct strlist *names, struct strlist *ret)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < names->count; i++) {
        r = strlist_has(ret, names->items[i]) ? 0 : strlist_add(ret, names->items[i]);
    }
    return r;
}

int observers_list(const struct broker_options *options, const struct run_spec *spec,
                   struct strlist *ret)
{
    int r = add_new(&options->observers.names, ret);
    return r == 0 ? add_new(&spec->observers, ret) : r;
}

static int check_option(const struct broker_options *options, const char *option,
                        struct error *error)
{
    char name[OBSERVER_MAX_NAME_BYTES + 1], key[OBSERVER_MAX_KEY_BYTES + 1];
    const char *value = observer_option_split(option, key);
    const char *dot = memrchr(option, '.', strcspn(option, "="));

    (void)snprintf(name, sizeof name, "%.*s", (int)(dot - option), option);
    if (!observer_is_built_in(name)) {
        return 0;
    }
    if (!observer_has_run_option(name, key)) {
        return error_set(error, -EINVAL,
                         observer_is_credential(name, key)
                             ? "%s.%s is for the broker's administrator to say"
                             : "the observer %s has no option '%s'",
                         name, key);
    }
    if (options->observer_servers_fixed && observer_names_server(name, key)) {
        return error_set(error, -EINVAL,
                         "%s.%s: the broker lets observers talk to those servers alone that its "
                         "configuration names (observer-servers)",
                         name, key);
    }
    int r = observer_check_value(name, key, value, error);
    return r < 0 ? error_prefix(error, r, "%s.%s", name, key) : 0;
}

/* What has no default must be said by somebody. */
static int check_needs(const struct broker_options *options, const struct run_spec *spec,
                       const char *name, struct error *error)
{
    const char *needed = strcmp(name, "email") == 0     ? "recipient"
                         : strcmp(name, "webhook") == 0 ? "url"
                                                        : NULL;
    json_auto_t *all = needed ? observers_options(options, spec, name) : NULL;

    if (!needed) {
        return 0;
    }
    if (!all) {
        return error_set_errno(error, -ENOMEM, "the observer %s", name);
    }
    return json_object_get(all, needed)
               ? 0
               : error_set(error, -EINVAL,
                           "the observer %s needs --observer-%s-%s, or the broker's configuration "
                           "observer-%s-%s",
                           name, name, needed, name, needed);
}

int observers_check(const struct broker_options *options, const struct run_spec *spec,
                    struct error *error)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < spec->observer_options.count; i++) {
        r = check_option(options, spec->observer_options.items[i], error);
    }
    for (size_t i = 0; r == 0 && i < spec->observers.count; i++) {
        _cleanup_(strlist_clear) struct strlist command = {0};
        r = observers_find(options, spec->observers.items[i], &command, error);
        if (r == 0) {
            r = check_needs(options, spec, spec->observers.items[i], error);
        }
    }
    return r < 0 && r != -ENOMEM ? -EINVAL : r;
}
