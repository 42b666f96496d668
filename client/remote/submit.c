/* SPDX-License-Identifier: MPL-2.0 */
/* A run on agents: the same specification that a local run has, and the files which that would find
 * in the current directory. The module is not compiled here, since agents may be other machines;
 * but that it is there, and what else can be known, is known before anything is sent. */
#include "remote/submit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>

#include "remote/fields.h"
#include "run/archive.h"

/* What files of options are called where the test runs. */
#define CA_FILE   ".loads/ca.pem"
#define CERT_FILE ".loads/cert.pem"
#define KEY_FILE  ".loads/key.pem"

/* ---- files ---- */

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* What an agent will load: a shared object rather than its source, as a local run does. */
static int add_module(struct file_list *files, const char *module, bool required,
                      struct error *error)
{
    static const char *const suffixes[] = {".so", ".c", ".py"};

    for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
        char path[FQN_MAX_BYTES + 4];
        (void)snprintf(path, sizeof path, "%s%s", module, suffixes[i]);
        if (is_file(path)) {
            return file_list_add(files, path, path, error);
        }
    }
    if (!required) {
        return 0;
    }
    return error_set(error, -ENOENT,
                     "there is no module '%s': neither %s.so nor %s.c nor %s.py exists; run from "
                     "the directory where its path begins",
                     module, module, module, module);
}

static int add_modules(struct file_list *files, const struct run_spec *spec, struct error *error)
{
    int r = 0;

    if (!spec->mix) {
        return add_module(files, spec->fqn.module, true, error);
    }
    for (unsigned i = 0; r == 0 && i < spec->mix->n_modules; i++) {
        r = add_module(files, mix_module(spec->mix, i), true, error);
    }
    return r;
}

/* A test runner knows best what it needs. Where the name of the test is that of a module or a file
 * here, it is what others would ask for, too. */
static int add_test(struct file_list *files, const struct run_spec *spec, struct error *error)
{
    const char *name = spec->fqn.text;

    if (spec->url) {
        return 0;
    }
    if (!spec->test_runner) {
        return add_modules(files, spec, error);
    }
    if (name[0] != '/' && is_file(name)) {
        return file_list_add(files, name, name, error);
    }
    return spec->fqn.module[0] ? add_module(files, spec->fqn.module, false, error) : 0;
}

/* An option's file, for its owner's eyes there, too. */
static int add_pem(struct file_list *files, char **path, const char *name, struct error *error)
{
    int r = *path ? file_list_add(files, *path, name, error) : 0;

    if (r < 0 || !*path) {
        return r;
    }
    struct file_list_item *last = &files->items[files->count - 1];
    if (strcmp(last->name, name) != 0) {
        return error_set(error, -EEXIST, "%s: that name is taken, by --include-file", name);
    }
    last->mode = 0600;
    free(*path);
    *path = strdup(name);
    return *path ? 0 : error_set_errno(error, -ENOMEM, "%s", name);
}

/* Wheels travel beside the test. */
static int add_deps(struct file_list *files, struct run_spec *spec, struct error *error)
{
    for (size_t i = 0; i < spec->python_deps.count; i++) {
        char **dep = &spec->python_deps.items[i];
        if (!run_spec_dep_is_file(*dep)) {
            continue;
        }
        char *name = strdup(strrchr(*dep, '/') + 1); /* it is an absolute path */
        int r = name ? file_list_add(files, *dep, name, error)
                     : error_set_errno(error, -ENOMEM, "--python-dep");
        if (r < 0) {
            free(name);
            return r;
        }
        free(*dep);
        *dep = name;
    }
    return 0;
}

static int make_archive(struct submission *submission, struct run_spec *spec,
                        const struct run_options *run, struct error *error)
{
    _cleanup_(file_list_clear) struct file_list files = {.count = 0};
    int r = add_test(&files, spec, error);

    if (r == 0) {
        r = file_list_add_patterns(&files, &run->include_files, error);
    }
    if (r == 0) {
        r = add_pem(&files, &spec->ca_file, CA_FILE, error);
    }
    if (r == 0) {
        r = add_pem(&files, &spec->http.cert_file, CERT_FILE, error);
    }
    if (r == 0) {
        r = add_pem(&files, &spec->http.key_file, KEY_FILE, error);
    }
    if (r == 0) {
        r = add_deps(&files, spec, error);
    }
    if (r < 0 || files.count == 0) {
        return r;
    }
    return archive_make(&files, ARCHIVE_MAX_BYTES, &submission->archive, &submission->archive_size,
                        error);
}

/* ---- the request ---- */

static int set_test_dir(struct run_spec *spec, const struct run_options *run, struct error *error)
{
    if (!run->test_dir) {
        return 0;
    }
    if (run->test_dir[0] != '/') {
        return error_set(error, -EINVAL,
                         "--test-dir %s: it is a directory on the agents' machines, so its path "
                         "must be absolute",
                         run->test_dir);
    }
    spec->test_dir = strdup(run->test_dir);
    return spec->test_dir ? 0 : error_set_errno(error, -ENOMEM, "--test-dir");
}

