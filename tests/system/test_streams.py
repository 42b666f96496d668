# SPDX-License-Identifier: MPL-2.0
"""Bodies that nobody holds: taken and given by the test's own functions, piece by piece."""

import gzip
import http.server
import os
import threading

import pytest

# How large a body is, and what of it a worker may ever hold: in MiB.
SIZES = {"http": (256, 64), None: (64, 32)}

MODULE = r"""
#include <loads/loads.h>
#include <stdio.h>
#include <string.h>

#define SIZE ((uint64_t)(MIB) << 20)
#define BLOCK 4096

/* What stands at an offset: the same for a block. */
static unsigned char byte_at(uint64_t offset)
{
    uint64_t block = offset / BLOCK;
    return (unsigned char)(block ^ (block >> 8) * 7);
}

static long peak_kib(void)
{
    char line[256];
    long peak = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file) && sscanf(line, "VmHWM: %ld", &peak) != 1) {
    }
    fclose(file);
    return peak;
}

struct taken {
    uint64_t size, pieces, fails_at;
    bool waits, asks, resets;
};

static void take(loads_user *user, const loads_piece *piece, void *context)
{
    struct taken *taken = context;
    loads_assert_int_eq(piece->response->status, 200);
    loads_assert_not_null(loads_header(piece->response, "Server"));
    loads_assert_uint_eq(piece->offset, taken->size);
    for (size_t i = 0, n; i < piece->size; i += n) {
        static unsigned char block[BLOCK];
        n = BLOCK - (piece->offset + i) % BLOCK;
        n = n < piece->size - i ? n : piece->size - i;
        memset(block, byte_at(piece->offset + i), n);
        if (memcmp(piece->data + i, block, n) != 0) {
            loads_fail("wrong bytes from %llu on", (unsigned long long)(piece->offset + i));
        }
    }
    taken->size += piece->size;
    if (taken->waits && taken->pieces % 500 == 0) {
        loads_sleep(user, 0.001);
    }
    if (taken->asks && taken->pieces % 500 == 0) {
        loads_assert_str_contains(loads_get(user, "/index.html")->body, "Hello");
    }
    if (taken->resets) {
        loads_session_reset(user);
    }
    if (taken->fails_at && taken->size >= taken->fails_at) {
        loads_fail("enough of it");
    }
    taken->pieces++;
}

static size_t give(loads_user *user, void *buffer, size_t size, void *context)
{
    struct taken *given = context;
    size_t n = given->size == SIZE ? 0 : BLOCK - given->size % BLOCK;
    if (given->waits && given->size % (16 << 20) == 0) {
        loads_sleep(user, 0.001);
    }
    if (given->fails_at && given->size >= given->fails_at) {
        loads_fail("enough given");
    }
    while (n > 0 && given->size < SIZE && n + BLOCK <= size) {
        memset((char *)buffer + n, byte_at(given->size + n), BLOCK);
        n += BLOCK;
    }
    n = n < size ? n : size;
    n = n < SIZE - given->size ? n : (size_t)(SIZE - given->size);
    memset(buffer, byte_at(given->size), n < BLOCK ? n : BLOCK);
    given->size += n;
    return n;
}

LOADS_TEST(Streams, down)
{
    struct taken taken = {.waits = true, .asks = true};
    loads_assert_int_eq(loads_get(user, "/index.html")->http_version, VERSION);
    long before = peak_kib();
    loads_response *res = loads_get(user, "/large", .on_body = take, .context = &taken);
    loads_assert_int_eq(res->status, 200);
    loads_assert_str_eq(res->body, "");
    loads_assert_false(res->body_cut);
    loads_assert_uint_eq(res->body_total, SIZE);
    loads_assert_uint_eq(taken.size, SIZE);
    loads_assert_int_lt(peak_kib() - before, BOUND_MIB << 10);
    loads_assert_int_eq(res->http_version, 11);
    loads_assert_int_eq(loads_get(user, "/index.html")->http_version, VERSION);
}
LOADS_TEST(Streams, up)
{
    struct taken given = {.waits = true};
    long before = peak_kib();
    loads_response *res = loads_put(user, "/files/known", .upload = give, .upload_size = SIZE, .context = &given);
    loads_assert_int_eq(res->status, 201);
    given.size = 0;
    loads_assert_int_eq(loads_put(user, "/files/unknown", .upload = give, .context = &given)->status, 201);
    loads_assert_int_lt(peak_kib() - before, BOUND_MIB << 10);
}
LOADS_TEST(Streams, failing)
{
    if (loads_iteration(user) == 0) {
        loads_get(user, "/large", .on_body = take, .context = &(struct taken){.fails_at = 1 << 20});
    } else if (loads_iteration(user) == 1) {
        loads_put(user, "/files/failing", .upload = give, .context = &(struct taken){.fails_at = 1 << 20});
    } else if (loads_iteration(user) == 2) {
        loads_get(user, "/large", .on_body = take, .context = &(struct taken){.resets = true});
    }
    loads_assert_int_eq(loads_get(user, "/index.html")->status, 200);
}

/* ---- small ones, of a server that answers as the path says ---- */

static void collect(loads_user *user, const loads_piece *piece, void *context)
{
    char **text = context;
    *text = loads_printf(user, "%s%.*s", *text, (int)piece->size, piece->data);
}

static size_t give_twice(loads_user *user, void *buffer, size_t size, void *context)
{
    int *calls = context;
    memcpy(buffer, "1234", size < 4 ? size : 4);
    return (*calls)++ >= 2 ? 0 : size < 4 ? size : 4;
}

static size_t give_much(loads_user *user, void *buffer, size_t size, void *context)
{
    return size + 1;
}

LOADS_TEST(Streams, small)
{
    char *text = "";
    loads_response *res = loads_get(user, "/moved", .on_body = collect, .context = &text);
    loads_assert_int_eq(res->status, 200);
    loads_assert_str_eq(text, "the page"); /* and nothing of the one that leads there */
    text = "";
    loads_get(user, "/moved", .on_body = collect, .context = &text, .no_redirects = true);
    loads_assert_str_eq(text, "moved");
    text = "";
    loads_get(user, "/page", .on_body = collect, .context = &text, .discard_body = true);
    loads_assert_str_eq(text, "the page");

    int calls = 0;
    res = loads_post(user, "/echo", .upload = give_twice, .context = &calls);
    loads_assert_str_eq(res->body, "chunked 12341234");
    calls = 0;
    res = loads_post(user, "/echo", .upload = give_twice, .upload_size = 8, .context = &calls);
    loads_assert_str_eq(res->body, "8 12341234");
    loads_assert_int_eq(calls, 2);
    calls = 0;
    res = loads_post(user, "/see", .upload = give_twice, .context = &calls);
    loads_assert_str_eq(res->body, "the page");
    calls = 0;
    res = loads_post(user, "/digest", .upload = give_twice, .upload_size = 8, .context = &calls,
                     .auth = LOADS_DIGEST("ada", "secret"));
    loads_assert_str_eq(res->body, "8 12341234");
    calls = 0;
    res = loads_post(user, "/never", .upload = give_twice, .expect_continue = true, .context = &calls);
    loads_assert_int_eq(res->status, 200); /* refused with 417, and sent again: nothing was read yet */
    loads_assert_str_eq(res->body, "chunked 12341234");
}
LOADS_TEST(Streams, mistakes)
{
    int calls = 0;
    loads_response *res = loads_post(user, "/again", .upload = give_twice, .context = &calls, .may_fail = true);
    loads_assert_str_contains(res->error, "with status 307: a body of .upload can't be sent again");
    calls = 0;
    res = loads_post(user, "/echo", .upload = give_twice, .upload_size = 9, .context = &calls, .may_fail = true);
    loads_assert_str_eq(res->error, ".upload ended after 8 of the 9 bytes of .upload_size");
    res = loads_post(user, "/echo", .upload = give_much, .may_fail = true);
    loads_assert_str_eq(res->error, ".upload returned 65537, and had room for 65536 bytes");
    res = loads_post(user, "/echo", .upload = give_much, .body = "a", .may_fail = true);
    loads_assert_str_contains(res->error, "beside another body");
    res = loads_post(user, "/echo", .upload = give_much, .compress = "gzip", .may_fail = true);
    loads_assert_str_contains(res->error, "beside .compress");
    char *text = "";
    res = loads_get(user, "/cut", .on_body = collect, .context = &text, .may_fail = true);
    loads_assert_int_eq(res->status, 0);
    loads_assert_str_eq(text, "half of i");
    text = "";
    res = loads_get(user, "/broken", .on_body = collect, .context = &text, .may_fail = true);
    loads_assert_str_contains(res->error, "not valid gzip");
    res = loads_post(user, "/closes", .upload = give_twice, .upload_size = 8, .may_fail = true, .context = &(int){0});
    loads_assert_int_eq(res->status, 0);
}
"""


