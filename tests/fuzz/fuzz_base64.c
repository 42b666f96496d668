/* SPDX-License-Identifier: MPL-2.0 */
/* Base64: a text that is accepted is what its bytes are written as, but for line ends. */
#include <errno.h>

#include "base/base64.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ uint8_t *bytes = NULL;
    _cleanup_free_ char *text = NULL;
    size_t n, at = 0;

    int r = base64_decode((const char *)data, size, &bytes, &n);
    if (r < 0) {
        assert(r == -EBADMSG && !bytes);
        return 0;
    }
    assert(n <= size / 4 * 3);
    assert(base64_encode(bytes, n, &text) == 0);
    for (size_t i = 0; i < size; i++) {
        if (data[i] != '\r' && data[i] != '\n') {
            assert(text[at++] == (char)data[i]);
        }
    }
    assert(text[at] == '\0');
    return 0;
}