static int set_observers(struct run_spec *spec, const struct observer_options *observers,
                         struct error *error)
{
    int r = strlist_add_all(&spec->observers, observers->names.items, observers->names.count);

    if (r == 0) {
        r = observer_options_list(observers, &spec->observer_options);
    }
    return r < 0 ? error_set_errno(error, r, "--observer") : 0;
}

static int encode_args(const struct run_spec *spec, json_t **ret, struct error *error)
{
    _cleanup_free_ char *text = NULL;
    int r = run_spec_encode(spec, &text, error);

    return r < 0 ? r : wire_json_load(text, strlen(text), SPEC_MAX_BYTES, ret, error);
}

static int set(json_t *request, const char *key, json_t *value)
{
    return json_object_set_new(request, key, value) < 0 ? -ENOMEM : 0;
}

static int make_request(struct submission *submission, json_t **args,
                        const struct submit_options *submit)
{
    char request_id[SD_ID128_UUID_STRING_MAX];
    sd_id128_t id;
    json_t *request = json_object();

    submission->request = request;
    int r = sd_id128_randomize(&id);
    if (r == 0) {
        (void)sd_id128_to_uuid_string(id, request_id); /* can't fail with room for one */
        r = set(request, "command", json_string("CTRL_RUN"));
    }
    if (r == 0) {
        r = set(request, "request_id", json_string(request_id));
    }
    if (r == 0) {
        r = set(request, "agents", json_integer((json_int_t)MAX(submit->agents, UINT64_C(1))));
    }
    if (r == 0 && submit->queue) {
        r = set(request, "queue", json_true());
    }
    if (r == 0 && submit->save_hits) {
        r = set(request, "save_hits", json_true());
    }
    if (r == 0 && submit->on_agent_loss != AGENT_LOSS_DEFAULT) {
        bool abort = submit->on_agent_loss == AGENT_LOSS_ABORT;
        r = set(request, "on_agent_loss", json_string(abort ? "abort" : "continue"));
    }
    return r == 0 ? set(request, "args", TAKE_PTR(*args)) : r;
}

int submission_make(struct submission *ret, const struct run_options *run,
                    const struct submit_options *submit, struct error *error)
{
    _cleanup_(submission_clear) struct submission submission = {.request = NULL};
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL;
    _cleanup_(json_decrefp) json_t *args = NULL;

    int r = run_options_spec(run, &spec, error);
    if (r == 0) {
        r = set_test_dir(spec, run, error);
    }
    if (r == 0) {
        r = set_observers(spec, &submit->observers, error);
    }
    if (r == 0) {
        r = make_archive(&submission, spec, run, error);
    }
    if (r == 0) {
        r = encode_args(spec, &args, error);
    }
    if (r < 0) {
        return r;
    }
    r = make_request(&submission, &args, submit);
    if (r < 0) {
        return error_set_errno(error, r, "cannot describe the run");
    }
    *ret = submission;
    submission = (struct submission){.request = NULL};
    return 0;
}

void submission_clear(struct submission *submission)
{
    json_decref(submission->request);
    free(submission->archive);
    *submission = (struct submission){.request = NULL};
}

/* ---- the answer ---- */

static int read_answer(const json_t *result, struct submitted *ret, struct error *error)
{
    const char *run_id, *state;
    int r = field_required_text(result, "run_id", &run_id, error);

    if (r == 0) {
        r = field_copy(result, "run_id", &ret->run_id, error);
    }
    if (r == 0) {
        r = field_required_text(result, "state", &state, error);
    }
    if (r == 0) {
        r = field_copy(result, "state", &ret->state, error);
    }
    if (r == 0) {
        r = field_texts(result, "agents", &ret->agents, error);
    }
    return r < 0 ? error_prefix(error, r, "the broker's answer to CTRL_RUN") : 0;
}

int submission_send(const struct submission *submission, struct frontend *frontend,
                    struct submitted *ret, struct error *error)
{
    const struct frontend_bytes archive = {submission->archive, submission->archive_size};
    _cleanup_(json_decrefp) json_t *result = NULL;
    _cleanup_(submitted_clear) struct submitted submitted = {.run_id = NULL};

    int r = frontend_ask(frontend, submission->request, archive.bytes ? &archive : NULL, &result,
                         error);
    if (r == 0) {
        r = read_answer(result, &submitted, error);
    }
    if (r == 0) {
        *ret = submitted;
        submitted = (struct submitted){.run_id = NULL};
    }
    return r;
}

void submitted_clear(struct submitted *submitted)
{
    free(submitted->run_id);
    free(submitted->state);
    strlist_clear(&submitted->agents);
    *submitted = (struct submitted){.run_id = NULL};
}
