# SPDX-License-Identifier: MPL-2.0
"""What broker and agents say in the journal: fields, and lines that tell a story."""

import os
import pathlib
import pwd
import re
import signal
import socket
import tempfile

import pytest
import zmq

from cluster import Cluster, kill
from guarded import Guarded
from runner import wait_until
from stored import Stored
from test_documented import catalog, events

HOST = socket.gethostname()
USER = pwd.getpwuid(os.getuid()).pw_name
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
EVENTS = events()
FIELDS = {message_id: set(re.findall(r"@(\w+)@", subject + text))
          for message_id, (subject, text) in catalog().items()}


class Entry(dict):
    """Fields, and `event`: its name, or None."""

    def __init__(self, line):
        super().__init__(field.replace("\x1e", "\n").split("=", 1) for field in line.split("\x1f")[:-1])
        self.event = EVENTS[self["MESSAGE_ID"]] if "MESSAGE_ID" in self else None

    @property
    def text(self):
        return self["MESSAGE"]


class Journal:
    """What all daemons of a test have said."""

    def __init__(self, build_dir, folder):
        self.path = folder / "journal"
        self.path.touch()
        options = os.environ.get("ASAN_OPTIONS", "")
        self.environment = {
            "LD_PRELOAD": str((build_dir / "tests" / "journal.so").resolve()),
            "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0",
            "JOURNAL_FILE": str(self.path),
        }

    def entries(self, event=None, **fields):
        lines = self.path.read_text().split("\n")[:-1]
        return [entry for entry in map(Entry, lines)
                if (event is None or entry.event == event) and fields.items() <= entry.items()]

    def wait_for(self, event, **fields):
        """The first such entry."""
        return wait_until(lambda: self.entries(event, **fields), f"no {event} {fields}")[0]

    def check(self):
        """What holds for all entries."""
        entries = self.entries()
        for entry in entries:
            assert entry["SYSLOG_IDENTIFIER"] in ("loads-broker", "loads-agent")
            named = re.search(rf"\brun ({UUID})", entry.text)
            assert not named or entry["RUN_ID"] == named[1], entry
            assert entry["SYSLOG_IDENTIFIER"] != "loads-agent" or "AGENT_ID" in entry, entry
            if entry.event:
                assert FIELDS[entry["MESSAGE_ID"]] <= set(entry), entry
        said = [(entry.text, entry.get("AGENT_ID"), entry["SYSLOG_IDENTIFIER"]) for entry in entries
                if "RUN_ID" in entry]
        assert len(said) == len(set(said)), said


class Told:
    """A cluster whose daemons write to a journal; mixed into one of the others'."""

    def __init__(self, journal, start, program, module_cache, folder, *more):
        self.journal = journal
        super().__init__(self.with_journal(start), program, module_cache, folder, *more)

    def with_journal(self, start):
        def start_it(command, env, **options):
            return start(command, env={**env, **self.journal.environment}, **options)

        return start_it


class ToldCluster(Told, Cluster):
    pass


class ToldStored(Told, Stored):
    pass


class ToldGuarded(Told, Guarded):
    def reload(self):
        count = len(self.journal.entries("CONFIGURATION_READ"))
        os.kill(self.broker.pid, signal.SIGHUP)
        wait_until(lambda: len(self.journal.entries("CONFIGURATION_READ")) > count, "it was not read again")
        self.result("PING")  # the keys were, too


@pytest.fixture
def new_told(start, program, module_cache, build_dir):
    """new_told(kind, more…): a cluster of that kind."""
    made = []
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder:
        def start_it(kind, *more):
            folder_ = pathlib.Path(folder)
            made.append(kind(Journal(build_dir, folder_), start, program, module_cache, folder_, *more))
            return made[-1]

        yield start_it
        for cluster in made:
            cluster.journal.check()
            cluster.close()


@pytest.fixture
def told(new_told):
    """One with a broker and two agents, without a database."""
    made = new_told(ToldCluster)
    made.start_broker()
    for _ in range(2):
        made.start_agent()
    return made


def story(cluster, run_id):
    """[(event, text)] of a run, without its id; agents' lines of one kind in the order of their ids."""
    entries = cluster.journal.entries(RUN_ID=run_id)
    for entry in entries:
        assert entry.text.startswith(f"run {run_id}: "), entry
    told = [(entry.event, entry["SYSLOG_IDENTIFIER"], entry.text.split(": ", 1)[1]) for entry in entries]
    return [(event, text) for event, _, text in told]


# ---- runs ----------------------------------------------------------------------------------------


