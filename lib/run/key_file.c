/* SPDX-License-Identifier: MPL-2.0 */
/* A pair is kept as an INI file, since that is what all files of the suite that people look at are;
 * what is known of others has one line for each, so that it can be sent by mail. */
#include "run/key_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ini.h"
#include "base/macros.h"

#define MAX_LINE_BYTES 512
#define SUFFIX         ".key"

static const char *const role_words[KEY_ROLES] = {
    [KEY_AGENT] = "agent",
    [KEY_OBSERVE] = "observe",
    [KEY_RUN] = "run",
    [KEY_ADMIN] = "admin",
};

const char *key_role_word(enum key_role role)
{
    return role < KEY_ROLES ? role_words[role] : NULL;
}

enum key_role key_role_parse(const char *word)
{
    for (unsigned role = KEY_NOBODY + 1; role < KEY_ROLES; role++) {
        if (strcmp(role_words[role], word) == 0) {
            return (enum key_role)role;
        }
    }
    return KEY_NOBODY;
}

bool key_name_is_valid(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = strlen(name);

    return size > 0 && size <= KEY_MAX_NAME && strspn(name, allowed) == size && name[0] != '.' &&
           name[0] != '-';
}

/* ---- a pair ---- */

static int write_pair(int fd, const struct key_file *key)
{
    return dprintf(fd,
                   "# A key of Loads. It is for nobody else: who has it can do what %s may.\n"
                   "[key]\nname = %s\npublic-key = %s\nsecret-key = %s\n",
                   key->name, key->name, key->pair.public_key.text,
                   key->pair.secret_key.text) > 0 &&
                   fsync(fd) == 0
               ? 0
               : -errno;
}

/* What is in /etc is for everybody to look into, whatever the umask of who has made it. */
static int make_directory(const char *path)
{
    static const char etc[] = "/etc/";
    mode_t mode = strncmp(path, etc, strlen(etc)) == 0 ? 0755 : 0700;

    if (mkdir(path, mode) < 0) {
        return errno == EEXIST ? 0 : -errno;
    }
    return chmod(path, mode) < 0 ? -errno : 0;
}

int key_make_directories(const char *path)
{
    _cleanup_free_ char *directory = strdup(path);
    int r = directory ? 0 : -ENOMEM;

    for (char *slash = directory; r == 0 && (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        r = make_directory(directory);
        *slash = '/';
    }
    return r;
}

int key_file_make(const char *path, const char *name, struct key_file *ret, struct error *error)
{
    if (!key_name_is_valid(name)) {
        return error_set(error, -EINVAL,
                         "'%.100s' is no name of a key: letters, digits, '.', '_' and '-', %d at "
                         "most",
                         name, KEY_MAX_NAME);
    }
    memset(ret, 0, sizeof *ret);
    memcpy(ret->name, name, strlen(name));
    int r = mq_key_pair_make(&ret->pair);
    if (r < 0) {
        return error_set(error, r, "this libzmq was built without CURVE: there can be no keys");
    }
    r = key_make_directories(path);
    _cleanup_fd_ int fd =
        r < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST && r == 0) {
        return error_set(error, -EEXIST, "%s exists already: a key is not written over", path);
    }
    if (fd < 0) {
        return error_set_errno(error, r < 0 ? r : -errno, "cannot write %s", path);
    }
    r = write_pair(fd, ret);
    if (r < 0) {
        (void)unlink(path); /* it is of no use */
        return error_set_errno(error, r, "cannot write %s", path);
    }
    return 0;
}

struct reading {
    struct key_file *key;
    const char *path;
};

/* The value is not said if it makes no sense: it may be most of a secret. */
static bool take_value(struct key_file *key, const char *name, const char *value)
{
    if (strcmp(name, "public-key") == 0) {
        return mq_key_parse(value, &key->pair.public_key);
    }
    if (strcmp(name, "secret-key") == 0) {
        return mq_key_parse(value, &key->pair.secret_key);
    }
    if (strcmp(name, "name") != 0 || !key_name_is_valid(value)) {
        return false;
    }
    memcpy(key->name, value, strlen(value) + 1);
    return true;
}

static int take_line(const struct ini_line *line, void *context, struct error *error)
{
    const struct reading *reading = context;

    if (strcmp(line->section, "key") != 0) {
        return error_set(error, -EINVAL, "%s:%u: a section [key] is expected", reading->path,
                         line->number);
    }
    if (line->key && !take_value(reading->key, line->key, line->value)) {
        return error_set(error, -EINVAL, "%s:%u: '%.60s' is unknown, or its value makes no sense",
                         reading->path, line->number, line->key);
    }
    return 0;
}

