# SPDX-License-Identifier: MPL-2.0
"""What goes between machines: nothing that can be read; and what comes from who has no key: nothing that
costs us."""

import os
import re
import socket
import subprocess
import urllib.parse

import pytest

from guarded import Guarded, free_port
from runner import wait_until

BROKER, AGENT = "198.18.1.1", "198.18.1.2"
MARKS = ("MarkOfTheModule", "mark-of-the-url", "mark-of-the-user")
TEST = """\
#include <loads/loads.h>
LOADS_TEST(MarkOfTheModule, get)
{
    loads_get(user, "/mark-of-the-url");
}
"""

SNIFF = """
import os, select, socket, sys

sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sniffer.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
sniffer.bind((sys.argv[1], 0))
print("listening", flush=True)
while sniffer in select.select([sniffer, 0], [], [])[0]:  # until standard input is closed
    sys.stdout.buffer.write(sniffer.recv(1 << 17))
"""


class Namespace:
    """A network namespace, for as long as a process of it is there."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.process.stdin.write(b"?")
        self.process.stdin.flush()
        assert self.process.stdout.read(1) == b"?"  # it is there
        self.enter = ["nsenter", "--target", str(self.process.pid), "--net", "--"]
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments):
        subprocess.run([*self.enter, "ip", *arguments], check=True)

    def close(self):
        self.process.communicate()


@pytest.fixture
def two_namespaces():
    """With a cable in between."""
    ours, theirs = Namespace(), Namespace()
    ours.ip("link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(theirs.process.pid))
    for namespace, address in ((ours, BROKER), (theirs, AGENT)):
        namespace.ip("addr", "add", f"{address}/24", "dev", "cable")
        namespace.ip("link", "set", "cable", "up")
    yield ours, theirs
    ours.close()
    theirs.close()


class Sniffer:
    def __init__(self, namespace, path):
        self.path = path
        with path.open("wb") as file:
            self.process = subprocess.Popen([*namespace.enter, "/usr/bin/python3", "-c", SNIFF, "cable"],
                                            stdin=subprocess.PIPE, stdout=file)
        wait_until(lambda: path.read_bytes().startswith(b"listening"), "nobody sniffs")

    def end(self):
        self.process.communicate()
        return self.path.read_bytes()


class Far(Guarded):
    """A broker in one namespace, and everybody who comes by tcp in another; or without any key."""

    def __init__(self, namespaces, start, *more, secure):
        ours, theirs = namespaces
        self.secure = secure
        super().__init__(lambda command, **options: start([*ours.enter, *command], **options), *more,
                         host=BROKER, outside=theirs.enter)

    def start_again(self):
        if not self.secure:
            words = [str(word) for word in self.options]
            del words[words.index("--key"):words.index("--keys-dir") + 2]
            self.options = [*words, "--allow-insecure"]
        super().start_again()

    def let_in(self, name, role, *hosts):
        if self.secure:
            super().let_in(name, role, *hosts)


@pytest.mark.parametrize("secure", [True, False])
def test_nothing_can_be_read(two_namespaces, start, program, module_cache, tmp_path, secure):
    """And without keys all of it: the marks are there to be found."""
    (tmp_path / "test").mkdir()
    (tmp_path / "test/example.c").write_text(TEST)
    _, theirs = two_namespaces
    server = start([*theirs.enter, program("loads-echo-server"), "--port", "0"])
    url = re.search(r"http://\S+", server.read_line())[0]
    far = Far(two_namespaces, start, program, module_cache, tmp_path, secure=secure)
    far.let_in("box", "agent")
    far.let_in("ada", "admin")
    sniffer = Sniffer(theirs, tmp_path / "capture")
    agent = far.start_agent_of("box")
    far.wait_for(lambda ping: any(one["pid"] == agent.pid for one in ping["agents"].values()))
    run_id = far.by_tcp("ada", "submit", "example.MarkOfTheModule.get", "--hits", 20, "--server-url", url,
                        "--user-id", "mark-of-the-user",
                        cwd=tmp_path / "test").stdout.strip()
    assert far.wait_for_state(run_id, "finished", "failed", "aborted")["outcome"] == "passed"
    assert "Hits: 20\n" in far.by_tcp("ada", "attach", run_id).stdout
    captured = sniffer.end()
    assert captured.count(b"NULL" if not secure else b"CURVE") > 4
    assert len(captured) > 10000
    found = [mark for mark in MARKS if mark.encode() in captured]
    assert found == ([] if secure else list(MARKS))
    far.close()


# ---- who has no key ---------------------------------------------------------------------------------

ATTEMPTS = 10000
AT_A_TIME = 100
GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + b"\0" * 48


def knock(address, attempts):
    """So many connections, some at a time, none of which comes to anything."""
    where = urllib.parse.urlsplit(address)
    says = (GREETING, b"GET / HTTP/1.0\r\n\r\n", b"", GREETING[:11])
    for first in range(0, attempts, AT_A_TIME):
        those = []
        for number in range(first, first + AT_A_TIME):
            those.append(socket.create_connection((where.hostname, where.port)))
            those[-1].sendall(says[number % len(says)])
        for one in those:
            one.close()


class Watched:
    def __init__(self, pid):
        self.pid = pid

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory_bytes(self):
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_ten_thousand_without_a_key(start, program, module_cache, tmp_path, database, monkeypatch):
    """They leave nothing behind, and others don't notice."""
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1")
    database.migrate()
    introduction = f"tcp://127.0.0.1:{free_port()}"
    guarded = Guarded(start, program, module_cache, tmp_path, database.uri(),
                      options=["--introduction", introduction])
    guarded.let_in("ada", "observe")
    addresses = [*guarded.addresses.values(), introduction]
    for address in addresses:
        knock(address, ATTEMPTS // 10)
    guarded.by_tcp("ada", "ping")
    broker = Watched(guarded.broker.pid)
    wait_until(lambda: broker.descriptors() < 200, "connections stay")
    before, memory = broker.descriptors(), broker.memory_bytes()
    for address in addresses:
        knock(address, ATTEMPTS // len(addresses))
        assert "pid" in guarded.by_tcp("ada", "ping").stdout
    wait_until(lambda: broker.descriptors() <= before, "connections stay")
    assert broker.memory_bytes() - memory < 8 << 20
    guarded.broker.stop()
    rows = database.rows("SELECT count(*) AS rows, sum(times) AS times FROM loads.audit WHERE what = 'connect'")
    assert rows[0]["times"] > ATTEMPTS // 4 and rows[0]["rows"] < 100
