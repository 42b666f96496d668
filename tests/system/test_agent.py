# SPDX-License-Identifier: MPL-2.0
"""loads-agent against a broker that the test plays."""

import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from agents import SECONDS, Agents, Broker, Run, ask, pack
from runner import MODULE, wait_until

HOST = socket.gethostname()

TALKING = """\
#include <loads/loads.h>
#include <stdio.h>

LOADS_TEST(Talk, read_file)
{
    char text[64] = "";
    FILE *file = fopen("data/words.txt", "r");
    loads_assert(file && fgets(text, sizeof text, file));
    fclose(file);
    printf("read %s from the file\\n", text);
    fflush(stdout);
    fprintf(stderr, "user %u\\n", loads_user_number(user));
}

LOADS_TEST(Talk, stay)
{
    (void)user;
    for (volatile int on = 1; on;) {
    }
}
"""

# A worker that ends for nobody, with a child that doesn't either.
STUBBORN = """\
#include <loads/loads.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

LOADS_TEST(Stubborn, stay)
{
    (void)user;
    signal(SIGTERM, SIG_IGN);
    if (fork() == 0) {
        puts("child is here");
        fflush(stdout);
        for (;;) {
            pause();
        }
    }
    for (volatile int on = 1; on;) {
    }
}
"""

DAEMON = pathlib.Path(__file__).parent / "modules" / "daemon.c"


@pytest.fixture
def agents(program, module_cache):
    made = Agents(program("loads-agent"), module_cache)
    yield made
    made.end()


@pytest.fixture
def start_broker(agents):
    """start_broker(folder, shift_usec): a Broker."""
    started = []

    def start_it(folder=agents.folder, **options):
        started.append(Broker(folder, **options))
        return started[-1]

    yield start_it
    for broker in started:
        broker.close()


@pytest.fixture
def broker(start_broker):
    return start_broker()


def register(agents, broker, *arguments, **options):
    """An agent that is registered."""
    agent = agents.start("--broker", broker.address, *arguments, **options)
    message = broker.wait("register", pid=agent.process.pid)
    agent.id = message["agent_id"]
    return agent


@pytest.fixture
def agent(agents, broker):
    """One that is registered, and that ends as it should when it is told to."""
    started = register(agents, broker)
    yield started
    if started.process.poll() is None:
        for run in started.ask({"command": "STATUS"})["result"]["runs"]:
            broker.tell(started, "drop", run_id=run)
        assert started.stop() == 0, started.stderr()
        assert agents.run_directories() == []


def url_run(target, path="/any/one", **keys):
    return Run(url=target.url + path, **keys)


# ---- registering ---------------------------------------------------------------------------------


def test_registers(agents, broker):
    agent = agents.start("--broker", broker.address)
    message = broker.wait("register")
    assert message["agent_id"] == f"{HOST}-1"
    assert message["hostname"] == HOST
    assert message["pid"] == agent.process.pid
    assert message["protocol"] == 1
    assert re.fullmatch(r"\d+\.\d+\.\d+", message["version"])
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", message["incarnation"])
    assert message["control"] == [f"ipc://{agents.sockets}/loads/agent-1.sock"]
    assert message["runs"] == []
    agent.wait_for_line("registered at the broker")
    assert agent.stop() == 0
    broker.wait("leaving")


def test_several_on_one_host(agents, broker):
    assert register(agents, broker).id == f"{HOST}-1"
    second = register(agents, broker)
    assert second.id == f"{HOST}-2"
    assert register(agents, broker, "--instance", "blue").id == f"{HOST}-blue"
    taken = agents.start("--broker", broker.address, "--instance", "2")
    assert taken.wait() == 1
    assert f"running already, as process {second.process.pid}" in taken.stderr()
    assert second.stop(signal.SIGKILL) == -signal.SIGKILL
    assert register(agents, broker).id == f"{HOST}-2"  # the number is free again


def test_is_refused_and_tries_again(agents, broker):
    broker.refusal = "protocol 1 is not understood, only 7"
    agent = agents.start("--broker", broker.address)
    for _ in range(3):
        broker.wait("register")
    broker.refusal = None
    broker.wait_until(lambda: broker.agents)
    assert agent.stderr().count("protocol 1 is not understood, only 7") == 1


def test_waits_for_a_broker(agents, start_broker):
    """There is none when it starts."""
    agent = agents.start("--broker", f"ipc://{agents.folder}/frontend.sock")
    agent.wait_for_line("no broker at ipc://.*: there is no answer")
    start_broker().wait("register")


def test_finds_the_broker_of_this_session(agents, start_broker):
    folder = agents.sockets / "loads"
    folder.mkdir()
    broker = start_broker(folder=folder)
    agents.start()
    broker.wait("register")


def test_heartbeats(agents, broker):
    broker.heartbeat_usec = 20000
    agent = register(agents, broker)
    first = broker.agents[agent.id]
    broker.wait_until(lambda: agent.ask({"command": "STATUS"})["result"]["connected"])
    for _ in range(30):
        broker.pump()
    assert broker.agents[agent.id] is first  # it never had to come back


