# SPDX-License-Identifier: MPL-2.0
"""Starting runs on agents: what is sent, what is refused before anything is, and what a broker that
can't be reached looks like. The broker is a fake one, which keeps what it got."""

import grp
import io
import os
import socket
import tarfile

import pytest

from fake_broker import RUN_ID, snapshot

FQN = "example.TestWebSite.test_es"
URL = "http://127.0.0.1:8000/any/page"


@pytest.fixture
def submit(runner, fake):
    """submit(arguments): loads-runner on the fake's agents; a Ran."""

    def run(*arguments, **options):
        return runner.run(*arguments, "--broker", fake.address, **options)

    return run


def archived(fake):
    """Names and contents of the archive that came last."""
    with tarfile.open(fileobj=io.BytesIO(fake.archives[-1])) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


def test_a_run_is_what_the_options_say(submit, fake):
    ran = submit("--agents", "3", "--detach", URL, "-u", "10:20", "--hits", "5", "--grace", "2", "--timeout",
                 "3", "--stall-timeout", "4", "--workers", "2", "--stack-size", "64K", "--server-url",
                 "http://a/", "--insecure", "--tag", "a=b", "--tag", "c=", "--project-name", "p", "--user-id",
                 "u", "--cflags", "-DX", "--libs", "-lm", "--test-dir", "/tmp/tests", "--seed", "7", "--pace", "uniform:1:2")
    assert (ran.code, ran.stdout, ran.stderr) == (0, RUN_ID + "\n", "")
    request = fake.wait_for("CTRL_RUN")[0]
    args = request.pop("args")
    assert len(request.pop("request_id")) == 36
    assert request == {"command": "CTRL_RUN", "agents": 3}
    assert len(args.pop("run_id")) == 36
    assert args == {
        "url": URL, "users": [10, 20], "hits": [5], "grace_usec": 2000000, "http_timeout_usec": 3000000,
        "stall_timeout_usec": 4000000, "workers": 2, "stack_size_bytes": 65536, "server_url": "http://a/",
        "insecure": True, "tags": ["a=b", "c="], "project_name": "p", "user_id": "u", "cflags": "-DX",
        "libs": "-lm", "test_dir": "/tmp/tests", "detail": False,
        "seed": 7, "pace": "uniform:1:2",
    }
    assert fake.archives == []


def test_how_the_run_goes_is_what_the_options_say(submit, fake):
    ran = submit("-a", "1", "--detach", URL, "-d", "90", "--queue", "--save-hits", "--on-agent-loss", "abort")
    assert ran.code == 0
    request = fake.wait_for("CTRL_RUN")[0]
    assert (request["queue"], request["save_hits"], request["on_agent_loss"]) == (True, True, "abort")
    assert request["args"]["duration_usec"] == 90000000 and "hits" not in request["args"]
    submit("-a", "1", "--detach", URL, "--on-agent-loss", "continue")
    assert fake.wait_for("CTRL_RUN", 2)[1]["on_agent_loss"] == "continue"


def test_attached(submit, fake):
    fake.answers["CTRL_SNAPSHOT"] = snapshot("finished")
    ran = submit("-a", "1", URL)
    assert ran.code == 0 and ran.counts["Hits"] == 10
    assert f"run {RUN_ID} on 1 agent\n" in ran.stderr


def test_two_runs_have_two_request_ids(submit, fake):
    for _ in range(2):
        submit("-a", "1", "--detach", URL)
    first, second = fake.wait_for("CTRL_RUN", 2)
    assert first["request_id"] != second["request_id"]


# ---- files ---------------------------------------------------------------------------------------


def test_the_module_travels(runner, submit, fake):
    assert submit("-a", "1", "--detach", FQN).code == 0
    assert archived(fake) == {"example.c": (runner.folder / "example.c").read_bytes()}


@pytest.mark.parametrize("suffixes, travels", [([".c", ".so"], ".so"), ([".py"], ".py"), ([".c", ".py"], ".c")])
def test_which_module_travels(runner, submit, fake, suffixes, travels):
    for suffix in suffixes:
        runner.write(f"path/to/module{suffix}", suffix)
    assert submit("-a", "1", "--detach", "path.to.module.Suite.test").code == 0
    assert archived(fake) == {f"path/to/module{travels}": travels.encode()}


def test_included_files_travel(runner, submit, fake):
    runner.write("data/users.csv", "users")
    runner.write("data/deep/er.txt", "deeper")
    runner.write("one.txt", "1")
    runner.write("two.txt", "2")
    assert submit("-a", "1", "--detach", FQN, "--include-file", "*.txt", "--include-file", "data").code == 0
    assert set(archived(fake)) == {"example.c", "one.txt", "two.txt", "data/users.csv", "data/deep/er.txt"}


def test_included_files_travel_with_a_url(runner, submit, fake):
    runner.write("one.txt", "1")
    assert submit("-a", "1", "--detach", URL, "--include-file", "one.txt").code == 0
    assert archived(fake) == {"one.txt": b"1"}


