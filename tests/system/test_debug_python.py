# SPDX-License-Identifier: MPL-2.0
"""Seeing what is wrong with a test in Python, as test_debug.py has it for C: --debug-http, and what one user's one
execution says at once."""

import http.server
import json
import pathlib
import re
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"
HEAD = "from loads.case import TestCase\n\n\nclass TestIt(TestCase):\n    def test_it(self):\n"


@pytest.fixture(autouse=True)
def system_python(monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)


@pytest.fixture
def own(runner, target):
    """own(body, *arguments): a run of a test with that body; what it wrote to standard error, in lines."""
    def run(body, *arguments, head=HEAD, url=target.url, **options):
        runner.write("own.py", head + "".join(f"        {line}\n" for line in body.splitlines()))
        ran = runner.run("own.TestIt.test_it", "--server-url", url, *arguments, **options)
        ran.lines = ran.stderr.splitlines()
        return ran
    return run


# ---- --debug-http ----


def test_an_exchange(own, target):
    ran = own(f"self.session.get('{target.url}/redirect/3')", "--debug-http")
    assert ran.code == 0, ran
    requests = [line for line in ran.lines if re.match("> [A-Z]+ /", line)]
    assert requests == [f"> GET /redirect/{n}" for n in (3, 2, 1, 0)]
    assert ran.lines.count("> Host: " + target.url.removeprefix("http://")) == 4
    assert ran.lines.count("< HTTP 302") == 3 and ran.lines.count("< HTTP 200") == 1
    assert sum(bool(re.fullmatch(r"\* after [\d.]+ ms", line)) for line in ran.lines) == 4
    assert ran.lines.count("< Location: /redirect/0") == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_one_execution_of_one_user(own, target, workers):
    ran = own(f"self.session.get('{target.url}/any')", "--debug-http", "-u", "3:2", "--hits", 3, "--workers", workers)
    assert ran.code == 0, ran
    assert sum(line.startswith("> GET") for line in ran.lines) == 1


def test_the_application(own):
    ran = own("self.app.post('/any', {'name': 'ada'})", "--debug-http")
    assert ran.code == 0, ran
    assert "> POST /any\n" in ran.stderr and "\n>\nname=ada\n" in ran.stderr


def test_secrets_are_left_out(own, target):
    ran = own("self.session.auth = ('me', 'planted')\n"
              "self.session.headers['X-Api-Key'] = 'planted'\n"
              "self.session.cookies.set('a', 'planted')\n"
              f"self.session.get('{target.url}/any?header=X-Token:planted&header=Set-Cookie:%20b=planted;%20Path=/')\n"
              f"self.session.get('{target.url}/any?status=302&url=%2F%3Fkey=planted', allow_redirects=False)",
              "--debug-http")
    assert ran.code == 0, ran
    assert "planted" not in ran.stderr
    assert ran.lines.count("> GET /any?***") == 2
    for line in ("> Authorization: (secret)", "> X-Api-Key: (secret)", "< Location: /?***"):
        assert line in ran.lines
    assert {"> Cookie: a=(secret)", "> Cookie: a=(secret); b=(secret)"} <= set(ran.lines)
    assert any(line.lower() == "< set-cookie: b=(secret); path=/" for line in ran.lines)


def test_bodies(own, target):
    ran = own("self.session.post(url, data='one\\ntwo')\nself.session.post(url, data=b'\\0\\1')\n"
              "self.session.post(url, data=3000 * '7')\nself.session.post(url, data=(2000 * '\u00fc').encode())\n"
              "self.session.post(url, data=iter([b'a', b'b']))\n"
              "self.session.post(url, data=b'x', stream=True).close()", "--debug-http",
              head=f"url = '{target.url}/any'\n" + HEAD)
    assert ran.code == 0, ran
    assert ">\none\ntwo\n" in ran.stderr
    assert ">\n* 2 bytes that are no text\n" in ran.stderr
    assert f">\n{2000 * '7'}\n* and 1000 more bytes\n" in ran.stderr
    assert f">\n{1000 * chr(0xfc)}\n* and 2000 more bytes\n" in ran.stderr
    assert ">\n* a body that is sent in pieces\n" in ran.stderr
    assert "<\n* a body that the test reads by itself\n" in ran.stderr


def test_no_answer(own, target):
    ran = own(f"with self.assertRaises(OSError):\n    self.session.get('{target.url}/reset?header=X-Token:planted')",
              "--debug-http")
    assert ran.code == 0, ran
    assert any(line.startswith("* no answer: ") for line in ran.lines)
    assert "planted" not in ran.stderr


# ---- at once ----


def test_a_failure_is_said_at_once(own, target):
    ran = own(f"res = self.session.get('{target.url}/any?header=X-Token:planted')\n"
              "self.assertEqual(res.status_code, 201)")
    assert ran.code == 1, ran
    assert ran.lines[0] == "own.py:7: failure: 200 != 201"
    assert ran.lines[1:3] == [f"* the last answer, of {target.url}/any?***:", "< HTTP 200"]


