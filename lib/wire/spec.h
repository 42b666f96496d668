/* SPDX-License-Identifier: MPL-2.0 */
/* The run specification: all that a worker must know of a run before it starts, and its form as
 * bytes, one JSON object. */
#ifndef LOADS_WIRE_SPEC_H
#define LOADS_WIRE_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/parse.h"
#include "base/strlist.h"
#include "wire/fqn.h"
#include "wire/mix.h"
#include "wire/spec_http.h"

#define SPEC_MAX_BYTES             (1 << 20) /* of the JSON */
#define SPEC_MAX_URL_BYTES         8192
#define SPEC_MAX_NAME_BYTES        255 /* user_id, project_name */
#define SPEC_MAX_TAGS              100
#define SPEC_MAX_TAG_BYTES         1024
#define SPEC_MAX_WORDS_BYTES       4096 /* cflags, libs, test_runner, python_path */
#define SPEC_MAX_PYTHON_DEPS       100
#define SPEC_MAX_DEP_BYTES         1024
#define SPEC_MAX_WORKERS           1024
#define SPEC_MAX_SEED              ((UINT64_C(1) << 53) - 1) /* what JSON keeps exactly everywhere */
#define SPEC_MIN_STACK_BYTES       (UINT64_C(16) << 10)
#define SPEC_MAX_STACK_BYTES       (UINT64_C(1) << 30)
#define SPEC_RUN_ID_BYTES          36  /* a UUID's text in small letters */
#define SPEC_NAME_BYTES            512 /* for run_spec_test_name() */
#define SPEC_EXTERNAL_TIMEOUT_USEC UINT64_C(2000000)

/* What the built-in test of a URL is called in reports. */
#define SPEC_URL_SUITE "URL"
#define SPEC_URL_TEST  "get"

/* Strings are malloc'ed, or NULL: not given. */
struct run_spec {
    char run_id[SPEC_RUN_ID_BYTES + 1];
    struct fqn fqn;  /* what is tested: this (with a test_runner any text: then it may be that all
                      * but fqn.text is empty), */
    struct mix *mix; /* NULL: one test; else several, fqn is the first, */
    char *url;       /* or this with the built-in GET test (then fqn.text is empty) */
    struct strlist module_paths; /* absolute, of the shared objects that were prepared from the
                                  * tests' modules, by the modules' numbers */
    char *test_dir;              /* absolute; the worker's working directory */
    char *test_runner;           /* the command that executes the test (run/runner_command.h) */
    char *python;      /* absolute: the interpreter by which Loads' own runner executes the test, */
    char *python_path; /* and where that looks for modules: $PYTHONPATH. Set on the machine that
                        * runs it, never by who asks for it. NULL: it isn't in Python */
    struct strlist python_deps; /* what pip installs for it: "name==1.2", or a file as ca_file is */
    uint64_t external_timeout_usec; /* its processes' time: so much per hit, or beyond the duration;
                                       0: SPEC_EXTERNAL_TIMEOUT_USEC */

    struct number_list users;
    struct number_list hits; /* per user; its count is 0 with a duration */
    uint64_t duration_usec;  /* of a cycle; 0 with hits */
    uint64_t grace_usec;     /* for iterations that run when a cycle's time is over */
    uint64_t http_timeout_usec;
    uint64_t stack_size_bytes;
    uint64_t
        stall_timeout_usec; /* a worker whose loop stands still for so long has crashed; 0: none */
    uint64_t workers;       /* per supervisor; 0: as it likes */
    uint64_t seed;          /* of every random choice, SPEC_MAX_SEED at most; 0: there is none */
    char *pace;             /* how far apart a user's iterations begin (base/distribution.h) */
    char *cflags, *libs;    /* for who compiles the module */

    char *server_url;
    char *ca_file; /* PEM file of the certificates that are trusted, instead of the system's:
                      absolute, or relative to test_dir */
    struct spec_http http;
    char *user_id;
    char *project_name;
    struct strlist tags;       /* "key=value" */
    struct strlist thresholds; /* what its numbers are held against (metrics/threshold.h) */

    /* Whom the broker tells of the end, and how (wire/observer.h). Agents don't hear of it. */
    struct strlist observers, observer_options;

    bool test_runner_self; /* one process of it has all users of a worker */
    bool no_patching;      /* calls that block the test's process are left as they are */
    bool debug_http;       /* show what the first user sends and gets in its first iteration */
    bool single;           /* one user has one iteration: what goes wrong is said at once */
    bool insecure;         /* any certificate will do */
    bool detail;           /* report every hit and test event */
};

/* All zero but for the defaults: grace 5 s, HTTP timeout 30 s, stacks of 256 KiB. */
int run_spec_new(struct run_spec **ret) _must_check_;
struct run_spec *run_spec_free(struct run_spec *spec);
DEFINE_CLEANUP(struct run_spec, run_spec_free)

/* Chooses a seed, one that isn't long to write. -errno. */
int run_spec_choose_seed(struct run_spec *spec) _must_check_;

/* Whether a program of its own executes the test, rather than loads-worker; and whether one process
 * of it has all users of a worker. */
bool run_spec_is_external(const struct run_spec *spec);
bool run_spec_shares_users(const struct run_spec *spec);

/* What is tested becomes that text: -EINVAL with a text if it is no FQN, and there is no
 * test_runner that may know what to make of it. */
int run_spec_set_fqn(struct run_spec *spec, const char *text, struct error *error) _must_check_;

/* What is tested, as it was asked for; "" with a URL. */
const char *run_spec_tests(const struct run_spec *spec);

/* What the test is called in results: "Suite.test", or the text that a test_runner is given; of
 * several the first. */
void run_spec_test_name(const struct run_spec *spec, char ret[static SPEC_NAME_BYTES]);

/* Whether it is text of 1 to `max_bytes` bytes, UTF-8 without control characters. -EINVAL with a
 * text. */
int run_spec_check_text(const char *text, size_t max_bytes, struct error *error) _must_check_;

/* Whether it is what python_deps may have in it. -EINVAL with a text. */
int run_spec_check_dep(const char *text, struct error *error) _must_check_;

/* Whether a dependency is a file, rather than a name that pip looks for. */
bool run_spec_dep_is_file(const char *text);

/* Whether a specification makes sense as a whole. -EINVAL with a text that names the key. */
int run_spec_check(const struct run_spec *spec, struct error *error) _must_check_;

/* The JSON of a specification that passes run_spec_check(), malloc'ed, the caller's. -EINVAL: it
 * doesn't pass; -ENOMEM. */
int run_spec_encode(const struct run_spec *spec, char **ret, struct error *error) _must_check_;

/* The same for everybody to see and to keep: without the secrets of URLs (base/shown.h). It can be
 * read like any other, but nobody can run it any more who needs what is left out. */
int run_spec_encode_shown(const struct run_spec *spec, char **ret, struct error *error)
    _must_check_;

/* Whether it was such a one of which something was left out. */
bool run_spec_lacks_secrets(const struct run_spec *spec);

/* Reads bytes from outside. -EBADMSG: not JSON, an unknown key, a wrong type; -EINVAL: it doesn't
 * pass run_spec_check(); -E2BIG; -ENOMEM. The text names the key. */
int run_spec_decode(const char *bytes, size_t size, struct run_spec **ret, struct error *error)
    _must_check_;

#endif
