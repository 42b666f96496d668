# SPDX-License-Identifier: MPL-2.0
"""TLS between virtual users and nginx, with authorities that the test makes."""

import re

import pytest

from web import Authority

MODULE = """\
#include <loads/loads.h>
#ifndef THERE
#define THERE ""
#define HERE  ""
#endif
#ifndef PORT
#define PORT "1"
#endif
LOADS_TEST(Tls, page)
{
    loads_response *res = loads_get(user, "/page");
    loads_assert_int_eq(res->status, 200);
    loads_log(user, "%s", res->body);
}
LOADS_TEST(Tls, away)
{
    const char *const *headers = LOADS_HEADERS("Referer: https://localhost/secret", "Cookie: a=b", "X-Kept: yes");
    for (int i = 0; i < 2; i++) {
        const char *url = loads_printf(user, "/away?to=%s", i ? HERE : THERE);
        loads_response *res = loads_get(user, url, .headers = headers, .auth = LOADS_BASIC("ada", "secret"));
        loads_log(user, "%s", res->body);
    }
}
LOADS_TEST(Tls, socket)
{
    loads_ws_open(user, "wss://localhost:" PORT "/");
}
"""


@pytest.fixture
def known(authority):
    return authority()


def error_of(ran):
    (error,) = ran.summary["errors"]
    assert (ran.code, ran.counts["Hits"], error["class"]) == (1, 0, "tls"), ran
    return error["message"]


def test_an_authority_of_our_own(runner, start_nginx, https, known):
    nginx = start_nginx(https(known.sign("server")))
    runner.write("tls.c", MODULE)
    ran = runner.summarize("tls.Tls.page", "--server-url", f"https://localhost:{nginx.ports[0]}", "-u", "3",
                           "--hits", "4", "--ca-file", known.path)
    assert ran.code == 0, ran
    log = nginx.access_log()
    assert len(log) == 12 and {line.tls for line in log} == {"TLSv1.3"}
    assert len({line.connection for line in log}) == 3  # each user has its own, and keeps it


