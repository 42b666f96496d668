# SPDX-License-Identifier: MPL-2.0
"""Agents that the broker wakes, since a run needs more of them than are there."""

import json
import pathlib
import signal
import socket
import tempfile
import threading

import pytest
import zmq

from cluster import Cluster, kill
from postgres import Lock
from runner import wait_until

# As systemd with a socket unit: listens, and becomes the agent when somebody connects.
HOLDER = """
import os, select, socket, sys

path, *command = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
print("listening", flush=True)
select.select([listener], [], [])
os.dup2(listener.detach(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="control")
os.execv(command[0], command)
"""

# The same again and again, as systemd does when the agent has ended: what it says of each is a line.
KEEPER = """
import os, select, signal, socket, sys

path, *command = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
print("listening", flush=True)
agent = 0

def end(*_):
    if agent:
        os.kill(agent, signal.SIGKILL)
        os.waitpid(agent, 0)
    os._exit(0)

signal.signal(signal.SIGTERM, end)
while True:
    select.select([listener], [], [])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    agent = os.fork()
    if agent == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.dup2(listener.detach(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="control")
        os.execv(command[0], command)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    code = os.waitstatus_to_exitcode(os.waitpid(agent, 0)[1])
    agent = 0
    print("ended", code, flush=True)
"""

URL = "http://127.0.0.1:9/"


class Sleepy(Cluster):
    """One with agents that don't run until they are called."""

    def add_sleeper(self, name, *arguments, instance=None, holder=HOLDER):
        """The process that is going to be the agent of that name, with a socket called `name`."""
        path = self.address(name).removeprefix("ipc://")
        command = [self.program("loads-agent"), "--instance", instance or name, *arguments]
        server = self.start(["/usr/bin/python3", "-c", holder, path, *command], env=self.environment)
        assert server.read_line() == "listening"
        return server


@pytest.fixture
def asleep(start, program, module_cache):
    """asleep(names…): a cluster whose broker knows where these agents can be called."""
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder:
        made = Sleepy(start, program, module_cache, pathlib.Path(folder))

        def start_it(*names):
            made.start_broker(*[f"--agents={made.address(name)}" for name in names])
            return made

        yield start_it
        made.close()


def instances(cluster):
    return sorted(agent_id.rpartition("-")[2] for agent_id in cluster.result("LIST"))


def test_a_run_wakes_agents(asleep, target):
    """One is there, two are asleep, a run wants three: it gets them, in one request."""
    cluster = asleep("one", "two")
    cluster.start_agent("--instance", "here")
    sleeping = [cluster.add_sleeper(name) for name in ("one", "two")]
    assert instances(cluster) == ["here"]
    run_id = cluster.submit(f"{target.url}/any", "-a", 3, "--hits", 2)
    assert cluster.wait_for_state(run_id, "finished", "failed", "aborted")["outcome"] == "passed"
    assert target.counts()["answers"] == 6
    assert instances(cluster) == ["here", "one", "two"]
    pids = {agent["pid"] for agent in cluster.result("LIST").values()}
    assert {server.pid for server in sleeping} < pids
    assert "no agent answers" not in cluster.broker.stderr()


def test_sockets_beside_the_brokers_are_found(asleep, target):
    """Nobody has told the broker of them; what is left of a dead one holds nobody up."""
    cluster = asleep()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(cluster.address("agent-0").removeprefix("ipc://"))
    cluster.add_sleeper("agent-1", instance="1"), cluster.add_sleeper("agent-2", instance="2")
    run_id = cluster.submit(f"{target.url}/any", "-a", 2)
    assert cluster.wait_for_state(run_id, "finished", "failed", "aborted")["outcome"] == "passed"
    assert instances(cluster) == ["1", "2"]
    assert target.counts()["answers"] == 2
    answer = cluster.ask("CTRL_RUN", agents=3, args={"fqn": URL})
    assert answer == {"error": "the run asks for 3 agents, 2 of 2 are free", "code": "no-agents"}


