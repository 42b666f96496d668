/* SPDX-License-Identifier: MPL-2.0 */
/* Each piece is put together in memory and written in one go, so that what others write comes
 * between pieces and not into them. */
#include "debug.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/shown.h"
#include "base/utf8.h"

#define BODY_BYTES  2000
#define HEAD_BYTES  500 /* of a body under a failure */
#define NOTE_BYTES  2000
#define FRAME_BYTES 500 /* of a WebSocket's text */

struct page {
    FILE *file; /* NULL: no memory, then nothing is shown */
    char *text;
    size_t size;
};

/* The stream knows where the page is. */
static void begin(struct page *page)
{
    *page = (struct page){.text = NULL};
    page->file = open_memstream(&page->text, &page->size);
    if (page->file) {
        (void)fputs(log_line_start(), page->file); /* fclose() tells */
    }
}

static void end(struct page *page)
{
    if (page->file && fclose(page->file) == 0) {
        (void)!write(STDERR_FILENO, page->text, page->size); /* whoever reads it may be gone */
    }
    free(page->text);
}

/* ---- what may be shown ----------------------------------------------------------------------- */

/* A terminal obeys control characters, also those of two bytes in UTF-8, and, if it doesn't speak
 * UTF-8, those of one byte above it. */
static void put_plain(FILE *file, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint32_t character = 0;
        size_t n = utf8_character(text + i, size - i, &character);
        bool plain = n > 0 && character >= ' ' && (character < 0x7f || character >= 0xa0);
        (void)fprintf(file, "%.*s", plain ? (int)n : 1, plain ? text + i : "?");
        i += MAX(n, (size_t)1);
    }
}

/* "a=1; b=2": the names. What isn't first in Set-Cookie has no secret in it. */
static void put_cookies(FILE *file, const char *value, bool set)
{
    for (bool first = true; *value; first = false) {
        size_t size = strcspn(value, ";");
        const char *equals = memchr(value, '=', size);
        if (!first && set) {
            put_plain(file, value, strlen(value));
            return;
        }
        put_plain(file, value, equals ? (size_t)(equals - value) : 0);
        (void)fputs("=" SHOWN_SECRET, file);
        value += size;
        if (*value && !set) {
            (void)fputs("; ", file);
            value += 1 + strspn(value + 1, " ");
        }
    }
}

static bool is_secret(const char *name)
{
    static const char *const parts[] = {"auth",     "token",   "secret",
                                        "password", "api-key", "session"};

    for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
        if (strcasecmp(name, "WWW-Authenticate") != 0 && strcasestr(name, parts[i])) {
            return true;
        }
    }
    return false;
}

static void put_header(FILE *file, char mark, const char *line)
{
    char name[64] = "", shown[SHOWN_BYTES];
    size_t size = strcspn(line, ":");
    const char *value = line[size] ? line + size + 1 + strspn(line + size + 1, " \t") : "";

    (void)snprintf(name, sizeof name, "%.*s", (int)MIN(size, sizeof name - 1), line);
    (void)fprintf(file, "%c ", mark);
    put_plain(file, line, size);
    (void)fputs(": ", file);
    if (strcasecmp(name, "Cookie") == 0 || strcasecmp(name, "Set-Cookie") == 0) {
        put_cookies(file, value, strcasecmp(name, "Set-Cookie") == 0);
    } else if (is_secret(name)) {
        (void)fputs(SHOWN_SECRET, file);
    } else if (strcasecmp(name, "Location") == 0 || strcasecmp(name, "Referer") == 0) {
        value = shown_url(value, shown);
        put_plain(file, value, strlen(value));
    } else {
        put_plain(file, value, strlen(value));
    }
    (void)fputc('\n', file);
}

static bool is_text(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool second = i > 0 && (unsigned char)bytes[i - 1] == 0xc2 && c < 0xa0;
        if (second || (c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) {
            return false;
        }
    }
    return utf8_valid(bytes, size);
}

