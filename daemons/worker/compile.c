/* SPDX-License-Identifier: MPL-2.0 */
/* Compiling modules, once each. The key of the cache is a sum of what the preprocessor makes of the
 * source (so of every header that takes part, loads.h and its version included, whichever of
 * several it is), of the compiler's words and version, and of all flags. Lists of headers as `-MD`
 * writes them would save the preprocessor's few milliseconds, but don't notice a new header that
 * hides an old one. The key is taken again after compiling: an editor may have saved in between.
 *
 * Paths in the object are relative to the test directory: an agent unpacks the same tests into
 * another directory for each run, and still compiles them once. */
#include "compile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/words.h"
#include "cache.h"
#include "command.h"
#include "run/hash.h"

#define LIBC_HEADER     "/usr/include/stdint.h"
#define MAX_ATTEMPTS    3
#define MAX_INPUT_BYTES (64 << 20) /* of one file that flags name */

static const char *const module_flags[] = {
    "-std=gnu17", "-g", "-O2", "-fPIC", "-shared", "-fexceptions", "-fstack-clash-protection",
    "-Wall",
    /* Newer compilers take none of these either: what it would come to is a module that can't be
     * loaded, or compares a number with an address. */
    "-Werror=implicit-function-declaration", "-Werror=implicit-int", "-Werror=int-conversion"};

/* What is wrong is told where a macro of loads.h stands in the test, and not within it as well.
 * clang does that anyway, more or less, and wouldn't take it. */
static const char gcc_flag[] = "-ftrack-macro-expansion=0";
static const char gcc_words[] = "Free Software Foundation"; /* in what it says with --version */

/* With sanitizers, the compiler that built this program: another's runtime may not fit. */
static const char *const compilers[] = {
#ifdef LOADS_BUILD_COMPILER
    LOADS_BUILD_COMPILER,
#endif
    "cc", "gcc"};

struct compilation {
    const struct compile_options *options;
    struct error *error;
    struct strlist compiler; /* its words: $CC may have several */
    struct strlist flags;    /* that count for the key */
    struct strlist libs;
    unsigned char version[HASH_BYTES]; /* sum of what it says with --version */
    bool gcc;
    char *include_dir;
};

static void compilation_clear(struct compilation *compilation)
{
    strlist_clear(&compilation->compiler);
    strlist_clear(&compilation->flags);
    strlist_clear(&compilation->libs);
    free(compilation->include_dir);
}

static int add_all(struct strlist *list, const struct strlist *more)
{
    int r = 0;
    for (size_t i = 0; i < more->count && r == 0; i++) {
        r = strlist_add(list, more->items[i]);
    }
    return r;
}

static void hash_output(const void *bytes, size_t size, void *context)
{
    hash_add(context, bytes, size);
}

struct version {
    struct hash *hash;
    bool gcc;
};

static void take_version(const void *bytes, size_t size, void *context)
{
    struct version *version = context;

    hash_add(version->hash, bytes, size);
    version->gcc = version->gcc || memmem(bytes, size, gcc_words, strlen(gcc_words));
}

/* ---- the compiler ---- */

/* Takes the version of `compilation->compiler`. -ENOENT: there is no such program. */
static int ask_version(struct compilation *compilation)
{
    _cleanup_(hash_freep) struct hash *hash = NULL;
    struct version version = {.gcc = false};
    struct strlist words = {0};

    int r = hash_new(&hash);
    if (r == 0) {
        r = add_all(&words, &compilation->compiler);
    }
    if (r == 0) {
        version.hash = hash;
        r = strlist_add(&words, "--version");
    }
    if (r == 0) {
        const struct command command = {.words = &words,
                                        .directory = compilation->options->directory,
                                        .mute = true,
                                        .output = take_version,
                                        .context = &version};
        r = command_run(&command);
    }
    strlist_clear(&words);
    compilation->gcc = version.gcc;
    return r < 0 ? r : hash_finish(hash, compilation->version);
}

