# SPDX-License-Identifier: MPL-2.0
"""A WebSocket server that does what no server should, or what few do: tables of it, each with what a client has
to make of it."""

import base64
import hashlib
import http.server
import queue
import socket
import socketserver
import struct
import threading

import pytest

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


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
            self.server.codes.put((came[2] ^ came[6]) << 8 | came[3] ^ came[7])

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
        self.codes = queue.Queue()
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