/* Up to a whole character, if it is UTF-8. */
static size_t cut(const char *bytes, size_t size, size_t most)
{
    if (size <= most) {
        return size;
    }
    size_t whole = most;
    while (whole > most - 3 && ((unsigned char)bytes[whole] & 0xc0) == 0x80) {
        whole--;
    }
    return whole;
}

/* A message of a failure may have several lines. */
static void put_lines(FILE *file, const char *text)
{
    while (*text) {
        size_t size = strcspn(text, "\n\t");
        put_plain(file, text, size);
        text += size;
        if (*text) {
            (void)fputc(*text++, file);
        }
    }
    (void)fputc('\n', file);
}

static void put_body(FILE *file, const char *bytes, size_t size, size_t most)
{
    size_t shown = cut(bytes, size, most);

    if (size == 0) {
        return;
    }
    if (!is_text(bytes, shown)) {
        (void)fprintf(file, "* %zu bytes that are no text\n", size);
        return;
    }
    (void)fprintf(file, "%.*s%s", (int)shown, bytes, bytes[shown - 1] == '\n' ? "" : "\n");
    if (shown < size) {
        (void)fprintf(file, "* and %zu more bytes\n", size - shown);
    }
}

static void put_answer(FILE *file, const struct answer *answer, int status, size_t most)
{
    const char *line;

    (void)fprintf(file, "< HTTP %d\n", status);
    for (size_t i = 0; (line = answer_line(answer, i)); i++) {
        put_header(file, '<', line);
    }
    (void)fputs("<\n", file);
    put_body(file, answer->response.body, answer->response.body_size, most);
}

/* ---- --debug-http ---------------------------------------------------------------------------- */

bool debug_is_on(const struct loads_user *user)
{
    return user->worker->spec->debug_http && user->number == 0 && user->iteration == 0 &&
           user->worker->share.cycle == 0;
}

void debug_http_line(const struct loads_user *user, const char *text, size_t size)
{
    if (!debug_is_on(user)) {
        return;
    }
    struct page page;
    begin(&page);
    if (page.file) {
        (void)fputs("* ", page.file);
        put_plain(page.file, text, size);
        (void)fputc('\n', page.file);
    }
    end(&page);
}

void debug_http_note(const struct loads_user *user, const char *format, ...)
{
    char text[NOTE_BYTES];
    va_list arguments;

    if (!debug_is_on(user)) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* cut is fine */
    va_end(arguments);
    debug_http_line(user, text, strlen(text));
}

void debug_http_cookie(const struct loads_user *user, const char *text, size_t size, int result)
{
    const char *equals = memchr(text, '=', size);

    if (!debug_is_on(user)) {
        return;
    }
    struct page page;
    begin(&page);
    if (page.file) {
        (void)fputs("* cookie ", page.file);
        put_plain(page.file, text, equals ? (size_t)(equals - text) : 0);
        (void)fputs(result == 0         ? " taken\n"
                    : result == -EINVAL ? " refused: it makes no sense\n"
                    : result == -EPERM  ? " refused: this answer may not set it\n"
                                        : " refused: there is no room\n",
                    page.file);
    }
    end(&page);
}

void debug_http_request(const struct loads_user *user, const struct exchange *exchange)
{
    const struct url *url = exchange->url;

    if (!debug_is_on(user)) {
        return;
    }
    struct page page;
    begin(&page);
    if (page.file) {
        (void)fprintf(page.file, "> %s %s%s\n", exchange->method, url->path,
                      strchr(url->text, '?') ? "?***" : "");
        (void)fprintf(page.file, "> Host: %s:%u\n", url->host, url->port);
        for (const char *const *line = exchange->headers; line && *line; line++) {
            put_header(page.file, '>', *line);
        }
        (void)fputs(">\n", page.file);
        put_body(page.file, exchange->body, exchange->body ? exchange->body_size_bytes : 0,
                 BODY_BYTES);
    }
    end(&page);
}

