/* SPDX-License-Identifier: MPL-2.0 */
/* A strict reader: a client under test that sends something odd shall see it refused and not
 * guessed at. Line ends are CRLF, lines aren't folded, lengths are plain and agree. */
#include "request.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define MAX_METHOD_BYTES   32
#define MAX_LENGTH_DIGITS  18
#define MAX_CHUNK_DIGITS   15
#define MAX_CHUNK_OVERHEAD 65536 /* extensions and trailers of one request */

enum {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER,
    CHUNK_TRAILER_LINE,
    CHUNK_LAST_LF,
};

bool slice_is(struct slice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.bytes, text, slice.size) == 0;
}

bool slice_is_ignoring_case(struct slice slice, const char *text)
{
    return slice.size == strlen(text) && strncasecmp(slice.bytes, text, slice.size) == 0;
}

void request_clear(struct request *request)
{
    free(request->head);
    text_clear(&request->body);
    *request = (struct request){0};
}

static bool is_token(struct slice slice)
{
    for (size_t i = 0; i < slice.size; i++) {
        unsigned char c = (unsigned char)slice.bytes[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c)) {
            return false;
        }
    }
    return slice.size > 0;
}

/* What stands before `c`, which is taken away, too; false: there is no `c`. */
static bool cut(struct slice *rest, char c, struct slice *ret)
{
    const char *end = rest->size > 0 ? memchr(rest->bytes, c, rest->size) : NULL;

    if (!end) {
        return false;
    }
    *ret = (struct slice){rest->bytes, (size_t)(end - rest->bytes)};
    rest->size -= ret->size + 1;
    rest->bytes = end + 1;
    return true;
}

static struct slice trim(struct slice slice)
{
    while (slice.size > 0 && (*slice.bytes == ' ' || *slice.bytes == '\t')) {
        slice.bytes++;
        slice.size--;
    }
    while (slice.size > 0 &&
           (slice.bytes[slice.size - 1] == ' ' || slice.bytes[slice.size - 1] == '\t')) {
        slice.size--;
    }
    return slice;
}

/* Path and query; of a target with scheme and host, what is behind these. */
static bool read_target(struct request *request, struct slice target)
{
    for (size_t i = 0; i < target.size; i++) {
        if (target.bytes[i] <= ' ' || target.bytes[i] >= 0x7f) {
            return false;
        }
    }
    if (target.size > 7 && strncasecmp(target.bytes, "http://", 7) == 0) {
        target = (struct slice){target.bytes + 7, target.size - 7};
        const char *path = memchr(target.bytes, '/', target.size);
        if (!path) {
            return false;
        }
        target.size -= (size_t)(path - target.bytes);
        target.bytes = path;
    }
    if (target.size == 0 || *target.bytes != '/') {
        return false;
    }
    request->target = target;
    request->query = target;
    if (!cut(&request->query, '?', &request->path)) {
        request->path = target;
        request->query = (struct slice){target.bytes + target.size, 0};
    }
    return true;
}

static unsigned read_request_line(struct request *request, struct slice line)
{
    struct slice target;

    if (!cut(&line, ' ', &request->method) || !cut(&line, ' ', &target) ||
        !is_token(request->method) || request->method.size > MAX_METHOD_BYTES) {
        return 400;
    }
    if (line.size != 8 || strncmp(line.bytes, "HTTP/", 5) != 0) {
        return 400;
    }
    if (!slice_is(line, "HTTP/1.1") && !slice_is(line, "HTTP/1.0")) {
        return 505;
    }
    request->minor = line.bytes[7] == '1';
    return read_target(request, target) ? 0 : 400;
}

bool request_next_header(const struct request *request, size_t *cursor, struct slice *ret_name,
                         struct slice *ret_value)
{
    struct slice rest = {request->headers.bytes + *cursor, request->headers.size - *cursor}, line;

    if (!cut(&rest, '\n', &line)) {
        return false;
    }
    *cursor = request->headers.size - rest.size;
    line.size--; /* the CR */
    if (!cut(&line, ':', ret_name)) {
        return false;
    }
    *ret_value = trim(line);
    return true;
}

