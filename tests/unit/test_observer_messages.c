/* SPDX-License-Identifier: MPL-2.0 */
/* What the observers that are built in say: numbers of a run as text, a mail, a talk with a server
 * of IRC; with texts of strangers in them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "observers/common.h"
#include "observers/email_message.h"
#include "observers/irc_talk.h"
#include "test.h"

#define HOSTILE "caf\xc3\xa9 <b>\"&'\r\nQUIT\x1b[31m \xff \xe2\x80\xa8."

static void read_text(struct input *input, const char *text)
{
    struct error error;
    int fd = memfd_create("input", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(input_read(input, fd, &error), 0);
    close_fd(fd);
}

/* The body of a part, decoded. */
static char *part_of(const char *text, const char *type)
{
    const char *begin = strstr(strstr(text, type), "\r\n\r\n") + 4, *end = strstr(begin, "--=_");
    uint8_t *bytes;
    size_t size;
    char *part;

    assert_int_equal(base64_decode(begin, (size_t)(end - begin), &bytes, &size), 0);
    part = strndup((char *)bytes, size);
    free(bytes);
    return part;
}

static const char run_text[] =
    "{\"name\": \"shop.TestShop.test_buy\", \"result\": \"failed\", \"duration_usec\": 30200000,"
    " \"hits\": 12400, \"hits_per_sec\": 410.6, \"latency\": {\"p95_usec\": 12345},"
    " \"iterations\": {\"failures\": 3, \"errors\": 1}, \"request_errors\": 2,"
    " \"link\": \"https://example.org/runs/1\", \"observer\": \"irc\","
    " \"observer_options\": {\"channel\": \"#x\", \"port\": \"\"}}";

static void test_input(void **state _unused_)
{
    struct input input = {.json = NULL};
    struct facts facts;
    char line[LINE_BYTES];

    read_text(&input, run_text);
    assert_string_equal(input.observer, "irc");
    assert_string_equal(input_option(&input, "channel", "#loads"), "#x");
    assert_string_equal(input_option(&input, "port", "6667"), "6667");
    assert_true(input_left_usec(&input) > 0);
    facts_of(&input, &facts);
    facts_line(&facts, line);
    assert_string_equal(line, "shop.TestShop.test_buy: failed (https://example.org/runs/1). "
                              "Duration: 30.2 s, Hits: 12,400, Rate: 411/s, p95: 12.3 ms, "
                              "Failures: 3, Errors: 1, Requests without an answer: 2");
    input_clear(&input);
}

static void test_a_run_without_hits(void **state _unused_)
{
    struct input input = {.json = NULL};
    struct facts facts;
    char line[LINE_BYTES];

    read_text(&input, "{\"name\": \"a\", \"result\": \"aborted\", \"trouble\": \"nobody came\"}");
    facts_of(&input, &facts);
    facts_line(&facts, line);
    assert_string_equal(line, "a: aborted. Duration: 0 s, Hits: 0, Rate: 0/s, Failures: 0, "
                              "Errors: 0, Requests without an answer: 0; nobody came");
    input_clear(&input);
}

static const char thresholds_text[] =
    "{\"name\": \"a\", \"result\": \"failed\", \"thresholds\": ["
    "{\"threshold\": \"p95 < 200ms\", \"holds\": false, \"value\": \"312 ms\"},"
    "{\"threshold\": \"rps > 5\", \"holds\": true}]}";

static void test_thresholds(void **state _unused_)
{
    const struct email email = {"a@b", "c@d", NULL, "1", "box", 0};
    struct input input = {.json = NULL};
    _cleanup_free_ char *mail = NULL;
    struct facts facts;
    char line[LINE_BYTES];
    size_t size;

    read_text(&input, thresholds_text);
    facts_of(&input, &facts);
    facts_line(&facts, line);
    assert_non_null(strstr(line, "answer: 0, Thresholds that hold: 1 of 2, "
                                 "\xe2\x9c\x97 p95 < 200ms: 312 ms"));
    assert_null(strstr(line, "rps"));
    assert_int_equal(email_compose(&email, &facts, &mail, &size), 0);
    _cleanup_free_ char *plain = part_of(mail, "text/plain"), *html = part_of(mail, "text/html");
    assert_non_null(strstr(
        plain,
        "\r\n\r\nThresholds\r\n\xe2\x9c\x97 p95 < 200ms: 312 ms\r\n\xe2\x9c\x93 rps > 5\r\n"));
    assert_non_null(strstr(html, "\xe2\x9c\x97</b>&#160;p95 &lt; 200ms</td>"));
    assert_non_null(strstr(html, ">312 ms</td>"));
    assert_non_null(strstr(html, "\xe2\x9c\x93</b>&#160;rps &gt; 5</td>"));
    input_clear(&input);
}

