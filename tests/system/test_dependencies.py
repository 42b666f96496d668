# SPDX-License-Identifier: MPL-2.0
"""What may include what, and what else docs/style.md says of files as such.

The tables are the rules: a header that is in none of them fails until somebody has decided where its
home is.
"""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Folder: the folders, beside itself, whose headers its files may include. Programs use lib, and never
# each other.
LIBRARIES = ["lib/base", "lib/metrics", "lib/wire", "lib/report", "lib/loop", "lib/run"]
LAYERS = {
    "lib/base": [],
    "lib/metrics": ["lib/base"],
    "lib/wire": ["lib/base", "lib/metrics"],
    "lib/report": ["lib/base", "lib/metrics", "lib/wire"],
    "lib/loop": ["lib/base"],
    "lib/run": ["lib/base", "lib/metrics", "lib/wire", "lib/loop"],
    "lib/include/loads": [],
    "daemons/agent": LIBRARIES,
    "daemons/broker": LIBRARIES,
    "daemons/echo-server": LIBRARIES,
    "daemons/external": LIBRARIES,
    "daemons/observers": LIBRARIES,
    "daemons/worker": LIBRARIES + ["lib/include/loads"],
    "client/outputs": LIBRARIES,
    "client/shared": LIBRARIES + ["client/outputs"],
    "client/remote": LIBRARIES + ["client/outputs", "client/shared"],
    "client/cluster": LIBRARIES + ["client/outputs", "client/shared"],
    "client/runner": LIBRARIES + ["client/outputs", "client/shared", "client/remote"],
    "client/loadsctl": LIBRARIES + ["client/outputs", "client/shared", "client/remote"],
    "docs/examples": ["lib/include/loads"],
    "tests/torture/modules": ["lib/include/loads"],
    "tests/torture": [],  # it is loaded into other programs
    "tests/pictures": ["lib/include/loads"],
    "tests/bench": ["lib/include/loads"],  # what it compares with knows nothing of us
    "tests/fuzz": LIBRARIES + ["daemons/broker", "daemons/worker", "client/outputs", "client/remote", "client/runner",
                               "client/shared"],
    "tests/target": ["lib/base"],
    "tests/unit": LIBRARIES
    + ["lib/include/loads", "daemons/agent", "daemons/broker", "daemons/external", "daemons/observers",
       "daemons/worker", "client/outputs",
       "client/remote", "client/runner", "client/shared", "tests/target"],
    "tests/system": [],
    "tests/system/modules": ["lib/include/loads"],  # tests for loads-runner to run
}

# Header of a foreign library: its homes, files or folders.
FOREIGN = {
    "archive.h": ["lib/run/archive.c", "tests/unit/test_archive.c"],
    "archive_entry.h": ["lib/run/archive.c", "tests/unit/test_archive.c"],
    "cmocka.h": ["tests/unit/test.h"],
    "curl/curl.h": ["lib/loop", "daemons/observers/transfer.h", "tests/bench/bare_curl.c"],
    "elfutils/libdwfl.h": ["lib/run/symbolize.c"],
    "ev.h": ["lib/loop", "lib/run", "daemons", "client", "tests/bench", "tests/target", "tests/unit"],
    "ini.h": ["lib/base/ini.c"],
    "jansson.h": ["lib/wire/json.h", "tests/target", "tests/unit"],
    "libpq-fe.h": ["lib/loop/pq_state.h"],
    "libpsl.h": [
        "daemons/worker/cookies.c",
        "tests/fuzz/fuzz_cookies.c",
        "tests/unit/test_cookies.c",
    ],
    "libwebsockets.h": ["daemons/echo-server", "lib/loop/ws.c", "lib/loop/ws_tls.c", "tests/unit/test_ws.c"],
    "libxml/HTMLparser.h": ["daemons/worker/html.c"],
    "openssl/err.h": ["lib/run/certificate.c"],
    "openssl/evp.h": ["lib/run/hash.c"],
    "openssl/pem.h": ["lib/run/certificate.c"],
    "openssl/ssl.h": ["lib/loop/ws_tls.c"],
    "openssl/x509.h": ["lib/run/certificate.c"],
    "sanitizer/asan_interface.h": ["daemons/worker/annotate.h"],
    "sanitizer/common_interface_defs.h": ["daemons/worker/annotate.h"],
    "sanitizer/lsan_interface.h": ["daemons/worker/annotate.h"],
    "systemd/sd-daemon.h": ["lib/base/daemon.c", "daemons/echo-server/main.c", "lib/loop/mq.c"],
    "systemd/sd-id128.h": ["client/remote", "client/shared", "daemons/agent/main.c",
                           "daemons/broker"],
    "systemd/sd-journal.h": ["lib/base/log.c"],
    "valgrind/memcheck.h": ["daemons/worker/annotate.h"],
    "zmq.h": ["lib/loop/mq_state.h", "lib/loop/mq_curve.c"],
    "zlib.h": [
        "client/outputs/hdr_encode.c",
        "daemons/worker/decode.c",
        "daemons/worker/encode.c",
        "tests/fuzz/fuzz_decode.c",
        "tests/target/answer.c",
        "tests/unit/test_decode.c",
    ],
}

