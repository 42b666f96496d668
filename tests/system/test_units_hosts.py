# SPDX-License-Identifier: MPL-2.0
"""Several hosts: a broker on one, agents on others, over tcp and with keys, as docs/systemd.md says."""

import contextlib
import json
import time

import pytest

from units import Machine

NAMES = ("frontend", "backend", "receiver", "publisher")
PORTS = dict(zip(NAMES, (7780, 7781, 7782, 7776)))
CUT_SECONDS = 20
KNOWN = "/etc/loads/known_brokers"
MASKED = ["sh", "-c", "umask 077; exec \"$@\"", "sh"]


class Hub(Machine):
    """box1, with broker and database."""

    def set_up(self):
        self.start_postgres()
        key = self.keygen("broker", "/etc/credstore/loads-broker.key")
        self.write("/etc/loads/broker.conf", "[broker]\nkey = loads-broker.key\n"
                   "introduction = tcp://0.0.0.0:7779\n"
                   "agents = ipc:///run/loads/agent-*.sock\n    tcp://box3:7783\n")
        for name, port in PORTS.items():
            self.drop_in(f"loads-{name}.socket", f"[Socket]\nListenStream={port}\n")
        self.systemctl("start", "loads-broker")
        return key

    def keygen(self, name, file):
        ran = self.run("loadsctl", "keygen", name, "--role", "agent", "--file", file, "--json")
        return json.loads(ran.stdout)["public_key"]


class Box(Hub):
    """One with agents, which the broker knows."""

    def join(self, hub, brokers_key):
        key = self.keygen(self.name, "/etc/credstore/loads-agent.key")
        address = f"tcp://{hub.name}:7780"
        self.run("loadsctl", "trust", address, brokers_key, "--file", KNOWN)
        self.write("/etc/loads/agent.conf", f"[agent]\nbroker = {address}\n")
        hub.run("loadsctl", "key", "add", self.name, "agent", key, self.name)
        hub.systemctl("reload", "loads-broker")


@pytest.fixture(scope="module")
def hosts(installed, sanitized, network):
    """box1, and box2 and box3, which have agents of its broker."""
    with contextlib.ExitStack() as stack:
        boxes = []
        for kind, name in ((Hub, "box1"), (Box, "box2"), (Box, "box3")):
            boxes.append(kind(name, [installed], network, sanitized=sanitized))
            stack.callback(boxes[-1].halt)
        known = "".join(f"{box.address} {box.name}\n" for box in boxes)
        for box in boxes:
            box.write("/etc/hosts", f"127.0.0.1 localhost\n{known}")
        key = boxes[0].set_up()
        for box in boxes[1:]:
            box.join(boxes[0], key)
        yield boxes


@pytest.fixture
def targets(hosts, target_on, network):
    """One for each agent, on its own machine and with one URL: so both go on without a network."""
    yield [target_on(box, "--port", "9300") for box in hosts[1:]]
    for box in hosts[1:]:
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
    box1, box2, box3 = hosts
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
    box1, box2, box3 = hosts
    box2.systemctl("start", "loads-agent@1")
    box3.drop_in("loads-agent@.socket", "[Socket]\nListenStream=7783\n")
    box3.systemctl("start", "loads-agent@1.socket")
    box1.wait_until(lambda: box1.agents() == {"box2-1"}, "who is there?")
    run_id = box1.submit(f"{targets[0].url}/any", "-a", "2", "--hits", "5")
    assert box1.wait_for_end(run_id)["outcome"] == "passed"
    assert box1.summary(run_id)["hits"] == answers(targets) == 10
    assert box3.is_active("loads-agent@1")


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
    box1, box2, _ = hosts
    moved(box2, "/etc/loads", "/etc/loads.away")
    box2.run(*MASKED, "loadsctl", "trust", "tcp://box1:7780", "--yes", "--file", KNOWN)
    assert box2.path(KNOWN).read_text() == f"tcp://box1:7780 {box1.ask('ping')['public_key']}\n"
    modes = [box2.path(path).stat().st_mode & 0o777 for path in ("/etc/loads", KNOWN)]
    assert modes == [0o755, 0o644]
    ada = {"user": "loads-run", "environment": {"HOME": "/tmp/ada"}}
    ask = ["loadsctl", "ping", "--broker", "tcp://box1:7780"]
    box2.run("install", "--directory", "--owner=loads-run", "/tmp/ada")
    made = box2.run("loadsctl", "keygen", "ada", "--json", **ada)
    box1.run("loadsctl", "key", "add", "ada", "observe", json.loads(made.stdout)["public_key"])
    box1.systemctl("reload", "loads-broker")
    assert "Its public key is" in box2.run(*ask, **ada).stdout
    box2.run("loadsctl", "trust", "tcp://box1:7780", box1.keygen("other", "/root/other.key"), **ada)
    refused = box2.run(*ask, **ada, code=3)
    assert "doesn't have the key that is known of the broker there" in refused.stderr


def test_a_broker_that_a_credential_names(hosts, moved):
    """The same for services alone."""
    box1, _, box3 = hosts
    moved(box3, KNOWN, "/etc/credstore/loads.known_brokers")
    assert "box3-1" not in box1.agents()
    box3.systemctl("start", "loads-agent@1")
    box1.wait_until(lambda: "box3-1" in box1.agents(), "the agent did not come")
    box3.systemctl("stop", "loads.target")


def test_without_a_key(hosts):
    """The agent's is for the agent: who else is on that machine needs one of their own."""
    box1, box2, box3 = hosts
    for user in ("root", "loads-run"):
        refused = box2.run("loadsctl", "ping", "--broker", "tcp://box1:7780", user=user, code=2)
        assert "wants a key, and there is none" in refused.stderr
    assert "Permission denied" in box3.run("cat", "/etc/credstore/loads-agent.key", user="loads-agent",
                                           code=1).stderr
