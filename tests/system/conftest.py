# SPDX-License-Identifier: MPL-2.0
"""What system tests share: programs from the build directory, servers to run them against.

Every server is started on a port of its own choice and awaited by the line it prints (or by its first
answer), never by sleeping; it is ended by its pid, and how it ended is checked, so that a sanitizer's
complaint at exit fails the test that used it.
"""

import json
import os
import pathlib
import re
import resource
import selectors
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import pytest

from cluster import cluster, two_agents  # noqa: F401  (fixtures)
from consoles import console  # noqa: F401  (a fixture)
from fake_broker import FakeBroker
from guarded import guarded, guarded_with_database  # noqa: F401  (fixtures)
from hostile import hostile, hostile_server  # noqa: F401  (fixtures)
from lab import boot, installed, network  # noqa: F401  (fixtures)
from manager import start_manager  # noqa: F401  (a fixture)
from postgres import database, postgres, start_postgres  # noqa: F401  (fixtures)
from reports import loads, start_loads  # noqa: F401  (fixtures)
from runner import MODULE, Gate, Runner, wait_until
from stored import new_cluster, stored  # noqa: F401  (fixtures)
from web import authority, https, start_microsocks, start_nghttpd, start_nginx, start_tinyproxy  # noqa: F401  (fixtures)
from units import box, machine, sanitized  # noqa: F401  (fixtures)

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY_SECONDS = 30
EXIT_SECONDS = 30


def pytest_sessionfinish(session, exitstatus):
    """A test that was skipped tells nothing: it counts as failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def descriptors():
    """As many descriptors as allowed, for tests with many connections."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@pytest.fixture(scope="session")
def build_dir():
    """The build directory: $LOADS_BUILD_DIR, or build/dev."""
    path = pathlib.Path(os.environ.get("LOADS_BUILD_DIR", ROOT / "build" / "dev"))
    assert path.is_dir(), f"{path} is missing: build first, or set LOADS_BUILD_DIR"
    return path


@pytest.fixture(scope="session")
def program(build_dir):
    """program(name): the path of a program, installed or for tests only."""

    def find(name):
        for folder in ("bin", "tests"):
            if (build_dir / folder / name).is_file():
                return str(build_dir / folder / name)
        raise AssertionError(f"{name} is not in {build_dir}: build it first")

    return find


class Server:
    """A process that serves until it is told to end."""

    def __init__(self, arguments, folder, **options):
        self.stderr_path = folder / f"{pathlib.Path(arguments[0]).name}-{time.monotonic_ns()}.err"
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, **options
            )
        self.unread = b""
        self.expected_code = 0

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    def read_line(self, seconds=READY_SECONDS):
        """The next line of its standard output, which must come within that time."""
        deadline = time.monotonic() + seconds
        stdout = self.process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self.unread:
                assert selector.select(deadline - time.monotonic()), "no line came: " + self.stderr()
                piece = os.read(stdout.fileno(), 65536)
                assert piece, "it ended: " + self.stderr()
                self.unread += piece
        line, _, self.unread = self.unread.partition(b"\n")
        return line.decode()

    def stop(self, number=signal.SIGTERM):
        """Ends it; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()


@pytest.fixture
def start(tmp_path):
    """start(arguments, **Popen options): a Server, which at the end of the test must exit with 0, or
    its expected_code."""
    servers = []

    def start_server(arguments, **options):
        servers.append(Server(arguments, tmp_path, **options))
        return servers[-1]

    yield start_server
    ended = [(server.stop(), server) for server in servers]
    for code, server in ended:
        assert code == server.expected_code, server.stderr()


@pytest.fixture(scope="session")
def module_cache(tmp_path_factory):
    """Where modules are compiled to, so that one with the same text is compiled once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def runner(program, tmp_path, module_cache):
    """A Runner in an empty folder but for example.c, which is runner.MODULE."""
    made = Runner(program("loads-runner"), tmp_path, module_cache)
    made.write("example.c", MODULE)
    yield made
    made.end()


@pytest.fixture
def ctl(program, tmp_path, module_cache):
    """The same for loadsctl."""
    folder = tmp_path / "ctl"
    folder.mkdir()
    made = Runner(program("loadsctl"), folder, module_cache)
    made.write("example.c", MODULE)
    yield made
    made.end()


@pytest.fixture
def socket_folder():
    """A folder with a name that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="loads-test-") as folder:
        yield folder


@pytest.fixture
def fake(socket_folder):
    """A FakeBroker that has one free agent and one run that is on."""
    made = FakeBroker(socket_folder)
    yield made
    made.end()


@pytest.fixture
def gate():
    """A Gate, closed."""
    made = Gate()
    yield made
    made.close()


class EchoServer:
    def __init__(self, server, ports):
        self.server = server
        self.ports = ports
        self.port = ports[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}/ws"

    def counts(self):
        """What it has counted of WebSockets."""
        with urllib.request.urlopen(self.url + "/counts") as answer:
            return json.load(answer)


@pytest.fixture
def start_echo_server(start, program):
    """start_echo_server(ports=1, **Popen options): an EchoServer that listens."""

    def start_it(ports=1, **options):
        server = start([program("loads-echo-server")] + ["--port", "0"] * ports, **options)
        found = []
        for _ in range(ports):
            line = server.read_line()
            match = re.fullmatch(
                r"Listening on http://127\.0\.0\.1:(\d+)/ and ws://127\.0\.0\.1:\1/ws", line
            )
            assert match, line
            found.append(int(match[1]))
        return EchoServer(server, found)

    return start_it


@pytest.fixture
def echo_server(start_echo_server):
    return start_echo_server()


class Target:
    def __init__(self, server, port, access_log, counts_file):
        self.server = server
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.access_log = access_log
        self.counts_file = counts_file

    def get(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return answer.read()

    def counts(self):
        return json.loads(self.get("/-/counts"))

    def reset_counts(self):
        self.get("/-/reset-counts")

    def release(self):
        """Whatever is /held is answered."""
        self.get("/-/release")

    def wait_for(self, condition):
        """The counts as soon as condition(counts) holds: what clients do arrives in its own time."""
        def find():
            counts = self.counts()
            return counts if condition(counts) else None
        return wait_until(find, self.counts)


class TargetOn(Target):
    """One in a container's network, where we aren't."""

    def __init__(self, host, *arguments):
        super().__init__(*arguments)
        self.host = host

    def get(self, path):
        return self.host.run("curl", "--silent", "--show-error", self.url + path).stdout


def start_target(start, program, folder, *arguments, before=()):
    access_log, counts_file = folder / "target.log", folder / "target.json"
    server = start([*before, program("loads-test-target"), "--access-log", str(access_log),
                    "--counts", str(counts_file), *arguments])
    word, port = server.read_line().split()
    assert word == "port"
    return server, int(port), access_log, counts_file


@pytest.fixture
def target(start, program, tmp_path):
    """loads-test-target, with its url, counts() and more."""
    return Target(*start_target(start, program, tmp_path))


@pytest.fixture
def target_on(start, program, tmp_path):
    """target_on(host, …): the same in the network of a container; more arguments are the target's."""
    def start_it(host, *arguments):
        folder = tmp_path / host.name
        folder.mkdir()
        return TargetOn(host, *start_target(start, program, folder, *arguments, before=host.network_of()))

    return start_it


@pytest.fixture
def nginx(start_nginx):  # noqa: F811  (a fixture)
    """Debian's nginx; / serves folder/www (there is index.html)."""
    return start_nginx()
