# SPDX-License-Identifier: MPL-2.0
"""WebSockets of tests in C: against loads-echo-server, a server with TLS, and one that behaves badly."""

import base64
import hashlib
import http.server
import re
import socket
import socketserver
import struct
import threading

import pytest

HEAD = """\
#include <loads/loads.h>
#include <stdio.h>
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


def as_counted_by_the_server(sockets):
    """The worker's counts, as a server has to have them that has counted for itself."""
    return {"opened": sockets["opened"], "received": sockets["sent"], "received_bytes": sockets["sent_bytes"],
            "sent": sockets["received"], "sent_bytes": sockets["received_bytes"]}


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
    assert echo_server.counts() == as_counted_by_the_server(sockets)


def test_thousands_at_once(chat, echo_server):
    """One worker opens them all before it waits for the first: none is late for its server."""
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}");
    loads_assert(loads_ws_is_open(ws));""", "-u", 4000, "--workers", 1)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (4000, 0, 0, 0)), ran
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == 4000
    assert echo_server.counts()["opened"] == 4000


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
    counted = echo_server.counts()
    assert counted == as_counted_by_the_server(ran.summary["web_sockets"])
    assert (counted["sent"], counted["sent_bytes"]) == (2, 5000000)


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
    ("ws://127.0.0.1:9/", "connect", "the WebSocket did not open: Unable to connect (127.0.0.1, port 9)"),
    ("ws://nowhere.invalid/", "resolve", "Could not resolve host: nowhere.invalid"),
    ("http://127.0.0.1:9/?a", "request", "bad URL 'http://127.0.0.1:9/?***': a WebSocket's URL begins with ws:// or wss"),
    ("wss://127.0.0.1:{port}/ws", "tls", "does the server speak TLS on that port?"),
    ("/ws", "request", "bad URL '/ws': a WebSocket's URL begins with ws:// or wss://"),
    ("ws:/127.0.0.1:9/", "request", "bad URL"),
])
def test_one_that_does_not_open(chat, echo_server, url, kind, words):
    ran = chat(f'    loads_ws_open(user, "{url.format(ws=echo_server.ws_url, port=echo_server.port)}");')
    assert (ran.code, outcomes_of(ran.summary)) == (1, (0, 0, 1, 0)), ran
    found, text = error_of(ran.summary)
    assert words in text
    assert re.search(rf"^chat\.c:\d+: error: {re.escape(text)}$", ran.stderr, re.MULTILINE), "it is said at once"
    assert found == kind, (found, text)
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == 0


def test_one_that_may_fail(chat):
    ran = chat('    loads_assert_null(loads_ws_open(user, "ws://127.0.0.1:9/", .may_fail = true));')
    assert (outcomes_of(ran.summary), ran.summary["request_errors"]) == ((1, 0, 0, 0), 1)


def frame(first, payload=b"", size=None):
    """A server's frame: the byte with FIN and opcode, the payload; or another size than it has."""
    size = len(payload) if size is None else size
    if size < 126:
        return bytes([first, size]) + payload
    wide = size > 65535
    return bytes([first, 127 if wide else 126]) + size.to_bytes(8 if wide else 2, "big") + payload


def text(payload, first=0x81):
    return frame(first, payload if isinstance(payload, bytes) else payload.encode())


def closing(code=1000, reason=b""):
    return frame(0x88, code.to_bytes(2, "big") + reason)


