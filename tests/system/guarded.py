# SPDX-License-Identifier: MPL-2.0
"""A broker that wants keys of who comes by tcp, and people who have some."""

import json
import os
import re
import signal
import socket
import subprocess

import pytest

from cluster import Cluster
from runner import wait_until

NAMES = ("frontend", "backend", "receiver", "publisher")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Guarded(Cluster):
    """A broker with a key on tcp, and people with and without. `outside`: what stands before commands of
    those who come by tcp."""

    def __init__(self, start, program, module_cache, folder, database="none", options=(), host="127.0.0.1",
                 outside=()):
        super().__init__(start, program, module_cache, folder)
        self.outside = list(outside)
        self.keys_dir = folder / "keys.d"
        self.addresses = {name: f"tcp://{host}:{free_port()}" for name in NAMES}
        self.public = self.keygen("broker", folder / "broker.key")
        listens = [word for name in NAMES
                   for word in (f"--{name}", self.addresses[name], f"--{name}", self.address(name))]
        self.options = ["--key", folder / "broker.key", "--keys-dir", self.keys_dir, *listens, *options]
        self.database = database
        self.start_again()

    def start_again(self):
        self.start_broker(*self.options, database=self.database)

    def loadsctl(self, *arguments, home=None, code=0, broker=None, cwd=None):
        environment = {**self.environment}
        if home:
            environment["XDG_CONFIG_HOME"] = str(self.folder / home)
        if broker:
            environment["LOADS_BROKER"] = broker
        command = [*self.outside, self.program("loadsctl"), *map(str, arguments)]
        ran = subprocess.run(command, env=environment, cwd=cwd, stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=100)
        assert "Sanitizer" not in ran.stderr, ran.stderr
        assert ran.returncode == code, (ran.returncode, ran.stdout, ran.stderr)
        return ran

    def keygen(self, name, file=None, home=None):
        """Its public key."""
        where = ["--file", file] if file else []
        return json.loads(self.loadsctl("keygen", name, *where, "--json", home=home).stdout)["public_key"]

    def let_in(self, name, role, *hosts):
        """Somebody new, who has a key and knows the broker; `name` is their home."""
        key = self.keygen(name, home=name)
        self.loadsctl("key", "add", name, role, key, *hosts, "--keys-dir", self.keys_dir)
        self.loadsctl("trust", self.addresses["frontend"], self.public, home=name)
        self.reload()
        return key

    def keys_of(self, name):
        """Their own: public and secret."""
        return self.pair_of(self.folder / name / "loads/key")

    @staticmethod
    def pair_of(path):
        text = path.read_text()
        return tuple(re.search(rf"{kind}-key = (.*)", text)[1].encode() for kind in ("public", "secret"))

    def reload(self):
        lines = self.broker.stderr().count("keys are known")
        os.kill(self.broker.pid, signal.SIGHUP)
        wait_until(lambda: self.broker.stderr().count("keys are known") > lines, "the keys weren't read")

    def start_agent_of(self, name, *arguments):
        """One that comes by tcp with a key of its own."""
        environment = {**self.environment, "XDG_CONFIG_HOME": str(self.folder / name),
                       "XDG_RUNTIME_DIR": str(self.folder / f"run-{name}")}
        (self.folder / f"run-{name}").mkdir()
        return self.start([*self.outside, self.program("loads-agent"), "--broker", self.addresses["frontend"],
                           *arguments], env=environment)

    def attach(self, name, run_id):
        """A console that goes on by itself."""
        return Attached(self, name, run_id)

    def by_tcp(self, name, *arguments, **options):
        return self.loadsctl(*arguments, home=name, broker=self.addresses["frontend"], **options)


class Attached:
    """loadsctl attach, whose output goes to a file."""

    def __init__(self, guarded, name, run_id):
        environment = {**guarded.environment, "XDG_CONFIG_HOME": str(guarded.folder / name),
                       "LOADS_BROKER": guarded.addresses["frontend"]}
        self.path = guarded.folder / f"console-{name}"
        self.process = subprocess.Popen([guarded.program("loadsctl"), "attach", run_id], env=environment,
                                        stdin=subprocess.DEVNULL, stdout=self.path.open("w"),
                                        stderr=subprocess.STDOUT)

    def text(self):
        return self.path.read_text()


@pytest.fixture
def guarded(start, program, module_cache, tmp_path):
    made = Guarded(start, program, module_cache, tmp_path)
    yield made
    made.close()


@pytest.fixture
def guarded_with_database(start, program, module_cache, tmp_path, database):
    database.migrate()
    made = Guarded(start, program, module_cache, tmp_path, database.uri())
    yield made
    made.close()
