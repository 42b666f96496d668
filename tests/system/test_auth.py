# SPDX-License-Identifier: MPL-2.0
"""Credentials of requests: basic to nginx, bearer, digest, and that none of them is told to others."""

import base64
import hashlib
import http.server
import re
import threading

import pytest

SECRET = "hush-hush"

MODULE = """\
#include <loads/loads.h>
LOADS_TEST(Auth, basic)
{
    loads_response *res = loads_get(user, "/private", .auth = LOADS_BASIC("ada", "hush-hush"));
    loads_assert_int_eq(res->status, 200);
    loads_assert_int_eq(loads_get(user, "/private")->status, 401);
    res = loads_get(user, "/private", .auth = LOADS_BASIC("ada", "wrong"));
    loads_assert_int_eq(res->status, 401);
    const char *rest = loads_server_url(user) + 7;
    res = loads_get(user, loads_printf(user, "http://ada:hush%%2Dhush@%s/private", rest));
    loads_assert_int_eq(res->status, 200);
}
LOADS_TEST(Auth, bearer)
{
    loads_response *res = loads_get(user, "/headers", .auth = LOADS_BEARER("hush-hush"));
    loads_assert_str_contains(res->body, "Authorization: Bearer hush-hush");
    res = loads_get(user, "/redirect-to?url=/headers", .auth = LOADS_BEARER("hush-hush"));
    loads_assert_str_contains(res->body, "Authorization: Bearer hush-hush");
    const char *rest = loads_server_url(user) + sizeof "http://127.0.0.1" - 1;
    res = loads_get(user, loads_printf(user, "/redirect-to?url=http://localhost%s/headers", rest),
                    .auth = LOADS_BEARER("hush-hush"));
    loads_assert_str_contains(res->url, "http://localhost");
    loads_assert_str_lacks(res->body, "Authorization");
}
LOADS_TEST(Auth, digest)
{
    loads_response *res = loads_post(user, "/private?a=b", .body = "some text",
                                     .auth = LOADS_DIGEST("ada", "hush-hush"));
    loads_assert_int_eq(res->status, 200);
    loads_assert_str_eq(res->body, "POST some text");
    loads_assert_null(loads_header(res, "WWW-Authenticate"));
    loads_assert_str_eq(loads_header(res, "X-Last"), "yes");
    res = loads_get(user, "/private", .auth = LOADS_DIGEST("ada", "wrong"));
    loads_assert_int_eq(res->status, 401);
    res = loads_get(user, "/open", .auth = LOADS_DIGEST("ada", "hush-hush"));
    loads_assert_int_eq(res->status, 200);
}
LOADS_TEST(Auth, mistakes)
{
    loads_response *res = loads_get(user, "/open", .auth = LOADS_BEARER("hush\\nhush"), .may_fail = true);
    loads_assert_str_contains(res->error, "token");
    res = loads_get(user, "/open", .auth = LOADS_BASIC("ada", NULL), .may_fail = true);
    loads_assert_str_contains(res->error, "NULL");
    res = loads_get(user, "/open", .auth = LOADS_BASIC("ada", "hush-hush"), .may_fail = true,
                    .headers = LOADS_HEADERS("Authorization: Custom hush-hush"));
    loads_assert_str_contains(res->error, "both .auth and a header");
}
"""


@pytest.fixture
def tests(runner):
    runner.write("auth.c", MODULE)
    return runner


def test_basic_to_nginx(tests, start_nginx):
    nginx = start_nginx("""
    server {
        listen 127.0.0.1:{port};
        auth_basic "here"; auth_basic_user_file {folder}/users;
        location / { return 200 "$remote_user"; }
        location /private { try_files /index.html =404; root {folder}/www; }
    }
""")
    digest = base64.b64encode(hashlib.sha1(SECRET.encode()).digest()).decode()
    (nginx.folder / "users").write_text(f"ada:{{SHA}}{digest}\n")
    ran = tests.summarize("auth.Auth.basic", "--server-url", f"http://127.0.0.1:{nginx.ports[0]}", "--hits", "2")
    assert ran.code == 0, ran
    assert [line.status for line in nginx.access_log()] == [200, 401, 401, 200] * 2
    assert SECRET not in str(ran.summary) and SECRET not in ran.stdout + ran.stderr


def test_bearer(tests, target):
    ran = tests.summarize("auth.Auth.bearer", "--server-url", target.url)
    assert ran.code == 0, ran
    assert SECRET not in str(ran.summary)


class DigestServer:
    """RFC 7616 by hand, for one user; what it answered."""

    def __init__(self, algorithm):
        self.answered = []
        hashed = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]
        outer = self

        def digest(*parts):
            return hashed(":".join(parts).encode()).hexdigest()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            nonces = iter(range(1000000))

            def allowed(self):
                given = dict(re.findall(r'(\w+)="?([^",]*)"?', self.headers.get("Authorization", "")))
                if self.path == "/open":
                    return True
                if not given:
                    return False
                first = digest("ada", "here", SECRET)
                wanted = digest(first, given["nonce"], given["nc"], given["cnonce"], given["qop"],
                                digest(self.command, given["uri"]))
                return given["uri"] == self.path and given["response"] == wanted

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                good = self.allowed()
                text = f"{self.command} {body.decode()}".encode()
                outer.answered.append((self.command, self.path, 200 if good else 401, len(body)))
                self.send_response(200 if good else 401)
                if good:
                    self.send_header("X-Last", "yes")
                else:
                    self.send_header("WWW-Authenticate", f'Digest realm="here", nonce="{next(self.nonces)}", '
                                                         f'qop="auth", algorithm={algorithm}')
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = answer

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
def start_digest():
    servers = []

    def start_it(algorithm="MD5"):
        servers.append(DigestServer(algorithm))
        return servers[-1]

    yield start_it
    for server in servers:
        server.close()


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_digest(tests, start_digest, algorithm):
    """The challenge is a hit: there are as many as the server has answered."""
    server = start_digest(algorithm)
    ran = tests.summarize("auth.Auth.digest", "--server-url", server.url, "-u", "2", "--hits", "2")
    assert ran.code == 0, ran
    statuses = [status for _, _, status, _ in server.answered]
    assert (statuses.count(200), statuses.count(401)) == (2 * 4, 3 * 4)
    assert ran.counts["Hits"] == len(statuses)
    seen = {}
    for row in (row for name in ran.summary["names"] for row in name["statuses"]):
        seen[row["status"]] = seen.get(row["status"], 0) + row["hits"]
    assert seen == {200: 8, 401: 12}
    assert SECRET not in str(ran.summary)


def test_mistakes(tests, start_digest):
    server = start_digest()
    ran = tests.summarize("auth.Auth.mistakes", "--server-url", server.url)
    assert ran.code == 0, ran
    assert server.answered == []
    assert "hush" not in str(ran.summary)


def test_debug_http_hides_credentials(tests, start_digest):
    server = start_digest()
    ran = tests.run("auth.Auth.digest", "--server-url", server.url, "--debug-http")
    assert ran.code == 0, ran
    assert "* answered 401, and sent again" in ran.stderr
    assert SECRET not in ran.stderr