# Parts of the C library, the compiler's and the kernel's that have a home, too.
CONFINED = {
    "alloca.h": ["tests"],
    "dlfcn.h": ["daemons/worker/module.c", "tests"],
    "getopt.h": ["daemons/echo-server/main.c", "tests/target/main.c"],
    "grp.h": ["client/cluster/account.c", "client/remote/address.c", "daemons/broker/local_users.c",
              "lib/run/addresses.c", "tests"],
    "link.h": ["daemons/worker/crash.c"],
    "malloc.h": ["tests/unit/test_results_merge.c"],
    "netdb.h": ["lib/loop/resolve.c", "daemons/worker/blocking.h", "daemons/worker/blocking_lookup.h",
                "daemons/echo-server/server.c", "tests"],
    "pthread.h": ["lib/loop/resolve.c", "lib/metrics/names.c", "daemons/worker/blocking_getaddrinfo.c",
                  "daemons/worker/user.c", "tests"],
    "spawn.h": ["daemons/worker/command.c", "tests"],
    "stdatomic.h": ["tests/torture"],
    "pwd.h": ["client/cluster/account.c", "daemons/broker/local_users.c", "tests"],
    "sys/epoll.h": ["daemons/worker/blocking.c", "tests/bench/floor.c"],
    "sys/eventfd.h": ["lib/loop", "daemons/worker/blocking_getaddrinfo.c", "tests"],
    "sys/sendfile.h": ["lib/run/file_list.c"],
    "sys/file.h": ["client/cluster/place.c", "daemons/agent/instance.c", "lib/run/run_dir.c"],
    "sys/mount.h": ["tests"],
    "sys/prctl.h": ["client/cluster/process.c", "daemons/external/main.c", "daemons/worker/main.c",
                    "lib/loop/child_start.c", "lib/loop/orphans.c", "tests"],
    "sys/syscall.h": ["client/cluster/database.c", "client/outputs/exec.c", "lib/loop/child.c", "lib/loop/orphans.c"],
    "sys/xattr.h": ["lib/run/cgroup.c", "tests/unit/test_cgroup.c"],
    "sys/uio.h": ["lib/base/log.c", "daemons/external/processes.c", "tests/unit/test_log.c", "tests/system/journal.c"],
    "ucontext.h": ["daemons/worker/context_ucontext.c"],
    "unwind.h": ["daemons/worker/crash.c", "daemons/worker/user.h", "tests/unit/test_context.c"],
}

# The rest of it that is in use: everywhere.
EVERYWHERE = """
arpa/inet.h assert.h ctype.h dirent.h endian.h errno.h fcntl.h fenv.h fnmatch.h ftw.h glob.h grp.h inttypes.h limits.h
langinfo.h locale.h math.h netinet/in.h netinet/tcp.h poll.h sched.h semaphore.h setjmp.h signal.h stdarg.h
stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h sys/ioctl.h sys/mman.h sys/random.h
sys/resource.h sys/socket.h sys/stat.h sys/types.h sys/un.h sys/wait.h syslog.h time.h unistd.h wchar.h
""".split()

TOP_LEVEL = """
.ci .clang-format .clang-tidy .gitignore CHANGES.md CMakeLists.txt CMakePresets.json LICENSE README.md
client daemons debian docs lib rpm sql tests units
""".split()

# lib/*/NAME.c whose tests are elsewhere than in tests/unit/test_NAME.c, or test_N.c where NAME begins
# with "N_": the file that includes its header.
TESTED_BY = {
    "lib/base/suggest.c": "tests/unit/test_parse.c",
    "lib/base/utf8.c": "tests/unit/test_words.c",
}

MAX_LINES = 600
MAX_TEST_LINES = 1000  # cases beside each other are no second subject


