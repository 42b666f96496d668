# SPDX-License-Identifier: MPL-2.0
"""Each option of loads-runner does what --help says, from wherever it comes."""

import json
import os
import re
import ssl
import subprocess

import pytest

from conftest import ROOT
from runner import Gate

FQN = "example.TestWebSite.test_es"

# Says how it was run through what it asks for.
TELLTALE = """\
#include <loads/loads.h>
#include <stdio.h>
#include <unistd.h>
#ifdef WITH_MATH
#include <math.h>
#endif

LOADS_TEST(Tell, where)
{
    char line[100] = "";
    FILE *file = fopen("data/users.csv", "r");
    loads_assert_not_null(file);
    loads_assert_not_null(fgets(line, sizeof line, file));
    fclose(file);
    loads_get(user, loads_printf(user, "/any/%s", line));
}

LOADS_TEST(Tell, flags)
{
#ifdef WORD
    loads_get(user, "/any/" WORD);
#endif
#ifdef WITH_MATH
    volatile double number = loads_iteration(user) + 16;
    loads_get(user, loads_printf(user, "/any/%g", cbrt(number * 4)));
#endif
}

LOADS_TEST(Tell, process)
{
    loads_get(user, loads_printf(user, "/any/%d", (int)getpid()));
    loads_sleep(user, 0.05);
}

static __attribute__((noinline)) size_t use(size_t size)
{
    volatile char memory[size];
    for (size_t i = 0; i < size; i += 1024) {
        memory[i] = 1;
    }
    return size + (size_t)memory[0];
}

LOADS_TEST(Tell, stack)
{
    loads_assert_uint_gt(use(1 << 20), 0);
}
"""


def paths(target):
    return sorted(path for path in target.counts()["paths"])


def offered(runner):
    text = runner.run("--help").stdout
    return set(re.findall(r"^  (?:-\w, |    )(--[a-z0-9-]+)", text, re.MULTILINE))


def test_every_option_has_a_test_here(runner):
    """The name of each option stands in this file, or, for runs on agents and by other programs, in those
    for them."""
    text = "".join((ROOT / "tests/system" / f"test_{name}.py").read_text()
                   for name in ("runner_options", "submit", "console", "loadsctl", "external", "python_run", "debug",
                                "formats", "tls", "http2", "proxy", "connections", "observers", "thresholds"))
    found = offered(runner)
    assert len(found) > 20
    assert sorted(option for option in found if f'"{option}' not in text) == []


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(runner, option):
    ran = runner.run(option)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Usage: loads-runner [OPTION...] FQN[:WEIGHT]...|URL\n")
    assert max(map(len, ran.stdout.splitlines())) <= 80


def test_help_lists_the_outputs_there_are(runner):
    wrong = runner.run(FQN, "--output", "nothing")
    names = re.search(r"there are: (.*)", wrong.stderr)[1].split(", ")
    shown = runner.run("--help").stdout
    for name in names:
        assert re.search(rf"\b{name}\b", shown), name


def test_version(runner):
    ran = runner.run("--version")
    assert (ran.code, ran.stderr) == (0, "")
    assert re.fullmatch(r"loads-runner \d+\.\d+\.\d+\n", ran.stdout)


def test_version_wins_over_mistakes_that_follow(runner):
    assert runner.run("--version", "--hits", "x").code == 0


@pytest.mark.parametrize("option", ["--help", "--version", "--list=example"])
def test_a_full_disk_behind_standard_output_is_told(runner, option):
    with open("/dev/full", "w") as full:
        ran = runner.run(option, stdout=full)
    assert ran.code == 1
    assert ran.stderr == (
        "loads-runner: cannot write to standard output: No space left on device\n"
    )


def test_list(runner):
    ran = runner.run("--list", "example")
    assert (ran.code, ran.stderr) == (0, "")
    lines = [line.split(" ")[0] for line in ran.stdout.splitlines()]
    assert lines == [f"example.TestWebSite.test_{name}" for name in ("es", "two", "hang", "fail")]
    assert ran.stdout.splitlines()[0].endswith("(example.c:3)")


def test_list_of_a_module_in_folders(runner):
    runner.write("path/to/module.c", "#include <loads/loads.h>\nLOADS_TEST(S, t) {}\n")
    assert runner.run("--list", "path.to.module").stdout == "path.to.module.S.t (path/to/module.c:2)\n"