def test_a_ca_file_travels(runner, submit, fake):
    path = runner.write("ca.pem", "-----BEGIN CERTIFICATE-----\n")
    assert submit("-a", "1", "--detach", URL, "--ca-file", path).code == 0
    assert fake.wait_for("CTRL_RUN")[0]["args"]["ca_file"] == ".loads/ca.pem"
    assert archived(fake) == {".loads/ca.pem": path.read_bytes()}


# ---- what is refused before anything is sent -----------------------------------------------------


@pytest.mark.parametrize("arguments, words", [
    (["-a", "0", URL], ["--agents: '0' is not", "from 1 to 10000"]),
    (["-a", "1000000000", URL], ["--agents: '1000000000' is not", "from 1 to 10000"]),
    (["-a", "many", URL], ["--agents: 'many'"]),
    (["-a", "1"], ["nothing to run"]),
    (["-a", "1", "nosuch.Suite.test"], ["there is no module 'nosuch'", "nosuch.c"]),
    (["-a", "1", FQN, "--include-file", "*.csv"], ["--include-file *.csv", "matches no"]),
    (["-a", "1", FQN, "--test-dir", "here"], ["--test-dir here", "absolute"]),
    (["-a", "1", FQN, "--output", "file=x"], ["--output file", "--save-hits"]),
    (["-a", "1", FQN, "--output", "nosuch"], ["nosuch"]),
    (["-a", "1", FQN, "--hits", "1", "-d", "1"], ["--hits and --duration exclude each other"]),
    (["-a", "1", FQN, "--on-agent-loss", "cry"], ["--on-agent-loss: 'cry' is neither"]),
    (["-a", "1", FQN, "--observer", "/bin/sh"], ["--observer: '/bin/sh' is no name of an observer"]),
    (["-a", "1", FQN, "--observer-email-recipient", "ada"], ["--observer-email-recipient: 'ada' is no address"]),
    (["-a", "1", FQN, "--observer-email-password-file", "x"], ["--observer-email-password-file"]),
    (["--observer", "irc", FQN], ["--observer needs --agents: observers are the broker's"]),
    (["-a", "1", FQN, "--ca-file", "nosuch.pem"], ["--ca-file nosuch.pem"]),
    (["--detach", FQN], ["--detach needs --agents"]),
    (["--queue", FQN], ["--queue needs --agents"]),
    (["--save-hits", FQN], ["--save-hits needs --agents"]),
    (["--on-agent-loss", "abort", FQN], ["--on-agent-loss needs --agents"]),
    (["--attach", "--ping-broker"], ["--attach and --ping-broker exclude each other"]),
    (["--ping-broker", "--purge-broker"], ["--ping-broker and --purge-broker exclude each other"]),
    (["--health-check", "--list", "example"], ["--list and --health-check exclude each other"]),
])
def test_mistakes(submit, fake, arguments, words):
    ran = submit(*arguments)
    assert (ran.code, ran.stdout, fake.requests) == (2, "", []), ran
    assert ran.stderr.startswith("loads-runner: ") and ran.stderr.count("\n") == 1
    for word in words:
        assert word in ran.stderr


@pytest.mark.parametrize("address", ["box1:7780", "http://box1:7780", "/run/loads/frontend.sock", "tcp://", "x"])
def test_what_is_no_address(runner, address):
    ran = runner.run("--ping-broker", "--broker", address)
    assert ran.code == 2 and f"'{address}' is not an address of a broker" in ran.stderr


def test_a_port_that_is_none(runner):
    ran = runner.run("--ping-broker", "--broker", "tcp://127.0.0.1:notaport")
    assert ran.code == 2 and "tcp://127.0.0.1:notaport" in ran.stderr


def test_a_path_that_is_too_long(runner):
    path = "/tmp/" + "x" * 103
    ran = runner.run("--ping-broker", "--broker", f"ipc://{path}")
    assert ran.code == 2 and f"{path} is longer than a socket's path can be (107 bytes)" in ran.stderr


# ---- the file of the user guide ------------------------------------------------------------------

GUIDE = """\
[loads]
fqdn = example.TestWebSite.test_something
agents = 4

include_file = *.py
              pushtest

test_dir = /tmp/tests
users = 5
duration = 30
{observer}detach = True
"""


@pytest.fixture
def guide(runner):
    runner.write("example.py", "# a test")
    (runner.folder / "example.c").unlink()
    runner.write("pushtest/__init__.py", "")
    runner.write("pushtest/data.txt", "data")

    def write(observer=""):
        return runner.write("config.ini", GUIDE.format(observer=observer))

    return write


def test_the_file_of_the_user_guide(submit, fake, guide):
    ran = submit("--config", guide())
    assert (ran.code, ran.stdout) == (0, RUN_ID + "\n"), ran
    request = fake.wait_for("CTRL_RUN")[0]
    assert request["agents"] == 4
    assert request["args"]["fqn"] == "example.TestWebSite.test_something"
    assert request["args"]["users"] == [5] and request["args"]["duration_usec"] == 30000000
    assert request["args"]["test_dir"] == "/tmp/tests"
    assert set(archived(fake)) == {"example.py", "pushtest/__init__.py", "pushtest/data.txt"}


