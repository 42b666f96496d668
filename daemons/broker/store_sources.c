/* SPDX-License-Identifier: MPL-2.0 */
/* Which messages of which sources a unit has, in the form in which the database is asked about
 * them, and what its answer means for a batch. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store_postgres.h"

void store_batch_reject(struct batch *batch, int code, const char *reason)
{
    batch->result = code;
    (void)snprintf(batch->reason, sizeof batch->reason, "%s", reason);
}

enum list_column { LIST_RUN, LIST_SOURCE, LIST_SEQ, LIST_DETAIL_SEQ, LISTS };
_Static_assert(LISTS == MESSAGE_LISTS, "one for each");

static void write_item(FILE *const *files, const struct batch *batch,
                       const struct batch_message *message, const char *comma)
{
    (void)fprintf(files[LIST_RUN], "%s%s", comma, batch->run_id);
    (void)fprintf(files[LIST_SOURCE], "%s%u", comma, message->source);
    (void)fprintf(files[LIST_SEQ], "%s%" PRIu64, comma, message->details ? 0 : message->seq);
    (void)fprintf(files[LIST_DETAIL_SEQ], "%s%" PRIu64, comma, message->details ? message->seq : 0);
}

int store_list_messages(const struct batch *first, const struct batch *after,
                        char *lists[static MESSAGE_LISTS])
{
    FILE *files[LISTS] = {NULL};
    size_t sizes[LISTS];
    const char *comma = "{";
    int r = 0;

    for (unsigned i = 0; i < LISTS; i++) {
        files[i] = open_memstream(&lists[i], &sizes[i]);
        r = files[i] ? r : -ENOMEM;
    }
    for (const struct batch *batch = first; batch != after; batch = batch->next) {
        for (size_t i = 0; r == 0 && batch->result == 0 && i < batch->n_messages; i++) {
            write_item(files, batch, &batch->messages[i], comma);
            comma = ",";
        }
    }
    for (unsigned i = 0; i < LISTS; i++) {
        if (files[i]) {
            (void)fputs(comma[0] == '{' ? "{}" : "}", files[i]);
            r = ferror(files[i]) ? -ENOMEM : r;
            r = fclose(files[i]) == 0 ? r : -ENOMEM;
        }
    }
    return r;
}

/* The row of a source among those that were locked, which are in order; or -1. */
static long find_source(const struct pq_result *result, const char *run_id, unsigned source)
{
    size_t low = 0, high = pq_result_rows(result);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(pq_result_value(result, middle, 0), run_id);
        if (order == 0) {
            unsigned long at = strtoul(pq_result_value(result, middle, 1), NULL, 10);
            order = at < source ? -1 : at > source;
        }
        if (order == 0) {
            return (long)middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return -1;
}

void store_batch_judge(struct batch *batch, const struct pq_result *result)
{
    for (size_t i = 0; i < batch->n_messages; i++) {
        struct batch_message *message = &batch->messages[i];
        long row = find_source(result, batch->run_id, message->source);
        if (row < 0) {
            store_batch_reject(batch, -ENOENT,
                               "the run or its source is not in the database any more");
            return;
        }
        const char *last = pq_result_value(result, (size_t)row, message->details ? 3 : 2);
        message->is_stored = message->seq <= strtoull(last, NULL, 10);
    }
}
