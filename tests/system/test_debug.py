# SPDX-License-Identifier: MPL-2.0
"""Seeing what is wrong: --debug-http, and what one user's one iteration says at once."""

import http.server
import re
import ssl
import subprocess
import threading

import pytest

from hostile import HostileServer


@pytest.fixture
def of_http(loads, target):
    """of_http(test, *arguments): a run of http.c; what it wrote to standard error, in lines."""
    def run(test, *arguments):
        ran = loads(f"http.{test}", "--server-url", target.url, *arguments)
        ran.lines = ran.stderr.splitlines()
        return ran
    return run


@pytest.fixture
def own(runner, target):
    """own(body, *arguments): a run of a test with that body."""
    def run(body, *arguments, **options):
        runner.write("own.c", f"#include <loads/loads.h>\nLOADS_TEST(Own, test)\n{{\n{body}\n}}\n")
        return runner.run("own.Own.test", "--server-url", target.url, *arguments, **options)
    return run


def test_an_exchange(of_http, target):
    host = target.url.removeprefix("http://")
    ran = of_http("TestRedirect.test_followed", "--debug-http")
    requests = [line for line in ran.lines if re.match("> [A-Z]+ /", line)]
    assert requests == [f"> GET /redirect/{n}" for n in (3, 2, 1, 0)]
    assert ran.lines.count(f"> Host: {host}") == 4
    assert ran.lines.count("< HTTP 302") == 3 and ran.lines.count("< HTTP 200") == 1
    assert f"* redirected to {target.url}/redirect/2" in ran.lines
    assert f"* to 127.0.0.1, port {host.split(':')[1]}" in ran.lines
    assert sum(line.startswith("* kept connection") for line in ran.lines) == 3
    assert any(line.startswith("> User-Agent: loads/") for line in ran.lines)


def test_one_iteration_of_one_user(of_http):
    ran = of_http("TestRedirect.test_followed", "--debug-http", "-u", "3:2", "--hits", 5)
    assert sum(line.startswith("> GET") for line in ran.lines) == 4


def test_secrets_are_left_out(of_http):
    ran = of_http("TestSession.test_basic_auth", "--debug-http")
    assert ran.lines.count("> Authorization: (secret)") == 3
    assert any(line.startswith("< WWW-Authenticate: Basic") for line in ran.lines)
    ran = of_http("TestSession.test_cookies", "--debug-http")
    assert "> Cookie: a=(secret)" in ran.lines
    assert any(re.fullmatch(r"< [Ss]et-[Cc]ookie: user=\(secret\)(;.*)?", line) for line in ran.lines)
    assert "* cookie user taken" in ran.lines


def test_bodies(own):
    ran = own("loads_post(user, \"/any?key=planted\", .body = \"one\\ntwo\");\n"
              "loads_post(user, \"/any\", .body = \"\\0\\1\", .body_size = 2);\n"
              "loads_post(user, \"/any\", .body = loads_printf(user, \"%03000d\", 7));", "--debug-http")
    assert ran.code == 0, ran
    assert "> POST /any?***\n" in ran.stderr and "planted" not in ran.stderr.split(" connection; ")[0]
    assert ">\none\ntwo\n" in ran.stderr
    assert ">\n* 2 bytes that are no text\n" in ran.stderr
    assert f">\n{2000 * '0'}\n* and 1000 more bytes\n" in ran.stderr


def test_no_answer(own):
    ran = own("loads_get(user, \"/reset\", .may_fail = true);", "--debug-http")
    assert re.search(r"^> GET /reset$", ran.stderr, re.MULTILINE)
    assert re.search(r"^\* no answer: .+", ran.stderr, re.MULTILINE)


def test_control_characters_do_not_reach_the_terminal(own):
    ran = own("loads_get(user, \"/any\", .headers = LOADS_HEADERS(\"X: a\\x1b[31m\"));", "--debug-http")
    assert "\x1b" not in ran.stderr


FAILING = ("loads_response *res = loads_get(user, \"/any\");\n"
           "loads_assert_int_eq(res->status, 201);")


def test_a_failure_is_said_at_once(own, target):
    ran = own(FAILING)
    assert ran.code == 1, ran
    said = ran.stderr[ran.stderr.index("own.c:5: failure: res->status is 200, expected 201\n"):]
    assert f"* the last answer, of {target.url}/any:\n< HTTP 200\n" in said


