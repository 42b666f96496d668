# SPDX-License-Identifier: MPL-2.0
"""Runs loads-runner and reads what it reports; what must hold of every run is checked here.

Whatever a run was about, its outputs agree with each other and with their schemas, no sanitizer has
anything to say, and nothing is left behind in the place where runs keep their files.
"""

import json
import math
import os
import pathlib
import re
import signal
import subprocess
import time

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = ROOT / "tests" / "system" / "modules"
SCHEMAS = ROOT / "docs" / "schemas"
RUN_SECONDS = 100
COMPLAINTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")
PERCENTILES = {"p50_usec": 50, "p90_usec": 90, "p95_usec": 95, "p99_usec": 99, "p999_usec": 99.9}


def validator(name):
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    return jsonschema.validators.validator_for(schema)(schema)


def percentile(values, percent):
    """Nearest rank: the smallest value that at least so many percent of all don't exceed."""
    rank = math.ceil(len(values) * round(percent * 10) / 1000)
    return sorted(values)[max(rank, 1) - 1]


def usec(elapsed):
    return round(elapsed * 1e6)


def children(pid):
    """The processes that a process has started and that aren't over."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    try:
        return [int(child) for task in tasks for child in task.read_text().split()]
    except FileNotFoundError:
        return []


def is_over(pid):
    """It ended; whether somebody took note of that is another thing."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


class Run:
    """A run that is over."""

    def __init__(self, code, stdout, stderr, summary, events):
        self.code, self.stdout, self.stderr = code, stdout, stderr
        self.summary = summary  # --output json; None: nothing was run
        self.events = events  # --output file; None: not asked for

    def outcomes(self):
        """Successes, errors, failures, interrupted."""
        counts = self.summary["iterations"]
        return tuple(counts[key] for key in ("successes", "errors", "failures", "interrupted"))

    def passed(self, iterations):
        """It passed, with so many iterations."""
        assert self.code == 0, self.said()
        assert self.outcomes() == (iterations, 0, 0, 0), self.said()
        return self

    def messages(self, kind):
        """The messages of errors or failures: {message: count}."""
        found = {}
        for error in self.summary["errors"]:
            if error["kind"] == kind:
                found[error["message"]] = found.get(error["message"], 0) + error["count"]
        return found

    def error(self):
        """The only error or failure."""
        (found,) = self.summary["errors"]
        return found

    def counters(self):
        return {counter["name"]: counter["count"] for counter in self.summary["counters"]}

    def statuses(self):
        """{status: hits} over all names."""
        found = {}
        for name in self.summary["names"]:
            for row in name["statuses"]:
                found[row["status"]] = found.get(row["status"], 0) + row["hits"]
        return found

    def hits(self):
        return self.summary["hits"]

    def said(self):
        return f"exit code {self.code}\n{self.stdout}\n{self.stderr}"

    def events_of(self, *data_types):
        return [event for event in self.events if event["data_type"] in data_types]

    # ---- what holds of every run ----

    def check(self):
        for complaint in COMPLAINTS:
            assert complaint not in self.stderr, self.said()
        if self.summary is not None:
            validator("summary").validate(self.summary)
            self.check_stdout()
            self.check_sums()
        if self.events is not None:
            schema = validator("events")
            for event in self.events:
                schema.validate(event)
            self.check_events()

    def check_stdout(self):
        """The lines that programs read tell the same as the JSON."""
        lines = dict(
            line.split(": ", 1) for line in self.stdout.splitlines() if re.match(r"[A-Z][A-Za-z ]+: ", line)
        )
        successes, errors, failures, interrupted = self.outcomes()
        assert int(lines["Hits"]) == self.hits()
        assert (int(lines["Success"]), int(lines["Errors"])) == (successes, errors)
        assert int(lines["Failures"]) == failures
        assert int(lines.get("Interrupted", 0)) == interrupted
        assert lines["Duration"] == f"{self.summary['duration_usec'] / 1e6:.2f} seconds"

    def check_sums(self):
        """The whole is the sum of its parts."""
        names, tests = self.summary["names"], self.summary["tests"]
        for key in ("hits", "request_errors", "sent_bytes", "received_bytes"):
            assert sum(name[key] for name in names) == self.summary[key], key
        for key, count in self.summary["iterations"].items():
            assert sum(test[key] for test in tests) == count, key
        for name in names:
            assert sum(row["hits"] for row in name["statuses"]) == name["hits"], name

    def check_events(self):
        """As many hits and outcomes as the summary has; iterations begin and end once."""
        assert len(self.events_of("add_hit")) == self.hits()
        assert len(self.events_of("request_error")) == self.summary["request_errors"]
        ends = ("addSuccess", "addError", "addFailure", "interrupted")
        assert tuple(len(self.events_of(end)) for end in ends) == self.outcomes()
        started = [tuple(event["loads_status"]) for event in self.events_of("startTest")]
        assert len(started) == len(set(started)), "an iteration began twice"
        for data_types in (["stopTest"], ends):
            ended = [tuple(event["loads_status"]) for event in self.events_of(*data_types)]
            assert sorted(ended) == sorted(started), f"begun and not {data_types}, or the reverse"

    def check_latencies(self):
        """Latencies are those of the events, percentiles within a thousandth."""
        hits = self.events_of("add_hit")
        self.compare(self.summary["latency"], hits)
        for name in self.summary["names"]:
            own = [h for h in hits if (h["name"], h["method"]) == (name["name"], name["method"])]
            assert len(own) == name["hits"]
            if own:
                self.compare(name["latency"], own)

    @staticmethod
    def compare(latency, hits):
        values = [usec(hit["elapsed"]) for hit in hits]
        assert (latency["min_usec"], latency["max_usec"]) == (min(values), max(values))
        assert latency["average_usec"] == pytest.approx(sum(values) / len(values), rel=1e-9)
        for key, percent in PERCENTILES.items():
            expected = percentile(values, percent)
            assert abs(latency[key] - expected) <= max(expected / 1000, 0.5), (key, percent)


