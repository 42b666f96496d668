/* SPDX-License-Identifier: MPL-2.0 */
/* Compiles small sources, really. Each test has a directory of its own, with the tests' directory
 * ("t"), include directory ("include") and cache ("cache") in it. */
#include "test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "annotate.h"
#include "cache.h"
#include "compile.h"
#include "prepare.h"
#include "run/hash.h"

static char root[PATH_MAX];
static struct error error;

/* A path below the test's directory, valid until the fourth call after. */
static const char *below(const char *format, ...) _printf_(1, 2);
static const char *below(const char *format, ...)
{
    static char paths[4][2 * PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    va_list arguments;
    va_start(arguments, format);
    int length = snprintf(path, sizeof paths[0], "%s/", root);
    (void)vsnprintf(path + length, sizeof paths[0] - (size_t)length, format, arguments);
    va_end(arguments);
    return path;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_directory(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static int remove_entry(const char *path, const struct stat *status _unused_, int type _unused_,
                        struct FTW *place _unused_)
{
    return remove(path);
}

static int set_up(void **state _unused_)
{
    strcpy(root, "/tmp/test_compile.XXXXXX");
    assert_non_null(mkdtemp(root));
    make_directory(below("t"));
    make_directory(below("t/path"));
    make_directory(below("include"));
    make_directory(below("include/loads"));
    put(below("include/loads/loads.h"), "#define LOADS_VALUE 1\n");
    assert_int_equal(setenv("XDG_CACHE_HOME", below("cache"), 1), 0);
    assert_int_equal(setenv("HOME", root, 1), 0);
    assert_int_equal(unsetenv("CC"), 0);
    return 0;
}

static int tear_down(void **state _unused_)
{
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct compile_options options_for(const char *source)
{
    static char directory[PATH_MAX + 16], include_dir[PATH_MAX + 16];
    (void)snprintf(directory, sizeof directory, "%s/t", root);
    (void)snprintf(include_dir, sizeof include_dir, "%s/include", root);
    return (struct compile_options){
        .directory = directory, .source = source, .include_dir = include_dir};
}

/* Compiles; what goes to stderr meanwhile is in `words` (NULL: not wanted). */
static int compile_with_words(const struct compile_options *options, char **path, char *words,
                              size_t size)
{
    int saved = dup(2), file = open(below("stderr"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(saved >= 0 && file >= 0);
    assert_int_equal(dup2(file, 2), 2);
    int r = compile_module(options, path, &error);
    assert_int_equal(dup2(saved, 2), 2);
    ssize_t n = pread(file, words, size - 1, 0);
    assert_true(n >= 0);
    words[n] = '\0';
    close_fd(saved);
    close_fd(file);
    return r;
}

static char *compile(const struct compile_options *options)
{
    char *path = NULL;
    int r = compile_module(options, &path, &error);
    if (r < 0) {
        fail_msg("%s", error.text);
    }
    return path;
}

/* What value() of a module returns. */
static int value_of(const char *path)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        fail_msg("%s", dlerror());
    }
    int (*value)(void) = (int (*)(void))dlsym(module, "value");
    assert_non_null(value);
    int result = value();
    dlclose(module);
    return result;
}

static struct stat status_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status;
}

static void assert_same_file(const struct stat *a, const struct stat *b)
{
    assert_true(a->st_ino == b->st_ino);
    assert_true(a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec);
}

/* Files in the cache whose name begins so. */
static unsigned count_cached(const char *prefix)
{
    unsigned count = 0;
    DIR *dir = opendir(below("cache/loads"));
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        count += entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    }
    closedir(dir);
    return count;
}

static void test_once_per_content(void **state _unused_)
{
    const struct compile_options options = options_for("path/m.c");
    put(below("t/path/m.c"), "#include \"h.h\"\nint value(void) { return H; }\n");
    put(below("t/path/h.h"), "#define H 10\n");

    _cleanup_free_ char *first = compile(&options);
    struct stat before = status_of(first);
    assert_int_equal(value_of(first), 10);

    _cleanup_free_ char *again = compile(&options);
    assert_string_equal(again, first);
    struct stat after = status_of(again);
    assert_same_file(&before, &after);

    put(below("t/path/h.h"), "#define H 11\n");
    _cleanup_free_ char *changed = compile(&options);
    assert_string_not_equal(changed, first);
    assert_int_equal(value_of(changed), 11);

    put(below("t/path/h.h"), "#define H 10\n");
    _cleanup_free_ char *back = compile(&options);
    assert_string_equal(back, first);
    after = status_of(back);
    assert_same_file(&before, &after);
    assert_int_equal(count_cached(""), 2);
}

static void test_version_of_loads_h(void **state _unused_)
{
    const struct compile_options options = options_for("path/m.c");
    put(below("t/path/m.c"), "#include <loads/loads.h>\nint value(void) { return LOADS_VALUE; }\n");

    _cleanup_free_ char *first = compile(&options);
    assert_int_equal(value_of(first), 1);
    put(below("include/loads/loads.h"), "#define LOADS_VALUE 2\n");
    _cleanup_free_ char *second = compile(&options);
    assert_int_equal(value_of(second), 2);
}

/* A header that appears in front of the one that was used. */
static void test_a_header_that_hides_another(void **state _unused_)
{
    struct compile_options options = options_for("path/m.c");
    options.cflags = "-Icommon";
    make_directory(below("t/common"));
    put(below("t/path/m.c"), "#include \"h.h\"\nint value(void) { return H; }\n");
    put(below("t/common/h.h"), "#define H 20\n");

    _cleanup_free_ char *first = compile(&options);
    assert_int_equal(value_of(first), 20);
    put(below("t/path/h.h"), "#define H 21\n");
    _cleanup_free_ char *second = compile(&options);
    assert_int_equal(value_of(second), 21);
}

/* Agents unpack the same tests into another directory for each run. */
static void test_the_same_elsewhere(void **state _unused_)
{
    struct compile_options options = options_for("path/m.c");
    char elsewhere[PATH_MAX + 16];
    put(below("t/path/m.c"), "#include \"h.h\"\nint value(void) { return H; }\n");
    put(below("t/path/h.h"), "#define H 30\n");
    _cleanup_free_ char *first = compile(&options);
    struct stat before = status_of(first);

    make_directory(below("u"));
    make_directory(below("u/path"));
    put(below("u/path/m.c"), "#include \"h.h\"\nint value(void) { return H; }\n");
    put(below("u/path/h.h"), "#define H 30\n");
    (void)snprintf(elsewhere, sizeof elsewhere, "%s/u", root);
    options.directory = elsewhere;
    _cleanup_free_ char *second = compile(&options);
    assert_string_equal(second, first);
    struct stat after = status_of(second);
    assert_same_file(&before, &after);
}

static void test_flags_and_libraries(void **state _unused_)
{
    struct compile_options options = options_for("m.c");
    put(below("t/m.c"), "int helper(void);\n"
                        "int value(void) { return (int)sizeof NAME + helper(); }\n");
    put(below("t/helper.c"), "int helper(void) { return 100; }\n");
    options.cflags = "-DNAME='\"a b\"'";
    options.libs = "helper.c -lm";
    _cleanup_free_ char *first = compile(&options);
    assert_int_equal(value_of(first), 104);

    options.cflags = "-DNAME='\"a bc\"'";
    _cleanup_free_ char *second = compile(&options);
    assert_int_equal(value_of(second), 105);

    put(below("t/helper.c"), "int helper(void) { return 200; }\n");
    _cleanup_free_ char *third = compile(&options);
    assert_int_equal(value_of(third), 205);

    char *path = NULL;
    options.libs = "'-lm";
    assert_int_equal(compile_module(&options, &path, &error), -EINVAL);
    assert_string_equal(error.text, "--libs: ''-lm' has a quote without its end");
    options.cflags = "\"";
    assert_int_equal(compile_module(&options, &path, &error), -EINVAL);
    assert_string_equal(error.text, "--cflags: '\"' has a quote without its end");
}

/* The loader looks for this program's sleep() of another name, unless it shall be left alone. */
unsigned __wrap_sleep(unsigned seconds);
__attribute__((visibility("default"))) unsigned __wrap_sleep(unsigned seconds)
{
    return seconds + 100;
}

static void test_calls_that_block(void **state _unused_)
{
    struct compile_options options = options_for("m.c");
    put(below("t/m.c"), "#include <unistd.h>\n"
                        "int value(void) { return (int)sleep(0); }\n");
    _cleanup_free_ char *patched = compile(&options);
    assert_int_equal(value_of(patched), 100);
    options.no_patching = true;
    _cleanup_free_ char *plain = compile(&options);
    assert_string_not_equal(plain, patched);
    assert_int_equal(value_of(plain), 0);
    options.no_patching = false;
    _cleanup_free_ char *again = compile(&options);
    assert_string_equal(again, patched);
}

static void test_compiler_errors(void **state _unused_)
{
    const struct compile_options options = options_for("path/m.c");
    char words[8192], *path = NULL;

    put(below("t/path/m.c"), "int value(void) { return missing_thing; }\n");
    assert_int_equal(compile_with_words(&options, &path, words, sizeof words), -ENOEXEC);
    assert_non_null(strstr(words, "path/m.c:1:"));
    assert_non_null(strstr(words, "missing_thing"));
    assert_string_equal(error.text, "path/m.c doesn't compile; the compiler's words are above");
    assert_int_equal(count_cached(""), 0);

    put(below("t/path/m.c"), "#include \"missing.h\"\n");
    assert_int_equal(compile_with_words(&options, &path, words, sizeof words), -ENOEXEC);
    assert_non_null(strstr(words, "missing.h"));
    assert_int_equal(count_cached(""), 0);
    assert_null(path);

    put(below("t/path/m.c"), "int value(void) { int unused; return 1; }\n");
    assert_int_equal(compile_with_words(&options, &path, words, sizeof words), 0);
    assert_non_null(strstr(words, "unused"));
    free(path);
}

static void test_the_header_is_missing(void **state _unused_)
{
    const struct compile_options options = options_for("m.c");
    char words[8192], *path = NULL;

    put(below("t/m.c"), "#include <loads/loads.h>\n");
    assert_int_equal(unlink(below("include/loads/loads.h")), 0);
    assert_int_equal(compile_with_words(&options, &path, words, sizeof words), -ENOEXEC);
    assert_string_equal(error.text, "m.c doesn't compile; the compiler's words are above; "
                                    "loads/loads.h is not here: install the package loads-dev "
                                    "(Fedora: loads-devel)");
}

static void test_spoilt_files_are_made_again(void **state _unused_)
{
    const struct compile_options options = options_for("m.c");
    put(below("t/m.c"), "int value(void) { return 40; }\n");
    _cleanup_free_ char *path = compile(&options);

    for (int i = 0; i < 4; i++) {
        struct stat status = status_of(path);
        if (i == 0) {
            assert_int_equal(truncate(path, status.st_size - 1), 0);
        } else if (i == 1) {
            assert_int_equal(truncate(path, 0), 0);
        } else if (i == 2) {
            _cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);
            assert_int_equal(pwrite(fd, "x", 1, status.st_size / 2), 1);
        } else {
            assert_int_equal(unlink(path), 0);
            assert_int_equal(symlink("/dev/null", path), 0);
        }
        _cleanup_free_ char *again = compile(&options);
        assert_string_equal(again, path);
        assert_int_equal(value_of(again), 40);
    }
    assert_int_equal(count_cached(""), 1);
}

static void test_no_such_compiler(void **state _unused_)
{
    const struct compile_options options = options_for("path/m.c");
    char *path = NULL;
    put(below("t/path/m.c"), "int value(void) { return 50; }\n");

    assert_int_equal(setenv("CC", "/nonexistent/cc -m64", 1), 0);
    int r = compile_module(&options, &path, &error);
    if (RUNNING_ON_VALGRIND) { /* which makes a fork of what posix_spawn() does: errors are lost */
        assert_int_equal(r, -ENOEXEC);
        return;
    }
    assert_int_equal(r, -ENOENT);
    assert_string_equal(error.text,
                        "there is no C compiler for path/m.c (CC is '/nonexistent/cc -m64'): "
                        "install the package gcc, or put the compiled path/m.so beside it");
}

static void test_choice_of_compiler(void **state _unused_)
{
    const struct compile_options options = options_for("path/m.c");
    char *path = NULL;
    put(below("t/path/m.c"), "int value(void) { return 50; }\n");

    assert_int_equal(setenv("CC", "cc '", 1), 0);
    assert_int_equal(compile_module(&options, &path, &error), -EINVAL);
    assert_string_equal(error.text, "CC: 'cc '' has a quote without its end");

    assert_int_equal(setenv("CC", "env LC_ALL=C cc", 1), 0);
    _cleanup_free_ char *first = compile(&options);
    assert_int_equal(value_of(first), 50);
    assert_int_equal(setenv("CC", "env LC_ALL=C.UTF-8 cc", 1), 0);
    _cleanup_free_ char *second = compile(&options);
    assert_string_not_equal(first, second);
}

/* A compiler of the test's own: a script that gets the real one's arguments. */
static void use_script(const char *text)
{
    put(below("script"), text);
    assert_int_equal(chmod(below("script"), 0700), 0);
    assert_int_equal(setenv("CC", below("script"), 1), 0);
}

static void test_saved_while_compiling(void **state _unused_)
{
    const struct compile_options options = options_for("m.c");
    put(below("t/m.c"), "int value(void) { return 60; }\n");
    use_script("#!/bin/sh\n"
               "case \" $* \" in *' -o '*) test -e saved || {\n"
               "    : > saved; echo 'int value(void) { return 61; }' > m.c\n"
               "    cc \"$@\"; exit; };; esac\n"
               "exec cc \"$@\"\n");
    _cleanup_free_ char *path = compile(&options);
    assert_int_equal(value_of(path), 61);
    assert_int_equal(count_cached(""), 1);

    put(below("t/m.c"), "int value(void) { return 60; }\n");
    _cleanup_free_ char *other = compile(&options);
    assert_int_equal(value_of(other), 60);
}

static void test_a_source_that_never_stays(void **state _unused_)
{
    const struct compile_options options = options_for("m.c");
    char *path = NULL;
    put(below("t/m.c"), "int value(void) { return 1; }\n");
    use_script("#!/bin/sh\n"
               "case \" $* \" in *' -E '*) exec cat /proc/sys/kernel/random/uuid;; esac\n"
               "exec cc \"$@\"\n");
    assert_int_equal(compile_module(&options, &path, &error), -EAGAIN);
    assert_non_null(strstr(error.text, "m.c changes each time it is read"));
    assert_int_equal(count_cached(""), 0);

    use_script("#!/bin/sh\ncase \" $* \" in *' -o '*) kill -9 $$;; esac\nexec cc \"$@\"\n");
    assert_int_equal(compile_module(&options, &path, &error), -ENOEXEC);
    assert_string_equal(error.text, "the compiler was ended by signal 9");
    assert_null(path);
}

static void test_two_at_once(void **state _unused_)
{
    enum { N = 4 };
    const struct compile_options options = options_for("m.c");
    pid_t children[N];
    put(below("t/m.c"), "int value(void) { return 70; }\n");

    for (int i = 0; i < N; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            char *path = NULL;
            int r = compile_module(&options, &path, NULL);
            _exit(r == 0 && value_of(path) == 70 ? 0 : 1);
        }
    }
    for (int i = 0; i < N; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_int_equal(count_cached(""), 1);
}

static void make_old(const char *name)
{
    const struct timespec old[2] = {{.tv_sec = time(NULL) - CACHE_MAX_AGE_SEC - 10},
                                    {.tv_sec = time(NULL) - CACHE_MAX_AGE_SEC - 10}};
    assert_int_equal(utimensat(AT_FDCWD, name, old, 0), 0);
}

static void test_old_files_are_dropped(void **state _unused_)
{
    const struct compile_options options = options_for("m.c");
    put(below("t/m.c"), "int value(void) { return 80; }\n");
    _cleanup_free_ char *unused = compile(&options);
    put(below("t/m.c"), "int value(void) { return 81; }\n");
    _cleanup_free_ char *used = compile(&options);
    put(below("cache/loads/new.abcdef"), "");
    put(below("cache/loads/notes"), "not ours");
    make_old(unused);
    make_old(used);
    make_old(below("cache/loads/new.abcdef"));
    make_old(below("cache/loads/notes"));

    _cleanup_free_ char *hit = compile(&options);
    assert_string_equal(hit, used);
    assert_int_equal(count_cached(""), 4); /* a hit drops nothing */
    put(below("t/m.c"), "int value(void) { return 82; }\n");
    _cleanup_free_ char *built = compile(&options);
    assert_non_null(built);
    assert_int_equal(count_cached(""), 3);
    assert_int_equal(access(used, F_OK), 0);
    assert_int_equal(access(unused, F_OK), -1);
    assert_int_equal(access(below("cache/loads/notes"), F_OK), 0);
}

static void test_places_for_the_cache(void **state _unused_)
{
    char *path = NULL;
    assert_int_equal(cache_directory(NULL, &path, &error), 0);
    assert_string_equal(path, below("cache/loads"));
    free(TAKE_PTR(path));

    assert_int_equal(chmod(below("cache/loads"), 0777), 0); /* anybody could put a module there */
    assert_int_equal(cache_directory(NULL, &path, &error), 0);
    assert_string_equal(path, below(".cache/loads"));
    free(TAKE_PTR(path));

    assert_int_equal(setenv("XDG_CACHE_HOME", "relative", 1), 0);
    assert_int_equal(setenv("HOME", below("missing"), 1), 0);
    make_directory(below("run"));
    assert_int_equal(cache_directory(below("run"), &path, &error), 0);
    assert_string_equal(path, below("run"));
    assert_int_equal(access(below("missing"), F_OK), -1);
    free(TAKE_PTR(path));

    assert_int_equal(chmod(below("run"), 0770), 0);
    assert_int_equal(cache_directory(below("run"), &path, &error), -EACCES);
    assert_non_null(strstr(error.text, below("run")));
    assert_int_equal(cache_directory(NULL, &path, &error), -EACCES);
    assert_non_null(strstr(error.text, "neither XDG_CACHE_HOME nor HOME names one"));
    assert_null(path);
}

static void test_include_directory(void **state _unused_)
{
    _cleanup_free_ char *beside = NULL, *installed = NULL, *none = NULL, *own = NULL;

    make_directory(below("bin"));
    assert_int_equal(compile_include_dir(below("bin/loads-worker"), &beside), 0);
    assert_string_equal(beside, below("bin/../include"));
    assert_int_equal(compile_include_dir(below("t/path/loads-worker"), &installed), 0);
    assert_null(strstr(installed, root));
    assert_int_equal(compile_include_dir("worker", &none), 0);
    assert_string_equal(none, installed);
    assert_int_equal(compile_include_dir(NULL, &own), 0);
}

static void test_sha256(void **state _unused_)
{
    _cleanup_(hash_freep) struct hash *hash = NULL;
    unsigned char sum[HASH_BYTES];
    char hex[HASH_HEX_BYTES];

    assert_int_equal(hash_new(&hash), 0);
    hash_add(hash, "a", 1);
    hash_add(hash, "bc", 2);
    assert_int_equal(hash_finish(hash, sum), 0);
    assert_string_equal(hash_hex(sum, hex),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* ---- prepare ---- */

static void test_prepare_compiles(void **state _unused_)
{
    const struct compile_options options = options_for("");
    const struct prepare_options prepare = {
        .fqn = "path.m.Suite.test", .test_dir = below("t"), .include_dir = options.include_dir};
    _cleanup_(prepared_modules_clear) struct prepared_modules path = {.paths = {0}},
                                                              again = {.paths = {0}};
    put(below("t/path/m.c"), "int value(void) { return 90; }\n");

    assert_int_equal(prepare_modules(&prepare, &again, &error), 0);
    const struct prepare_options module = {
        .module = "path.m", .test_dir = below("t"), .include_dir = options.include_dir};
    assert_int_equal(prepare_modules(&module, &path, &error), 0);
    assert_string_equal(again.paths.items[0], path.paths.items[0]);
    assert_int_equal(value_of(path.paths.items[0]), 90);
}

/* Each module once, in the order in which they are first named. */
static void test_prepare_several(void **state _unused_)
{
    const struct compile_options options = options_for("");
    struct prepare_options prepare = {.fqn = "path.m.S.t:2 path.n.S.t path.m.S.u",
                                      .test_dir = options.directory,
                                      .include_dir = options.include_dir};
    _cleanup_(prepared_modules_clear) struct prepared_modules both = {.paths = {0}};
    struct prepared_modules none = {.paths = {0}};

    put(below("t/path/m.c"), "int value(void) { return 91; }\n");
    put(below("t/path/n.c"), "int value(void) { return 92; }\n");
    assert_int_equal(prepare_modules(&prepare, &both, &error), 0);
    assert_int_equal(both.paths.count, 2);
    assert_int_equal(value_of(both.paths.items[0]), 91);
    assert_int_equal(value_of(both.paths.items[1]), 92);

    put(below("t/path/n.c"), "this is not C\n");
    assert_int_equal(prepare_modules(&prepare, &none, &error), -ENOEXEC);
    assert_non_null(strstr(error.text, "path/n.c doesn't compile"));
    prepared_modules_clear(&none);
    put(below("t/path/p.py"), "");
    prepare.fqn = "path.m.S.t path.p.S.t";
    assert_int_equal(prepare_modules(&prepare, &none, &error), -EINVAL);
    assert_string_equal(
        error.text, "the module 'path/p' is in Python and 'path/m' in C: the tests of a run are "
                    "in one language; start a run for each");
    prepared_modules_clear(&none);
}

static void test_prepare_prefers_what_is_compiled(void **state _unused_)
{
    const struct prepare_options options = {.module = "path.m", .test_dir = below("t")};
    _cleanup_(prepared_modules_clear) struct prepared_modules path = {.paths = {0}};
    put(below("t/path/m.c"), "this is not C\n");
    put(below("t/path/m.so"), "neither is this");
    assert_int_equal(prepare_modules(&options, &path, &error), 0);
    assert_string_equal(path.paths.items[0], below("t/path/m.so"));
}

static void test_prepare_errors(void **state _unused_)
{
    struct prepare_options options = {.fqn = "path.m.Suite.test", .test_dir = below("t")};
    struct prepared_modules path = {.paths = {0}};
    char want[4 * PATH_MAX];

    make_directory(below("t/path/m.so")); /* a directory is no module */
    assert_int_equal(prepare_modules(&options, &path, &error), -ENOENT);
    (void)snprintf(
        want, sizeof want,
        "there is no module 'path/m': neither path/m.so nor path/m.c nor path/m.py is in "
        "%s; run from the directory where its path begins",
        below("t"));
    assert_string_equal(error.text, want);

    options.fqn = "path.m";
    assert_int_equal(prepare_modules(&options, &path, &error), -EINVAL);
    options.fqn = NULL;
    options.module = "../m";
    assert_int_equal(prepare_modules(&options, &path, &error), -EINVAL);
    options.module = "m";
    options.test_dir = "/nonexistent";
    assert_int_equal(prepare_modules(&options, &path, &error), -ENOENT);
    assert_string_equal(error.text, "can't use the test directory '/nonexistent': No such file or "
                                    "directory");

    make_directory(below("t/\xFF"));
    put(below("t/\xFF/m.so"), "");
    options.test_dir = below("t/\xFF");
    assert_int_equal(prepare_modules(&options, &path, &error), -EILSEQ);
    assert_int_equal(path.paths.count, 0);
}

/* ---- Python ---- */

static const char *test_dir(void)
{
    return options_for("").directory;
}

static const char *deps_dir(void)
{
    static char path[PATH_MAX + 16];

    (void)snprintf(path, sizeof path, "%s/deps", root);
    return path;
}

/* A virtual environment whose interpreter writes down what it is called with, and then does this.
 */
static void put_python(const char *script)
{
    char text[4096];

    (void)mkdir(below("venv"), 0700); /* they may be there */
    (void)mkdir(below("venv/bin"), 0700);
    (void)snprintf(text, sizeof text,
                   "#!/bin/sh\nprintf '%%s\\n' \"$PWD $PYTHONPATH $*\" >> '%s'\n%s\n",
                   below("calls"), script);
    put(below("venv/bin/python3"), text);
    assert_int_equal(chmod(below("venv/bin/python3"), 0700), 0);
    assert_int_equal(setenv("VIRTUAL_ENV", below("venv"), 1), 0);
    (void)unlink(below("calls")); /* there may be none */
}

static bool was_called(const char *words)
{
    _cleanup_file_ FILE *file = fopen(below("calls"), "re");
    char line[4 * PATH_MAX];
    bool found = false;

    while (file && fgets(line, sizeof line, file)) {
        found = found || strstr(line, words);
    }
    return found;
}

static void test_prepare_python(void **state _unused_)
{
    char *deps[] = {(char *)"requests==2.20", (char *)"own.whl", NULL};
    const struct strlist list = {.items = deps, .count = 2};
    const struct prepare_options options = {.fqn = "path.m.Suite.test",
                                            .test_dir = test_dir(),
                                            .python_deps = &list,
                                            .python_dir = deps_dir()};
    struct prepared_modules module = {.paths = {0}};
    char want[4 * PATH_MAX];

    put(below("t/path/m.py"), "");
    put_python("case \"$*\" in *--check*) echo 'Suite.test (m.py:3)';; esac");
    assert_int_equal(unsetenv("PYTHONPATH"), 0);
    assert_int_equal(prepare_modules(&options, &module, &error), 0);
    assert_int_equal(module.paths.count, 0);
    assert_string_equal(module.python.program, below("venv/bin/python3"));
    assert_int_equal(module.python.tests.count, 1);
    assert_string_equal(module.python.tests.items[0], "Suite.test (m.py:3)");
    (void)snprintf(want, sizeof want, "%s:%s", deps_dir(), below("t"));
    assert_memory_equal(module.python.path, want, strlen(want));
    (void)snprintf(want, sizeof want, "%s %s:%s", below("t"), deps_dir(), below("t"));
    assert_true(was_called(want));
    (void)snprintf(want, sizeof want, "install --quiet --target %s ", deps_dir());
    assert_true(was_called(want));
    assert_true(was_called(" requests==2.20 own.whl\n"));
    assert_true(was_called(" -m loads.runner --check path.m.Suite.test\n"));
    prepared_modules_clear(&module);

    put(below("t/path/m.c"), "");
    assert_int_equal(prepare_modules(&options, &module, &error), -EINVAL);
    assert_string_equal(error.text, "--python-dep: the module 'path/m' is in C, not in Python");
    prepared_modules_clear(&module);
}

static void note_source(const char *source, void *context)
{
    assert_int_equal(strlist_add(context, source), 0);
}

/* An empty line says where the next one begins. */
static void test_prepare_python_several(void **state _unused_)
{
    _cleanup_(strlist_clear) struct strlist sources = {0};
    const struct prepare_options options = {
        .fqn = "path.m.Suite.test path.n.Suite.test path.m.Suite.other",
        .test_dir = test_dir(),
        .importing = note_source,
        .context = &sources,
    };
    struct prepared_modules modules = {.paths = {0}};

    (void)unlink(below("t/path/m.c"));
    put(below("t/path/m.py"), "");
    put(below("t/path/n.py"), "");
    put_python("case \"$*\" in *--check*) echo; echo 'Suite.test (m.py:3)'; echo a; echo b;; esac");
    assert_int_equal(prepare_modules(&options, &modules, &error), 0);
    assert_true(was_called(" -m loads.runner --check path.m.Suite.test path.n.Suite.test "
                           "path.m.Suite.other\n"));
    assert_int_equal(modules.python.tests.count, 3);
    assert_string_equal(modules.python.tests.items[0], "Suite.test (m.py:3)");
    assert_int_equal(sources.count, 2);
    assert_string_equal(sources.items[0], below("t/path/m.py"));
    assert_string_equal(sources.items[1], below("t/path/n.py"));
    prepared_modules_clear(&modules);
}

static void fail_in_python(const char *script, int result, const char *text)
{
    char *deps[] = {(char *)"nothing==1", NULL};
    const struct strlist list = {.items = deps, .count = 1};
    const struct prepare_options options = {
        .module = "path.m", .test_dir = test_dir(), .python_deps = &list, .python_dir = deps_dir()};
    struct prepared_modules module = {.paths = {0}};

    put_python(script);
    assert_int_equal(prepare_modules(&options, &module, &error), result);
    assert_non_null(strstr(error.text, text));
    prepared_modules_clear(&module);
}

static void test_prepare_python_errors(void **state _unused_)
{
    put(below("t/path/m.py"), "");
    fail_in_python("case \"$1\" in -c) exit 3;; esac", -ENOENT,
                   "has no package 'loads', which tests in Python need: install the package "
                   "python3-loads");
    fail_in_python("case \"$*\" in *'pip --version'*) exit 1;; esac", -ENOENT,
                   "install the package python3-pip");
    fail_in_python("case \"$*\" in *'pip install'*) exit 1;; esac", -ENOEXEC,
                   "pip cannot install what the test needs (--python-dep nothing==1)");
    fail_in_python("case \"$*\" in *--list*) exit 2;; esac", -ENOEXEC,
                   "Python cannot use path.m, as it says itself");
    fail_in_python("case \"$*\" in *--list*) echo 'no class'; echo more; exit 3;; esac", -ENOENT,
                   "no class");
    fail_in_python("case \"$*\" in *--list*) exit 3;; esac", -ENOEXEC,
                   "Python cannot use path.m, as it says itself");
    fail_in_python("kill -9 $$", -ENOEXEC, "/venv/bin/python3 does not work");
    (void)unlink(below("venv/bin/python3"));
    const struct prepare_options options = {.module = "path.m", .test_dir = test_dir()};
    struct prepared_modules module = {.paths = {0}};
    assert_int_equal(prepare_modules(&options, &module, &error), -ENOENT);
    assert_non_null(strstr(error.text, "there is no Python for the test"));
    prepared_modules_clear(&module);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_once_per_content),
        TEST(test_version_of_loads_h),
        TEST(test_a_header_that_hides_another),
        TEST(test_the_same_elsewhere),
        TEST(test_flags_and_libraries),
        TEST(test_calls_that_block),
        TEST(test_compiler_errors),
        TEST(test_the_header_is_missing),
        TEST(test_spoilt_files_are_made_again),
        TEST(test_no_such_compiler),
        TEST(test_choice_of_compiler),
        TEST(test_saved_while_compiling),
        TEST(test_a_source_that_never_stays),
        TEST(test_two_at_once),
        TEST(test_old_files_are_dropped),
        TEST(test_places_for_the_cache),
        TEST(test_include_directory),
        TEST(test_sha256),
        TEST(test_prepare_compiles),
        TEST(test_prepare_several),
        TEST(test_prepare_prefers_what_is_compiled),
        TEST(test_prepare_errors),
        TEST(test_prepare_python),
        TEST(test_prepare_python_several),
        TEST(test_prepare_python_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