static void test_what_is_no_input(void **state _unused_)
{
    struct input input = {.json = NULL};
    struct error error;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_int_equal(input_read(&input, fd, &error), -EBADMSG);
    close_fd(fd);
}

static void test_secrets(void **state _unused_)
{
    char path[] = "/tmp/loads-secret-XXXXXX", text[256], secret[SECRET_MAX_BYTES];
    struct input input = {.json = NULL};
    struct error error;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "pass word\r\nmore", 15), 15);
    (void)snprintf(text, sizeof text, "{\"observer_options\": {\"password_file\": \"%s\"}}", path);
    read_text(&input, text);
    assert_int_equal(input_secret(&input, "password_file", secret, &error), 0);
    assert_string_equal(secret, "pass word");
    assert_int_equal(input_secret(&input, "secret_file", secret, &error), 0);
    assert_string_equal(secret, "");
    assert_int_equal(fchmod(fd, 0604), 0);
    assert_int_equal(input_secret(&input, "password_file", secret, &error), -EACCES);
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(input_secret(&input, "password_file", secret, &error), -EINVAL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(input_secret(&input, "password_file", secret, &error), -ENOENT);
    close_fd(fd);
    input_clear(&input);
}

static void test_clean(void **state _unused_)
{
    char text[64];

    put_clean(text, sizeof text, HOSTILE);
    assert_string_equal(text, "caf\xc3\xa9 <b>\"&'  QUIT [31m    .");
    put_clean(text, 5, "caf\xc3\xa9"); /* no half character */
    assert_string_equal(text, "caf");
    put_clean(text, 6, "caf\xc3\xa9");
    assert_string_equal(text, "caf\xc3\xa9");
}

static void test_hosts(void **state _unused_)
{
    _cleanup_free_ char *name = host_and_port("localhost", "25"), *six = host_and_port("::1", "25");

    assert_string_equal(name, "localhost:25");
    assert_string_equal(six, "[::1]:25");
}

/* ---- the mail -------------------------------------------------------------------------------- */

static char *compose(const char *subject, const char *name)
{
    const struct email email = {.sender = "loads@box",
                                .recipients = "ada@example.org",
                                .subject = subject,
                                .run_id = "1",
                                .host = "box",
                                .date = 1781525706};
    const struct facts facts = {.name = name, .result = "passed", .link = "https://x/?a&b"};
    char *text;
    size_t size;

    assert_int_equal(email_compose(&email, &facts, &text, &size), 0);
    assert_int_equal(strlen(text), size);
    return text;
}

static void test_mail(void **state _unused_)
{
    _cleanup_free_ char *text = compose(NULL, "shop");

    assert_non_null(strstr(text, "From: loads@box\r\nTo: ada@example.org\r\n"
                                 "Date: Mon, 15 Jun 2026 12:15:06 +0000\r\n"));
    assert_non_null(strstr(text, "\r\nSubject: Loads: passed: shop\r\n"));
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, "\r\n");
        assert_true(length < 100);
        assert_true(line[length] == '\r' && line[length + 1] == '\n');
    }
}

static void test_a_hostile_mail(void **state _unused_)
{
    _cleanup_free_ char *text = compose(HOSTILE "\r\nBcc: eve@example.org", HOSTILE);
    _cleanup_free_ char *plain = part_of(text, "text/plain"), *html = part_of(text, "text/html");

    assert_null(strstr(text, "\r\nBcc"));
    assert_non_null(strstr(text, "Subject: =?UTF-8?B?"));
    assert_non_null(strstr(plain, "caf\xc3\xa9 <b>\"&'  QUIT [31m"));
    assert_non_null(strstr(html, "\">caf\xc3\xa9 &lt;b&gt;&quot;&amp;&#39;  QUIT [31m"));
    assert_non_null(strstr(html, "<a href=\"https://x/?a&amp;b\" "));
}

/* ---- the talk -------------------------------------------------------------------------------- */

