/* SPDX-License-Identifier: MPL-2.0 */
/* Finding modules. A compiled one wins over its source, so that tests can be shipped to machines
 * without a compiler; if the source is newer, whoever forgot to compile is told. All are found
 * before the first is compiled, so that a mistake in a name is told at once. */
#include "prepare.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/utf8.h"
#include "compile.h"
#include "run/archive.h"
#include "wire/fqn.h"
#include "wire/mix.h"

struct candidate {
    char *path; /* absolute */
    bool exists;
    struct timespec modified;
};

static void candidate_clear(struct candidate *candidate)
{
    free(candidate->path);
}

static int look_for(const char *directory, const char *module, const char *suffix,
                    struct candidate *ret, struct error *error)
{
    struct stat status;

    if (asprintf(&ret->path, "%s/%s%s", strcmp(directory, "/") == 0 ? "" : directory, module,
                 suffix) < 0) {
        ret->path = NULL;
        return error_set_errno(error, -ENOMEM, "module");
    }
    if (stat(ret->path, &status) < 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : error_set_errno(error, -errno, "can't look for %s", ret->path);
    }
    ret->exists = S_ISREG(status.st_mode);
    ret->modified = status.st_mtim;
    return 0;
}

static bool is_newer(const struct candidate *a, const struct candidate *b)
{
    return a->modified.tv_sec != b->modified.tv_sec ? a->modified.tv_sec > b->modified.tv_sec
                                                    : a->modified.tv_nsec > b->modified.tv_nsec;
}

static int compile(const struct prepare_options *options, const char *directory, const char *source,
                   char **ret, struct error *error)
{
    const struct compile_options compile_options = {.directory = directory,
                                                    .source = source,
                                                    .include_dir = options->include_dir,
                                                    .cflags = options->cflags,
                                                    .libs = options->libs,
                                                    .no_patching = options->no_patching,
                                                    .temporary_dir = options->temporary_dir};
    return compile_module(&compile_options, ret, error);
}

/* mix NULL: the module. */
static int use_python(const struct prepare_options *options, const char *directory,
                      const struct strlist *sources, const struct mix *mix, struct python *ret,
                      struct error *error)
{
    static const struct strlist none = {0};
    const struct python_options python = {.directory = directory,
                                          .mix = mix,
                                          .module = options->module,
                                          .deps =
                                              options->python_deps ? options->python_deps : &none,
                                          .deps_dir = options->python_dir,
                                          .sources = sources,
                                          .importing = options->importing,
                                          .context = options->context};
    return python_prepare(&python, ret, error);
}

/* ---- finding --------------------------------------------------------------------------------- */

struct found {
    const char *name; /* "path/to/module" */
    enum { OBJECT, SOURCE, SCRIPT } kind;
    char *file; /* absolute */
};

struct search {
    struct found modules[MIX_MAX_TESTS];
    unsigned n;
};

static void search_clear(struct search *search)
{
    for (unsigned i = 0; i < search->n; i++) {
        free(search->modules[i].file);
    }
}

static int not_found(const char *directory, const char *module, struct error *error)
{
    const char *last = strrchr(module, '/');
    bool suffix =
        last && (strcmp(last, "/c") == 0 || strcmp(last, "/py") == 0 || strcmp(last, "/so") == 0);

    return error_set(error, -ENOENT,
                     "there is no module '%s': neither %s.so nor %s.c nor %s.py is in %s; %s",
                     module, module, module, module, directory,
                     suffix ? "a module is called without the suffix of its file"
                            : "run from the directory where its path begins");
}

static int find_module(const char *directory, struct found *found, struct error *error)
{
    _cleanup_(candidate_clear) struct candidate object = {.path = NULL};
    _cleanup_(candidate_clear) struct candidate source = {.path = NULL};
    _cleanup_(candidate_clear) struct candidate script = {.path = NULL};

    int r = look_for(directory, found->name, ".so", &object, error);
    if (r == 0) {
        r = look_for(directory, found->name, ".c", &source, error);
    }
    if (r == 0) {
        r = look_for(directory, found->name, ".py", &script, error);
    }
    if (r < 0) {
        return r;
    }
    if (!object.exists && !source.exists && !script.exists) {
        return not_found(directory, found->name, error);
    }
    if (object.exists && source.exists && is_newer(&source, &object)) {
        log_warning("%s is newer than %s, which is used; remove that to have it compiled",
                    source.path, object.path);
    }
    found->kind = object.exists ? OBJECT : source.exists ? SOURCE : SCRIPT;
    found->file = object.exists   ? TAKE_PTR(object.path)
                  : source.exists ? TAKE_PTR(source.path)
                                  : TAKE_PTR(script.path);
    return 0;
}