# ---- what to run ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [[FQN], ["--fqn", FQN], [f"--fqdn={FQN}"], ["--", FQN], ["-u1", "-c1", FQN]]
)
def test_the_name_of_the_test(runner, target, arguments):
    ran = runner.run("--server-url", target.url, *arguments)
    assert ran.code == 0
    assert target.counts()["requests"] == 1


def test_url_in_place_of_a_name(runner, target):
    ran = runner.summarize(f"{target.url}/any/page?_q=1", "-u", "5", "--hits", "4")
    assert ran.code == 0
    assert ran.counts == {"Hits": 20, "Success": 20, "Errors": 0, "Failures": 0}
    assert target.counts()["requests"] == 20
    assert ran.summary["options"]["url"] == f"{target.url}/any/page?***"
    assert "fqn" not in ran.summary["options"]
    assert [name["name"] for name in ran.summary["names"]] == [f"{target.url}/any/page"]


@pytest.mark.parametrize("status, failed", [(200, 0), (399, 0), (400, 3), (503, 3)])
def test_url_that_answers_400_or_more_is_a_failure(runner, target, status, failed):
    ran = runner.run(f"{target.url}/status/{status}", "--hits", "3")
    assert ran.code == (1 if failed else 0)
    assert ran.counts == {"Hits": 3, "Success": 3 - failed, "Errors": 0, "Failures": failed}
    assert (f"answered {status}" in ran.stdout) == bool(failed)


@pytest.mark.parametrize(
    "base, path",
    [("", "/any/es"), ("/", "/any/es"), ("/deeper/", "/any/es"), ("/a?b=c", "/any/es")],
)
def test_server_url_and_relative_ones(runner, target, base, path):
    ran = runner.run(FQN, "--server-url", target.url + base)
    assert ran.code == 0
    assert paths(target) == [path]


def test_server_url_and_ones_relative_to_its_path(runner, target):
    runner.write("relative.c", """\
#include <loads/loads.h>
LOADS_TEST(Relative, all)
{
    loads_assert_int_eq(loads_get(user, "c")->status, 200);
    loads_assert_int_eq(loads_get(user, "../d?_x")->status, 200);
    loads_assert_int_eq(loads_get(user, "")->status, 200);
    loads_assert_str_contains(loads_server_url(user), "/any/a/b");
}
""")
    ran = runner.run("relative.Relative.all", "--server-url", f"{target.url}/any/a/b")
    assert ran.code == 0, ran
    assert paths(target) == ["/any/a/b", "/any/a/c", "/any/d"]


@pytest.fixture
def tls_server(tmp_path):
    """An HTTPS server: its port, and the file of its certificate, which no authority has signed."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    gate = Gate(context)
    gate.open()
    yield gate.server.server_port, certificate
    gate.close()


def test_certificates_are_checked(runner, tls_server):
    port, _ = tls_server
    ran = runner.summarize(f"https://localhost:{port}/")
    assert ran.code == 1
    assert ran.counts["Errors"] == 1
    assert ran.summary["errors"][0]["class"] == "tls"
    assert "self-signed certificate" in ran.summary["errors"][0]["message"]


def test_ca_file(runner, tls_server):
    port, certificate = tls_server
    assert runner.run(f"https://localhost:{port}/", "--ca-file", certificate).code == 0
    ran = runner.run(f"https://127.0.0.1:{port}/", "--ca-file", certificate)
    assert ran.code == 1  # it is another's
    assert "127.0.0.1" in ran.stdout


def test_insecure(runner, tls_server):
    port, _ = tls_server
    ran = runner.run(f"https://127.0.0.1:{port}/", "--insecure", "--hits", "3")
    assert ran.code == 0
    assert ran.counts["Success"] == 3


# ---- how much ------------------------------------------------------------------------------------


@pytest.mark.parametrize("users", [["-u", "3"], ["-u3"], ["--users", "3"], ["--users=3"]])
@pytest.mark.parametrize("hits", [["-c", "2"], ["--hits=2"]])
def test_users_and_hits(runner, target, users, hits):
    assert runner.run(FQN, "--server-url", target.url, *users, *hits).code == 0
    assert target.counts()["requests"] == 6


@pytest.mark.parametrize("duration", [["-d", "1.5"], ["-d1500ms"], ["--duration=1.5s"]])
@pytest.mark.parametrize("grace", [["--grace", "1m"], ["--grace=60"]])
def test_duration_and_grace(runner, target, duration, grace):
    ran = runner.summarize(FQN, "--server-url", target.url, *duration, *grace)
    assert ran.code == 0
    assert ran.summary["options"]["duration_usec"] == 1500000
    assert ran.summary["options"]["grace_usec"] == 60000000


def test_timeout(runner, target):
    ran = runner.summarize(f"{target.url}/hang", "-u", "2", "--timeout", "100ms")
    assert ran.code == 1
    assert ran.counts == {"Hits": 0, "Success": 0, "Errors": 2, "Failures": 0}
    assert ran.summary["errors"][0]["class"] == "timeout"
    assert ran.summary["options"]["http_timeout_usec"] == 100000


def test_stall_timeout(runner):
    """A test that goes round for ever is an error, told with its name."""
    runner.write("busy.c", """\
