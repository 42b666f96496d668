/* SPDX-License-Identifier: MPL-2.0 */
/* RFC 5322 and MIME. Bodies are base64, so that no server has to be asked what lines it takes; a
 * subject that isn't ASCII becomes encoded words (RFC 2047), each of whole characters. */
#include "observers/email_message.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "base/utf8.h"

#define WORD_BYTES    42 /* 56 letters in base64: with what is around them less than 75 */
#define SUBJECT_BYTES 400
#define LINE_LETTERS  76
#define BOUNDARY      "=_loads_7d1e4f0a" /* '_' behind '=' is in no base64 */

static bool is_ascii(const char *text)
{
    while (*text && !(*text & 0x80)) {
        text++;
    }
    return !*text;
}

static int put_words(FILE *file, const char *text)
{
    size_t size = strlen(text), at = 0;

    while (at < size) {
        size_t length = 0;
        while (at + length < size) {
            uint32_t character;
            size_t next = utf8_character(text + at + length, size - at - length, &character);
            next = MAX(next, (size_t)1);
            if (length + next > WORD_BYTES) {
                break;
            }
            length += next;
        }
        _cleanup_free_ char *word = NULL;
        if (base64_encode(text + at, length, &word) < 0) {
            return -ENOMEM;
        }
        (void)fprintf(file, "%s=?UTF-8?B?%s?=", at > 0 ? "\r\n " : "", word);
        at += length;
    }
    return 0;
}

static int put_subject(FILE *file, const struct email *email, const struct facts *facts)
{
    _cleanup_free_ char *made = NULL;
    char subject[SUBJECT_BYTES];

    if (!email->subject && asprintf(&made, "Loads: %s: %s", facts->result, facts->name) < 0) {
        made = NULL;
        return -ENOMEM;
    }
    put_clean(subject, sizeof subject, made ? made : email->subject);
    (void)fputs("Subject: ", file);
    int r = 0;
    /* A longer line would have to be folded, where it may have no blank. */
    if (is_ascii(subject) && strlen(subject) < 900 && !strstr(subject, "=?")) {
        (void)fputs(subject, file);
    } else {
        r = put_words(file, subject);
    }
    (void)fputs("\r\n", file);
    return r;
}

static int put_body(FILE *file, const char *type, const char *text, size_t size)
{
    _cleanup_free_ char *letters = NULL;

    if (base64_encode(text, size, &letters) < 0) {
        return -ENOMEM;
    }
    (void)fprintf(file,
                  "--" BOUNDARY "\r\nContent-Type: %s; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: base64\r\n\r\n",
                  type);
    for (size_t at = 0, all = strlen(letters); at < all; at += LINE_LETTERS) {
        (void)fprintf(file, "%.*s\r\n", LINE_LETTERS, letters + at);
    }
    return 0;
}

/* ---- the parts ------------------------------------------------------------------------------- */

static void put_text(FILE *file, const char *text)
{
    char clean[LINE_BYTES];

    put_clean(clean, sizeof clean, text);
    (void)fputs(clean, file);
}

static void put_html(FILE *file, const char *text)
{
    char clean[LINE_BYTES];

    put_clean(clean, sizeof clean, text);
    for (const char *c = clean; *c; c++) {
        const char *entity = *c == '<'    ? "&lt;"
                             : *c == '>'  ? "&gt;"
                             : *c == '&'  ? "&amp;"
                             : *c == '"'  ? "&quot;"
                             : *c == '\'' ? "&#39;"
                                          : NULL;
        if (entity) {
            (void)fputs(entity, file);
        } else {
            (void)fputc(*c, file);
        }
    }
}

static void write_text(FILE *file, const struct facts *facts)
{
    put_text(file, facts->name);
    (void)fprintf(file, "\r\nResult: %s\r\n", facts->result);
    for (size_t i = 0; i < facts->n; i++) {
        (void)fprintf(file, "%s: %s\r\n", facts->facts[i].label, facts->facts[i].value);
    }
    for (size_t i = 0; i < json_array_size(facts->thresholds); i++) {
        char text[FACT_BYTES];
        facts_threshold(facts, i, text);
        (void)fprintf(file, "%s\r\n", text);
    }
    if (facts->trouble) {
        (void)fputs("\r\n", file);
        put_text(file, facts->trouble);
        (void)fputs("\r\n", file);
    }
    if (facts->link) {
        (void)fputs("\r\n", file);
        put_text(file, facts->link);
        (void)fputs("\r\n", file);
    }
}

static void write_html(FILE *file, const struct facts *facts)
{
    (void)fputs("<!DOCTYPE html>\r\n<html><body>\r\n<h1>", file);
    put_html(file, facts->name);
    (void)fputs("</h1>\r\n<table>\r\n<tr><th align=\"left\">Result</th><td>", file);
    put_html(file, facts->result);
    (void)fputs("</td></tr>\r\n", file);
    for (size_t i = 0; i < facts->n; i++) {
        (void)fprintf(file, "<tr><th align=\"left\">%s</th><td>%s</td></tr>\r\n",
                      facts->facts[i].label, facts->facts[i].value);
    }
    (void)fputs("</table>\r\n", file);
    for (size_t i = 0; i < json_array_size(facts->thresholds); i++) {
        char text[FACT_BYTES];
        facts_threshold(facts, i, text);
        (void)fputs(i == 0 ? "<p>" : "<br>", file);
        put_html(file, text);
    }
    (void)fputs(json_array_size(facts->thresholds) > 0 ? "</p>\r\n" : "", file);
    if (facts->trouble) {
        (void)fputs("<p>", file);
        put_html(file, facts->trouble);
        (void)fputs("</p>\r\n", file);
    }
    if (facts->link) {
        (void)fputs("<p><a href=\"", file);
        put_html(file, facts->link);
        (void)fputs("\">", file);
        put_html(file, facts->link);
        (void)fputs("</a></p>\r\n", file);
    }
    (void)fputs("</body></html>\r\n", file);
}

static int put_part(FILE *file, const char *type, const struct facts *facts,
                    void (*write_part)(FILE *file, const struct facts *facts))
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    FILE *part = open_memstream(&text, &size);

    if (!part) {
        return -ENOMEM;
    }
    write_part(part, facts);
    return fclose(part) == 0 ? put_body(file, type, text, size) : -ENOMEM;
}

static void put_headers(FILE *file, const struct email *email)
{
    char date[64];
    struct tm utc;

    (void)gmtime_r(&email->date, &utc); /* the locale is "C": nobody has set another */
    (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &utc);
    (void)fprintf(file,
                  "From: %s\r\nTo: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n"
                  "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
                  email->sender, email->recipients, date, email->run_id, email->host);
}

int email_compose(const struct email *email, const struct facts *facts, char **ret,
                  size_t *ret_size)
{
    char *text = NULL;
    FILE *file = open_memstream(&text, ret_size);

    if (!file) {
        return -ENOMEM;
    }
    put_headers(file, email);
    int r = put_subject(file, email, facts);
    (void)fputs("Content-Type: multipart/alternative; boundary=\"" BOUNDARY "\"\r\n\r\n", file);
    if (r == 0) {
        r = put_part(file, "text/plain", facts, write_text);
    }
    if (r == 0) {
        r = put_part(file, "text/html", facts, write_html);
    }
    (void)fputs("--" BOUNDARY "--\r\n", file);
    if (fclose(file) != 0 || r < 0) {
        free(text);
        return -ENOMEM;
    }
    *ret = text;
    return 0;
}
