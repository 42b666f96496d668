/* SPDX-License-Identifier: MPL-2.0 */
/* What is known of a broker decides: an address that is not known is connected to without a key, as
 * on one machine. */
#include "run/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "run/key_file.h"

#define MAX_LINE_BYTES 1024
#define SYSTEM         "/etc/loads"
#define TCP            "tcp://"

static char *join(const char *directory, const char *middle, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s%s/%s", directory, middle, name) < 0 ? NULL : path;
}

int identity_own_path(const char *name, char **ret)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    *ret = config && *config ? join(config, "/loads", name)
           : home && *home   ? join(home, "/.config/loads", name)
                             : join(SYSTEM, "", name);
    return *ret ? 0 : -ENOMEM;
}

/* Where a file may be; what is said in the first counts. */
enum { OF_SERVICE, OF_USER, OF_SYSTEM, PLACES };

struct places {
    char *paths[PLACES]; /* NULL: there is no such place */
};

static void places_clear(struct places *places)
{
    for (size_t i = 0; i < PLACES; i++) {
        free(places->paths[i]);
    }
}

static int find_places(const char *name, struct places *ret, struct error *error)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    int r = identity_own_path(name, &ret->paths[OF_USER]);

    ret->paths[OF_SYSTEM] = join(SYSTEM, "", name);
    ret->paths[OF_SERVICE] = credentials && *credentials ? join(credentials, "", name) : NULL;
    return r < 0 || !ret->paths[OF_SYSTEM] ? error_set_errno(error, -ENOMEM, "keys") : 0;
}

/* ---- brokers ---- */

/* One line. 1: it is the address that is looked for. */
static int read_line(char *line, const char *address, struct mq_key *ret)
{
    static const char blanks[] = " \t\r\n";
    char *rest = NULL, *known = strtok_r(line, blanks, &rest);

    if (!known || *known == '#') {
        return 0;
    }
    char *key = strtok_r(NULL, blanks, &rest);
    if (!key || strtok_r(NULL, blanks, &rest) || !mq_key_parse(key, ret)) {
        return -EINVAL;
    }
    return strcmp(known, address) == 0;
}

/* 1: the address is in the file; 0: it isn't, or there is no file. */
static int look_up(const char *path, const char *address, struct mq_key *ret, struct error *error)
{
    _cleanup_file_ FILE *file = path ? fopen(path, "re") : NULL;
    char line[MAX_LINE_BYTES];

    if (path && !file && errno != ENOENT) {
        return error_set_errno(error, -errno, "cannot read %s", path);
    }
    for (unsigned number = 1; file && fgets(line, sizeof line, file); number++) {
        int r = read_line(line, address, ret);
        if (r < 0) {
            return error_set(error, r, "%s:%u: ADDRESS PUBLICKEY is expected", path, number);
        }
        if (r > 0) {
            return r;
        }
    }
    return file && ferror(file) ? error_set(error, -EIO, "cannot read %s", path) : 0;
}

/* The same, in the first place that has the address; which one that is, unless `where` is NULL. */
static int look_everywhere(const struct places *places, const char *address, struct mq_key *ret,
                           const char **where, struct error *error)
{
    int r = 0;

    for (size_t i = 0; i < PLACES && r == 0; i++) {
        r = look_up(places->paths[i], address, ret, error);
        if (r > 0 && where) {
            *where = places->paths[i];
        }
    }
    return r;
}

static int is_same(const struct mq_key *known, const char *key, const char *address,
                   const char *where, struct error *error)
{
    return strcmp(known->text, key) == 0
               ? 1
               : error_set(error, -EEXIST,
                           "another key is known of %s: if the broker has a new one, take the line "
                           "away from %s",
                           address, where);
}

int identity_check(const char *address, const char *key, struct error *error)
{
    _cleanup_(places_clear) struct places places = {.paths = {NULL}};
    const char *where = NULL;
    struct mq_key known;
    int r = find_places(IDENTITY_BROKERS, &places, error);

    if (r == 0) {
        r = look_everywhere(&places, address, &known, &where, error);
    }
    return r > 0 ? is_same(&known, key, address, where, error) : r;
}