static int check_owner(int fd, const char *path, struct error *error)
{
    struct stat status;

    if (fstat(fd, &status) < 0) {
        return error_set_errno(error, -errno, "%s", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(error, -EINVAL, "%s is no file", path);
    }
    if (status.st_mode & (S_IRWXG | S_IRWXO)) {
        return error_set(error, -EPERM,
                         "%s can be used by others: 'chmod 600 %s', and if somebody may have read "
                         "it, make a new key",
                         path, path);
    }
    return 0;
}

int key_file_read(const char *path, struct key_file *ret, struct error *error)
{
    struct mq_key derived;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0) {
        return error_set_errno(error, -errno, "cannot read %s", path);
    }
    int r = check_owner(fd, path, error);
    if (r < 0) {
        close_fd(fd);
        return r;
    }
    _cleanup_file_ FILE *file = fdopen(fd, "r");
    if (!file) {
        close_fd(fd);
        return error_set_errno(error, -ENOMEM, "cannot read %s", path);
    }
    memset(ret, 0, sizeof *ret);
    r = ini_file_read(file, path, take_line, &(struct reading){ret, path}, error);
    if (r < 0) {
        return r;
    }
    if (mq_key_derive(&ret->pair.secret_key, &derived) < 0 ||
        strcmp(derived.text, ret->pair.public_key.text) != 0) {
        return error_set(error, -EINVAL, "%s: public-key and secret-key do not belong together",
                         path);
    }
    return ret->name[0] ? 0 : error_set(error, -EINVAL, "%s: name is missing", path);
}

/* ---- lines ---- */

static int take_words(char *const words[], size_t count, struct key_line *ret, struct error *error)
{
    if (count < 3 || count > 4) {
        return error_set(error, -EINVAL, "NAME ROLE PUBLICKEY [HOSTS] is expected");
    }
    if (!key_name_is_valid(words[0])) {
        return error_set(error, -EINVAL, "'%.100s' is no name of a key", words[0]);
    }
    ret->role = key_role_parse(words[1]);
    if (ret->role == KEY_NOBODY) {
        return error_set(error, -EINVAL, "'%.60s' is not observe, run, admin or agent", words[1]);
    }
    if (!mq_key_parse(words[2], &ret->public_key)) {
        return error_set(error, -EINVAL, "'%.60s' is no public key", words[2]);
    }
    if (count == 4 && ret->role != KEY_AGENT) {
        return error_set(error, -EINVAL, "only agents have HOSTS");
    }
    memcpy(ret->name, words[0], strlen(words[0]) + 1);
    memcpy(ret->hosts, count == 4 ? words[3] : "", count == 4 ? strlen(words[3]) + 1 : 1);
    return 0;
}

int key_line_parse(const char *text, struct key_line *ret, struct error *error)
{
    static const char blanks[] = " \t\r\n";
    char line[MAX_LINE_BYTES], *words[5], *rest = NULL;
    size_t count = 0, size = strlen(text);

    if (size >= sizeof line) {
        return error_set(error, -EINVAL, "the line is longer than %zu bytes", sizeof line - 1);
    }
    memcpy(line, text, size + 1);
    memset(ret, 0, sizeof *ret);
    for (char *word = strtok_r(line, blanks, &rest); word && count < ELEMENTSOF(words);
         word = strtok_r(NULL, blanks, &rest)) {
        words[count++] = word;
    }
    if (count == 0 || words[0][0] == '#') {
        return 0;
    }
    int r = count == 4 && strlen(words[3]) > KEY_MAX_HOSTS
                ? error_set(error, -EINVAL, "HOSTS is longer than %d bytes", KEY_MAX_HOSTS)
                : take_words(words, count, ret, error);
    return r < 0 ? r : 1;
}

/* ---- directories ---- */

char *key_directory_path(const char *directory, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s" SUFFIX, directory, name) < 0 ? NULL : path;
}

static int is_key_file(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > strlen(SUFFIX) &&
           strcmp(entry->d_name + size - strlen(SUFFIX), SUFFIX) == 0;
}

static int read_lines(const char *path, key_visit *visit, void *context)
{
    _cleanup_file_ FILE *file = fopen(path, "re");
    char text[2 * MAX_LINE_BYTES];
    struct key_line line;
    struct error error;
    int r = 0;

    if (!file) {
        error_set_errno(&error, -errno, "%s", path);
        return visit(NULL, error.text, context);
    }
    for (unsigned number = 1; r == 0 && fgets(text, sizeof text, file); number++) {
        int is_key = key_line_parse(text, &line, &error);
        if (is_key < 0) {
            error_prefix(&error, is_key, "%s:%u", path, number);
            r = visit(NULL, error.text, context);
        } else if (is_key > 0) {
            r = visit(&line, NULL, context);
        }
    }
    return r;
}

int key_directory_read(const char *directory, key_visit *visit, void *context)
{
    struct dirent **entries = NULL;
    int n = scandir(directory, &entries, is_key_file, alphasort), r = n < 0 ? -errno : 0;

    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *path = NULL;
        if (r == 0 && asprintf(&path, "%s/%s", directory, entries[i]->d_name) < 0) {
            path = NULL;
            r = -ENOMEM;
        }
        if (r == 0) {
            r = read_lines(path, visit, context);
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}
