# SPDX-License-Identifier: MPL-2.0
"""Containers with a real systemd as PID 1, on a machine whose own PID 1 may be anything.

Fixtures, which conftest.py hands on:
    installed   the build, installed into a folder that lies over a container's /usr and /etc
    boot        boot(name): a Host with it, halted when the tests of the file are over
    network     a Network that connects several: boot(name, network=network)

lab_boot.py says what such a container consists of. It takes two seconds to boot and root to do so.
"""

import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from runner import SANITIZER, wait_until

BOOT = pathlib.Path(__file__).with_name("lab_boot.py")
BOOT_SECONDS = 90
HALT_SECONDS = 60
RUN_SECONDS = 120
LOG_SECONDS = 60

ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_PAGER": "cat",
}
INSIDE = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"]


class Network:
    """A bridge in a network namespace that has no way out. A process keeps it, which ends when we do:
    then its standard input is closed."""

    SUBNET = "198.18.0"

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.process.stdin.write(b"?")
        self.process.stdin.flush()
        assert self.process.stdout.read(1) == b"?"  # it is there
        self.hosts = 0
        self.ip("link", "set", "lo", "up")
        self.ip("link", "add", "br0", "type", "bridge")
        self.ip("link", "set", "br0", "up")

    def enter(self):
        return ["nsenter", "--target", str(self.process.pid), "--net", "--"]

    def ip(self, *arguments):
        subprocess.run([*self.enter(), "ip", *arguments], check=True)

    def next_address(self):
        self.hosts += 1
        return f"{self.SUBNET}.{self.hosts}"

    def cut(self, host):
        """Nothing comes through to or from that one."""
        self.ip("link", "set", f"vb-{host.name}", "down")

    def heal(self, host):
        self.ip("link", "set", f"vb-{host.name}", "up")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Host:
    """A container that has booted; `root` is its root directory, `address` the one in its network."""

    def __init__(self, name, layers=(), network=None):
        assert os.geteuid() == 0, "containers take root"
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"loads-lab-{name}-"))
        options = ["--network-bridge=br0"] if network else ["--private-network"]
        given = json.dumps({"name": name, "layers": list(map(str, layers)), "options": options})
        self.address = network.next_address() if network else None
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, self.log_path.open("wb") as log:
            told.bind(str(self.folder / "notify"))
            self.process = subprocess.Popen(
                [*(network.enter() if network else []), "setpriv", "--pdeathsig", "TERM",
                 "unshare", "--mount", "--propagation", "private", "/usr/bin/python3", BOOT, given],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": str(self.folder / "notify")})
            self.wait_for_boot(told)
        self.root = pathlib.Path(f"/proc/{self.leader}/root")
        self.run("ip", "link", "set", "lo", "up")
        if network:
            self.run("ip", "address", "add", f"{self.address}/24", "dev", "host0")
            self.run("ip", "link", "set", "host0", "up")

    @property
    def log_path(self):
        return self.folder / "log"

    def wait_for_boot(self, told):
        """systemd-nspawn tells who PID 1 is, and hands on that it is READY."""
        deadline = time.monotonic() + BOOT_SECONDS
        ended = os.pidfd_open(self.process.pid)
        self.leader, ready = None, False
        try:
            while not (self.leader and ready):
                came = select.select([told, ended], [], [], max(deadline - time.monotonic(), 0))[0]
                assert told in came, f"{self.name} did not boot: {self.log_path.read_text()}"
                for word in told.recv(4096).decode().split("\n"):
                    key, _, value = word.partition("=")
                    self.leader = int(value) if key == "X_NSPAWN_LEADER_PID" else self.leader
                    ready = ready or word == "READY=1"
        finally:
            os.close(ended)

    # ---- commands ----

    def network_of(self):
        """What stands before a command of this machine that is to run in its network."""
        return ["nsenter", "--target", str(self.leader), "--net", "--"]

    def command(self, *arguments, user=None, environment=None):
        """A command line that runs another in there."""
        words = ["nsenter", "--target", str(self.leader), *INSIDE, "--", "env", "-i", "--chdir=/root",
                 *(f"{name}={value}" for name, value in {**ENVIRONMENT, **(environment or {})}.items())]
        if user:
            words += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
        return [*words, *map(str, arguments)]

    def run(self, *arguments, code=0, user=None, environment=None, input=None):
        """Runs a command to its end. code=None: any exit code will do."""
        ran = subprocess.run(self.command(*arguments, user=user, environment=environment),
                             capture_output=True, text=True, timeout=RUN_SECONDS,
                             **({"input": input} if input is not None else {"stdin": subprocess.DEVNULL}))
        assert code in (None, ran.returncode), (arguments, ran.returncode, ran.stdout, ran.stderr)
        assert not SANITIZER.search(ran.stderr), ran.stderr
        return ran

    def systemctl(self, *arguments, code=0):
        """Its output."""
        return self.run("systemctl", *arguments, code=code).stdout

    def show(self, unit, name):
        """A property."""
        return self.systemctl("show", "--property", name, "--value", unit).strip()

    def is_active(self, unit):
        return self.show(unit, "ActiveState") == "active"

    def pid(self, unit):
        """Of a service's main process; 0: there is none."""
        return int(self.show(unit, "MainPID"))

    # ---- files ----

    def path(self, path):
        """Where a file of it is found from here."""
        return self.root / str(path).lstrip("/")

    def write(self, path, text, mode=0o644):
        made = self.path(path)
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text)
        made.chmod(mode)

    def drop_in(self, unit, text, name="test"):
        """Changes a unit; `None` takes the change back."""
        path = f"/etc/systemd/system/{unit}.d/{name}.conf"
        if text is None:
            self.path(path).unlink()
        else:
            self.write(path, text)
        self.systemctl("daemon-reload")

    # ---- the journal ----

    def journal(self, *arguments, after=None):
        """Entries as dicts, the oldest first; only those after a cursor. (journalctl's --after-cursor skips
        one, the first that matches, even where the cursor's own entry doesn't match.)"""
        since = ["--cursor", after] if after else []
        lines = self.run("journalctl", "--output", "json", "--all", *since, *arguments).stdout.splitlines()
        return [entry for entry in map(json.loads, lines) if entry["__CURSOR"] != after]

    def log(self, unit, *arguments):
        """What a unit and systemd about it said, as text."""
        return self.run("journalctl", "--output", "cat", "--unit", unit, *arguments).stdout

    def cursor(self):
        """Where the journal ends now: for journal(after=…)."""
        return self.journal("--lines", "1")[-1]["__CURSOR"]

    def wait_for_log(self, pattern, unit, *arguments):
        """The first line that the unit logs, or has logged, with that in it."""
        wanted = re.compile(pattern)
        with self.start("journalctl", "--follow", "--no-tail", "--output", "cat", "--unit", unit,
                        *arguments) as follow:
            seen, deadline = b"", time.monotonic() + LOG_SECONDS
            while True:
                for line in seen.decode(errors="replace").split("\n")[:-1]:
                    if wanted.search(line):
                        return line
                ready = select.select([follow.stdout], [], [], max(deadline - time.monotonic(), 0))[0]
                assert ready, f"{unit} never logged {pattern}: {seen.decode(errors='replace')}"
                seen += os.read(follow.stdout.fileno(), 65536)

    @contextlib.contextmanager
    def start(self, *arguments, **options):
        """A command that runs meanwhile, as a child of the process that is yielded. It is killed, not
        that process, whose orphan would be nobody's to bury in there."""
        process = subprocess.Popen(self.command(*arguments, **options), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        try:
            yield process
        finally:
            if process.poll() is None and (inside := children.read_text().split()):
                os.kill(int(inside[0]), signal.SIGKILL)
            process.wait(HALT_SECONDS)
            process.stdout.close()

    # ---- waiting ----

    def wait_until(self, condition, what):
        return wait_until(condition, what)

    def wait_for_state(self, unit, *states):
        """Until its ActiveState is one of these; which one."""
        return wait_until(lambda: (state := self.show(unit, "ActiveState")) in states and state,
                          f"{unit} is not {states}")

    def halt(self):
        """Powers it off. What a sanitizer said to the journal fails who asked for this."""
        said = self.run("journalctl", "--output", "cat", "--no-pager", code=None).stdout
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(HALT_SECONDS)
        except subprocess.TimeoutExpired:
            os.kill(self.leader, signal.SIGKILL)
            code = self.process.wait(HALT_SECONDS)
        log = self.log_path.read_text(errors="replace")
        shutil.rmtree(self.folder)
        assert code == 0, log
        assert not SANITIZER.search(said), said


# ---- fixtures ------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def installed(build_dir, tmp_path_factory):
    """Where `cmake --install` put the build."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["cmake", "--install", build_dir], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "DESTDIR": str(folder)})
    return folder


@pytest.fixture(scope="module")
def boot(installed):
    """boot(name, network=None): a Host on which Loads is installed."""
    hosts = []

    def start(name, network=None):
        hosts.append(Host(name, [installed], network))
        return hosts[-1]

    yield start
    with contextlib.ExitStack() as stack:
        for host in hosts:
            stack.callback(host.halt)


@pytest.fixture(scope="module")
def network():
    made = Network()
    yield made
    made.close()
