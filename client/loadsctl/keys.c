/* SPDX-License-Identifier: MPL-2.0 */
/* A key is a file NAME.key in the broker's directory, with one line; a broker that runs reads them
 * again when it is told to. */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "remote/status.h"
#include "run/identity.h"
#include "run/key_file.h"

static enum exit_code fail(int code, const struct error *error)
{
    log_error("%s", error->text);
    return code == -EINVAL || code == -EEXIST ? EXIT_USAGE : EXIT_FAILED;
}

static enum exit_code usage(const char *text, const char *verb)
{
    log_error("%s; try 'loadsctl %s --help'", text, verb);
    return EXIT_USAGE;
}

/* ---- keygen ---- */

static enum exit_code print_pair(const struct key_file *key, const char *path, const char *role,
                                 bool json)
{
    const char *public_key = key->pair.public_key.text;

    if (json) {
        _cleanup_(json_decrefp) json_t *document =
            json_pack("{ss ss ss ss}", "name", key->name, "file", path, "public_key", public_key,
                      "role", role);
        return status_print_json(document);
    }
    (void)fprintf(stderr, "%s has the key now. For the broker:\n", path);
    (void)printf("%s %s %s\n", key->name, role, public_key); /* main() looks at stdout */
    return EXIT_PASSED;
}

enum exit_code verb_keygen(const struct ctl_options *options)
{
    const char *role = options->role ? options->role : key_role_word(KEY_RUN);
    _cleanup_free_ char *own = NULL;
    struct error error = {0};
    struct key_file key;

    if (options->words.count != 1) {
        return usage("a name for the key is expected", "keygen");
    }
    if (key_role_parse(role) == KEY_NOBODY) {
        return usage("--role: observe, run, admin or agent is expected", "keygen");
    }
    int r = options->file ? 0 : identity_own_path(IDENTITY_KEY, &own);
    const char *path = options->file ? options->file : own;
    r = r < 0 ? error_set_errno(&error, r, "keygen")
              : key_file_make(path, options->words.items[0], &key, &error);
    if (r < 0) {
        return fail(r, &error);
    }
    enum exit_code code = print_pair(&key, path, role, options->json);
    explicit_bzero(&key, sizeof key);
    return code;
}

/* ---- key ---- */

static const char *keys_dir(const struct ctl_options *options)
{
    return options->keys_dir ? options->keys_dir : KEYS_DIR;
}

static enum exit_code print_change(const struct ctl_options *options, const char *path)
{
    if (options->json) {
        _cleanup_(json_decrefp) json_t *document = json_pack("{ss}", "file", path);
        return status_print_json(document);
    }
    (void)printf("%s: a broker that runs reads it with 'systemctl reload loads-broker'\n", path);
    return EXIT_PASSED;
}

static int write_line(const char *path, const char *line, struct error *error)
{
    _cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0 && errno == EEXIST) {
        return error_set(error, -EEXIST, "%s exists already: 'loadsctl key remove' it first", path);
    }
    if (fd < 0 || dprintf(fd, "%s\n", line) < 0) {
        return error_set_errno(error, -errno, "cannot write %s", path);
    }
    return 0;
}

static enum exit_code add(const struct ctl_options *options)
{
    const struct strlist *words = &options->words;
    _cleanup_free_ char *line = NULL, *path = NULL;
    struct error error = {0};
    struct key_line parsed;

    if (words->count < 4 || words->count > 5) {
        return usage("key add: NAME ROLE PUBLICKEY [HOSTS] is expected", "key");
    }
    if (asprintf(&line, "%s %s %s%s%s", words->items[1], words->items[2], words->items[3],
                 words->count > 4 ? " " : "", words->count > 4 ? words->items[4] : "") < 0) {
        line = NULL;
    }
    path = key_directory_path(keys_dir(options), words->items[1]);
    int r = line && path ? key_line_parse(line, &parsed, &error)
                         : error_set_errno(&error, -ENOMEM, "key add");
    if (r == 0) {
        r = error_set(&error, -EINVAL, "NAME ROLE PUBLICKEY [HOSTS] is expected");
    }
    if (r > 0) {
        (void)mkdir(keys_dir(options), 0755); /* the file says what is wrong */
        r = write_line(path, line, &error);
    }
    return r < 0 ? fail(r, &error) : print_change(options, path);
}

static enum exit_code take_away(const struct ctl_options *options)
{
    _cleanup_free_ char *path = NULL;

    if (options->words.count != 2 || !key_name_is_valid(options->words.items[1])) {
        return usage("key remove: a NAME is expected", "key");
    }
    path = key_directory_path(keys_dir(options), options->words.items[1]);
    if (!path || unlink(path) < 0) {
        log_error("cannot take %s away: %s", path ? path : "it", strerror(errno));
        return EXIT_FAILED;
    }
    return print_change(options, path);
}

struct listing {
    json_t *array; /* NULL: for people */
    bool good;
};

/* What is wrong is said, and the others are shown. */
static int list_line(const struct key_line *line, const char *text, void *context)
{
    struct listing *listing = context;

    if (!line) {
        log_error("%s", text);
        listing->good = false;
    } else if (listing->array) {
        json_t *object =
            json_pack("{ss ss ss ss}", "name", line->name, "role", key_role_word(line->role),
                      "public_key", line->public_key.text, "hosts", line->hosts);
        return json_array_append_new(listing->array, object) < 0 ? -ENOMEM : 0;
    } else {
        (void)printf("%-16s  %-7s  %s  %s\n", line->name, key_role_word(line->role),
                     line->public_key.text, line->hosts); /* main() looks at stdout */
    }
    return 0;
}

static enum exit_code list(const struct ctl_options *options)
{
    _cleanup_(json_decrefp) json_t *array = options->json ? json_array() : NULL;
    struct listing listing = {.array = array, .good = true};
    int r = key_directory_read(keys_dir(options), list_line, &listing);

    if (r < 0 && r != -ENOENT) {
        log_error("cannot read %s: %s", keys_dir(options), strerror(-r));
        return EXIT_FAILED;
    }
    enum exit_code code = options->json ? status_print_json(array) : EXIT_PASSED;
    return code == EXIT_PASSED && !listing.good ? EXIT_FAILED : code;
}

enum exit_code verb_key(const struct ctl_options *options)
{
    const char *action = options->words.count > 0 ? options->words.items[0] : "";

    if (strcmp(action, "add") == 0) {
        return add(options);
    }
    if (strcmp(action, "remove") == 0) {
        return take_away(options);
    }
    if (strcmp(action, "list") == 0 && options->words.count == 1) {
        return list(options);
    }
    return usage("add, remove or list is expected", "key");
}