def test_comes_back_when_nobody_answers(agents, broker):
    broker.heartbeat_usec = 20000
    agent = register(agents, broker)
    broker.answers = False
    agent.wait_for_line("it does not answer any more")
    broker.answers = True
    again = broker.wait("register")
    assert again["incarnation"]


def test_comes_back_to_one_that_does_not_know_it(agent, broker):
    broker.agents.clear()
    broker.wait("register")


# ---- a run ---------------------------------------------------------------------------------------


def test_run(agents, agent, broker, target):
    run = url_run(target, users=[3], hits=[5])
    broker.prepare(agent, run)
    ready = broker.wait("ready")
    assert (ready["run_id"], ready["cycle"]) == (run.id, 0)
    assert target.counts()["requests"] == 0
    broker.tell(agent, "start", run_id=run.id, cycle=0, start_usec=broker.now())
    ended = broker.wait_for_end(run)
    assert ended["result"] == 0 and not ended["interrupted"] and ended["reason"] == ""
    assert ended["active_usec"] > 0
    assert broker.hits(run) == {("URL.get", run.spec["url"], "GET", "200"): 15}
    assert broker.outcomes(run) == {"success": 15}
    assert target.counts()["requests"] == 15
    assert [interval.second for interval in broker.intervals(run)][0] < 60
    assert set(broker.received.values()) == {1}
    assert len(agents.run_directories()) == 2
    broker.tell(agent, "drop", run_id=run.id)
    wait_until(lambda: agents.run_directories() == [], "its directories are still there")
    assert agent.ask({"command": "STATUS"})["result"]["runs"] == {}


def test_one_run_after_the_other(agent, broker, target):
    for hits in (2, 3):
        run = url_run(target, hits=[hits])
        broker.prepare(agent, run)
        broker.start(agent, run)
        broker.wait_for_end(run)
        assert broker.outcomes(run) == {"success": hits}
        broker.tell(agent, "drop", run_id=run.id)


def test_cycles_step_together(agent, broker, target):
    """Each waits to be started; what is said of another one means nothing."""
    run = url_run(target, users=[1, 2], hits=[3])
    broker.prepare(agent, run)
    broker.start(agent, run)
    broker.wait("ready", cycle=1)
    assert target.counts()["requests"] == 3
    for cycle in (0, 2):
        broker.tell(agent, "start", run_id=run.id, cycle=cycle, start_usec=broker.now())
    broker.tell(agent, "ask-status", request=7)
    status = broker.wait("status", request=7)
    assert target.counts()["requests"] == 3
    assert sum(worker["users"] for worker in status["workers"]) == 2
    assert {worker["run_id"] for worker in status["workers"]} == {run.id}
    broker.tell(agent, "start", run_id=run.id, cycle=1, start_usec=broker.now())
    broker.wait_for_end(run)
    assert broker.outcomes(run) == {"success": 9}


def test_users_of_several_agents(agents, broker):
    """Two agents, three users each: numbers 0 to 5."""
    both = [register(agents, broker, "--workers", "2") for _ in range(2)]
    archive = pack({"talk.c": TALKING, "data/words.txt": "hello"})
    run = Run(archive, fqn="talk.Talk.read_file", users=[3])
    for index, agent in enumerate(both):
        broker.prepare(agent, run, agents=2, index=index)
        broker.start(agent, run)
        broker.wait("ended", run_id=run.id)
    users = lambda: sorted(re.findall(r"user (\d+)", "".join(broker.logs.values())))
    broker.wait_until(lambda: users() == ["0", "1", "2", "3", "4", "5"], "all users")


@pytest.mark.parametrize("shift_sec", [-1000, 1000])
def test_clock_of_the_broker(agents, start_broker, target, shift_sec):
    """A start is understood in the broker's time: else this one lay far back, or never came."""
    broker = start_broker(shift_usec=shift_sec * 1000000)
    agent = register(agents, broker)
    run = url_run(target)
    broker.prepare(agent, run)
    broker.start(agent, run, after_usec=100000)
    broker.wait_for_end(run)
    assert broker.intervals(run)[0].second < 500
    offset = agent.ask({"command": "STATUS"})["result"]["offset_usec"]
    assert abs(offset - shift_sec * 1000000) < 100000000
    broker.tell(agent, "drop", run_id=run.id)
    assert agent.stop() == 0


# ---- preparing -----------------------------------------------------------------------------------


def test_files_and_prints(agents, agent, broker):
    archive = pack({"talk.c": TALKING, "data/words.txt": "hello"})
    run = Run(archive, fqn="talk.Talk.read_file", users=[2])
    broker.prepare(agent, run)
    broker.start(agent, run)
    broker.wait_for_end(run)
    assert broker.outcomes(run) == {"success": 2}
    text = lambda: "".join(text for (id, worker), text in broker.logs.items() if worker >= 0)
    broker.wait_until(lambda: text().count("read hello from the file\n") == 2, "its prints")
    assert sorted(re.findall(r"user (\d)", text())) == ["0", "1"]
    assert "read hello" not in agent.stderr()
    files = [path for path in agents.work.rglob("*.c")]
    assert len(files) == 1
    broker.tell(agent, "drop", run_id=run.id)
    wait_until(lambda: agents.run_directories() == [], "its directories are still there")


