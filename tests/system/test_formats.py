# SPDX-License-Identifier: MPL-2.0
"""Outputs in others' forms: others' parsers read them, all of them have the same numbers, and texts that
mean harm stay texts."""

import json
import math
import os
import pathlib
import re
import signal
import stat
import subprocess

import pytest

import formats
from formats import FunkLoad, agree, as_labels, read_csv, read_events, read_hdr, read_json, read_junit, read_prometheus

MODULES = pathlib.Path(__file__).parent / "modules"
FORMATS = ["html", "json", "csv", "junit", "prometheus", "hdr", "file", "funkload"]

SHOP = """\
#include <loads/loads.h>

LOADS_TEST(TestShop, test_browse)
{
    loads_get(user, "/any/front");
    loads_get(user, "/redirect/1");
    loads_get(user, "/status/404", .name = "missing");
    if (loads_random_int(user, 0, 3) == 0) {
        loads_get(user, "http://127.0.0.1:1/", .name = "refused");
    }
    loads_incr_counter(user, "seen");
}

LOADS_TEST(TestShop, test_buy)
{
    LOADS_TRANSACTION(user, "pay \\"now\\"")
    {
        loads_post(user, "/any/basket", .body = "1");
    }
    loads_assert_int_ne(loads_random_int(user, 0, 3), 0);
}
"""


@pytest.fixture
def written(runner):
    """written(arguments…): the run, and the files of all outputs by name."""

    def run(*arguments):
        paths = {name: runner.folder.parent / f"out.{name}" for name in [*FORMATS, "exec"]}
        outputs = [part for name in FORMATS for part in ("--output", f"{name}={paths[name]}")]
        outputs += ["--output", f"exec:dd of={paths['exec']} status=none"]
        ran = runner.run(*arguments, "--output", "stdout", *outputs)
        assert ran.code in (0, 1, 99), ran
        assert paths["exec"].read_bytes() == paths["file"].read_bytes()
        return ran, paths

    return run


def check_hdr(path, summary, rows):
    """Every second's histogram has the numbers that csv has, and every name's those of json."""
    lines = read_hdr(path)
    seconds = {row["second"]: row for row in rows if row["hits"]}
    steps = [line for line in lines if line["tag"] is None]
    start = steps[0]["start_msec"] - min(seconds) * 1000
    assert [round((line["start_msec"] - start) / 1000) for line in steps] == sorted(seconds)
    for line, (_, row) in zip(steps, sorted(seconds.items())):
        check_histogram(line, row["hits"], row)
    tagged = [line for line in lines if line["tag"] is not None]
    with_hits = [name for name in summary["names"] if name["hits"]]
    assert len(tagged) == len(with_hits)
    for line, name in zip(tagged, with_hits):
        check_histogram(line, name["hits"], name["latency"])
    return tagged


def check_histogram(line, hits, latency):
    assert line["count"] == hits
    assert line["mean"] == pytest.approx(latency["average_usec"], rel=0.002)
    for key, percent in formats.PERCENTS.items():
        low, high = line["percentiles"][percent]
        assert low <= latency[key] <= high, (key, latency[key], low, high)


def check_percentiles(summary, seconds):
    """Those of single hits: what Loads shows is the middle of a bucket with them in it."""
    usecs = sorted(round(value * 1e6) for value in seconds)
    assert len(usecs) == summary["hits"]
    for key, percent in formats.PERCENTS.items():
        rank = math.ceil(len(usecs) * float(percent) / 100 - 1e-9)
        assert summary["latency"][key] == pytest.approx(usecs[rank - 1], rel=0.001, abs=1), key
    assert (summary["latency"]["min_usec"], summary["latency"]["max_usec"]) == (usecs[0], usecs[-1])