static int no_compiler(struct compilation *compilation, const char *tried)
{
    const char *source = compilation->options->source;
    return error_set(compilation->error, -ENOENT,
                     "there is no C compiler for %s (%s): install the package gcc, or put the "
                     "compiled %.*s.so beside it",
                     source, tried, (int)(strlen(source) - 2), source);
}

static int use_compiler(struct compilation *compilation, const char *text)
{
    strlist_clear(&compilation->compiler);
    int r = words_split(text, &compilation->compiler, compilation->error);
    if (r < 0) {
        return error_prefix(compilation->error, r, "CC");
    }
    if (compilation->compiler.count == 0) {
        return -ENOENT;
    }
    r = ask_version(compilation);
    return r < 0 && r != -ENOENT
               ? error_set_errno(compilation->error, r, "can't run the compiler '%s'", text)
               : r;
}

static int find_compiler(struct compilation *compilation)
{
    const char *chosen = getenv("CC");
    int r = -ENOENT;

    if (chosen && *chosen) {
        char tried[300];
        r = use_compiler(compilation, chosen);
        (void)snprintf(tried, sizeof tried, "CC is '%.200s'", chosen); /* cut is fine */
        return r == -ENOENT ? no_compiler(compilation, tried) : r;
    }
    for (size_t i = 0; i < ELEMENTSOF(compilers) && r == -ENOENT; i++) {
        r = use_compiler(compilation, compilers[i]);
    }
    return r == -ENOENT ? no_compiler(compilation, "neither cc nor gcc is in PATH") : r;
}

/* ---- flags ---- */

static int add_include_dir(struct compilation *compilation)
{
    _cleanup_free_ char *flag = NULL;
    const char *given = compilation->options->include_dir;
    int r = 0;

    if (given) {
        compilation->include_dir = strdup(given);
        r = compilation->include_dir ? 0 : -ENOMEM;
    } else {
        r = compile_include_dir(NULL, &compilation->include_dir);
    }
    if (r == 0 && asprintf(&flag, "-I%s", compilation->include_dir) < 0) {
        flag = NULL;
        r = -ENOMEM;
    }
    return r < 0 ? r : strlist_add(&compilation->flags, flag);
}

static int add_user_words(struct compilation *compilation, const char *option, const char *text,
                          struct strlist *list)
{
    int r = text ? words_split(text, list, compilation->error) : 0;
    return r < 0 ? error_prefix(compilation->error, r, "%s", option) : 0;
}

static int collect_flags(struct compilation *compilation)
{
    struct strlist *flags = &compilation->flags;
    int r = 0;

    for (size_t i = 0; i < ELEMENTSOF(module_flags) && r == 0; i++) {
        r = strlist_add(flags, module_flags[i]);
    }
    if (r == 0 && compilation->gcc) {
        r = strlist_add(flags, gcc_flag);
    }
    if (r == 0 && *LOADS_SANITIZE) {
        r = strlist_add(flags, "-fsanitize=" LOADS_SANITIZE);
    }
    if (r == 0 && *LOADS_SANITIZE) {
        r = strlist_add(flags, "-fno-omit-frame-pointer");
    }
    if (r == 0) {
        r = add_include_dir(compilation);
    }
    if (r < 0) {
        return error_set_errno(compilation->error, r, "flags of the compiler");
    }
    r = compilation->options->no_patching ? 0 : strlist_add(&compilation->libs, COMPILE_PATCHES);
    if (r < 0) {
        return error_set_errno(compilation->error, r, "flags of the compiler");
    }
    r = add_user_words(compilation, "--cflags", compilation->options->cflags, flags);
    if (r == 0) {
        r = add_user_words(compilation, "--libs", compilation->options->libs, &compilation->libs);
    }
    return r;
}

/* ---- the key ---- */

/* Adds the bytes of a file that a word names, such as "helper.o" among the libraries. */
static int hash_named_file(struct hash *hash, const char *directory, const char *word)
{
    _cleanup_free_ char *path = NULL;
    char buffer[16384];
    struct stat status;
    ssize_t n = 0;

    if (word[0] == '-') {
        return 0;
    }
    if (asprintf(&path, "%s%s%s", word[0] == '/' ? "" : directory, word[0] == '/' ? "" : "/",
                 word) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        status.st_size > MAX_INPUT_BYTES) {
        return 0; /* not a file to the compiler, either, or it will say so */
    }
    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        hash_add(hash, buffer, (size_t)n);
    }
    return n < 0 ? -errno : 0;
}