def test_archive_in_many_pieces(agent, broker):
    words = os.urandom(400000).hex()
    run = Run(pack({"talk.c": TALKING, "data/words.txt": words}), fqn="talk.Talk.read_file")
    assert len(run.archive) > 262144
    broker.prepare(agent, run)
    broker.start(agent, run)
    broker.wait_for_end(run)
    assert broker.outcomes(run) == {"success": 1}


def test_test_dir(agents, agent, broker, tmp_path):
    """Made with its parents, each agent has its own; what is in it stays."""
    archive = pack({"talk.c": TALKING, "data/words.txt": "hello"})
    run = Run(archive, fqn="talk.Talk.read_file", test_dir=str(tmp_path / "a" / "b"))
    broker.prepare(agent, run)
    broker.start(agent, run)
    broker.wait_for_end(run)
    assert broker.outcomes(run) == {"success": 1}
    broker.tell(agent, "drop", run_id=run.id)
    wait_until(lambda: agents.run_directories() == [], "its directories are still there")
    left = sorted(path.name for path in (tmp_path / "a" / "b" / agent.id).iterdir())
    assert left == ["data", "talk.c"]


def test_does_not_compile(agents, agent, broker):
    run = Run(pack({"bad.c": "#include <loads/loads.h>\nint x = nobody_knows;\n"}),
              fqn="bad.Bad.test")
    broker.prepare(agent, run)
    failed = broker.wait("failed", run_id=run.id)
    assert "nobody_knows" in failed["reason"]
    assert "bad.c" in failed["reason"]
    broker.wait_until(lambda: "nobody_knows" in broker.logs[run.id, -1], "the compiler's words")
    broker.tell(agent, "drop", run_id=run.id)
    wait_until(lambda: agents.run_directories() == [], "its directories are still there")


def test_cannot_be_prepared(agent, broker):
    for run, words in [
        (Run(pack({"talk.c": TALKING}), fqn="talk.Talk.nothing"), "nothing"),
        (Run(pack({"other.c": TALKING}), fqn="talk.Talk.read_file"), "talk"),
        (Run(b"this is no archive", fqn="talk.Talk.read_file"), "archive"),
        (Run(pack({"../talk.c": TALKING}), fqn="talk.Talk.read_file"), "talk.c"),
        (Run(url="http://127.0.0.1/", users=[10**9]), "users"),
        (Run(url="http://127.0.0.1/", users=[]), "users"),
        (Run(url="http://127.0.0.1/", weather="fine"), "weather"),
        (Run(url="http://127.0.0.1/", test_dir="/proc/nowhere"), "/proc/nowhere"),
    ]:
        broker.prepare(agent, run)
        failed = broker.wait("failed", run_id=run.id)
        assert words in failed["reason"]
        broker.tell(agent, "drop", run_id=run.id)


def test_larger_than_it_takes(agent, broker):
    run = Run(fqn="talk.Talk.read_file")
    broker.tell(agent, "prepare", run_id=run.id, source=0, agents=1, agent_index=0, spec=run.spec,
                archive_bytes=2**40)
    assert "1099511627776 bytes" in broker.wait("failed", run_id=run.id)["reason"]
    broker.tell(agent, "drop", run_id=run.id)


def test_busy(agent, broker, target):
    """One run at a time; what is asked again is answered again."""
    run, other = url_run(target), url_run(target)
    broker.prepare(agent, run)
    broker.wait("ready", run_id=run.id)
    broker.prepare(agent, other)
    assert f"busy with run {run.id}" in broker.wait("failed", run_id=other.id)["reason"]
    broker.prepare(agent, run)
    broker.wait("ready", run_id=run.id)
    for kind, keys in [("stop", {"grace_usec": 0}), ("drop", {}),
                       ("start", {"cycle": 0, "start_usec": 0})]:
        broker.tell(agent, kind, run_id=other.id, **keys)  # of one that it doesn't have
    broker.tell(agent, "start", run_id=run.id, cycle=0, start_usec=broker.now())
    broker.wait_for_end(run)
    broker.prepare(agent, run)
    broker.wait("ended", run_id=run.id)


# ---- results -------------------------------------------------------------------------------------


def test_is_asked_again(agent, broker, target):
    """From a number on, with all names."""
    run = url_run(target, hits=[4])
    broker.acknowledges = False
    broker.prepare(agent, run)
    broker.start(agent, run)
    ended = broker.wait_for_end(run)
    broker.names.clear()
    broker.tell_receiver(agent, run, "expect", seq=1)
    last = (run.id, run.source, ended["last_seq"])
    broker.wait_until(lambda: broker.received[last] == 2, "the last again")
    assert broker.outcomes(run) == {"success": 4}
    assert broker.hits(run) == {("URL.get", run.spec["url"], "GET", "200"): 4}
    for kind, seq in [("expect", 0), ("expect", 10**6), ("ack", 10**6)]:  # which makes no sense
        broker.tell_receiver(agent, run, kind, seq=seq)
    broker.tell_receiver(agent, run, "ack", seq=ended["last_seq"])
    wait_until(lambda: agent.ask({"command": "STATUS"})["result"]["waiting_bytes"] == 0,
               "it keeps what was stored")


