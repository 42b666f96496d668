# SPDX-License-Identifier: MPL-2.0
"""Each allocation of each unit test fails in turn, once alone and once with all that follow.

A test that then fails is right to: its assertions ask for more than there is memory for. What must not
happen: a signal (a failed assert() of ours is one), a complaint of a sanitizer, a run that doesn't end,
memory lost by a test that passed all the same. Such a finding is told once for each place that it comes
from, with the command that repeats it. Where a test makes many allocations, some are drawn, by a seed
that is printed; as many as fit the test's share of time, so that slow tests get fewer. A test that fails
allocations itself tries until all goes well, which it never does when all that follow fail.
"""

import os
import pathlib
import random
import re
import shlex
import signal
import subprocess
import tempfile
import time

MOST_ALLOCATIONS = 150  # per test program and way of failing
FEWEST_ALLOCATIONS = 4
QUICK_TESTS = "conf fqn ini json spec strlist strmap url words".split()
QUICK_ALLOCATIONS = 5

SANITIZERS = {
    # Whatever raises a signal is to be seen (fail_allocation.c keeps the test framework from it).
    "ASAN_OPTIONS": "verify_asan_link_order=0:handle_segv=1:handle_abort=1:handle_sigbus=1:"
    "handle_sigfpe=1:handle_sigill=1:detect_leaks=1:fast_unwind_on_malloc=0:exitcode=77",
    "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=77",
}

# Frames that are how a crash is noticed, not where it comes from.
MESSENGERS = re.compile(
    r"libsanitizer|libasan|libubsan|fail_allocation|(in (__GI_)?(raise|abort|__assert_fail\w*|__pthread_kill\w*|gsignal)\b)"
)

# Crashes, hangs and leaks that aren't ours: where they come from, and why we can't help them.
# What happens, the innermost frame, one that stands below it, why.
KNOWN = [
    ("ABRT", r"libev\.so", "", "libev ends the program without memory: its functions have no way to fail"),
    ("FPE", r"libcurl\.so", "", "libcurl 7.88 divides by the size of a hash table that it could not make"),
    ("memory", r"libdw\.so", "", "libdw 0.188 loses the ranges that it has read when it can't read all"),
    ("SEGV", r"libdw\.so", "", "libdw 0.188 takes an abbreviation that it had no memory for as read"),
    ("does not end", r"libxml2\.so", "", "libxml2 2.9 reads a tag for ever whose name it has no memory for"),
    ("SEGV", r"libxml2\.so", "", "libxml2 2.9 frees the parts of a parser that it had no memory to make"),
    ("memory", r"libcrypto\.so", "in OBJ_NAME_do_all ", "libcrypto 3.0 loses names of digests that it fetches"),
    ("memory", r"in __add_to_environ ", "", "glibc never frees what setenv() took: it may still be in use"),
]

FRAME = re.compile(r"^ +#\d+ 0x[0-9a-f]+ (.*)$", re.MULTILINE)


def blocks(report):
    """The stacks in a report, innermost frame first, each without its messengers."""
    found, current = [], []
    for line in report.splitlines() + [""]:
        match = FRAME.match(line)
        if match and not MESSENGERS.search(match[1]):
            current.append(match[1].strip())
        elif not match and current:
            found.append(current)
            current = []
    return found


# A frame of the project's own sources.
OWN = re.compile(r"/(lib|daemons|client|tests)/[a-z/_-]+\.[ch]:\d+")


def is_the_tests_own(stack):
    """The test itself went on with what it didn't get: its functions are the first of ours. Or, having
    failed half-way, it can't tidy up."""
    if any(re.search(r"in \w*tear_?down \S*/tests/", frame) for frame in stack):
        return True
    own = next((match for frame in stack if (match := OWN.search(frame))), None)
    return bool(own) and own[1] == "tests"


def is_known(what, stack):
    return bool(stack) and any(
        re.search(one, what) and re.search(frame, stack[0]) and any(below in other for other in stack)
        for one, frame, below, _ in KNOWN)


class Failed:
    """A program that ran with a failed allocation."""

    def __init__(self, code, output, report, hung, did_fail):
        self.code, self.output, self.report = code, output, report
        self.hung, self.did_fail = hung, did_fail

    def passed(self):
        """Every test did."""
        running = re.search(r"^\[=+\] Running (\d+) test", self.output, re.MULTILINE)
        passed = re.search(r"^\[  PASSED  \] (\d+) test", self.output, re.MULTILINE)
        return bool(running and passed) and running[1] == passed[1]

    def finding(self):
        """What is wrong, and the stack it comes from; None: nothing."""
        stacks = blocks(self.report)
        leaks = "LeakSanitizer" in self.report
        if self.hung:
            what = "does not end"
        elif self.report and not leaks:
            what = next((line for line in self.report.splitlines() if "ERROR" in line or "error:" in line),
                        "complaint of a sanitizer")
        elif leaks and self.passed():
            what = "loses memory"
        elif self.code < 0:
            what = f"killed by {signal.Signals(-self.code).name}"
        else:
            return None
        if leaks and not self.hung:
            stacks = [stack for stack in stacks if not is_known(what, stack)]
            return (what, stacks[0]) if stacks else None
        stack = stacks[0] if stacks else []
        return None if is_known(what, stack) or (not self.hung and is_the_tests_own(stack)) else (re.sub(r"^==\d+==|0x[0-9a-f]+", "", what), stack)


