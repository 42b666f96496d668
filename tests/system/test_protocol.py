# SPDX-License-Identifier: MPL-2.0
"""docs/protocol.md against a real broker: its examples, in its order, and a client that was written from
that page alone."""

import base64
import io
import json
import re
import tarfile
import uuid
import zipfile

import pytest
import zmq

import intervals
from conftest import ROOT
from runner import END_SECONDS, wait_until

PAGE = (ROOT / "docs/protocol.md").read_text()
BLOCK = re.compile(r"^(?:#+ ([^\n]*)|```json (\w+)(?: (\w+))?\n(.*?)^```)$", re.MULTILINE | re.DOTALL)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
RUN_ID = "6b0f7d5c-0c5e-4c52-9d8e-5a3c2a1f0e11"

MODULE = """\
#include <loads/loads.h>
#include <stdio.h>

LOADS_TEST(Suite, test)
{
    loads_get(user, "/any/page");
    printf("hello from %d\\n", loads_user_number(user));
    fflush(stdout);
}
"""


class Refused(Exception):
    def __init__(self, text, code):
        super().__init__(text)
        self.text, self.code = text, code


class Client:
    """A client as docs/protocol.md describes one."""

    def __init__(self, cluster):
        self.address, self.context = cluster.address("frontend"), cluster.context

    def ask_raw(self, *frames, msec=END_SECONDS * 1000):
        """The answer to frames, as an object."""
        with self.context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(self.address)
            socket.send_multipart(frames)
            assert socket.poll(msec), f"no answer to {frames[0][:200]}"
            answer = socket.recv_multipart()
        assert len(answer) == 1
        return json.loads(answer[0])

    def ask(self, command, archive=None, **keys):
        """The result, or Refused."""
        request = json.dumps({"command": command, **keys}).encode()
        answer = self.ask_raw(request, *([archive] if archive is not None else []))
        if "error" in answer:
            assert set(answer) == {"error", "code"} and answer["error"], answer
            raise Refused(answer["error"], answer["code"])
        return answer["result"]

    def subscribe(self, run_id):
        """A socket that hears of a run, whose connection is there."""
        socket = self.context.socket(zmq.SUB)
        socket.linger = 0
        socket.subscribe(run_id)
        socket.subscribe("loads")
        socket.connect(self.ask("PING")["endpoints"]["publisher"])
        assert socket.poll(END_SECONDS * 1000)
        assert socket.recv_multipart() == [b"loads"]
        return socket

    def listen(self, socket, until="run-finished"):
        """Messages up to the first of that type."""
        messages = []
        while not messages or messages[-1]["data_type"] != until:
            assert socket.poll(END_SECONDS * 1000), messages
            frames = socket.recv_multipart()
            assert len(frames) == 2
            messages.append(json.loads(frames[1]))
            assert messages[-1]["run_id"] == frames[0].decode()
        return messages

    def wait_for_end(self, run_id):
        """Its snapshot when it is over."""
        def over():
            snapshot = self.ask("CTRL_SNAPSHOT", run_id=run_id)
            return snapshot if snapshot["run"]["state"] in ("finished", "failed", "aborted") else None

        return wait_until(over, f"{run_id} isn't over")


class Example:
    def __init__(self, section, request):
        self.section, self.request, self.answers = section, request, {}

    def __repr__(self):
        return f"{self.section}: {self.request}"


def read_page():
    """Its examples, and its messages."""
    examples, messages, section = [], [], ""
    for title, kind, variant, text in BLOCK.findall(PAGE):
        if title:
            section = title
        elif kind == "request":
            examples.append(Example(section, text))
        elif kind == "answer":
            examples[-1].answers[variant or "none"] = text
        elif kind == "message":
            messages.append(json.loads(text))
    return examples, messages


EXAMPLES, MESSAGES = read_page()