def test_an_error_is_said_at_once(own):
    ran = own("loads_get(user, \"/reset\");")
    assert ran.code == 1, ran
    assert re.search(r"^own\.c:4: error: .+", ran.stderr, re.MULTILINE)


def test_one_without_a_place_has_the_tests_name(own):
    ran = own("loads_sleep(user, -1);")
    assert ran.code == 1, ran
    assert "Own.test: error: loads_sleep(-1): no such time\n" in ran.stderr


@pytest.mark.parametrize("arguments", [["-u", "2"], ["--hits", "2"], ["-u", "1:1"], ["-d", "0.2"]])
def test_of_several_none_is(own, arguments):
    ran = own(FAILING, *arguments)
    assert ran.code == 1, ran
    assert "own.c:5: failure" not in ran.stderr


def test_where_it_cannot_be(runner):
    ran = runner.run("a.B.c", "--debug-http", "-a", "2")
    assert ran.code == 2 and "--debug-http is for a run here" in ran.stderr
    ran = runner.run("a.B.c", "--debug-http", "--test-runner", "true")
    assert ran.code == 2 and "--debug-http is for tests in C and in Python, and for URLs" in ran.stderr


@pytest.mark.parametrize("stack, levels", [("64K", 129), ("256K", 513)])
def test_json_that_is_nested_too_deep(own, stack, levels):
    """Reading it takes stack, of which there is not much; what fits is read."""
    body = ("loads_response *res = loads_post(user, \"/echo\", .body = \"%s\");\n"
            "loads_assert_uint_eq(loads_json_count(res, \"\"), 1);")
    ran = own(body % ((levels - 1) * "[" + "1" + (levels - 1) * "]"), "--stack-size", stack)
    assert ran.code == 0, ran
    ran = own(body % (levels * "["), "--stack-size", stack)
    assert ran.code == 1, ran
    assert f"JSON of {levels} levels, more than a stack of {stack[:-1]} KiB holds" in ran.stderr


class Rude(http.server.BaseHTTPRequestHandler):
    """Answers with what terminals, and who reads bytes backwards, stumble over."""

    def do_GET(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: planted\r\nSet-Cookie: a\x1b[31m=planted; Path=/\r\n"
                         b"X-Session-Id: planted\r\nX: \xc2\x9b31m\r\nContent-Length: 600\r\n\r\n" + 600 * b"\x80")

    def log_message(self, *arguments):
        pass


def test_a_rude_server(runner):
    runner.write("own.c", "#include <loads/loads.h>\nLOADS_TEST(Own, test)\n{\n" + FAILING + "\n}\n")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rude) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ran = runner.run("own.Own.test", "--server-url", f"http://127.0.0.1:{server.server_address[1]}",
                         "--debug-http")
        server.shutdown()
    assert ran.code == 1, ran
    assert "planted" not in ran.stderr and "\x1b" not in ran.stderr and "\x9b" not in ran.stderr
    assert ran.stderr.count("* 600 bytes that are no text\n") == 2
    assert "* cookie  refused: it makes no sense\n" in ran.stderr


# ---- WebSockets ----


@pytest.fixture
def chat(runner):
    """chat(body, *arguments): a run of a test with that body; what it wrote to standard error, in lines."""
    def run(body, *arguments):
        runner.write("own.c", f"#include <loads/loads.h>\nLOADS_TEST(Own, test)\n{{\n{body}\n}}\n")
        ran = runner.run("own.Own.test", "--debug-http", *arguments)
        ran.lines = ran.stderr.splitlines()
        return ran
    return run


CHAT = """
loads_ws *ws = loads_ws_open(user, "{url}?key=planted", .protocols = "chat",
                             .headers = LOADS_HEADERS("X-Name: ada", "Authorization: planted"));
loads_ws_send(ws, "something");
loads_ws_receive(ws);
loads_ws_send_binary(ws, "\\0planted", 8);
loads_ws_receive(ws);
loads_ws_send(ws, loads_printf(user, "%03000d", 7));
loads_ws_receive(ws);
loads_ws_close(ws, 4000);"""


