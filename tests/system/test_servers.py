# SPDX-License-Identifier: MPL-2.0
"""What servers do (servers.py), as the users of loads-runner and of curl see it: the same.

All rows run at once, each as a virtual user of one run with modules/servers.c; curl runs them one by
one, each with a cookie jar and connections of its own.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import time
import urllib.parse

from servers import LIMIT_BYTES, ROWS, Row, Seen, Step

MODULES = pathlib.Path(__file__).parent / "modules"
RUN_SECONDS = 110
CURLS_AT_ONCE = 4
MAX_REDIRECTS = 30

# What curl's exit codes mean in our classes of errors.
CURL_CLASSES = {
    1: {"protocol", "redirect", "url"},
    3: {"redirect"},
    6: {"resolve"},
    7: {"connect"},
    8: {"protocol"},
    18: {"reset"},
    23: {"decoding"},
    27: {"protocol"},
    28: {"timeout"},
    35: {"tls"},
    43: {"protocol"},
    47: {"redirect"},
    52: {"reset"},
    56: {"reset", "protocol"},
    61: {"decoding", "protocol"},
}

# `classes` are those of an error, none if there is an answer.
Result = collections.namedtuple("Result", "status size hash redirects body cut classes text")



def fnv(body):
    """FNV-1a of 64 bits; xor with zero changes nothing."""
    value, prime, mask = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1
    if body.count(0) == len(body):
        return value * pow(prime, len(body), 1 << 64) & mask
    for byte in body:
        value = (value ^ byte) * prime & mask
    return value


def requests(row):
    return [step for step in row.steps if not step.sleep]


# ---- loads-runner ----


class Run:
    """A run of modules/servers.c that is over: its outputs, and what it cost."""

    def __init__(self, program, build_dir, folder, port, rows):
        lines = [
            f"{user} {'sleep' if step.sleep else step.method} {step.url(port)} "
            f"{step.sleep or step.timeout} {step.body_size}\n"
            for user, row in enumerate(rows)
            for step in row.steps
        ]
        (folder / "requests").write_text("".join(lines))
        arguments = [program("loads-runner"), "servers.TestServers.test_rows", "-u", str(len(rows))]
        arguments += ["--workers", "1", "--quiet", "--output", f"json={folder}/summary"]
        arguments += ["--output", f"file={folder}/events"]
        with open(folder / "stderr", "wb") as stderr:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                cwd=MODULES,
                env={
                    **os.environ,
                    "XDG_CACHE_HOME": str(folder / "cache"),
                    "SERVERS_REQUESTS": str(folder / "requests"),
                    **with_all_names(build_dir),
                },
            )
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = self.code = os.waitstatus_to_exitcode(status)
        self.peak_bytes = usage.ru_maxrss * 1024  # of the largest of its processes
        self.stderr = (folder / "stderr").read_text(errors="replace")
        assert "Sanitizer" not in self.stderr and "runtime error" not in self.stderr, self.stderr
        assert (folder / "summary").exists(), self.stderr
        self.summary = json.loads((folder / "summary").read_text())
        self.events = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
        self.hits = collections.Counter(e["loads_status"][3] - 1 for e in self.events_of("add_hit"))

    def events_of(self, data_type):
        return [event for event in self.events if event["data_type"] == data_type]

    def results(self):
        """{(row's number, step's): Result}."""
        classes = collections.defaultdict(list)
        for event in self.events_of("request_error"):
            classes[event["loads_status"][3] - 1].append(event["error"])
        found = {}
        names = [counter["name"].split(" ") for counter in self.summary["counters"]
                 if not counter["name"].startswith("(")]  # those are ours
        for row, step, status, size, value, redirects, cut, shown in sorted(
            names, key=lambda fields: (int(fields[0]), int(fields[1]))
        ):
            error = classes[int(row)].pop(0) if status == "0" else None
            found[int(row), int(step)] = Result(
                int(status),
                int(size),
                int(value, 16),
                int(redirects),
                urllib.parse.unquote_to_bytes(shown[1:]) if shown[0] == "=" else None,
                cut == "1",
                {error["class"]} if error else set(),
                error["message"] if error else "",
            )
        assert not any(classes.values()), classes
        return found


def with_all_names(build_dir):
    """Environment for programs that shall find every name here."""
    options = os.environ.get("ASAN_OPTIONS", "")
    return {
        "LD_PRELOAD": str((build_dir / "tests" / "all_names.so").resolve()),
        "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0",
    }


# ---- curl ----


def curl_arguments(step, url, jar, path, upload):
    """For one request of a command line."""
    line = ["-s", "-S", "--globoff", "--compressed", "-A", "loads"]
    line += ["-L", "--max-redirs", str(MAX_REDIRECTS), "--proto", "=http,https"]
    line += ["--proto-redir", "=http,https", "--noproxy", "*", "-b", str(jar), "-c", str(jar)]
    line += ["--max-time", str(step.timeout), "-w", "%{json}\n"]
    line += ["-o", "/dev/null" if step.method == "HEAD" else str(path)]
    if step.method == "HEAD":
        line += ["-I"]
    elif step.method == "POST":
        upload.write_bytes(b"x" * step.body_size)
        line += ["--data-binary", f"@{upload}", "-H", "Expect:"]
    return line + [url]


def curl_result(line, path):
    told = json.loads(line)
    code = told["exitcode"]
    body = path.read_bytes() if path.exists() else b""
    return Result(
        told["response_code"] if code == 0 else 0,
        len(body),
        fnv(body) if len(body) < 2 << 20 or not any(body) else None,
        told["num_redirects"],
        body,
        False,
        CURL_CLASSES.get(code, {f"curl's {code}"}) if code else set(),
        told["errormsg"],
    )


def run_curl(row, port, folder, build_dir):
    """The Result of each request. One process sends them all, but that a pause needs another, and that
    some errors end it."""
    results, jar = [], folder / "jar"
    folder.mkdir()
    jar.touch()
    left = list(row.steps)
    while left:
        arguments = ["/usr/bin/curl", "-q"]
        for number, step in enumerate(left):
            if step.sleep:
                break
            path = folder / str(len(results) + number)
            arguments += ["--next"] if number > 0 else []
            arguments += curl_arguments(step, step.url(port), jar, path, folder / f"upload-{number}")
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RUN_SECONDS,
            env={**os.environ, **with_all_names(build_dir)},
        )
        lines = done.stdout.splitlines()
        assert lines, (row.name, done)
        for line in lines:
            results.append(curl_result(line, folder / str(len(results))))
        left = left[len(lines) :]
        while left and left[0].sleep:
            time.sleep(left.pop(0).sleep)
    return results


# ---- what both saw ----


def cookies(body):
    return tuple(sorted(body.decode(errors="replace").split("; "))) if body else ()


def differences(seen: Seen, result):
    """In what a result isn't what the row says."""
    if seen.error:
        return [] if seen.error in result.classes else [f"error {seen.error}: {result}"[:400]]
    wrong = []
    if result.classes or result.status != seen.status:
        wrong.append(f"status {seen.status}")
    if seen.redirects is not None and result.redirects != seen.redirects:
        wrong.append(f"{seen.redirects} redirects")
    if seen.body is not None and (result.size, result.hash) != (len(seen.body), fnv(seen.body)):
        wrong.append(f"body of {len(seen.body)} bytes, {seen.body[:40]}")
    if seen.cookies is not None and cookies(result.body) != seen.cookies:
        wrong.append(f"cookies {seen.cookies}")
    text = str(result._replace(body=result.body[:200] if result.body else result.body))
    return [f"not {', '.join(wrong)}: {text}"] if wrong else []


