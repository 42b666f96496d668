/* SPDX-License-Identifier: MPL-2.0 */
/* SHA-256 and HMAC-SHA256 against sums that RFC 6234 and RFC 4231 have. */
#include "run/hash.h"

#include <string.h>

#include "test.h"

static void check_hmac(const void *key, size_t key_size, const char *text, const char *expected)
{
    unsigned char sum[HASH_BYTES];
    char hex[HASH_HEX_BYTES];

    assert_int_equal(hash_hmac(key, key_size, text, strlen(text), sum), 0);
    assert_string_equal(hash_hex(sum, hex), expected);
}

static void test_sum(void **state _unused_)
{
    _cleanup_(hash_freep) struct hash *hash = NULL;
    unsigned char sum[HASH_BYTES];
    char hex[HASH_HEX_BYTES];

    assert_int_equal(hash_new(&hash), 0);
    hash_add(hash, "a", 1);
    hash_add(hash, "bc", 2);
    assert_int_equal(hash_finish(hash, sum), 0);
    assert_string_equal(hash_hex(sum, hex),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_texts_have_their_lengths(void **state _unused_)
{
    _cleanup_(hash_freep) struct hash *one = NULL, *other = NULL;
    unsigned char first[HASH_BYTES], second[HASH_BYTES];

    assert_int_equal(hash_new(&one), 0);
    assert_int_equal(hash_new(&other), 0);
    hash_add_text(one, "ab");
    hash_add_text(one, "c");
    hash_add_text(other, "a");
    hash_add_text(other, "bc");
    assert_int_equal(hash_finish(one, first), 0);
    assert_int_equal(hash_finish(other, second), 0);
    assert_memory_not_equal(first, second, sizeof first);
}

static void test_hmac(void **state _unused_)
{
    unsigned char key[131];

    memset(key, 0x0b, 20);
    check_hmac(key, 20, "Hi There",
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_hmac("Jefe", 4, "what do ya want for nothing?",
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key); /* longer than a block */
    check_hmac(key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First",
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum),
        cmocka_unit_test(test_texts_have_their_lengths),
        cmocka_unit_test(test_hmac),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
