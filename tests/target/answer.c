/* SPDX-License-Identifier: MPL-2.0 */
/* An answer is a row of literals (the head, the framing of chunks) and pieces of the body behind
 * them; answer_fill() walks along it, so that nothing but a compressed or an echoed body is ever in
 * memory as a whole. A fault is a number of bytes after which the walk ends, and what happens then.
 * Other answers are a few parts, some of them many times over: scripts, and bombs, whose zeros are
 * compressed a mebibyte at a time into always the same bytes.
 */
#include "answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#define DEFAULT_CHUNK_BYTES 16
#define GZIP_WINDOW_BITS    (15 + 16) /* zlib's way to ask for gzip's format */

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz";
#define BOMB_BLOCK_BYTES ((size_t)1 << 20)

static const char garbage[] = "\x01\x02 this is no HTTP \xff\xfe\r\n\r\n";

void answer_clear(struct answer *answer)
{
    text_clear(&answer->head);
    text_clear(&answer->body);
    *answer = (struct answer){0};
}

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } table[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        if (table[i].status == status) {
            return table[i].text;
        }
    }
    return "Some Status";
}

/* Pattern bytes from an offset on. */
static void write_pattern(char *to, size_t size, uint64_t offset)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = alphabet[(offset + i) % (sizeof alphabet - 1)];
    }
}

/* Puts a pattern into memory, for what can't be made piece by piece. */
static int keep_pattern(struct answer *answer)
{
    char piece[4096];

    for (uint64_t offset = 0; offset < answer->body_size;) {
        size_t size = MIN(sizeof piece, answer->body_size - offset);
        write_pattern(piece, size, offset);
        int result = text_append(&answer->body, piece, size);
        if (result < 0) {
            return result;
        }
        offset += size;
    }
    return 0;
}

static int compress_body(struct answer *answer, enum coding coding)
{
    z_stream stream = {0};

    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                     coding == CODING_GZIP ? GZIP_WINDOW_BITS : MAX_WBITS, MAX_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return -ENOMEM;
    }
    size_t bound = deflateBound(&stream, answer->body.size);
    char *bytes = malloc(bound + 1);
    if (!bytes) {
        (void)deflateEnd(&stream); /* nothing of it is used */
        return -ENOMEM;
    }
    stream.next_in = (Bytef *)(answer->body.bytes ? answer->body.bytes : bytes);
    stream.avail_in = (uInt)answer->body.size;
    stream.next_out = (Bytef *)bytes;
    stream.avail_out = (uInt)bound;
    int result = deflate(&stream, Z_FINISH);
    assert(result == Z_STREAM_END); /* into as much room as zlib asked for */
    text_clear(&answer->body);
    answer->body = (struct text){bytes, stream.total_out, bound + 1};
    answer->body_size = stream.total_out;
    (void)deflateEnd(&stream); /* the result above tells */
    return 0;
}

/* Deflates a block of zeros in such a way that it can be repeated: it ends on a byte, and what
 * comes behind it doesn't look back. */
static int add_zeros(struct text *text)
{
    static const unsigned char zeros[65536];
    unsigned char piece[4096];
    z_stream stream = {0};
    int result = 0;

    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return -ENOMEM;
    }
    for (size_t given = 0; result == 0 && given < BOMB_BLOCK_BYTES; given += sizeof zeros) {
        bool last = given + sizeof zeros == BOMB_BLOCK_BYTES;
        stream.next_in = (Bytef *)zeros; /* zlib reads it only */
        stream.avail_in = sizeof zeros;
        do {
            stream.next_out = piece;
            stream.avail_out = sizeof piece;
            (void)deflate(&stream, last ? Z_FULL_FLUSH : Z_NO_FLUSH); /* has all it needs */
            result = text_append(text, piece, sizeof piece - stream.avail_out);
        } while (result == 0 && stream.avail_out == 0);
    }
    (void)deflateEnd(&stream); /* it is in the middle, and complains */
    return result;
}

static void put_little_endian(unsigned char *to, uint64_t number)
{
    for (unsigned i = 0; i < 4; i++) {
        to[i] = (unsigned char)(number >> (8 * i));
    }
}

/* A member of gzip (RFC 1952), in three parts of answer->body; their bytes are set when it no
 * longer grows. */