def test_rejected(agent, broker, target):
    """Said once; what remains of it is a number with nothing behind it, and in nobody's way."""
    run = url_run(target, hits=[4])
    broker.acknowledges = False
    broker.prepare(agent, run)
    broker.start(agent, run)
    last = broker.wait_for_end(run)["last_seq"]
    for seq in (1, 1, 77):
        broker.tell_receiver(agent, run, "rejected", seq=seq, reason="no room for such numbers")
    agent.wait_for_line("no room for such numbers")
    del broker.results[run.id, run.source, 1]
    broker.tell_receiver(agent, run, "expect", seq=1)
    broker.wait_until(lambda: len(broker.numbers(run)) == last, "all of them")
    assert broker.intervals(run)[0].hits == {} and broker.intervals(run)[0].tests == {}
    assert agent.stderr().count("no room for such numbers") == 1


def test_other_sources_answers(agent, broker, target):
    run = url_run(target, source=5)
    broker.acknowledges = False
    broker.prepare(agent, run)
    broker.start(agent, run)
    ended = broker.wait_for_end(run)
    last = broker.results[run.id, 5, ended["last_seq"]]
    broker.answer(last, type="ack", run_id=run.id, source=4, seq=ended["last_seq"])
    broker.tell(agent, "ask-status", request=1)
    broker.wait("status")
    waiting = agent.ask({"command": "STATUS"})["result"]["runs"][run.id]["waiting"]
    assert waiting == ended["last_seq"]


# ---- without a broker ----------------------------------------------------------------------------


def test_load_goes_on_without_broker(agent, broker, target):
    """It is away in the middle of a run; afterwards it has every hit, once."""
    run = url_run(target, users=[2], duration_usec=3600000000)
    broker.acknowledges = False
    broker.prepare(agent, run)
    broker.start(agent, run)
    broker.wait_until(lambda: len(broker.numbers(run)) >= 1, "the first results")
    broker.go_away()
    requests = target.counts()["requests"]
    target.wait_for(lambda counts: counts["requests"] > requests + 100)
    agent.wait_for_line("no broker at")
    broker.open()
    again = broker.wait("register")
    assert [(r["run_id"], r["state"], r["cycle"]) for r in again["runs"]] == [(run.id, "running", 0)]
    assert again["runs"][0]["last_seq"] >= 1
    broker.acknowledges = True
    broker.tell(agent, "stop", run_id=run.id, grace_usec=5000000)
    ended = broker.wait_for_end(run)
    assert ended["interrupted"]
    assert broker.received[run.id, run.source, 1] == 2  # nobody had said that it is stored
    assert sum(broker.hits(run).values()) == target.counts()["requests"]


def test_ends_without_broker(agents, agent, broker, target):
    """Nobody hears of the end, nor of what was counted before; later somebody does."""
    run = url_run(target, users=[2], hits=[50])
    broker.prepare(agent, run)
    broker.start(agent, run, after_usec=300000)
    broker.tell(agent, "ask-status", request=1)
    broker.wait("status")  # it has heard of the start
    broker.go_away()
    target.wait_for(lambda counts: counts["requests"] == 100)
    agent.wait_for_line(f"run {run.id}: ended: 100 hits in ")
    broker.open()
    again = broker.wait("register")
    assert again["runs"][0]["state"] == "ended"
    assert broker.wait_for_end(run)["last_seq"] == again["runs"][0]["last_seq"]
    assert broker.outcomes(run) == {"success": 100}
    broker.go_away()
    broker.open()
    broker.wait("register")
    broker.wait("ended", run_id=run.id)  # until it is dropped
    broker.tell(agent, "drop", run_id=run.id)
    wait_until(lambda: agents.run_directories() == [], "its directories are still there")


def test_comes_back_while_it_waits_for_the_start(agent, broker, target):
    run = url_run(target)
    broker.prepare(agent, run)
    broker.wait("ready")
    broker.go_away()
    broker.open()
    again = broker.wait("register")
    assert again["runs"][0]["state"] == "ready"
    broker.start(agent, run)  # it is ready, again
    broker.wait_for_end(run)
    assert broker.outcomes(run) == {"success": 1}


# ---- stopping ------------------------------------------------------------------------------------


def test_stop(agent, broker, target):
    """Iterations that are on have the grace. (A worker may hear of answers before it hears of the stop.)"""
    run = url_run(target, "/held", users=[3], hits=[5], grace_usec=60000000)
    broker.prepare(agent, run)
    broker.start(agent, run)
    target.wait_for(lambda counts: counts["requests"] == 3)
    broker.tell(agent, "stop", run_id=run.id, grace_usec=60000000)
    broker.tell(agent, "ask-status", request=1)
    assert {worker["state"] for worker in broker.wait("status")["workers"]} == {"stopping"}
    target.release()
    ended = broker.wait_for_end(run)
    assert ended["interrupted"] and ended["result"] == 0
    outcomes = broker.outcomes(run)
    assert list(outcomes) == ["success"] and 3 <= outcomes["success"] < 15