struct slice request_header(const struct request *request, const char *name)
{
    struct slice found, value;

    for (size_t cursor = 0; request_next_header(request, &cursor, &found, &value);) {
        if (slice_is_ignoring_case(found, name)) {
            return value;
        }
    }
    return (struct slice){0};
}

static bool valid_header_line(struct slice line)
{
    struct slice name;

    for (size_t i = 0; i < line.size; i++) {
        unsigned char c = (unsigned char)line.bytes[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return cut(&line, ':', &name) && is_token(name);
}

static bool read_length(struct request *request, struct slice value)
{
    uint64_t length = 0;

    if (value.size == 0 || value.size > MAX_LENGTH_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < value.size; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9') {
            return false;
        }
        length = length * 10 + (uint64_t)(value.bytes[i] - '0');
    }
    if (request->framing == BODY_LENGTH && length != request->left) {
        return false;
    }
    request->framing = BODY_LENGTH;
    request->left = length;
    return true;
}

static void read_connection(struct request *request, struct slice value)
{
    struct slice token;

    do {
        if (!cut(&value, ',', &token)) {
            token = value;
            value.size = 0;
        }
        if (slice_is_ignoring_case(trim(token), "close")) {
            request->keep_alive = false;
        } else if (slice_is_ignoring_case(trim(token), "keep-alive") && request->minor == 0) {
            request->keep_alive = true;
        }
    } while (value.size > 0);
}

/* What the headers say of the message itself. 0, or the status of a refusal. */
static unsigned read_headers(struct request *request)
{
    struct slice name, value;
    unsigned hosts = 0;
    bool chunked = false;

    request->keep_alive = request->minor == 1;
    for (size_t cursor = 0; request_next_header(request, &cursor, &name, &value);) {
        if (slice_is_ignoring_case(name, "host")) {
            hosts++;
        } else if (slice_is_ignoring_case(name, "content-length")) {
            if (!read_length(request, value)) {
                return 400;
            }
        } else if (slice_is_ignoring_case(name, "transfer-encoding")) {
            if (!slice_is_ignoring_case(value, "chunked")) {
                return 501;
            }
            chunked = true;
        } else if (slice_is_ignoring_case(name, "connection")) {
            read_connection(request, value);
        } else if (slice_is_ignoring_case(name, "expect")) {
            request->expects_continue = slice_is_ignoring_case(value, "100-continue");
        }
    }
    if ((request->minor == 1 && hosts != 1) || (chunked && request->framing == BODY_LENGTH)) {
        return 400;
    }
    if (chunked) {
        request->framing = BODY_CHUNKED;
    }
    return 0;
}

/* The size of a head with its empty line; 0: it isn't complete; -1: it never will be. */
static ssize_t find_end(const char *bytes, size_t size)
{
    const char *end = memmem(bytes, size, "\r\n\r\n", 4), *newline = bytes;
    size_t head_size = end ? (size_t)(end - bytes) + 4 : size;

    while ((newline = memchr(newline, '\n', head_size - (size_t)(newline - bytes)))) {
        if (newline == bytes || newline[-1] != '\r') {
            return -1;
        }
        newline++;
    }
    return end ? (ssize_t)head_size : 0;
}

static unsigned read_lines(struct request *request, size_t head_size)
{
    struct slice rest = {request->head, head_size}, line;

    if (!cut(&rest, '\n', &line)) {
        return 400;
    }
    unsigned status = read_request_line(request, (struct slice){line.bytes, line.size - 1});
    if (status != 0) {
        return status;
    }
    request->headers = rest;
    while (cut(&rest, '\n', &line)) {
        if (!valid_header_line((struct slice){line.bytes, line.size - 1})) {
            return 400;
        }
    }
    return read_headers(request);
}

int request_read_head(struct request *request, const char *bytes, size_t size, size_t *ret_used,
                      unsigned *ret_status)
{
    size_t skipped = 0;

    while (size - skipped >= 2 && memcmp(bytes + skipped, "\r\n", 2) == 0) {
        skipped += 2;
    }
    *ret_status = 400;
    if (size == skipped) {
        *ret_used = skipped;
        return 0;
    }
    ssize_t end = find_end(bytes + skipped, size - skipped);
    if (end < 0) {
        return -EBADMSG;
    }
    if ((end == 0 && size - skipped >= REQUEST_MAX_HEAD_BYTES) || end > REQUEST_MAX_HEAD_BYTES) {
        *ret_status = 431;
        return -EBADMSG;
    }
    *ret_used = skipped + (size_t)end;
    if (end == 0) {
        return 0;
    }
    request->head = malloc((size_t)end);
    if (!request->head) {
        return -ENOMEM;
    }
    memcpy(request->head, bytes + skipped, (size_t)end);
    *ret_status = read_lines(request, (size_t)end - 2);
    return *ret_status == 0 ? 1 : -EBADMSG;
}

static int keep(struct request *request, const char *bytes, size_t size, unsigned *ret_status)
{
    if (!request->keep_body) {
        return 0;
    }
    if (size > REQUEST_MAX_BODY_BYTES - request->body.size) {
        *ret_status = 413;
        return -EBADMSG;
    }
    return text_append(&request->body, bytes, size);
}

static bool add_chunk_digit(struct request *request, char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;

    if (!digit || ++request->chunk_digits > MAX_CHUNK_DIGITS) {
        return false;
    }
    request->left = request->left * 16 + (uint64_t)(digit - digits);
    return true;
}

/* One byte of what stands between the data of chunks. 1: it was the last of the body. */
static int read_chunk_byte(struct request *request, char c)
{
    switch (request->chunk_state) {
    case CHUNK_SIZE:
        if (request->chunk_digits > 0 && (c == '\r' || c == ';' || c == ' ' || c == '\t')) {
            request->chunk_state = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
            return 0;
        }
        return add_chunk_digit(request, c) ? 0 : -EBADMSG;
    case CHUNK_EXTENSION:
        if (c == '\r') {
            request->chunk_state = CHUNK_SIZE_LF;
        }
        return ++request->chunk_overhead > MAX_CHUNK_OVERHEAD ? -EBADMSG : 0;
    case CHUNK_SIZE_LF:
        request->chunk_state = request->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
        return c == '\n' ? 0 : -EBADMSG;
    case CHUNK_DATA_CR:
        request->chunk_state = CHUNK_DATA_LF;
        return c == '\r' ? 0 : -EBADMSG;
    case CHUNK_DATA_LF:
        request->chunk_state = CHUNK_SIZE;
        request->chunk_digits = 0;
        return c == '\n' ? 0 : -EBADMSG;
    case CHUNK_TRAILER:
        request->chunk_state = c == '\r' ? CHUNK_LAST_LF : CHUNK_TRAILER_LINE;
        return 0;
    case CHUNK_TRAILER_LINE:
        if (c == '\n') {
            request->chunk_state = CHUNK_TRAILER;
        }
        return ++request->chunk_overhead > MAX_CHUNK_OVERHEAD ? -EBADMSG : 0;
    default:
        return c == '\n' ? 1 : -EBADMSG;
    }
}

/* Takes what it can of the data that is announced. */
static int read_data(struct request *request, const char *bytes, size_t size, size_t *used,
                     unsigned *ret_status)
{
    size_t count = MIN(request->left, size - *used);
    int result = keep(request, bytes + *used, count, ret_status);

    *used += count;
    request->left -= count;
    return result;
}

int request_read_body(struct request *request, const char *bytes, size_t size, size_t *ret_used,
                      unsigned *ret_status)
{
    size_t used = 0;
    int result = 0;

    *ret_status = 400;
    if (request->framing != BODY_CHUNKED) {
        result = read_data(request, bytes, size, &used, ret_status);
        *ret_used = used;
        return result < 0 ? result : request->left == 0;
    }
    while (result == 0 && used < size) {
        if (request->chunk_state != CHUNK_DATA) {
            result = read_chunk_byte(request, bytes[used++]);
        } else {
            result = read_data(request, bytes, size, &used, ret_status);
            if (request->left == 0) {
                request->chunk_state = CHUNK_DATA_CR;
            }
        }
    }
    *ret_used = used;
    return result;
}