def block(number):
    return bytes([(number ^ (number >> 8) * 7) & 255]) * 4096


def body(kind):
    return (block(number) for number in range(size_of(kind)[0] << 8))


def size_of(kind):
    return SIZES.get(kind, SIZES[None])


SERVER = """
        {more}
        root {{folder}}/www;
        location = /large {{ }}
        location = /index.html {{ }}
        location /files {{ dav_methods PUT; client_max_body_size 0; client_body_buffer_size 1m; }}
"""


def server_text(listen, more=""):
    return "    server {\n        listen 127.0.0.1:{port} %s;%s    }" % (
        listen, SERVER.replace("{more}", more).replace("{{", "{").replace("}}", "}"))


@pytest.fixture
def large(start_nginx, authority):
    """large(kind): the URL of a server of that kind and options for it, with the large body."""

    def start(kind):
        known, more = authority(), ""
        if "tls" in kind:
            certificate = known.sign("server")
            more = f"ssl_certificate {certificate.path}; ssl_certificate_key {certificate.key};"
        if "gzip" in kind:
            more += " gzip_static always;"
        nginx = start_nginx(server_text(" ".join(
            word for word, part in (("ssl", "tls"), ("http2", "http2")) if part in kind), more))
        www = nginx.folder / "www"
        (www / "files").mkdir()
        opened = gzip.open(www / "large.gz", "wb", compresslevel=1) if "gzip" in kind else (www / "large").open("wb")
        with opened as file:
            for piece in body(kind):
                file.write(piece)
        url = f"https://localhost:{nginx.ports[0]}" if "tls" in kind else f"http://127.0.0.1:{nginx.ports[0]}"
        return nginx, url, ["--ca-file", known.path, *(["--http2"] if "http2" in kind else [])]

    return start


