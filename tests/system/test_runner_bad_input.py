# SPDX-License-Identifier: MPL-2.0
"""What people get wrong. Before the run: exit 2, one message that names the thing and the way out,
nothing on standard output, nothing started and nothing made. During the run: errors with curl's own
words, and the run goes on to its end."""

import os
import re
import resource
import signal
import socket
import subprocess
import threading

import pytest

from conftest import ROOT
from runner import MODULE, wait_until

FQN = "example.TestWebSite.test_es"
NOWHERE = "/nowhere/at/all"

MODULES = {
    "broken.c": "#include <loads/loads.h>\nLOADS_TEST(A, b) { this is no C; }\n",
    "missing_header.c": "#include <loads/loads.h>\n#include <no/such/header.h>\nLOADS_TEST(A, b) {}\n",
    "undefined.c": "#include <loads/loads.h>\nvoid elsewhere(void);\nLOADS_TEST(A, b) { elsewhere(); }\n",
    "wrong_function.c": "#include <loads/loads.h>\nLOADS_TEST(A, b)\n{\n    loads_assert_equal(1, 1);\n}\n",
    "declared.c": "#include <loads/loads.h>\nvoid loads_nothing(void);\nLOADS_TEST(A, b) { loads_nothing(); }\n",
    "text_for_number.c": "#include <loads/loads.h>\nLOADS_TEST(A, b)\n{\n    loads_assert_int_eq(200, \"200\");\n}\n",
    "empty.c": "",
    "no_tests.c": "#include <loads/loads.h>\n",
    "crashes.c": "#include <loads/loads.h>\n#include <signal.h>\nLOADS_TEST(A, b) {}\n"
                 "__attribute__((constructor)) static void c(void) { raise(SIGKILL); }\n",
    "exits.c": "#include <loads/loads.h>\n#include <unistd.h>\nLOADS_TEST(A, b) {}\n"
               "__attribute__((constructor)) static void c(void) { _exit(0); }\n",
    "prints.c": "#include <loads/loads.h>\n#include <stdio.h>\n"
                "LOADS_TEST(A, b) { loads_get(user, \"/any\"); }\n"
                "__attribute__((constructor)) static void c(void) { puts(\"hello from it\"); }\n",
    "text.so": "not an object\n",
}

FILES = {
    "key.ini": "[loads]\n\nusrs = 5\n",
    "value.ini": "[loads]\nfqn = example.TestWebSite.test_es\nusers = many\n",
    "list.ini": "[loads]\ninclude_file = a\n    b\ntag = a=1\n    b\n",
    "section.ini": "[laods]\nusers = 5\n",
    "other.ini": "[shop]\nusers = 5\n",
    "before.ini": "users = 5\n[loads]\n",
    "twice.ini": "[loads]\nusers = 5\nusers = 6\n",
    "flag.ini": "[loads]\nquiet = perhaps\n",
    "several.ini": "[loads]\nusers = 5\n   6\n",
    "alone.ini": "[loads]\nlist = example\n",
    "both.ini": "[loads]\nhits = 5\nduration = 6\n",
    "line.ini": "[loads]\nthis is no line\n",
    "section_line.ini": "[loads\nusers = 5\n",
    "server.ini": "[loads]\nserver_url = localhost\n",
}


def case(name, arguments, *words, env=None):
    return pytest.param(arguments, words, env or {}, id=name)


