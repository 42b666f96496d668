/* SPDX-License-Identifier: MPL-2.0 */
/* The summary as JSON: what isn't known has no key, and texts from outside become UTF-8. All that
 * it holds is test_outputs.c's to look at. */
#include "report/summary_json.h"

#include <string.h>

#include "test.h"

static void test_a_run_without_hits(void **state _unused_)
{
    _cleanup_(run_spec_freep) struct run_spec *spec = NULL;
    _cleanup_free_ char *text = NULL;
    const struct summary summary = {.hits = 0};
    size_t size;

    assert_int_equal(run_spec_new(&spec), 0);
    spec->url = strdup("http://ada:secret@127.0.0.1/");
    spec->users = (struct number_list){{1}, 1};
    spec->hits = (struct number_list){{1}, 1};
    const struct output_run run = {.spec = spec, .trouble = "a \xff byte"};
    json_auto_t *object = json_summary(&run, &summary);
    assert_non_null(object);
    assert_null(json_object_get(object, "latency"));
    assert_null(json_object_get(object, "ended"));
    assert_string_equal(json_string_value(json_object_get(object, "trouble")),
                        "a \xef\xbf\xbd byte");
    assert_int_equal(summary_json_text(object, JSON_COMPACT, &text, &size), 0);
    assert_int_equal(strlen(text), size);
    assert_null(strstr(text, "secret"));
    assert_null(strstr(text, "null"));
}

static void test_digits(void **state _unused_)
{
    json_auto_t *object = json_pack("{sf}", "x", 0.1);
    _cleanup_free_ char *text = NULL;
    size_t size;

    assert_int_equal(summary_json_text(object, JSON_COMPACT, &text, &size), 0);
    assert_string_equal(text, "{\"x\":0.1}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_without_hits),
        cmocka_unit_test(test_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
