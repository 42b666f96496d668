/* SPDX-License-Identifier: MPL-2.0 */
/* `args` of CTRL_RUN, from any client: what is taken is a specification that agents take, too. */
#include <errno.h>

#include "broker/arguments.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_auto_t *json = NULL;
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL, *again = NULL;
    _cleanup_free_ char *text = NULL;
    struct error error = {0};

    if (wire_json_load((const char *)data, size, SPEC_MAX_BYTES, &json, &error) < 0) {
        return 0;
    }
    int r = arguments_read(json, &spec, &error);
    if (r < 0) {
        assert(r == -EINVAL && !spec && strncmp(error.text, "args: ", 6) == 0);
        check_error(r, &error);
        return 0;
    }
    assert(run_spec_encode(spec, &text, &error) == 0);
    assert(run_spec_decode(text, strlen(text), &again, &error) == 0);
    assert(!spec->detail && spec->module_paths.count == 0);
    return 0;
}
