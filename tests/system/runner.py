# SPDX-License-Identifier: MPL-2.0
"""Running loads-runner in tests: in a folder of its own, and watched for what it leaves behind.

Each start has a mark in its environment, which its children inherit, so that processes that outlive it
are found wherever they went; and its run directories are made where nobody else makes any. Whoever runs
it needn't ask: a run that leaves something behind, or that a sanitizer complains of, fails its test.
"""

import http.server
import json
import os
import pathlib
import re
import selectors
import signal
import subprocess
import threading
import time
import uuid

END_SECONDS = 120
MARK = "SYSTEM_TEST_RUN"
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error: |DEADLYSIGNAL")

# What most tests need: relative URLs, so --server-url says where to.
MODULE = """\
#include <loads/loads.h>

LOADS_TEST(TestWebSite, test_es)
{
    loads_response *res = loads_get(user, "/any/es");
    loads_assert_int_eq(res->status, 200);
}

LOADS_TEST(TestWebSite, test_two)
{
    loads_get(user, "/any/one");
    loads_get(user, "/any/two");
}

LOADS_TEST(TestWebSite, test_hang)
{
    loads_get(user, "/hang");
}

LOADS_TEST(TestWebSite, test_fail)
{
    loads_response *res = loads_get(user, "/status/404");
    loads_assert_int_eq(res->status, 200);
}
"""


def wait_until(condition, what):
    """Waits for what can't be waited for by the kernel's help."""
    deadline = time.monotonic() + END_SECONDS
    while not (result := condition()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.01)
    return result


def processes_with(mark):
    """Ids of the processes with a mark, but for zombies."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            pass  # gone meanwhile, or somebody else's
    return found


class Ran:
    """How a run ended. `summary` is what --output json said of it, if it was asked for."""

    def __init__(self, code, stdout, stderr, summary=None):
        self.code, self.stdout, self.stderr, self.summary = code, stdout, stderr, summary

    def __repr__(self):
        return f"exit code {self.code}\n{self.stdout}\n{self.stderr}"

    @property
    def counts(self):
        """What people read: {"Hits": 1000, …, "Success": 1000, "Errors": 0, "Failures": 0}."""
        found = re.findall(r"^(Hits|Success|Errors|Failures): (\d+)$", self.stdout, re.MULTILINE)
        assert [name for name, _ in found] == ["Hits", "Success", "Errors", "Failures"], self
        return {name: int(number) for name, number in found}


class Running:
    """A loads-runner that was started. Its standard output and error are pipes, unless `options` say
    otherwise."""

    def __init__(self, runner, arguments, env=None, cwd=None, **options):
        self.runner = runner
        self.mark = str(uuid.uuid4())
        self.read = {"stdout": bytearray(), "stderr": bytearray()}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(
            [runner.program, *(os.fsencode(str(a) if isinstance(a, int) else a) for a in arguments)],
            env={**runner.environment(), MARK: self.mark, **(env or {})},
            cwd=cwd or runner.folder,
            **{**pipes, **options},
        )

    def send(self, number):
        self.process.send_signal(number)

    def children(self):
        return [pid for pid in processes_with(self.mark) if pid != self.process.pid]

    def _pump(self, until):
        """Reads what it writes, until that is true, or to the end (False)."""
        deadline = time.monotonic() + END_SECONDS
        with selectors.DefaultSelector() as selector:
            for name in ("stdout", "stderr"):
                stream = getattr(self.process, name)
                if stream and not stream.closed:
                    selector.register(stream, selectors.EVENT_READ, name)
            while not until():
                if not selector.get_map():
                    return False
                ready = selector.select(deadline - time.monotonic())
                assert ready, f"nothing came any more: {self.read}"
                for key, _ in ready:
                    piece = os.read(key.fd, 65536)
                    self.read[key.data] += piece
                    if not piece:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
        return True

    def wait_for(self, pattern, stream="stderr"):
        """Reads until the pattern stands in that stream."""
        wanted = re.compile(pattern.encode())
        assert self._pump(lambda: wanted.search(self.read[stream])), self.read

    def wait(self, check=True):
        """To its end; a Ran. `check`: it must not leave anything behind."""
        self._pump(lambda: False)
        code = self.process.wait(END_SECONDS)
        stdout, stderr = (self.read[name].decode(errors="replace") for name in ("stdout", "stderr"))
        assert not SANITIZER.search(stderr), stderr
        if check:
            wait_until(lambda: not processes_with(self.mark), "it left processes behind")
            assert self.runner.run_directories() == []
        return Ran(code, stdout, stderr)

    def end(self):
        """Whatever happened, nothing goes on."""
        for pid in processes_with(self.mark):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(END_SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


class Runner:
    """loads-runner, with folder `folder` as its current directory."""

    def __init__(self, program, folder, cache):
        self.program = program
        self.folder = folder / "tests"
        self.runtime = folder / "runtime"
        self.cache = cache
        self.started = []
        self.folder.mkdir()
        self.runtime.mkdir()

    def environment(self):
        """Ours without what it would listen to."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LOADS_")}
        return {**kept, "XDG_CACHE_HOME": str(self.cache), "XDG_RUNTIME_DIR": str(self.runtime),
                "TERM": "xterm"}

    def run_directories(self):
        return sorted(path.name for path in self.runtime.iterdir())

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *arguments, **options):
        self.started.append(Running(self, arguments, **options))
        return self.started[-1]

    def run(self, *arguments, **options):
        return self.start(*arguments, **options).wait()

    def summarize(self, *arguments, **options):
        """The same, with the summary as JSON beside."""
        path = self.folder.parent / f"summary-{uuid.uuid4()}.json"
        ran = self.run(*arguments, "--output", f"json={path}", **options)
        assert path.is_file(), ran
        ran.summary = json.loads(path.read_text())
        return ran

    def end(self):
        for running in self.started:
            running.end()


class Gate:
    """An HTTP server that counts requests and answers none before it is opened. With an SSL context
    it is one of HTTPS."""

    def __init__(self, context=None):
        self.opened = threading.Event()
        self.condition = threading.Condition()
        self.requests = 0
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with gate.condition:
                    gate.requests += 1
                    gate.condition.notify_all()
                gate.opened.wait()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 1024
            block_on_close = False

            def handle_error(self, *arguments):
                pass  # the client left: that is what some tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def wait_for(self, requests):
        with self.condition:
            assert self.condition.wait_for(lambda: self.requests >= requests, END_SECONDS), self.requests

    def open(self):
        self.opened.set()

    def close(self):
        self.open()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