class Program:
    def __init__(self, path, shim, scratch):
        self.path, self.shim, self.scratch = path, shim, scratch
        self.name = path.name.removeprefix("test_")
        self.fails_allocations = b"__wrap_malloc" in path.read_bytes()

    def environment(self, at, everything):
        added = {**SANITIZERS, "LD_PRELOAD": str(self.shim), "FAIL_ALLOCATION_AT": str(at),
                 "FAIL_ALLOCATION_REPORT": str(self.scratch / "report")}
        if everything:
            added["FAIL_ALLOCATION_ALL"] = "1"
        return added

    def command(self, at, everything):
        """What repeats it by hand."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.environment(at, everything).items()]
        return " ".join([*words, shlex.quote(str(self.path))])

    def run(self, at, everything, seconds):
        environment = {**os.environ, **self.environment(at, everything)}
        log = self.scratch / "sanitizer"
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            environment[name] += f":log_path={log}"
        (self.scratch / "report").unlink(missing_ok=True)
        with open(self.scratch / "output", "wb") as output:
            process = subprocess.Popen([self.path], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       cwd=self.scratch, env=environment, start_new_session=True)
        hung = False
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            hung = True
            process.send_signal(signal.SIGABRT)  # it says where it is
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        own = self.scratch / f"sanitizer.{process.pid}"  # its children may be made to crash
        report = own.read_text(errors="replace") if own.exists() else ""
        report = re.sub(r"^==\d+==WARNING: ASan doesn't fully support makecontext.*\n", "", report, flags=re.MULTILINE)
        for left in self.scratch.glob("sanitizer.*"):
            left.unlink()
        lines = (self.scratch / "report").read_text().split() if (self.scratch / "report").exists() else []
        self.count = int(lines[-1]) if lines and lines[-1].isdigit() else 0
        output = (self.scratch / "output").read_text(errors="replace")
        return Failed(process.returncode, output, report, hung, "failed" in lines)


def choose(count, most, generator):
    return range(1, count + 1) if count <= most else sorted(generator.sample(range(1, count + 1), most))


def torture(program, quick, seconds_per_test, generator):
    """(findings, runs) of a program: {place: (what, stack, command)}"""
    before = time.monotonic()
    if (plain := program.run(0, False, 300)).code != 0:
        return {"": (f"fails without our help (exit code {plain.code})", [], str(program.path))}, 1
    seconds = time.monotonic() - before
    count, found, runs, beyond = program.count, {}, 0, 0
    assert count > 0, f"{program.name} makes no allocation: is it linked statically?"
    most = QUICK_ALLOCATIONS if quick else max(
        FEWEST_ALLOCATIONS, min(MOST_ALLOCATIONS, int(seconds_per_test / 2 / seconds)))
    for everything in (False,) if program.fails_allocations else (False, True):
        for at in choose(count, most, generator):
            failed = program.run(at, everything, 30 + 10 * seconds)
            runs += 1
            beyond += not failed.did_fail  # with threads, the number of allocations varies a little
            if finding := failed.finding():
                what, stack = finding
                found.setdefault((what, *stack[:3]), (what, stack, program.command(at, everything)))
    print(f"  {program.name}: {count} allocations, {runs} runs of {seconds:.1f} s"
          f"{f', {beyond} too short' if beyond else ''}", flush=True)
    if beyond > runs / 2:
        found["beyond"] = ("most runs had no allocation fail", [], str(program.path))
    return found, runs


def run(build_dir, quick, seed, seconds_per_test, only=()):
    """Prints what it does and finds; whether all was well. `only`: names of unit tests."""
    shim = build_dir / "tests" / "fail_allocation.so"
    programs = [path for path in sorted((build_dir / "tests").glob("test_*")) if os.access(path, os.X_OK)
                and path.is_file() and not path.suffix]
    wanted = only or (QUICK_TESTS if quick else None)
    programs = [path for path in programs if not wanted or path.name.removeprefix("test_") in wanted]
    if not shim.is_file() or not programs:
        print(f"{build_dir} has no unit tests: build it first")
        return False
    findings = 0
    with tempfile.TemporaryDirectory(prefix="loads-torture-") as folder:
        for path in programs:
            generator = random.Random(f"{seed} {path.name}")
            program = Program(path, shim, pathlib.Path(folder))
            found, _ = torture(program, quick, seconds_per_test, generator)
            for what, stack, command in found.values():
                findings += 1
                print(f"FINDING: {program.name} {what}", *(f"    {frame}" for frame in stack[:12]),
                      f"  again: {command}", sep="\n", flush=True)
    return findings == 0