def number_cases():
    """The same mistakes for each number: option, bad value, words."""
    for option in ("-u", "--hits"):
        name = {"-u": "--users"}.get(option, option)
        for value, words in [
            ("0", "'0' has a step that is not a number from 1"),
            ("10:0", "'10:0' has a step"),
            ("10:x", "'10:x' is not a list of numbers such as 10:20:30"),
            ("", "'' is not a list of numbers"),
            ("10:", "'10:' is not a list of numbers"),
            (":10", "':10' is not a list of numbers"),
            ("-1", "'-1' is not a list of numbers"),
            ("1.5", "'1.5' is not a list of numbers"),
            ("0x10", "'0x10' has a step"),
            ("10,20", "'10,20' is not a list of numbers"),
            ("99999999999999999999", "not a number from 1 to 1000000000"),
            (":".join(["1"] * 101), "more than 100 steps"),
        ]:
            yield case(f"{option} {value[:12]!r}", [FQN, option, value], name, words)
    for option in ("--duration", "--grace", "--timeout", "--stall-timeout"):
        for value, words in [
            ("-5", "'-5' is a negative duration"),
            ("", "'' is not a duration such as 90"),
            ("5x", "'5x' is not a duration such as 90"),
            ("1m1h", "'1m1h' is not a duration"),
            ("400000h", "366 days at most"),
        ]:
            yield case(f"{option} {value!r}", [FQN, option, value], option, words)
    for option in ("--duration", "--timeout"):
        yield case(f"{option} '0'", [FQN, option, "0"], option, "'0' is no time at all")
    for value in ("0", "-1", "x", "", "1025"):
        yield case(f"--workers {value!r}", [FQN, "--workers", value],
                   "--workers", f"'{value}' is not a number from 1 to 1024")
    for value in ("15K", "2G"):
        yield case(f"--stack-size {value}", [FQN, "--stack-size", value],
                   "--stack-size", f"'{value}' is not between 16K and 1G")
    for value in ("x", "", "-1", "64KB"):
        yield case(f"--stack-size {value!r}", [FQN, "--stack-size", value],
                   "--stack-size", f"'{value}' is not a size such as")


