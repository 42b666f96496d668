# SPDX-License-Identifier: MPL-2.0
"""What an administrator gets to see who has configured something that can't be, or whose machine lacks
something: `systemctl status` says what it is, and all goes on when it is mended."""

import contextlib
import re

import pytest

BROKER_CONF = "/etc/loads/broker.conf"
STATE = "/var/lib/loads-agent"
EMPTY = "#include <loads/loads.h>\nLOADS_TEST(TestIt, test_it) { (void)user; }\n"


# ---- sockets ----

@pytest.mark.parametrize("unit, sockets, says", [
    ("loads-frontend.socket", "ListenStream=\nListenDatagram=/run/loads/frontend.sock",
     r"frontend: descriptor \d is no stream socket that listens"),
    ("loads-frontend.socket", "FileDescriptorName=front",
     "a socket called 'front' was passed in, which is not called frontend, backend"),
    ("loads-frontend.socket", "ListenStream=0.0.0.0:7780",
     "tcp://0.0.0.0:7780 can be reached from other machines"),
    ("loads-agent@1.socket", "ListenStream=\nListenDatagram=/run/loads/agent-1.sock",
     "control: descriptor 3 is no stream socket that listens"),
    ("loads-agent@1.socket", "FileDescriptorName=agent",
     "a socket called 'agent' was passed in, which is not called control"),
    ("loads-agent@1.socket", "ListenStream=0.0.0.0:7783",
     "control: tcp://0.0.0.0:7783 can be reached from other machines"),
])
def test_a_socket_that_does_not_fit(box, unit, sockets, says):
    box.drop_in(unit, f"[Socket]\n{sockets}\n")
    service = "loads-broker" if "frontend" in unit else "loads-agent@1"
    assert re.search(says, box.fails_to_start(service))


def test_tcp_that_the_administrator_adds(box):
    """By a socket unit, whose restart is the broker's too, and by the configuration."""
    box.systemctl("start", "loads-broker")
    box.drop_in("loads-frontend.socket", "[Socket]\nListenStream=127.0.0.1:7780\n")
    box.write(BROKER_CONF, "[broker]\nbackend = tcp://127.0.0.1:7781\n")
    box.systemctl("restart", "loads-frontend.socket")
    ping = box.ask("ping", "--broker", "tcp://127.0.0.1:7780")
    assert ping["endpoints"]["backend"] == "tcp://127.0.0.1:7781"
    assert len(ping["all_endpoints"]["frontend"]) == 2


# ---- configuration ----

@pytest.mark.parametrize("path, text, service, says", [
    (BROKER_CONF, "[broker]\n\nfronted = ipc:///run/loads/x.sock\n", "loads-broker",
     "/etc/loads/broker.conf:3: unknown key 'fronted' (did you mean 'frontend'?)"),
    (f"{BROKER_CONF}.d/50-mine.conf", "[broker]\nmax-upload = much\n", "loads-broker",
     "/etc/loads/broker.conf.d/50-mine.conf:2: max-upload: "),
    ("/etc/loads/agent.conf", "[agent]\nworkers = none\n", "loads-agent@1",
     "/etc/loads/agent.conf:2: workers: "),
])
def test_a_configuration_that_makes_no_sense(box, path, text, service, says):
    """It is tried again for some time: whoever mends it need do nothing else."""
    box.write(path, text)
    assert says in box.fails_to_start(service)
    box.path(path).unlink()
    assert box.wait_for_state(service, "active", "failed") == "active"


def test_a_configuration_that_makes_no_sense_any_more(box):
    """On reload the old one stays."""
    box.write(BROKER_CONF, "[broker]\nlog-level = debug\n")
    box.systemctl("start", "loads-broker")
    pid = box.pid("loads-broker")
    box.write(BROKER_CONF, "[broker]\nlog-level = loud\n")
    box.systemctl("reload", "loads-broker")
    box.wait_for_log("the configuration stays as it was: /etc/loads/broker.conf:2: log-level: 'loud'",
                     "loads-broker")
    ping = box.ask("ping")
    assert (ping["pid"], ping["options"]["log-level"]) == (pid, "debug")
    assert box.is_active("loads-broker")


