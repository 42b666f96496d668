/* SPDX-License-Identifier: MPL-2.0 */
/* What a broker publishes: a message is taken with all that its type has, or not at all. */
#include <errno.h>

#include "fuzz.h"
#include "remote/publication.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct publication publication;
    struct error error;

    int r = publication_decode(data, size, &publication, &error);
    if (r < 0) {
        assert(r == -EBADMSG);
        check_error(r, &error);
        return 0;
    }
    bool says = publication.type == PUBLICATION_LOG || publication.type == PUBLICATION_PROBLEM;
    bool has_state =
        publication.type == PUBLICATION_LIVE || publication.type == PUBLICATION_FINISHED;
    assert(!publication.text == !says && !publication.state == !has_state);
    publication_clear(&publication);
    return 0;
}
