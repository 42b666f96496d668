/* SPDX-License-Identifier: MPL-2.0 */
/* Pieces in the order in which they came. */
#include "kept_log.h"

#include <string.h>

void kept_log_add(struct kept_log *log, unsigned source, int worker, const char *text)
{
    size_t size = strlen(text) + 1, taken = sizeof(struct kept_log_piece) + size;
    struct kept_log_piece *piece = log->bytes + taken <= KEPT_LOG_MAX_BYTES ? malloc(taken) : NULL;

    if (!piece) {
        return;
    }
    piece->next = NULL;
    piece->source = source;
    piece->worker = worker;
    memcpy(piece->text, text, size);
    *(log->last ? &log->last->next : &log->first) = piece;
    log->last = piece;
    log->bytes += taken;
}

void kept_log_clear(struct kept_log *log)
{
    while (log->first) {
        struct kept_log_piece *piece = log->first;
        log->first = piece->next;
        free(piece);
    }
    *log = (struct kept_log){0};
}