static int make_bomb(struct answer *answer, uint64_t size)
{
    static const unsigned char header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    unsigned char trailer[10] = {3, 0}; /* an empty last block; then checksum and size */
    _cleanup_free_ unsigned char *zeros = calloc(1, BOMB_BLOCK_BYTES);
    uLong checksum = crc32(0, NULL, 0);

    if (!zeros) {
        return -ENOMEM;
    }
    uLong of_block = crc32(checksum, zeros, (uInt)BOMB_BLOCK_BYTES);
    uint32_t blocks = (uint32_t)(size / BOMB_BLOCK_BYTES);
    for (uint32_t i = 0; i < blocks; i++) {
        checksum = crc32_combine(checksum, of_block, (z_off_t)BOMB_BLOCK_BYTES);
    }
    put_little_endian(trailer + 2, checksum);
    put_little_endian(trailer + 6, size);
    int result = text_append(&answer->body, header, sizeof header);
    result = result < 0 ? result : add_zeros(&answer->body);
    size_t block_size = answer->body.size - sizeof header;
    result = result < 0 ? result : text_append(&answer->body, trailer, sizeof trailer);
    if (result < 0) {
        return result;
    }
    const char *bytes = answer->body.bytes;
    answer->parts[1] = (struct part){bytes, sizeof header, 1, 0};
    answer->parts[2] = (struct part){bytes + sizeof header, block_size, blocks, 0};
    answer->parts[3] = (struct part){bytes + sizeof header + block_size, sizeof trailer, 1, 0};
    answer->body_size = sizeof header + block_size * blocks + sizeof trailer;
    return 0;
}

static int make_body(struct answer *answer, struct plan *plan, struct request *request)
{
    int result = 0;

    if (!plan->has_body && plan->chunks > 0) {
        plan->source = SOURCE_PATTERN;
        plan->size = (uint64_t)plan->chunks * DEFAULT_CHUNK_BYTES;
    } else if (!plan->has_body) {
        result = text_add(&plan->body, "%u %s\n", answer->status, reason(answer->status));
    }
    if (result < 0) {
        return result;
    }
    if (plan->source == SOURCE_BOMB) {
        return make_bomb(answer, plan->size);
    }
    if (plan->source == SOURCE_PATTERN) {
        answer->body_size = plan->size;
        result = plan->coding != CODING_IDENTITY ? keep_pattern(answer) : 0;
    } else {
        struct text *body = plan->source == SOURCE_ECHO ? &request->body : &plan->body;
        answer->body = *body;
        answer->body_size = body->size;
        *body = (struct text){0};
    }
    return result < 0 || plan->coding == CODING_IDENTITY ? result
                                                         : compress_body(answer, plan->coding);
}

static bool is_bodyless(unsigned status)
{
    return status == 204 || status == 304;
}

static int make_head(struct answer *answer, const struct plan *plan, const struct request *request)
{
    struct text *head = &answer->head;
    struct slice echoed = request_header(request, "content-type");
    int result = text_append(head, plan->before.bytes, plan->before.size);

    result = result < 0
                 ? result
                 : text_add(head, "HTTP/1.1 %u %s\r\n", answer->status, reason(answer->status));
    if (result == 0 && plan->source == SOURCE_ECHO && echoed.size > 0) {
        result = text_add(head, "Content-Type: %.*s\r\n", (int)echoed.size, echoed.bytes);
    } else if (result == 0 && !is_bodyless(answer->status)) {
        result = text_add(head, "Content-Type: %s\r\n", plan->type ? plan->type : "text/plain");
    }
    if (result == 0 && plan->coding != CODING_IDENTITY) {
        result = text_add(head, "Content-Encoding: %s\r\n",
                          plan->coding == CODING_GZIP ? "gzip" : "deflate");
    }
    if (result == 0 && !is_bodyless(answer->status)) {
        result = answer->chunks > 0 ? text_add(head, "Transfer-Encoding: chunked\r\n")
                                    : text_add(head, "Content-Length: %llu\r\n",
                                               (unsigned long long)answer->body_size);
    }
    if (result == 0 && plan->location.size > 0) {
        result = text_add(head, "Location: %s\r\n", plan->location.bytes);
    }
    if (result == 0 && answer->end != END_KEEP) {
        result = text_add(head, "Connection: close\r\n");
    } else if (result == 0 && request->minor == 0) {
        result = text_add(head, "Connection: keep-alive\r\n");
    }
    if (result == 0 && plan->headers.size > 0) {
        result = text_append(head, plan->headers.bytes, plan->headers.size);
    }
    return result < 0 ? result : text_append(head, "\r\n", 2);
}

/* The head is as if nothing went wrong; then the answer is cut. */
static void plan_fault(struct answer *answer, enum fault fault)
{
    answer->left = UINT64_MAX;
    answer->complete = fault == FAULT_NONE;
    switch (fault) {
    case FAULT_NONE:
        return;
    case FAULT_RESET:
        answer->left = 0;
        answer->end = END_RESET;
        return;
    case FAULT_RESET_IN_HEADERS:
        answer->left = answer->head.size / 2;
        answer->end = END_RESET;
        return;
    case FAULT_RESET_BEFORE_BODY:
        answer->left = answer->head.size;
        answer->end = END_RESET;
        return;
    case FAULT_RESET_AFTER_BODY:
        answer->complete = true;
        answer->end = END_RESET;
        return;
    case FAULT_RESET_IN_BODY:
    case FAULT_HALF:
        answer->left = answer->head.size + answer->body_size / 2;
        answer->end = fault == FAULT_HALF ? END_CLOSE : END_RESET;
        return;
    case FAULT_GARBAGE:
        answer->literal = garbage;
        answer->literal_left = sizeof garbage - 1;
        answer->started = answer->ended = true;
        answer->end = END_CLOSE;
        return;
    case FAULT_HANG:
        answer->left = 0;
        answer->end = END_HANG;
        return;
    }
}