def test_stop_at_once(agent, broker, target):
    run = url_run(target, "/hang", users=[3], hits=[5])
    broker.prepare(agent, run)
    broker.start(agent, run)
    target.wait_for(lambda counts: counts["requests"] == 3)
    broker.tell(agent, "stop", run_id=run.id, grace_usec=60000000)
    broker.tell(agent, "stop", run_id=run.id, grace_usec=0)
    broker.wait_for_end(run)
    assert broker.outcomes(run) == {"interrupted": 3}


def test_stop_before_the_start(agent, broker, target):
    run = url_run(target)
    broker.prepare(agent, run)
    broker.wait("ready")
    broker.tell(agent, "stop", run_id=run.id, grace_usec=5000000)
    ended = broker.wait_for_end(run)
    assert ended["interrupted"] and ended["last_seq"] == 0
    assert target.counts()["requests"] == 0


def test_stop_while_the_archive_comes(agent, broker):
    run = Run(b"x" * 300000, fqn="talk.Talk.read_file")
    broker.tell(agent, "prepare", run_id=run.id, source=0, agents=1, agent_index=0, spec=run.spec,
                archive_bytes=300000)
    broker.tell(agent, "archive", b"x" * 1000, run_id=run.id, offset=0)
    assert broker.wait("archive-got")["offset"] == 1000
    broker.tell(agent, "archive", b"x" * 1000, run_id=run.id, offset=5000)  # one got lost
    assert broker.wait("archive-got")["offset"] == 1000
    broker.tell(agent, "archive", b"x" * 300000, run_id=run.id, offset=1000)  # more than there is
    assert broker.wait("archive-got")["offset"] == 1000
    broker.tell(agent, "stop", run_id=run.id, grace_usec=0)
    assert broker.wait_for_end(run)["interrupted"]


def test_stubborn_workers_are_killed(agent, broker):
    """After TERM, with what they started."""
    run = Run(pack({"stubborn.c": STUBBORN}), fqn="stubborn.Stubborn.stay", grace_usec=0)
    broker.prepare(agent, run)
    broker.start(agent, run)
    broker.wait_until(lambda: "child is here" in "".join(broker.logs.values()), "the child")
    assert len(agent.children()) == 2
    broker.tell(agent, "stop", run_id=run.id, grace_usec=0)
    broker.wait_for_end(run)
    assert broker.outcomes(run) == {"interrupted": 1}
    wait_until(lambda: agent.children() == [], "something is left")


def heard_of_child(broker):
    return lambda: "child is here" in "".join(broker.logs.values())


@pytest.mark.parametrize("stopped", [False, True])
def test_what_a_test_leaves(agent, broker, stopped):
    """It is in no process group of the worker's, and is gone when the end of the run is told."""
    run = Run(pack({"daemon.c": DAEMON.read_text()}), fqn=f"daemon.Daemon.{'stay' if stopped else 'leave'}")
    broker.prepare(agent, run)
    broker.start(agent, run)
    if stopped:
        broker.wait_until(heard_of_child(broker), "the child")
        broker.tell(agent, "stop", run_id=run.id, grace_usec=0)
    broker.wait_for_end(run)
    assert agent.children() == []
    assert broker.outcomes(run) == {"interrupted" if stopped else "success": 1}


@pytest.mark.parametrize("suite", ["Daemon", "Nobody"])
def test_what_a_preparation_leaves(agent, broker, suite):
    """Of a run that is stopped before it starts, and of one that can't be prepared."""
    run = Run(pack({"daemon.c": DAEMON.read_text()}), fqn=f"daemon.{suite}.leave", cflags="-DIN_MODULE")
    broker.prepare(agent, run)
    broker.wait_until(heard_of_child(broker), "the child")
    if suite == "Daemon":
        broker.tell(agent, "stop", run_id=run.id, grace_usec=0)
        broker.wait_for_end(run)
    else:
        assert "Nobody" in broker.wait("failed", run_id=run.id)["reason"]
    assert agent.children() == []


def test_dropped_with_what_it_left(agent, broker):
    run = Run(pack({"daemon.c": DAEMON.read_text()}), fqn="daemon.Daemon.stay")
    broker.prepare(agent, run)
    broker.start(agent, run)
    broker.wait_until(heard_of_child(broker), "the child")
    broker.tell(agent, "drop", run_id=run.id)
    wait_until(lambda: agent.children() == [], "something is left")
    assert agent.ask({"command": "STATUS"})["result"]["runs"] == {}