# What is wrong with the certificate of a server, and what is said of it.
BAD = {
    "expired": "the server's certificate is too old: .*certificate has expired",
    "another host's": "the server's certificate is another host's: .*'localhost'",
    "self-signed": "the server's certificate is from nobody but itself: .*self-signed certificate",
    "unknown authority": "the server's certificate is from an unknown authority: .*local issuer",
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_certificates(runner, start_nginx, https, known, fault):
    certificate = {
        "expired": lambda: known.sign("server", days=-1),
        "another host's": lambda: known.sign("server", host="elsewhere.test"),
        "self-signed": lambda: Authority(known.folder, "localhost"),
        "unknown authority": lambda: Authority(known.folder, "unknown").sign("server"),
    }[fault]()
    nginx = start_nginx(https(certificate))
    url = f"https://localhost:{nginx.ports[0]}/"
    ran = runner.summarize(url, "--ca-file", known.path)
    assert re.search(BAD[fault], error_of(ran)), ran.summary["errors"]
    assert nginx.access_log() == []
    assert runner.run(url, "--insecure").code == 0


def test_no_tls_at_all(runner, nginx):
    ran = runner.summarize(nginx.url.replace("http:", "https:"))
    assert "the server doesn't speak TLS" in error_of(ran)


# ---- certificates of ours ------------------------------------------------------------------------


def wants_certificates(authority):
    return f"ssl_verify_client on; ssl_client_certificate {authority.path};"


@pytest.mark.parametrize("together", [False, True], ids=["two files", "one file"])
def test_cert_and_key(runner, start_nginx, https, known, together):
    nginx = start_nginx(https(known.sign("server"), wants_certificates(known)))
    ours = known.sign("client", host="users.test")
    options = ["--cert", ours.path, "--key", ours.key]
    if together:
        both = runner.write("both.pem", ours.path.read_text() + ours.key.read_text())
        both.chmod(0o600)
        options = ["--cert", "both.pem"]
    runner.write("tls.c", MODULE)
    ran = runner.summarize("tls.Tls.page", "--server-url", f"https://localhost:{nginx.ports[0]}", "--ca-file",
                           known.path, *options)
    assert ran.code == 0, ran
    assert [line.client for line in nginx.access_log()] == ["CN=users.test"]
    said = str(ran.summary)
    assert "PRIVATE KEY" not in said


def test_a_certificate_that_is_missing(runner, start_nginx, https, known):
    """nginx says it in HTTP."""
    nginx = start_nginx(https(known.sign("server"), wants_certificates(known)))
    ran = runner.summarize(f"https://localhost:{nginx.ports[0]}/", "--ca-file", known.path)
    assert (ran.code, ran.counts["Hits"], ran.counts["Failures"]) == (1, 1, 1)
    assert [line.status for line in nginx.access_log()] == [400]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("ours, said", [(None, r"\(--cert\)"), ("stranger", "authority of our certificate")])
def test_a_certificate_that_is_refused(runner, start, known, version, ours, said):
    """By a server that says it in TLS."""
    certificate = known.sign("server")
    server = start(["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-naccept", "1",
                    "-cert", certificate.path, "-key", certificate.key, "-CAfile", known.path,
                    "-verify_return_error", "-Verify", "1", "-tls" + version.replace(".", "_")])
    while not (found := re.match(r"ACCEPT 127\.0\.0\.1:(\d+)", server.read_line())):
        pass
    options = []
    if ours:
        stranger = Authority(known.folder, ours).sign("client")
        options = ["--cert", stranger.path, "--key", stranger.key]
    ran = runner.summarize(f"https://localhost:{found[1]}/", "--ca-file", known.path, *options)
    assert re.search(said, error_of(ran)), ran.summary["errors"]


# ---- versions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("least, spoken", [("1.2", "TLSv1.2"), ("1.3", None)])
def test_tls_min(runner, start_nginx, https, known, least, spoken):
    nginx = start_nginx(https(known.sign("server"), "ssl_protocols TLSv1.2;"))
    ran = runner.summarize(f"https://localhost:{nginx.ports[0]}/", "--ca-file", known.path, "--tls-min", least)
    if spoken:
        assert ran.code == 0, ran
    else:
        assert "no version of TLS that suits" in error_of(ran)
    assert [line.tls for line in nginx.access_log()] == ([spoken] if spoken else [])


# ---- what is refused -----------------------------------------------------------------------------


def refused(runner, *options):
    ran = runner.run("http://127.0.0.1:1/", *options)
    assert (ran.code, ran.stdout, len(ran.stderr.splitlines())) == (2, "", 1), ran
    return ran.stderr


def test_bad_files(runner, known):
    ours, other = known.sign("client"), known.sign("other")
    empty = runner.write("empty.pem", "")
    assert "--key needs --cert" in refused(runner, "--key", ours.key)
    assert "cannot read --cert nowhere.pem: No such file" in refused(runner, "--cert", "nowhere.pem")
    assert "cannot read --key nowhere.pem: No such file" in refused(runner, "--cert", ours.path, "--key",
                                                                    "nowhere.pem")
    assert "has no certificate in PEM form" in refused(runner, "--cert", empty)
    assert "has no private key in it: --key says" in refused(runner, "--cert", ours.path)
    assert "has no private key in PEM form" in refused(runner, "--cert", ours.path, "--key", empty)
    assert "'1.1' is neither 1.2 nor 1.3" in refused(runner, "--tls-min", "1.1")
    other.key.chmod(0o640)
    said = refused(runner, "--cert", other.path, "--key", other.key)
    assert "others than its owner may read it: chmod 600" in said


def test_a_key_with_a_passphrase(runner, known):
    ours = known.sign("client")
    locked = known.folder / "locked.key"
    known.openssl("pkey", "-in", ours.key, "-aes256", "-passout", "pass:secret", "-out", locked)
    locked.chmod(0o600)
    assert "the key is encrypted" in refused(runner, "--cert", ours.path, "--key", locked)


def test_a_key_that_is_another_certificates(runner, two_agents, known):
    ours, other = known.sign("client"), known.sign("other")
    for arguments in ([], ["-a", "2"]):
        said = refused(runner, *arguments, "--cert", ours.path, "--key", other.key)
        assert f"the private key in {other.key} is not that of the certificate in {ours.path}" in said


# ---- agents --------------------------------------------------------------------------------------


def test_files_travel_to_agents(runner, two_agents, start_nginx, https, known):
    nginx = start_nginx(https(known.sign("server"), wants_certificates(known)))
    ours = known.sign("client", host="users.test")
    two_agents.run("loads-runner", f"https://localhost:{nginx.ports[0]}/", "-a", "2", "--ca-file", known.path,
                   "--cert", ours.path, "--key", ours.key)
    assert [line.client for line in nginx.access_log()] == ["CN=users.test"] * 2


SAYS = 'location = /says { return 200 "[$http_referer][$http_cookie][$http_authorization][$http_x_kept]"; }'


def test_what_stays_behind(runner, start_nginx, https, known):
    """Where a redirect leaves https for http, nobody is told what was asked for with it."""
    nginx = start_nginx(https(known.sign("server"), "location = /away { return 302 $arg_to; }", SAYS),
                        "server { listen 127.0.0.1:{port}; %s }" % SAYS)
    runner.write("tls.c", MODULE)
    ran = runner.run(
        "tls.Tls.away", "--server-url", f"https://localhost:{nginx.ports[0]}", "--ca-file", known.path, "--cflags",
        f"'-DTHERE=\"http://127.0.0.1:{nginx.ports[1]}/says\"' '-DHERE=\"/says\"'")
    assert ran.code == 0, ran
    assert "[][][][yes]" in ran.stderr
    assert "[https://localhost/secret][a=b][Basic YWRhOnNlY3JldA==][yes]" in ran.stderr


def test_sockets(runner, start_nginx, https, known):
    """wss:// shows the certificate, too: nginx answers, though it speaks no WebSockets here. Another
    name for the host and another address of ours hold as well."""
    nginx = start_nginx(https(known.sign("server"), wants_certificates(known)))
    ours = known.sign("client", host="users.test")
    runner.write("tls.c", MODULE)
    options = ["--ca-file", known.path, "--cert", ours.path, "--key", ours.key, "--cflags",
               f"'-DPORT=\"{nginx.ports[0]}\"'"]
    runner.summarize("tls.Tls.socket", *options, "--source-address", "127.0.0.3", "--tls-min", "1.3",
                     "--resolve", f"localhost:{nginx.ports[0]}:127.0.0.1")
    (line,) = nginx.access_log()
    assert (line.client, line.address, line.tls) == ("CN=users.test", "127.0.0.3", "TLSv1.3")