def test_same_numbers(runner, target, written):
    """One run, in all outputs. Percentiles of a second are those of its hits, whoever measured them."""
    runner.write("shop.c", SHOP)
    ran, paths = written("shop.TestShop.test_browse:3", "shop.TestShop.test_buy:1", "--server-url",
                         target.url, "-u", "3:6", "--hits", "8", "--workers", "2", "--seed", "7",
                         "--threshold", "p95 < 100s, stop", "--threshold", "failures{test=TestShop.test_buy} < 1%",
                         "--threshold", "hits{status=4*} > 1", "--threshold", "rps > 0.001",
                         "--threshold", "p95{status=299} < 1s")
    expected = read_json(paths["json"])
    summary = json.loads(paths["json"].read_text())
    assert expected.hits > 100 and expected.request_errors > 0
    assert all(n > 0 for n in expected.outcomes)
    assert (ran.counts["Hits"], ran.counts["Success"], ran.counts["Failures"], ran.counts["Errors"]) == \
        (expected.hits, *expected.outcomes)

    by_second, rows = read_csv(paths["csv"])
    agree(expected, by_second)
    assert {row["users"] for row in rows} <= {3, 6}
    assert sum(row["sent_bytes"] for row in rows) == summary["sent_bytes"]
    assert max(row["max_usec"] or 0 for row in rows) == summary["latency"]["max_usec"]
    agree(expected, read_events(paths["file"]))
    events = [json.loads(line) for line in paths["file"].read_text().splitlines()]
    numbers, samples = read_prometheus(paths["prometheus"])
    agree(expected, numbers)
    assert [one["name"] for one in summary["transactions"]] == ['pay "now"'] and len(summary["phases"]) > 2
    formats.check_times(summary, samples)
    junit, cases = read_junit(paths["junit"])
    agree(expected, junit)
    assert cases["TestShop.test_buy"][0] == "failure"
    check_hdr(paths["hdr"], summary, rows)

    funkload = FunkLoad(paths["funkload"]).check()
    numbers = funkload.numbers()
    check_percentiles(summary, [event["elapsed"] for event in events if event["data_type"] == "add_hit"])
    check_percentiles(summary, [float(one["duration"]) for one in funkload.responses if one["code"] != "-1"])
    agree(formats.Numbers(expected.hits, expected.request_errors, expected.outcomes), numbers)
    by_name = {}
    for (_, name), hits in expected.names.items():
        by_name[name] = by_name.get(name, 0) + hits
    assert numbers.names == {name: hits for name, hits in by_name.items() if hits}
    assert {cycle: users for cycle, (users, _, _) in funkload.cycles().items()} == {0: 3, 1: 6}


def test_seconds(runner, target, written):
    """The latencies of each second are those of the events in it."""
    _, paths = written(f"{target.url}/any/page", "-u", "2", "-d", "2", "--workers", "2")
    _, rows = read_csv(paths["csv"])
    latencies = sorted(round(json.loads(line)["elapsed"] * 1e6)
                       for line in paths["file"].read_text().splitlines() if '"add_hit"' in line)
    assert len(rows) >= 2 and sum(row["hits"] for row in rows) == len(latencies)
    total = sum(row["average_usec"] * row["hits"] for row in rows if row["hits"])
    assert total == pytest.approx(sum(latencies), rel=1e-5)
    assert min(row["min_usec"] for row in rows if row["hits"]) == latencies[0]
    assert [row["second"] for row in rows] == list(range(len(rows)))


def shown(text):
    """What the names table makes of a text, which is the same everywhere."""
    return "".join("?" if ord(c) < 32 and c not in "\n\t" or ord(c) == 127 else c for c in text)


HOSTILE = (b"</script><img src=x onerror=alert(1)>&amp;<!-- ]]> \"double\" 'single' \\back `tick` ${x} "
           b"%s \x1b[31mred\x07 \xe2\x80\xa8 \xe2\x80\xae \xe2\x80\x8f \xff\xc3\x28 \xf0\x9f\x98\x80 a,b;c\td|e")


