# SPDX-License-Identifier: MPL-2.0
"""loads-test-target: each of its behaviours, byte by byte, and that it counts right."""

import base64
import gzip
import http.client
import json
import re
import socket
import struct
import subprocess
import time
import zlib

import pytest

PATTERN = b"abcdefghijklmnopqrstuvwxyz"


def pattern(size):
    return (PATTERN * (size // 26 + 1))[:size]


@pytest.fixture
def connection(target):
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=30)
    yield connection
    connection.close()


def ask(connection, path, method="GET", body=None, headers=None):
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def connect(target):
    return socket.create_connection(("127.0.0.1", target.port), timeout=30)


def receive(client):
    """All bytes until the end, and whether that was a reset."""
    received = b""
    try:
        while piece := client.recv(1 << 20):
            received += piece
    except ConnectionResetError:
        return received, True
    return received, False


def raw(target, request):
    with connect(target) as client:
        client.sendall(request)
        return receive(client)


def get(path, *headers):
    lines = [f"GET {path} HTTP/1.1", "Host: target", *headers, "", ""]
    return "\r\n".join(lines).encode()


def closing(path, *headers):
    return get(path, "Connection: close", *headers)


def head_and_body(received):
    head, separator, body = received.partition(b"\r\n\r\n")
    assert separator
    return head, body


def test_exact_bytes(target):
    assert raw(target, closing("/size/3")) == (
        b"HTTP/1.1 200 OK\r\n"
        b"Content-Type: text/plain\r\n"
        b"Content-Length: 3\r\n"
        b"Connection: close\r\n"
        b"\r\n"
        b"abc",
        False,
    )


@pytest.mark.parametrize("status", [200, 201, 301, 400, 404, 418, 500, 503, 599])
def test_status(connection, status):
    answer, body = ask(connection, f"/status/{status}")
    assert answer.status == status
    assert body.startswith(str(status).encode())


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_body(connection, status):
    answer, body = ask(connection, f"/status/{status}/size/10")
    assert (answer.status, body) == (status, b"")
    assert "Content-Length" not in answer.headers
    assert ask(connection, "/size/2")[1] == b"ab"


def test_delay(connection):
    began = time.monotonic()
    assert ask(connection, "/delay/80")[0].status == 200
    assert time.monotonic() - began >= 0.08


@pytest.mark.parametrize("size", [0, 1, 26, 65536, 1_000_003, 30_000_000])
def test_size(connection, size):
    answer, body = ask(connection, f"/size/{size}")
    assert int(answer.headers["Content-Length"]) == size
    assert body == pattern(size)


def test_body_and_json(connection):
    assert ask(connection, "/body/a%2Fb%20c+d")[1] == b"a/b c+d"
    assert ask(connection, "/any?body=a%26b+c")[1] == b"a&b c"
    answer, body = ask(connection, "/json")
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(body)["name"] == "loads"


@pytest.mark.parametrize("path", ["/status/404/size/30/delay/1", "/any/a/b?status=404&size=30&delay=1"])
def test_behaviours_combine(connection, path):
    answer, body = ask(connection, path)
    assert (answer.status, body) == (404, pattern(30))


def test_path_and_query_combine(connection):
    answer, body = ask(connection, "/status/500/header/X-A:b?size=5&header=X-C:%20d&chunked=2")
    assert (answer.status, body) == (500, b"abcde")
    assert answer.headers["X-A"] == "b"
    assert answer.headers["X-C"] == "d"
    assert answer.headers["Transfer-Encoding"] == "chunked"


def test_redirects(connection):
    for number in (2, 1):
        answer, _ = ask(connection, f"/redirect/{number}?size=4")
        assert answer.status == 302
        assert answer.headers["Location"] == f"/redirect/{number - 1}?size=4"
    answer, body = ask(connection, "/redirect/0?size=4")
    assert (answer.status, body) == (200, b"abcd")
    answer, _ = ask(connection, "/delay/1/redirect/10/status/307")
    assert (answer.status, answer.headers["Location"]) == (307, "/delay/1/redirect/9/status/307")
    answer, _ = ask(connection, "/any?redirect=10&size=1")
    assert answer.headers["Location"] == "/any?redirect=9&size=1"


def test_redirect_to(connection):
    answer, _ = ask(connection, "/redirect-to?url=http%3A%2F%2Fa%2Fb%3Fc&status=308")
    assert (answer.status, answer.headers["Location"]) == (308, "http://a/b?c")
    assert ask(connection, "/redirect-to")[0].status == 400


def test_cookies(connection):
    answer, _ = ask(connection, "/cookie/set/a/b%3Dc/cookie/set/d/e")
    assert answer.headers.get_all("Set-Cookie") == ["a=b=c; Path=/", "d=e; Path=/"]
    assert ask(connection, "/cookies")[1] == b""
    assert ask(connection, "/cookies", headers={"Cookie": "a=b; d=e"})[1] == b"a=b; d=e"


@pytest.mark.parametrize(
    "path, chunks",
    [
        ("/chunked/2", [16, 16]),
        ("/chunked/3/size/8", [3, 3, 2]),
        ("/chunked/9/size/2", [1, 1]),
        ("/chunked/3/size/0", []),
        ("/chunked/2/size/200000", [100000, 100000]),
    ],
)
def test_chunks(target, path, chunks):
    received, _ = raw(target, closing(path))
    head, body = head_and_body(received)
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    content, expected = pattern(sum(chunks)), b""
    for size in chunks:
        expected += b"%x\r\n%s\r\n" % (size, content[:size])
        content = content[size:]
    assert body == expected + b"0\r\n\r\n"


def test_http_1_0_gets_no_chunks(target):
    received, _ = raw(target, b"GET /chunked/2 HTTP/1.0\r\n\r\n")
    head, body = head_and_body(received)
    assert b"\r\nContent-Length: 32" in head
    assert body == pattern(32)


@pytest.mark.parametrize("coding, decode", [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
@pytest.mark.parametrize("query", ["", "&chunked=3"])
def test_compressed_bodies(connection, coding, decode, query):
    answer, body = ask(connection, f"/{coding}?size=100000{query}")
    assert answer.headers["Content-Encoding"] == coding
    assert len(body) < 100000
    assert decode(body) == pattern(100000)
    answer, body = ask(connection, f"/{coding}", "POST", b"text" * 100)
    assert decode(body) == b"200 OK\n"
    answer, body = ask(connection, f"/echo/{coding}", "POST", b"text" * 100)
    assert decode(body) == b"text" * 100


def test_headers_as_received(target):
    lines = b"Host: target\r\nX-One:  a  b \r\nx-one:c\r\nConnection: close\r\n"
    received, _ = raw(target, b"GET /headers HTTP/1.1\r\n" + lines + b"\r\n")
    assert head_and_body(received)[1] == lines


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_echo(connection, method):
    answer, body = ask(connection, "/echo", method, b"\0body", {"Content-Type": "x/y"})
    assert (answer.headers["X-Method"], answer.headers["Content-Type"]) == (method, "x/y")
    assert body == b"\0body"


def test_chunked_uploads(connection):
    pieces = [b"a", b"bc" * 40000, b"d" * 3]
    answer, body = ask(connection, "/echo", "POST", iter(pieces))
    assert body == b"".join(pieces)


def test_chunked_upload_in_single_bytes(target):
    body = b"5;ext=1\r\nhello\r\n1 \r\n!\r\n0\r\nX-Trailer: a\r\n\r\n"
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(target) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head + body:
            client.sendall(bytes([byte]))
        received, _ = receive(client)
    assert head_and_body(received)[1] == b"hello!"


def test_large_uploads(connection):
    body = pattern(10_000_000)
    assert ask(connection, "/echo", "POST", body)[1] == body
    assert ask(connection, "/size/1", "POST", body * 3)[1] == b"a"
    answer, _ = ask(connection, "/echo", "POST", body * 2)
    assert answer.status == 413


def test_continue(target):
    with connect(target) as client:
        client.sendall(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hi")
        assert client.recv(65536).endswith(b"\r\n\r\nhi")


def test_basic_auth(connection):
    answer, _ = ask(connection, "/auth/basic")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="target"'
    for password, status in (("password", 200), ("wrong", 401)):
        credentials = base64.b64encode(f"user:{password}".encode()).decode()
        answer, _ = ask(connection, "/auth/basic", headers={"Authorization": "Basic " + credentials})
        assert answer.status == status


@pytest.mark.parametrize("path", ["/size/5", "/chunked/3", "/gzip", "/status/404", "/echo"])
def test_head(connection, path):
    whole, body = ask(connection, path)
    answer, nothing = ask(connection, path, "HEAD")
    assert (answer.status, nothing) == (whole.status, b"")
    assert answer.headers["Content-Length"] == whole.headers["Content-Length"]
    assert ask(connection, path)[1] == body


def test_connections_are_kept(target, connection):
    ask(connection, "/")
    local = connection.sock.getsockname()
    for path in ("/status/500", "/chunked/3", "/gzip", "/delay/1", "/redirect/1"):
        ask(connection, path)
        assert connection.sock.getsockname() == local
    assert target.counts()["connections"]["accepted"] == 1


def test_close(target):
    received, was_reset = raw(target, get("/close"))
    assert not was_reset
    assert b"\r\nConnection: close\r\n" in received


def test_http_1_0(target):
    received, _ = raw(target, b"GET / HTTP/1.0\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in received
    kept = b"GET /size/1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
    received, _ = raw(target, kept + b"GET /size/2 HTTP/1.0\r\n\r\n")
    assert received.count(b"\r\nConnection: keep-alive\r\n") == 1
    assert received.endswith(b"\r\n\r\nab")


def test_pipelined_requests_are_answered_in_order(target):
    requests = [get(f"/size/{n}/delay/{n % 3}") for n in range(1, 100)] + [closing("/size/100")]
    received, _ = raw(target, b"".join(requests))
    assert [int(n) for n in re.findall(rb"Content-Length: (\d+)", received)] == list(range(1, 101))
    counts = target.counts()
    assert counts["answers"] == 100
    assert counts["connections"]["accepted"] == 1


def test_client_that_sends_nothing_more(target):
    with connect(target) as client:
        client.sendall(get("/size/5000000"))
        client.shutdown(socket.SHUT_WR)
        received, was_reset = receive(client)
    assert not was_reset
    assert head_and_body(received)[1] == pattern(5000000)


def test_reset(target):
    assert raw(target, get("/reset")) == (b"", True)
    counts = target.counts()
    assert (counts["requests"], counts["answers"], counts["resets"]) == (1, 0, 1)


def test_reset_in_headers(target):
    received, was_reset = raw(target, get("/reset-in-headers"))
    assert was_reset
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in received
    assert target.counts()["resets"] == 1


def test_reset_in_body(target):
    received, was_reset = raw(target, get("/reset-in-body?size=1000"))
    assert was_reset
    assert b"\r\nContent-Length: 1000\r\n" in received
    assert head_and_body(received)[1] == pattern(500)
    counts = target.counts()
    assert (counts["answers"], counts["resets"], counts["cut"]) == (0, 1, 0)


def test_half(target):
    received, was_reset = raw(target, get("/half?size=1000"))
    assert not was_reset
    assert b"\r\nContent-Length: 1000\r\n" in received
    assert head_and_body(received)[1] == pattern(500)
    counts = target.counts()
    assert (counts["answers"], counts["resets"], counts["cut"]) == (0, 0, 1)


def test_garbage(target):
    received, was_reset = raw(target, get("/garbage"))
    assert not was_reset
    assert received
    assert not received.startswith(b"HTTP")
    assert target.counts()["cut"] == 1


def test_hang(target):
    with connect(target) as client:
        client.sendall(get("/hang"))
        target.wait_for(lambda counts: counts["requests"] == 1)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        assert target.counts()["connections"]["open"] == 1
    counts = target.wait_for(lambda counts: counts["connections"]["open"] == 0)
    assert (counts["answers"], counts["abandoned"]) == (0, 1)


def test_reset_behind_the_head(target):
    received, was_reset = raw(target, get("/reset-before-body?size=1000"))
    assert was_reset
    assert b"\r\nContent-Length: 1000\r\n" in received
    assert head_and_body(received)[1] == b""
    assert target.counts()["resets"] == 1


def test_reset_behind_the_body(target):
    received, was_reset = raw(target, get("/reset-after-body?size=1000"))
    assert was_reset
    assert head_and_body(received)[1] == pattern(1000)
    counts = target.counts()
    assert (counts["answers"], counts["resets"]) == (1, 0)


def test_interim_answers(target):
    received, _ = raw(target, closing("/interim/103/interim/100/size/3"))
    first, second, final, body = received.split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 103 ") and b"\r\nLink: " in first
    assert second.startswith(b"HTTP/1.1 100 ")
    assert final.startswith(b"HTTP/1.1 200 ")
    assert body == b"abc"


def test_answer_before_the_body_is_read(target):
    with connect(target) as client:
        client.sendall(b"POST /early/status/413 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        received, was_reset = receive(client)
        client.sendall(b"x" * 1000000)
    assert not was_reset
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in received


def test_slow(target):
    began = time.monotonic()
    with connect(target) as client:
        client.sendall(closing("/slow/2/size/10"))
        pieces = []
        while piece := client.recv(65536):
            pieces.append(piece)
    received = b"".join(pieces)
    assert head_and_body(received)[1] == pattern(10)
    assert time.monotonic() - began >= 0.002 * (len(received) - 1)


def test_held(target):
    """What is held stays so until it is released, and then nothing is."""
    with connect(target) as first, connect(target) as gone, connect(target) as second:
        first.sendall(closing("/held/size/3"))
        gone.sendall(get("/held/size/4"))
        target.wait_for(lambda counts: counts["requests"] == 2)
        gone.close()
        target.wait_for(lambda counts: counts["abandoned"] == 1)
        assert target.counts()["answers"] == 0
        target.release()
        assert head_and_body(receive(first)[0])[1] == pattern(3)
        second.sendall(closing("/held/size/5"))
        assert head_and_body(receive(second)[0])[1] == pattern(5)


def test_loop(connection):
    answer, _ = ask(connection, "/loop/size/3?_a=b")
    assert (answer.status, answer.headers["Location"]) == (302, "/loop/size/3?_a=b")


def test_endless_auth(connection):
    for headers in ({}, {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}):
        answer, _ = ask(connection, "/auth/endless", headers=headers)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="target"')


def test_many_cookies(connection):
    answer, _ = ask(connection, "/cookie/many/3")
    assert answer.headers.get_all("Set-Cookie") == [f"many{i}={i}; Path=/" for i in range(3)]


def test_bomb(connection):
    answer, body = ask(connection, "/bomb/40")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(body) < 50000
    assert gzip.decompress(body) == bytes(40 << 20)
    answer, body = ask(connection, "/bomb/1024")
    assert int(answer.headers["Content-Length"]) == len(body)
    checksum, size = struct.unpack("<II", body[-8:])
    assert size == 1 << 30
    answer, body = ask(connection, "/bomb/40", "HEAD")
    assert body == b""


def test_close_unsaid(target):
    received, was_reset = raw(target, get("/close-unsaid/size/3"))
    assert not was_reset
    assert b"Connection" not in received
    assert target.counts()["answers"] == 1


def test_close_idle(target):
    """What comes in time is served."""
    received, was_reset = raw(target, get("/close-idle/60000/size/3") + get("/close-idle/50/size/5"))
    assert not was_reset
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.endswith(b"\r\n\r\nabcde")
    assert b"Connection" not in received


@pytest.mark.parametrize("behaviour, resets", [("close-next", False), ("reset-next", True)])
def test_the_next_request_fails(target, behaviour, resets):
    with connect(target) as client:
        client.sendall(get(f"/{behaviour}/size/3"))
        received = b""
        while not received.endswith(b"\r\n\r\nabc"):
            received += client.recv(65536)
        client.sendall(b"G")
        assert receive(client) == (b"", resets)
    counts = target.counts()
    assert (counts["requests"], counts["answers"]) == (1, 1)
    assert (counts["resets"], counts["cut"]) == (int(resets), int(not resets))


def test_raw(target):
    assert raw(target, get("/raw/header-nul")) == (
        b"HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\nContent-Length: 5\r\n\r\nhello",
        False,
    )
    counts = target.counts()
    assert (counts["requests"], counts["answers"], counts["cut"]) == (1, 0, 1)


def test_raw_in_many_parts(target):
    with connect(target) as client:
        client.sendall(get("/raw/headers-many") + closing("/size/3"))
        received, _ = receive(client)
    first, second = received.split(b"hello")
    assert first.count(b"\r\nX-Many: ") == 1000
    assert second.endswith(b"\r\n\r\nabc")
    assert target.counts()["answers"] == 2


def test_raw_with_a_pause(target):
    began = time.monotonic()
    with connect(target) as client:
        client.sendall(get("/raw/two-answers-later") + closing("/size/3"))
        received, _ = receive(client)
    assert time.monotonic() - began >= 0.05
    assert [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", received)] == [200, 500, 200]


def test_hurry(target):
    """What a script still waits with is there before the answer is."""
    with connect(target) as client:
        client.sendall(get("/raw/garbage-behind"))
        received = b""
        while b"hello" not in received:
            received += client.recv(4096)
        assert raw(target, closing("/hurry/size/3"))[0].endswith(b"abc")
        client.setblocking(False)
        received += b"" if received.endswith(b"garbage") else client.recv(4096)
    assert received.endswith(b"hello\x01\x02\x03 garbage")


@pytest.mark.parametrize("name", ["headers-endless", "header-endless", "interim-endless"])
def test_endless_answers_end(target, name):
    received, was_reset = raw(target, get(f"/raw/{name}"))
    assert not was_reset
    assert 9_000_000 < len(received) < 20_000_000
    assert target.counts()["cut"] == 1


@pytest.mark.parametrize("path", ["/delay/3600000", "/size/1000000000000"])
@pytest.mark.parametrize("reset", [False, True])
def test_clients_that_leave_are_counted(target, path, reset):
    with connect(target) as client:
        client.sendall(get(path))
        target.wait_for(lambda counts: counts["requests"] == 1)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    counts = target.wait_for(lambda counts: counts["connections"]["open"] == 0)
    assert (counts["answers"], counts["abandoned"]) == (0, 1)


@pytest.mark.parametrize(
    "path, status",
    [
        ("/nothing", 404),
        ("/sizes/3", 404),
        ("/any?nothing=1", 404),
        ("/status", 400),
        ("/status/", 400),
        ("/status/199", 400),
        ("/status/600", 400),
        ("/status/2x0", 400),
        ("/any?status", 400),
        ("/any?size=-1", 400),
        ("/size/9999999999999999", 400),
        ("/gzip/size/999999999", 400),
        ("/body/%", 400),
        ("/body/%0", 400),
        ("/body/%00", 400),
        ("/header/X", 400),
        ("/header/X:a%0d%0aY:b", 400),
        ("/cookie/set/a", 400),
        ("/cookie/many/0", 400),
        ("/interim/99", 400),
        ("/interim/200", 400),
        ("/bomb/0", 400),
        ("/bomb/4096", 400),
        ("/raw", 400),
        ("/raw/unheard-of", 400),
        ("/redirect/x", 400),
        ("/any?url=%0a", 400),
    ],
)
def test_what_makes_no_sense(connection, path, status):
    answer, body = ask(connection, path)
    assert answer.status == status
    assert body
    assert ask(connection, "/")[0].status == 200


def request_with(*lines, start="GET / HTTP/1.1"):
    return "\r\n".join([start, *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (request_with(), 400),
        (request_with("Host: a", "Host: b"), 400),
        (request_with("Host: a", "no colon"), 400),
        (request_with("Host: a", " folded: b"), 400),
        (request_with("Host: a", "X : b"), 400),
        (request_with("Host: a", "X: \x01"), 400),
        (request_with("Host: a", start="GET nothing HTTP/1.1"), 400),
        (request_with("Host: a", start="GET  / HTTP/1.1"), 400),
        (request_with("Host: a", start="G(T / HTTP/1.1"), 400),
        (request_with("Host: a", start="GET / HTTX/1.1"), 400),
        (request_with("Host: a", start="GET / HTTP/2.0"), 505),
        (request_with("Host: a", "Content-Length: x"), 400),
        (request_with("Host: a", "Content-Length: -1"), 400),
        (request_with("Host: a", "Content-Length: 1", "Content-Length: 2"), 400),
        (request_with("Host: a", "Content-Length: 9999999999999999999"), 400),
        (request_with("Host: a", "Content-Length: 1", "Transfer-Encoding: chunked"), 400),
        (request_with("Host: a", "Transfer-Encoding: gzip"), 501),
        (request_with("Host: a", "Transfer-Encoding: chunked") + b"x\r\n", 400),
        (request_with("Host: a", "Transfer-Encoding: chunked") + b"\r\n", 400),
        (request_with("Host: a", "Transfer-Encoding: chunked") + b"1\r\nabc", 400),
        (request_with("Host: a", "Transfer-Encoding: chunked") + b"f" * 16, 400),
        (request_with("Host: a", "X: " + "y" * 70000), 431),
    ],
)
def test_bad_requests(target, request_bytes, status):
    received, was_reset = raw(target, request_bytes)
    assert not was_reset
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in received
    counts = target.counts()
    assert (counts["bad_requests"], counts["requests"]) == (1, 0)
    assert counts["statuses"] == {str(status): 1}


def test_large_heads(connection):
    answer, body = ask(connection, "/headers", headers={"X": "y" * 60000})
    assert answer.status == 200
    assert b"X: " + b"y" * 60000 + b"\r\n" in body


def test_absolute_targets_and_empty_lines_before(target):
    received, _ = raw(target, b"\r\n\r\n" + closing("http://somewhere:80/size/2?status=201"))
    assert received.startswith(b"HTTP/1.1 201 Created\r\n")
    assert received.endswith(b"\r\n\r\nab")
    assert list(target.counts()["paths"]) == ["/size/2"]


def test_counts(target, connection):
    for path in ("/size/1?_a&_b=c", "/size/1", "/status/404", "/size/1?status=500"):
        ask(connection, path)
    counts = target.counts()
    assert counts == {
        "connections": {"accepted": 1, "open": 1},
        "requests": 4,
        "answers": 4,
        "resets": 0,
        "cut": 0,
        "abandoned": 0,
        "bad_requests": 0,
        "statuses": {"200": 2, "404": 1, "500": 1},
        "paths": {
            "/size/1": {"requests": 3, "answers": 3, "statuses": {"200": 2, "500": 1}},
            "/status/404": {"requests": 1, "answers": 1, "statuses": {"404": 1}},
        },
    }
    assert target.counts() == counts


def test_reset_counts(target, connection):
    ask(connection, "/status/500")
    target.reset_counts()
    counts = target.counts()
    assert counts["connections"] == {"accepted": 0, "open": 1}
    assert (counts["requests"], counts["statuses"], counts["paths"]) == (0, {}, {})
    ask(connection, "/")
    assert target.counts()["paths"] == {"/": {"requests": 1, "answers": 1, "statuses": {"200": 1}}}


def test_paths_are_bounded(target):
    paths = [f"/any/{n}" for n in range(10010)] + ["/any/" + "x" * 2000]
    requests = b"".join(get(path) for path in paths[:-1]) + closing(paths[-1])
    with connect(target) as client:
        for begin in range(0, len(requests), 20000):
            client.sendall(requests[begin : begin + 20000])
            if begin + 20000 < len(requests):
                client.recv(1 << 20)
        receive(client)
    counts = target.counts()
    assert counts["answers"] == len(paths)
    assert counts["paths"]["(other)"]["answers"] == 11
    assert len(counts["paths"]) == 10001


def test_files_at_the_end(target, connection):
    ask(connection, "/size/10?_x=1")
    ask(connection, "/status/204", "DELETE")
    raw(target, get("/reset"))
    counts = target.counts()
    assert target.server.stop() == 0
    assert json.loads(target.counts_file.read_text()) == counts
    lines = [line.split(" ") for line in target.access_log.read_text().splitlines()]
    assert [line[:3] for line in lines] == [
        ["GET", "/size/10", "200"],
        ["DELETE", "/status/204", "204"],
    ]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n"
    assert int(lines[0][3]) == len(head) + 10
    assert all(int(line[4]) >= 0 for line in lines)


def test_access_log_is_there_when_idle(target, connection):
    ask(connection, "/delay/20")
    target.counts()
    method, path, status, _, elapsed = target.access_log.read_text().split()
    assert (method, path, status) == ("GET", "/delay/20", "200")
    assert int(elapsed) >= 20000


def test_5000_connections(target, descriptors):
    assert descriptors > 5100, "the limit on descriptors is too low for this test"
    clients = []
    try:
        for _ in range(5000):
            clients.append(connect(target))
        for client in clients:
            client.sendall(get("/size/7/delay/10"))
        for client in clients:
            assert client.recv(65536).endswith(b"\r\n\r\nabcdefg")
        counts = target.counts()
        assert counts["connections"] == {"accepted": 5000, "open": 5000}
        assert counts["answers"] == 5000
    finally:
        for client in clients:
            client.close()
    target.wait_for(lambda counts: counts["connections"]["open"] == 0)


@pytest.mark.parametrize("arguments", [["--nothing"], ["extra"], ["--port"], ["--port", "x"]])
def test_wrong_options(program, arguments):
    result = subprocess.run(
        [program("loads-test-target"), *arguments], capture_output=True, text=True, timeout=30
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert arguments[-1] in result.stderr


def test_failures_to_start(program, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, word in (
            (["--port", port], port),
            (["--host", "nonsense"], "nonsense"),
            (["--access-log", str(tmp_path / "missing" / "log")], "missing"),
        ):
            result = subprocess.run(
                [program("loads-test-target"), *arguments],
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert (result.returncode, result.stdout) == (1, "")
            assert word in result.stderr


def test_help_names_every_behaviour(program):
    result = subprocess.run(
        [program("loads-test-target"), "--help"], capture_output=True, text=True, timeout=30
    )
    assert (result.returncode, result.stderr) == (0, "")
    for name in ("status/N", "delay/MSEC", "redirect-to", "cookie/set/NAME/VALUE", "hang"):
        assert f"  /{name} " in result.stdout
    assert "  headers-endless " in result.stdout
    assert "/-/counts" in result.stdout