def test_its_observer(submit, fake, guide):
    ran = submit("--config", guide("observer = irc\nobserver_irc_channel = #results\nobserver_option = x.y=z\n"))
    assert (ran.code, ran.stdout) == (0, RUN_ID + "\n"), ran
    request = fake.wait_for("CTRL_RUN")[0]
    assert request["args"]["observers"] == ["irc"]
    assert request["args"]["observer_options"] == ["irc.channel=#results", "x.y=z"]


# ---- what the broker refuses ---------------------------------------------------------------------


@pytest.mark.parametrize("code, exit_code", [
    ("usage", 2), ("bad-request", 2), ("unknown-command", 2), ("unknown-run", 2), ("ambiguous-run", 2),
    ("unknown-agent", 2), ("too-large", 2), ("active-run", 2), ("no-agents", 4), ("database", 4),
    ("no-answer", 4), ("stopping", 4), ("internal", 4), ("something-new", 4),
])
def test_refusals(submit, fake, code, exit_code):
    fake.answers["CTRL_RUN"] = Exception("the run asks for 3 agents, 1 of 2 is free", code)
    ran = submit("-a", "3", URL)
    assert (ran.code, ran.stdout) == (exit_code, "")
    assert ran.stderr == "loads-runner: the run asks for 3 agents, 1 of 2 is free\n"


def test_a_request_without_answer_is_repeated_as_it_was(submit, fake):
    answers = [None, {"run_id": RUN_ID, "state": "queued", "agents": []}]
    fake.answers["CTRL_RUN"] = lambda request, archive: answers.pop(0)
    ran = submit("-a", "1", "--detach", URL)  # after FRONTEND_ANSWER_SEC
    assert (ran.code, ran.stdout) == (0, RUN_ID + "\n")
    first, second = fake.wait_for("CTRL_RUN", 2)
    assert first == second


def test_an_output_that_can_not_be_opened_starts_nothing(submit, fake):
    ran = submit("-a", "1", URL, "--output", "json=/nowhere/at/all")
    assert ran.code == 2 and "CTRL_RUN" not in [request["command"] for request in fake.requests]


# ---- a broker that isn't there -------------------------------------------------------------------


def test_nobody_is_there(runner, socket_folder):
    address = f"ipc://{socket_folder}/frontend.sock"
    ran = runner.run("-a", "1", URL, "--broker", address)
    assert ran.code == 3 and f"there is no broker at {address}: is loads-broker running?" in ran.stderr


def test_nobody_listens_any_more(runner, socket_folder):
    path = f"{socket_folder}/frontend.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
    ran = runner.run("--ping-broker", "--broker", f"ipc://{path}")
    assert ran.code == 3 and f"there is no broker at ipc://{path}" in ran.stderr


def test_who_listens_does_not_answer(runner):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        ran = runner.run("--ping-broker", "--broker", address)
    assert ran.code == 3 and f"no answer from the broker at {address} within 5 s" in ran.stderr


def as_nobody():
    """Options of Popen for somebody who isn't root."""
    return {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}


@pytest.mark.parametrize("keeper", ["socket", "folder"])
def test_the_group_to_join_is_named(runner, fake, socket_folder, keeper):
    root = os.geteuid() == 0
    group = grp.getgrgid(100 if root else os.getgid())
    kept = f"{socket_folder}/frontend.sock" if keeper == "socket" else socket_folder
    os.chmod(socket_folder, 0o755)
    if root:
        os.chown(kept, 0, group.gr_gid)
    os.chmod(kept, (0o660 if keeper == "socket" else 0o750) if root else 0)
    runner.program = accessible(runner.program)
    try:
        ran = runner.run("--ping-broker", "--broker", fake.address, **as_nobody())
    finally:
        os.chmod(kept, 0o700)
    assert ran.code == 3
    assert f"you may not use the broker at {fake.address}: join the group '{group.gr_name}'" in ran.stderr
    assert f"usermod -aG {group.gr_name} USER" in ran.stderr


def accessible(program):
    """Itself, if anybody may run it: a build below somebody's home may be out of reach."""
    path = os.path.dirname(program)
    while path != "/":
        assert os.geteuid() != 0 or os.stat(path).st_mode & 0o005 == 0o005, f"{path} is closed to others"
        path = os.path.dirname(path)
    return program


def test_a_session_s_broker_is_found(runner, fake, socket_folder):
    """In XDG_RUNTIME_DIR, and by LOADS_BROKER before that."""
    folder = f"{socket_folder}/loads"
    os.mkdir(folder)
    os.symlink(f"{socket_folder}/frontend.sock", f"{folder}/frontend.sock")
    ran = runner.run("--ping-broker", env={"XDG_RUNTIME_DIR": socket_folder})
    assert ran.code == 0 and ran.stdout.startswith("Broker running on pid 11154\n")
    ran = runner.run("--ping-broker", env={"XDG_RUNTIME_DIR": socket_folder, "LOADS_BROKER": "ipc:///nowhere"})
    assert ran.code == 3 and "ipc:///nowhere" in ran.stderr
    ran = runner.run("--ping-broker", env={"LOADS_BROKER": fake.address})
    assert ran.code == 0