static int hash_words(struct hash *hash, const char *directory, const struct strlist *list)
{
    int r = 0;
    hash_add(hash, &list->count, sizeof list->count);
    for (size_t i = 0; i < list->count && r == 0; i++) {
        hash_add_text(hash, list->items[i]);
        r = hash_named_file(hash, directory, list->items[i]);
    }
    return r;
}

/* Runs the preprocessor into a hash, or, if `hash` is NULL, for its words alone. "-g0" keeps the
 * directory's name out of what it writes. Returns as command_run() does. */
static int preprocess(struct compilation *compilation, struct hash *hash)
{
    struct strlist words = {0};

    int r = add_all(&words, &compilation->compiler);
    if (r == 0) {
        r = add_all(&words, &compilation->flags);
    }
    if (r == 0) {
        r = strlist_add(&words, "-g0");
    }
    if (r == 0) {
        r = strlist_add(&words, "-E");
    }
    if (r == 0) {
        r = strlist_add(&words, compilation->options->source);
    }
    if (r == 0) {
        const struct command command = {.words = &words,
                                        .directory = compilation->options->directory,
                                        .mute = hash != NULL,
                                        .output = hash ? hash_output : NULL,
                                        .context = hash};
        r = command_run(&command);
    }
    strlist_clear(&words);
    return r;
}

/* What may be the reason, for people who have only just installed Loads: "" if it is another one.
 */
static const char *missing_package(const struct compilation *compilation)
{
    _cleanup_free_ char *header = NULL;

    if (asprintf(&header, "%s/loads/loads.h", compilation->include_dir) < 0) {
        header = NULL;
        return "";
    }
    return access(header, R_OK) < 0 ? "; loads/loads.h is not here: install the package loads-dev "
                                      "(Fedora: loads-devel)"
           : access(LIBC_HEADER, R_OK) < 0
               ? "; the C library's headers are not here: install the package libc6-dev (Fedora: "
                 "glibc-devel)"
               : "";
}

static int compiler_failed(struct compilation *compilation, int status)
{
    if (status < 0) {
        return error_set_errno(compilation->error, status, "can't run the compiler '%s'",
                               compilation->compiler.items[0]);
    }
    if (status > 256) {
        return error_set(compilation->error, -ENOEXEC, "the compiler was ended by signal %d",
                         status - 256);
    }
    return error_set(compilation->error, -ENOEXEC,
                     "%s doesn't compile; the compiler's words are above%s",
                     compilation->options->source, missing_package(compilation));
}

static int find_key(struct compilation *compilation, char key[static HASH_HEX_BYTES])
{
    const char *directory = compilation->options->directory;
    _cleanup_(hash_freep) struct hash *hash = NULL;
    unsigned char sum[HASH_BYTES];

    int r = hash_new(&hash);
    if (r == 0) {
        hash_add_text(hash, compilation->options->source);
        hash_add(hash, compilation->version, sizeof compilation->version);
        r = hash_words(hash, directory, &compilation->compiler);
    }
    if (r == 0) {
        r = hash_words(hash, directory, &compilation->flags);
    }
    if (r == 0) {
        r = hash_words(hash, directory, &compilation->libs);
    }
    if (r < 0) {
        return error_set_errno(compilation->error, r, "key of a compiled module");
    }
    r = preprocess(compilation, hash);
    if (r > 0 && r < 256) {
        r = preprocess(compilation, NULL); /* again, for the user to see */
    }
    if (r != 0) {
        return compiler_failed(compilation, r);
    }
    r = hash_finish(hash, sum);
    if (r < 0) {
        return error_set_errno(compilation->error, r, "key of a compiled module");
    }
    (void)hash_hex(sum, key); /* returns key */
    return 0;
}

/* ---- compiling ---- */