#include <loads/loads.h>
LOADS_TEST(Busy, once)
{
    while (loads_iteration(user) == 0) {
    }
}
""")
    ran = runner.summarize("busy.Busy.once", "--hits", "2", "--stall-timeout", "3")
    assert ran.code == 1
    assert ran.counts == {"Hits": 0, "Success": 1, "Errors": 1, "Failures": 0}
    assert "Busy.once" in ran.stdout and "busy.c:" in ran.stdout


def test_stall_timeout_of_workers_that_do_not_start(runner):
    """A module that can be loaded once, so that its workers are never ready."""
    runner.write("once.c", """\
#include <loads/loads.h>
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void hang(void)
{
    if (open("loaded", O_CREAT | O_EXCL | O_WRONLY, 0666) < 0) {
        for (;;) {
            pause();
        }
    }
}
LOADS_TEST(Once, only) {}
""")
    ran = runner.run("once.Once.only", "--stall-timeout", "2")
    assert ran.code == 4
    assert "loading the test and making its users took longer than --stall-timeout" in ran.stderr


def test_stall_timeout_leaves_the_idle_alone(runner, target):
    """A worker that only waits turns its loop as often as it is looked at."""
    ran = runner.summarize(f"{target.url}/delay/4000", "--stall-timeout", "3")
    assert ran.code == 0
    assert ran.counts["Success"] == 1


@pytest.mark.parametrize("workers, processes", [(1, 1), (3, 3), (9, 4)])
def test_workers_share_the_users_and_are_no_more(runner, target, workers, processes):
    runner.write("tell.c", TELLTALE)
    ran = runner.summarize("tell.Tell.process", "--server-url", target.url, "-u", "4",
                           "--workers", workers)
    assert ran.code == 0
    assert len(paths(target)) == processes
    assert target.counts()["requests"] == 4


# ---- the test's module ---------------------------------------------------------------------------


def test_cflags_and_libs(runner, target):
    """-lm gives cbrt(), which without it is missing at link or load time."""
    runner.write("tell.c", TELLTALE)
    ran = runner.run("tell.Tell.flags", "--server-url", target.url,
                     "--cflags", "-DWITH_MATH '-DWORD=\"two\" \"%20words\"'", "--libs", "-lm")
    assert ran.code == 0, ran
    assert paths(target) == ["/any/4", "/any/two%20words"]


def test_test_dir_and_include_file(runner, target):
    runner.write("tell.c", TELLTALE)
    runner.write("data/users.csv", "ada")
    runner.write("data/certificates/a.pem", "a")
    runner.write("data/certificates/deep/b.pem", "b")
    runner.write("data/unwanted.txt", "c")
    folder = runner.folder.parent / "made" / "for it"
    ran = runner.run("tell.Tell.where", "--server-url", target.url, "--test-dir", folder,
                     "--include-file", "data/*.csv", "--include-file", "data/certificates")
    assert ran.code == 0, ran
    assert paths(target) == ["/any/ada"]
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == ["data/certificates/a.pem", "data/certificates/deep/b.pem", "data/users.csv"]


def test_test_dir_that_is_the_current_one(runner, target):
    runner.write("tell.c", TELLTALE)
    runner.write("data/users.csv", "ada")
    ran = runner.run("tell.Tell.where", "--server-url", target.url, "--test-dir", ".",
                     "--include-file", "data")
    assert ran.code == 0, ran
    assert (runner.folder / "data/users.csv").read_text() == "ada"


def test_without_test_dir_it_runs_where_we_are(runner, target):
    runner.write("tell.c", TELLTALE)
    runner.write("data/users.csv", "ada")
    assert runner.run("tell.Tell.where", "--server-url", target.url).code == 0


def test_stack_size(runner):
    runner.write("tell.c", TELLTALE)
    ran = runner.run("tell.Tell.stack", "--stack-size", "4M")
    assert ran.code == 0, ran
    ran = runner.run("tell.Tell.stack", "--stack-size=64K")
    assert ran.code == 1
    assert ran.counts["Errors"] == 1
    assert "--stack-size" in ran.stdout and "Tell.stack" in ran.stdout


# ---- results -------------------------------------------------------------------------------------


def test_tags_project_and_user_are_kept(runner, target):
    ran = runner.summarize(FQN, "--server-url", target.url, "--tag", "branch=main", "--tag=a.b-c_d=",
                           "--project-name", "Shop é", "--user-id", "ada")
    assert ran.code == 0
    options = ran.summary["options"]
    assert options["tags"] == ["branch=main", "a.b-c_d="]
    assert options["project_name"] == "Shop é"
    assert options["user_id"] == "ada"


@pytest.mark.parametrize("option", ["--quiet", "-q"])
def test_quiet(runner, target, option):
    ran = runner.run(FQN, "--server-url", target.url, option)
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")
    assert target.counts()["requests"] == 1


def test_quiet_has_its_exit_code_and_its_outputs(runner, target):
    path = runner.folder / "result.json"
    ran = runner.run("example.TestWebSite.test_fail", "--server-url", target.url, "-q",
                     f"--output=json={path}")
    assert (ran.code, ran.stdout, ran.stderr) == (1, "", "")
    assert json.loads(path.read_text())["iterations"]["failures"] == 1


def test_output_null_is_nothing(runner, target):
    ran = runner.run(FQN, "--server-url", target.url, "--output", "null")
    assert (ran.code, ran.stdout) == (0, "")


def test_output_to_standard_output_takes_the_place_of_the_summary(runner, target):
    for value in ("json", "json=-"):
        ran = runner.run(FQN, "--server-url", target.url, "--output", value)
        assert ran.code == 0
        assert json.loads(ran.stdout)["hits"] == 1


def test_outputs_may_be_several(runner, target):
    ran = runner.run(FQN, "--server-url", target.url, "-u", "3", "--output", "json=a.json",
                     "--output", "file=b.jsonl", "--output", "stdout")
    assert ran.code == 0
    assert ran.counts["Hits"] == 3
    assert json.loads((runner.folder / "a.json").read_text())["hits"] == 3
    events = [json.loads(line) for line in (runner.folder / "b.jsonl").read_text().splitlines()]
    assert [event["data_type"] for event in events].count("add_hit") == 3


def test_an_older_file_is_overwritten(runner, target):
    path = runner.write("result.json", "old " * 10000)
    assert runner.run(FQN, "--server-url", target.url, "--output", f"json={path}").code == 0
    assert json.loads(path.read_text())["hits"] == 1


def test_a_full_disk_is_told_once_and_the_run_goes_on(runner, target):
    ran = runner.run(FQN, "--server-url", target.url, "-u", "5", "--hits", "100",
                     "--output", "file=/dev/full", "--output", "stdout")
    assert ran.code == 1
    assert ran.counts == {"Hits": 500, "Success": 500, "Errors": 0, "Failures": 0}
    assert ran.stderr == "loads-runner: output file: can't write '/dev/full': No space left on device\n"


def test_a_reader_that_leaves_is_told(runner, target):
    reading, writing = os.pipe()
    os.close(reading)
    ran = runner.run(FQN, "--server-url", target.url, stdout=writing)
    os.close(writing)
    assert ran.code == 1
    assert "standard output" in ran.stderr and "Broken pipe" in ran.stderr
    assert target.counts()["requests"] == 1


# ---- where options come from ---------------------------------------------------------------------


GUIDE = """\
# A comment.
[loads]
fqn = example.TestWebSite.test_es
users = 2:3
hits = 4
include_file = data/users.csv
    data/certificates
