/* SPDX-License-Identifier: MPL-2.0 */
#include "test.h"

#include <errno.h>

#include "run/worker_files.h"
#include "temporary_dir.h"

static const char spec[] =
    "{\"run_id\":\"0f8fad5b-d9cb-469f-a165-70867728950e\",\"fqn\":\"m.A.t\",\"users\":[3],"
    "\"hits\":[1],\"grace_usec\":0,\"http_timeout_usec\":30000000,\"stack_size_bytes\":262144,"
    "\"insecure\":false,\"detail\":false}";

/* What a supervisor makes for its worker 7. */
static void make_files(void)
{
    _cleanup_(names_file_freep) struct names_file *names = NULL;
    _cleanup_(area_freep) struct area *area = NULL;
    struct error error;

    write_file("spec.json", spec, 0600);
    assert_int_equal(names_file_create(&names, "names", &error), 0);
    assert_int_equal(area_create(&area, "worker-7", 3, false, &error), 0);
}

static void test_all_there(void **state _unused_)
{
    struct worker_files files = {NULL, NULL, NULL};
    struct error error;

    make_files();
    assert_int_equal(worker_files_open(&files, temporary_dir, 7, &error), 0);
    assert_string_equal(files.spec->fqn.text, "m.A.t");
    assert_int_equal(files.area->n_users, 3);
    assert_int_equal(names_count(files.names->names, NAME_TEST), 1);
    worker_files_close(&files);
    assert_null(files.spec);
    worker_files_close(&files);
}

static void check_refused(unsigned serial, int result, const char *text)
{
    struct worker_files files = {NULL, NULL, NULL};
    struct error error = {0};

    assert_int_equal(worker_files_open(&files, temporary_dir, serial, &error), result);
    assert_non_null(strstr(error.text, text));
    assert_null(files.spec);
    assert_null(files.area);
}

static void test_something_missing(void **state _unused_)
{
    check_refused(7, -ENOENT, "cannot read the specification");
    make_files();
    check_refused(8, -ENOENT, "worker-8");
    assert_int_equal(unlink("names"), 0);
    check_refused(7, -ENOENT, "names");
}

static void test_no_specification(void **state _unused_)
{
    make_files();
    write_file("spec.json", "{", 0600);
    check_refused(7, -EBADMSG, "not JSON");
    assert_int_equal(truncate("spec.json", SPEC_MAX_BYTES + 1), 0);
    check_refused(7, -E2BIG, "bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_there, enter_temporary_dir, leave_temporary_dir),
        cmocka_unit_test_setup_teardown(test_something_missing, enter_temporary_dir,
                                        leave_temporary_dir),
        cmocka_unit_test_setup_teardown(test_no_specification, enter_temporary_dir,
                                        leave_temporary_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
