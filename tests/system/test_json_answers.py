# SPDX-License-Identifier: MPL-2.0
"""Answers that should be JSON and aren't: what is said of them, in C and in Python, with the position."""

import http.server
import json
import threading

import pytest

# A body; what is said of it in C, behind "the body is "; in Python, a part of it. None: it is read.
BODIES = [
    (b'{"a": 1}', None, None),
    (b'\xef\xbb\xbf{"a": 1}', None, "Unexpected UTF-8 BOM"),
    (b"", "empty, which is not JSON", "line 1 column 1"),
    (b"<html>", "not JSON: line 1, column 1: invalid token", "line 1 column 1"),
    (b'{"a": 1,\n "b": [1, 2', "not JSON: line 2, column 11: ']' expected near end of file", "line 2 column 12"),
    (b'{"a": 1,\n\n  "b": tru}', "not JSON: line 3, column 10: invalid token", "line 3 column 8"),
    (b'{"a": 1} x', "not JSON: line 1, column 10: end of file expected", "Extra data: line 1 column 10"),
    (b'{"a": 1, }', "not JSON: line 1, column 10: string or '}' expected", "line 1 column 10"),
    (b"{'a': 1}", "not JSON: line 1, column 2: string or '}' expected", "line 1 column 2"),
    (b'{"a": "planted\n"}', "not JSON: line 1, column 14: unexpected newline", "line 1 column 15"),
    (b'{"a": 1, "b": "M\xfcller"}', "not UTF-8, as JSON is: line 1, column 16: unable to decode byte 0xfc", None),
    (b'{"a": 1, "b": "\xed\xa0\x80"}',
     "not UTF-8, as JSON is: line 1, column 15: unable to decode byte 0xed", None),
    (b'\x80\x81\x82', "not UTF-8, as JSON is: line 1, column 0: unable to decode byte 0x80", "line 1 column 1"),
    (b'{"a": "\\u0000"}', "not JSON: line 1, column 14: a string has a zero character (\\u0000) in it, which none "
     "in C can have", "TypeError"),
    (b'{"a": "\x1b[31m"}', "not JSON: line 1, column 7: control character 0x1b", "line 1 column 8"),
]

IN_C = """\
#include <loads/loads.h>

LOADS_TEST(Read, test_it)
{
    loads_response *res = loads_get(user, loads_printf(user, "/%u", (unsigned)loads_iteration(user)));
    loads_assert_int_eq(loads_json_int(res, "a"), 1);
    loads_assert_int_eq(loads_json_int(res, "a"), 1); /* it is kept */
}
"""
IN_PYTHON = """\
from loads.case import TestCase


class Read(TestCase):
    def test_it(self):
        res = self.session.get(f"{self.app.server_url}/{self.user.hit - 1}")
        self.assertEqual(res.json()["a"] + 0, 1)
"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self):
        body = BODIES[int(self.path[1:])][0]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_address[1]}"
        made.shutdown()


def test_in_c(runner, server):
    """Each is a failure of that iteration, and the run goes on."""
    runner.write("read.c", IN_C)
    ran = runner.summarize("read.Read.test_it", "--server-url", server, "--hits", len(BODIES))
    wanted = {f"the body is {words} (answer of {server}/{number})"
              for number, (_, words, _) in enumerate(BODIES) if words}
    assert {error["message"] for error in ran.summary["errors"]} == wanted
    assert {error["place"] for error in ran.summary["errors"]} == {"read.c:6"}
    assert ran.counts == {"Hits": len(BODIES), "Success": len(BODIES) - len(wanted), "Errors": 0,
                          "Failures": len(wanted)}
    assert "planted" not in json.dumps(ran.summary)


def test_in_python(runner, server, monkeypatch):
    """What Python makes of them: it takes some that are not UTF-8."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    runner.write("read.py", IN_PYTHON)
    ran = runner.summarize("read.Read.test_it", "--server-url", server, "--hits", len(BODIES))
    wanted = [words for _, _, words in BODIES if words]
    assert ran.counts == {"Hits": len(BODIES), "Success": len(BODIES) - len(wanted), "Errors": len(wanted),
                          "Failures": 0}
    said = [f"{error['class']}: {error['message']}" for error in ran.summary["errors"]]
    for words in wanted:
        assert any(words in text for text in said), (words, said)
    assert all("read.py" in error["traceback"] for error in ran.summary["errors"])


@pytest.mark.parametrize("name, text, line", [
    ("read.c", IN_C.replace("(unsigned)loads_iteration(user)", "5u"),
     "read.c:6: failure: the body is not JSON: line 3, column 10: "),
    ("read.py", IN_PYTHON.replace("self.user.hit - 1", "5"), "read.py:7: error: JSONDecodeError: "),
])
def test_at_once(runner, server, monkeypatch, name, text, line):
    """With the body below, where it can be looked at."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    runner.write(name, text)
    ran = runner.run("read.Read.test_it", "--server-url", server)
    assert ran.stderr.startswith(line), ran
    assert '\n<\n{"a": 1,\n\n  "b": tru}\n' in ran.stderr