class Started:
    """A run that is on."""

    def __init__(self, arguments, folder, cwd, detail, environment):
        self.json_path, self.events_path = folder / "summary.json", folder / "events.jsonl"
        self.out_path, self.err_path = folder / "stdout", folder / "stderr"
        self.runtime = folder / "runtime"
        self.detail = detail
        self.runtime.mkdir()
        outputs = ["--output", f"json={self.json_path}"]
        if detail:
            outputs += ["--output", f"file={self.events_path}"]
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                arguments + outputs,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env={**os.environ, **environment, "XDG_RUNTIME_DIR": str(self.runtime)},
            )

    def workers(self):
        return children(self.process.pid)

    def wait_for(self, condition):
        """Waits until condition() is true, as long as the run is on."""
        deadline = time.monotonic() + RUN_SECONDS
        while not (value := condition()):
            assert self.process.poll() is None, self.err_path.read_text(errors="replace")
            assert time.monotonic() < deadline, "it didn't come to that"
            time.sleep(0.01)
        return value

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def finish(self):
        """The run when it is over, checked."""
        try:
            code = self.process.wait(RUN_SECONDS)
        except subprocess.TimeoutExpired:
            said = self.err_path.read_text(errors="replace")
            self.kill()
            raise AssertionError(f"the run doesn't end: {said}") from None
        summary = events = None
        if self.json_path.exists() and self.json_path.stat().st_size > 0:
            summary = json.loads(self.json_path.read_text())
        if self.detail and self.events_path.exists():
            text = self.events_path.read_text()
            assert text == "" or text.endswith("\n"), "the last line is torn"
            events = [json.loads(line) for line in text.splitlines()]
        out = self.out_path.read_text()
        err = self.err_path.read_text(errors="replace")
        run = Run(code, out, err, summary, events)
        run.check()
        assert list(self.runtime.iterdir()) == [], "files of the run are left"
        return run


@pytest.fixture
def start_loads(program, module_cache, tmp_path):
    """start_loads(*arguments): a run that is on. Modules are taken from `cwd`."""
    started = []

    def start(*arguments, cwd=MODULES, detail=False, runner=None, environment=None):
        folder = tmp_path / f"run-{len(started)}"
        folder.mkdir()
        run = Started(
            [runner or program("loads-runner"), *map(str, arguments)],
            folder,
            cwd,
            detail,
            {"XDG_CACHE_HOME": str(module_cache), **(environment or {})},
        )
        started.append(run)
        return run

    yield start
    for run in started:
        run.kill()


@pytest.fixture
def loads(start_loads):
    """loads(*arguments): a run to its end."""
    return lambda *arguments, **options: start_loads(*arguments, **options).finish()