static void hear(struct irc_talk *talk, const char *line, const char *expected)
{
    struct error error = {0};

    assert_int_equal(irc_talk_hear(talk, line, &error), 0);
    assert_string_equal(talk->say, expected);
}

static void refuse(struct irc_talk *talk, const char *line, const char *expected)
{
    struct error error = {0};

    assert_int_equal(irc_talk_hear(talk, line, &error), -EPROTO);
    assert_string_equal(error.text, expected);
}

static void test_talk(void **state _unused_)
{
    struct irc_talk talk;

    irc_talk_begin(&talk, "loads", "secret", "#loads", "it is over");
    assert_string_equal(talk.say, "PASS :secret\r\nNICK loads\r\nUSER loads 0 * :Loads\r\n");
    hear(&talk, ":irc NOTICE * :*** Looking up your hostname", "");
    hear(&talk, "PING :12345", "PONG :12345\r\n");
    hear(&talk, ":irc 433 * loads :Nickname already in use", "NICK loads|2\r\n");
    hear(&talk, ":irc 433 * loads|2 :Nickname already in use", "NICK loads|3\r\n");
    hear(&talk, ":irc 001 loads|3 :Welcome", "JOIN #loads\r\n");
    hear(&talk, ":irc 001 loads|3 :Welcome", "");
    hear(&talk, ":loads|3!~loads@box JOIN :#loads", "");
    hear(&talk, ":irc 366 loads|3 #loads :End of NAMES list",
         "PRIVMSG #loads :it is over\r\nPING :loads-said\r\n");
    hear(&talk, "", "");
    hear(&talk, ":irc PONG irc :loads-said", "QUIT :done\r\n");
    assert_int_equal(talk.state, IRC_DONE);
    hear(&talk, "ERROR :Closing connection", "");
}

static void test_refusals(void **state _unused_)
{
    struct irc_talk talk;

    irc_talk_begin(&talk, "loads", "", "#loads", "x");
    assert_string_equal(talk.say, "NICK loads\r\nUSER loads 0 * :Loads\r\n");
    refuse(&talk, ":irc 464 loads :Bad password", "the server doesn't let us in: Bad password");
    refuse(&talk, "ERROR :Go away", "the server ends the connection: Go away");
    refuse(&talk, ":irc 432 * loads", "the server doesn't take the nick: no reason is given");
    for (unsigned i = 2; i <= 5; i++) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "NICK loads|%u\r\n", i);
        hear(&talk, ":irc 433 * x :In use", expected);
    }
    refuse(&talk, ":irc 433 * x :In use", "no nick is free: In use");
    hear(&talk, ":irc 473 loads #loads :Cannot join (+i)", ""); /* nobody has asked */
    hear(&talk, ":irc 001 loads :Welcome", "JOIN #loads\r\n");
    refuse(&talk, ":irc 473 loads #loads :Cannot join (+i)",
           "the channel can't be joined: Cannot join (+i)");
    hear(&talk, ":irc 366 loads #loads :End", "PRIVMSG #loads :x\r\nPING :loads-said\r\n");
    refuse(&talk, ":irc 404 loads #loads :Cannot send",
           "nothing can be said in the channel: Cannot send");
}

static void test_a_long_line_is_cut(void **state _unused_)
{
    struct irc_talk talk;
    char line[2001];

    for (size_t i = 0; i < 1000; i++) {
        memcpy(line + 2 * i, "\xc3\xa9", 2);
    }
    line[2000] = '\0';
    irc_talk_begin(&talk, "loads", "", "#odd", line);
    hear(&talk, ":irc 001 loads :Welcome", "JOIN #odd\r\n");
    assert_int_equal(irc_talk_hear(&talk, ":irc 366 loads #odd :End", NULL), 0);
    size_t length = strcspn(talk.say, "\r");
    assert_true(length < IRC_LINE_BYTES - 2);
    assert_memory_equal(talk.say + length - 2, "\xc3\xa9", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input),          cmocka_unit_test(test_a_run_without_hits),
        cmocka_unit_test(test_thresholds),     cmocka_unit_test(test_what_is_no_input),
        cmocka_unit_test(test_secrets),        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_hosts),          cmocka_unit_test(test_mail),
        cmocka_unit_test(test_a_hostile_mail), cmocka_unit_test(test_talk),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_a_long_line_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
