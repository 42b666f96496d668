# SPDX-License-Identifier: MPL-2.0
"""Several hosts: a broker on one, agents on others, over tcp and with keys, as docs/systemd.md says."""

import contextlib
import re
import time

import pytest

import manual
from units import SOCKETS, Machine

CUT_SECONDS = 20
KNOWN = "/etc/loads/known_brokers"
MASKED = ["sh", "-c", "umask 077; exec \"$@\"", "sh"]


def make_broker(box1):
    """What it says of its key."""
    box1.start_postgres()
    block, = manual.blocks("Many machines: the broker")
    return re.search(r"Its public key is (\S+)$", manual.type_in(box1, block).stdout, re.MULTILINE)[1]


def make_agent(box, box1, brokers_key):
    """The host has nothing else: as if the package loads-broker were not installed there."""
    box.systemctl("mask", *SOCKETS, "loads-broker", "loads-database")
    there, here = manual.blocks("Many machines: the agents")
    trust = "trust tcp://box1:7780"
    said = manual.type_in(box, there, {trust: f"{trust} '{brokers_key}'"})
    key = re.search(rf"^{box.name} agent (\S+)$", said.stdout, re.MULTILINE)[1]
    manual.type_in(box1, here, {"box2": box.name, "PUBLICKEY": key})


@pytest.fixture(scope="module")
def hosts(installed, sanitized, network):
    """box1, and box2 to box4, which have agents of its broker, as the manual says."""
    with contextlib.ExitStack() as stack:
        boxes = []
        for number in range(1, 5):
            boxes.append(Machine(f"box{number}", [installed], network, sanitized=sanitized))
            stack.callback(boxes[-1].halt)
        known = "".join(f"{box.address} {box.name}\n" for box in boxes)
        for box in boxes:
            box.write("/etc/hosts", f"127.0.0.1 localhost\n{known}")
        key = make_broker(boxes[0])
        for box in boxes[1:]:
            make_agent(box, boxes[0], key)
        boxes[0].wait_until(lambda: len(boxes[0].agents()) == 3, "not all agents came")
        yield boxes


@pytest.fixture
def targets(hosts, target_on, network):
    """One for each of two agents, on its own machine and with one URL: so both go on without a network."""
    for box in hosts[1:]:
        box.systemctl("stop", "loads.target")
    yield [target_on(box, "--port", "9300") for box in hosts[1:3]]
    for box in hosts[1:3]:
        network.heal(box)
        box.systemctl("stop", "loads.target")


def hits_by_agent(box, run_id):
    rows = box.sql(f"""SELECT agent_id, sum(hits) AS hits FROM loads.intervals JOIN loads.sources
                       USING (run_id, source) WHERE run_id = '{run_id}' GROUP BY agent_id""")
    return {row["agent_id"]: row["hits"] for row in rows}


def answers(targets):
    return sum(target.counts()["answers"] for target in targets)


def test_one_is_cut_off(hosts, network, targets):
    """In a run, for so long that it counts as lost and connections are given up; it comes back, and its
    results are complete."""
    box1, box2, box3, _ = hosts
    for box in (box2, box3):
        box.systemctl("start", "loads-agent@1")
    box1.wait_until(lambda: box1.agents() == {"box2-1", "box3-1"}, "no agents came")
    run_id = box1.submit(f"{targets[0].url}/any", "-a", "2", "-u", "2", "-d", "1h")
    for target in targets:
        target.wait_for(lambda counts: counts["answers"] > 100)
    pid = box3.pid("loads-agent@1")
    network.cut(box3)
    time.sleep(CUT_SECONDS)  # which is what is tested
    assert box1.ask("show", run_id)["lost"] == ["box3-1"]
    for target in targets:
        before = target.counts()["answers"]
        target.wait_for(lambda counts, before=before: counts["answers"] > before + 100)
    network.heal(box3)
    box1.wait_until(lambda: box1.ask("show", run_id)["lost"] == [], "it did not come back")
    box1.run("loadsctl", "stop", run_id)
    run = box1.wait_for_end(run_id)
    assert (run["state"], run["lost"]) == ("aborted", [])
    assert box1.complete_hits(run_id) == answers(targets)
    assert hits_by_agent(box1, run_id) == {"box2-1": targets[0].counts()["answers"],
                                           "box3-1": targets[1].counts()["answers"]}
    assert box3.pid("loads-agent@1") == pid


