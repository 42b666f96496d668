# SPDX-License-Identifier: MPL-2.0
"""Observers: programs that the broker starts at the end of a run, and those that are built in."""

import hashlib
import hmac
import json
import os
import pathlib
import re
import tempfile

import jsonschema
import pytest

import told
from cluster import Cluster, kill
from runner import wait_until
from told import HOST, PASSWORD

SCHEMA = json.loads((pathlib.Path(__file__).parents[2] / "docs/schemas/summary.json").read_text())
MORE = ("name", "result", "link", "observer", "observer_options", "timeout_usec")


class Observed(Cluster):
    """A cluster of one agent, and a directory of observers."""

    def __init__(self, start, program, module_cache, folder, database, options):
        super().__init__(start, program, module_cache, folder)
        self.observers = folder / "observers"
        self.observers.mkdir(exist_ok=True)
        self.options = ["--observer-dir", str(self.observers), *map(str, options)]
        self.database = database
        self.start_again()

    def start_again(self):
        if self.database:
            self.start_broker(*self.options, database=self.database.uri())
        else:
            self.start_broker(*self.options)

    def install(self, name, script):
        path = self.observers / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
        return path

    def end_run(self, target, *arguments, outcome="passed"):
        run_id = self.submit(target.url + "/any/x", *arguments)
        run = self.wait_for_state(run_id, "finished", "failed", "aborted")
        assert run["outcome"] == outcome
        return run_id

    def log(self, run_id, words):
        """The line about a run with these words, when it is there."""
        def look():
            return [line for line in self.broker.stderr().splitlines() if run_id in line and words in line]
        return wait_until(look, f"nobody says {words}")[0]

    def events(self, run_id):
        """(message, details) of each that is stored."""
        rows = self.database.rows("SELECT message, details FROM loads.events WHERE kind = 'observer'"
                                  f" AND run_id = '{run_id}' ORDER BY event_id")
        return [(row["message"], row["details"]) for row in rows]


@pytest.fixture
def observe(start, program, module_cache):
    """observe(OPTION…, database=None): an Observed whose broker has these options."""
    made = []
    with tempfile.TemporaryDirectory(prefix="lo-", dir="/tmp") as folder:
        def start_it(*options, database=None):
            made.append(Observed(start, program, module_cache, pathlib.Path(folder), database, options))
            made[-1].start_agent()
            return made[-1]

        yield start_it
        for cluster in made:
            cluster.close()


@pytest.fixture
def files(tmp_path):
    return told.certificate(tmp_path)


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def irc(start, tmp_path):
    """irc(…): a told.Irc, whose client is closed at the end."""
    made = []

    def start_it(**options):
        made.append(told.Irc(start, tmp_path, **options))
        return made[-1]

    yield start_it
    for one in made:
        one.close()


# ---- any program ---------------------------------------------------------------------------------


def test_an_observer_is_told_of_the_run(observe, target, database, tmp_path):
    database.migrate()
    cluster = observe("--web-root", "https://loads.example.org/", "--observer-option", "mine.room=7",
                      database=database)
    cluster.install("mine", f"cat >{tmp_path}/told.new; env >{tmp_path}/env; echo it is told;"
                            f"mv {tmp_path}/told.new {tmp_path}/told")
    run_id = cluster.end_run(target, "-u", "2", "--hits", "3", "--observer", "mine",
                             "--observer-option", "mine.colour=red", "--observer-option", "mine.room=8")
    assert cluster.log(run_id, "the observer mine is done")
    run = json.loads((tmp_path / "told").read_text())
    assert (run["name"], run["result"], run["hits"]) == (target.url + "/any/x", "passed", 6)
    assert run["link"] == f"https://loads.example.org/runs/{run_id}"
    assert (run["observer"], run["observer_options"]) == ("mine", {"room": "7", "colour": "red"})
    jsonschema.validate({key: value for key, value in run.items() if key not in MORE}, SCHEMA)
    # The same numbers as everywhere.
    shown = json.loads(cluster.run("loadsctl", "show", run_id, "--json").stdout,
                       parse_float=lambda digits: float(f"{float(digits):.15g}"))
    assert {key: run[key] for key in shown["summary"]} == shown["summary"]
    variables = (tmp_path / "env").read_text().splitlines()
    assert not [name for name in variables if re.match("NOTIFY_SOCKET=|LISTEN_|PG|LOADS_", name)]
    wait_until(lambda: cluster.events(run_id), "no event is stored")
    ((message, details),) = cluster.events(run_id)
    assert message == "the observer mine is done"
    assert details == {"observer": "mine", "result": "done", "output": "it is told\n"}


