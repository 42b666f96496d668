/* SPDX-License-Identifier: MPL-2.0 */
/* Content codings. A decoder is a chain of inflate streams, the outermost coding first; what one
 * puts out goes straight into the next and at last into the sink, through one buffer of fixed size
 * per stage on the stack. So a body of any size, also one made to explode, costs the same memory.
 *
 * inflate's state takes 40 KB, most of all that an answer costs; so decoders go back to a pool with
 * their streams, which are reset and not allocated again.
 *
 * "deflate" means the zlib format (RFC 9110), but enough servers send bare deflate data: which of
 * the two it is shows in the first two bytes. A gzip body may consist of several members, one
 * behind the other, as concatenated files do. Anything else behind the end is an error: a load test
 * has to tell a server that mixes up its answers. */
#include "worker/decode.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define MAX_FREE    64         /* decoders kept by a pool */
#define INPUT_BYTES (1U << 30) /* what inflate is given at once */

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE, CODING_UNKNOWN };

static const struct {
    const char *name;
    enum coding coding;
} coding_names[] = {
    {"gzip", CODING_GZIP},
    {"x-gzip", CODING_GZIP},
    {"deflate", CODING_DEFLATE},
    {"identity", CODING_IDENTITY},
};

enum stage_state {
    STAGE_FRESH,   /* nothing came yet */
    STAGE_HEAD,    /* deflate: one byte came, kept in `head` */
    STAGE_RUNNING, /* in the middle */
    STAGE_ENDED,   /* at an end; the body may end here */
};

struct stage {
    enum coding coding;
    enum stage_state state;
    bool behind_end; /* a gzip member was whole before this one */
    bool allocated;  /* the stream holds memory */
    unsigned char head[2];
    z_stream stream;
};

struct decoder {
    struct decoder_pool *pool;
    struct decoder *next; /* in the pool */
    size_t stage_count;
    int result;          /* the error that ended it */
    unsigned char *room; /* NULL: on the stack */
    struct stage stages[DECODER_MAX_STAGES];
};

struct decoder_pool {
    struct decoder *free;
    size_t free_count, used_count;
};

int decoder_pool_new(struct decoder_pool **ret)
{
    struct decoder_pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        return -ENOMEM;
    }
    *ret = pool;
    return 0;
}

static void destroy(struct decoder *decoder)
{
    for (size_t i = 0; i < DECODER_MAX_STAGES; i++) {
        if (decoder->stages[i].allocated) {
            (void)inflateEnd(&decoder->stages[i].stream); /* fails for a broken stream only */
        }
    }
    free(decoder);
}

struct decoder_pool *decoder_pool_free(struct decoder_pool *pool)
{
    if (pool) {
        assert(pool->used_count == 0);
        while (pool->free) {
            struct decoder *decoder = pool->free;
            pool->free = decoder->next;
            destroy(decoder);
        }
        free(pool);
    }
    return NULL;
}

static enum coding coding_of(const char *name, size_t size)
{
    for (size_t i = 0; i < ELEMENTSOF(coding_names); i++) {
        if (strlen(coding_names[i].name) == size &&
            strncasecmp(coding_names[i].name, name, size) == 0) {
            return coding_names[i].coding;
        }
    }
    return CODING_UNKNOWN;
}

/* Takes the last element off a comma-separated list. */
static void take_last(const char *list, size_t *size, const char **name, size_t *name_size)
{
    size_t end = *size, begin;

    while (end > 0 && (list[end - 1] == ' ' || list[end - 1] == '\t')) {
        end--;
    }
    for (begin = end; begin > 0 && list[begin - 1] != ','; begin--) {
    }
    *size = begin > 0 ? begin - 1 : 0;
    while (begin < end && (list[begin] == ' ' || list[begin] == '\t')) {
        begin++;
    }
    *name = list + begin;
    *name_size = end - begin;
}

/* The codings to undo, in that order. Their number, 0 if one is unknown, or -EBADMSG. */
static int parse_codings(const char *list, size_t size, enum coding codings[DECODER_MAX_STAGES],
                         struct error *error)
{
    int count = 0;

    while (size > 0) {
        const char *name;
        size_t name_size;
        take_last(list, &size, &name, &name_size);
        enum coding coding = name_size > 0 ? coding_of(name, name_size) : CODING_IDENTITY;
        if (coding == CODING_UNKNOWN) {
            return 0;
        }
        if (coding == CODING_IDENTITY) {
            continue;
        }
        if (count == DECODER_MAX_STAGES) {
            return error_set(error, -EBADMSG, "the answer has more than %d content codings",
                             DECODER_MAX_STAGES);
        }
        codings[count++] = coding;
    }
    return count;
}