def test_one_that_is_enough_wakes_nobody(asleep, target):
    cluster = asleep("one")
    cluster.start_agent("--instance", "here")
    sleeping = cluster.add_sleeper("one")
    run_id = cluster.submit(f"{target.url}/any")
    cluster.wait_for_state(run_id, "finished")
    assert instances(cluster) == ["here"]
    sleeping.expected_code = -signal.SIGTERM  # it still is no agent


def test_one_that_leaves_when_idle_is_woken_again(asleep, target):
    """As often as it takes; the next run comes while it ends, and it isn't lost."""
    cluster = asleep("one")
    keeper = cluster.add_sleeper("one", "--idle-exit", "1s", holder=KEEPER)
    pids = set()
    for number in range(1, 6):
        run_id = cluster.submit(f"{target.url}/any", "--hits", 2)
        run = cluster.wait_for_state(run_id, "finished", "failed", "aborted")
        assert run["outcome"] == "passed", cluster.broker.stderr()
        pids |= {agent["pid"] for agent in cluster.result("LIST").values()}
        wait_until(lambda: cluster.broker.stderr().count("has left") == number, "it did not leave")
    assert instances(cluster) == [] and len(pids) == 5
    for _ in range(5):
        assert keeper.read_line() == "ended 0"
    assert "no agent answers" not in cluster.broker.stderr()


def test_a_run_that_has_an_agent_which_leaves(new_cluster, database, target):
    """It is stored slowly, and meanwhile its agent has waited long enough: it makes the run first."""
    database.migrate()
    cluster = new_cluster(database)
    agent = cluster.start_agent("--idle-exit", "1s")
    lock = Lock(database, "loads.runs")
    submitted = []
    submit = threading.Thread(target=lambda: submitted.append(cluster.submit(f"{target.url}/any")))
    submit.start()
    wait_until(lambda: "takes no more runs after run" in cluster.broker.stderr(), "it did not want to leave")
    lock.release()
    submit.join()
    assert cluster.wait_for_state(submitted[0], "finished", "failed", "aborted")["outcome"] == "passed"
    assert agent.process.wait(30) == 0
    wait_until(lambda: "has left" in cluster.broker.stderr(), "it is still there")


def test_a_run_that_is_queued_wakes_agents(asleep, target):
    cluster = asleep("one")
    cluster.add_sleeper("one")
    run_id = cluster.submit(f"{target.url}/any", "--queue")
    assert cluster.wait_for_state(run_id, "finished", "failed", "aborted")["outcome"] == "passed"
    assert instances(cluster) == ["one"]


def test_one_that_lost_the_broker(asleep, target):
    """It runs, and waits for its next try: woken it is there at once. And it is not the broker that
    has to remember whom it knew."""
    cluster = asleep("agent-here")
    agent = cluster.start_agent("--instance", "here")
    kill(cluster.broker)
    wait_until(lambda: "does not answer any more" in agent.stderr(), "the agent noticed nothing")
    cluster.start_broker("--agents", cluster.address("agent-here"))
    run_id = cluster.submit(f"{target.url}/any")
    assert cluster.wait_for_state(run_id, "finished", "failed", "aborted")["outcome"] == "passed"


def test_nobody_answers(asleep, target):
    """The run is refused with the numbers and those that did not come; it is logged once. Meanwhile
    others are answered, and get what is free."""
    cluster = asleep("one", "nobody", "strange")
    cluster.start_agent()
    cluster.add_sleeper("one")
    with cluster.context.socket(zmq.ROUTER) as strange:
        strange.linger = 0
        strange.bind(cluster.address("strange"))
        answers = []
        request = {"agents": 4, "args": {"fqn": f"{target.url}/any"}}
        asking = threading.Thread(target=lambda: answers.append(cluster.ask("CTRL_RUN", **request)))
        asking.start()
        identity, empty, call = strange.recv_multipart()
        assert json.loads(call) == {"command": "WAKE"}
        strange.send_multipart([identity, empty, b"[]"])
        assert instances(cluster)  # it answers, though a request waits
        run_id = cluster.submit(f"{target.url}/any")
        assert cluster.wait_for_state(run_id, "finished")["outcome"] == "passed"
        asking.join()
    (answer,) = answers
    assert answer["code"] == "no-agents"
    assert answer["error"] == (
        "the run asks for 4 agents, 2 of 2 are free; "
        f"no agent answers at {cluster.address('nobody')}; "
        f"no agent is what answers at {cluster.address('strange')}")
    assert cluster.ask("CTRL_RUN", **request)["code"] == "no-agents"
    said = cluster.broker.stderr()
    assert said.count(f"no agent answers at {cluster.address('nobody')}") == 1, said
    assert cluster.result("CTRL_RUNS")[0]["run_id"] == run_id
    assert len(cluster.result("CTRL_RUNS")) == 1


