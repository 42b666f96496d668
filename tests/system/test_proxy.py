# SPDX-License-Identifier: MPL-2.0
"""Proxies: tinyproxy for http, nginx for https, microsocks for SOCKS; and what happens without one."""

import pytest

SECRET = "hush-hush"
USER = f"ada:{SECRET}"

MODULE = """\
#include <loads/loads.h>
LOADS_TEST(Proxied, page)
{
    loads_assert_int_eq(loads_get(user, "/any/page?_a=b")->status, 200);
}
LOADS_TEST(Proxied, socket)
{
    loads_ws_open(user, "ws://127.0.0.1:1/");
}
"""


def error_of(ran):
    (error,) = ran.summary["errors"]
    assert (ran.code, ran.counts["Hits"]) == (1, 0), ran
    assert SECRET not in str(ran.summary) and SECRET not in ran.stdout + ran.stderr
    return error["class"], error["message"]


# ---- http ----


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_http(runner, target, start_tinyproxy, host):
    proxy = start_tinyproxy()
    runner.write("proxied.c", MODULE)
    ran = runner.summarize("proxied.Proxied.page", "--server-url", target.url, "--proxy", proxy.url(host=host),
                           "-u", "3", "--hits", "4")
    assert ran.code == 0, ran
    assert target.counts()["requests"] == 12
    assert proxy.requests() == [f"GET {target.url}/any/page?_a=b HTTP/1.1"] * 12


@pytest.mark.parametrize("http2", [False, True])
def test_https_by_connect(runner, start_nginx, https, authority, start_tinyproxy, http2):
    """Headers of the proxy's answer are not the server's."""
    known, proxy = authority(), start_tinyproxy()
    nginx = start_nginx(https(known.sign("server"), listen="http2"))
    url = f"https://localhost:{nginx.ports[0]}/"
    ran = runner.summarize(url, "--proxy", proxy.url(), "--ca-file", known.path, "-u", "3", "--hits", "4",
                           *(["--http2"] if http2 else []))
    assert ran.code == 0, ran
    assert proxy.requests() == [f"CONNECT localhost:{nginx.ports[0]} HTTP/1.1"] * 3
    assert {line.protocol for line in nginx.access_log()} == {"HTTP/2.0" if http2 else "HTTP/1.1"}


def test_user_and_password(runner, target, start_tinyproxy):
    proxy = start_tinyproxy(f"BasicAuth {USER.replace(':', ' ')}")
    url = f"{target.url}/any/page"
    ran = runner.summarize(url, "--proxy", proxy.url(user=USER))
    assert ran.code == 0, ran
    assert SECRET not in str(ran.summary) and SECRET not in ran.stdout
    ran = runner.summarize(url, "--proxy", proxy.url())
    assert (ran.counts["Hits"], ran.counts["Failures"]) == (1, 1)  # the proxy's own answer
    assert target.counts()["requests"] == 1
    kind, message = error_of(runner.summarize(url.replace("http:", "https:"), "--proxy", proxy.url(user="ada:x")))
    assert kind == "proxy" and "CONNECT tunnel failed, response 40" in message


def test_a_proxy_that_refuses_to_connect(runner, start_tinyproxy):
    proxy = start_tinyproxy("ConnectPort 563")
    kind, message = error_of(runner.summarize("https://localhost:1/", "--proxy", proxy.url(user=USER)))
    assert kind == "proxy"
    assert f"proxy http://127.0.0.1:{proxy.port}: " in message and "403" in message


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_a_proxy_that_is_not_there(runner, scheme):
    kind, message = error_of(runner.summarize("http://127.0.0.1:2/", "--proxy", f"{scheme}://{USER}@127.0.0.1:1"))
    assert kind == "proxy"
    assert message.startswith(f"proxy {scheme}://127.0.0.1:1: ") and "refused" in message


def test_a_proxy_without_an_address(runner):
    kind, message = error_of(runner.summarize("http://127.0.0.1:2/", "--proxy", "http://nowhere.invalid:1"))
    assert kind == "resolve" and "nowhere.invalid" in message


# ---- https ----


