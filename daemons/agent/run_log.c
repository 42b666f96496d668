/* SPDX-License-Identifier: MPL-2.0 */
/* Tests print whatever they like, so nothing is believed: neither that it is text nor that it ends.
 * A character may arrive in two pieces; its beginning waits for the rest. */
#include "run_log.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"

static const char cut[] = "\n(the rest is left out)\n";

struct piece {
    struct piece *next;
    int worker;
    size_t size;
    char text[RUN_LOG_PIECE_BYTES];
};

/* Of one worker. */
struct source {
    size_t size; /* so far */
    bool full;
    char begun[4]; /* of a character */
    size_t n_begun;
};

struct run_log {
    struct piece *first, *last;
    size_t kept_bytes;
    struct source *sources; /* by worker + 1 */
    size_t n_sources;
};

int run_log_new(struct run_log **ret)
{
    struct run_log *log = calloc(1, sizeof *log);

    if (!log) {
        return -ENOMEM;
    }
    *ret = log;
    return 0;
}

struct run_log *run_log_free(struct run_log *log)
{
    if (log) {
        while (log->first) {
            run_log_advance(log);
        }
        free(log->sources);
        free(log);
    }
    return NULL;
}

static struct source *find_source(struct run_log *log, int worker)
{
    size_t index = (size_t)worker + 1; /* RUN_LOG_PREPARING has the first */

    if (worker < RUN_LOG_PREPARING || index > RUN_LOG_MAX_WORKERS) {
        return NULL;
    }
    if (index >= log->n_sources) {
        size_t n = index + 16;
        struct source *sources = realloc(log->sources, n * sizeof *sources);
        if (!sources) {
            return NULL;
        }
        memset(sources + log->n_sources, 0, (n - log->n_sources) * sizeof *sources);
        log->sources = sources;
        log->n_sources = n;
    }
    return &log->sources[index];
}

/* The piece that this worker's text goes on in; others' may stand behind it. */
static struct piece *open_piece(struct run_log *log, int worker, size_t size)
{
    struct piece *found = NULL;

    for (struct piece *piece = log->first; piece; piece = piece->next) {
        found = piece->worker == worker ? piece : found;
    }
    if (found && found->size + size < sizeof found->text) {
        return found;
    }
    found = malloc(sizeof *found);
    if (found) {
        found->next = NULL;
        found->worker = worker;
        found->size = 0;
        *(log->last ? &log->last->next : &log->first) = found;
        log->last = found;
        log->kept_bytes += sizeof *found;
    }
    return found;
}

static void append(struct run_log *log, int worker, const char *text, size_t size)
{
    struct piece *piece = size > 0 ? open_piece(log, worker, size) : NULL;

    if (piece) {
        memcpy(piece->text + piece->size, text, size);
        piece->size += size;
        piece->text[piece->size] = '\0';
    }
}

/* Whether the bytes are the beginning of a character, as far as it came. */
static bool is_begun(const char *text, size_t size)
{
    unsigned char first = (unsigned char)text[0];
    size_t wanted = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;

    if (first >= 0xf5 || size >= wanted) {
        return false;
    }
    for (size_t i = 1; i < size; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

/* Puts the first character of a text into `ret`, cleaned. How many bytes of the text that was; 0:
 * it has only begun. */
static size_t clean(const char *text, size_t size, char ret[static 4], size_t *ret_size)
{
    uint32_t character;
    size_t n = utf8_character(text, size, &character);

    if (n == 0 && is_begun(text, size)) {
        return 0;
    }
    if (n == 0) {
        *ret_size = strlen(UTF8_REPLACEMENT);
        memcpy(ret, UTF8_REPLACEMENT, *ret_size);
        return 1;
    }
    *ret_size = n;
    memcpy(ret, text, n);
    if ((character < ' ' && character != '\n' && character != '\t') || character == 0x7f) {
        ret[0] = '?';
    }
    return n;
}

/* Cleans a text into `out`, which has three times its bytes and 16 more; what has only begun at its
 * end stays with the source. */
static size_t clean_all(struct source *source, const char *text, size_t size, char *out)
{
    char joined[8];
    size_t n_out = 0, at = 0, n;

    while (source->n_begun > 0 && at < size) {
        source->begun[source->n_begun++] = text[at++];
        memcpy(joined, source->begun, source->n_begun);
        size_t taken = clean(joined, source->n_begun, out + n_out, &n);
        if (taken > 0) {
            n_out += n;
            at -= MIN(at, source->n_begun - taken); /* what came now is looked at again */
            source->n_begun = 0;
        }
    }
    while (at < size) {
        size_t taken = clean(text + at, size - at, out + n_out, &n);
        if (taken == 0) {
            source->n_begun = size - at;
            memcpy(source->begun, text + at, source->n_begun);
            break;
        }
        n_out += n;
        at += taken;
    }
    return n_out;
}

void run_log_add(struct run_log *log, int worker, const char *text, size_t size)
{
    struct source *source = find_source(log, worker);
    char clean_text[3 * 1024 + 16];

    while (source && !source->full && size > 0) {
        size_t taken = MIN(size, (size_t)1024);
        size_t n = clean_all(source, text, taken, clean_text);
        if (source->size + n > RUN_LOG_WORKER_BYTES || log->kept_bytes > RUN_LOG_KEPT_BYTES) {
            source->full = true;
            append(log, worker, cut, strlen(cut));
            return;
        }
        append(log, worker, clean_text, n);
        source->size += n;
        text += taken;
        size -= taken;
    }
}

bool run_log_next(const struct run_log *log, struct run_log_piece *ret)
{
    if (!log->first) {
        return false;
    }
    *ret = (struct run_log_piece){log->first->worker, log->first->text};
    return true;
}

void run_log_advance(struct run_log *log)
{
    struct piece *piece = log->first;

    log->first = piece->next;
    log->last = log->first ? log->last : NULL;
    log->kept_bytes -= sizeof *piece;
    free(piece);
}
