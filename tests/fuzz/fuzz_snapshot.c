/* SPDX-License-Identifier: MPL-2.0 */
/* What a broker says of a run: a snapshot that is accepted can be summed up, and what isn't is told
 * with the key. */
#include <errno.h>

#include "fuzz.h"
#include "remote/snapshot.h"

#define MAX_JSON (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(json_decrefp) json_t *json = NULL;
    _cleanup_(snapshot_freep) struct snapshot *snapshot = NULL;
    _cleanup_(summary_freep) struct summary *summary = NULL;
    struct error error;

    if (wire_json_load((const char *)data, size, MAX_JSON, &json, NULL) < 0) {
        return 0;
    }
    int r = snapshot_decode(json, &snapshot, &error);
    if (r < 0) {
        assert(r == -EBADMSG && !snapshot);
        check_error(r, &error);
        return 0;
    }
    assert(snapshot->spec && snapshot->state && snapshot->name);
    assert(summary_new(&summary, snapshot->totals, snapshot->names,
                       (double)snapshot->active_usec / 1e6) == 0);
    assert(summary->hits == snapshot->totals->hits);
    return 0;
}