MIB = 1 << 20
DONE = closing()
# What a server sends after the handshake, what the test gets of it ("t3": a text of 3 bytes, "b": binary), and
# the code with which the socket is closed then; None: 1006, for what is no RFC 6455, or 1002 in the place of a
# code that may not be.
CASES = [
    ("empty text", text(""), ["t0"], 1000),
    ("empty binary", frame(0x82), ["b0"], 1000),
    *[(f"{size} bytes", text("x" * size), [f"t{size}"], 1000) for size in (1, 125, 126, 127, 65535, 65536, 300000)],
    ("not UTF-8 in binary", frame(0x82, b"\xff\xfe"), ["b2"], 1000),
    ("all of UTF-8", text("\u0000\u007f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff"), ["t20"], 1000),
    ("several at once", text("a") + frame(0x82, b"bc") + text("def"), ["t1", "b2", "t3"], 1000),
    ("fragments", text("a", 0x01) + text("b", 0x00) + text("c", 0x80), ["t3"], 1000),
    ("fragments of nothing", text("", 0x01) + text("", 0x00) + text("", 0x80), ["t0"], 1000),
    ("a last fragment of nothing", text("abc", 0x01) + text("", 0x80), ["t3"], 1000),
    ("binary fragments", frame(0x02, b"a") + frame(0x80, b"b"), ["b2"], 1000),
    ("a character in two fragments", text(b"\xc3", 0x01) + text(b"\xa9", 0x80), ["t2"], 1000),
    ("a ping between fragments", text("a", 0x01) + frame(0x89, b"p" * 125) + text("b", 0x80), ["t2"], 1000),
    ("a pong between fragments", text("a", 0x01) + frame(0x8a, b"p") + text("b", 0x80), ["t2"], 1000),
    ("many fragments", text("a", 0x01) + 1000 * text("b", 0x00) + text("c", 0x80), ["t1002"], 1000),
    ("many pings", 1000 * frame(0x89, b"ping") + text("end"), ["t3"], 1000),
    ("pongs that nobody asked for", 100 * frame(0x8a) + frame(0x8a, b"p" * 125) + text("end"), ["t3"], 1000),
    ("an empty ping", frame(0x89) + text("end"), ["t3"], 1000),
    # RFC 6455 wants the shortest form of a length; libwebsockets reads all three, and what comes is whole.
    ("5 bytes in two bytes of length", b"\x81\x7e\x00\x05hello", ["t5"], 1000),
    ("5 bytes in eight bytes of length", b"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05hello", ["t5"], 1000),
    ("200 bytes in eight bytes of length", b"\x81\x7f" + (200).to_bytes(8, "big") + 200 * b"x", ["t200"], 1000),
    ("nothing in two bytes of length", b"\x81\x7e\x00\x00" + text("a"), ["t0", "t1"], 1000),
    ("closing without a code", frame(0x88), [], 1005),
    ("closing with a reason", closing(1001, b"r" * 123), [], 1001),
    ("closing with a code of one's own", closing(4999), [], 4999),
    ("closing between fragments", text("a", 0x01) + DONE, [], 1000),
    ("what comes after closing", DONE + text("late") + b"nonsense", [], 1000),
    *[(f"reserved bit {bit}", text("a", 0x81 | bit), [], None) for bit in (0x10, 0x20, 0x40)],
    *[(f"opcode {code}", frame(0x80 | code, b"a"), [], None) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    ("a long ping", frame(0x89, b"p" * 126), [], None),
    ("a fragmented ping", frame(0x09, b"p"), [], None),
    ("a fragmented closing", frame(0x08, b"\x03\xe8"), [], None),
    ("a fragment of nothing", frame(0x80, b"a"), [], None),
    ("a message between fragments", text("a", 0x01) + text("b"), [], None),
    ("not UTF-8", text("good") + text(b"\xc3\x28"), ["t4"], None),
    ("half a character", text(b"\xc3"), [], None),
    ("half a character in fragments", text(b"a\xc3", 0x01) + text(b"a", 0x80), [], None),
    ("a surrogate", text(b"\xed\xa0\x80"), [], None),
    ("too long a character", text(b"\xc0\xaf"), [], None),
    ("beyond UTF-8", text(b"\xf4\x90\x80\x80"), [], None),
    ("half a code", frame(0x88, b"\x03"), [], None),
    *[(f"code {code}", closing(code), [], None) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)],
    ("a reason that is not UTF-8", closing(1000, b"\xc3\x28"), [], None),
    ("a reason that ends within a character", closing(1000, b"r\xc3"), [], None),
    ("a ping with two bytes of length", b"\x89\x7e\x00\x01p", [], None),
    ("a length that can't be", b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", [], None),
    ("half a frame", text("good") + frame(0x81, b"bad", 10), ["t4"], None),
]


def answer(*lines, status=101, body=b""):
    """A server's answer to a handshake; {accept} in it is what belongs there."""
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} Reason", *lines, "")).encode() + body