def test_hostile(runner, target, written):
    """Each form has the same text, escaped as its parsers expect it."""
    runner.write("hostile.c", (MODULES / "hostile.c").read_text(encoding="utf-8"))
    _, paths = written("hostile.Hostile.test_names", "hostile.Hostile.test_failure", "--server-url",
                       target.url, "--hits", "12", "--seed", "7", "--project-name", 'a "b" </script> & c',
                       "--output-html-title", "</title><script>alert(1)</script>")
    summary = json.loads(paths["json"].read_text(encoding="utf-8"))
    expected = read_json(paths["json"])
    text = shown(HOSTILE.decode("utf-8", "replace"))
    assert {text, "line\nbreak", "=1+1"} <= {name["name"] for name in summary["names"]}
    (error,) = summary["errors"]
    assert text in error["message"]
    assert {counter["name"] for counter in summary["counters"]} == {text}

    agree(expected, read_events(paths["file"]))
    numbers, samples = read_prometheus(paths["prometheus"])
    agree(as_labels(expected), numbers)
    assert [labels["name"] for labels, _ in samples["counter"]] == [text.replace("\t", "\ufffd")]
    _, cases = read_junit(paths["junit"])
    result, message, _ = cases["Hostile.test_failure"]
    assert (result, message) == ("failure", error["message"])
    funkload = FunkLoad(paths["funkload"]).check()
    assert text in {one["description"] for one in funkload.responses}
    assert error["message"] in next(one["traceback"] for one in funkload.results if "traceback" in one)
    assert funkload.config["class_title"] == 'a "b" </script> & c'
    for row in paths["csv"].read_text().splitlines()[1:]:  # nothing that could be a formula
        assert re.fullmatch(r"[0-9.,:TZ-]*", row) and not re.search(r"(^|,)[^0-9,]", row), row
    tags = [line["tag"] for line in check_hdr(paths["hdr"], summary, read_csv(paths["csv"])[1])]
    assert len(tags) == len(expected.names) and not any(set(tag) & set(", \n\t\x1b") for tag in tags)
    page = paths["html"].read_text(encoding="utf-8")
    assert "<img" not in page and "<script>alert" not in page and page.count("</script>") == 3
    for path in paths.values():
        assert not set(path.read_bytes()) & set(b"\x1b\x07\x00"), path


def test_nothing(runner, written):
    """A run without any hit."""
    runner.write("idle.c", '#include <loads/loads.h>\nLOADS_TEST(Idle, test_idle) { (void)user; }\n')
    ran, paths = written("idle.Idle.test_idle", "--hits", "3")
    assert ran.code == 0, ran
    expected = read_json(paths["json"])
    assert (expected.hits, expected.outcomes, expected.latency) == (0, (3, 0, 0), None)
    by_second, rows = read_csv(paths["csv"])
    agree(expected, by_second)
    assert all(row["p50_usec"] is None for row in rows)
    agree(expected, read_prometheus(paths["prometheus"])[0])
    agree(expected, read_junit(paths["junit"])[0])
    assert read_hdr(paths["hdr"]) == []
    agree(expected, FunkLoad(paths["funkload"]).check().numbers())


def test_funkload_nginx(runner, nginx, written):
    """FunkLoad's XML has what nginx says that it answered."""
    _, paths = written(f"{nginx.url}/empty", "-u", "2:4", "--hits", "5")
    funkload = FunkLoad(paths["funkload"]).check()
    log = nginx.access_log()
    assert [(one["type"], one["code"]) for one in funkload.responses] == \
        [(line.method.lower(), str(line.status)) for line in log]
    assert funkload.cycles() == {0: (2, 10, 10), 1: (4, 20, 20)}
    assert funkload.config["cycles"] == "[2, 4]" and funkload.config["server_url"] == f"{nginx.url}/empty"
    assert all(one["url"] == f"{nginx.url}/empty" for one in funkload.responses)


def test_funkload_redirects(runner, target, written):
    """The hops of a redirect are responses to the same page."""
    runner.write("hops.c", '#include <loads/loads.h>\nLOADS_TEST(Hops, test_hops)\n{\n'
                 '    loads_get(user, "/redirect/2");\n    loads_get(user, "/any");\n}\n')
    _, paths = written("hops.Hops.test_hops", "--server-url", target.url)
    funkload = FunkLoad(paths["funkload"]).check()
    assert [(one["step"], one["number"], one["type"]) for one in funkload.responses] == \
        [("001", "001", "get"), ("001", "002", "redirect"), ("001", "003", "redirect"), ("002", "001", "get")]
    (result,) = funkload.results
    assert [result[key] for key in ("steps", "pages", "redirects", "requests")] == ["2", "2", "2", "4"]


FILENAMES = ["--output-csv-filename", "--output-file-filename", "--output-funkload-filename",
             "--output-hdr-filename", "--output-html-filename", "--output-json-filename",
             "--output-junit-filename", "--output-prometheus-filename"]


def test_filenames(runner, echo_server):
    """--output-NAME-filename says where, unless FILE does."""
    arguments = []
    for option in FILENAMES:
        name = option.split("-")[3]
        arguments += ["--output", name, option, f"{name}.out"]
    ran = runner.run(echo_server.url, *arguments)
    assert ran.code == 0 and ran.counts["Hits"] == 1, ran
    assert {path.name for path in runner.folder.glob("*.out")} == {f"{name}.out" for name in FORMATS}
    ran = runner.run(echo_server.url, "--output", "json=a.json", "--output-json-filename", "b.json")
    assert ran.code == 0 and (runner.folder / "a.json").exists() and not (runner.folder / "b.json").exists()