/* The first one that is there; NULL in *ret: none. */
static int find_key(char **ret, struct error *error)
{
    _cleanup_(places_clear) struct places places = {.paths = {NULL}};
    int r = find_places(IDENTITY_KEY, &places, error);

    *ret = NULL;
    for (size_t i = 0; r == 0 && i < PLACES && !*ret; i++) {
        if (places.paths[i] && access(places.paths[i], F_OK) == 0) {
            *ret = TAKE_PTR(places.paths[i]);
        }
    }
    return r;
}

int identity_find(const char *address, struct identity *ret, struct error *error)
{
    _cleanup_(places_clear) struct places brokers = {.paths = {NULL}};
    _cleanup_free_ char *own = NULL;
    struct key_file key;

    if (strncmp(address, TCP, strlen(TCP)) != 0) {
        return 0;
    }
    int r = find_places(IDENTITY_BROKERS, &brokers, error);
    if (r == 0) {
        r = look_everywhere(&brokers, address, &ret->broker, NULL, error);
    }
    if (r <= 0) {
        return r;
    }
    r = find_key(&own, error);
    if (r < 0) {
        return r;
    }
    if (!own) {
        return error_set(error, -ENOENT,
                         "the broker at %s wants a key, and there is none: 'loadsctl keygen NAME' "
                         "makes one",
                         address);
    }
    r = key_file_read(own, &key, error);
    if (r < 0) {
        return r;
    }
    ret->pair = key.pair;
    explicit_bzero(&key, sizeof key);
    return 1;
}

int identity_assume(struct mq *mq, const char *address, struct error *error)
{
    struct identity identity;
    int r = identity_find(address, &identity, error);

    if (r > 0) {
        mq_identify(mq, &identity.pair, &identity.broker);
        explicit_bzero(&identity, sizeof identity);
    }
    return r;
}

/* ---- believing one ---- */

/* Where an editor has left the last line without an end, that comes first. Reading and writing take
 * a change of place in between. */
static const char *end_of_last_line(FILE *file)
{
    bool lacks = fseek(file, -1, SEEK_END) == 0 && getc(file) != '\n';
    return fseek(file, 0, SEEK_END) == 0 && lacks ? "\n" : "";
}

/* Whoever may look into the directory may read the file: there is nothing secret in it. */
static int append(const char *path, const char *address, const char *key, struct error *error)
{
    int r = key_make_directories(path);

    if (r < 0) {
        return error_set_errno(error, r, "cannot write %s", path);
    }
    bool made = access(path, F_OK) < 0;
    FILE *file = fopen(path, "a+e");
    if (!file) {
        return error_set_errno(error, -errno, "cannot write %s", path);
    }
    int written = fprintf(file, "%s%s %s\n", end_of_last_line(file), address, key);
    if (made && fchmod(fileno(file), 0644) < 0) {
        written = -1;
    }
    return fclose(file) == 0 && written > 0 ? 1 : error_set(error, -EIO, "cannot write %s", path);
}

/* 1: the key is known, so that no line is needed. */
static int is_known(const char *file, const char *address, const char *key, struct error *error)
{
    _cleanup_(places_clear) struct places places = {.paths = {NULL}};
    struct mq_key known;
    int r = find_places(IDENTITY_BROKERS, &places, error);

    if (r < 0) {
        return r;
    }
    const char *path = file ? file : places.paths[OF_USER];
    r = look_up(path, address, &known, error);
    if (r != 0) {
        return r < 0 ? r : is_same(&known, key, address, path, error);
    }
    r = file ? 0 : look_up(places.paths[OF_SYSTEM], address, &known, error);
    return r > 0 ? strcmp(known.text, key) == 0 : r;
}

int identity_trust(const char *file, const char *address, const char *key, struct error *error)
{
    _cleanup_free_ char *own = NULL;
    struct mq_key given;

    if (strncmp(address, TCP, strlen(TCP)) != 0 || strpbrk(address, " \t\r\n")) {
        return error_set(error, -EINVAL,
                         "'%.200s' is no address such as tcp://box1:7780: only those have keys",
                         address);
    }
    if (!mq_key_parse(key, &given)) {
        return error_set(error, -EINVAL, "'%.60s' is no public key", key);
    }
    if (!file && identity_own_path(IDENTITY_BROKERS, &own) < 0) {
        return error_set_errno(error, -ENOMEM, "keys");
    }
    int r = is_known(file, address, given.text, error);
    return r == 0 ? append(file ? file : own, address, given.text, error) : MIN(r, 0);
}