UPGRADE, CONNECTION, ACCEPT = "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: {accept}"
SHAKEN = (UPGRADE, CONNECTION, ACCEPT)
WRONG = "the server's answer to the handshake is wrong: "
REFUSED = "the server refused the WebSocket: status "
# What a server answers to a handshake, the error's class and its words; None: it is open. "chat, superchat" are
# offered, by those of the second table nothing.
HANDSHAKES = [
    ("as it should be", answer(*SHAKEN), None, None),
    ("other cases", answer("UPGRADE: WebSocket", "connection: keep-alive, upgrade", ACCEPT), None, None),
    ("the first sub-protocol", answer(*SHAKEN, "Sec-WebSocket-Protocol: chat"), None, None),
    ("the second sub-protocol", answer(*SHAKEN, "Sec-WebSocket-Protocol: superchat"), None, None),
    ("wrong accept", answer(UPGRADE, CONNECTION, f"Sec-WebSocket-Accept: {27 * 'A'}="), "protocol",
     WRONG + "the Sec-WebSocket-Accept is wrong"),
    ("short accept", answer(UPGRADE, CONNECTION, "Sec-WebSocket-Accept: A"), "protocol",
     WRONG + "the Sec-WebSocket-Accept is wrong"),
    ("no accept", answer(UPGRADE, CONNECTION), "protocol", WRONG + "there is no Sec-WebSocket-Accept"),
    ("empty accept", answer(UPGRADE, CONNECTION, "Sec-WebSocket-Accept:"), "protocol",
     WRONG + "there is no Sec-WebSocket-Accept"),
    ("no upgrade", answer(CONNECTION, ACCEPT), "protocol", WRONG + "there is no Upgrade: websocket"),
    ("another upgrade", answer("Upgrade: h2c", CONNECTION, ACCEPT), "protocol", WRONG + "there is no Upgrade: websocket"),
    ("no connection", answer(UPGRADE, ACCEPT), "protocol", WRONG + "there is no Connection: Upgrade"),
    ("another sub-protocol", answer(*SHAKEN, "Sec-WebSocket-Protocol: other"), "protocol",
     WRONG + "it chooses a sub-protocol that was not offered"),
    ("half a sub-protocol", answer(*SHAKEN, "Sec-WebSocket-Protocol: cha"), "protocol",
     WRONG + "it chooses a sub-protocol that was not offered"),
    ("all sub-protocols", answer(*SHAKEN, "Sec-WebSocket-Protocol: chat, superchat"), "protocol",
     WRONG + "it chooses more than one sub-protocol"),
    ("an extension", answer(*SHAKEN, "Sec-WebSocket-Extensions: permessage-deflate"), "protocol",
     WRONG + "it chooses an extension that was not offered"),
    ("nonsense", b"\x00\xff\x80nonsense\r\n\r\n", "protocol", WRONG + "it is not HTTP"),
    ("a frame", text("hello"), "protocol", WRONG + "it is not HTTP"),
    ("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n", "protocol", WRONG + "it is not HTTP"),
    ("a page without a head", b"<html>hello</html>\n", "protocol", WRONG + "it is not HTTP"),
    ("an endless status line", b"HTTP/1.1 101 " + 100000 * b"x", "protocol", WRONG + "it is not HTTP, or"),
    ("an endless header", b"HTTP/1.1 101 x\r\nX: " + 100000 * b"x", "protocol", WRONG + "it is not HTTP, or"),
    ("200", answer("Content-Length: 5", status=200, body=b"hello"), "protocol", REFUSED + "200"),
    ("302", answer("Location: /ws", "Content-Length: 0", status=302), "protocol", REFUSED + "302"),
    ("302 to nowhere", answer(status=302), "protocol", REFUSED + "302"),
    ("307", answer("Location: ws://127.0.0.1:9/", "Content-Length: 0", status=307), "protocol", REFUSED + "307"),
    ("401", answer('WWW-Authenticate: Basic realm="x"', "Content-Length: 5", status=401, body=b"hello"), "protocol",
     REFUSED + "401"),
    ("403", answer("Content-Length: 100000", status=403, body=100000 * b"x"), "protocol", REFUSED + "403"),
    ("500", answer(status=500), "protocol", REFUSED + "500"),
    ("500 with half a body", answer("Content-Length: 5", status=500, body=b"he"), "protocol", REFUSED + "500"),
    ("503", answer("Transfer-Encoding: chunked", status=503, body=b"5\r\nhello\r\n0\r\n\r\n"), "protocol", REFUSED + "503"),
    ("999", answer(status=999), "protocol", REFUSED + "999"),
]
NOTHING_OFFERED = [
    ("a sub-protocol", answer(*SHAKEN, "Sec-WebSocket-Protocol: chat"), "protocol",
     WRONG + "it chooses a sub-protocol that was not offered"),
    ("none", answer(*SHAKEN), None, None),
]
CUT = [
    ("nothing", b"", "reset", "the connection ended before the WebSocket was open"),
    ("half a status line", b"HTTP/1.1 101 Swi", "reset", "the connection ended before the WebSocket was open"),
    ("half a head", answer(*SHAKEN)[:-2], "reset", "the connection ended before the WebSocket was open"),
]
TABLES = {"offered": HANDSHAKES, "nothing-offered": NOTHING_OFFERED, "cut": CUT}