static int reset_stage(struct stage *stage, enum coding coding)
{
    int bits = coding == CODING_GZIP ? MAX_WBITS + 16 : MAX_WBITS;

    if (!stage->allocated) {
        stage->stream = (z_stream){0};
        if (inflateInit2(&stage->stream, bits) != Z_OK) {
            return -ENOMEM;
        }
        stage->allocated = true;
    } else if (inflateReset2(&stage->stream, bits) != Z_OK) {
        return -ENOMEM;
    }
    stage->coding = coding;
    stage->state = STAGE_FRESH;
    stage->behind_end = false;
    return 0;
}

static struct decoder *take(struct decoder_pool *pool)
{
    struct decoder *decoder = pool->free;

    if (decoder) {
        pool->free = decoder->next;
        pool->free_count--;
    } else {
        decoder = calloc(1, sizeof *decoder);
        if (!decoder) {
            return NULL;
        }
        decoder->pool = pool;
    }
    decoder->next = NULL;
    decoder->room = NULL;
    decoder->result = 0;
    decoder->stage_count = 0;
    pool->used_count++;
    return decoder;
}

int decoder_new(struct decoder **ret, struct decoder_pool *pool, const char *coding, size_t size,
                struct error *error)
{
    enum coding codings[DECODER_MAX_STAGES];
    int count = parse_codings(coding, coding ? size : 0, codings, error);
    if (count < 0) {
        return count;
    }
    _cleanup_(decoder_freep) struct decoder *decoder = take(pool);
    if (!decoder) {
        return error_set_errno(error, -ENOMEM, "can't decode the answer");
    }
    for (; decoder->stage_count < (size_t)count; decoder->stage_count++) {
        size_t i = decoder->stage_count;
        if (reset_stage(&decoder->stages[i], codings[i]) < 0) {
            return error_set_errno(error, -ENOMEM, "can't decode the answer");
        }
    }
    *ret = TAKE_PTR(decoder);
    return 0;
}

void decoder_use_room(struct decoder *decoder, unsigned char room[DECODER_ROOM_BYTES])
{
    decoder->room = room;
}

struct decoder *decoder_free(struct decoder *decoder)
{
    if (decoder) {
        struct decoder_pool *pool = decoder->pool;
        pool->used_count--;
        if (pool->free_count < MAX_FREE) {
            decoder->next = pool->free;
            pool->free = decoder;
            pool->free_count++;
        } else {
            destroy(decoder);
        }
    }
    return NULL;
}

static const char *stage_name(const struct stage *stage)
{
    return stage->coding == CODING_GZIP ? "gzip" : "deflate";
}

static int corrupt(const struct stage *stage, const char *reason, struct error *error)
{
    return error_set(error, -EBADMSG, "the body is not valid %s%s: %s", stage_name(stage),
                     stage->behind_end ? " behind its end" : "", reason);
}

/* Whether deflate data begins like the zlib format (RFC 1950). */
static bool is_zlib(const unsigned char head[2])
{
    return (head[0] & 0x0f) == Z_DEFLATED && head[0] >> 4 <= 7 &&
           (head[0] << 8 | head[1]) % 31 == 0;
}

struct output {
    decoder_sink *sink;
    void *context;
    struct error *error;
};

static int write_stage(struct decoder *decoder, size_t index, const unsigned char *bytes,
                       size_t size, const struct output *output);

/* Inflates up to the end of the piece or of the coding; tells how much of it that took. */
static int run_stage_in(unsigned char *piece, struct decoder *decoder, size_t index,
                        const unsigned char *bytes, size_t size, const struct output *output,
                        size_t *used)
{
    struct stage *stage = &decoder->stages[index];
    z_stream *stream = &stage->stream;
    uInt given = (uInt)MIN(size, (size_t)INPUT_BYTES);
    int code;

    stream->next_in = (unsigned char *)bytes; /* zlib reads it only */
    stream->avail_in = given;
    do {
        stream->next_out = piece;
        stream->avail_out = DECODER_PIECE_BYTES;
        code = inflate(stream, Z_NO_FLUSH);
        if (code == Z_MEM_ERROR) {
            return error_set_errno(output->error, -ENOMEM, "can't decode the answer");
        }
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
            const char *reason = code == Z_NEED_DICT ? "it needs a dictionary" : stream->msg;
            return corrupt(stage, reason ? reason : "garbage", output->error);
        }
        int r =
            write_stage(decoder, index + 1, piece, DECODER_PIECE_BYTES - stream->avail_out, output);
        if (r < 0) {
            return r;
        }
    } while (code == Z_OK && (stream->avail_in > 0 || stream->avail_out == 0));
    stage->state = code == Z_STREAM_END ? STAGE_ENDED : STAGE_RUNNING;
    *used = given - stream->avail_in;
    return 0;
}