def test_dropped_while_running(agents, agent, broker, target):
    """The broker knows nothing of it: all of it goes at once."""
    run = url_run(target, "/hang", users=[3])
    broker.prepare(agent, run)
    broker.start(agent, run)
    target.wait_for(lambda counts: counts["requests"] == 3)
    broker.tell(agent, "drop", run_id=run.id)
    wait_until(lambda: agent.children() == [] and agents.run_directories() == [], "it is still on")
    next_run = url_run(target)
    broker.prepare(agent, next_run)
    broker.start(agent, next_run)
    broker.wait_for_end(next_run)


def test_a_crash(agent, broker):
    run = Run(pack({"crash.c": "#include <loads/loads.h>\n#include <stdlib.h>\n"
                               "LOADS_TEST(Crash, now)\n{\n    (void)user;\n    abort();\n}\n"}),
              fqn="crash.Crash.now", users=[1])
    broker.prepare(agent, run)
    broker.start(agent, run)
    assert broker.wait_for_end(run)["result"] == 0
    assert broker.outcomes(run) == {"error": 1}
    assert any("Aborted" in text for text in broker.errors(run))
    broker.wait_until(lambda: "Aborted" in broker.logs[run.id, -1], "what the console shows")
    assert "a worker crashed" in agent.stderr()


# ---- leaving -------------------------------------------------------------------------------------


def test_term_stops_the_run(agent, broker, target):
    run = url_run(target, "/held", users=[2], hits=[100000])  # which worker hears of it when isn't fixed
    broker.prepare(agent, run)
    broker.start(agent, run)
    target.wait_for(lambda counts: counts["requests"] == 2)
    agent.process.send_signal(signal.SIGTERM)
    broker.wait("leaving")
    target.release()
    assert broker.wait_for_end(run)["interrupted"]
    outcomes = broker.outcomes(run)
    assert set(outcomes) == {"success"} and 2 <= outcomes["success"] < 200000
    broker.tell(agent, "drop", run_id=run.id)
    assert agent.wait() == 0


def test_term_twice_is_at_once(agent, broker, target):
    run = url_run(target, "/hang", users=[2], grace_usec=3600000000)
    broker.prepare(agent, run)
    broker.start(agent, run)
    target.wait_for(lambda counts: counts["requests"] == 2)
    agent.process.send_signal(signal.SIGTERM)
    broker.wait("leaving")
    assert agent.stop() == 0


def test_term_without_broker(agents):
    agent = agents.start("--broker", f"ipc://{agents.folder}/nobody.sock")
    agent.wait_for_line("no broker at")
    assert agent.stop() == 0


@pytest.mark.parametrize("how", ["quit", "DRAIN"])
def test_drains(agent, broker, target, how):
    """What is on goes on; then it leaves."""
    run = url_run(target, "/held", users=[2], hits=[1])
    broker.prepare(agent, run)
    broker.start(agent, run)
    target.wait_for(lambda counts: counts["requests"] == 2)
    if how == "quit":
        broker.tell(agent, "quit")
    else:
        assert agent.ask({"command": "DRAIN"}) == {"result": {"draining": True, "runs": 1}}
    broker.wait("leaving")
    target.release()
    broker.wait_for_end(run)
    assert broker.outcomes(run) == {"success": 2}
    other = url_run(target)
    broker.prepare(agent, other)
    assert "about to leave" in broker.wait("failed", run_id=other.id)["reason"]
    broker.tell(agent, "drop", run_id=run.id)
    assert agent.wait() == 0


def test_max_age(agents, broker):
    agent = agents.start("--broker", broker.address, "--max-age", "200ms", "--max-age-delta", "100ms")
    assert agent.wait() == 0
    assert "old enough" in agent.stderr()


def beats(broker, count):
    """As many heartbeats as that have come."""
    broker.wait_until(lambda: broker.heartbeats >= count)


def test_leaves_when_idle(agents, broker, target):
    """Not while it has a run, nor before that is stored; then it is told that it may go."""
    broker.heartbeat_usec = 100000
    agent = register(agents, broker, "--idle-exit", "1s")
    run = url_run(target, "/held")
    broker.prepare(agent, run)
    broker.start(agent, run)
    target.wait_for(lambda counts: counts["requests"] == 1)
    beats(broker, broker.heartbeats + 15)
    target.release()
    broker.wait_for_end(run)
    beats(broker, broker.heartbeats + 15)
    assert not broker.find("leaving")
    broker.tell(agent, "drop", run_id=run.id)
    broker.wait("leaving")
    assert agent.wait() == 0
    assert "no run for 1 s: leaving\n" in agent.stderr()
    assert "no broker" not in agent.stderr()


def test_leaves_when_idle_without_a_broker(agents, start_manager):
    manager = start_manager()
    agent = agents.start("--broker", f"ipc://{agents.folder}/nobody.sock", "--idle-exit", "1s",
                         env=manager.environment)
    assert agent.wait() == 0
    assert "STOPPING=1" in manager.told()