GOING = closing(1001)
GO_BYTES = CLOSE_BYTES = 8  # of a frame of the client's: head, mask and two bytes
# How a server closes when its client, which sends "go" before, closes at the same time: what it does before
# anything has come, when "go" has come, and when the close frame has come behind it.
RACES = [
    ("as it should be", b"", b"", DONE),
    ("before ours can have come", b"", GOING, b""),
    ("when ours has come", b"", b"", GOING),
    ("behind a message", b"", text("answer") + GOING, b""),
    ("in two halves", b"", GOING[:1], GOING[1:]),
    ("in two halves of a code", b"", GOING[:3], GOING[3:]),
    ("within a message", b"", text("half", 0x01) + GOING, b""),
    ("in the middle of a frame", b"", frame(0x81, b"half", 10), b""),
    ("with the handshake", GOING, b"", b""),
    ("twice", b"", GOING, GOING),
    ("and then more", b"", GOING + text("late"), text("later")),
    ("by hanging up", b"", GOING + b"hang up", b""),
    ("by hanging up at ours", b"", b"", b"hang up"),
    ("by a reset at ours", b"", b"", b"reset"),
]


class Hostile(http.server.BaseHTTPRequestHandler):
    """Shakes hands, and then sends what the path asks for."""

    deeds = {
        "/huge": b"\x82\x7f" + (64 * MIB + 1).to_bytes(8, "big") + 5000 * b"x",
        "/huge-fragments": frame(0x02, MIB * b"x") + 64 * frame(0x00, MIB * b"x"),
        "/rude": text("a\x1b[31m\x9b31mb") + closing(4001, b"b\x1b]0;x\x07"),
        "/announced": text("t") + b"\x82\x7f" + (64 * MIB).to_bytes(8, "big") + 5000 * b"x",
        "/cut": b"",
        "/close": b"\x88\x02\x0f\xa1",
        "/fragments": b"\x01\x03one\x89\x01p\x00\x03two\x80\x05three",
        "/not-utf8": b"\x81\x02\xc3\x28",
        "/reserved": b"\xf1\x01a",
        "/early": b"\x81\x05early",
    }

    def do_GET(self):
        kind, *names = self.path[1:].split("/")
        accept = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + GUID).encode()).digest())
        self.shaken = answer(*SHAKEN).replace(b"{accept}", accept)
        if kind == "handshake":
            self.connection.sendall(TABLES[names[0]][int(names[1])][1].replace(b"{accept}", accept))
            if names[2] == "stay":
                self.read_all()
        elif kind == "case":
            self.case(int(names[0]))
        elif kind == "race":
            self.race(*RACES[int(names[0])][1:])
        elif kind == "closing-in-between":
            self.connection.sendall(self.shaken)
            self.wait_for(4096)
            self.connection.sendall(GOING)
            self.server.over.wait()
        elif self.path in self.deeds:
            self.connection.sendall(self.shaken + self.deeds[self.path])
            if kind != "cut":
                self.read_all()
        else:
            self.read_all()  # says nothing until the other side goes

    def case(self, number):
        _, sent, _, code = CASES[number]
        self.connection.sendall(self.shaken + sent + (DONE if code == 1000 else b""))
        if number < len(CASES) - 1:
            self.read_all()

    def race(self, at_first, at_go, at_close):
        self.connection.sendall(self.shaken + at_first)
        if at_first:
            self.read_all()
            return
        for size, sent in ((GO_BYTES, at_go), (GO_BYTES + CLOSE_BYTES, at_close)):
            came = self.wait_for(size)
            if sent == b"reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            self.connection.sendall(sent.removesuffix(b"hang up"))
            if not came or sent.endswith(b"hang up"):
                return
        self.read_all()

    def wait_for(self, size):
        """Until so much has come, which stays unread; False: the other side has gone before."""
        return len(self.connection.recv(size, socket.MSG_PEEK | socket.MSG_WAITALL)) == size

    def read_all(self):
        """Until the other side goes; of a close frame the code is kept."""
        came = b""
        while piece := self.connection.recv(65536):
            came = (came + piece)[-65536:]
        if came[:2] == b"\x88\x82":
            self.server.codes.append((came[2] ^ came[6]) << 8 | came[3] ^ came[7])

    def log_message(self, *arguments):
        pass