static int collect_command(struct compilation *compilation, const char *output,
                           struct strlist *words)
{
    _cleanup_free_ char *map = NULL;
    if (asprintf(&map, "-ffile-prefix-map=%s=.", compilation->options->directory) < 0) {
        map = NULL;
        return -ENOMEM;
    }
    const char *const last[] = {map, "-o", output, compilation->options->source};
    int r = add_all(words, &compilation->compiler);
    if (r == 0) {
        r = add_all(words, &compilation->flags);
    }
    for (size_t i = 0; i < ELEMENTSOF(last) && r == 0; i++) {
        r = strlist_add(words, last[i]);
    }
    return r < 0 ? r : add_all(words, &compilation->libs);
}

static int run_compiler(struct compilation *compilation, const char *output)
{
    struct strlist words = {0};
    int r = collect_command(compilation, output, &words);
    if (r == 0) {
        const struct command command = {.words = &words,
                                        .directory = compilation->options->directory};
        r = command_run(&command);
    }
    strlist_clear(&words);
    return r == 0 ? 0 : compiler_failed(compilation, r);
}

/* Compiles for a key into the cache. 1: done; 0: the source has another key by now, `key`. */
static int build(struct compilation *compilation, const char *directory,
                 char key[static HASH_HEX_BYTES], char **ret)
{
    _cleanup_free_ char *temporary = NULL;
    char key_after[HASH_HEX_BYTES];

    int r = cache_begin(directory, &temporary);
    if (r < 0) {
        return error_set_errno(compilation->error, r, "can't write to %s", directory);
    }
    r = run_compiler(compilation, temporary);
    if (r == 0) {
        r = find_key(compilation, key_after);
    }
    if (r == 0 && strcmp(key, key_after) == 0) {
        r = cache_commit(directory, temporary, key, ret);
        if (r == 0) {
            return 1;
        }
        (void)error_set_errno(compilation->error, r, "can't write to %s", directory);
    } else if (r == 0) {
        memcpy(key, key_after, HASH_HEX_BYTES);
    }
    (void)unlink(temporary); /* failing, it is dropped as old one day */
    return r;
}

static int find_or_build(struct compilation *compilation, char **ret)
{
    _cleanup_free_ char *directory = NULL;
    char key[HASH_HEX_BYTES];

    int r = cache_directory(compilation->options->temporary_dir, &directory, compilation->error);
    if (r == 0) {
        r = find_key(compilation, key);
    }
    if (r < 0) {
        return r;
    }
    for (unsigned attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        r = cache_find(directory, key, ret);
        if (r < 0) {
            return error_set_errno(compilation->error, r, "can't read from %s", directory);
        }
        if (r == 0) {
            r = build(compilation, directory, key, ret);
        }
        if (r != 0) {
            return r < 0 ? r : 0;
        }
    }
    return error_set(compilation->error, -EAGAIN,
                     "%s changes each time it is read (does it use __TIME__?)",
                     compilation->options->source);
}

int compile_module(const struct compile_options *options, char **ret, struct error *error)
{
    _cleanup_(compilation_clear) struct compilation compilation = {.options = options,
                                                                   .error = error};
    int r = find_compiler(&compilation);
    if (r == 0) {
        r = collect_flags(&compilation);
    }
    return r < 0 ? r : find_or_build(&compilation, ret);
}

int compile_include_dir(const char *program, char **ret)
{
    char self[PATH_MAX];
    _cleanup_free_ char *path = NULL, *header = NULL;

    if (!program) {
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[MAX(n, 0)] = '\0';
        program = self;
    }
    const char *slash = strrchr(program, '/');
    if (asprintf(&path, "%.*s/../include", (int)(slash ? slash - program : 0), program) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    if (asprintf(&header, "%s/loads/loads.h", path) < 0) {
        header = NULL;
        return -ENOMEM;
    }
    if (!slash || access(header, R_OK) < 0) {
        free(path);
        path = strdup(LOADS_INCLUDE_DIR);
        if (!path) {
            return -ENOMEM;
        }
    }
    *ret = TAKE_PTR(path);
    return 0;
}
