/* SPDX-License-Identifier: MPL-2.0 */
/* Chunks of detail: what is accepted is within its limits, and is the only way to write it. */
#include <errno.h>

#include "fuzz.h"
#include "metrics/detail_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(detail_list_freep) struct detail_list *list = NULL;
    struct detail_chunk chunk = {0};
    struct error error = {0};
    size_t again = 0;

    int r = detail_decode(data, size, &list, &error);
    if (r < 0) {
        assert(!list && (r == -EBADMSG || r == -E2BIG));
        check_error(r, &error);
        return 0;
    }
    assert((size == 0) == (list->n_records == 0) && list->n_records <= DETAIL_CHUNK_RECORDS);
    for (size_t i = 0; i < list->n_records; i++) {
        const struct detail *detail = &list->records[i];
        assert(detail->type > 0 && detail->type < DETAIL_TYPES);
        assert(detail->test <= NAMES_MAX_TESTS && detail->id <= NAMES_MAX_SERIES);
        assert(detail->error_id <= NAMES_MAX_ERRORS && detail->text_size <= DETAIL_MAX_TEXT);
        assert(detail_chunk_add(&chunk, detail) == 0);
    }
    _cleanup_free_ uint8_t *bytes = detail_chunk_take(&chunk, &again);
    assert(again == size && (size == 0 || memcmp(bytes, data, size) == 0));
    return 0;
}
