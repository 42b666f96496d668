/* SPDX-License-Identifier: MPL-2.0 */
/* Hits and test events as a broker tells them: what is accepted can be written. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "remote/details.h"

#define MAX_JSON (1 << 20)

static struct snapshot *make_snapshot(void)
{
    static struct snapshot snapshot;
    const struct series_key key = {"S.t", "/", "GET", 200};
    const struct error_key error = {ERROR_KIND_ERROR, "c", "m", "p", "S.t", ""};

    if (!snapshot.names) {
        snapshot.names_memory = calloc(1, names_size_bytes());
        assert(snapshot.names_memory);
        assert(names_new(&snapshot.names, snapshot.names_memory, names_size_bytes()) == 0);
        assert(names_id(snapshot.names, NAME_TEST, "S.t", 3) == 1);
        assert(names_series(snapshot.names, &key) == 1);
        assert(names_error(snapshot.names, &error) == 1);
        assert(run_spec_new(&snapshot.spec) == 0);
        snapshot.spec->users = snapshot.spec->hits = (struct number_list){{2, 3}, 2};
    }
    return &snapshot;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(json_decrefp) json_t *json = NULL;
    const struct snapshot *snapshot = make_snapshot();
    const struct output_run run = {.spec = snapshot->spec, .names = snapshot->names};
    _cleanup_(output_freep) struct output *output = NULL;
    struct detail detail;
    struct error error;

    if (wire_json_load((const char *)data, size, MAX_JSON, &json, NULL) < 0) {
        return 0;
    }
    int r = details_read(json, snapshot, &detail, &error);
    if (r < 0) {
        assert(r == -EBADMSG);
        check_error(r, &error);
        return 0;
    }
    for (const char *const *name = (const char *const[]){"file", "funkload", NULL}; r > 0 && *name;
         name++) {
        char argument[40];
        (void)snprintf(argument, sizeof argument, "%s=/dev/null", *name);
        assert(output_open(&output, argument, NULL, &error) == 0);
        assert(output_begin(output, &run, &error) == 0);
        assert(output_detail(output, &run, &detail, &error) == 0);
        output = output_free(output);
    }
    return 0;
}