def test_options(runner, echo_server):
    """They do what they say; of an output that isn't there, nothing."""
    runner.write("loads.ini", "[loads]\noutput_html_title = ours\noutput_junit_suite = Smoke & more\n")
    ran = runner.run(echo_server.url, "--config", "loads.ini", "--output", "junit=j.xml", "--output",
                     "prometheus=p.prom", "--output-prometheus-prefix", "shop_",
                     "--output", "html=page.html", env={"LOADS_OUTPUT_HTML_TITLE": "their own"})
    assert ran.code == 0, ran
    assert 'name="Smoke &amp; more"' in (runner.folder / "j.xml").read_text()
    read_prometheus(runner.folder / "p.prom", "shop_")
    assert "<title>their own</title>" in (runner.folder / "page.html").read_text()


@pytest.mark.parametrize("arguments, said", [
    (["--output", "html=/nonexistent/x.html"], "output html: can't write '/nonexistent/x.html'"),
    (["--output", "csv", "--output-csv-filename", "/nonexistent/x"], "output csv: can't write '/nonexistent/x'"),
    (["--output", "exec:/nonexistent/program"], "cannot start '/nonexistent/program'"),
    (["--output", "exec:./example.c"], "cannot start './example.c': Permission denied"),
    (["--output", "exec"], "name the program behind it, as in exec:PROGRAM"),
    (["--output", "exec:"], "name the program behind it, as in exec:PROGRAM"),
    (["--output", "csv:x"], "output csv: is not written to a program"),
    (["--output-prometheus-prefix", "1x"], "'1x' is no beginning of a metric's name"),
    (["--output-prometheus-prefix", ""], "is no beginning of a metric's name"),
    (["--output-exec-timeout", "0"], "'0' is no time at all"),
    (["--output-html-filename", ""], "is empty"),
    (["--output-junit-suite", "x" * 201], "is longer than 200 bytes"),
    (["--output-html-title", "x" * 201], "is longer than 200 bytes"),
    (["--output", "hdr=."], "output hdr: can't write '.': Is a directory"),
    (["--output", "csv=same", "--output", "junit=./same"], "two outputs write to"),
    (["--output", "csv", "--output", "junit"], "two outputs write to standard output"),
])
def test_refused(runner, gate, arguments, said):
    """Before anything runs."""
    ran = runner.run(gate.url, *arguments)
    assert ran.code == 2 and said in ran.stderr, ran
    assert gate.requests == 0


SHORT_OF_ROOM = """\
mount -t tmpfs -o size=48k tmpfs "$1" && mkdir "$1/read-only" && mount -t tmpfs -o ro tmpfs "$1/read-only" || exit 77
cd "$2"; shift 2; exec "$@"
"""


@pytest.fixture
def short_of_room(runner):
    """short_of_room(arguments…): a run that sees a folder `disk` with little room, in which `read-only` is."""
    disk = runner.folder / "disk"
    disk.mkdir()

    def run(*arguments):
        ran = subprocess.run(["unshare", *([] if os.geteuid() == 0 else ["-Ur"]), "--mount", "sh", "-c", SHORT_OF_ROOM,
                              "sh", disk, runner.folder, runner.program, *map(str, arguments)],
                             env=runner.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=100)
        assert "Sanitizer" not in ran.stderr, ran.stderr
        return ran

    return run


def test_disk_gets_full(short_of_room, target):
    """In the middle of the run, for each output; each says so once, and the run comes to its end."""
    outputs = [part for name in FORMATS for part in ("--output", f"{name}=disk/{name}")]
    ran = short_of_room(f"{target.url}/any", "-u", "2", "--hits", "1000", "--output", "stdout", *outputs)
    assert ran.returncode == 1, ran
    assert "Hits: 2000\n" in ran.stdout and "Success: 2000\n" in ran.stdout
    said = sorted(line for line in ran.stderr.splitlines() if "can't write" in line)
    assert said == sorted(f"loads-runner: output {name}: can't write 'disk/{name}': No space left on device"
                          for name in FORMATS)