def differences(example, actual, place="answer"):
    """Where an answer hasn't the form of its example."""
    if isinstance(example, dict) and isinstance(actual, dict):
        if example and all(key.isdigit() for key in example):  # by pid: any
            form, = example.values()
            return [found for key, value in actual.items() for found in differences(form, value, f"{place}.{key}")]
        missing = [f"{place}.{key} is missing" for key in example if key not in actual]
        return missing + [found for key in example if key in actual
                          for found in differences(example[key], actual[key], f"{place}.{key}")]
    if isinstance(example, list) and isinstance(actual, list):
        if len({type(item) for item in example}) > 1:
            if len(actual) != len(example):
                return [f"{place} has {len(actual)} items"]
            return [found for pair in zip(example, actual) for found in differences(*pair, f"{place}[]")]
        return [found for item in actual if example for found in differences(example[0], item, f"{place}[]")]
    if isinstance(example, float) and type(actual) in (int, float):
        return []
    if type(example) is not type(actual):
        return [f"{place} is {actual!r}, not like {example!r}"]
    if isinstance(example, str) and DATE.fullmatch(example) and not DATE.fullmatch(actual):
        return [f"{place} is no date: {actual}"]
    return []


class Scene:
    """A broker with a run that is over and one that is on, each on an agent of its own."""

    def __init__(self, client, variant, url, hold_url):
        self.client, self.variant, self.url = client, variant, url
        over = self.run({"fqn": url, "users": "2:3", "hits": 2, "tag": "branch=main"},
                        save_hits=variant == "database")
        self.client.wait_for_end(over["run_id"])
        self.over, self.over_agent = over["run_id"], over["agents"][0]
        on = self.run({"fqn": hold_url, "duration": 3600, "grace": 0})
        self.on, self.on_agent = on["run_id"], on["agents"][0]
        self.socket = self.client.subscribe(self.on)
        while self.client.ask("CTRL_SNAPSHOT", run_id=self.on)["run"]["state"] != "running":
            assert self.socket.poll(60000) and self.socket.recv_multipart()

    def run(self, args, **keys):
        return self.client.ask("CTRL_RUN", agents=1, args=args, **keys)

    def answer_to(self, example):
        """What the page says, and what is."""
        expected = example.answers.get(self.variant, example.answers["none"])
        return json.loads(self.fill(example, expected)), answer_of(self, example)

    def fill(self, example, text):
        """What the page calls something is called otherwise here."""
        is_on = example.section in ("CTRL_AGENT_STATUS", "CTRL_LIST_RUNS")
        run_id = self.on if is_on else self.over
        agent = self.on_agent if is_on else self.over_agent
        text = text.replace(RUN_ID, run_id).replace(RUN_ID[:8], run_id[:8]).replace("box1-1", agent)
        return text.replace("http://127.0.0.1:8000/any/page", self.url)


@pytest.fixture
def with_agents(cluster):
    """with_agents(count): a Client of a broker with so many."""

    def start(count):
        for _ in range(count):
            cluster.start_agent()
        return Client(cluster)

    return start


@pytest.fixture(params=["none", "database"])
def scene(request, target, gate):
    """The Scene, of a broker without and with a database; what is on waits for an answer."""
    cluster = request.getfixturevalue("two_agents" if request.param == "none" else "stored")
    made = Scene(Client(cluster), request.param, target.url + "/any/page", gate.url)
    yield made
    made.socket.close()
    gate.open()
    made.client.ask("CTRL_STOP_RUN", run_id=made.on, grace_usec=0)


def answer_of(scene, example):
    return scene.client.ask_raw(scene.fill(example, example.request).encode())


def test_examples(scene):
    """All of them, in their order: the last one deletes the run."""
    wrong = []
    for example in EXAMPLES:
        if example.section == "CTRL_RUN" and '"request_id"' in example.request:
            continue  # no third agent: it is tried below
        expected, actual = scene.answer_to(example)
        if example.section == "CTRL_RUNS":  # the other one has no end yet
            actual["result"] = [run for run in actual["result"] if run["run_id"] == scene.over]
        found = differences(expected, actual)
        if "code" in expected and expected["code"] != actual.get("code"):
            found.append(f"code is {actual.get('code')}")
        wrong += [f"{example}\n    {one}\n" for one in found]
    assert len(EXAMPLES) > 20
    assert not wrong, "\n".join(wrong)


def test_example_of_a_run(with_agents, target):
    """The example of CTRL_RUN, its answer, and the messages of the run."""
    client = with_agents(1)
    example, = (one for one in EXAMPLES if '"request_id"' in one.request)
    request = json.loads(example.request.replace("http://127.0.0.1:8000", target.url))
    answer = client.ask_raw(json.dumps(request).encode())
    assert differences(json.loads(example.answers["none"]), answer) == []
    run_id = answer["result"]["run_id"]
    again = client.ask_raw(json.dumps(request).encode())["result"]
    assert (again["run_id"], again["agents"]) == (run_id, answer["result"]["agents"])
    snapshot = client.wait_for_end(run_id)
    assert snapshot["run"]["spec"]["tags"] == ["branch=main"]
    assert len(client.ask("CTRL_RUNS")) == 1
    counts = client.ask("CTRL_GET_COUNTS", run_id=run_id)
    assert counts["add_hit"] == counts["addSuccess"] == 10


