# SPDX-License-Identifier: MPL-2.0
"""HTTP/2 to nginx and nghttpd: streams of one user share its connection, users share none."""

import re

import pytest

MODULE = """\
#include <loads/loads.h>
LOADS_TEST(Http2, pages)
{
    loads_response *res = loads_get(user, "/?a=b");
    loads_assert_int_eq(res->status, 200);
    loads_assert_int_eq(res->http_version, VERSION);
    loads_assert_str_contains(res->body, CONTENT);
    loads_assert_int_eq(loads_head(user, "/")->status, 200);
    loads_assert_int_eq(loads_get(user, "/nothing")->status, MISSING);
}
"""


def run_pages(runner, url, *options, version=20, content="Hello", missing=404, users=5, hits=3):
    runner.write("http2.c", MODULE)
    ran = runner.summarize(
        "http2.Http2.pages", "--server-url", url, "-u", users, "--hits", hits, *options,
        "--cflags", f"-DVERSION={version} '-DCONTENT=\"{content}\"' -DMISSING={missing}")
    assert ran.code == 0, ran
    assert ran.counts["Hits"] == users * hits * 3
    return ran


H2C = """
    server {
        listen 127.0.0.1:{port} http2;
        location / { root {folder}/www; }
    }
"""


def test_prior_knowledge_to_nginx(runner, start_nginx):
    nginx = start_nginx(H2C)
    run_pages(runner, f"http://127.0.0.1:{nginx.ports[0]}", "--http2")
    log = nginx.access_log()
    assert (len(log), {line.protocol for line in log}) == (45, {"HTTP/2.0"})
    assert len({line.connection for line in log}) == 5


def test_alpn_to_nginx(runner, start_nginx, https, authority):
    known = authority()
    nginx = start_nginx(https(known.sign("server"), listen="http2"))
    run_pages(runner, f"https://localhost:{nginx.ports[0]}", "--http2", "--ca-file", known.path,
              content="HTTP/2.0 TLSv1.3", missing=200)
    log = nginx.access_log()
    assert (len(log), {line.protocol for line in log}) == (45, {"HTTP/2.0"})
    assert len({line.connection for line in log}) == 5


@pytest.mark.parametrize("options, listen", [(["--http2"], ""), ([], "http2")], ids=["the server's", "ours"])
def test_http_1_by_alpn(runner, start_nginx, https, authority, options, listen):
    """Where one side doesn't speak it."""
    known = authority()
    nginx = start_nginx(https(known.sign("server"), listen=listen))
    run_pages(runner, f"https://localhost:{nginx.ports[0]}", "--ca-file", known.path, *options,
              version=11, content="HTTP/1.1 TLSv1.3", missing=200)
    assert {line.protocol for line in nginx.access_log()} == {"HTTP/1.1"}


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_nghttpd(runner, start_nghttpd, authority, tls):
    known = authority()
    nghttpd = start_nghttpd(known.sign("server") if tls else None)
    run_pages(runner, nghttpd.url, "--http2", *(["--ca-file", known.path] if tls else []))
    requests = nghttpd.requests()
    assert len(requests) == 45
    assert len({connection for connection, _ in requests}) == 5


def test_a_connection_that_the_server_ends(runner, start_nginx):
    """After so many requests it says GOAWAY, and the user opens another one."""
    nginx = start_nginx(H2C.replace("location", "keepalive_requests 4; location"))
    run_pages(runner, f"http://127.0.0.1:{nginx.ports[0]}", "--http2", users=2, hits=8)
    log = nginx.access_log()
    assert (len(log), {line.protocol for line in log}) == (48, {"HTTP/2.0"})
    assert len({line.connection for line in log}) == 12


def test_a_server_that_speaks_no_http2(runner, nginx):
    ran = runner.summarize(nginx.url, "--http2")
    assert ran.code == 1
    (error,) = ran.summary["errors"]
    assert "the server may not speak HTTP/2 (--http2)" in error["message"]


def test_debug_http_tells_it(runner, start_nginx):
    nginx = start_nginx(H2C)
    ran = runner.run(f"http://127.0.0.1:{nginx.ports[0]}/", "--http2", "--debug-http")
    assert re.search(r"^\* new connection, HTTP/2; in ms: ", ran.stderr, re.MULTILINE)
