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
        (void)fprintf(file, "%s%s\r\n", i == 0 ? "\r\nThresholds\r\n" : "", text);
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

/* Programs that show mail know little of style sheets, so what elements look like stands in each of
 * them; greys are those that can be read on white and on black. */
#define QUIET "color:#767c85"
#define RULE  "border-bottom:1px solid #b9bdc4"
#define WRAPS "overflow-wrap:anywhere;word-break:break-word"
#define BUTTON                                                                                     \
    "display:inline-block;padding:8px 18px;border-radius:6px;background:#2b6cb0;color:#ffffff"

static const char html_head[] =
    "<!DOCTYPE html>\r\n<html lang=\"en\"><head><meta charset=\"utf-8\">\r\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\r\n"
    "<meta name=\"color-scheme\" content=\"light dark\"></head>\r\n"
    "<body style=\"margin:0;padding:20px 16px;font:16px/1.5 -apple-system,'Segoe UI',Roboto,"
    "'DejaVu Sans',Arial,sans-serif\">\r\n<div style=\"max-width:560px;margin:0 auto\">\r\n";

/* The result, as it looks on the page of a run. */
static void put_result(FILE *file, const char *result)
{
    bool good = strcmp(result, "passed") == 0;
    bool bad = strcmp(result, "failed") == 0 || strcmp(result, "aborted") == 0;

    (void)fprintf(file,
                  "<span style=\"display:inline-block;padding:2px 12px;border-radius:99px;"
                  "font-weight:bold;%s\">",
                  good  ? "background:#dff3e6;color:#1c5f3c"
                  : bad ? "background:#fbe3e1;color:#a32020"
                        : "background:#fbeecf;color:#7a4f08");
    put_html(file, result);
    (void)fputs("</span>\r\n", file);
}

/* A row of two cells; what stands in the first may be long, or what stands in the second. */
static void start_row(FILE *file, bool is_label)
{
    (void)fprintf(file, "<tr><td style=\"padding:6px 16px 6px 0;" RULE ";%s\">",
                  is_label ? QUIET : WRAPS);
}

static void start_value(FILE *file)
{
    (void)fputs("</td><td style=\"padding:6px 0;" RULE ";text-align:right;white-space:nowrap;"
                "font-weight:bold\">",
                file);
}

static void start_table(FILE *file)
{
    (void)fputs("<table style=\"width:100%;border-collapse:collapse;margin:0 0 18px\">\r\n", file);
}

static void put_facts(FILE *file, const struct facts *facts)
{
    start_table(file);
    for (size_t i = 0; i < facts->n; i++) {
        start_row(file, true);
        put_html(file, facts->facts[i].label);
        start_value(file);
        put_html(file, facts->facts[i].value);
        (void)fputs("</td></tr>\r\n", file);
    }
    (void)fputs("</table>\r\n", file);
}

static void put_thresholds(FILE *file, const struct facts *facts)
{
    if (json_array_size(facts->thresholds) == 0) {
        return;
    }
    (void)fputs("<h2 style=\"font-size:16px;margin:0 0 4px\">Thresholds</h2>\r\n", file);
    start_table(file);
    for (size_t i = 0; i < json_array_size(facts->thresholds); i++) {
        const json_t *one = json_array_get(facts->thresholds, i);
        const char *text = json_string_value(json_object_get(one, "threshold"));
        const char *value = json_string_value(json_object_get(one, "value"));
        bool holds = json_is_true(json_object_get(one, "holds"));
        start_row(file, false);
        (void)fprintf(file, "<b style=\"color:%s\">%s</b>&#160;", holds ? "#2f9461" : "#d64545",
                      holds ? "\xe2\x9c\x93" : "\xe2\x9c\x97");
        put_html(file, text ? text : "");
        start_value(file);
        put_html(file, value ? value : "\xe2\x80\x93");
        (void)fputs("</td></tr>\r\n", file);
    }
    (void)fputs("</table>\r\n", file);
}

static void write_html(FILE *file, const struct facts *facts)
{
    (void)fputs(html_head, file);
    put_result(file, facts->result);
    (void)fputs("<h1 style=\"font-size:20px;line-height:1.3;margin:8px 0 14px;" WRAPS "\">", file);
    put_html(file, facts->name);
    (void)fputs("</h1>\r\n", file);
    if (facts->trouble) {
        (void)fputs("<p style=\"margin:0 0 14px;padding:8px 12px;border-radius:6px;"
                    "background:#fbe3e1;color:#a32020;" WRAPS "\">",
                    file);
        put_html(file, facts->trouble);
        (void)fputs("</p>\r\n", file);
    }
    put_facts(file, facts);
    put_thresholds(file, facts);
    if (facts->link) {
        (void)fputs("<p style=\"margin:0\"><a href=\"", file);
        put_html(file, facts->link);
        (void)fputs("\" style=\"" BUTTON ";text-decoration:none\">More about this run</a></p>\r\n"
                    "<p style=\"margin:8px 0 0;font-size:13px;" QUIET ";" WRAPS "\">",
                    file);
        put_html(file, facts->link);
        (void)fputs("</p>\r\n", file);
    }
    (void)fputs("</div>\r\n</body></html>\r\n", file);
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
