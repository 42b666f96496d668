# SPDX-License-Identifier: MPL-2.0
"""Agents in tests: starting them, and a broker that does what a test says.

The broker answers what has one answer only (PING, registrations, heartbeats, results), unless it is told
not to, and keeps all that it hears. It does so while a test waits for something from it.
"""

import collections
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import uuid

import zmq

from runner import MARK, SANITIZER, processes_with, wait_until

SECONDS = 120
OUTCOMES = ["success", "failure", "error", "interrupted"]
TEST, SERIES, ERROR, COUNTER = range(4)


def monotonic_usec():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


class Interval:
    """What interval_encode() (lib/metrics/interval_codec.c) made into bytes, by id."""

    def __init__(self, data):
        self.data = data
        self.at = 0
        assert self.number() == 2
        self.second, self.seconds = self.number(), self.number()
        self.hits, self.request_errors = {}, {}
        for series in self.ids():
            self.request_errors[series] = self.number()
            self.number(), self.number()  # bytes sent and received
            self.hits[series] = self.histogram()
        self.errors = {error: self.signed() for error in self.ids()}
        self.counters = {counter: self.signed() for counter in self.ids()}
        self.tests = {test: [self.number() for _ in OUTCOMES] for test in self.ids()}
        self.timers = {timer: (self.number(), self.histogram()) for timer in self.ids()}  # errors, times
        assert self.at == len(data)

    def number(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self):
        value = self.number()
        return (value >> 1) ^ -(value & 1)

    def ids(self):
        next_id = 0
        for _ in range(self.number()):
            next_id += self.number()
            yield next_id
            next_id += 1

    def histogram(self):
        buckets = self.number()
        if buckets == 0:
            return 0
        self.number(), self.number(), self.number()  # min, max, sum
        hits = self.number() + 1
        for _ in range(buckets - 1):
            self.number()
            hits += self.number() + 1
        return hits


class Message(dict):
    """What an agent said: its JSON, `payload`, and whom to answer to (`socket`, `peer`)."""

    def __init__(self, socket, frames):
        super().__init__(json.loads(frames[1]))
        self.socket, self.peer = socket, frames[0]
        self.payload = frames[2] if len(frames) > 2 else None