def all_differences(who, seen, results):
    assert len(seen) == len(results)
    return [
        f"{who}, request {number}: {difference}"
        for number, (one, result) in enumerate(zip(seen, results))
        for difference in differences(one, result)
    ]


def unlike(ours, theirs):
    """In what two results differ for a user."""
    if ours.classes or theirs.classes:
        return [] if ours.classes & theirs.classes else ["error"]
    wrong = [key for key in ("status", "redirects") if getattr(ours, key) != getattr(theirs, key)]
    if (ours.size, ours.hash) != (theirs.size, theirs.hash) and cookies(ours.body) != cookies(theirs.body):
        wrong.append("body")
    return wrong


def run_curls(port, folder, build_dir):
    """The Results of all rows, in their order."""

    def one(numbered):
        number, row = numbered
        return run_curl(row, port, folder / f"curl-{number}", build_dir)

    with concurrent.futures.ThreadPoolExecutor(CURLS_AT_ONCE) as pool:
        return list(pool.map(one, enumerate(ROWS)))


def test_servers(target, program, build_dir, tmp_path):
    run = Run(program, build_dir, tmp_path, target.port, ROWS)
    counts = target.wait_for(lambda counts: counts["connections"]["open"] == 0)
    theirs = run_curls(target.port, tmp_path, build_dir)
    results = run.results()
    wrong = []
    for number, (row, curl) in enumerate(zip(ROWS, theirs)):
        ours = [results.pop((number, step)) for step in range(len(requests(row)))]
        said = all_differences("loads-runner", row.seen, ours)
        said += all_differences("curl", row.curl or row.seen, curl)
        unequal = [key for pair in zip(ours, curl) for key in unlike(*pair)]
        if bool(unequal) != bool(row.why):
            said.append(f"they differ in {unequal or 'nothing'}, the reason is {row.why or 'none'}")
        if not any(result.classes for result in ours) and run.hits[number] != hops(ours):
            said.append(f"{run.hits[number]} hits for {hops(ours)} hops")
        wrong += [f"{row.name}: {text}" for text in said]
    assert not wrong, "\n" + "\n".join(wrong)
    assert results == {}
    check_counts(run, counts)


def hops(results):
    return sum(result.redirects + 1 for result in results)


def check_counts(run, counts):
    """Every iteration came to its end, and the outputs agree with each other and with the target."""
    summary = run.summary
    assert run.code == 0, run.stderr
    assert summary["iterations"]["successes"] == len(ROWS)
    assert all(counter["count"] == 1 for counter in summary["counters"] if not counter["name"].startswith("("))
    assert len(run.events_of("add_hit")) == summary["hits"]
    assert len(run.events_of("request_error")) == summary["request_errors"]
    assert sum(1 for row in ROWS for seen in row.seen if seen.error) == summary["request_errors"]
    assert summary["hits"] <= counts["answers"]


def test_bomb_costs_no_more_than_its_limit(target, program, build_dir, tmp_path):
    """1 GiB of zeros takes what a plain body of the limit takes."""
    peaks = {}
    for name, path in (("plain", f"/size/{LIMIT_BYTES}"), ("bomb", "/bomb/1024")):
        (tmp_path / name).mkdir()
        row = Row(name, [Step(path, timeout=60)], [])
        run = Run(program, build_dir, tmp_path / name, target.port, [row])
        result = run.results()[0, 0]
        assert (result.status, result.size, result.cut) == (200, LIMIT_BYTES, name == "bomb"), result
        peaks[name] = run.peak_bytes
    assert peaks["bomb"] < peaks["plain"] + (8 << 20), peaks