def test_who_never_can_be_started(box):
    """It is given up some time, its sockets with it: clients are told at once that nobody is there."""
    box.write(BROKER_CONF, "[broker]\nlog-level = loud\n")
    box.drop_in("loads-broker.service", "[Service]\nRestartSec=10ms\n")
    box.systemctl("start", "loads-broker", code=1)
    box.wait_for_state("loads-frontend.socket", "failed")
    assert box.run("loadsctl", "ping", code=3).stderr
    box.path(BROKER_CONF).unlink()
    box.systemctl("reset-failed", "loads-broker")
    box.systemctl("start", "loads-broker")
    assert box.ask("ping")["pid"] == box.pid("loads-broker")


def test_a_second_broker(box):
    box.systemctl("start", "loads-broker")
    pid = box.pid("loads-broker")
    second = box.run("loads-broker", "--database", "none", code=1)
    assert f"a broker runs there already, its pid is {pid}" in second.stderr
    assert box.ask("ping")["pid"] == pid


# ---- PostgreSQL ----

def why_away(box):
    """What the broker says of its database when it is away, and `systemctl status` with it."""
    def both():
        database = box.ask("ping")["database"]
        reason = " ".join(database.get("reason", "").split())
        status = box.run("systemctl", "status", "--full", "loads-broker").stdout
        return database["state"] == "down" and reason in " ".join(status.split()) and reason

    return box.wait_until(both, "status and ping do not agree that it is away")


def comes_back(box):
    box.wait_until(lambda: box.ask("ping")["database"]["state"] == "up", "the database did not come back")


def test_postgresql_is_missing(box):
    """The unit that makes the database has nothing to do then, which is no failure."""
    box.systemctl("stop", box.postgres)
    box.systemctl("mask", "--runtime", box.postgres)
    try:
        box.systemctl("start", "loads.target")
        assert box.show("loads-database", "ConditionResult") == "no"
        assert "No such file or directory" in why_away(box)
        refused = box.run("loadsctl", "submit", "http://127.0.0.1:9/", code=4).stderr
        assert "database" in refused and "No such file or directory" in refused
    finally:
        box.systemctl("unmask", "--runtime", box.postgres)
        box.systemctl("start", box.postgres)
    box.systemctl("restart", "loads-database")
    comes_back(box)


def test_postgresql_stops(box):
    box.systemctl("start", "loads-broker")
    comes_back(box)
    box.systemctl("stop", box.postgres)
    why_away(box)
    box.systemctl("start", box.postgres)
    comes_back(box)


def test_postgresql_does_not_let_us_in(box):
    box.systemctl("start", "loads-database")
    box.execute('ALTER ROLE "loads-broker" NOLOGIN')
    try:
        box.systemctl("start", "loads-broker")
        assert "role \"loads-broker\" is not permitted to log in" in why_away(box)
    finally:
        box.execute('ALTER ROLE "loads-broker" LOGIN')
    comes_back(box)


def test_the_database_is_in_the_way(box):
    """The one that is there isn't ours to change: its unit fails, and says so; the broker runs."""
    box.systemctl("start", "loads-database")
    box.execute("INSERT INTO loads.schema_migrations (version, name) VALUES (9999, 'later')", "loads")
    try:
        box.systemctl("stop", "loads.target")
        assert "newer than" in box.fails_to_start("loads-database")
        box.systemctl("start", "loads-broker")
        assert "newer" in why_away(box)
    finally:
        box.execute("DELETE FROM loads.schema_migrations WHERE version = 9999", "loads")


# ---- full disks ----

@pytest.fixture
def small_database(box):
    """The database is on a disk of its own, of which there are 64 MiB."""
    place = "/var/lib/postgresql/small"
    box.systemctl("start", "loads-database")
    box.run("install", "--directory", "--owner=postgres", place)
    box.run("mount", "-t", "tmpfs", "-o", "size=64m,mode=700,uid=postgres", "tmpfs", place)
    box.run("chown", "postgres", place)
    box.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
    box.execute("ALTER DATABASE loads SET TABLESPACE small")
    yield place
    box.systemctl("stop", "loads.target")
    box.execute("ALTER DATABASE loads SET TABLESPACE pg_default")
    box.execute("DROP TABLESPACE small")
    box.run("umount", place)