class HostileServer(socketserver.ThreadingTCPServer):
    """Its URL, and the codes of close frames that it got first of all."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1000

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Hostile)
        self.url = f"ws://127.0.0.1:{self.server_address[1]}"
        self.codes = []
        self.over = threading.Event()

    def handle_error(self, *arguments):
        pass


@pytest.fixture
def hostile_server():
    with HostileServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.fixture
def hostile(hostile_server):
    return hostile_server.url


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
    ("not-utf8", "the server sent text that is not UTF-8"),
    ("reserved", "the server sent what RFC 6455 forbids"),
    ("huge", "a message has more than 64 MiB"),
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


def test_cases(chat, hostile):
    """Each row of the table: what is whole comes, what is wrong ends the socket and nothing else."""
    ran = chat(f"""
    unsigned number = loads_iteration(user);
    loads_ws *ws = loads_ws_open(user, loads_printf(user, "{hostile}/case/%u", number));
    const loads_message *message;
    while ((message = loads_ws_receive_within(ws, 10))) {{
        loads_incr_counter(user, loads_printf(user, "%u: %c%zu", number, message->binary ? 'b' : 't', message->size));
    }}
    loads_assert(!loads_ws_is_open(ws));
    loads_add_counter(user, loads_printf(user, "%u: code", number), loads_ws_close_code(ws));""",
               "--hits", len(CASES))
    assert (ran.code, outcomes_of(ran.summary)) == (0, (len(CASES), 0, 0, 0)), ran
    counters = {row["name"]: row["count"] for row in ran.summary["counters"] if row["name"][0].isdigit()}
    for number, (name, _, messages, code) in enumerate(CASES):
        found = counters.pop(f"{number}: code")
        assert found == code if code else found in (1002, 1006), (name, found)
        for message in messages:
            assert counters.pop(f"{number}: {message}", 0) == 1, (name, message)
    assert counters == {}
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == len(CASES)


@pytest.mark.parametrize("table, end", [("offered", "stay"), ("offered", "go"), ("nothing-offered", "stay"), ("cut", "go")])
def test_handshakes(chat, hostile, table, end):
    """Each row of a table, whether the server waits then or hangs up: open, or an error that says what is wrong."""
    rows = TABLES[table]
    offered = '.protocols = "chat, superchat", ' if table == "offered" else ""
    ran = chat("".join(f'    loads_ws_close(loads_ws_open(user, "{hostile}/handshake/{table}/{number}/{end}", '
                       f'{offered}.may_fail = true), 0);\n' for number in range(len(rows))))
    assert (ran.code, outcomes_of(ran.summary)) == (0, (1, 0, 0, 0)), ran
    found = {error["place"]: (error["class"], error["message"]) for error in ran.summary["errors"]}
    for number, (name, _, kind, words) in enumerate(rows, HEAD.count("\n") + 1):
        error = found.pop(f"chat.c:{number}", (None, None))
        assert error == (kind, words) or error[0] == kind and error[1].startswith(words), (name, error)
    assert found == {}
    opened = sum(kind is None for _, _, kind, _ in rows)
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == opened


def test_a_message_that_is_too_large(chat, hostile_server):
    """In one frame and in many: the server is told, too."""
    for deed in ("huge", "huge-fragments"):
        ran = chat(f'    loads_ws_receive(loads_ws_open(user, "{hostile_server.url}/{deed}"));')
        assert (ran.code, error_of(ran.summary)) == (
            1, ("socket", "receiving from a WebSocket: a message has more than 64 MiB"))
    assert hostile_server.codes[:1] == [1009]


def test_a_message_that_is_only_announced(chat, hostile):
    """Memory is taken for what comes, not for what a frame says."""
    ran = chat(f"""
    long pages[2];
    for (int i = 0; i < 21; i++) {{
        if (i < 2) {{
            FILE *file = fopen("/proc/self/statm", "r");
            loads_assert(fscanf(file, "%ld", &pages[0]) == 1);
            fclose(file);
        }}
        loads_ws *ws = loads_ws_open(user, "{hostile}/announced");
        loads_assert_str_eq(loads_ws_receive(ws)->data, "t");
        loads_assert_null(loads_ws_receive_within(ws, 0));
    }}
    FILE *file = fopen("/proc/self/statm", "r");
    loads_assert(fscanf(file, "%ld", &pages[1]) == 1);
    fclose(file);
    loads_assert_uint_lt((unsigned long)(pages[1] - pages[0]) * 4096, 64UL << 20);""")
    assert ran.code == 0, ran


def test_both_close_at_once(chat, hostile):
    """Whoever is first: it is closed, and nothing else happens."""
    users, times = 10, 3
    ran = chat(f"""
    unsigned number = loads_iteration(user) % {len(RACES)};
    loads_ws *ws = loads_ws_open(user, loads_printf(user, "{hostile}/race/%u", number));
    if (loads_ws_is_open(ws)) {{
        loads_ws_send(ws, "go");
    }}
    loads_ws_close(ws, 1000);
    loads_assert(!loads_ws_is_open(ws));
    loads_incr_counter(user, loads_printf(user, "%u: %u", number, loads_ws_close_code(ws)));""",
               "-u", users, "--hits", times * len(RACES))
    assert (ran.code, outcomes_of(ran.summary)) == (0, (users * times * len(RACES), 0, 0, 0)), ran
    counts = dict.fromkeys(range(len(RACES)), 0)
    for row in ran.summary["counters"]:
        number, _, code = row["name"].partition(": ")
        if code:
            assert code in ("1000", "1001"), (RACES[int(number)][0], code)
            counts[int(number)] += row["count"]
    assert set(counts.values()) == {users * times}
    sockets = ran.summary["web_sockets"]
    assert sockets["opened"] == sockets["closed"] == users * times * len(RACES)


def test_a_server_that_closes_while_it_is_sent_to(chat, hostile):
    """It reads nothing any more, the rest of a message is waiting, and another one behind it."""
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{hostile}/closing-in-between");
    char *bytes = loads_alloc(user, 5000000);
    loads_ws_send_binary(ws, bytes, 5000000);
    loads_ws_send_binary(ws, bytes, 5000000);""", "-u", 5)
    assert (ran.code, outcomes_of(ran.summary)) == (1, (0, 0, 5, 0)), ran
    assert error_of(ran.summary) == (
        "socket", "sending on a WebSocket: closed by the server with code 1001")


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
