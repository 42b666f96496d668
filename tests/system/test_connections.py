# SPDX-License-Identifier: MPL-2.0
"""Where users connect to and from, for how long, and how much they take."""

import pytest

MODULE = """\
#include <loads/loads.h>
#ifndef KEPT
#define KEPT 0
#endif
LOADS_TEST(Ways, two)
{
    loads_assert_int_eq(loads_get(user, "/")->status, 200);
    loads_assert_int_eq(loads_get(user, "/")->status, 200);
}
LOADS_TEST(Ways, looked_up)
{
    for (int i = 0; i < 3; i++) {
        loads_response *res = loads_get(user, "/");
        loads_assert_int_eq(res->status, 200);
        loads_check(user, "looked up", res->dns_sec > 0);
    }
}
LOADS_TEST(Ways, body)
{
    loads_response *res = loads_get(user, "/size/1000");
    loads_assert_uint_eq(res->body_size, KEPT);
    loads_assert_true(res->body_cut == (KEPT < 1000));
    res = loads_get(user, "/gzip/size/100000");
    loads_assert_uint_eq(res->body_size, KEPT == 1000 ? 100000 : KEPT);
}
"""


def counters(ran):
    return {counter["name"]: counter["count"] for counter in ran.summary["counters"]}


@pytest.fixture
def tests(runner):
    runner.write("ways.c", MODULE)
    return runner


# ---- where to ----


def test_resolve(runner, target):
    ran = runner.summarize(f"http://made-up.test:{target.port}/any/page", "-u", "3", "--hits", "2",
                           "--resolve", f"Made-Up.test:{target.port}:127.0.0.1", "--resolve", "other.test:80:::1")
    assert ran.code == 0, ran
    assert target.counts()["requests"] == 6
    assert ran.summary["names"][0]["name"] == f"http://made-up.test:{target.port}/any/page"


@pytest.mark.parametrize("host", ["*", "198.51.100.1"])
def test_resolve_of_addresses_and_all(runner, target, host):
    """The first address has nobody, so the next one is tried."""
    ran = runner.run(f"http://198.51.100.1:{target.port}/any/page", "-u", "3", "--hits", "2",
                     "--resolve", f"{host}:{target.port}:127.0.0.9,127.0.0.1")
    assert ran.code == 0, ran
    assert target.counts()["requests"] == 6


def test_resolve_is_for_one_port(runner, target):
    ran = runner.summarize(f"http://made-up.invalid:{target.port}/any/page", "--resolve", "made-up.invalid:1:127.0.0.1")
    assert ran.summary["errors"][0]["class"] == "resolve"


@pytest.mark.parametrize("options, good", [([], 1), (["--no-dns-resolve"], 3)])
def test_no_dns_resolve(tests, nginx, options, good):
    """Each request asks; who finds its address again keeps its connection."""
    ran = tests.summarize("ways.Ways.looked_up", "--server-url", nginx.url.replace("127.0.0.1", "localhost"), *options)
    assert ran.code == 0, ran
    assert counters(ran).get("check looked up: passed", 0) == good
    assert len({line.connection for line in nginx.access_log()}) == 1


# ---- where from ----


def test_source_address(tests, nginx):
    ran = tests.run("ways.Ways.two", "--server-url", nginx.url, "-u", "4", "--hits", "2",
                    "--source-address", "127.0.0.2,127.0.0.3")
    assert ran.code == 0, ran
    addresses = [line.address for line in nginx.access_log()]
    assert sorted(addresses) == ["127.0.0.2"] * 8 + ["127.0.0.3"] * 8


def test_a_source_address_of_others(runner):
    ran = runner.run("http://127.0.0.1:1/", "--source-address", "127.0.0.1,198.51.100.7")
    assert ran.code == 4, ran
    assert "cannot connect from --source-address 198.51.100.7" in ran.stderr


# ---- for how long ----


@pytest.mark.parametrize("how, connections", [(None, 3), ("keep", 3), ("iteration", 12), ("request", 24)])
def test_connections(tests, nginx, how, connections):
    ran = tests.run("ways.Ways.two", "--server-url", nginx.url, "-u", "3", "--hits", "4",
                    *(["--connections", how] if how else []))
    assert ran.code == 0, ran
    log = nginx.access_log()
    assert (len(log), len({line.connection for line in log})) == (24, connections)


def test_connections_of_http2(tests, start_nginx):
    nginx = start_nginx("server { listen 127.0.0.1:{port} http2; root {folder}/www; }")
    ran = tests.run("ways.Ways.two", "--server-url", f"http://127.0.0.1:{nginx.ports[0]}", "--http2", "-u", "3",
                    "--hits", "4", "--connections", "request")
    assert ran.code == 0, ran
    assert len({line.connection for line in nginx.access_log()}) == 24


# ---- how much ----


@pytest.mark.parametrize("most, hits, code", [(0, 1, 0), (2, 3, 1), (3, 4, 0)])
def test_max_redirects(runner, start_nginx, most, hits, code):
    nginx = start_nginx("""server {
        listen 127.0.0.1:{port};
        location /a { return 302 /b; } location /b { return 307 /c; }
        location /c { return 303 /d; } location /d { return 200 "here"; }
    }""")
    ran = runner.summarize(f"http://127.0.0.1:{nginx.ports[0]}/a", "--max-redirects", most)
    assert (ran.code, ran.counts["Hits"]) == (code, hits), ran
    if code:
        assert "more than 2 redirects" in ran.summary["errors"][0]["message"]
    assert [line.status for line in nginx.access_log()] == [302, 307, 303, 200][:hits]


@pytest.mark.parametrize("most, kept", [("100", 100), ("0", 0), ("1M", 1000)])
def test_max_body(tests, target, most, kept):
    ran = tests.summarize("ways.Ways.body", "--server-url", target.url, "--max-body", most, "--cflags",
                          f"-DKEPT={kept}", "--hits", "2")
    assert ran.code == 0, ran
    assert counters(ran).get("(cut bodies)", 0) == (4 if kept < 1000 else 0)
    assert ran.stderr.count("is longer than --max-body") == (1 if kept < 1000 else 0)


# ---- what is refused ----


@pytest.mark.parametrize("options, said", [
    (["--resolve", "a:80"], "is not HOST:PORT:ADDRESS"),
    (["--resolve", "a:0:127.0.0.1"], "port is not from 1 to 65535"),
    (["--resolve", "a:80:b"], "'b' is not an address"),
    (["--resolve", "a:80:127.0.0.1,"], "no address behind the last comma"),
    (["--source-address", "localhost"], "'localhost' is not an address"),
    (["--connections", "never"], "none of keep, iteration and request"),
    (["--max-redirects", "1001"], "1000"),
    (["--max-redirects=-1"], "max-redirects"),
    (["--max-body", "much"], "max-body"),
    (["--max-body", "2000G"], "more than 1024G"),
])
def test_bad_input(runner, options, said):
    ran = runner.run("http://127.0.0.1:1/", *options)
    assert (ran.code, ran.stdout, len(ran.stderr.splitlines())) == (2, "", 1), ran
    assert said in ran.stderr


@pytest.mark.parametrize("options", [
    ["--connections", "request"], ["--http2"], ["--proxy", "http://127.0.0.1:1"], ["--max-redirects", "3"]])
def test_for_other_runners_they_are_refused(runner, options):
    """They make connections of their own."""
    runner.write("example.py", "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        pass\n")
    for what in (["x", "--test-runner", "true {test}"],):
        ran = runner.run(*what, *options)
        assert ran.code != 0
        assert "it is for tests in C and for URLs" in ran.stderr