def test_messages_of_a_run(with_agents, gate):
    client = with_agents(1)
    run = client.ask("CTRL_RUN", agents=1, args={"fqn": gate.url, "users": 2, "hits": 2})
    socket = client.subscribe(run["run_id"])
    gate.wait_for(2)
    gate.open()
    messages = client.listen(socket)
    socket.close()
    by_type = {message["data_type"]: message for message in MESSAGES}
    assert set(by_type) == {"live", "run-finished"}
    for message in messages:
        assert differences(by_type[message["data_type"]], message) == []
    numbers = [message["number"] for message in messages if message["data_type"] == "live"]
    assert numbers == sorted(set(numbers))
    assert messages[-1]["outcome"] == "passed"


# ---- a client that does all of it ------------------------------------------------------------


def pack_tar(files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return data.getvalue()


def pack_zip(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


@pytest.mark.parametrize("way", ["frame", "filedata"])
def test_every_command(with_agents, cluster, target, way):
    client = with_agents(2)
    agents = client.ask("LIST")
    assert client.ask("PING")["agents"].keys() == agents.keys()
    assert {agent["state"] for agent in agents.values()} == {"free"}

    files = {"path/module.c": MODULE}
    sent = {"filedata": base64.b64encode(pack_zip(files)).decode()} if way == "filedata" else {}
    run = client.ask("CTRL_RUN", pack_tar(files) if way == "frame" else None, agents=2,
                     request_id=str(uuid.uuid4()), on_agent_loss="abort", queue=False,
                     args={"fqn": "path.module.Suite.test", "users": [1, 2], "hits": 3, "workers": 1,
                           "server_url": target.url, "user_id": "me", "project_name": "tests"}, **sent)
    run_id, prefix = run["run_id"], run["run_id"][:13]
    assert sorted(run["agents"]) == sorted(agents)
    snapshot = client.wait_for_end(prefix)
    assert snapshot["run"]["outcome"] == "passed", snapshot["run"]

    hits = 2 * (1 + 2) * 3
    interval = intervals.decode(base64.b64decode(snapshot["totals"]))
    names = {tuple(name[:2]): name[2] for name in snapshot["names"]}
    (series, counted), = interval["series"].items()
    assert counted["hits"] == hits and counted["errors"] == 0
    assert names[1, series].split("\x1f") == ["Suite.test", target.url + "/any/page", "GET", "200"]
    assert interval["tests"] == {1: [hits, 0, 0, 0]} and names[0, 1] == "Suite.test"
    assert target.counts()["paths"]["/any/page"]["answers"] == hits

    assert client.ask("CTRL_GET_COUNTS", run_id=prefix) == {
        "add_hit": hits, "startTest": hits, "stopTest": hits, "addSuccess": hits, "addFailure": 0, "addError": 0}
    assert client.ask("CTRL_GET_URLS", run_id=prefix) == {target.url + "/any/page": hits}
    metadata = client.ask("CTRL_GET_METADATA", run_id=prefix)
    assert metadata["active"] is False and metadata["options"]["user_id"] == "me"
    assert client.ask("CTRL_LIST_RUNS") == {}
    listed, = client.ask("CTRL_RUNS")
    assert listed["run_id"] == run_id and listed["project"] == "tests"
    logs = client.ask("CTRL_LOGS", run_id=prefix)
    text = "".join(log["text"] for log in logs if log["worker"] >= 0)
    assert sorted(set(re.findall(r"hello from (\d+)", text))) == ["0", "1", "2", "3"]
    one = client.ask("CTRL_LOGS", run_id=prefix, agent_id=run["agents"][0])
    assert {log["agent_id"] for log in one} == {run["agents"][0]}
    assert client.ask("CTRL_DETACH_RUN", run_id=prefix) == {"run_id": run_id}
    assert client.ask("CTRL_STOP_RUN", run_id=prefix) == []
    assert client.ask("CTRL_AGENT_STATUS", agent_id=run["agents"][0]) == {}
    with pytest.raises(Refused) as refused:
        client.ask("CTRL_GET_DATA", run_id=prefix)
    assert refused.value.code == "database"
    assert client.ask("CTRL_DELETE_RUN", run_id=prefix) == {"run_id": run_id}
    with pytest.raises(Refused) as refused:
        client.ask("CTRL_SNAPSHOT", run_id=run_id)
    assert refused.value.code == "unknown-run"
    leaving = run["agents"][0]
    assert client.ask("CTRL_AGENT_STOP", agent_id=leaving) == {"agent_id": leaving}
    stopped, = (agent for agent in cluster.agents if agent.pid == agents[leaving]["pid"])
    assert stopped.process.wait(60) == 0
    wait_until(lambda: leaving not in client.ask("LIST"), "it is still listed")


def test_stopping_and_what_is_on(with_agents, gate):
    client = with_agents(1)
    run = client.ask("CTRL_RUN", agents=1, args={"url": gate.url, "users": 3, "duration": "1h", "workers": 1})
    agent, = run["agents"]
    socket = client.subscribe(run["run_id"])
    gate.wait_for(3)
    started, = client.ask("CTRL_LIST_RUNS")[run["run_id"]]
    assert started[0] == agent
    assert client.ask("LIST")[agent]["state"] == "busy"
    (pid, worker), = client.ask("CTRL_AGENT_STATUS", agent_id=agent).items()
    assert str(worker["pid"]) == pid and worker["users"] == 3 and worker["run_id"] == run["run_id"]
    with pytest.raises(Refused) as refused:
        client.ask("CTRL_DELETE_RUN", run_id=run["run_id"])
    assert refused.value.code == "active-run"
    with pytest.raises(Refused) as refused:
        client.ask("CTRL_RUN", agents=1, args={"url": gate.url})
    assert refused.value.code == "no-agents" and "1" in refused.value.text
    queued = client.ask("CTRL_RUN", agents=1, queue=True, args={"url": gate.url, "users": 1})
    assert queued["state"] == "queued" and queued["agents"] == []
    assert client.ask("CTRL_LIST_RUNS")[queued["run_id"]] == []
    assert client.ask("CTRL_STOP_RUN", run_id=run["run_id"], grace_usec=0) == [agent]
    ended = client.listen(socket)[-1]
    assert (ended["state"], ended["outcome"]) == ("aborted", "aborted"), client.ask("CTRL_SNAPSHOT", run_id=run["run_id"])["run"]
    socket.close()
    gate.open()
    assert client.wait_for_end(queued["run_id"])["run"]["agents"] == [agent]


def test_chosen_agents(with_agents, target):
    client = with_agents(3)
    wanted = sorted(client.ask("LIST"))[1:]
    run = client.ask("CTRL_RUN", agents=wanted, args={"url": target.url + "/any"})
    assert sorted(run["agents"]) == wanted
    client.wait_for_end(run["run_id"])


# ---- what bad input gets -------------------------------------------------------------------------

GOOD = {"url": "http://127.0.0.1:1/"}


BAD = [
    (b"", "bad-request"), (b"{", "bad-request"), (b"[]", "bad-request"), (b"7", "bad-request"),
    (b"null", "bad-request"), (b'{"command": "PING", "command": "LIST"}', "bad-request"),
    (b'{"command": "\xff"}', "bad-request"), (b'{"command": "PING"} x', "bad-request"),
    (b"[" * 100000, "bad-request"), (b'{"command":' + b'{"a":' * 5000 + b"1" + b"}" * 5001, "bad-request"),
    (b'{"command": "PING", "x": "' + b"y" * (2 << 20) + b'"}', "bad-request"),
    ({}, "bad-request"), ({"command": None}, "bad-request"), ({"command": 1}, "bad-request"),
    ({"command": ["PING"]}, "bad-request"), ({"command": "ping"}, "unknown-command"),
    ({"command": "CTRL_FLY"}, "unknown-command"), ({"command": ""}, "unknown-command"),
    ({"command": "CTRL_SNAPSHOT"}, "bad-request"), ({"command": "CTRL_SNAPSHOT", "run_id": 5}, "bad-request"),
    ({"command": "CTRL_SNAPSHOT", "run_id": ""}, "unknown-run"),
    ({"command": "CTRL_SNAPSHOT", "run_id": "zz"}, "unknown-run"),
    ({"command": "CTRL_AGENT_STATUS"}, "bad-request"),
    ({"command": "CTRL_AGENT_STATUS", "agent_id": {}}, "bad-request"),
    ({"command": "CTRL_AGENT_STATUS", "agent_id": "nobody"}, "unknown-agent"),
    ({"command": "CTRL_RUNS", "limit": "many"}, "bad-request"),
    ({"command": "CTRL_RUNS", "limit": -1}, "bad-request"),
    ({"command": "CTRL_RUNS", "active": "yes"}, "bad-request"),
    ({"command": "CTRL_RUN"}, "bad-request"),
    ({"command": "CTRL_RUN", "agents": 1}, "bad-request"),
    ({"command": "CTRL_RUN", "agents": 1, "args": []}, "bad-request"),
    ({"command": "CTRL_RUN", "agents": "one", "args": GOOD}, "bad-request"),
    ({"command": "CTRL_RUN", "agents": 0, "args": GOOD}, "usage"),
    ({"command": "CTRL_RUN", "agents": -1, "args": GOOD}, "usage"),
    ({"command": "CTRL_RUN", "agents": 10**9, "args": GOOD}, "usage"),
    ({"command": "CTRL_RUN", "agents": [], "args": GOOD}, "usage"),
    ({"command": "CTRL_RUN", "agents": [1], "args": GOOD}, "bad-request"),
    ({"command": "CTRL_RUN", "agents": 1, "args": GOOD, "request_id": "x"}, "bad-request"),
    ({"command": "CTRL_RUN", "agents": 1, "args": GOOD, "queue": 1}, "bad-request"),
    ({"command": "CTRL_RUN", "agents": 1, "args": GOOD, "on_agent_loss": "cry"}, "usage"),
    ({"command": "CTRL_RUN", "agents": 1, "args": GOOD, "filedata": "%"}, "bad-request"),
    ({"command": "CTRL_RUN", "agents": 1, "args": {}}, "usage"),
    ({"command": "CTRL_RUN", "agents": 1, "args": {**GOOD, "users": "many"}}, "usage"),
    ({"command": "CTRL_RUN", "agents": 1, "args": {**GOOD, "users": 0}}, "usage"),
    ({"command": "CTRL_RUN", "agents": 1, "args": {**GOOD, "hits": 1, "duration": 1}}, "usage"),
    ({"command": "CTRL_RUN", "agents": 1, "args": {**GOOD, "observer": "nosuch"}}, "usage"),
    ({"command": "CTRL_RUN", "agents": 1, "args": {**GOOD, "stack_size": "1"}}, "usage"),
    ({"command": "CTRL_RUN", "agents": 1, "args": {**GOOD, "test_dir": "here"}}, "usage"),
    ({"command": "CTRL_RUN", "agents": 1, "args": {**GOOD, "insecure": 1}}, "usage"),
    ({"command": "CTRL_RUN", "agents": 1, "args": {"fqn": "x"}}, "usage"),
    ({"command": "CTRL_RUN", "agents": 1, "args": {"url": "ftp://x/"}}, "usage"),
]


def test_bad_requests(cluster):
    client, wrong = Client(cluster), []
    for request, code in BAD:
        text = request if isinstance(request, bytes) else json.dumps(request).encode()
        answer = client.ask_raw(text)
        if set(answer) != {"error", "code"} or not answer["error"] or answer["code"] != code:
            wrong.append((text[:200], code, answer))
        assert client.ask("PING")["pid"] == cluster.broker.pid
    assert wrong == []


def test_a_message_that_is_too_large_closes_the_peer(cluster):
    with cluster.context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(cluster.address("frontend"))
        socket.send(b"x" * (100 << 20))
        assert cluster.result("PING")["pid"]
        assert not socket.poll(1000)


def test_frames_that_make_no_request(cluster):
    """A DEALER may send anything: others are served all the same."""
    with cluster.context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(cluster.address("frontend"))
        for frames in ([b""], [b"x"], [b"", b""], [b"x", b'{"command": "PING"}'], [b"", b"{}", b"a", b"b"],
                       [b""] * 20):
            socket.send_multipart(frames)
        socket.send_multipart([b"", b'{"command": "PING"}'])
        answers = []
        while not answers or "result" not in answers[-1]:
            assert socket.poll(60000), answers
            frames = socket.recv_multipart()
            answers.append(json.loads(frames[-1]))
    assert all(answer["code"] == "bad-request" for answer in answers[:-1])