@pytest.mark.parametrize("how", ["idle", "DRAIN"])
def test_a_run_that_comes_when_it_leaves(agents, broker, target, how):
    """The broker gave it away before it heard of that: it is made."""
    agent = register(agents, broker, *(["--idle-exit", "1s"] if how == "idle" else []))
    broker.lets_go = False
    if how == "DRAIN":
        assert agent.ask({"command": "DRAIN"})["result"]["draining"]
    broker.wait("leaving")
    run = url_run(target, hits=[3])
    broker.prepare(agent, run)
    broker.start(agent, run)
    broker.wait_for_end(run)
    assert broker.outcomes(run) == {"success": 3}
    broker.lets_go = True
    broker.tell(agent, "drop", run_id=run.id)
    assert agent.wait() == 0


def test_woken_when_it_leaves(agents, broker):
    """It stays, and is there again at once; it leaves later."""
    agent = register(agents, broker, "--idle-exit", "1s")
    broker.lets_go = False
    broker.wait("leaving")
    assert agent.ask({"command": "WAKE"})["result"] == {"connected": False, "draining": False}
    broker.lets_go = True
    broker.wait("register", pid=agent.process.pid)
    broker.wait("leaving")
    assert agent.wait() == 0


# ---- its control socket --------------------------------------------------------------------------


def test_control(agent, broker, target):
    assert agent.ask({"command": "PING"})["result"] == {
        "agent_id": agent.id, "pid": agent.process.pid, "hostname": HOST,
        "version": broker.agents[agent.id]["version"],
    }
    run = url_run(target, users=[3])
    broker.prepare(agent, run)
    broker.wait("ready")
    status = agent.ask({"command": "STATUS"})["result"]
    assert status["broker"] == broker.address
    assert status["connected"] and status["trouble"] == "" and not status["draining"]
    assert status["runs"] == {run.id: {"state": "ready", "cycle": 0, "waiting": 0}}
    assert sum(worker["users"] for worker in status["workers"]) == 3
    assert {worker["state"] for worker in status["workers"]} == {"starting"}


@pytest.mark.parametrize("request_, code", [
    (b"", "bad-request"),
    (b"{", "bad-request"),
    (b"[]", "bad-request"),
    (b"\xff", "bad-request"),
    (b"[" * 4000, "bad-request"),
    ({}, "bad-request"),
    ({"command": 7}, "bad-request"),
    ({"command": "FLY"}, "unknown-command"),
])
def test_control_is_asked_nonsense(agent, request_, code):
    answer = agent.ask(request_)
    assert answer["code"] == code and answer["error"]
    assert "result" in agent.ask({"command": "PING"})


def test_wake(agents, start_broker):
    """It needn't wait for its next try."""
    agent = agents.start("--broker", f"ipc://{agents.folder}/frontend.sock")
    agent.id = f"{HOST}-1"
    agent.wait_for_line("there is no answer")
    broker = start_broker()
    assert agent.ask({"command": "WAKE"})["result"]["draining"] is False
    broker.wait("register")
    assert agent.ask({"command": "WAKE"})["result"]["connected"] is True


def test_control_elsewhere(agents, broker):
    addresses = [f"ipc://{agents.folder}/c.sock", "tcp://127.0.0.1:*"]
    agent = agents.start("--broker", broker.address, "--control", addresses[0], "--control", addresses[1])
    message = broker.wait("register")
    assert message["control"][0] == addresses[0]
    port = re.fullmatch(r"tcp://127\.0\.0\.1:(\d+)", message["control"][1])[1]
    for address in (addresses[0], f"tcp://127.0.0.1:{port}"):
        assert ask(address, {"command": "PING"})["result"]["pid"] == agent.process.pid


def test_control_for_anybody(agents, broker):
    arguments = ["--broker", broker.address, "--control", "tcp://0.0.0.0:*"]
    agent = agents.start(*arguments)
    assert agent.wait() == 1
    assert "allow-insecure" in agent.stderr()
    agent = agents.start(*arguments, "--allow-insecure")
    assert broker.wait("register")["control"][0].startswith("tcp://0.0.0.0:")
    assert "can be reached from other machines" in agent.stderr()


# ---- systemd ----------------------------------------------------------------------------------------


def test_tells_systemd(agents, broker, start_manager, target):
    """That it is ready, what it does, that it lives, and that it goes."""
    manager = start_manager()
    agent = agents.start("--broker", broker.address, env={**manager.environment, "WATCHDOG_USEC": "200000"})
    manager.wait_for("READY=1")
    agent.id = broker.wait("register")["agent_id"]
    manager.wait_for("X_LOADS_REGISTERED=1")
    registered = f"STATUS=registered with broker at {broker.address}, "
    manager.wait_for(registered + "idle$")
    manager.wait_for("WATCHDOG=1")
    run = url_run(target, users=[3], duration_usec=3600000000)
    broker.prepare(agent, run)
    manager.wait_for(registered + f"run {run.id}, ready, 3 users, 0 hits/s")
    broker.start(agent, run)
    manager.wait_for(registered + f"run {run.id}, running, 3 users, [1-9][0-9,.]* hits/s")
    broker.tell(agent, "stop", run_id=run.id, grace_usec=0)
    manager.wait_for(registered + "results of 1 run wait to be stored")
    broker.tell(agent, "drop", run_id=run.id)
    manager.wait_for(registered + "idle$")
    assert agent.stop() == 0
    manager.wait_for("STOPPING=1")


