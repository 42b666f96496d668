/* SPDX-License-Identifier: MPL-2.0 */
/* A body of a megabyte, with bytes of all values in it.
 *
 *     python3 shop.py 9300 &
 *     loads-runner upload.TestFiles.test_upload --server-url http://localhost:9300 -u 5 --hits 4
 */
#include <loads/loads.h>

#define SIZE_BYTES (1 << 20)

LOADS_TEST(TestFiles, test_upload)
{
    /* Memory of the iteration: nobody has to give it back. */
    char *body = loads_alloc(user, SIZE_BYTES);
    for (size_t i = 0; i < SIZE_BYTES; i++) {
        body[i] = (char)i;
    }

    loads_response *res =
        loads_post(user, "/files", .body = body, .body_size = SIZE_BYTES, .timeout_sec = 60,
                   .headers = LOADS_HEADERS("Content-Type: application/octet-stream"));
    loads_assert_int_eq(res->status, 201);
    loads_assert_int_eq(loads_json_int(res, "size"), SIZE_BYTES);
}