def test_every_run_has_the_configured_ones(observe, target):
    cluster = observe("--observer", "first", "--observer", "second")
    for name in ("first", "second", "third"):
        cluster.install(name, "exit 0")
    run_id = cluster.end_run(target, "--observer", "third", "--observer", "first")
    for name in ("first", "second", "third"):
        assert cluster.log(run_id, f"the observer {name} is done")
    assert cluster.broker.stderr().count(f"{run_id}: the observer") == 3


def test_what_goes_wrong_is_logged_and_stored(observe, target, database):
    database.migrate()
    cluster = observe(database=database)
    cluster.install("fails", "echo first >&2; printf 'the last\\033[31m word\\377' >&2; exit 3")
    cluster.install("dies", "kill -SEGV $$")
    cluster.install("chatters", "head -c 1000000 /dev/zero | tr '\\0' x")
    gone = cluster.install("gone", "exit 0")
    cluster.install("broken", "exit 0").write_text("#!/no/such/interpreter\n")
    run_id = cluster.submit(target.url + "/hang", "--timeout", "60",
                            *(f"--observer={name}" for name in ("fails", "dies", "chatters", "gone", "broken")))
    target.wait_for(lambda counts: counts["requests"] == 1)
    gone.unlink()
    cluster.run("loadsctl", "stop", run_id)
    wait_until(lambda: len(cluster.events(run_id)) == 5, "events are missing")
    told_of = {details["observer"]: (message, details) for message, details in cluster.events(run_id)}
    assert told_of["fails"][0] == "the observer fails failed: the last?[31m word?"
    assert told_of["fails"][1]["output"] == "first\nthe last?[31m word?"
    assert told_of["dies"][0].startswith("the observer dies failed: was killed by signal 11")
    assert told_of["chatters"][1]["result"] == "done" and len(told_of["chatters"][1]["output"]) == 4096
    assert "there is no observer 'gone'" in told_of["gone"][0]
    assert "broken" in told_of["broken"][0] and told_of["broken"][1]["result"] == "failed"
    assert cluster.log(run_id, "the observer fails failed: the last?[31m word?")
    assert cluster.result("PING")["pid"] == cluster.broker.pid  # it is well


def test_who_takes_too_long_is_ended(observe, target):
    cluster = observe("--observer-timeout", "1s")
    cluster.install("polite", "echo I wait; exec sleep 1000")
    cluster.install("deaf", "trap '' TERM; while :; do sleep 1000; done")
    run_id = cluster.end_run(target, "--observer", "polite", "--observer", "deaf")
    cluster.end_run(target)  # nobody waits for them
    assert cluster.log(run_id, "the observer polite was ended, since it took more than 1 s: I wait")
    assert cluster.log(run_id, "the observer deaf was ended, since it took more than 1 s")


@pytest.mark.parametrize("arguments, words", [
    (["--observer", "nosuch"], "there is no observer 'nosuch'"),
    (["--observer", "email"], "needs --observer-email-recipient"),
    (["--observer", "webhook"], "needs --observer-webhook-url"),
    (["--observer", "os.system"], "observer-callable"),
    (["--observer-option", "email.password_file=/etc/shadow"], "administrator"),
    (["--observer-option", "email.nosuch=x"], "no option 'nosuch'"),
    (["--observer-option", "irc.port=x"], "irc.port: 'x'"),
])
def test_the_broker_refuses(observe, target, arguments, words):
    cluster = observe()
    ran = cluster.run("loadsctl", "submit", target.url, *arguments, code=2)
    assert words in ran.stderr


@pytest.mark.parametrize("name", ["/bin/sh", "../../bin/sh", ".hidden", "a/b", "", "a b", "a..b"])
def test_no_name_is_a_path(observe, target, name):
    cluster = observe()
    answer = cluster.ask("CTRL_RUN", agents=1, args={"url": target.url, "observer": name})
    assert answer["code"] == "usage" and "is no name of an observer" in answer["error"]


def test_servers_that_the_administrator_chooses(observe, target):
    cluster = observe("--observer-servers", "configured")
    ran = cluster.run("loadsctl", "submit", target.url, "--observer-irc-server", "elsewhere", code=2)
    assert "irc.server: the broker lets observers talk to those servers alone" in ran.stderr