def test_read_only(short_of_room, gate):
    ran = short_of_room(gate.url, "--output", "json=disk/read-only/x")
    assert ran.returncode == 2, ran
    assert "output json: can't write 'disk/read-only/x': Read-only file system" in ran.stderr
    assert gate.requests == 0


# ---- programs ----


def program(runner, text):
    path = runner.write("take", "#!/usr/bin/python3\nimport json, os, sys, time\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return "exec:./take"


def test_exec(runner, target):
    """The program gets the lines that `file` has, and the words behind its name."""
    command = program(runner, "open(sys.argv[1], 'w').write(sys.stdin.read()); print('taken')")
    ran = runner.run(f"{target.url}/any", "-u", "2", "--hits", "50", "--output", f"{command} 'a file'",
                     "--output", "file=events")
    assert ran.code == 0 and ran.counts["Hits"] == 100 and "taken" in ran.stdout, ran
    assert (runner.folder / "a file").read_text() == (runner.folder / "events").read_text()


def test_exec_status(runner, target):
    ran = runner.run(f"{target.url}/any", "--output", program(runner, "sys.stdin.read(); sys.exit(3)"))
    assert ran.code == 1 and "output exec: './take' exited with status 3\n" in ran.stderr, ran
    assert ran.counts["Success"] == 1


def test_exec_gone(runner, target):
    """One that ends early is said once, and the run goes on."""
    ran = runner.run(f"{target.url}/any", "-u", "2", "--hits", "2000", "--output",
                     program(runner, "os.kill(os.getpid(), 9)"))
    assert ran.code == 1 and ran.counts["Success"] == 4000, ran
    assert ran.stderr.count("output exec") == 1
    assert "'./take' was killed by signal 9 (Killed) before the run was over" in ran.stderr


def test_exec_reads_nothing(runner, target):
    """One that is there and reads nothing holds the run up once, for its time."""
    ran = runner.run(f"{target.url}/any", "-u", "2", "--hits", "2000", "--output-exec-timeout", "0.2",
                     "--output", program(runner, "time.sleep(1000)"))
    assert ran.code == 1 and ran.counts["Success"] == 4000, ran
    assert ran.stderr.count("output exec") == 1 and "read nothing for 0.2 s: it was ended" in ran.stderr


def test_exec_holds_nothing_up(runner, target):
    """While one reads nothing, the run is looked after: here it is stopped. Then it reads, and gets all."""
    command = program(runner, "while not os.path.exists('go'):\n    time.sleep(0.01)\n"
                              "print('hits', sum('\"add_hit\"' in line for line in sys.stdin))")
    running = runner.start(f"{target.url}/any", "-u", "2", "-d", "1h", "--threshold", "hits < 3000, stop",
                           "--output-exec-timeout", "1h", "--output", command)
    running.wait_for("stopping: hits < 3000, stop does not hold")
    (runner.folder / "go").touch()
    ran = running.wait()
    assert ran.code == 99 and ran.counts["Hits"] >= 3000 and "output exec" not in ran.stderr, ran
    assert f"hits {ran.counts['Hits']}\n" in ran.stdout


def test_exec_never_ends(runner, target):
    ran = runner.run(f"{target.url}/any", "--output-exec-timeout", "0.2", "--output",
                     program(runner, "sys.stdin.read(); time.sleep(1000)"))
    assert ran.code == 1 and ran.counts["Success"] == 1, ran
    assert "'./take' didn't end within 0.2 s of the end of the run: it was ended" in ran.stderr


def test_exec_slow(runner, target):
    """A slow one gets every line."""
    command = program(runner, "n = 0\nfor line in sys.stdin:\n    n += 1\n"
                              "    time.sleep(0.0005)\nprint('lines', n)")
    ran = runner.run(f"{target.url}/any", "--hits", "1000", "--output", command)
    assert ran.code == 0 and "lines 4000\n" in ran.stdout, ran


def test_exec_interrupted(runner, gate):
    """The program isn't interrupted with the run: it gets what there is, and the end."""
    command = program(runner, "print('lines', len(sys.stdin.readlines()))")
    running = runner.start(gate.url, "--grace", "0", "--output", command)
    gate.wait_for(1)
    running.send(signal.SIGINT)
    ran = running.wait()
    assert "lines 3\n" in ran.stdout and "output exec" not in ran.stderr, ran