@pytest.fixture
def streams(runner):
    runner.write("streams.c", MODULE)

    def run(test, kind, *options):
        mib, bound = size_of(kind)
        # Under ASan what is freed is kept for a while: not for longer than this test is about.
        return runner.summarize(f"streams.Streams.{test}", *options, "--timeout", "300", "--cflags",
                                f"-DMIB={mib} -DBOUND_MIB={bound} -DVERSION={20 if 'http2' in kind else 11}", env={
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4"})

    return run


@pytest.mark.parametrize("kind", ["http", "tls", "http2 tls", "tls gzip"])
def test_down(large, streams, kind):
    _, url, options = large(kind)
    ran = streams("down", kind, "--server-url", url, *options)
    assert ran.code == 0, ran.stderr + ran.stdout
    assert ran.counts["Hits"] > 1


@pytest.mark.parametrize("kind", ["http", "http2 tls"])
def test_up(large, streams, kind):
    nginx, url, options = large(kind)
    ran = streams("up", kind, "--server-url", url, *options)
    assert ran.code == 0, ran.stderr + ran.stdout
    assert ran.counts["Hits"] == 2
    for name in ("known", "unknown"):
        with (nginx.folder / "www/files" / name).open("rb") as file:
            assert all(file.read(4096) == piece for piece in body(kind)) and not file.read(1)


def test_failing_within(large, streams):
    """A function that fails ends the iteration as everywhere; its request is no hit, but an error."""
    nginx, url, options = large("http")
    ran = streams("failing", "http", "--server-url", url, "--hits", "4", *options)
    assert ran.code == 1, ran
    assert [ran.counts[name] for name in ("Hits", "Success", "Failures", "Errors")] == [1, 1, 2, 1]
    assert sorted((error["class"], error["message"]) for error in ran.summary["errors"]) == [
        ("argument", "loads_session_reset() in .on_body or .upload, whose request is on"),
        ("assertion", "enough given"),
        ("assertion", "enough of it"),
        *[("cancelled", "the test left in the middle of a body")] * 3,
    ]
    assert not (nginx.folder / "www/files/failing").exists()


class Small(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_expect_100(self):
        """Without an end of the connection: who is refused sends the request again."""
        self.tell(417, b"no")
        return False

    def tell(self, status, body, *headers, size=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        self.end_headers()
        self.wfile.write(body)

    def read(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            size = int(self.headers.get("Content-Length", 0))
            return b"%d %s" % (size, self.rfile.read(size))
        body = b""
        while (size := int(self.rfile.readline(), 16)) > 0:
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return b"chunked " + body

    def do_GET(self):
        if self.path == "/moved":
            self.tell(302, b"moved", ("Location", "/page"))
        elif self.path == "/cut":
            self.tell(200, b"half of i", size=100)
            self.close_connection = True
        elif self.path == "/broken":
            self.tell(200, gzip.compress(b"whole")[:-8] + bytes(8), ("Content-Encoding", "gzip"))
        else:
            self.tell(200, b"the page")

    def do_POST(self):
        if self.path == "/closes":
            self.close_connection = True
            return
        body = self.read()
        if self.path == "/again":
            self.tell(307, b"", ("Location", "/echo"))
        elif self.path == "/see":
            self.tell(303, b"", ("Location", "/page"))
        elif self.path == "/digest" and "Authorization" not in self.headers:
            self.tell(401, b"", ("WWW-Authenticate", 'Digest realm="a", nonce="b", algorithm=SHA-256, qop="auth"'))
        else:
            self.tell(200, body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def small():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Small)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_small(small, streams):
    """Redirects, digest, and a refusal before the body."""
    ran = streams("small", "http", "--server-url", small)
    assert ran.code == 0, ran.stderr + ran.stdout
    hits = {}
    for row in (row for name in ran.summary["names"] for row in name["statuses"]):
        hits[row["status"]] = hits.get(row["status"], 0) + row["hits"]
    assert (hits[401], hits[417], ran.counts["Success"]) == (1, 1, 1)


def test_mistakes(small, streams):
    ran = streams("mistakes", "http", "--server-url", small)
    assert ran.code == 0, ran.stderr + ran.stdout
