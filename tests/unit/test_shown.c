/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/shown.h"

/* What is shown of a URL, and what of it is blotted out in place. */
static const struct {
    const char *text, *shown, *blotted;
} urls[] = {
    {"http://h/", "http://h/", "http://h/"},
    {"http://h:80/a@b:c", "http://h:80/a@b:c", "http://h:80/a@b:c"},
    {"http://[::1]:80/x", "http://[::1]:80/x", "http://[::1]:80/x"},
    {"http://me:pw@h/x", "http://***@h/x", "http://*****@h/x"},
    {"https://token@h", "https://***@h", "https://*****@h"},
    {"http://me:p@w@[::1]:8/x", "http://***@[::1]:8/x", "http://******@[::1]:8/x"},
    {"http://h/x?a=b&c", "http://h/x?***", "http://h/x?*****"},
    {"http://h?", "http://h", "http://h?"},
    {"http://h/x#pw?a", "http://h/x", "http://h/x#****"},
    {"http://h/?a#b", "http://h/?***", "http://h/?***"},
    {"http://me:pw@h/?a@b", "http://***@h/?***", "http://*****@h/?***"},
    /* Wrong ones, which messages quote. */
    {"http://me:p/w@h/x", "http://***@h/x", "http://******@h/x"},
    {"http://me:p?w@h/x", "http://***@h/x", "http://******@h/x"},
    {"http://me:p#w@h/x?y", "http://***@h/x?***", "http://******@h/x?*"},
    {"http://h:8o/x", "http://h:8o/x", "http://h:8o/x"},
    {"http:/me:pw@h", "http:/***@h", "http:/*****@h"},
    {"http:///me:pw@h", "http:///***@h", "http:///*****@h"},
    {"http:me:pw@h", "***@h", "**********@h"},
    {"htp://me:pw@h/", "htp://***@h/", "htp://*****@h/"},
    {"//me:pw@h/x", "//***@h/x", "//*****@h/x"},
    {"me:pw@h/x", "***@h/x", "*****@h/x"},
    {"me:p/w@h", "***@h", "******@h"},
    {"/x?token=pw", "/x?***", "/x?********"},
    {"http://@h/", "http://@h/", "http://@h/"},
    {"", "", ""},
    {"a.b.C.test", "a.b.C.test", "a.b.C.test"},
};

static void test_urls(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
        char buffer[SHOWN_BYTES], text[64], again[SHOWN_BYTES];
        assert_string_equal(shown_url(urls[i].text, buffer), urls[i].shown);
        assert_string_equal(shown_url(buffer, again), urls[i].shown); /* once more takes no more */
        char *copy = shown_url_copy(urls[i].text);
        assert_string_equal(copy, urls[i].shown);
        free(copy);
        (void)snprintf(text, sizeof text, "%s", urls[i].text);
        shown_url_blot(text);
        assert_string_equal(text, urls[i].blotted);
    }
}

static void test_lacks(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
        assert_false(shown_url_lacks(urls[i].text));
        assert_int_equal(shown_url_lacks(urls[i].shown), strstr(urls[i].shown, "***") != NULL);
    }
}

static void test_long_ones(void **state _unused_)
{
    char text[2000], buffer[SHOWN_BYTES];

    (void)snprintf(text, sizeof text, "http://%01000d@h/%0500d?x", 0, 1);
    assert_int_equal(strlen(shown_url(text, buffer)), SHOWN_BYTES - 1);
    char *copy = shown_url_copy(text);
    assert_int_equal(strlen(copy), strlen("http://***@h/?***") + 500);
    free(copy);
}

static void test_words(void **state _unused_)
{
    static const char *const words[][3] = {
        {"password=pw", "password=***", "password=**"},
        {"-x=pw", "-x=***", "-x=**"},
        {"a=b=c", "a=***", "a=***"},
        {"=b", "=b", "=b"},
        {"http://me:pw@h/?a=b", "http://***@h/?***", "http://*****@h/?***"},
        {"bash", "bash", "bash"},
        {"a.b.C.test", "a.b.C.test", "a.b.C.test"},
    };

    for (size_t i = 0; i < ELEMENTSOF(words); i++) {
        char buffer[SHOWN_BYTES], text[64];
        assert_string_equal(shown_word(words[i][0], buffer), words[i][1]);
        (void)snprintf(text, sizeof text, "%s", words[i][0]);
        shown_word_blot(text);
        assert_string_equal(text, words[i][2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_lacks),
        cmocka_unit_test(test_long_ones),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
