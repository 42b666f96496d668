/* SPDX-License-Identifier: MPL-2.0 */
/* Run specifications: one that is accepted passes its check, and is the same when it was written
 * and read again. */
#include <errno.h>

#include "fuzz.h"
#include "wire/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL, *again = NULL;
    _cleanup_free_ char *text = NULL, *text_again = NULL;
    struct error error;
    int r = run_spec_decode((const char *)data, size, &spec, &error);

    if (r < 0) {
        assert(!spec && (r == -EBADMSG || r == -EINVAL || r == -E2BIG));
        check_error(r, &error);
        return 0;
    }
    assert(run_spec_check(spec, &error) == 0);
    assert(run_spec_encode(spec, &text, &error) == 0);
    assert(run_spec_decode(text, strlen(text), &again, &error) == 0);
    assert(run_spec_encode(again, &text_again, &error) == 0);
    assert(strcmp(text, text_again) == 0);
    return 0;
}