test_dir = made
quiet = {word}
server_url = {url}
output = null
    json=result.json
tag = a=1
    b=2
project_name = Shop
"""


@pytest.mark.parametrize("word, quiet", [
    ("True", True), ("yes", True), ("1", True), ("on", True),
    ("False", False), ("no", False), ("0", False), ("off", False),
])
def test_file_of_the_guide(runner, target, word, quiet):
    runner.write("data/users.csv", "ada")
    runner.write("data/certificates/a.pem", "a")
    runner.write("loads.ini", GUIDE.format(word=word, url=target.url))
    ran = runner.run("--config", "loads.ini")
    assert ran.code == 0, ran
    assert ran.stdout == ""
    assert target.counts()["requests"] == 20
    assert (runner.folder / "made/data/users.csv").is_file()
    assert (runner.folder / "made/data/certificates/a.pem").is_file()
    options = json.loads((runner.folder / "result.json").read_text())["options"]
    assert options["tags"] == ["a=1", "b=2"]
    assert options["project_name"] == "Shop"
    assert (options["users"], options["hits"]) == ([2, 3], [4])


@pytest.mark.parametrize("key", ["fqn", "fqdn"])
def test_both_names_of_the_test_stand_in_a_file(runner, target, key):
    runner.write("loads.ini", f"[loads]\n{key}={FQN}\nserver-url = {target.url}\n")
    assert runner.run("--config=loads.ini").code == 0
    assert target.counts()["requests"] == 1


def test_each_option_of_the_environment(runner, target):
    variables = {
        "LOADS_FQN": FQN, "LOADS_USERS": "2", "LOADS_HITS": "3", "LOADS_SERVER_URL": target.url,
        "LOADS_WORKERS": "1", "LOADS_TIMEOUT": "7", "LOADS_GRACE": "8", "LOADS_TEST_DIR": "made",
        "LOADS_INCLUDE_FILE": "data/a\ndata/b", "LOADS_CFLAGS": "-DX", "LOADS_LIBS": "-lm",
        "LOADS_STACK_SIZE": "1M", "LOADS_OUTPUT": "null\njson=result.json", "LOADS_QUIET": "yes",
        "LOADS_TAG": "a=1\nb=2", "LOADS_PROJECT_NAME": "Shop", "LOADS_USER_ID": "ada",
    }
    runner.write("data/a", "a")
    runner.write("data/b", "b")
    ran = runner.run(env=variables)
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", ""), ran
    assert target.counts()["requests"] == 6
    assert sorted(path.name for path in (runner.folder / "made/data").iterdir()) == ["a", "b"]
    summary = json.loads((runner.folder / "result.json").read_text())
    assert summary["workers"] == 1
    assert summary["options"].pop("seed") > 0
    assert summary["options"] == {
        "fqn": FQN, "users": [2], "hits": [3], "server_url": target.url, "tags": ["a=1", "b=2"],
        "http_timeout_usec": 7000000, "grace_usec": 8000000, "project_name": "Shop", "user_id": "ada",
    }


def test_duration_and_config_of_the_environment(runner, target):
    runner.write("loads.ini", f"[loads]\nserver_url = {target.url}\n")
    ran = runner.summarize(FQN, env={"LOADS_CONFIG": "loads.ini", "LOADS_DURATION": "100ms"})
    assert ran.code == 0
    assert ran.summary["options"]["duration_usec"] == 100000


def test_file_then_environment_then_command_line(runner, target):
    runner.write("loads.ini", f"""\