MISTAKES = [
    *number_cases(),
    # ---- the test
    case("nothing", [], "nothing to run", "example.TestWebSite.test_es", "--help"),
    case("empty name", [""], "''", "path.to.module.Suite.test"),
    case("no suite", ["example"], "'example' has too few parts", "path.to.module.Suite.test"),
    case("no module", ["TestWebSite.test_es"], "too few parts"),
    case("two tests", [FQN, FQN], f"'{FQN}' is there twice"),
    case("a file's name", ["example.c"], "'example.c' is a file's name", "loads-runner --list example"),
    case("a path", ["tests/example.A.b"], "'/'", "joined by '.'"),
    case("up and away", ["...etc.A.b"], "empty part"),
    case("an empty part", ["a..A.b"], "empty part"),
    case("a very long name", ["a" * 2000 + ".A.b"], "too long"),
    case("a byte", ["example.A.b\x07"], "0x07"),
    case("unknown module", ["exemple.A.b"], "no module 'exemple'", "exemple.so", "exemple.c"),
    case("unknown folder", ["shop.example.A.b"], "shop/example.c"),
    case("unknown suite", ["example.Test.test_es"], "no test example.Test.test_es in /", "TestWebSite.test_es"),
    case("unknown test", ["example.TestWebSite.test_xx"], "no test example.TestWebSite.test_xx in /", "/example.c, which has",
         "TestWebSite.test_es", "TestWebSite.test_two", "TestWebSite.test_hang"),
    case("no URL", ["localhost:9000"], "'localhost:9000'", "http://"),
    case("another scheme", ["ftp://localhost/"], "'ftp://localhost/'", "http://", "https://"),
    case("a URL without host", ["http:///x"], "'http:///x'", "http://HOST/"),
    case("a URL with a bad port", ["http://127.0.0.1:99999/"], "http://127.0.0.1:99999/", "ort number"),
    case("a URL with a word for a port", ["http://127.0.0.1:http/"], "http://127.0.0.1:http/"),
    case("a URL with a space", ["http://127.0.0.1/a b"], "http://127.0.0.1/a b", "space"),
    case("a URL that is too long", ["http://127.0.0.1/" + "a" * 9000], "URL", "long"),
    case("list: nothing", ["--list", ""], "''"),
    case("list: unknown", ["--list", "exemple"], "no module 'exemple'", "run from the directory"),
    case("list: a file's name", ["--list", "example.c"], "a module is called without the suffix of its file"),
    # ---- options
    case("unknown option", [FQN, "--frobnicate"], "unknown option '--frobnicate'", "--help"),
    case("misspelt option", [FQN, "--user", "5"], "'--user'", "did you mean '--users'?"),
    case("underscore", [FQN, "--server_url", "http://a/"], "did you mean '--server-url'?"),
    case("unknown letter", [FQN, "-x"], "unknown option '-x'"),
    case("missing argument", [FQN, "--hits"], "'--hits' needs an argument", "N[:N...]"),
    case("missing argument of a letter", [FQN, "-u"], "'-u' needs an argument"),
    case("flag with argument", [FQN, "--quiet=yes"], "'--quiet' takes no argument"),
    case("hits and duration", [FQN, "--hits", "5", "--duration", "5"], "--hits and --duration"),
    case("tag without value", [FQN, "--tag", "word"], "--tag", "'word' is not key=value"),
    case("tag with a line", [FQN, "--tag", "a=b\nc"], "--tag", "control characters"),
    case("tag that is too long", [FQN, "--tag", "a=" + "b" * 2000], "--tag", "1024"),
    case("empty user", [FQN, "--user-id", ""], "--user-id", "is empty"),
    case("long project", [FQN, "--project-name", "x" * 256], "--project-name", "255"),
    case("project that is no text", [FQN, b"--project-name=\xff"], "--project-name", "UTF-8"),
    case("server without scheme", [FQN, "--server-url", "localhost:9000"],
         "--server-url", "'localhost:9000'", "such as http://localhost:8000"),
    case("server with a bad port", [FQN, "--server-url", "http://localhost:99999"],
         "--server-url", "http://localhost:99999", "ort number"),
    case("server that is a websocket", [FQN, "--server-url", "ws://localhost"], "'ws://localhost'"),
    case("too many users", [FQN, "-u", "1:60001", "--workers", "2", "--test-dir", "made"],
         "60001 users", "--workers 3", "vm.max_map_count"),
    case("missing authorities", [FQN, "--ca-file", "nowhere.pem"], "--ca-file nowhere.pem", "No such file"),
    case("authorities that are none", [FQN, "--ca-file", "example.c"], "--ca-file", "example.c", "certificate"),
    case("a folder of authorities", [FQN, "--ca-file", "."], "--ca-file", "directory"),
    case("empty authorities", [FQN, "--ca-file", ""], "--ca-file"),
    case("include-file alone", [FQN, "--include-file", "example.c"], "--include-file needs --test-dir"),
    case("include-file of nothing", [FQN, "--include-file", "*.csv", "--test-dir", "made"],
         "--include-file *.csv matches no file"),
    case("empty include-file", [FQN, "--include-file", "", "--test-dir", "made"],
         "--include-file", "is empty"),
    case("empty test-dir", [FQN, "--test-dir", ""], "--test-dir", "is empty"),
    case("test-dir that is a file", [FQN, "--test-dir", "example.c"], "example.c", "File exists"),
    case("test-dir below a file", [FQN, "--test-dir", "example.c/made"], "example.c", "File exists"),
    case("flags with a quote", [FQN, "--cflags", "-DX='1"], "--cflags", "quote"),
    case("libs with a quote", [FQN, "--libs", "\"-lm"], "--libs", "quote"),
    # ---- outputs
    case("unknown output", [FQN, "--output", "nonsense"], "no output 'nonsense'", "stdout, null, html, json"),
    case("empty output", [FQN, "--output", ""], "no output ''", "json"),
    case("output to nowhere", [FQN, "--output", f"json={NOWHERE}/x"], f"'{NOWHERE}/x'", "No such file"),
    case("output to a folder", [FQN, "--output", "json=."], "'.'", "Is a directory"),
    case("output without name", [FQN, "--output", "json="], "output json", "missing"),
    case("summary to a file", [FQN, "--output", "stdout=made"], "stdout=made"),
    case("two to standard output", [FQN, "--output", "json", "--output", "file"],
         "standard output", "--output json=FILE"),
    case("two to one file", [FQN, "--output", "json=made", "--output", "file=./made"], "./made"),
    case("too many outputs", [FQN, *["--output=null"] * 33], "32"),
    # ---- modules
    case("not C", ["broken.A.b"], "broken.c doesn't compile", "broken.c:2:"),
    case("missing header", ["missing_header.A.b"], "missing_header.c", "no/such/header.h"),
    case("undefined function", ["undefined.A.b"], "cannot load /", "/undefined.c: undefined symbol: elsewhere"),
    case("a function that isn't there", ["wrong_function.A.b"], "wrong_function.c:4:5: error: implicit declaration",
         "loads_assert_equal", "doesn't compile"),
    case("a function of ours that isn't there", ["declared.A.b"],
         "/declared.c calls loads_nothing, which loads/loads.h doesn't have"),
    case("a text for a number", ["text_for_number.A.b"], "text_for_number.c:4", "doesn't compile"),
    case("empty module", ["empty.A.b"], "/empty.c has no tests", "LOADS_TEST(Suite, test)"),
    case("module without tests", ["no_tests.A.b"], "/no_tests.c has no tests", "LOADS_TEST(Suite, test)"),
    case("list: no tests", ["--list", "no_tests"], "/no_tests.c has no tests", "LOADS_TEST(Suite, test)"),
    case("not an object", ["text.A.b"], "cannot load /", "/text.so: file too short"),
    case("crash of a constructor", ["crashes.A.b"], "crashes.A.b", "signal 9", "constructors"),
    case("exit of a constructor", ["exits.A.b"], "exits.A.b", "status 0", "constructors"),
    case("bad flag", [FQN, "--cflags=-no-such-flag"], "-no-such-flag", "doesn't compile"),
    case("bad library", [FQN, "--libs=-lnosuchlibrary"], "nosuchlibrary", "doesn't compile"),
    case("no compiler", [FQN], "no C compiler", "CC is 'no-such-cc'", "gcc", env={"CC": "no-such-cc"}),
    # ---- the environment and the file
    case("variable", [FQN], "LOADS_USERS", "'x' is not a list", env={"LOADS_USERS": "x"}),
    case("variable and option", [FQN, "--hits", "1"], "--hits and --duration", env={"LOADS_DURATION": "1"}),
    case("variable of a file", [FQN], "nowhere.ini", env={"LOADS_CONFIG": "nowhere.ini"}),
    case("missing file", [FQN, "--config", "nowhere.ini"], "nowhere.ini", "No such file"),
    case("folder as file", [FQN, "--config", "."], "directory"),
    case("module as file", [FQN, "--config", "example.c"], "example.c:3"),
    case("unknown key", [FQN, "--config", "key.ini"], "key.ini:3", "'usrs'", "did you mean 'users'?"),
    case("bad value", ["--config", "value.ini"], "value.ini:3", "users", "'many'"),
    case("bad value of a list", [FQN, "--config", "list.ini"], "list.ini:5", "tag", "'b'"),
    case("misspelt section", [FQN, "--config", "section.ini"], "section.ini:1", "did you mean [loads]?"),
    case("other section", [FQN, "--config", "other.ini"], "other.ini:1", "[loads]"),
    case("no section", [FQN, "--config", "before.ini"], "before.ini:1", "[loads]"),
    case("key twice", [FQN, "--config", "twice.ini"], "twice.ini:3", "line 2"),
    case("bad flag in a file", [FQN, "--config", "flag.ini"], "flag.ini:2", "'perhaps'", "yes"),
    case("several values", [FQN, "--config", "several.ini"], "several.ini:3", "one value"),
    case("key that is no key", [FQN, "--config", "alone.ini"], "alone.ini:2", "'list'"),
    case("both in a file", [FQN, "--config", "both.ini"], "--hits and --duration"),
    case("no line", [FQN, "--config", "line.ini"], "line.ini:2"),
    case("no section line", [FQN, "--config", "section_line.ini"], "section_line.ini:1"),
    case("server in a file", [FQN, "--config", "server.ini"], "server.ini:2", "'localhost'"),
]