void debug_http_answer(const struct loads_user *user, const struct exchange *exchange,
                       const struct answer *answer)
{
    const struct exchange_timing *timing = &exchange->timing;

    if (!debug_is_on(user)) {
        return;
    }
    struct page page;
    begin(&page);
    if (page.file) {
        (void)fprintf(page.file,
                      "* %s connection%s; in ms: connect %.3f, TLS %.3f, send %.3f, wait %.3f, "
                      "receive %.3f\n",
                      exchange->connection_reused ? "kept" : "new",
                      exchange->http_version == 20 ? ", HTTP/2" : "",
                      (double)timing->connect_usec / 1e3, (double)timing->tls_usec / 1e3,
                      (double)timing->send_usec / 1e3, (double)timing->wait_usec / 1e3,
                      (double)timing->receive_usec / 1e3);
        put_answer(page.file, answer, exchange->status, BODY_BYTES);
    }
    end(&page);
}

/* ---- WebSockets ------------------------------------------------------------------------------ */

void debug_http_opened(const struct loads_user *user, const char *protocol)
{
    if (!debug_is_on(user)) {
        return;
    }
    struct page page;
    begin(&page);
    if (page.file) {
        (void)fputs("< HTTP 101\n", page.file);
        if (*protocol) {
            (void)fputs("< Sec-WebSocket-Protocol: ", page.file);
            put_plain(page.file, protocol, strlen(protocol));
            (void)fputc('\n', page.file);
        }
        (void)fputs("<\n", page.file);
    }
    end(&page);
}

static const char *name_of(enum ws_opcode opcode)
{
    return opcode == WS_CONTINUATION ? "continuation"
           : opcode == WS_TEXT       ? "text"
           : opcode == WS_BINARY     ? "binary"
           : opcode == WS_CLOSE      ? "close"
                                     : "pong";
}

/* One line with what is there of the text, or of the reason. */
static void put_payload(FILE *file, const struct ws_frame *frame)
{
    const unsigned char *bytes = frame->head;
    size_t code = frame->opcode == WS_CLOSE && frame->head_size >= 2 ? 2 : 0;
    const char *text = (const char *)frame->head + code;
    size_t size = frame->head_size - code;
    size_t shown = cut(text, size, FRAME_BYTES);

    if (code > 0) {
        (void)fprintf(file, ", code %u", (unsigned)bytes[0] << 8 | bytes[1]);
    }
    if (size > 0 && frame->opcode != WS_BINARY && frame->opcode != WS_PONG) {
        (void)fputs(": ", file);
        put_plain(file, text, shown);
        (void)fputs(shown + code < frame->size ? "…" : "", file);
    }
}

void debug_http_frame(const struct loads_user *user, const struct ws_frame *frame)
{
    if (!debug_is_on(user)) {
        return;
    }
    struct page page;
    begin(&page);
    if (page.file) {
        (void)fprintf(page.file, "%c %s frame, %zu bytes%s", frame->sent ? '>' : '<',
                      name_of(frame->opcode), frame->size, frame->more ? ", more to come" : "");
        put_payload(page.file, frame);
        (void)fputc('\n', page.file);
    }
    end(&page);
}

/* ---- at once --------------------------------------------------------------------------------- */

void debug_keep(struct loads_user *user, const struct answer *answer)
{
    user->last_answer = user->worker->spec->single ? answer : NULL;
}

void debug_failure(const struct loads_user *user, const struct error_key *error)
{
    const struct answer *answer = user->last_answer;

    if (!user->worker->spec->single) {
        return;
    }
    struct page page;
    begin(&page);
    if (page.file) {
        (void)fprintf(page.file, "%s: %s: ", *error->place ? error->place : error->test,
                      error->kind == ERROR_KIND_FAILURE ? "failure" : "error");
        put_lines(page.file, error->message);
        if (answer && answer->response.status > 0) {
            char shown[SHOWN_BYTES];
            (void)fprintf(page.file, "* the last answer, of %s:\n",
                          shown_url(answer->response.url, shown));
            put_answer(page.file, answer, answer->response.status, HEAD_BYTES);
        }
    }
    end(&page);
}
