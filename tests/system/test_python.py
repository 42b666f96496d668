# SPDX-License-Identifier: MPL-2.0
"""The package `loads`: what a test in Python has, and what is counted of it. How loads-runner finds and prepares
such tests is in test_python_run.py."""

import asyncio
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import threading

import pytest
import websockets

from lab import Network

PYTHON = "/usr/bin/python3"
GUIDE = (pathlib.Path(__file__).parent / "runners" / "example.py").read_text()
HEAD = "from loads.case import TestCase\n\n\nclass TestIt(TestCase):\n"


@pytest.fixture(autouse=True)
def system_python(monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)


@pytest.fixture
def run(runner):
    """run(body, …): a test with this body, in `it.py`; its summary."""
    def run_it(body, *arguments, head=HEAD, **options):
        lines = "".join(f"        {line}\n" if line else "\n" for line in body.split("\n"))
        runner.write("it.py", f"{head}\n    def test_it(self):\n{lines}")
        return runner.summarize("it.TestIt.test_it", *arguments, **options)
    return run_it


@pytest.fixture
def network():
    made = Network()
    yield made
    made.close()


def plain(build_dir, folder, *arguments):
    """Python by itself, with the package."""
    environment = {**os.environ, "PYTHONPATH": str(build_dir / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([PYTHON, *arguments], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=60)


def counters_of(summary):
    return {counter["name"]: counter["count"] for counter in summary["counters"]}


def outcomes_of(summary):
    counts = summary["iterations"]
    return tuple(counts[name] for name in ("successes", "failures", "errors", "interrupted"))


def error_of(summary):
    assert len(summary["errors"]) == 1, summary["errors"]
    return summary["errors"][0]


# ---- the guide's examples ----


def serve_guide(start, program, network):
    """What the guide's tests expect at its ports."""
    server = start([*network.enter(), program("loads-echo-server"), "--port", "9200", "--port", "9000"])
    server.read_line()
    server.read_line()


def test_the_guides_examples_as_they_stand(runner, start, program, network, tmp_path, build_dir):
    serve_guide(start, program, network)
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text("<html>tarek</html>")
    web = start([*network.enter(), PYTHON, "-u", "-c", "import http.server as h, signal, sys\n"
                 "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
                 "server = h.ThreadingHTTPServer(('127.0.0.1', 8080), h.SimpleHTTPRequestHandler)\n"
                 "print('ready')\nserver.serve_forever()"], cwd=pages)
    web.read_line()
    runner.write("example.py", GUIDE)
    (runner.folder / "example.c").unlink()
    runner.program, (_, *enter), command = "nsenter", network.enter(), program("loads-runner")

    ran = runner.summarize(*enter, command, "example.TestWebSite.test_es", "-u", 100, "--hits", 10)
    assert (ran.code, ran.summary["hits"], outcomes_of(ran.summary)) == (0, 1000, (1000, 0, 0, 0)), ran
    ran = runner.summarize(*enter, command, "example.TestWebSite.test_es", "-u", "10:20:30", "--hits", 20)
    assert (ran.code, ran.summary["hits"], outcomes_of(ran.summary)) == (0, 1200, (1200, 0, 0, 0)), ran
    ran = runner.summarize(*enter, command, "example.TestWebSite.test_something", "-u", 3, "--hits", 2)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (6, 0, 0, 0)), ran
    assert ran.summary["web_sockets"] == {"opened": 6, "closed": 6, "sent": 0, "sent_bytes": 0,
                                          "received": 12, "received_bytes": 6 * len("somethinghappened")}
    ran = runner.summarize(*enter, command, "example.TestWebSite.test_app", "--server-url",
                           "http://localhost:8080", "-u", 2, "--hits", 3)
    assert (ran.code, ran.summary["hits"], counters_of(ran.summary)) == (0, 6, {"tarek-was-there": 6}), ran

    alone = subprocess.run([*network.enter(), "env", f"PYTHONPATH={build_dir / 'python'}",
                            "LOADS_SERVER_URL=http://localhost:8080", PYTHON, "-m", "unittest", "-v", "example"],
                           cwd=runner.folder, capture_output=True, text=True, timeout=60)
    assert alone.returncode == 0 and "Ran 3 tests" in alone.stderr, alone.stderr


@pytest.fixture
def page():
    """The URL of a server with one page."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>tarek</html>")

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_on_agents(two_agents, echo_server, page, tmp_path):
    ports = GUIDE.replace("9200", str(echo_server.port)).replace("9000", str(echo_server.port))
    (tmp_path / "example.py").write_text(ports)
    summaries = {}
    for test, users, hits in (("test_es", "10:20:30", 1), ("test_something", "2", 0), ("test_app", "3", 1)):
        two_agents.run("loads-runner", f"example.TestWebSite.{test}", "-a", 2, "-u", users, "--hits", 5, "--output",
                       f"json={tmp_path}/{test}", "--server-url", page, cwd=tmp_path)
        summary = summaries[test] = json.loads((tmp_path / test).read_text())
        iterations = 2 * sum(map(int, users.split(":"))) * 5
        assert outcomes_of(summary) == (iterations, 0, 0, 0)
        assert summary["hits"] == iterations * hits
    sockets = summaries["test_something"]["web_sockets"]
    assert sockets["opened"] == sockets["closed"] == 20
    assert counters_of(summaries["test_app"]) == {"tarek-was-there": 30}


# ---- by itself ----


def test_unittest_and_pytest(runner, target, build_dir):
    runner.write("test_it.py", f"{HEAD}    def test_good(self):\n"
                               f"        self.assertEqual(self.session.get('{target.url}/any').status_code, 200)\n"
                               "        self.incr_counter('one')\n\n"
                               "    def test_bad(self):\n        self.assertEqual(1, 2)\n")
    ran = plain(build_dir, runner.folder, "-m", "unittest", "test_it")
    assert ran.returncode == 1 and "Ran 2 tests" in ran.stderr and "FAILED (failures=1)" in ran.stderr, ran
    ran = plain(build_dir, runner.folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    assert "1 failed, 1 passed" in ran.stdout, ran
    assert target.counts()["answers"] == 2


# ---- the session ----


def test_every_exchange_is_a_hit(run, target):
    ran = run(f"res = self.session.get('{target.url}/redirect/2')\n"
              "self.assertEqual((res.status_code, len(res.history)), (200, 2))", "-u", 3, "--hits", 2)
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == 3 * 2 * 3
    assert sum(status["hits"] for name in ran.summary["names"] for status in name["statuses"]
               if status["status"] == 302) == 12


def test_cookies_live_as_long_as_the_user(run, target):
    ran = run(f"if self.user.hit == 1:\n    self.session.get('{target.url}/any?header=Set-Cookie:%20a=b')\n"
              "self.assertEqual(self.session.cookies.get('a'), 'b')", "-u", 2, "--hits", 3)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (6, 0, 0, 0)), ran


def test_elapsed_is_the_targets_delay(run, target):
    ran = run(f"self.session.get('{target.url}/any?delay=300')", "-u", 20, "--hits", 2)
    latency = ran.summary["latency"]
    assert ran.summary["hits"] == 40 and latency["min_usec"] >= 300000, ran


def test_no_answer_is_an_error(run):
    ran = run("self.session.get('http://127.0.0.1:9/')", "-u", 3, "--hits", 2)
    assert (ran.code, outcomes_of(ran.summary)) == (1, (0, 0, 6, 0))
    error = error_of(ran.summary)  # the same for all of them
    assert error["count"] == 6
    assert error["class"] == "requests.exceptions.ConnectionError"
    assert "it.py" in error["traceback"] and "Connection refused" in error["message"]


def test_timeout(run, target):
    ran = run(f"self.session.get('{target.url}/held')", "--timeout", "0.2")
    assert outcomes_of(ran.summary) == (0, 0, 1, 0)
    assert error_of(ran.summary)["class"] == "requests.exceptions.ReadTimeout"
    target.release()


# ---- outcomes ----


@pytest.mark.parametrize("body, outcomes, kind, message", [
    ("self.assertEqual(1, 2)", (0, 1, 0, 0), "AssertionError", "1 != 2"),
    ("raise ValueError('no such jar')", (0, 0, 1, 0), "ValueError", "no such jar"),
    ("import sys\nsys.exit('gone')", (0, 0, 1, 0), "SystemExit", "gone"),
    ("for i in range(3):\n    with self.subTest(i=i):\n        self.assertEqual(i, 1)", (0, 1, 0, 0),
     "AssertionError", "0 != 1"),
])
def test_what_goes_wrong(run, body, outcomes, kind, message):
    ran = run(body)
    assert (ran.code, outcomes_of(ran.summary)) == (1, outcomes), ran
    error = error_of(ran.summary)
    assert (error["class"], error["message"]) == (kind, message)
    assert "in test_it" in error["traceback"]


def test_a_traceback_begins_in_the_test(run):
    ran = run("try:\n    raise KeyError('jar')\nexcept KeyError as e:\n    raise ValueError('no jar') from e")
    trace = error_of(ran.summary)["traceback"].splitlines()
    assert trace[0] == "Traceback (most recent call last):" and trace[1].endswith("in test_it")
    assert "ValueError: no jar" in trace and "Caused by:" in trace and trace[-1] == "KeyError: 'jar'"


def test_skipped(run):
    ran = run("if self.user.hit == 1:\n    self.skipTest('not today')", "--hits", 3)
    assert (ran.code, outcomes_of(ran.summary), counters_of(ran.summary)) == (0, (2, 0, 0, 0), {"skipped": 1})


def test_fixtures_and_the_life_of_a_user(run):
    head = HEAD + ("    @classmethod\n    def setUpClass(cls):\n        cls.classes = getattr(cls, 'classes', 0) + 1\n\n"
                   "    def setUp(self):\n        self.count = getattr(self, 'count', 0) + 1\n\n"
                   "    def tearDown(self):\n        self.incr_counter(f'torn-{self.count}')\n")
    ran = run("self.assertEqual((self.count, self.classes), (self.user.hit, 1))", "-u", 2, "--hits", 3, head=head)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (6, 0, 0, 0)), ran
    assert counters_of(ran.summary) == {"torn-1": 2, "torn-2": 2, "torn-3": 2}


def test_users_are_numbered_over_all_workers(run):
    ran = run("self.incr_counter(f'user-{self.user.number}')", "-u", 7, "--workers", 3)
    assert counters_of(ran.summary) == {f"user-{number}": 1 for number in range(1, 8)}


def test_a_class_that_cannot_be_set_up(run):
    head = HEAD + "    @classmethod\n    def setUpClass(cls):\n        raise ValueError('no jar')\n"
    ran = run("pass", head=head)
    assert ran.code == 1 and "ValueError: no jar" in ran.stderr
    assert "ValueError: no jar" in error_of(ran.summary)["traceback"]


def test_without_patching_users_are_threads(run, target):
    ran = run(f"self.session.get('{target.url}/any?delay=50')", "-u", 10, "--hits", 5, "--no-patching")
    assert (ran.code, ran.summary["hits"]) == (0, 50), ran
    assert target.counts()["answers"] == 50


# ---- the application ----


def test_app(run, target):
    head = HEAD + f"    server_url = {target.url!r}\n"
    ran = run("self.app.get('/status/404', status=404)\n"
              "self.app.get('/cookie/set/a/b')\n"
              "self.assertEqual(self.app.cookies, {'a': 'b'})\n"
              "res = self.app.get('/redirect/1')\n"
              "self.assertEqual(res.follow().status_int, 200)\n"
              "self.app.post('/any', {'name': 'ada'})\n"
              "self.app.server_url = 'http://127.0.0.1:9'\n"
              "with self.assertRaises(OSError):\n    self.app.get('/')", head=head)
    assert ran.code == 0, ran
    assert ran.summary["hits"] == target.counts()["answers"] == 5


def test_app_checks_statuses(run, target):
    ran = run("self.app.get('/status/500')", "--server-url", target.url)
    assert outcomes_of(ran.summary) == (0, 0, 1, 0)
    assert "Bad response: 500" in error_of(ran.summary)["message"]
    assert ran.summary["hits"] == 1


def test_app_without_a_server(run):
    ran = run("self.app.get('/')")
    assert "which server? Give --server-url" in error_of(ran.summary)["message"]


# ---- web sockets ----


def test_many_users_on_web_sockets(run, echo_server):
    ran = run(f"ws = self.create_ws('{echo_server.ws_url}', protocols=['chat'])\n"
              "for i in range(5):\n    ws.send(f'message {i}')\n"
              "    self.assertEqual(ws.receive().data, f'message {i}')", "-u", 200, "--hits", 2)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (400, 0, 0, 0)), ran
    sockets = ran.summary["web_sockets"]
    assert sockets["opened"] == sockets["closed"] == 400
    assert (sockets["received"], sockets["received_bytes"]) == (2000, 2000 * len("message 0"))


def test_binary_messages_and_classes_of_ones_own(run, echo_server):
    head = ("from ws4py.client.threadedclient import WebSocketClient\n" + HEAD.replace(
        "class TestIt", "class Mine(WebSocketClient):\n    def received_message(self, m):\n"
                        "        self.seen = bytes(m.data)\n\n\nclass TestIt"))
    ran = run(f"ws = self.create_ws('{echo_server.ws_url}', klass=Mine)\n"
              "ws.send(b'\\x00\\xff', binary=True)\n"
              "self.assertEqual(ws.receive().data, b'\\x00\\xff')\n"
              "self.assertEqual(ws.seen, b'\\x00\\xff')\n"
              "ws.close()\n"
              "self.assertIsNone(ws.receive())", head=head)
    assert ran.code == 0, ran
    assert ran.summary["web_sockets"]["closed"] == 1


@pytest.mark.parametrize("url, kind", [
    ("{ws}nowhere", "ws4py.exc.HandshakeError"),
    ("ws://127.0.0.1:9/ws", "ConnectionRefusedError"),
])
def test_a_web_socket_that_cannot_be_opened(run, echo_server, url, kind):
    ran = run(f"self.create_ws('{url.format(ws=echo_server.ws_url)}')")
    assert outcomes_of(ran.summary) == (0, 0, 1, 0)
    assert error_of(ran.summary)["class"] == kind
    assert ran.summary["web_sockets"]["opened"] == 0


def test_an_error_in_a_callback(run, echo_server):
    ran = run("def callback(m):\n    raise ValueError('no such ' + m.data)\n"
              f"ws = self.create_ws('{echo_server.ws_url}', callback=callback)\n"
              "ws.send('jar')\nws.receive()")
    assert (error_of(ran.summary)["class"], error_of(ran.summary)["message"]) == ("ValueError", "no such jar")


def test_a_message_that_never_comes(run, echo_server):
    ran = run(f"self.create_ws('{echo_server.ws_url}').receive(timeout=0.1)")
    assert error_of(ran.summary)["class"] == "TimeoutError"
    assert ran.summary["web_sockets"]["closed"] == 1


@pytest.fixture
def secure_server(tmp_path):
    """A WebSocket server that says what it is told, with a certificate that nobody knows."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out",
                    certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async def serve():
        return await websockets.serve(echo, "127.0.0.1", 0, ssl=context)

    server = loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"wss://localhost:{server.sockets[0].getsockname()[1]}/", certificate
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()


@pytest.mark.parametrize("options, good", [([], False), (["--insecure"], True), (["--ca-file"], True)])
def test_secure_sockets(run, secure_server, options, good):
    url, certificate = secure_server
    options = [*options, certificate] if options == ["--ca-file"] else options
    ran = run(f"ws = self.create_ws('{url}')\nws.send('hello')\nself.assertEqual(ws.receive().data, 'hello')", *options)
    assert outcomes_of(ran.summary) == ((1, 0, 0, 0) if good else (0, 0, 1, 0)), ran
    assert good or error_of(ran.summary)["class"] == "ssl.SSLCertVerificationError"


# ---- the command ----


def test_help_and_by_hand(build_dir, tmp_path):
    ran = plain(build_dir, tmp_path, "-m", "loads.runner", "--help")
    assert ran.returncode == 0
    for option in ("--no-patching", "--server-url", "--check", "--list"):
        assert option in ran.stdout
    ran = plain(build_dir, tmp_path, "-m", "loads.runner", "a.B.c")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == ("this is started by loads-runner and loads-agent; by itself, a test runs under python3 -m "
                          "unittest\n")
    ran = plain(build_dir, tmp_path, "-m", "loads.runner", "--check", "nothing")
    assert (ran.returncode, ran.stdout, ran.stderr) == (
        3, "'nothing' is not a test's name, such as example.TestWebSite.test_es\n", "")


def test_nothing_of_webtest_is_needed_for_a_session(build_dir, tmp_path):
    """What a test doesn't use isn't imported."""
    (tmp_path / "it.py").write_text(HEAD + "    def test_it(self):\n        self.session\n        import sys\n"
                                           "        self.assertFalse({'webtest', 'ws4py', 'gevent', 'zmq'} & "
                                           "set(sys.modules))\n")
    ran = plain(build_dir, tmp_path, "-m", "unittest", "it")
    assert ran.returncode == 0, ran.stderr