[loads]
server_url = {target.url}
users = 2
hits = 3
tag = from=file
    more=yes
user_id = file
project_name = file
""")
    ran = runner.summarize(FQN, "--config", "loads.ini", "--hits", "7", "--user-id", "line",
                           env={"LOADS_HITS": "5", "LOADS_USERS": "4", "LOADS_TAG": "from=environment",
                                "LOADS_USER_ID": "environment"})
    assert ran.code == 0
    options = ran.summary["options"]
    assert (options["users"], options["hits"]) == ([4], [7])
    assert options["tags"] == ["from=environment"]
    assert (options["user_id"], options["project_name"]) == ("line", "file")
    assert target.counts()["requests"] == 28


def test_config_of_the_command_line_wins_over_that_of_the_environment(runner, target):
    runner.write("a.ini", f"[loads]\nserver_url = {target.url}\nusers = 2\n")
    runner.write("b.ini", "[loads]\nusers = 9\n")
    ran = runner.run(FQN, "--config", "a.ini", env={"LOADS_CONFIG": "b.ini"})
    assert ran.code == 0
    assert target.counts()["requests"] == 2


def test_empty_variables_count_as_none(runner, target):
    ran = runner.run(FQN, "--server-url", target.url, env={"LOADS_USERS": "", "LOADS_CONFIG": ""})
    assert ran.code == 0
    assert target.counts()["requests"] == 1
