# SPDX-License-Identifier: MPL-2.0
"""loads-echo-server, over HTTP and WebSockets and from the command line."""

import asyncio
import http.client
import os
import signal
import socket
import subprocess

import pytest
import websocket
import websockets

HELLO = b"Hello from loads-echo-server.\n"


@pytest.fixture
def connection(echo_server):
    connection = http.client.HTTPConnection("127.0.0.1", echo_server.port, timeout=30)
    yield connection
    connection.close()


def ask(connection, method, path, body=None, headers=None):
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def run(program, *arguments):
    return subprocess.run(
        [program("loads-echo-server"), *arguments], capture_output=True, text=True, timeout=30
    )


def test_hello(connection):
    answer, body = ask(connection, "GET", "/")
    assert answer.status == 200
    assert answer.version == 11
    assert answer.headers["Content-Type"] == "text/plain"
    assert int(answer.headers["Content-Length"]) == len(body)
    assert body.startswith(HELLO)


def test_counts(connection, echo_server):
    assert echo_server.counts() == dict.fromkeys(("opened", "received", "received_bytes", "sent", "sent_bytes"), 0)
    socket = websocket.create_connection(echo_server.ws_url, timeout=30)
    for message in ("hello", 100000 * "x", ""):
        socket.send(message)
        assert socket.recv() == message
    assert echo_server.counts() == {"opened": 1, "received": 3, "received_bytes": 100005, "sent": 3, "sent_bytes": 100005}
    socket.close()
    answer, body = ask(connection, "HEAD", "/counts")
    assert (answer.status, answer.headers["Content-Type"], body) == (200, "application/json", b"")
    assert ask(connection, "POST", "/counts", b"")[0].status == 405


def test_head_is_get_without_body(connection):
    _, body = ask(connection, "GET", "/")
    answer, nothing = ask(connection, "HEAD", "/")
    assert (answer.status, nothing) == (200, b"")
    assert int(answer.headers["Content-Length"]) == len(body)
    assert ask(connection, "GET", "/")[1] == body


