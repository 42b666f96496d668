# SPDX-License-Identifier: MPL-2.0
"""WebSockets of tests in C: against loads-echo-server, a server with TLS, and one that behaves badly."""

import base64
import hashlib
import http.server
import socketserver
import threading

import pytest

HEAD = """\
#include <loads/loads.h>
#include <string.h>

static void collect(loads_ws *ws, const loads_message *message, void *context)
{
    int *count = context;
    *count += loads_ws_is_open(ws) && message->size > 0 ? 1 : 0;
}

LOADS_TEST(Chat, it)
{
"""
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@pytest.fixture
def chat(runner):
    """chat(body, …): a test with this body; its summary."""
    def run(body, *arguments):
        runner.write("chat.c", HEAD + body + "\n}\n")
        return runner.summarize("chat.Chat.it", *arguments)
    return run


def outcomes_of(summary):
    counts = summary["iterations"]
    return tuple(counts[name] for name in ("successes", "failures", "errors", "interrupted"))


def error_of(summary):
    assert len(summary["errors"]) == 1, summary["errors"]
    return summary["errors"][0]["class"], summary["errors"][0]["message"]


# ---- what a test can do ----


def test_the_guides_example(chat, echo_server):
    ran = chat(f"""
    int count = 0;
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}", .protocols = "chat, http-only",
                                 .on_message = collect, .context = &count);
    loads_assert_str_eq(loads_ws_protocol(ws), "chat");
    loads_ws_send(ws, "something");
    loads_assert_str_eq(loads_ws_receive(ws)->data, "something");
    loads_ws_send(ws, "happened");
    loads_assert_str_eq(loads_ws_receive(ws)->data, "happened");
    loads_assert_int_eq(count, 2);""", "-u", 3, "--hits", 2)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (6, 0, 0, 0)), ran
    sent = 6 * len("somethinghappened")
    assert ran.summary["web_sockets"] == {"opened": 6, "closed": 6, "sent": 12, "sent_bytes": sent,
                                          "received": 12, "received_bytes": sent}
    name, = ran.summary["names"]
    assert (name["name"], name["hits"], name["statuses"]) == (echo_server.ws_url, 6, [{"status": 101, "hits": 6}])


def test_a_thousand_users(chat, echo_server):
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}");
    for (int i = 0; i < 10; i++) {{
        const char *text = loads_printf(user, "message %d", i);
        loads_ws_send(ws, text);
        loads_assert_str_eq(loads_ws_receive(ws)->data, text);
    }}""", "-u", 1000)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (1000, 0, 0, 0)), ran
    sockets = ran.summary["web_sockets"]
    assert sockets["opened"] == sockets["closed"] == 1000
    assert sockets["sent"] == sockets["received"] == 10000
    assert sockets["sent_bytes"] == sockets["received_bytes"] == 10000 * len("message 0")


def test_large_and_binary_and_empty(chat, echo_server):
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}");
    char *bytes = loads_alloc(user, 5000000);
    memset(bytes, 0xff, 5000000);
    loads_ws_send_binary(ws, bytes, 5000000);
    const loads_message *message = loads_ws_receive(ws);
    loads_assert(message->binary && message->size == 5000000);
    loads_assert_mem_eq(message->data, bytes, 5000000);
    loads_ws_send(ws, "");
    message = loads_ws_receive(ws);
    loads_assert(!message->binary && message->size == 0 && message->data[0] == 0);""")
    assert ran.code == 0, ran


