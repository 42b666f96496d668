/* SPDX-License-Identifier: MPL-2.0 */
/* A WebSocket whose server sends back what it gets.
 *
 *     loads-echo-server --port 9000 &
 *     loads-runner websocket.TestEcho.test_echo -u 50 --hits 2
 */
#include <loads/loads.h>
#include <string.h>

/* Is given each message before loads_ws_receive() returns it. */
static void collect(loads_ws *ws, const loads_message *message, void *context)
{
    size_t *bytes = context;
    (void)ws;
    *bytes += message->size;
}

LOADS_TEST(TestEcho, test_echo)
{
    size_t bytes = 0;
    loads_ws *ws = loads_ws_open(user, "ws://localhost:9000/ws", .protocols = "chat, http-only",
                                 .on_message = collect, .context = &bytes);
    loads_assert_str_eq(loads_ws_protocol(ws), "chat");
    loads_ws_send(ws, "something");
    loads_assert_str_eq(loads_ws_receive(ws)->data, "something");
    loads_ws_send_binary(ws, "\0\1\2", 3);
    loads_assert_true(loads_ws_receive(ws)->binary);
    loads_assert_uint_eq(bytes, strlen("something") + 3);
    loads_ws_close(ws, 1000);
    loads_assert_uint_eq(loads_ws_close_code(ws), 1000);
}