static int make_script(struct answer *answer, const struct script *script)
{
    memcpy(answer->parts, script->parts, sizeof answer->parts);
    answer->n_parts = SCRIPT_MAX_PARTS;
    answer->status = script->status;
    answer->complete = script->status > 0;
    answer->end = script->end;
    answer->left = UINT64_MAX;
    return 0;
}

int answer_make(struct answer *answer, struct plan *plan, struct request *request)
{
    answer->slow_msec = plan->pause_msec;
    if (plan->source == SOURCE_SCRIPT) {
        return make_script(answer, plan->script);
    }
    answer->status = plan->status ? plan->status : plan->location.size > 0 ? 302 : 200;
    answer->end = plan->close || !request->keep_alive ? END_CLOSE : END_KEEP;
    int result = make_body(answer, plan, request);
    if (result < 0) {
        return result;
    }
    if (request->minor == 1 && plan->source != SOURCE_BOMB) {
        answer->chunks = (unsigned)MIN(plan->chunks, MAX(answer->body_size, 1));
    }
    result = make_head(answer, plan, request);
    if (result < 0) {
        return result;
    }
    if (is_bodyless(answer->status) || slice_is(request->method, "HEAD")) {
        answer->body_size = 0;
        answer->chunks = 0;
    } else if (plan->source == SOURCE_BOMB) {
        answer->parts[0] = (struct part){answer->head.bytes, answer->head.size, 1, 0};
        answer->n_parts = SCRIPT_MAX_PARTS;
    }
    if (plan->close_unsaid) {
        answer->end = END_CLOSE;
    }
    plan_fault(answer, plan->fault);
    return 0;
}

/* Bytes of one of the chunks, which differ by one at most. */
static uint64_t chunk_bytes(const struct answer *answer)
{
    uint64_t size = answer->body_size / answer->chunks;

    return size + (answer->chunk < answer->body_size % answer->chunks ? 1 : 0);
}

static bool next_part(struct answer *answer)
{
    while (answer->part < answer->n_parts && answer->parts[answer->part].times == 0) {
        answer->part++;
    }
    if (answer->part == answer->n_parts) {
        return false;
    }
    struct part *part = &answer->parts[answer->part];
    part->times--;
    answer->literal = part->bytes;
    answer->literal_left = part->size;
    return true;
}

/* Goes on to the next literal and piece; false: there is none. */
static bool next(struct answer *answer)
{
    if (answer->n_parts > 0) {
        return next_part(answer);
    }
    if (!answer->started) {
        answer->started = true;
        answer->literal = answer->head.bytes;
        answer->literal_left = answer->head.size;
        answer->piece_left = answer->chunks > 0 ? 0 : answer->body_size;
        answer->ended = answer->chunks == 0;
        return true;
    }
    if (answer->ended) {
        return false;
    }
    const char *before = answer->chunk > 0 ? "\r\n" : "";
    int size;
    if (answer->chunk < answer->chunks && answer->body_size > 0) {
        answer->piece_left = chunk_bytes(answer);
        size = snprintf(answer->framing, sizeof answer->framing, "%s%llx\r\n", before,
                        (unsigned long long)answer->piece_left);
        answer->chunk++;
    } else {
        size = snprintf(answer->framing, sizeof answer->framing, "%s0\r\n\r\n", before);
        answer->ended = true;
    }
    answer->literal = answer->framing;
    answer->literal_left = (size_t)size;
    return true;
}

static void write_body(const struct answer *answer, char *to, size_t size)
{
    if (answer->body.bytes) {
        memcpy(to, answer->body.bytes + answer->body_offset, size);
    } else {
        write_pattern(to, size, answer->body_offset);
    }
}

size_t answer_fill(struct answer *answer, char *buffer, size_t size)
{
    size_t room = MIN(answer->slow_msec > 0 ? 1 : size, answer->left), used = 0;

    answer->pause_msec = 0;
    while (used < room && answer->pause_msec == 0) {
        if (answer->literal_left > 0) {
            size_t count = MIN(answer->literal_left, room - used);
            memcpy(buffer + used, answer->literal, count);
            answer->literal += count;
            answer->literal_left -= count;
            used += count;
            if (answer->literal_left == 0 && answer->part < answer->n_parts) {
                answer->pause_msec = answer->parts[answer->part].pause_msec;
            }
        } else if (answer->piece_left > 0) {
            size_t count = MIN(answer->piece_left, room - used);
            write_body(answer, buffer + used, count);
            answer->body_offset += count;
            answer->piece_left -= count;
            used += count;
        } else if (!next(answer)) {
            break;
        }
    }
    answer->left -= used;
    if (used > 0 && answer->slow_msec > 0) {
        answer->pause_msec = answer->slow_msec;
    }
    return used;
}