def test_an_error_is_said_at_once(own, target):
    ran = own("first = 1\nself.helper()", head=HEAD.replace("    def test_it",
              "    def helper(self):\n        raise KeyError('jar')\n\n    def test_it"))
    assert ran.code == 1, ran
    assert ran.lines[0] == "own.py:6: error: KeyError: 'jar'"
    assert "the last answer" not in ran.stderr


def test_errors_in_libraries_have_the_tests_line(own, target):
    ran = own(f"self.session.get('{target.url}/any')\nself.session.get('{target.url}/reset?header=X-Token:planted')")
    assert ran.code == 1, ran
    assert ran.lines[0].startswith("own.py:7: error: ConnectionError: ")
    assert "the last answer" not in ran.stderr, "the one before isn't what went wrong"
    ran = own("import json\njson.loads('{')")
    assert ran.lines[0].startswith("own.py:7: error: JSONDecodeError: ")


def test_one_that_cannot_be_called_is_where_it_begins(own):
    ran = own("pass", head=HEAD.replace("(self)", "()"))
    assert ran.lines[0] == ("own.py:5: error: TypeError: TestIt.test_it() takes 0 positional arguments but 1 was given")


def test_a_web_socket_that_does_not_open(own):
    ran = own("first = 1\nself.create_ws('ws://127.0.0.1:9/?key=planted')")
    assert ran.lines[0] == ("own.py:7: error: ConnectionRefusedError: [Errno 111] Connection refused: "
                            "'ws://127.0.0.1:9/?***'")


def test_all_that_failed_is_said(own):
    ran = own("for i in range(3):\n    with self.subTest(i=i):\n        self.assertEqual(i, 1)\nassert 7 == 8")
    assert [line for line in ran.lines if line.startswith("own.py")] == [
        "own.py:8: failure: 0 != 1", "own.py:8: failure: 2 != 1", "own.py:9: failure: AssertionError"]


@pytest.mark.parametrize("arguments", [["-u", 2], ["--hits", 2], ["-u", "1:1"], ["-d", "0.2"], ["-q"]])
def test_of_several_none_is(own, arguments):
    ran = own("self.assertEqual(1, 2)", *arguments)
    assert ran.code == 1, ran
    assert "own.py" not in ran.stderr


def test_nothing_is_said_of_what_succeeds(own, target):
    ran = own(f"self.session.get('{target.url}/any')")
    assert (ran.code, ran.stderr) == (0, "")


class Rude(http.server.BaseHTTPRequestHandler):
    """Answers with what terminals stumble over."""

    def do_GET(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: planted\r\nSet-Cookie: a\x1b[31m=planted; Path=/\r\n"
                         b"X-Session-Id: planted\r\nX: \xc2\x9b31m\r\nContent-Length: 600\r\n\r\n" + 600 * b"\x80")

    def log_message(self, *arguments):
        pass


def test_a_rude_server(own):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Rude) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ran = own("self.assertEqual(self.session.get('http://%s:%d/').text, '\\x1b[31m')" %
                  server.server_address, "--debug-http")
        server.shutdown()
    assert ran.code == 1, ran
    assert "planted" not in ran.stderr and "\x1b" not in ran.stderr and "\x9b" not in ran.stderr
    assert ran.stderr.count("* 600 bytes that are no text\n") == 2


# ---- what may be shown ----


def test_urls_are_shown_as_in_c(build_dir):
    table = (ROOT / "tests" / "unit" / "test_shown.c").read_text().split("urls[] = {")[1].split("};")[0]
    rows = [tuple(json.loads(f"[{row}]")) for row in re.findall(r'\{("[^}]*")\}', table)]
    assert len(rows) > 20
    said = subprocess.run([PYTHON, "-c", "import json, sys\nfrom loads.shown import shown_url\n"
                           "print(json.dumps([shown_url(url) for url in json.load(sys.stdin)]))"],
                          input=json.dumps([row[0] for row in rows]), capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": str(build_dir / "python"), "PYTHONDONTWRITEBYTECODE": "1"})
    assert json.loads(said.stdout) == [row[1] for row in rows]


@pytest.mark.parametrize("call", [
    "session.get(f'http://127.0.0.1:9/?key={KEY}')",
    "session.get(f'htp://me:{KEY}@h/')",
    "session.get(self.app.server_url + f'/status/404?header=X-Token:{KEY}').raise_for_status()",
    "app.get(f'/status/404?header=X-Token:{KEY}')"])
def test_no_query_in_what_is_reported(own, call):
    ran = own(f"self.{call}", "--output", "json", head="KEY = 'planted'\n" + HEAD)
    error, = json.loads(ran.stdout)["errors"]
    assert "***" in error["message"]
    assert "planted" not in error["message"] + error["traceback"] + ran.stderr