def test_a_callable_in_python(observe, target, tmp_path, monkeypatch):
    (tmp_path / "ours.py").write_text(
        "import json, sys\n"
        "def tell(run, options):\n"
        "    print('told of', run['result'], options['to'], sorted(set(run) & {'observer', 'name'}))\n"
        "    sys.exit(f\"{run['hits']} hits\")\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    cluster = observe("--observer-callable", "ours.tell", "--observer-callable", "ours.nosuch")
    run_id = cluster.end_run(target, "--observer", "ours.tell", "--observer", "ours.nosuch",
                             "--observer-option", "ours.tell.to=ada")
    assert cluster.log(run_id, "the observer ours.tell failed: 1 hits")
    assert cluster.log(run_id, "the observer ours.nosuch failed: there is no ours.nosuch")


def test_a_broker_that_is_killed_tells_nobody_again(observe, target, database, tmp_path):
    database.migrate()
    cluster = observe(database=database)
    cluster.install("mine", f"echo told >>{tmp_path}/told; exec sleep 1000")
    run_id = cluster.end_run(target, "--observer", "mine")
    wait_until(lambda: (tmp_path / "told").exists(), "nobody was told")
    kill(cluster.broker)
    cluster.start_again()
    cluster.install("mine", f"echo told >>{tmp_path}/told")
    cluster.wait_for(lambda answer: answer["agents"])
    other = cluster.end_run(target, "--observer", "mine")
    assert cluster.log(other, "the observer mine is done")
    assert (tmp_path / "told").read_text() == "told\ntold\n"
    assert cluster.events(run_id) == []


def test_a_broker_that_restarts_during_the_run_tells_of_it(observe, target, database, tmp_path):
    database.migrate()
    cluster = observe(database=database)
    cluster.install("mine", f"cat >{tmp_path}/told")
    run_id = cluster.submit(target.url + "/hang", "--timeout", "60", "--observer", "mine")
    target.wait_for(lambda counts: counts["requests"] == 1)
    kill(cluster.broker)
    cluster.start_again()
    wait_until(lambda: cluster.ask("CTRL_LIST_RUNS").get("code") != "database", "no runs")
    wait_until(lambda: cluster.run_of(run_id)["state"] == "running" and
               cluster.wait_for(lambda answer: answer["agents"]), "it is not back")
    cluster.run("loadsctl", "stop", run_id)
    assert cluster.log(run_id, "the observer mine is done")
    assert json.loads((tmp_path / "told").read_text())["run_id"] == run_id


def test_a_broker_that_ends_lets_them_end(observe, target, tmp_path):
    cluster = observe()
    os.mkfifo(tmp_path / "gate")
    cluster.install("mine", f"read x <{tmp_path}/gate; echo $x >{tmp_path}/told")
    run_id = cluster.end_run(target, "--observer", "mine")
    with open(tmp_path / "gate", "w") as gate:  # it is on
        cluster.broker.process.terminate()
        gate.write("told\n")
    assert cluster.broker.process.wait(60) == 0
    assert (tmp_path / "told").read_text() == "told\n"
    assert cluster.log(run_id, "the observer mine is done")


# ---- email ---------------------------------------------------------------------------------------


def text_of(message, kind):
    return message.get_body((kind,)).get_content()


def test_a_mail(observe, target):
    cluster = observe("--web-root", "https://loads.example.org")
    with told.mail_server() as (mails, port):
        run_id = cluster.end_run(target, "--observer", "email", "--observer-email-host", HOST, "--observer-email-port",
                                 port, "--observer-email-recipient", "ada@example.org, bob@example.org",
                                 "--observer-email-sender", "loads@example.org",
                                 "--observer-email-subject", "Fertig: größer als 1 € – " + "lang " * 29 + "lang",
                                 "--threshold", "p95 < 100s", "--threshold", "hits > 5", outcome="failed")
        envelope, message = mails.wait_for_one()
        assert cluster.log(run_id, "the observer email is done")
    assert (envelope.mail_from, envelope.rcpt_tos) == ("loads@example.org", ["ada@example.org", "bob@example.org"])
    assert message["Subject"] == "Fertig: größer als 1 € – " + "lang " * 29 + "lang"
    assert message["From"] == "loads@example.org" and message["Message-ID"].startswith(f"<{run_id}@")
    assert not message.defects and message["Date"].datetime
    link = f"https://loads.example.org/runs/{run_id}"
    plain, html = text_of(message, "plain"), text_of(message, "html")
    for words in ("failed", "Thresholds", "✓", "✗", "Hits", "Duration", "Rate", "p95", "Errors", link, target.url + "/any/x"):
        assert words in plain and words in html, words
    assert "✗ hits > 5: 1\n" in plain.replace("\r", "") and "Result: failed" in plain and f'<a href="{link}"' in html


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_mail_by_tls_with_a_login(observe, target, files, secret, tls):
    with told.mail_server(tls=tls, files=files, login=True) as (mails, port):
        cluster = observe("--observer-email-host", HOST, "--observer-email-port", port, "--observer-email-tls", tls,
                          "--observer-email-user", "loads", "--observer-email-password-file", secret,
                          "--observer-email-recipient", "ada@example.org", "--observer-ca-file", files[0])
        run_id = cluster.end_run(target, "--observer", "email")
        _, message = mails.wait_for_one()
        assert cluster.log(run_id, "the observer email is done")
    assert mails.sessions[0].authenticated
    assert message["Subject"] == f"Loads: passed: {target.url}/any/x"
    assert PASSWORD not in cluster.broker.stderr()


def test_the_password_is_for_its_server_alone(observe, target, secret):
    """A run that says another server is told there without it."""
    with told.mail_server(login=True) as (mails, port):
        cluster = observe("--observer-email-host", "mail.example.org", "--observer-email-user", "loads",
                          "--observer-email-password-file", secret)
        run_id = cluster.end_run(target, "--observer", "email", "--observer-email-host", HOST, "--observer-email-port",
                                 port, "--observer-email-recipient", "ada@example.org")
        assert cluster.log(run_id, "the observer email failed")
    assert mails.envelopes == []


def test_a_certificate_of_nobody_known(observe, target, files):
    with told.mail_server(tls="starttls", files=files) as (mails, port):
        cluster = observe("--observer-email-host", HOST, "--observer-email-port", port, "--observer-email-tls",
                          "starttls", "--observer-email-recipient", "ada@example.org")
        run_id = cluster.end_run(target, "--observer", "email")
        assert "certificate" in cluster.log(run_id, "the observer email failed")
    assert mails.envelopes == []


def test_a_mail_that_is_refused(observe, target):
    with told.mail_server(refused=["nobody@example.org"]) as (_, port):
        cluster = observe("--observer-email-host", HOST, "--observer-email-port", port)
        run_id = cluster.end_run(target, "--observer", "email", "--observer-email-recipient", "nobody@example.org")
        assert "550" in cluster.log(run_id, f"the observer email failed: the mail server {HOST}:{port}: ")


# ---- IRC -----------------------------------------------------------------------------------------


def test_a_line_in_a_channel(observe, target, irc, secret):
    server = irc(password=PASSWORD.replace(" ", "_").replace("'", ""))
    secret.write_text(server.password)
    server.join("#results")
    cluster = observe("--observer-irc-server", HOST, "--observer-irc-port", server.port,
                      "--observer-irc-password-file", secret, "--web-root", "https://loads.example.org")
    run_id = cluster.end_run(target, "--observer", "irc", "--observer-irc-channel", "#results",
                             "--observer-irc-nick", "watcher",  # whose that is
                             "--threshold", "p95 < 100s", "--threshold", "hits > 5", outcome="failed")
    line = server.wait_for("PRIVMSG")
    assert re.match(r":watcher\|2!\S+ PRIVMSG #results :" + re.escape(
        f"{target.url}/any/x: failed (https://loads.example.org/runs/{run_id}). Duration: "), line)
    for words in ("Hits: 1,", "Rate: ", "p95: ", "Errors: 0", "Thresholds that hold: 1 of 2, ✗ hits > 5: 1"):
        assert words in line
    assert server.wait_for("QUIT").startswith(":watcher|2!")
    assert cluster.log(run_id, "the observer irc is done")


def test_a_line_by_tls(observe, target, irc, files):
    server = irc(files=files)
    server.join("#loads")
    cluster = observe("--observer-irc-server", HOST, "--observer-irc-port", server.tls_port, "--observer-irc-tls", "yes",
                      "--observer-ca-file", files[0])
    run_id = cluster.end_run(target, "--observer", "irc")
    assert ":loads!" in server.wait_for("PRIVMSG")
    assert cluster.log(run_id, "the observer irc is done")


GUIDE = """\
[loads]
fqdn = example.TestWebSite.test_something
agents = 4

include_file = *.py
              pushtest

test_dir = /tmp/tests
users = 5
duration = 30
observer = irc
detach = True
"""


def test_the_file_of_the_user_guide(observe, target, irc, program, tmp_path):
    """As it stands there, to the letter; a shorter time and another directory are said beside it."""
    server = irc()
    server.join("#loads")
    cluster = observe("--observer-irc-server", HOST, "--observer-irc-port", server.port)
    for _ in range(3):
        cluster.start_agent()
    (tmp_path / "pushtest").mkdir()
    (tmp_path / "pushtest/__init__.py").write_text("")
    (tmp_path / "example.py").write_text(
        "from loads.case import TestCase\n"
        "class TestWebSite(TestCase):\n"
        "    def test_something(self):\n"
        f"        self.session.get('{target.url}/any/es')\n")
    (tmp_path / "config.ini").write_text(GUIDE)
    ran = cluster.run("loads-runner", "--config", "config.ini", "-d", 1, "--test-dir", tmp_path / "tests", cwd=tmp_path)
    assert "example.TestWebSite.test_something: passed. Duration: " in server.wait_for("PRIVMSG")
    assert cluster.log(ran.stdout.strip(), "the observer irc is done")


def test_a_channel_that_cannot_be_joined(observe, target, irc):
    server = irc()
    server.join("#closed")
    server.say("MODE #closed +i")
    server.wait_for("MODE")
    cluster = observe("--observer-irc-server", HOST, "--observer-irc-port", server.port)
    run_id = cluster.end_run(target, "--observer", "irc", "--observer-irc-channel", "#closed")
    assert "+i" in cluster.log(run_id, f"the irc server {HOST}:{server.port}: the channel can't be joined")


# ---- webhook -------------------------------------------------------------------------------------


def test_a_post(observe, target, secret):
    with told.hook(503, 429, 200) as hook:
        cluster = observe("--observer-webhook-url", hook.url, "--observer-webhook-secret-file", secret)
        run_id = cluster.end_run(target, "--observer", "webhook", "--threshold", "p95 < 100s")
        assert cluster.log(run_id, "the observer webhook is done")
    assert len(hook.posts) == 3
    headers, body = hook.posts[-1]
    assert headers["Content-Type"] == "application/json" and headers["X-Loads-Run-Id"] == run_id
    assert headers["X-Loads-Signature"] == "sha256=" + hmac.new(PASSWORD.encode(), body, hashlib.sha256).hexdigest()
    run = told.json_of(body)
    assert (run["result"], run["hits"], run["run_id"]) == ("passed", 1, run_id)
    assert run["text"].startswith(f"{target.url}/any/x: passed. Duration: ")
    assert "Thresholds that hold: 1 of 1" in run["text"] and run["thresholds"][0]["holds"] is True
    jsonschema.validate({key: value for key, value in run.items() if key not in ("name", "result", "text")}, SCHEMA)


def test_a_post_that_is_refused_is_not_tried_again(observe, target):
    with told.hook(403) as hook:
        cluster = observe()
        run_id = cluster.end_run(target, "--observer", "webhook", "--observer-webhook-url", hook.url + "?token=secret")
        line = cluster.log(run_id, "the observer webhook failed: ")
    assert "answers with status 403" in line and len(hook.posts) == 1
    assert "token" not in cluster.broker.stderr() + json.dumps(cluster.run_of(run_id))
    assert "X-Loads-Signature" not in hook.posts[0][0]


# ---- servers that are slow or dead ---------------------------------------------------------------

ADDRESSES = {
    "email": lambda port: ["--observer-email-host", HOST, "--observer-email-port", port,
                           "--observer-email-recipient", "ada@example.org"],
    "irc": lambda port: ["--observer-irc-server", HOST, "--observer-irc-port", port],
    "webhook": lambda port: ["--observer-webhook-url", f"http://{HOST}:{port}/"],
}


@pytest.mark.parametrize("name, first", [
    ("email", b""), ("email", b"220 hello\r\n"), ("irc", b""), ("irc", b":irc NOTICE * :wait\r\n"), ("webhook", b""),
    ("webhook", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
])
def test_a_server_that_is_silent(observe, target, name, first):
    cluster = observe("--observer-timeout", "2s")
    with told.silent_server(first) as port:
        run_id = cluster.end_run(target, "--observer", name, *ADDRESSES[name](port))
        cluster.end_run(target)  # nobody waits for it
        line = cluster.log(run_id, f"the observer {name} failed: ")
    assert f"{HOST}:{port}" in line and "time" in line


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_server_that_is_not_there(observe, target, name):
    cluster = observe("--observer-timeout", "2s")
    run_id = cluster.end_run(target, "--observer", name, *ADDRESSES[name](told.free_port()))
    assert "connect" in cluster.log(run_id, f"the observer {name} failed: ")


@pytest.mark.parametrize("name, first", [
    ("email", b"554 go away\r\n"), ("irc", b"ERROR :go away\r\n"), ("webhook", b"HTTP/1.1 401 go away\r\nContent-Length: 0\r\n\r\n"),
])
def test_a_server_that_refuses(observe, target, name, first):
    cluster = observe()
    with told.silent_server(first) as port:
        run_id = cluster.end_run(target, "--observer", name, *ADDRESSES[name](port))
        assert cluster.log(run_id, f"the observer {name} failed: ")
