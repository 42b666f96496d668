/* SPDX-License-Identifier: MPL-2.0 */
/* Certificates and keys as openssl writes them. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "run/certificate.h"
#include "temporary_dir.h"

static void sh(const char *command)
{
    assert_int_equal(system(command), 0);
}

static int make_files(void **state)
{
    if (enter_temporary_dir(state) < 0) {
        return -1;
    }
    sh("for name in ours other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
       "-nodes "
       "-subj /CN=$name -keyout $name.key -out $name.pem 2>log || exit; done");
    sh("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=rsa -keyout rsa.key -out rsa.pem "
       "2>log");
    sh("cat ours.pem other.pem >chain.pem; cat ours.key ours.pem >both.pem");
    sh("openssl pkey -in ours.key -aes256 -passout pass:secret -out locked.key");
    sh("sed '3s/./?/g' ours.pem >damaged.pem; sed '2s/./?/g' ours.key >damaged.key; : >empty");
    return 0;
}

static void test_belongs(void **state _unused_)
{
    struct error error = {0};

    assert_int_equal(certificate_check_key("ours.pem", "ours.key", &error), 0);
    assert_int_equal(certificate_check_key("rsa.pem", "rsa.key", &error), 0);
    assert_int_equal(certificate_check_key("chain.pem", "ours.key", &error), 0);
    assert_int_equal(certificate_check_key("both.pem", "both.pem", &error), 0);
}

static void test_refusals(void **state _unused_)
{
    static const struct {
        const char *certificate, *key, *text;
        int r;
    } cases[] = {
        {"ours.pem", "other.key",
         "the private key in other.key is not that of the certificate in ours.pem", -EINVAL},
        {"ours.pem", "rsa.key",
         "the private key in rsa.key is not that of the certificate in ours.pem", -EINVAL},
        {"chain.pem", "other.key", /* only the first is ours */
         "the private key in other.key is not that of the certificate in chain.pem", -EINVAL},
        {"ours.key", "ours.key", "cannot understand the certificate in ours.key: ", -EINVAL},
        {"ours.pem", "ours.pem", "cannot understand the private key in ours.pem: ", -EINVAL},
        {"damaged.pem", "ours.key", "cannot understand the certificate in damaged.pem: ", -EINVAL},
        {"ours.pem", "damaged.key", "cannot understand the private key in damaged.key: ", -EINVAL},
        {"ours.pem", "locked.key", "cannot understand the private key in locked.key: ", -EINVAL},
        {"empty", "empty", "cannot understand the certificate in empty: ", -EINVAL},
        {"nowhere", "ours.key", "cannot read nowhere: No such file or directory", -ENOENT},
        {"ours.pem", "nowhere", "cannot read nowhere: No such file or directory", -ENOENT},
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct error error = {0};
        assert_int_equal(certificate_check_key(cases[i].certificate, cases[i].key, &error),
                         cases[i].r);
        assert_ptr_equal(strstr(error.text, cases[i].text), error.text);
        assert_true(strlen(error.text) > strlen(cases[i].text) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_belongs),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, make_files, leave_temporary_dir);
}
