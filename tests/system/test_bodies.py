# SPDX-License-Identifier: MPL-2.0
"""Bodies: from files, compressed, asked for first; and answers' as they came, or not kept."""

import gzip
import hashlib
import http.server
import threading
import zlib

import pytest

MODULE = """\
#include <loads/loads.h>
LOADS_TEST(Bodies, file)
{
    for (int i = 0; i < 2; i++) {
        loads_response *res = loads_put(user, "/here", .body_file = "large.bin");
        loads_assert_int_eq(res->status, 200);
        loads_assert_str_eq(res->body, SHA);
    }
    loads_assert_str_eq(loads_post(user, "/again", .body_file = "large.bin")->body, SHA);
    loads_assert_str_eq(loads_post(user, "/away", .body_file = "large.bin")->body, EMPTY);
}
LOADS_TEST(Bodies, compressed)
{
    loads_response *res = loads_post(user, "/here", .body = "some text, some text", .compress = CODING);
    loads_assert_str_eq(res->body, SHA);
    loads_assert_str_eq(loads_header(res, "X-Coding"), CODING);
    loads_assert_str_eq(loads_post(user, "/away", .json = "[1]", .compress = CODING)->body, EMPTY);
}
LOADS_TEST(Bodies, asks)
{
    loads_response *res = loads_post(user, "/here", .body_file = "large.bin", .expect_continue = true);
    loads_assert_int_eq(res->status, 200);
    loads_assert_str_eq(res->body, SHA);
}
LOADS_TEST(Bodies, refused)
{
    loads_response *res = loads_post(user, "/never", .body_file = "large.bin", .expect_continue = true);
    loads_assert_int_eq(res->status, 417);
}
LOADS_TEST(Bodies, answers)
{
    loads_response *res = loads_get(user, "/gzip/size/100000", .raw_body = true);
    loads_assert_uint_lt(res->body_size, 50000);
    loads_assert_mem_eq(res->body, "\\x1f\\x8b", 2);
    loads_assert_uint_eq(res->body_total, res->body_size);
    res = loads_get(user, "/gzip/size/100000", .discard_body = true);
    loads_assert_str_eq(res->body, "");
    loads_assert_uint_eq(res->body_size, 0);
    loads_assert_uint_eq(res->body_total, 100000);
    loads_assert_false(res->body_cut);
    res = loads_get(user, "/size/3000000");
    loads_assert_uint_eq(res->body_total, 3000000);
    loads_assert_true(res->body_cut);
}
LOADS_TEST(Bodies, mistakes)
{
    loads_response *res = loads_post(user, "/here", .body_file = "nowhere", .may_fail = true);
    loads_assert_str_contains(res->error, "cannot read .body_file nowhere: No such file");
    res = loads_post(user, "/here", .body_file = ".", .may_fail = true);
    loads_assert_str_contains(res->error, "is not a file");
    res = loads_post(user, "/here", .body_file = "large.bin", .body = "a", .may_fail = true);
    loads_assert_str_contains(res->error, "beside another body");
    res = loads_post(user, "/here", .body_file = "large.bin", .compress = "gzip", .may_fail = true);
    loads_assert_str_contains(res->error, "beside .compress");
    res = loads_post(user, "/here", .body = "a", .compress = "br", .may_fail = true);
    loads_assert_str_contains(res->error, "neither gzip nor deflate");
}
"""

LARGE = bytes(range(256)) * 20000  # 5 MB
DECODE = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}


def sha(data):
    return hashlib.sha256(data).hexdigest()


class BodyServer:
    """Answers with the sum of what came, decoded; requests it has answered."""

    def __init__(self):
        self.answered, self.asked = [], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_expect_100(self):
                outer.asked += 1
                if self.path == "/never":
                    outer.answered.append(417)
                    self.send_response(417)
                    self.send_header("Content-Length", "0")
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.close_connection = True
                    return False
                return super().handle_expect_100()

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                coding = self.headers.get("Content-Encoding")
                status = {"/again": 307, "/away": 303}.get(self.path, 200)
                text = sha(DECODE[coding](body)).encode()
                outer.answered.append(status)
                self.send_response(status)
                if status != 200:
                    self.send_header("Location", "/here")
                self.send_header("X-Coding", str(coding))
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server():
    made = BodyServer()
    yield made
    made.close()


@pytest.fixture
def bodies(runner):
    """bodies(test, url, *options): a run of it."""
    runner.write("bodies.c", MODULE)
    (runner.folder / "large.bin").write_bytes(LARGE)

    def run(test, url, *options, coding="gzip", data=LARGE):
        ran = runner.summarize(
            f"bodies.Bodies.{test}", "--server-url", url, *options, "--cflags",
            f"'-DSHA=\"{sha(data)}\"' '-DEMPTY=\"{sha(b'')}\"' '-DCODING=\"{coding}\"'")
        assert ran.code == 0, ran
        return ran

    return run


def test_from_a_file(bodies, server):
    ran = bodies("file", server.url, "-u", "3", "--hits", "2")
    assert ran.counts["Hits"] == len(server.answered) == 36
    assert server.answered.count(307) == server.answered.count(303) == 6


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed(bodies, server, coding):
    """A redirect that takes the body away takes the header with it."""
    bodies("compressed", server.url, coding=coding, data=b"some text, some text")
    assert server.answered == [200, 303, 200]


def test_asked_for_first(bodies, server):
    ran = bodies("asks", server.url)
    assert (ran.counts["Hits"], server.asked, server.answered) == (1, 1, [200])


def test_who_is_refused(bodies, server):
    ran = bodies("refused", server.url)
    assert (ran.counts["Hits"], server.asked, server.answered) == (1, 1, [417])


def test_answers(bodies, target):
    bodies("answers", target.url, "--max-body", "1M")


def test_mistakes(bodies, server):
    bodies("mistakes", server.url)
    assert server.answered == []