/* Whether they can be in one run, and what is only for Python is not passed over in silence. */
static int check(const struct prepare_options *options, const struct search *search,
                 struct error *error)
{
    const struct found *first = &search->modules[0];

    for (unsigned i = 1; i < search->n; i++) {
        const struct found *other = &search->modules[i];
        const struct found *script = first->kind == SCRIPT ? first : other;
        if ((first->kind == SCRIPT) != (other->kind == SCRIPT)) {
            return error_set(error, -EINVAL,
                             "the module '%s' is in Python and '%s' in C: the tests of a run are "
                             "in one language; start a run for each",
                             script->name, script == first ? other->name : first->name);
        }
    }
    return first->kind != SCRIPT && options->python_deps && options->python_deps->count > 0
               ? error_set(error, -EINVAL, "--python-dep: the module '%s' is in C, not in Python",
                           first->name)
               : 0;
}

/* ---- using what was found -------------------------------------------------------------------- */

/* *path is the shared object's. */
static int use_c(const struct prepare_options *options, const char *directory,
                 const struct found *found, char **path, struct error *error)
{
    char source[FQN_MAX_BYTES + 3];

    if (found->kind == OBJECT) {
        *path = strdup(found->file);
        return *path ? 0 : error_set_errno(error, -ENOMEM, "module");
    }
    (void)snprintf(source, sizeof source, "%s.c", found->name);
    return compile(options, directory, source, path, error);
}

static int use(const struct prepare_options *options, const char *directory,
               const struct search *search, const struct mix *mix, struct prepared_modules *ret,
               struct error *error)
{
    int r = 0;

    for (unsigned i = 0; i < search->n; i++) {
        if (strlist_add(&ret->sources, search->modules[i].file) < 0) {
            return error_set_errno(error, -ENOMEM, "module");
        }
    }
    if (search->modules[0].kind == SCRIPT) {
        return use_python(options, directory, &ret->sources, options->fqn ? mix : NULL,
                          &ret->python, error);
    }
    for (unsigned i = 0; r == 0 && i < search->n; i++) {
        _cleanup_free_ char *path = NULL;
        r = use_c(options, directory, &search->modules[i], &path, error);
        if (r == 0 && strlist_add(&ret->paths, path) < 0) {
            r = error_set_errno(error, -ENOMEM, "module");
        }
    }
    return r;
}

static int find_and_use(const struct prepare_options *options, const char *directory,
                        const struct mix *mix, struct prepared_modules *ret, struct error *error)
{
    _cleanup_(search_clear) struct search search = {.n = mix->n_modules};
    int r = 0;

    for (unsigned i = 0; r == 0 && i < search.n; i++) {
        search.modules[i].name = mix_module(mix, i);
        r = find_module(directory, &search.modules[i], error);
    }
    if (r == 0) {
        r = check(options, &search, error);
    }
    return r < 0 ? r : use(options, directory, &search, mix, ret, error);
}

int prepare_modules(const struct prepare_options *options, struct prepared_modules *ret,
                    struct error *error)
{
    struct mix mix = {.n = 1, .n_modules = 1};
    int r = options->fqn ? mix_parse(options->fqn, &mix, error)
                         : fqn_parse_module(options->module, mix.tests[0].fqn.module, error);

    if (r < 0) {
        return r;
    }
    const char *test_dir = options->test_dir ? options->test_dir : ".";
    _cleanup_free_ char *directory = realpath(test_dir, NULL);
    if (!directory) {
        return error_set_errno(error, -errno, "can't use the test directory '%s'", test_dir);
    }
    if (!utf8_valid(directory, strlen(directory))) {
        return error_set(error, -EILSEQ,
                         "the path of the test directory is not UTF-8, which no run specification "
                         "can carry: %s",
                         directory);
    }
    r = options->archive ? archive_extract(options->archive, directory, ARCHIVE_MAX_UNPACKED, error)
                         : 0;
    return r < 0 ? r : find_and_use(options, directory, &mix, ret, error);
}

void prepared_modules_clear(struct prepared_modules *modules)
{
    strlist_clear(&modules->sources);
    strlist_clear(&modules->paths);
    python_clear(&modules->python);
    *modules = (struct prepared_modules){.paths = {0}};
}