/* Apart, so that who brings room has no such frame. */
static __attribute__((noinline)) int run_stage_on_stack(struct decoder *decoder, size_t index,
                                                        const unsigned char *bytes, size_t size,
                                                        const struct output *output, size_t *used)
{
    unsigned char piece[DECODER_PIECE_BYTES];

    return run_stage_in(piece, decoder, index, bytes, size, output, used);
}

static int run_stage(struct decoder *decoder, size_t index, const unsigned char *bytes, size_t size,
                     const struct output *output, size_t *used)
{
    return decoder->room ? run_stage_in(decoder->room + index * DECODER_PIECE_BYTES, decoder, index,
                                        bytes, size, output, used)
                         : run_stage_on_stack(decoder, index, bytes, size, output, used);
}

/* Looks at the first two bytes of deflate data, which may come one by one, and then lets both
 * through the stream. */
static int begin_deflate(struct decoder *decoder, size_t index, const unsigned char *bytes,
                         size_t size, const struct output *output, size_t *used)
{
    struct stage *stage = &decoder->stages[index];
    size_t kept = stage->state == STAGE_HEAD, taken = MIN(size, 2 - kept), through;

    memcpy(stage->head + kept, bytes, taken);
    *used = taken;
    if (kept + taken < 2) {
        stage->state = STAGE_HEAD;
        return 0;
    }
    if (!is_zlib(stage->head) && inflateReset2(&stage->stream, -MAX_WBITS) != Z_OK) {
        return error_set_errno(output->error, -ENOMEM, "can't decode the answer");
    }
    /* Neither format is whole before its second byte: `through` is always 2. */
    return run_stage(decoder, index, stage->head, 2, output, &through);
}

/* The coding is at its end and something follows. */
static int restart(struct stage *stage, struct error *error)
{
    if (stage->coding != CODING_GZIP) {
        return corrupt(stage, "it goes on behind its end", error);
    }
    stage->behind_end = true;
    (void)inflateReset(&stage->stream); /* fails for a broken stream only */
    return 0;
}

static int write_stage(struct decoder *decoder, size_t index, const unsigned char *bytes,
                       size_t size, const struct output *output)
{
    if (index == decoder->stage_count) {
        return size == 0 || output->sink(output->context, bytes, size) ? 0 : -ECANCELED;
    }
    struct stage *stage = &decoder->stages[index];
    while (size > 0) {
        size_t used = 0;
        int r = 0;
        if (stage->state == STAGE_ENDED) {
            r = restart(stage, output->error);
        }
        if (r == 0 && stage->coding == CODING_DEFLATE && stage->state < STAGE_RUNNING) {
            r = begin_deflate(decoder, index, bytes, size, output, &used);
        } else if (r == 0) {
            r = run_stage(decoder, index, bytes, size, output, &used);
        }
        if (r < 0) {
            return r;
        }
        bytes += used;
        size -= used;
    }
    return 0;
}

int decoder_write(struct decoder *decoder, const void *bytes, size_t size, decoder_sink *sink,
                  void *context, struct error *error)
{
    struct output output = {.sink = sink, .context = context, .error = error};

    if (decoder->result == 0) {
        decoder->result = write_stage(decoder, 0, bytes, size, &output);
        if (decoder->result == -ECANCELED) {
            (void)error_set(error, -ECANCELED, "no more of the body was wanted");
        }
    } else {
        (void)error_set(error, decoder->result, "decoding the body has failed before");
    }
    return decoder->result;
}

int decoder_finish(struct decoder *decoder, struct error *error)
{
    if (decoder->result < 0) {
        return error_set(error, decoder->result, "decoding the body has failed before");
    }
    for (size_t i = 0; i < decoder->stage_count; i++) {
        struct stage *stage = &decoder->stages[i];
        if (stage->state != STAGE_FRESH && stage->state != STAGE_ENDED) {
            decoder->result = corrupt(stage, "it is cut short", error);
            return decoder->result;
        }
    }
    return 0;
}