def test_connection_is_kept(connection):
    ask(connection, "GET", "/")
    local = connection.sock.getsockname()
    for path in ("/", "/echo?a", "/nothing", "/"):
        ask(connection, "GET", path)
        assert connection.sock.getsockname() == local
    ask(connection, "POST", "/echo", b"text")
    assert connection.sock.getsockname() == local


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("size", [0, 1, 16384, 3_000_001])
def test_echo_of_bodies(connection, method, size):
    body = os.urandom(size)
    answer, echoed = ask(connection, method, "/echo", body, {"Content-Type": "image/x-noise"})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/x-noise"
    assert echoed == body
    assert ask(connection, "GET", "/")[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_echo_without_length(connection, method):
    connection.putrequest(method, "/echo")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert ask(connection, method, "/echo", b"text")[1] == b"text"


@pytest.mark.parametrize(
    "query, echoed", [("", b""), ("?a=b", b"a=b"), ("?a=b&c=%20d&e", b"a=b&c= d&e")]
)
def test_echo_of_queries(connection, query, echoed):
    answer, body = ask(connection, "GET", "/echo" + query)
    assert (answer.status, body) == (200, echoed)


def test_other_requests(connection):
    assert ask(connection, "GET", "/nothing")[0].status == 404
    assert ask(connection, "POST", "/nothing", b"text")[0].status == 404
    answer, _ = ask(connection, "DELETE", "/")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert ask(connection, "POST", "/", b"text")[0].status == 405


def test_too_large_body(connection):
    connection.putrequest("POST", "/echo")
    connection.putheader("Content-Length", str(16 * 1024 * 1024 + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Connection"]) == (413, "close")


def raw(echo_server, request):
    """All that comes back for these bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", echo_server.port), timeout=30) as client:
        client.sendall(request)
        received = b""
        while piece := client.recv(65536):
            received += piece
        return received


def test_bodies_of_unknown_length_are_refused(echo_server):
    """In one piece: a client that went on sending would find the connection closed."""
    received = raw(
        echo_server,
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
    )
    assert received.startswith(b"HTTP/1.1 411 Length Required\r\n")
    assert received.count(b"HTTP/1.1 ") == 1


def test_pipelined_requests(echo_server):
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 20
    last = b"GET /echo?last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    received = raw(echo_server, request + last)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 21
    assert received.endswith(b"\r\n\r\nlast")


def test_http_1_0_keeps_alive_on_request(echo_server):
    request = b"GET /echo?1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    received = raw(echo_server, request + b"GET /echo?2 HTTP/1.0\r\n\r\n")
    assert received.count(b" 200 OK\r\n") == 2
    assert received.count(b"Connection: keep-alive") == 1


def test_continue(echo_server):
    with socket.create_connection(("127.0.0.1", echo_server.port), timeout=30) as client:
        client.sendall(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hi")
        assert client.recv(65536).endswith(b"\r\n\r\nhi")


def test_offer_of_http_2_is_ignored(echo_server):
    received = raw(
        echo_server,
        b"GET /echo?a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
    )
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\na")


def test_5000_connections(echo_server, descriptors):
    assert descriptors > 5100, "the limit on descriptors is too low for this test"
    clients = []
    try:
        for _ in range(5000):
            clients.append(socket.create_connection(("127.0.0.1", echo_server.port), timeout=60))
        for _ in range(2):
            for number, client in enumerate(clients):
                client.sendall(b"GET /echo?%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            for number, client in enumerate(clients):
                assert client.recv(65536).endswith(b"\r\n\r\n%d" % number)
    finally:
        for client in clients:
            client.close()


MESSAGES = [
    "",
    "text",
    b"",
    b"\0\xff",
    "x" * 125,
    "x" * 126,
    "\u00e9" * 70000,
    os.urandom(16368),
    os.urandom(16369),
    os.urandom(40_000_000),
]


@pytest.mark.parametrize(
    "offered, chosen",
    [
        (None, None),
        (["chat"], "chat"),
        (["http-only"], "http-only"),
        (["other", "chat"], "chat"),
        (["http-only", "chat"], "http-only"),
    ],
)
def test_messages_come_back(echo_server, offered, chosen):
    async def talk():
        async with websockets.connect(
            echo_server.ws_url, subprotocols=offered, max_size=None
        ) as client:
            assert client.subprotocol == chosen
            for message in MESSAGES:
                await client.send(message)
                assert await asyncio.wait_for(client.recv(), 60) == message
            await client.send(["fragments", "", " are", " kept together"])
            assert await client.recv() == "fragments are kept together"
            for number in range(500):
                await client.send(str(number))
            assert [await client.recv() for _ in range(500)] == [str(n) for n in range(500)]
            await asyncio.wait_for(await client.ping(), 60)
        assert client.close_code == 1000

    asyncio.run(talk())


def test_clients_that_send_all_before_they_read(echo_server):
    client = websocket.create_connection(echo_server.ws_url, timeout=60)
    message = os.urandom(12_000_000)
    client.send_binary(message)
    assert client.recv() == message
    client.close()


def test_bad_utf8_ends_the_web_socket(echo_server):
    client = websocket.create_connection(echo_server.ws_url, timeout=60)
    client.send(b"\xff\xfe", websocket.ABNF.OPCODE_TEXT)
    opcode, data = client.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    assert int.from_bytes(data[:2], "big") == 1007
    client.shutdown()


@pytest.mark.parametrize(
    "path, offered, status", [("/", None, 404), ("/wss", None, 404), ("/ws", ["other"], 400)]
)
def test_refused_web_sockets(echo_server, path, offered, status):
    async def talk():
        with pytest.raises(websockets.InvalidStatusCode) as refusal:
            await websockets.connect(
                f"ws://127.0.0.1:{echo_server.port}{path}", subprotocols=offered
            )
        assert refusal.value.status_code == status

    asyncio.run(talk())


def test_clients_that_vanish(echo_server):
    client = websocket.create_connection(echo_server.ws_url, timeout=60)
    client.send_binary(os.urandom(5_000_000))
    client.sock.close()
    with socket.create_connection(("127.0.0.1", echo_server.port)) as half:
        half.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
    http_client = http.client.HTTPConnection("127.0.0.1", echo_server.port, timeout=30)
    assert ask(http_client, "GET", "/")[0].status == 200
    http_client.close()


def test_every_port_listens(start_echo_server):
    echo_server = start_echo_server(ports=3)
    assert len(set(echo_server.ports)) == 3
    for port in echo_server.ports:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        assert ask(client, "GET", f"/echo?{port}")[1] == str(port).encode()
        client.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_at_once(start_echo_server, number):
    echo_server = start_echo_server()
    client = http.client.HTTPConnection("127.0.0.1", echo_server.port, timeout=30)
    ask(client, "GET", "/")
    talker = websocket.create_connection(echo_server.ws_url, timeout=60)
    assert echo_server.server.stop(number) == 0
    assert echo_server.server.stderr() == ""
    client.close()
    talker.shutdown()


def test_tells_systemd_when_it_serves(start_echo_server, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(30)
        start_echo_server(env={**os.environ, "NOTIFY_SOCKET": path})
        assert b"READY=1" in notify.recv(4096).split(b"\n")


def test_port_in_use(program):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(program, "--port", "0", "--port", str(port))
    assert result.returncode == 1
    assert result.stdout == ""
    assert f"Port {port} on 127.0.0.1 is in use" in result.stderr
    assert "--port N" in result.stderr


def test_unknown_address(program):
    result = run(program, "--host", "192.0.2.1", "--port", "0")
    assert (result.returncode, result.stdout) == (1, "")
    assert "192.0.2.1" in result.stderr


def test_ipv6(start, program):
    server = start([program("loads-echo-server"), "--host", "::1", "--port", "0"])
    port = int(server.read_line().split("http://[::1]:")[1].split("/")[0])
    client = http.client.HTTPConnection("::1", port, timeout=30)
    assert ask(client, "GET", "/")[1].startswith(HELLO)
    client.close()


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["--nothing"], "--nothing"),
        (["-z"], "-z"),
        (["extra"], "extra"),
        (["--port"], "--port"),
        (["--port", "x"], "x"),
        (["--port", "65536"], "65536"),
        (["--port", "-1"], "-1"),
        (["--port", ""], "--port"),
    ],
)
def test_wrong_options(program, arguments, word):
    result = run(program, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert word in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_help_and_version(program):
    result = run(program, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    for option in ("--host", "--port", "--help", "--version"):
        assert f"\n  {option}" in result.stdout
    result = run(program, "--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("loads-echo-server ")