def test_a_full_disk_under_the_database(box, small_database, target_on):
    """Status and ping say so; the run that is on goes on, and when there is room again nothing of it is
    missing."""
    target = target_on(box)
    box.systemctl("start", "loads.target")
    box.wait_until(lambda: box.agents() == {"one-1"}, "the agent did not come")
    run_id = box.submit(f"{target.url}/any", "-u", "2", "-d", "1h")
    target.wait_for(lambda counts: counts["answers"] > 100)
    box.run("dd", "if=/dev/zero", f"of={small_database}/filler", "bs=1k", "count=65536", code=1)
    assert "No space left on device" in why_away(box)
    before = target.counts()["answers"]
    target.wait_for(lambda counts: counts["answers"] > before + 100)
    assert box.ask("show", run_id)["state"] == "running"
    refused = box.run("loadsctl", "submit", target.url, code=4).stderr
    assert "No space left on device" in refused
    box.run("rm", f"{small_database}/filler")
    comes_back(box)
    box.run("loadsctl", "stop", run_id)
    assert box.wait_for_end(run_id)["lost"] == []
    assert box.complete_hits(run_id) == target.counts()["answers"]



@pytest.fixture
def small_state(box):
    """The agent's state is on a disk of its own, of which there are 256 KiB."""
    box.path(STATE).mkdir(exist_ok=True)
    box.run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", STATE)
    box.systemctl("start", "loads.target")
    box.wait_until(lambda: box.agents() == {"one-1"}, "the agent did not come")
    yield box
    box.systemctl("stop", "loads.target")
    box.run("umount", STATE)


def test_a_state_directory_that_is_read_only(small_state):
    small_state.systemctl("stop", "loads-agent@1", "loads-agent@1.socket")
    small_state.run("mount", "-o", "remount,ro", STATE)
    says = f"cannot use {STATE}/work-1 (work-dir): Read-only file system"
    assert says in small_state.fails_to_start("loads-agent@1")
    small_state.run("mount", "-o", "remount,rw", STATE)
    assert small_state.wait_for_state("loads-agent@1", "active", "failed") == "active"


def test_a_full_disk(small_state, target_on):
    """The run fails, and says why; one that is on isn't disturbed, and the agent is there for the next."""
    box, target = small_state, target_on(small_state)
    box.systemctl("start", "loads-agent@2")
    box.wait_until(lambda: box.agents() == {"one-1", "one-2"}, "the agents did not come")
    other = box.submit(f"{target.url}/held", "--hits", "3")
    target.wait_for(lambda counts: counts["requests"] == 1)
    box.run("dd", "if=/dev/zero", f"of={STATE}/filler", "bs=1k", "count=300", code=1)
    box.write("/root/example.c", EMPTY)
    ran = box.run("loads-runner", "example.TestIt.test_it", "-a", "1", code=4)
    assert "No space left on device" in ran.stdout + ran.stderr
    assert "No space left on device" in box.ask("runs")[0]["trouble"]
    target.release()
    assert box.wait_for_end(other)["outcome"] == "passed"
    assert box.complete_hits(other) == 3
    box.run("rm", f"{STATE}/filler")
    box.wait_until(lambda: {agent["state"] for agent in box.ask("ping")["agents"].values()} == {"free"},
                   "they are busy")
    ran = box.run("loads-runner", "example.TestIt.test_it", "-a", "2")
    assert "Success: 2\n" in ran.stdout


# ---- compiling ----

@pytest.fixture
def hide(box):
    """hide(path): it isn't there until the test is over."""
    with contextlib.ExitStack() as stack:
        def hide_it(path):
            box.run("mv", path, f"{path}.hidden")
            stack.callback(box.run, "mv", "--no-clobber", f"{path}.hidden", path, code=None)

        yield hide_it


@pytest.mark.parametrize("find, package", [
    (["readlink", "-f", "/usr/bin/cc"], "gcc"),
    (["find", "/usr", "-path", "*/include/loads/loads.h"], "loads-dev"),
    (["find", "/usr/include/stdint.h"], "libc6-dev"),
])
def test_an_agent_that_cannot_compile(box, hide, find, package):
    """A run whose test is C is refused before it starts; what is missing is called as Debian calls it."""
    box.systemctl("start", "loads.target")
    box.wait_until(lambda: box.agents() == {"one-1"}, "the agent did not come")
    box.write("/root/example.c", f"/* without {package} */\n{EMPTY}")
    path = box.run(*find).stdout.strip()
    hide(path)
    ran = box.run("loads-runner", "example.TestIt.test_it", "-a", "1", code=4)
    assert re.search(rf"install the package {package}\b", ran.stderr), ran.stderr
    run = box.ask("runs")[0]
    assert run["state"] == "failed" and f"install the package {package}" in run["trouble"], run
    assert f"install the package {package}" in box.log("loads-agent@1")
    box.run("mv", f"{path}.hidden", path)
    ran = box.run("loads-runner", "example.TestIt.test_it", "-a", "1")
    assert "Success: 1\n" in ran.stdout