def test_closing(chat, echo_server):
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}");
    loads_ws_send(ws, "one");
    loads_assert_str_eq(loads_ws_receive(ws)->data, "one");
    loads_assert_null(loads_ws_receive_within(ws, 0.05));
    loads_assert(loads_ws_is_open(ws) && loads_ws_close_code(ws) == 0);
    loads_ws_close(ws, 0);
    loads_assert(!loads_ws_is_open(ws));
    loads_assert_int_eq(loads_ws_close_code(ws), 1000);
    loads_assert_null(loads_ws_receive_within(ws, 5));
    loads_ws_send(ws, "two");""")
    assert outcomes_of(ran.summary) == (0, 0, 1, 0)
    assert error_of(ran.summary) == ("socket", "sending on a WebSocket: closed with code 1000")
    assert ran.summary["web_sockets"]["closed"] == 1


def test_several_at_once_and_what_nobody_asks_for(chat, echo_server):
    ran = chat(f"""
    loads_ws *a = loads_ws_open(user, "{echo_server.ws_url}"), *b = loads_ws_open(user, "{echo_server.ws_url}");
    loads_ws_send(a, "a");
    loads_ws_send(b, "b");
    loads_assert_str_eq(loads_ws_receive(b)->data, "b");
    loads_assert(loads_get(user, "{echo_server.url}/")->status == 200);
    loads_sleep(user, 0.2);""")
    assert ran.code == 0, ran
    sockets = ran.summary["web_sockets"]
    assert (sockets["opened"], sockets["closed"], sockets["sent"], sockets["received"]) == (2, 2, 2, 2)
    assert ran.summary["hits"] == 3


# ---- what can go wrong ----


@pytest.mark.parametrize("url, kind, words", [
    ("{ws}x", "protocol", "the server refused the WebSocket: status 404"),
    ("ws://127.0.0.1:9/", "connect", "the WebSocket did not open"),
    ("ws://nowhere.invalid/", "resolve", "Could not resolve host: nowhere.invalid"),
    ("http://127.0.0.1:9/", "request", "a WebSocket's URL begins with ws:// or wss://"),
    ("wss://127.0.0.1:{port}/ws", "tls", ""),
    ("/ws", "request", ""),
])
def test_one_that_does_not_open(chat, echo_server, url, kind, words):
    ran = chat(f'    loads_ws_open(user, "{url.format(ws=echo_server.ws_url, port=echo_server.port)}");')
    assert (ran.code, outcomes_of(ran.summary)) == (1, (0, 0, 1, 0)), ran
    found, text = error_of(ran.summary)
    assert words in text
    assert found == kind, (found, text)
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == 0


def test_one_that_may_fail(chat):
    ran = chat('    loads_assert_null(loads_ws_open(user, "ws://127.0.0.1:9/", .may_fail = true));')
    assert (outcomes_of(ran.summary), ran.summary["request_errors"]) == ((1, 0, 0, 0), 1)


class Hostile(http.server.BaseHTTPRequestHandler):
    """Shakes hands, and then sends what the path asks for."""

    deeds = {
        "/cut": b"",
        "/close": b"\x88\x02\x0f\xa1",
        "/fragments": b"\x01\x03one\x89\x01p\x00\x03two\x80\x05three",
        "/not-utf8": b"\x81\x02\xc3\x28",
        "/reserved": b"\xf1\x01a",
        "/early": b"\x81\x05early",
    }

    def do_GET(self):
        deed = self.deeds.get(self.path)
        if deed is None:
            self.rfile.read(1)  # says nothing until the other side goes
            return
        accept = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + GUID).encode()).digest()).decode()
        self.wfile.write(f"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode() + deed)
        self.wfile.flush()
        if self.path != "/cut":
            while self.rfile.read1(4096):
                pass

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hostile():
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *arguments):
            pass

    with Server(("127.0.0.1", 0), Hostile) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_fragments_with_a_ping_in_between(chat, hostile):
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{hostile}/fragments");
    loads_assert_str_eq(loads_ws_receive(ws)->data, "onetwothree");""")
    assert ran.code == 0, ran


def test_a_message_that_comes_with_the_handshake(chat, hostile):
    ran = chat(f'    loads_assert_str_eq(loads_ws_receive(loads_ws_open(user, "{hostile}/early"))->data, "early");',
               "-u", 20)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (20, 0, 0, 0)), ran


@pytest.mark.parametrize("deed, words", [
    ("cut", "the connection ended without a close frame"),
    ("close", "closed by the server with code 4001"),
    ("not-utf8", ""),
    ("reserved", ""),
])
def test_a_server_that_behaves_badly(chat, hostile, deed, words):
    """An error of that iteration, and the next user isn't concerned."""
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{hostile}/{deed}");
    loads_ws_receive(ws);""", "-u", 3, "--timeout", 5)
    assert (ran.code, outcomes_of(ran.summary)) == (1, (0, 0, 3, 0)), ran
    found, text = error_of(ran.summary)
    assert found == "socket" and text.startswith("receiving from a WebSocket: ") and words in text, text
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == 3


def test_a_handshake_that_is_never_answered(chat, hostile):
    ran = chat(f'    loads_ws_open(user, "{hostile}/silence", .timeout_sec = 0.3);')
    assert error_of(ran.summary) == ("timeout", "the WebSocket did not open in time")


def test_a_message_that_never_comes(chat, echo_server):
    ran = chat(f'    loads_ws_receive(loads_ws_open(user, "{echo_server.ws_url}", .timeout_sec = 0.3));')
    assert error_of(ran.summary) == ("timeout", "no message came from a WebSocket in time")
    assert ran.summary["web_sockets"]["closed"] == 1


def test_an_interrupt(runner, echo_server):
    """Users that wait for messages are let go."""
    runner.write("chat.c", HEAD + f"""
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}");
    loads_log(user, "waiting");
    loads_ws_receive(ws);
}}
""")
    running = runner.start("chat.Chat.it", "--grace", "0.1")
    running.wait_for("waiting")
    running.send(2)
    ran = running.wait()
    assert ran.code == 130 and "Interrupted: 1" in ran.stdout, ran
