# SPDX-License-Identifier: MPL-2.0
"""Sockets that whoever starts a program passes in, as systemd does: which are taken, and which not."""

import os
import pathlib
import socket
import subprocess
import tempfile

import pytest

from agents import ask
from cluster import Cluster

NAMES = ("frontend", "backend", "receiver", "publisher")

# Becomes the program, with descriptors from 3 on that have these names.
PASS = """
import os, sys

names, *command = sys.argv[1:]
os.environ.update(LISTEN_FDS=str(names.count(":") + 1), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""


class Passing(Cluster):
    """A Cluster whose broker gets sockets instead of making them."""

    def command(self, sockets, *words):
        """A command line and Popen's options for a program that has these, (name, socket) each."""
        count = len(sockets)

        def place():
            copies = [os.dup2(one.fileno(), 100 + i) for i, (_, one) in enumerate(sockets)]
            for i, copy in enumerate(copies):
                os.dup2(copy, 3 + i)
                os.close(copy)

        names = ":".join(name for name, _ in sockets)
        return (["/usr/bin/python3", "-c", PASS, names, *map(str, words)],
                {"preexec_fn": place, "pass_fds": range(3, 3 + count), "env": self.environment})

    def unix(self, name):
        path = self.folder / "loads" / f"{name}.sock"
        path.parent.mkdir(exist_ok=True)
        made = socket.socket(socket.AF_UNIX)
        made.bind(str(path))
        made.listen()
        return name, made

    def start_with(self, sockets, *arguments):
        words, options = self.command(
            sockets, self.program("loads-broker"), "--database", "none", *arguments)
        self.broker = self.start(words, **options)
        return self.result("PING")["all_endpoints"]

    def refuse(self, sockets, name="loads-broker"):
        """What a program says that can't use these."""
        words, options = self.command(sockets, self.program(name))
        ran = subprocess.run(words, **options, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=60)
        assert ran.returncode == 1, ran
        return ran.stderr


@pytest.fixture
def passing(start, program, module_cache):
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder:
        made = Passing(start, program, module_cache, pathlib.Path(folder))
        yield made
        made.close()


def tcp(host="127.0.0.1", name="frontend"):
    made = socket.create_server((host, 0))
    return (name, made), f"tcp://{host}:{made.getsockname()[1]}"


def test_several_of_a_name(passing):
    """All are listened on, and those of this machine that are configured aren't."""
    one, address = tcp()
    sockets = [*map(passing.unix, NAMES), one]
    endpoints = passing.start_with(sockets, "--frontend", "ipc:///nowhere/frontend.sock")
    assert endpoints["frontend"] == [passing.address("frontend"), address]
    assert endpoints["receiver"] == [passing.address("receiver")]
    passing.run("loadsctl", "ping", "--broker", address)


def test_tcp_addresses_of_the_configuration_are_listened_on_as_well(passing):
    """One that is passed in, too, is there once."""
    one, address = tcp()
    sockets = [*map(passing.unix, NAMES), one]
    endpoints = passing.start_with(sockets, "--frontend", address, "--publisher", "tcp://127.0.0.1:*")
    assert endpoints["frontend"] == [passing.address("frontend"), address]
    local, other = endpoints["publisher"]
    assert local == passing.address("publisher") and other.startswith("tcp://127.0.0.1:")


def test_other_machines_need_a_key(passing):
    """Whoever has passed the socket in may not have thought of it."""
    one, address = tcp("0.0.0.0")
    sockets = [*map(passing.unix, NAMES), one]
    said = passing.refuse(sockets)
    assert f"{address} can be reached from other machines" in said and "allow-insecure" in said
    endpoints = passing.start_with(sockets, "--allow-insecure")
    assert endpoints["frontend"] == [passing.address("frontend"), address]
    assert f"{address} can be reached from other machines" in passing.broker.stderr()


def test_a_name_that_no_socket_has(passing):
    said = passing.refuse([*map(passing.unix, NAMES), passing.unix("front")])
    assert ("a socket called 'front' was passed in, which is not called frontend, backend, receiver or "
            "publisher") in said


@pytest.mark.parametrize("who, name", [("loads-broker", "frontend"), ("loads-agent", "control")])
@pytest.mark.parametrize("kind", ["datagram", "connected", "file"])
def test_what_is_no_socket_that_listens(passing, who, name, kind, tmp_path):
    if kind == "datagram":
        bad = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    elif kind == "connected":
        bad, _ = socket.socketpair()
    else:
        bad = (tmp_path / "file").open("w")
    said = passing.refuse([(name, bad)], who)
    assert f"{name}: descriptor 3 is no stream socket that listens" in said


def test_an_agents_socket(passing):
    """It has no other then: not the one that it would make, either."""
    passing.start_broker()
    words, options = passing.command([("control", passing.unix("other")[1])],
                                     passing.program("loads-agent"), "--instance", "1")
    passing.start(words, **options)
    passing.wait_for(lambda answer: len(answer["agents"]) == 1)
    assert ask(passing.address("other"), {"command": "PING"})["result"]["agent_id"].endswith("-1")
    assert not (passing.folder / "loads/agent-1.sock").exists()