def test_a_proxy_by_tls(runner, target, start_nginx, https, authority):
    """nginx as one, for http:// only."""
    known = authority()
    nginx = start_nginx("""
    server {
        listen 127.0.0.1:{port} ssl;
        ssl_certificate %s; ssl_certificate_key %s;
        location / { proxy_pass http://$http_host; }
    }
""" % ((made := known.sign("proxy")).path, made.key))
    options = ["--proxy", f"https://localhost:{nginx.ports[0]}", "-u", "2", "--hits", "3"]
    ran = runner.summarize(f"{target.url}/any/page", *options, "--ca-file", known.path)
    assert ran.code == 0, ran
    assert target.counts()["requests"] == 6
    assert len({line.connection for line in nginx.access_log()}) == 2
    ran = runner.summarize(f"{target.url}/any/page", *options)
    assert {error["class"] for error in ran.summary["errors"]} == {"tls"}
    assert runner.run(f"{target.url}/any/page", *options, "--insecure").code == 0


# ---- SOCKS ----


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("user", [None, USER])
def test_socks(runner, target, start_microsocks, scheme, user):
    proxy = start_microsocks(*(["-u", "ada", "-P", SECRET] if user else []))
    url = f"http://localhost:{target.port}/any/page"
    ran = runner.summarize(url, "--proxy", proxy.url(scheme, user), "-u", "3", "--hits", "2")
    assert ran.code == 0, ran
    assert target.counts()["requests"] == 6
    assert SECRET not in str(ran.summary)


def test_socks_with_a_wrong_password(runner, target, start_microsocks):
    proxy = start_microsocks("-u", "ada", "-P", "other")
    kind, _ = error_of(runner.summarize(target.url, "--proxy", proxy.url("socks5", USER)))
    assert kind == "proxy"


def test_who_looks_hosts_up(runner, target, start_microsocks):
    proxy = start_microsocks()
    url = f"http://made-up.test:{target.port}/any/page"
    where = ["--resolve", f"made-up.test:{target.port}:127.0.0.1"]
    assert error_of(runner.summarize(url, "--proxy", proxy.url("socks5")))[0] == "resolve"
    assert error_of(runner.summarize(url, "--proxy", proxy.url("socks5h")))[0] == "proxy"
    assert runner.run(url, "--proxy", proxy.url("socks5"), *where).code == 0


# ---- without it ----


def test_no_proxy(runner, target, start_tinyproxy):
    proxy = start_tinyproxy()
    for options in (["127.0.0.0/8"], ["*"], ["example.com,127.0.0.1"]):
        assert runner.run(f"{target.url}/any/page", "--proxy", proxy.url(), "--no-proxy", *options).code == 0
    assert proxy.requests() == []
    assert runner.run(f"{target.url}/any/page", "--proxy", proxy.url(), "--no-proxy", "example.com").code == 0
    assert len(proxy.requests()) == 1


def test_the_environment_has_no_say(runner, target, start_tinyproxy):
    dead = "http://127.0.0.1:1"
    names = {name: dead for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy")}
    assert runner.run(f"{target.url}/any/page", env=names).code == 0
    proxy = start_tinyproxy()
    ran = runner.run(f"{target.url}/any/page", "--proxy", proxy.url(), env={**names, "no_proxy": "*", "NO_PROXY": "*"})
    assert ran.code == 0 and len(proxy.requests()) == 1


def test_web_sockets_are_refused(runner):
    runner.write("proxied.c", MODULE)
    kind, message = error_of(runner.summarize("proxied.Proxied.socket", "--proxy", "http://127.0.0.1:2"))
    assert kind == "request" and "can't go by --proxy" in message
    ran = runner.summarize("proxied.Proxied.socket", "--proxy", "http://127.0.0.1:2", "--no-proxy", "127.0.0.1")
    assert ran.summary["errors"][0]["class"] == "connect"


@pytest.mark.parametrize("options, said", [
    (["--proxy", f"ftp://{USER}@a:1"], "begins with none of http://"),
    (["--proxy", f"http://{USER}@proxy"], "is not a proxy's URL such as"),
    (["--proxy", "127.0.0.1:3128"], "begins with none of http://"),
    (["--no-proxy", "a"], "--no-proxy needs --proxy"),
])
def test_bad_input(runner, options, said):
    ran = runner.run("http://127.0.0.1:1/", *options)
    assert (ran.code, ran.stdout, len(ran.stderr.splitlines())) == (2, "", 1), ran
    assert said in ran.stderr and SECRET not in ran.stderr
