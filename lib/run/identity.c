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

/* The first one that is there; NULL in *ret: none. */
static int find(const char *name, char **ret)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    char *paths[3] = {credentials && *credentials ? join(credentials, "", name) : NULL, NULL,
                      join(SYSTEM, "", name)};
    int r = identity_own_path(name, &paths[1]);

    *ret = NULL;
    for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
        if (!*ret && paths[i] && access(paths[i], F_OK) == 0) {
            *ret = paths[i];
        } else {
            free(paths[i]);
        }
    }
    return r;
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

int identity_known(const char *address, struct mq_key *ret, struct error *error)
{
    _cleanup_free_ char *brokers = NULL;

    if (find(IDENTITY_BROKERS, &brokers) < 0) {
        return error_set_errno(error, -ENOMEM, "keys");
    }
    return look_up(brokers, address, ret, error);
}

int identity_find(const char *address, struct identity *ret, struct error *error)
{
    _cleanup_free_ char *own = NULL;
    struct key_file key;

    if (strncmp(address, TCP, strlen(TCP)) != 0) {
        return 0;
    }
    int r = identity_known(address, &ret->broker, error);
    if (r <= 0) {
        return r;
    }
    if (find(IDENTITY_KEY, &own) < 0) {
        return error_set_errno(error, -ENOMEM, "keys");
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

static int append(const char *path, const char *address, const char *key, struct error *error)
{
    int r = key_make_directories(path);

    if (r < 0) {
        return error_set_errno(error, r, "cannot write %s", path);
    }
    FILE *file = fopen(path, "ae");
    if (!file) {
        return error_set_errno(error, -errno, "cannot write %s", path);
    }
    int written = fprintf(file, "%s %s\n", address, key);
    return fclose(file) == 0 && written > 0 ? 1 : error_set(error, -EIO, "cannot write %s", path);
}

int identity_trust(const char *address, const char *key, struct error *error)
{
    _cleanup_free_ char *path = NULL;
    struct mq_key given, known;

    if (strncmp(address, TCP, strlen(TCP)) != 0 || strpbrk(address, " \t\r\n")) {
        return error_set(error, -EINVAL,
                         "'%.200s' is no address such as tcp://box1:7780: only those have keys",
                         address);
    }
    if (!mq_key_parse(key, &given)) {
        return error_set(error, -EINVAL, "'%.60s' is no public key", key);
    }
    if (identity_own_path(IDENTITY_BROKERS, &path) < 0) {
        return error_set_errno(error, -ENOMEM, "keys");
    }
    int r = look_up(path, address, &known, error);
    if (r < 0) {
        return r;
    }
    if (r > 0 && strcmp(known.text, given.text) != 0) {
        return error_set(error, -EEXIST,
                         "another key is known of %s: if the broker has a new one, take the line "
                         "away from %s",
                         address, path);
    }
    return r > 0 ? 0 : append(path, address, given.text, error);
}