@pytest.fixture
def folder(runner):
    for name, text in {**MODULES, **FILES}.items():
        runner.write(name, text)
    runner.write("kept.json", "an older result\n")
    return runner.folder


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in folder.rglob("*")}


@pytest.mark.parametrize("arguments, words, env", MISTAKES)
def test_mistakes(runner, folder, target, arguments, words, env):
    """Whatever is wrong, a URL that works and outputs that could be made stand beside it."""
    before = tree(folder)
    beside = [] if not arguments or "--list" in arguments else \
        ["--output=json=kept.json", "--output=file=fresh.jsonl"]
    if "--server-url" not in arguments and "server.ini" not in arguments:
        env = {"LOADS_SERVER_URL": target.url, **env}
    ran = runner.run(*beside, *arguments, env=env)
    assert ran.code == 2, ran
    assert ran.stdout == ""
    for word in words:
        assert word in ran.stderr, f"{word!r} is not in: {ran.stderr}"
    assert len(re.findall(r"^loads-\w+: ", ran.stderr, re.MULTILINE)) == 1, ran.stderr
    compiling = "doesn't compile" in ran.stderr  # the compiler's words come first
    assert ran.stderr.splitlines()[-1 if compiling else 0].startswith("loads-runner: ")
    assert ran.stderr.endswith("\n")
    assert tree(folder) == before
    assert target.counts()["connections"]["accepted"] == 0


