# SPDX-License-Identifier: MPL-2.0
"""Full disks: under outputs, under the run's own files, under what is compiled; from the start, and from
some moment on. What can't be written is said once, the rest goes on; nothing is ended by a SIGBUS.

The disks are tmpfs in a mount namespace of the run, so nobody else sees them: for root that takes no
more, and where users may have namespaces they become root in one.
"""

import json
import os
import pathlib
import re
import signal

import pytest

from reports import is_over

USERS, ITERATIONS = 10, 20
TOTAL = USERS * ITERATIONS
NO_SPACE = "No space left on device"


@pytest.fixture
def disk(tmp_path):
    """A folder to mount small disks on."""
    path = tmp_path / "disk"
    path.mkdir()
    return path


@pytest.fixture
def with_disk(wrapper, tmp_path):
    """with_disk(mounts, script, after): loads-runner in a namespace with {folder: mount options}."""

    def make(mounts, script="", after=None):
        inner = wrapper(
            "\n".join(f'mount -t tmpfs -o {options} tmpfs "{folder}"' for folder, options in mounts.items())
            + "\n" + script, after)
        outer = tmp_path / "in-namespace"
        flags = "-m" if os.geteuid() == 0 else "-Urm"
        outer.write_text(f'#!/bin/sh\nexec unshare {flags} -- "{inner}" "$@"\n')
        outer.chmod(0o755)
        return str(outer)

    return make


@pytest.fixture
def on_disk(start_loads, target, module):
    def start(*arguments, **options):
        return start_loads("torture.TestKill.test_two", "--server-url", target.url, "-u", USERS, "--hits",
                           ITERATIONS, "--workers", 2, *arguments, cwd=module, **options)

    return start


def complaints(run):
    return [line for line in run.stderr.splitlines() if line.startswith("loads-runner: ")]


# ---- outputs ----


@pytest.mark.parametrize("name", [pytest.param("file", marks=pytest.mark.quick), "json", "html", "csv", "junit",
                                  "prometheus", "hdr", "funkload"])
def test_output_to_full_device(on_disk, target, name):
    run = on_disk("--output", f"{name}=/dev/full").finish()
    assert run.code == 1, run.said()
    assert run.outcomes() == (TOTAL, 0, 0, 0)
    assert run.hits() == 2 * TOTAL == target.counts()["answers"]
    assert complaints(run) == [f"loads-runner: output {name}: can't write '/dev/full': {NO_SPACE}"]


@pytest.mark.parametrize("size, name", [("64k", "file"), ("8k", "file"), ("4k", "json"), ("64k", "html"), ("64k", "funkload")])
def test_output_fills_disk(on_disk, with_disk, disk, target, size, name):
    """It fills in mid-run; what the other outputs tell isn't touched."""
    path = disk / "output"
    filler = f'head -c 2000 /dev/zero >"{disk}/filler"' if name == "json" else ""
    run = on_disk("--output", f"{name}={path}", *["--tag", "t=" + "x" * 1000] * 3, runner=with_disk({disk: f"size={size}"}, filler)).finish()
    assert run.code == 1, run.said()
    assert run.outcomes() == (TOTAL, 0, 0, 0)
    assert run.hits() == 2 * TOTAL == target.counts()["answers"]
    assert complaints(run) == [f"loads-runner: output {name}: can't write '{path}': {NO_SPACE}"]


def test_output_keeps_whole_lines(on_disk, with_disk, disk, tmp_path):
    """Of an output that broke off, all lines but the last one are whole."""
    copy = tmp_path / "copy"
    runner = with_disk({disk: "size=64k"}, after=f'cp "{disk}/output" "{copy}"')
    run = on_disk("--output", f"file={disk}/output", runner=runner).finish()
    assert run.code == 1, run.said()
    lines = copy.read_text().split("\n")
    assert len(lines) > 10
    for line in lines[:-1]:
        json.loads(line)


# ---- the run's directory ----

# Where the run's files may go: here they all are the small disk, but for /dev/shm, which is read-only,
# and /tmp, which comes after all of them.
PLACES = 'mount -t tmpfs -o ro tmpfs /dev/shm\nexport XDG_RUNTIME_DIR="{0}" TMPDIR="{0}"'


@pytest.mark.parametrize("size", ["4k", "64k", "1m", pytest.param("4m", marks=pytest.mark.quick)])
def test_no_room_for_run(on_disk, with_disk, disk, target, size):
    run = on_disk(runner=with_disk({disk: f"size={size}"}, PLACES.format(disk))).finish()
    assert run.code in (2, 4) and run.summary is None, run.said()
    (line,) = complaints(run)
    assert re.search(r"no room for \d+ KiB in the run's directory \(set TMPDIR or XDG_RUNTIME_DIR", line)
    assert target.counts()["requests"] == 0


def test_no_room_for_directory(on_disk, with_disk, disk, target):
    """Not even a directory can be made there: the next place is taken."""
    run = on_disk(runner=with_disk({disk: "nr_inodes=1"}, PLACES.format(disk))).finish()
    run.passed(TOTAL)
    assert run.hits() == target.counts()["answers"]


def fill(folder):
    """Takes what is left of a disk."""
    with open(folder / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


@pytest.mark.parametrize("detail", [False, True])
def test_run_fills_disk(start_loads, with_disk, disk, target, module, detail):
    """It fills in mid-run, so that what is counted finds no room: the run is given up with its reason,
    and what was counted until then is reported. Nobody takes it meanwhile, so that it needs more room
    however slow the machine is."""
    started = start_loads("torture.TestKill.test_spread", "--server-url", target.url, "-u", 100, "-d", 3600,
                          "--workers", 1, cwd=module, detail=detail,
                          runner=with_disk({disk: "size=64m"}, PLACES.format(disk)))
    target.wait_for(lambda counts: counts["answers"] > 0)
    fill(pathlib.Path(f"/proc/{started.process.pid}/root{disk}"))
    (worker,) = started.workers()
    started.process.send_signal(signal.SIGSTOP)
    started.wait_for(lambda: is_over(worker))
    started.process.send_signal(signal.SIGCONT)
    run = started.finish()
    assert run.code == 4, run.said()
    assert "no room for" in run.summary["trouble"]
    assert 0 < run.hits() <= target.counts()["answers"]
    assert "signal 7" not in run.stderr
    assert sum("no room for" in line for line in complaints(run)) == 1


# ---- compiling ----


@pytest.mark.parametrize("size", ["4k", "16k"])
def test_no_room_for_module(on_disk, with_disk, disk, target, size):
    """Whatever the compiler has to say about it, we say what it was about."""
    script = f'export XDG_CACHE_HOME="{disk}"'
    run = on_disk(runner=with_disk({disk: f"size={size}"}, script)).finish()
    assert run.code == 2 and run.summary is None, run.said()
    assert len(complaints(run)) == 1
    assert re.search(rf"can't write to {disk}|torture\.c doesn't compile", complaints(run)[0])
    assert NO_SPACE in run.stderr
    assert target.counts()["requests"] == 0