class Broker:
    """shift_usec: how far its clock is from the machine's."""

    def __init__(self, folder, shift_usec=0):
        self.folder = folder
        self.shift_usec = shift_usec
        self.heartbeat_usec = 1000000
        self.context = zmq.Context()
        self.sockets = {}
        self.poller = zmq.Poller()
        self.heard = collections.deque()  # that no test has asked for yet
        self.agents = {}  # id: the last registration
        self.results = {}  # (run, source, seq): Message
        self.last_results = None
        self.received = collections.Counter()  # the same, how often
        self.names = {}  # (run, source, kind, id): text
        self.logs = collections.defaultdict(str)  # (run, worker): text
        self.answers = self.acknowledges = True
        self.heartbeats = 0
        self.lets_go = True  # who leaves is told that it may
        self.leaving = set()  # ids
        self.given = {}  # run: id of its agent, until it is dropped or failed
        self.refusal = None
        self.open()

    @property
    def address(self):
        return f"ipc://{self.folder}/frontend.sock"

    def open(self):
        for name in ("frontend", "backend", "receiver"):
            socket = self.context.socket(zmq.ROUTER)
            socket.linger = 0
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
            socket.bind(f"ipc://{self.folder}/{name}.sock")
            self.sockets[name] = socket
            self.poller.register(socket, zmq.POLLIN)

    def go_away(self):
        """As one that was killed: sockets are closed, and everybody is forgotten."""
        for socket in self.sockets.values():
            self.poller.unregister(socket)
            socket.close()
        self.sockets = {}
        self.agents = {}
        for name in ("frontend", "backend", "receiver"):
            pathlib.Path(f"{self.folder}/{name}.sock").unlink(missing_ok=True)

    def close(self):
        self.go_away()
        self.context.term()

    def now(self):
        return monotonic_usec() + self.shift_usec

    # ---- talking ---------------------------------------------------------------------------------

    def answer(self, message, payload=None, **keys):
        frames = [message.peer, json.dumps(keys).encode()]
        message.socket.send_multipart(frames + ([payload] if payload is not None else []))

    def tell(self, agent, kind, payload=None, **keys):
        self.answer(self.agents[agent.id], payload, type=kind, **keys)
        if kind == "prepare":
            self.given[keys["run_id"]] = agent.id
        elif kind == "drop":
            self.given.pop(keys["run_id"], None)
            self.let_go(agent.id)

    def let_go(self, agent_id):
        """Of one that leaves, unless it has a run."""
        if self.lets_go and agent_id in self.leaving and agent_id not in self.given.values():
            self.leaving.remove(agent_id)
            self.answer(self.agents.pop(agent_id), type="refused", reason="it has left")

    def tell_receiver(self, agent, run, kind, **keys):
        """To where the last results came from."""
        self.answer(self.last_results, type=kind, run_id=run.id, source=run.source, **keys)

    def on_frontend(self, frames):
        request = json.loads(frames[-1])
        assert request == {"command": "PING"}, request
        endpoints = {name: f"ipc://{self.folder}/{name}.sock" for name in self.sockets}
        answer = {"result": {"pid": os.getpid(), "endpoints": endpoints}}
        self.sockets["frontend"].send_multipart([*frames[:-1], json.dumps(answer).encode()])

    def on_register(self, message):
        if self.refusal:
            self.answer(message, type="refused", reason=self.refusal)
            return
        self.agents[message["agent_id"]] = message
        self.answer(
            message,
            type="registered",
            broker_pid=os.getpid(),
            heartbeat_usec=self.heartbeat_usec,
            echo_usec=message["now_usec"],
            now_usec=self.now(),
        )

    def on_heartbeat(self, message):
        self.heartbeats += 1
        if any(message.peer == agent.peer for agent in self.agents.values()):
            self.answer(message, type="beat", echo_usec=message["now_usec"], now_usec=self.now())
        else:
            self.answer(message, type="refused", reason="not registered")

    def on_leaving(self, message):
        agent_id = next((id for id, agent in self.agents.items() if agent.peer == message.peer), None)
        if agent_id:
            self.leaving.add(agent_id)
            self.let_go(agent_id)

    def on_results(self, message):
        run, source = message["run_id"], message["source"]
        for kind, number, text in message["names"]:
            assert self.names.setdefault((run, source, kind, number), text) == text
        key = (run, source, message["seq"])
        self.received[key] += 1
        if key in self.results:
            assert self.results[key].payload == message.payload, "a number's content changed"
        self.results[key] = self.last_results = message
        if self.acknowledges:
            self.answer(message, type="ack", run_id=run, source=source, seq=message["seq"])

    def take(self, name, frames):
        """One message; True if tests may want it."""
        if name == "frontend":
            if self.answers:
                self.on_frontend(frames)
            return
        message = Message(self.sockets[name], frames)
        kind = message["type"]
        assert (name == "receiver") == (kind in ("results", "log", "detail")), message
        if kind not in ("heartbeat", "results", "log"):
            self.heard.append(message)
        if kind == "log":
            self.logs[message["run_id"], message["worker"]] += message["text"]
        elif kind == "results":
            self.on_results(message)
        elif kind == "register" and self.answers:
            self.on_register(message)
        elif kind == "heartbeat" and self.answers:
            self.on_heartbeat(message)
        elif kind == "leaving" and self.answers:
            self.on_leaving(message)
        elif kind == "failed":
            self.given.pop(message["run_id"], None)

    def pump(self, msec=50):
        """Does what is to be done, waiting for some at most that long."""
        names = {socket: name for name, socket in self.sockets.items()}
        for socket, _ in self.poller.poll(msec):
            try:
                self.take(names[socket], socket.recv_multipart())
            except zmq.ZMQError as error:
                assert error.errno == zmq.EHOSTUNREACH  # whom we answered is gone

    def wait_until(self, condition, what="it"):
        deadline = time.monotonic() + SECONDS
        while not (result := condition()):
            assert time.monotonic() < deadline, f"{what} never came; heard: {list(self.heard)}"
            self.pump()
        return result

    def find(self, kind, **keys):
        for message in self.heard:
            if message["type"] == kind and keys.items() <= message.items():
                self.heard.remove(message)
                return message
        return None

    def wait(self, kind, **keys):
        """The first message of that type that nobody has waited for yet."""
        return self.wait_until(lambda: self.find(kind, **keys), f"{kind} {keys}")

    # ---- runs ------------------------------------------------------------------------------------

    def prepare(self, agent, run, agents=1, index=0):
        self.tell(
            agent, "prepare", run_id=run.id, source=run.source, agents=agents, agent_index=index,
            spec=run.spec, archive_bytes=len(run.archive), save_hits=False,
        )
        offset = 0
        while offset < len(run.archive):
            piece = run.archive[offset:offset + 262144]
            self.tell(agent, "archive", piece, run_id=run.id, offset=offset)
            offset += len(piece)
            assert self.wait("archive-got", run_id=run.id)["offset"] == offset

    def start(self, agent, run, cycle=0, after_usec=0):
        self.wait("ready", run_id=run.id, cycle=cycle)
        self.tell(agent, "start", run_id=run.id, cycle=cycle, start_usec=self.now() + after_usec)

    def wait_for_end(self, run):
        """Waits until it ended, and all of its results are here."""
        ended = self.wait("ended", run_id=run.id)
        self.wait_until(lambda: self.numbers(run) == list(range(1, ended["last_seq"] + 1)))
        return ended

    def numbers(self, run):
        return sorted(seq for id, source, seq in self.results if (id, source) == (run.id, run.source))

    def intervals(self, run):
        return [
            Interval(self.results[run.id, run.source, seq].payload) for seq in self.numbers(run)
        ]

    def name(self, run, kind, number):
        return self.names[run.id, run.source, kind, number]

    def hits(self, run):
        """By series, [test, name, method, status]."""
        sums = collections.Counter()
        for interval in self.intervals(run):
            for series, hits in interval.hits.items():
                sums[tuple(self.name(run, SERIES, series).split("\x1f"))] += hits
        return +sums

    def outcomes(self, run):
        sums = collections.Counter()
        for interval in self.intervals(run):
            for test, numbers in interval.tests.items():
                assert self.name(run, TEST, test)
                sums.update(dict(zip(OUTCOMES, numbers)))
        return {name: n for name, n in sums.items() if n}

    def errors(self, run):
        """Texts of the errors that were counted."""
        ids = {error for interval in self.intervals(run) for error in interval.errors}
        return [self.name(run, ERROR, error) for error in ids]