def test_more_than_there_can_be(asleep):
    """Nobody is woken, and nobody waits, for a run that would not get enough all the same."""
    cluster = asleep("one")
    sleeping = cluster.add_sleeper("one")
    answer = cluster.ask("CTRL_RUN", agents=2, args={"fqn": URL})
    assert answer == {"error": "the run asks for 2 agents, 0 of 0 are free", "code": "no-agents"}
    sleeping.expected_code = -signal.SIGTERM


def test_a_client_that_asks_again(asleep, target):
    """Its request waits already: it is one run, and who asked last has the answer."""
    cluster = asleep("one")
    request = json.dumps({"command": "CTRL_RUN", "agents": 1, "args": {"fqn": f"{target.url}/any"},
                          "request_id": "0d9b6a3e-63b4-4d3e-8a55-1b9f0c2d7e44"}).encode()
    with cluster.context.socket(zmq.DEALER) as first, cluster.context.socket(zmq.DEALER) as second:
        first.linger = second.linger = 0
        for client in (first, second):
            client.connect(cluster.address("frontend"))
            client.send_multipart([b"", request])
            client.send_multipart([b"", b'{"command": "LIST"}'])
            assert json.loads(client.recv_multipart()[1]) == {"result": {}}  # it was taken before
        cluster.add_sleeper("one")
        run_id = json.loads(second.recv_multipart()[1])["result"]["run_id"]
        cluster.wait_for_state(run_id, "finished")
        assert not first.poll(0)
    assert len(cluster.result("CTRL_RUNS")) == 1


def test_addresses_are_read_again(asleep, target, tmp_path):
    """SIGHUP: what is configured now is woken."""
    cluster = asleep()
    cluster.add_sleeper("one")
    assert cluster.ask("CTRL_RUN", agents=1, args={"fqn": URL})["code"] == "no-agents"
    cluster.broker.stop()
    path = tmp_path / "broker.conf"
    path.write_text("[broker]\n")
    cluster.start_broker("--config", str(path))
    path.write_text(f"[broker]\nagents = {cluster.address('one')}\n  {cluster.address('two')}\n")
    cluster.broker.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "was read again" in cluster.broker.stderr(), "it did not read it again")
    assert cluster.result("PING")["options"]["agents"].split() == [cluster.address("one"),
                                                                      cluster.address("two")]
    run_id = cluster.submit(f"{target.url}/any")
    assert cluster.wait_for_state(run_id, "finished")["outcome"] == "passed"


def test_too_many_addresses(cluster):
    said = cluster.run("loads-broker", *[f"--agents=tcp://127.0.0.1:{n}" for n in range(1, 502)],
                       code=2).stderr
    assert "agents: there are 501 addresses, of 500 at most" in said


def test_a_socket_of_another_name(cluster, start):
    """What the agent has no use for is not closed silently."""
    holder = HOLDER.replace('"control"', '"frontend"')
    path = f"{cluster.folder}/x.sock"
    server = start(["/usr/bin/python3", "-c", holder, path, cluster.program("loads-agent")],
                   env=cluster.environment)
    assert server.read_line() == "listening"
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)
        assert server.process.wait(30) == 1
    server.expected_code = 1
    assert "a socket called 'frontend' was passed in" in server.stderr()