def test_the_frames_of_a_websocket(chat, echo_server):
    ran = chat(CHAT.format(url=echo_server.ws_url))
    assert ran.code == 0, ran
    zeros = 500 * "0"
    begin = ran.lines.index(f"* to 127.0.0.1, port {echo_server.port}")
    assert ran.lines[begin + 1:begin + 20] == [
        "> GET /ws?***", f"> Host: 127.0.0.1:{echo_server.port}", "> Upgrade: websocket", "> Connection: Upgrade",
        "> Sec-WebSocket-Protocol: chat", "> X-Name: ada", "> Authorization: (secret)", ">",
        "< HTTP 101", "< Sec-WebSocket-Protocol: chat", "<",
        "> text frame, 9 bytes: something", "< text frame, 9 bytes: something",
        "> binary frame, 8 bytes", "< binary frame, 8 bytes",
        f"> text frame, 3000 bytes: {zeros}…", f"< text frame, 3000 bytes: {zeros}…",
        "> close frame, 2 bytes, code 4000", "* WebSocket: closed with code 4000"]
    assert "planted" not in ran.stderr


def test_the_frames_of_one_user(chat, echo_server):
    ran = chat(CHAT.format(url=echo_server.ws_url), "-u", 3, "--hits", 2)
    assert ran.code == 0, ran
    assert ran.lines.count("> text frame, 9 bytes: something") == 1


def test_frames_that_are_no_whole_messages(chat, hostile):
    ran = chat(f'loads_ws *ws = loads_ws_open(user, "{hostile}/fragments"); loads_ws_receive(ws);')
    assert ran.code == 0, ran
    begin = ran.lines.index("< text frame, 3 bytes, more to come: one")
    assert ran.lines[begin:begin + 3] == [
        "< text frame, 3 bytes, more to come: one", "< continuation frame, 3 bytes, more to come: two",
        "< continuation frame, 5 bytes: three"]


def test_a_rude_websocket(chat, hostile):
    """What it sends reaches no terminal as it is."""
    ran = chat(f'loads_ws *ws = loads_ws_open(user, "{hostile}/rude"); loads_ws_receive(ws); loads_ws_receive(ws);')
    assert ran.code == 1, ran
    assert "< text frame, 12 bytes: a?[31m?31mb" in ran.lines
    assert "< close frame, 9 bytes, code 4001: b?]0;x?" in ran.lines
    assert "\x1b" not in ran.stderr and "\x9b" not in ran.stderr and "\x07" not in ran.stderr


def test_a_websocket_that_is_refused(chat, echo_server):
    """It is said at once, too."""
    ran = chat(f'loads_ws_open(user, "{echo_server.ws_url}x");')
    assert ran.code == 1, ran
    assert "* no WebSocket: the server refused the WebSocket: status 404" in ran.lines
    assert "own.c:4: error: the server refused the WebSocket: status 404" in ran.lines


# ---- TLS ----


@pytest.fixture
def tls(tmp_path):
    """A context with a certificate whose subject and issuer is not fit for terminals."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-utf8", "-subj", "/CN=rude\x1b[31m\u009b31m", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def said_of_tls(ran):
    """Its lines, which must be fit for terminals."""
    assert "\x1b" not in ran.stderr and "\x9b" not in ran.stderr
    begin = next(i for i, line in enumerate(ran.lines) if line.startswith("* SSL connection using "))
    lines = [line for line in ran.lines[begin:begin + 6] if line.startswith(("* SSL", "* Server", "*  "))]
    assert re.fullmatch(r"\* SSL connection using TLSv1\.3 / TLS_\w+( / .*)?", lines[0]), lines
    assert lines[1] == "* Server certificate:", lines
    for name, value in (("subject", "CN ?= ?rude"), ("expire date", r"\w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT"),
                        ("issuer", "/?CN ?= ?rude")):
        assert sum(bool(re.match(rf"\*  {name}: {value}", line)) for line in lines) == 1, (name, lines)
    return lines


def test_tls_of_a_request(chat, tls):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rude) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ran = chat(f'loads_get(user, "https://127.0.0.1:{server.server_address[1]}/");', "--insecure")
        server.shutdown()
    assert ran.code == 0, ran
    said_of_tls(ran)


def test_tls_of_a_websocket(chat, tls):
    with HostileServer() as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ran = chat(f'loads_ws *ws = loads_ws_open(user, "wss{server.url.removeprefix("ws")}/early");'
                   "loads_ws_receive(ws);", "--insecure")
        server.shutdown()
    assert ran.code == 0, ran
    said_of_tls(ran)
    assert "< text frame, 5 bytes: early" in ran.lines
