/* SPDX-License-Identifier: MPL-2.0 */
/* Files with keys. Who has a secret one proves with it who they are, so their file is nobody else's
 * to read. What a broker knows of others is in files with a line for each: "NAME ROLE PUBLICKEY
 * [HOSTS]", where HOSTS is a pattern of host names, for agents. */
#ifndef LOADS_RUN_KEY_FILE_H
#define LOADS_RUN_KEY_FILE_H

#include <stdio.h>

#include "base/error.h"
#include "loop/mq.h"

#define KEY_MAX_NAME  64
#define KEY_MAX_HOSTS 255

/* What a key may do; each role more than the one before, but for agents. */
enum key_role { KEY_NOBODY, KEY_AGENT, KEY_OBSERVE, KEY_RUN, KEY_ADMIN, KEY_ROLES };

/* "observe"; NULL for KEY_NOBODY. And back: KEY_NOBODY for an unknown word. */
const char *key_role_word(enum key_role role);
enum key_role key_role_parse(const char *word);

/* Letters, digits, '.', '_' and '-', KEY_MAX_NAME at most. */
bool key_name_is_valid(const char *name);

/* ---- a pair of one's own ---- */

struct key_file {
    char name[KEY_MAX_NAME + 1];
    struct mq_key_pair pair;
};

/* Makes a pair and its file, of mode 0600, with the directory. -EEXIST: there is one already, which
 * stays; -EINVAL: the name; with a text. */
int key_file_make(const char *path, const char *name, struct key_file *ret, struct error *error)
    _must_check_;

/* The directories that a file is in, as far as they aren't there: in /etc of mode 0755, elsewhere
 * 0700. */
int key_make_directories(const char *path) _must_check_;

/* -ENOENT; -EPERM: others can read it; -EINVAL: it is none; with a text that says what to do. */
int key_file_read(const char *path, struct key_file *ret, struct error *error) _must_check_;

/* ---- what is known of others ---- */

struct key_line {
    char name[KEY_MAX_NAME + 1];
    enum key_role role;
    struct mq_key public_key;
    char hosts[KEY_MAX_HOSTS + 1]; /* "": any */
};

#define KEYS_DIR "/etc/loads/keys.d" /* where a broker has them, unless it is told otherwise */

/* The file of a name's key in such a directory, malloc'ed, the caller's. NULL: no memory. */
char *key_directory_path(const char *directory, const char *name);

/* Calls `visit` for each line of each *.key file of a directory, in the order of their names; for
 * one that makes no sense, and a file that can't be read, `line` is NULL and the text says what is
 * wrong and where. Returns 0, what `visit` returned below 0, or -errno of the directory. */
typedef int key_visit(const struct key_line *line, const char *text, void *context);
int key_directory_read(const char *directory, key_visit *visit, void *context) _must_check_;

/* Reads a line. 0: it is blank or a comment; 1: there is one; -EINVAL with a text. */
int key_line_parse(const char *text, struct key_line *ret, struct error *error) _must_check_;

#endif