def test_a_missing_semicolon(runner):
    """It is told in the test's lines, however much is behind the macro in which the compiler notices."""
    runner.write("semicolon.c", "#include <loads/loads.h>\nLOADS_TEST(A, b)\n{\n    int one = 1\n"
                 "    loads_assert_int_eq(one, 1);\n}\n")
    ran = runner.run("semicolon.A.b")
    assert ran.code == 2, ran
    assert "semicolon.c:5:5: error: expected" in ran.stderr
    assert "loads.h" not in ran.stderr and len(ran.stderr.splitlines()) < 24


def test_a_compiler_that_is_not_gcc(runner, target):
    """It isn't asked for what only that one can do."""
    runner.write("other-cc", "#!/bin/sh\ncase \"$*\" in\n--version) echo 'clang version 14.0.6'; exit;;\n"
                 "*-ftrack-macro-expansion*) echo 'unknown argument' >&2; exit 1;;\n"
                 "esac\nexec cc \"$@\"\n").chmod(0o755)
    ran = runner.run(FQN, "--server-url", target.url, env={"CC": str(runner.folder / "other-cc")})
    assert ran.code == 0, ran


def build(source, path):
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT / 'lib/include'}", "-o", path, source], check=True)


def test_module_that_was_built_against_another_header(runner, target):
    """Its registration is a symbol that this version doesn't have."""
    source = runner.write("old.c", MODULE.replace(
        "#include <loads/loads.h>",
        '#include <loads/loads.h>\n#undef loads_register\n#define loads_register loads_register_v0\n'
        "void loads_register(const struct loads_test *test);"))
    build(source, runner.folder / "old.so")
    ran = runner.run("old.TestWebSite.test_es", "--server-url", target.url)
    assert (ran.code, ran.stdout) == (2, "")
    assert "old.so was built against another version of loads/loads.h" in ran.stderr
    assert "loads_register_v0" in ran.stderr and "build it again" in ran.stderr
    assert target.counts()["requests"] == 0


def test_a_source_that_is_newer_than_its_object_is_told(runner, target):
    source = runner.folder / "example.c"
    build(source, runner.folder / "example.so")
    os.utime(runner.folder / "example.so", (1, 1))
    ran = runner.run(FQN, "--server-url", target.url)
    assert ran.code == 0
    assert "example.c is newer than" in ran.stderr


def test_what_a_constructor_prints_is_not_among_the_results(runner, folder, target):
    ran = runner.run("prints.A.b", "--server-url", target.url, "--output", "json")
    assert ran.code == 0
    assert ran.stdout.startswith("{") and "hello from it" not in ran.stdout
    assert "hello from it" in ran.stderr


# ---- while it runs -------------------------------------------------------------------------------

ROUTES = [
    ("/reset", "reset", "Connection reset by peer"),
    ("/reset-in-headers", "reset", "Connection reset by peer"),
    ("/reset-in-body/size/100000", "reset", "Connection reset by peer"),
    ("/half/size/1000", "reset", "transfer closed with"),
    ("/garbage", "protocol", "HTTP/0.9"),
    ("/hang", "timeout", "timed out"),
    ("/redirect-to?url=http%3A%2F%2Fnowhere.invalid%2F", "resolve", "nowhere.invalid"),
]


def errors(ran, number):
    """Every iteration is an error, and the run went to its end."""
    assert ran.code == 1, ran
    assert ran.summary["outcome"] == "failed"
    assert ran.counts["Errors"] == number and ran.counts["Success"] == 0
    assert ran.summary["request_errors"] == number
    assert sum(error["count"] for error in ran.summary["errors"]) == number
    for error in ran.summary["errors"]:
        assert error["message"] in ran.stdout
    return ran.summary["errors"][0]


