# SPDX-License-Identifier: MPL-2.0
"""A broker and agents of a test's own, on this machine."""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest
import zmq

from runner import wait_until

ANSWER_MSEC = 30000
RUN_SECONDS = 100


class Cluster:
    """Programs find the broker by XDG_RUNTIME_DIR; its sockets need a short path."""

    def __init__(self, start, program, module_cache, folder):
        self.start, self.program, self.folder = start, program, folder
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder),
                            "XDG_CACHE_HOME": str(module_cache)}
        self.context = zmq.Context()
        self.agents = []

    def start_broker(self, *arguments, database="none"):
        self.broker = self.start([self.program("loads-broker"), "--database", database, *arguments],
                                 env=self.environment)
        self.wait_for(lambda answer: answer["database"]["state"] != "down")

    def start_agent(self, *arguments):
        agent = self.start([self.program("loads-agent"), *arguments], env=self.environment)
        self.agents.append(agent)
        self.wait_for(lambda answer: any(one["pid"] == agent.pid for one in answer["agents"].values()))
        return agent

    def address(self, name):
        return f"ipc://{self.folder}/loads/{name}.sock"

    def ask_raw(self, *frames):
        """A client that isn't ours."""
        with self.context.socket(zmq.REQ) as socket:
            socket.linger = 0
            socket.connect(self.address("frontend"))
            socket.send_multipart(frames)
            assert socket.poll(ANSWER_MSEC), f"no answer to {frames}"
            return json.loads(socket.recv())

    def ask(self, command, **keys):
        return self.ask_raw(json.dumps({"command": command, **keys}).encode())

    def result(self, command, **keys):
        answer = self.ask(command, **keys)
        assert "result" in answer, answer
        return answer["result"]

    def wait_for(self, condition):
        """PING's result, when it is as it should be."""
        def find():
            answer = self.result("PING")
            return answer if condition(answer) else None
        return wait_until(find, "what PING tells")

    def run(self, name, *arguments, cwd=None, code=0):
        """A client program, to its end."""
        ran = subprocess.run([self.program(name), *map(str, arguments)], env=self.environment, cwd=cwd,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=RUN_SECONDS)
        assert "Sanitizer" not in ran.stderr and "runtime error" not in ran.stderr, ran.stderr
        assert ran.returncode == code, (ran.returncode, ran.stdout, ran.stderr)
        return ran

    def submit(self, *arguments, cwd=None):
        ran = self.run("loadsctl", "submit", *arguments, cwd=cwd)
        assert re.fullmatch(r"[0-9a-f-]{36}\n", ran.stdout), ran.stdout
        return ran.stdout.strip()

    def run_of(self, run_id):
        return self.result("CTRL_SNAPSHOT", run_id=run_id)["run"]

    def wait_for_state(self, run_id, *states):
        def find():
            run = self.run_of(run_id)
            return run if run["state"] in states else None
        return wait_until(find, f"{run_id} is none of {states}")

    def close(self):
        self.context.destroy(linger=0)


@pytest.fixture
def cluster(start, program, module_cache):
    with tempfile.TemporaryDirectory(prefix="lc-", dir="/tmp") as folder:
        made = Cluster(start, program, module_cache, pathlib.Path(folder))
        made.start_broker()
        yield made
        made.close()


@pytest.fixture
def two_agents(cluster):
    for _ in range(2):
        cluster.start_agent()
    return cluster


def kill(server):
    server.expected_code = -signal.SIGKILL
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