def test_story_of_a_run(told, target):
    """Who submitted what, on which agents, how it went, and the numbers."""
    run_id = told.submit(f"http://ada:secret@{target.url.removeprefix('http://')}/any", "-a", 2, "-u", "1:2",
                         "--hits", 5)
    assert told.wait_for_state(run_id, "finished")["outcome"] == "passed"
    told.journal.wait_for("RUN_FINISHED")
    lines = story(told, run_id)
    both = f"{HOST}-1, {HOST}-2"
    submitted = rf"submitted by {USER} \(admin\), process \d+: {target.url}/any, users 1:2, hits 5, 2 agents"
    assert re.fullmatch(submitted, lines[0][1]), lines[0]
    assert lines[0][0] == "RUN_SUBMITTED"
    assert lines[1] == (None, f"is prepared by {both}")
    assert sorted(lines[2:4]) == [("PART_TAKEN", "takes part as agent 1 of 2"),
                                  ("PART_TAKEN", "takes part as agent 2 of 2")]
    assert lines[4] == ("RUN_STARTED", f"started on {both}")
    for event, text in lines[5:7]:
        assert event == "PART_ENDED" and re.fullmatch(r"ended: 15 hits in [\d.,]+ s", text), text
    assert len(lines) == 8 and lines[7][0] == "RUN_FINISHED"
    finished = (r"finished, passed: 30 hits in [\d.,]+ s \([\d.,]+/s\), average [\d.,]+ [mµ]?s, p95 [\d.,]+ [mµ]?s; "
                r"requests without an answer: 0, failures: 0, errors: 0")
    assert re.fullmatch(finished, lines[7][1]), lines[7]
    last = told.journal.entries("RUN_FINISHED")[0]
    numbers = {name: last[name] for name in ("OUTCOME", "HITS", "REQUEST_ERRORS", "FAILURES", "ERRORS")}
    assert numbers == {"OUTCOME": "passed", "HITS": "30", "REQUEST_ERRORS": "0", "FAILURES": "0",
                       "ERRORS": "0"}
    assert int(last["DURATION_USEC"]) > 0
    assert "secret" not in told.journal.path.read_text()


def test_story_of_one_that_does_not_compile(told, tmp_path):
    (tmp_path / "bad.c").write_text("#include <loads/loads.h>\nint x = nobody_knows;\n")
    run_id = told.submit("bad.Bad.test", cwd=tmp_path)
    told.wait_for_state(run_id, "failed")
    told.journal.wait_for("RUN_FAILED")
    lines = story(told, run_id)
    assert [event for event, _ in lines] == ["RUN_SUBMITTED", None, "PART_TAKEN", "PART_FAILED", "RUN_FAILED"]
    assert lines[3][1].startswith("can't be made: ") and "bad.c" in lines[3][1]
    assert lines[4][1].startswith(f"failed: {HOST}-1 could not prepare it: ") and "bad.c" in lines[4][1]


def test_story_of_one_that_waits_and_is_stopped(told, target):
    held = told.submit(f"{target.url}/held", "-a", 2)
    target.wait_for(lambda counts: counts["requests"] == 2)
    queued = told.submit(f"{target.url}/any", "-a", 2, "--queue")
    told.run("loadsctl", "stop", queued)
    told.wait_for_state(queued, "aborted")
    told.result("CTRL_STOP_RUN", run_id=held, grace_usec=0)
    told.wait_for_state(held, "aborted")
    wait_until(lambda: len(told.journal.entries("RUN_ABORTED")) == 2, "the ends")
    asked = rf"{USER} \(admin\), process \d+ asks for its end"
    (_, submitted), (event, who), end = story(told, queued)
    assert submitted.endswith(", 2 agents, for which it waits")
    assert event == "RUN_STOPPED" and re.fullmatch(asked, who)
    assert end == ("RUN_ABORTED", "aborted: it was stopped")
    lines = story(told, held)
    assert [event for event, _ in lines[5:7]] == ["RUN_STOPPED", None]
    assert lines[6][1] == "stopping: it was stopped"
    assert [line for line in lines[7:9] if line[0] != "PART_ENDED" or
            not re.fullmatch(r"ended, stopped: 0 hits in [\d.,]+ s", line[1])] == []
    assert lines[9][0] == "RUN_ABORTED" and lines[9][1].endswith("; it was stopped")


def test_a_worker_that_crashes(told, tmp_path):
    (tmp_path / "crash.c").write_text(
        "#include <loads/loads.h>\n#include <stdlib.h>\n"
        "LOADS_TEST(Crash, now)\n{\n    (void)user;\n    abort();\n}\n")
    run_id = told.submit("crash.Crash.now", cwd=tmp_path)
    told.wait_for_state(run_id, "finished")
    crashed, = told.journal.entries("WORKER_CRASHED")
    assert crashed["RUN_ID"] == run_id and crashed["AGENT_ID"] == f"{HOST}-1"
    assert int(crashed["WORKER_PID"]) > 1
    assert "a worker crashed: " in crashed.text and "Aborted" in crashed.text


# ---- agents --------------------------------------------------------------------------------------