@pytest.mark.parametrize("path, kind, words", ROUTES, ids=[route[0] for route in ROUTES])
def test_answers_that_are_none(runner, target, path, kind, words):
    timeout = ["--timeout", "500ms"] if kind == "timeout" else []
    ran = runner.summarize(target.url + path, "-u", "3", "--hits", "2", *timeout)
    error = errors(ran, 6)
    assert error["place"] == "", "a URL has no line in anybody's source"
    assert error["class"] == kind
    assert words in error["message"]
    assert target.counts()["requests"] == 6


def test_host_that_does_not_resolve(runner):
    ran = runner.summarize("http://nowhere.invalid/", "-u", "3", "--hits", "2")
    assert ran.counts["Hits"] == 0
    error = errors(ran, 6)
    assert error["class"] == "resolve"
    assert "Could not resolve host: nowhere.invalid" in error["message"]


def test_refused_connection(runner):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ran = runner.summarize(f"http://127.0.0.1:{port}/", "-u", "3", "--hits", "2")
    error = errors(ran, 6)
    assert error["class"] == "connect"
    assert f"Failed to connect to 127.0.0.1 port {port}" in error["message"]
    assert "Connection refused" in error["message"]


def test_tls_where_there_is_none(runner, target):
    ran = runner.summarize(target.url.replace("http:", "https:"), "-u", "3", "--hits", "2")
    error = errors(ran, 6)
    assert error["class"] == "tls"
    assert "SSL" in error["message"]


def test_url_in_the_test_that_is_none(runner, target):
    """It is relative, and nobody said to what."""
    ran = runner.summarize(FQN, "-u", "2")
    assert "--server-url" in errors(ran, 2)["message"]


def test_errors_end_no_iteration_but_their_own(runner, target):
    runner.write("mixed.c", """\
#include <loads/loads.h>
LOADS_TEST(Mixed, every_third)
{
    loads_get(user, loads_iteration(user) % 3 == 1 ? "/reset" : "/any");
}
""")
    ran = runner.summarize("mixed.Mixed.every_third", "--server-url", target.url, "-u", "5",
                           "--hits", "6")
    assert ran.code == 1
    assert ran.counts == {"Hits": 20, "Success": 20, "Errors": 10, "Failures": 0}
    assert target.counts()["answers"] == 20


def limit_descriptors(number):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


def test_out_of_descriptors(runner, gate):
    """More users than descriptors, all of them on at a time: those without one are errors."""
    threading.Timer(0, lambda: (gate.wait_for(30), gate.open())).start()
    ran = runner.summarize(f"{gate.url}/", "-u", "200", "--workers", "1",
                           preexec_fn=limit_descriptors(64))
    assert ran.code == 1
    assert ran.counts["Success"] + ran.counts["Errors"] == 200
    assert ran.counts["Errors"] > 100
    assert "64" in ran.summary["errors"][0]["message"]
    assert "out of file descriptors" in ran.summary["errors"][0]["message"]
    assert "ulimit -n" in ran.stdout


def test_the_soft_limit_is_raised_to_the_hard_one(runner, gate):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512))

    running = runner.start(f"{gate.url}/", "-u", "200", "--workers", "1", preexec_fn=limit)
    gate.wait_for(200)
    gate.open()
    ran = running.wait()
    assert ran.code == 0
    assert ran.counts["Success"] == 200


@pytest.mark.parametrize("number", [6, 8, 10, 12, 16, 20])
def test_hardly_any_descriptors(runner, target, number):
    """It may work or not, but says what is the matter, and ends."""
    ran = runner.run(f"{target.url}/any", "--workers", "1", preexec_fn=limit_descriptors(number))
    if ran.code != 0:
        assert ran.code in (1, 2, 4)
        assert re.search(r"descriptors|Too many open files", ran.stderr + ran.stdout), ran


def test_a_compiler_that_hangs_can_be_interrupted(runner):
    """And nothing has been made by then."""
    runner.write("cc", "#!/bin/sh\ntouch began\nsleep 1000\n").chmod(0o755)
    running = runner.start(FQN, "--output=json=fresh.json", env={"CC": str(runner.folder / "cc")})
    wait_until((runner.folder / "began").exists, "the compiler was not called")
    running.send(signal.SIGINT)
    ran = running.wait()
    assert (ran.code, ran.stdout) == (130, "")
    assert not (runner.folder / "fresh.json").exists()