def test_one_is_woken(hosts, targets):
    """By tcp: systemd has its control socket, which takes nobody but the broker."""
    box1, box2, box3, _ = hosts
    box2.systemctl("start", "loads-agent@1")
    _, on_box3, on_box1 = manual.blocks("Agents that come and go")
    manual.type_in(box3, on_box3)
    manual.type_in(box1, on_box1)
    box1.wait_until(lambda: box1.agents() == {"box2-1"}, "who is there?")
    run_id = box1.submit(f"{targets[0].url}/any", "-a", "2", "--hits", "5")
    assert box1.wait_for_end(run_id)["outcome"] == "passed"
    assert box1.summary(run_id)["hits"] == answers(targets) == 10
    assert box3.is_active("loads-agent@1")


@pytest.fixture
def agents(hosts):
    """All three are there."""
    for box in hosts[1:]:
        box.systemctl("start", "loads-agent@1")
    hosts[0].wait_until(lambda: len(hosts[0].agents()) == 3, "not all agents came")
    yield
    for box in hosts[1:]:
        box.systemctl("stop", "loads.target")


def test_a_person(hosts, agents, target_on):
    """On a machine of her own she does what an agent does, and says who she is to the administrator."""
    box1, box2, *_ = hosts
    box2.run("useradd", "--create-home", "--user-group", "ada")
    ada = {"user": "ada", "environment": {"HOME": "/home/ada"}}
    made = box2.run("loadsctl", "keygen", "ada", **ada)
    by_administrator, by_ada = manual.blocks("Many machines: people")
    manual.type_in(box1, by_administrator, {"PUBLICKEY": made.stdout.split()[2]})
    target = target_on(box1, "--host", box1.address)
    url = f"http://{box1.address}:{target.port}/any"
    said = manual.type_in(box2, by_ada, {"https://staging.example.org/": url, "-d 60": "-d 1"}, **ada).stdout
    assert "3 agents" in said and re.search(r"^Success: [1-9]", said, re.MULTILINE)


@pytest.fixture
def moved():
    """moved(box, path, to): until the test is over, when what has come in its place is deleted."""
    with contextlib.ExitStack() as stack:
        def move(box, path, to):
            box.run("mv", path, to)
            stack.callback(box.run, "mv", to, path)
            stack.callback(box.run, "rm", "-rf", path)

        yield move


def test_a_broker_that_all_users_know(hosts, moved):
    """An administrator has said so once, and whatever their umask, who has a key needs nothing else; what
    a user says of it comes first."""
    box1, box2, *_ = hosts
    moved(box2, "/etc/loads", "/etc/loads.away")
    box2.run(*MASKED, "loadsctl", "trust", "tcp://box1:7780", "--yes", "--file", KNOWN)
    assert box2.path(KNOWN).read_text() == f"tcp://box1:7780 {box1.ask('ping')['public_key']}\n"
    modes = [box2.path(path).stat().st_mode & 0o777 for path in ("/etc/loads", KNOWN)]
    assert modes == [0o755, 0o644]
    eve = {"user": "loads-run", "environment": {"HOME": "/tmp/eve"}}
    ask = ["loadsctl", "ping", "--broker", "tcp://box1:7780"]
    box2.run("install", "--directory", "--owner=loads-run", "/tmp/eve")
    made = box2.run("loadsctl", "keygen", "eve", **eve)
    box1.run("loadsctl", "key", "add", "eve", "observe", made.stdout.split()[2])
    box1.systemctl("reload", "loads-broker")
    assert "Its public key is" in box2.run(*ask, **eve).stdout
    other = box1.run("loadsctl", "keygen", "other", "--file", "/root/other.key").stdout.split()[2]
    box2.run("loadsctl", "trust", "tcp://box1:7780", other, **eve)
    refused = box2.run(*ask, **eve, code=3)
    assert "doesn't have the key that is known of the broker there" in refused.stderr


def test_a_broker_that_a_credential_names(hosts, moved):
    """The same for services alone."""
    box1, _, box3, _ = hosts
    moved(box3, KNOWN, "/etc/credstore/loads.known_brokers")
    box3.systemctl("stop", "loads.target")
    box1.wait_until(lambda: "box3-1" not in box1.agents(), "the agent did not leave")
    box3.systemctl("start", "loads-agent@1")
    box1.wait_until(lambda: "box3-1" in box1.agents(), "the agent did not come")
    box3.systemctl("stop", "loads.target")


def test_without_a_key(hosts):
    """The agent's is for the agent: who else is on that machine needs one of their own."""
    box1, box2, box3, _ = hosts
    for user in ("root", "loads-run"):
        refused = box2.run("loadsctl", "ping", "--broker", "tcp://box1:7780", user=user, code=2)
        assert "wants a key, and there is none" in refused.stderr
    assert "Permission denied" in box3.run("cat", "/etc/credstore/loads-agent.key", user="loads-agent",
                                           code=1).stderr