def test_tells_systemd_without_a_broker(agents, start_manager, target):
    """It is ready all the same, and says where it waits and why."""
    manager = start_manager()
    agent = agents.start("--broker", f"ipc://{agents.folder}/nobody.sock", env=manager.environment)
    manager.wait_for("READY=1")
    waiting = f"STATUS=waiting for broker at ipc://{agents.folder}/nobody.sock"
    manager.wait_for(f"{waiting}, idle$")
    manager.wait_for(rf"{waiting} \(there is no answer\), idle$")
    assert agent.stop() == 0


def test_tells_systemd_to_wait_for_its_end(agents, broker, start_manager, target):
    """As long as the run that it stops has its grace."""
    manager = start_manager()
    agent = register(agents, broker, env=manager.environment)
    run = url_run(target, "/held", grace_usec=3600000000)
    broker.prepare(agent, run)
    broker.start(agent, run)
    target.wait_for(lambda counts: counts["requests"] == 1)
    agent.process.send_signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    manager.wait_for(f"STATUS=registered with .*, run {run.id}, stopping, 1 user, 0 hits/s, leaving$")
    for _ in range(3):
        manager.wait_for("EXTEND_TIMEOUT_USEC=[1-9]")
    target.release()
    broker.wait_for_end(run)
    broker.tell(agent, "drop", run_id=run.id)
    assert agent.wait() == 0


def test_a_work_dir_that_is_not_there(agents, start_manager):
    """Said at once, to systemd as well, and not ready."""
    manager = start_manager()
    agent = agents.start("--work-dir", "/nonexistent", env=manager.environment)
    assert agent.wait() == 1
    reason = "cannot use /nonexistent (work-dir): No such file or directory"
    assert reason in agent.stderr()
    assert manager.told() == [f"STATUS={reason}"]


# ---- limits of runs -------------------------------------------------------------------------------


def test_limits_that_cannot_be_set(agents, broker, target):
    """Nobody has given this agent a cgroup: it says so, once for each, and makes runs all the same."""
    agent = register(agents, broker, "--run-memory-max", "1G", "--run-cpu-max", "50%")
    for _ in range(2):
        run = url_run(target)
        broker.prepare(agent, run)
        broker.start(agent, run)
        broker.wait_for_end(run)
        broker.tell(agent, "drop", run_id=run.id)
    assert agent.stop() == 0
    said = re.findall(r"run-[a-z]+-max can't be set: .*", agent.stderr())
    assert [line.split()[0] for line in said] == ["run-memory-max", "run-cpu-max"]
    assert "Delegate=yes" in said[0]


# ---- options -------------------------------------------------------------------------------------


def test_configuration(agents, broker, tmp_path):
    path = tmp_path / "agent.conf"
    path.write_text(f"[agent]\nbroker = ipc:///nowhere\ninstance = seven\nmax_age = 1h\n")
    (tmp_path / "agent.conf.d").mkdir()
    (tmp_path / "agent.conf.d" / "10-broker.conf").write_text(f"[agent]\nbroker = {broker.address}\n")
    agents.start("--config", str(path))
    assert broker.wait("register")["agent_id"] == f"{HOST}-seven"


@pytest.mark.parametrize("arguments, words", [
    (["--broker", "nowhere"], "'nowhere' is not an address"),
    (["--instance", "a/b"], "'a/b' is not an instance"),
    (["--instance", ".x"], "not an instance"),
    (["--instance", ""], "not an instance"),
    (["--workers", "0"], "workers"),
    (["--run-memory-max", "much"], "much"),
    (["--run-memory-max", "1M"], "'1M' is too little: at least 16M"),
    (["--run-pids-max", "3"], "run-pids-max"),
    (["--run-cpu-max", "2"], "'2' is not a share of one processor such as 150%"),
    (["--run-cpu-max", "0%"], "'0%' is not a share"),
    (["--run-cpu-max", "100000000000000000000%"], "is not a share"),
    (["--max-age", "soon"], "soon"),
    (["--idle-exit", "999ms"], "'999ms' is too short: 1s is the least"),
    (["--work-dir", "here"], "not an absolute path"),
    (["--log-level", "loud"], "'loud' is not a level"),
    (["--config", "/nonexistent"], "/nonexistent"),
    (["--fly"], "--fly"),
    (["now"], "now"),
])
def test_wrong_usage(agents, arguments, words):
    agent = agents.start(*arguments)
    assert agent.wait() == 2
    assert words in agent.stderr()


def test_help_and_version(agents):
    for argument, word in [("--help", b"--max-age-delta"), ("--version", b"loads-agent ")]:
        ran = subprocess.run([agents.program, argument], capture_output=True, timeout=SECONDS)
        assert ran.returncode == 0 and word in ran.stdout


def test_cannot_listen(agents, broker):
    agent = agents.start("--broker", broker.address, "--control", "ipc:///nonexistent/x.sock")
    assert agent.wait() == 1
    assert "/nonexistent/x.sock" in agent.stderr()