class Run:
    """A specification, with the source and the files that belong to it."""

    def __init__(self, archive=b"", source=0, **keys):
        self.id = str(uuid.uuid4())
        self.source = source
        self.archive = archive
        self.spec = {
            "run_id": self.id,
            "users": [1],
            "grace_usec": 5000000,
            "http_timeout_usec": 60000000,
            "stack_size_bytes": 262144,
            "insecure": False,
            "detail": False,
            **keys,
        }
        if "duration_usec" not in self.spec:
            self.spec.setdefault("hits", [1])


def pack(files):
    """The archive of {name: text}."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


class Agent:
    def __init__(self, agents, arguments, env=None, **options):
        self.agents = agents
        self.mark = str(uuid.uuid4())
        self.stderr_path = agents.folder / f"agent-{self.mark}.err"
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                [agents.program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**agents.environment(), MARK: self.mark, **(env or {})},
                **options,
            )
        self.id = None

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def children(self):
        return [pid for pid in processes_with(self.mark) if pid != self.process.pid]

    def wait_for_line(self, pattern):
        return wait_until(lambda: re.search(pattern, self.stderr()), f"no {pattern} in the log")

    def ask(self, command, address=None):
        """At its control socket."""
        instance = self.id.rpartition("-")[2]
        return ask(address or f"ipc://{self.agents.sockets}/loads/agent-{instance}.sock", command)

    def wait(self):
        """Its exit status. Nothing of it is left."""
        code = self.process.wait(SECONDS)
        self.process.stdout.close()
        assert not SANITIZER.search(self.stderr()), self.stderr()
        wait_until(lambda: not processes_with(self.mark), "it left processes behind")
        return code

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.wait()


def ask(address, command):
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(address)
    try:
        socket.send(command if isinstance(command, bytes) else json.dumps(command).encode())
        assert socket.poll(SECONDS * 1000), f"no answer to {command}"
        return json.loads(socket.recv())
    finally:
        socket.close()
        context.term()


class Agents:
    """Starts agents, in folders that nobody else has: paths of sockets have to be short."""

    def __init__(self, program, cache):
        self.program = program
        self.cache = cache
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="loads-test-", dir="/tmp"))
        self.sockets, self.work = self.folder / "run", self.folder / "work"
        self.sockets.mkdir(), self.work.mkdir()
        self.started = []

    def environment(self):
        inherited = {name: value for name, value in os.environ.items() if "LOADS" not in name}
        return {
            **inherited,
            "XDG_RUNTIME_DIR": str(self.sockets),
            "XDG_CACHE_HOME": str(self.cache),
            "TMPDIR": str(self.work),
        }

    def start(self, *arguments, **options):
        self.started.append(Agent(self, arguments, **options))
        return self.started[-1]

    def run_directories(self):
        return [path for folder in (self.sockets, self.work) for path in folder.glob("loads-run-*")]

    def end(self):
        for agent in self.started:
            if agent.process.poll() is None:
                agent.process.kill()
                agent.process.wait()
            agent.process.stdout.close()
        texts = [agent.stderr() for agent in self.started]
        shutil.rmtree(self.folder)
        assert not [text for text in texts if SANITIZER.search(text)]