def test_agents_come_and_go(told, target):
    journal, (first, second) = told.journal, told.agents
    for entry, agent in zip(journal.entries("AGENT_JOINED"), told.agents, strict=True):
        assert re.fullmatch(rf"agent {entry['AGENT_ID']} has joined: process {agent.pid} on {HOST}", entry.text)
    journal.wait_for("BROKER_REACHED", AGENT_ID=f"{HOST}-2")
    run_id = told.submit(f"{target.url}/held", "-a", 2)
    target.wait_for(lambda counts: counts["requests"] == 2)
    os.kill(first.pid, signal.SIGSTOP)
    lost = journal.wait_for("AGENT_LOST")
    assert lost.text == f"run {run_id}: agent {HOST}-1 is lost: it was not heard for 3 s"
    os.kill(first.pid, signal.SIGCONT)
    back = journal.wait_for("AGENT_BACK", RUN_ID=run_id, AGENT_ID=f"{HOST}-1")
    assert back.text == f"run {run_id}: agent {HOST}-1 is back"
    target.release()
    told.wait_for_state(run_id, "finished")
    assert first.stop() == 0
    left = journal.wait_for("AGENT_LEFT")
    assert left.text == f"agent {HOST}-1 has left"
    kill(second)
    lost = journal.wait_for("AGENT_LOST", AGENT_ID=f"{HOST}-2")
    assert lost.text == f"agent {HOST}-2 is lost: it was not heard for 3 s" and "RUN_ID" not in lost


def test_the_broker_goes(told):
    agents = [f"{HOST}-1", f"{HOST}-2"]
    kill(told.broker)
    for agent_id in agents:
        told.journal.wait_for("BROKER_LOST", AGENT_ID=agent_id)
    told.start_broker()
    wait_until(lambda: len(told.journal.entries("BROKER_REACHED")) == 4, "they are not back")
    assert sorted(entry["AGENT_ID"] for entry in told.journal.entries("AGENT_JOINED")) == sorted(2 * agents)


# ---- the broker ----------------------------------------------------------------------------------


def test_the_database_goes(new_told, start_postgres):
    server = start_postgres()
    database = server.database()
    database.migrate()
    told = new_told(ToldStored, database)
    told.journal.wait_for("DATABASE_BACK")
    assert told.journal.entries("DATABASE_LOST") == []
    server.stop()
    lost = told.journal.wait_for("DATABASE_LOST")
    assert database.name in lost.text and lost["PRIORITY"] == "4"
    server.start()
    wait_until(lambda: len(told.journal.entries("DATABASE_BACK")) == 2, "it is not back")


def test_the_configuration_is_read_again(new_told, tmp_path):
    told = new_told(ToldCluster)
    path = tmp_path / "broker.conf"
    path.write_text("[broker]\n")
    told.start_broker("--config", str(path))
    os.kill(told.broker.pid, signal.SIGHUP)
    told.journal.wait_for("CONFIGURATION_READ")
    path.write_text("[broker]\nnonsense = 1\n")
    os.kill(told.broker.pid, signal.SIGHUP)
    refused = told.journal.wait_for("CONFIGURATION_REFUSED")
    assert "broker.conf:2: unknown key 'nonsense'" in refused.text and refused["PRIORITY"] == "3"


def knock(told):
    """Somebody comes with a key that nobody knows, and is turned away; the key."""
    public, secret = zmq.curve_keypair()
    with told.context.socket(zmq.REQ) as client:
        client.linger = 0
        client.curve_publickey, client.curve_secretkey = public, secret
        client.curve_serverkey = told.public.encode()
        with client.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH) as monitor:
            client.connect(told.addresses["frontend"])
            assert monitor.poll(30000)
            client.disable_monitor()
    return public.decode()


def test_who_is_refused(new_told, target):
    """One line each, however often they try, and the number of the others."""
    told = new_told(ToldGuarded)
    told.let_in("watch", "observe")
    for _ in range(20):
        assert told.by_tcp("watch", "submit", f"{target.url}/any", code=4)
    line, = told.journal.entries("REQUEST_REFUSED")
    assert line.text == "refused: CTRL_RUN by watch (observe) at 127.0.0.1: it needs the role 'run'"
    keys = [knock(told) for _ in range(20)]
    refused, = told.journal.entries("CONNECTION_REFUSED")
    assert refused.text == f"refused: connect by somebody at 127.0.0.1: its key is not known: {keys[0]}"
    told.loadsctl("key", "remove", "watch", "--keys-dir", told.keys_dir)
    told.reload()
    told.journal.wait_for("KEYS_TAKEN_AWAY")
    assert told.broker.stop() == 0
    again = re.compile(r"(\d+) times more: refused: .*")
    for event in ("REQUEST_REFUSED", "CONNECTION_REFUSED"):
        first, *counts = told.journal.entries(event)
        assert sum(int(again.fullmatch(line.text)[1]) for line in counts) >= 19
        assert len(counts) <= 6  # one in ten seconds