def all_files():
    """What is or could be committed; in an unpacked archive, what is there before building."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        names = listed.stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        names = [str(path) for path in paths if path.parts[0] not in ("build", ".git")]
        names = [name for name in names if "__pycache__" not in name]
    return sorted(name for name in names if (ROOT / name).is_file())


FILES = all_files()
SOURCES = [name for name in FILES if name.endswith((".c", ".h"))]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def includes(name):
    """(line, header, whether it is in quotes) of each #include."""
    for number, line in enumerate(text(name).splitlines(), 1):
        match = re.match(r'\s*#\s*(?:include|if\s+__has_include\()\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match[2], match[1] == '"'


def folder(name):
    return name.rpartition("/")[0]


def resolve(name, header):
    """Our file that a quoted header is: beside the file, below a root, or for tests any of its name."""
    candidates = [f"{folder(name)}/{header}"]
    candidates += [f"{root}/{header}" for root in ("lib", "lib/include", "daemons", "client", "tests")]
    if name.startswith("tests/unit/"):
        candidates += [f"{under}/{header}" for under in LAYERS["tests/unit"]]
    return next((candidate for candidate in candidates if candidate in SOURCES), None)


def is_home(name, homes):
    return any(name == home or name.startswith(home + "/") for home in homes)


@pytest.mark.parametrize("name", SOURCES)
def test_includes(name):
    wrong = []
    for line, header, quoted in includes(name):
        place = f"{name}:{line}: {header}"
        if quoted or header.startswith("loads/"):
            found = resolve(name, header)
            if not found:
                wrong.append(f"{place} is no file of ours")
            elif folder(found) != folder(name) and folder(found) not in LAYERS.get(folder(name), []):
                wrong.append(f"{place} is not for {folder(name)}")
        elif header in FOREIGN or header in CONFINED:
            if not is_home(name, FOREIGN.get(header) or CONFINED[header]):
                wrong.append(f"{place} has its home elsewhere")
        elif header not in EVERYWHERE:
            wrong.append(f"{place} has no home yet: decide on one in {pathlib.Path(__file__).name}")
    assert not wrong, "\n".join(wrong)


def test_every_folder_has_a_layer():
    assert sorted({folder(name) for name in SOURCES} - set(LAYERS)) == []


def test_tables_have_no_leftovers():
    """Each folder, each foreign header and each home that is a file is in use."""
    used = {header for name in SOURCES for _, header, quoted in includes(name) if not quoted}
    assert sorted((set(FOREIGN) | set(CONFINED) | set(EVERYWHERE)) - used) == []
    homes = {home for table in (FOREIGN, CONFINED) for homes in table.values() for home in homes}
    assert sorted(home for home in homes if not (ROOT / home).exists()) == []


def test_public_headers_include_the_standard_only():
    """And each other."""
    for name in ("app.h", "loads.h"):
        for _, header, _ in includes(f"lib/include/loads/{name}"):
            assert header in ("stdbool.h", "stddef.h", "stdint.h", "loads/app.h", "loads/loads.h")


def possible_unit_tests(name):
    """test_one_two.c, test_one.c for one_two.c: a part of a module is tested with it."""
    words = pathlib.PurePath(name).stem.split("_")
    return ["tests/unit/test_" + "_".join(words[:n]) + ".c" for n in range(len(words), 0, -1)]


def test_lib_has_unit_tests():
    modules = [name for name in SOURCES if re.fullmatch(r"lib/[a-z]+/[a-z0-9_]+\.c", name)]
    untested = [name for name in modules if not any(file in FILES for file in possible_unit_tests(name))]
    assert sorted(set(untested) - set(TESTED_BY)) == []
    for name, test in TESTED_BY.items():
        header = name.removeprefix("lib/").removesuffix(".c") + ".h"
        assert header in {header for _, header, _ in includes(test)}, f"{test} doesn't know {header}"


def test_unit_tests_skip_nothing():
    skipping = [name for name in SOURCES if "tests/unit/" in name and re.search(r"\bskip\(\)", text(name))]
    assert skipping == []


def test_top_level():
    assert sorted({name.split("/")[0] for name in FILES} - set(TOP_LEVEL)) == []


@pytest.mark.parametrize("name", SOURCES)
def test_form(name):
    lines = text(name).splitlines()
    limit = MAX_TEST_LINES if name.startswith("tests/") else MAX_LINES
    assert len(lines) <= limit
    if not name.startswith("docs/examples/"):
        assert lines[0] == "/* SPDX-License-Identifier: MPL-2.0 */"
    if name.endswith(".c") and not name.startswith(("docs/examples/", "tests/unit/")):
        assert lines[1].startswith("/* "), "it begins with what it is for"


def test_fuzzers_have_a_corpus():
    fuzzers = {name[16:-2] for name in SOURCES if re.fullmatch(r"tests/fuzz/fuzz_\w+\.c", name)}
    corpora = {name.split("/")[3] for name in FILES if name.startswith("tests/fuzz/corpus/")}
    built = set(re.findall(r"^loads_fuzzer\((\w+)", text("tests/fuzz/CMakeLists.txt"), re.MULTILINE))
    assert fuzzers == corpora == built


# Inputs of fuzzers are any bytes, as pictures are, and others' files are theirs.
TEXTS = [name for name in FILES if not name.endswith(("LICENSE", ".png")) and "/corpus/" not in name
         and "/uPlot." not in name]


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_is_put_off(name):
    words = "TO" + "DO|FIX" + "ME|XX" + "X"
    found = re.search(rf"\b({words})\b", text(name))
    assert not found, f"{name} has a {found[0]}"
