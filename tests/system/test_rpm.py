# SPDX-License-Identifier: MPL-2.0
"""Fedora's packages: built here with Fedora's macros stood in for, and installed on a host with PostgreSQL.

What Fedora's own systemd has to do with them, its triggers and presets, is a package of the tests'.
Names of packages that ours need can't be checked here: rpm is told to leave them alone.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tarfile

import pytest

from units import SOCKETS, Machine

ROOT = pathlib.Path(__file__).parents[2]
SPEC = ROOT / "rpm/loads.spec"
FILTER = ROOT / "rpm/loads.rpmlintrc"
STAND_INS = ROOT / "tests/packages"
LISTS = STAND_INS / "fedora"
PACKAGES = sorted(path.name for path in LISTS.iterdir())
VERSION = re.search(r"^project\(loads VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE)[1]
UNITS = [*SOCKETS, "loads.target", "loads-agent@.service", "loads-agent@.socket"]
CONFIGURED = "[broker]\nlog-level = debug\n"
CHANGED = "# Of the second release.\n"
LEFT = ["find", "/etc", "/usr", "/var", "/run", "-regex", r".*/loads\(ctl\)?\([.@-][^/]*\)?",
        "-not", "-path", "/run/systemd/*", "-not", "-path", "/usr/share/lintian/*"]


def output(*arguments, **options):
    return subprocess.run([*map(str, arguments)], check=True, capture_output=True, text=True, **options).stdout


class Workshop:
    """Where packages are built: `folder` is what rpmbuild calls the top."""

    def __init__(self, folder):
        self.folder = folder
        self.tree = folder / f"BUILD/loads-{VERSION}"
        self.environment = {**os.environ, "CCACHE_BASEDIR": str(folder), "CCACHE_NOHASHDIR": "1"}
        if shutil.which("ccache"):
            self.environment["CMAKE_C_COMPILER_LAUNCHER"] = "ccache"

    def pack_source(self):
        """What git knows, as the archive that the specification names."""
        (self.folder / "SOURCES").mkdir()
        with tarfile.open(self.folder / f"SOURCES/loads-{VERSION}.tar.gz", "w:gz", compresslevel=1) as archive:
            for name in output("git", "ls-files", "-z", cwd=ROOT).split("\0")[:-1]:
                archive.add(ROOT / name, f"loads-{VERSION}/{name}", recursive=False)

    def build(self, spec, *options):
        log = self.folder / "log"
        with log.open("wb") as said:
            built = subprocess.run(
                ["rpmbuild", "-bb", "--nodeps", "--noclean", "--load", STAND_INS / "macros.fedora",
                 "--define", f"_topdir {self.folder}", "--define", "_smp_mflags -j2", *options, spec],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=self.environment)
        assert built.returncode == 0, log.read_text(errors="replace")[-5000:]

    def packages(self, release):
        """Name: file."""
        found = {}
        for path in self.folder.glob(f"RPMS/*/*-{release}.fc*.rpm"):
            found[output("rpm", "--query", "--queryformat", "%{NAME}", "--package", path)] = path
        return found


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """Has built the first release."""
    made = Workshop(tmp_path_factory.mktemp("rpm"))
    made.pack_source()
    made.build(SPEC, "--without", "check")
    return made


@pytest.fixture(scope="module")
def first(workshop):
    return workshop.packages(1)


@pytest.fixture(scope="module")
def second(workshop, first):
    """The next release: configuration has other defaults."""
    for name in ("daemons/broker/broker.conf", "daemons/agent/agent.conf"):
        with (workshop.tree / name).open("a") as configuration:
            configuration.write(CHANGED)
    spec = workshop.folder / "loads.spec"
    spec.write_text(re.sub(r"^(Release: +)1", r"\g<1>2", SPEC.read_text(), flags=re.MULTILINE))
    workshop.build(spec, "--without", "check", "--noprep")
    return workshop.packages(2)


class Fedora(Machine):
    """A host with PostgreSQL, on which packages are installed."""

    def rpm(self, *arguments, files=(), code=0):
        """What it says on standard output; `files` are packages. Scriptlets that fail don't fail it."""
        for path in files:
            shutil.copy(path, self.path("/root"))
        ran = self.run("rpm", *arguments, *(f"/root/{path.name}" for path in files), code=code)
        assert not re.search("rpm-tmp|scriptlet failed", ran.stderr), ran.stderr
        return ran.stdout

    def installed(self):
        return set(self.rpm("--query", "--all", "--queryformat", "%{NAME}-%{VERSION}-%{RELEASE}\n",
                            "loads*", "python3-loads").split())


@pytest.fixture(scope="module")
def fedora(workshop):
    workshop.build(STAND_INS / "fedora-systemd.spec")
    made = Fedora("fedora", sanitized=False)
    try:
        made.rpm("--install", "--nodeps", files=[workshop.packages(1)["systemd"]])
        made.start_postgres()
        yield made
    finally:
        made.halt()


def test_version():
    assert re.search(r"^Version: +(\S+)$", SPEC.read_text(), re.MULTILINE)[1] == VERSION


@pytest.mark.parametrize("package", PACKAGES)
def test_files(first, package):
    """All that is in a package stands in a list, with its mode and what it is (configuration,
    documentation, licence); it is root's."""
    listed = output("rpm", "--query", "--package", first[package], "--queryformat",
                    "[%{FILEMODES:perms} %{FILEFLAGS:fflags} %{FILENAMES}\n]")
    files = [" ".join(line.split()) for line in listed.splitlines()]
    assert files == (LISTS / package).read_text().splitlines()
    owners = output("rpm", "--query", "--package", first[package], "--queryformat",
                    "[%{FILEUSERNAME}:%{FILEGROUPNAME}\n]")
    assert set(owners.split()) == {"root:root"}


def test_rpmlint(first):
    assert set(first) - {"systemd"} == set(PACKAGES)
    ran = subprocess.run(["rpmlint", "--rpmlintrc", FILTER, SPEC, *(first[name] for name in PACKAGES)],
                         capture_output=True, text=True)
    assert ran.returncode == 0 and "0 errors, 0 warnings" in ran.stdout, ran.stdout + ran.stderr


def test_from_installation_to_erasure(fedora, first, second, target_on):
    """One after the other, as an operator would."""
    is_installed_as_it_was_built(fedora, first)
    fedora.write("/etc/loads/broker.conf", CONFIGURED)
    fedora.systemctl("enable", "--now", "loads.target", "loads-agent@2.socket", "loads-agent@3.service")
    fedora.wait_until(lambda: fedora.agents() == {"fedora-1", "fedora-3"}, "no agents came")
    a_run_survives_an_upgrade(fedora, second, target_on(fedora))
    configuration_is_kept(fedora, second)
    what_is_erased_is_gone(fedora)


def is_installed_as_it_was_built(fedora, first):
    """Users are made, units known and as the machine's presets say, messages explained."""
    fedora.rpm("--install", "--nodeps", files=[first[name] for name in PACKAGES])
    assert fedora.rpm("--verify", "--nodeps", *PACKAGES) == ""
    assert fedora.run("id", "--user", "--name", "loads-broker").stdout == "loads-broker\n"
    assert fedora.run("id", "--user", "--name", "loads-agent").stdout == "loads-agent\n"
    assert fedora.run("getent", "group", "loads").stdout
    assert fedora.systemctl("is-enabled", *UNITS, code=1).split() == ["disabled"] * len(UNITS)
    verified = fedora.run("systemd-analyze", "verify", "--man=no", "loads.target", "loads-broker.service",
                          "loads-database.service", "loads-agent@1.service")
    assert verified.stdout + verified.stderr == ""
    assert "Loads: Run @RUN_ID@ has started" in fedora.run("journalctl", "--list-catalog").stdout
    assert fedora.run("pkg-config", "--modversion", "loads").stdout == f"{VERSION}\n"


def a_run_survives_an_upgrade(fedora, second, target):
    """The broker is another one afterwards; agents go on with what they run."""
    broker, agent = fedora.pid("loads-broker"), fedora.pid("loads-agent@1")
    run_id = fedora.submit(f"{target.url}/held", "-a", "2", "-u", "2", "--hits", "3", "--workers", "1")
    target.wait_for(lambda counts: counts["requests"] == 4)
    fedora.rpm("--upgrade", "--nodeps", files=[second[name] for name in PACKAGES])
    assert fedora.installed() == {f"{name}-{VERSION}-2.fc42" for name in PACKAGES}
    fedora.wait_until(lambda: fedora.pid("loads-broker") not in (0, broker), "the broker is the old one")
    assert fedora.pid("loads-agent@1") == agent
    fedora.wait_until(lambda: fedora.agents() == {"fedora-1", "fedora-3"}, "not all agents came back")
    target.release()
    run = fedora.wait_for_end(run_id)
    assert (run["state"], run["outcome"]) == ("finished", "passed")
    row = fedora.summary(run_id)
    assert row["hits"] == row["successes"] == 12


def configuration_is_kept(fedora, second):
    """Where somebody has changed it, the new defaults lie beside it."""
    assert fedora.path("/etc/loads/broker.conf").read_text() == CONFIGURED
    assert fedora.path("/etc/loads/broker.conf.rpmnew").read_text().endswith(CHANGED)
    assert fedora.path("/etc/loads/agent.conf").read_text().endswith(CHANGED)
    assert not fedora.path("/etc/loads/agent.conf.rpmnew").exists()
    changed = fedora.rpm("--verify", "--nodeps", *PACKAGES, code=1)
    assert re.fullmatch(r"S\.5....T\. +c /etc/loads/broker\.conf\n", changed), changed


def what_is_erased_is_gone(fedora):
    """But for the configuration that somebody has changed, and results."""
    fedora.rpm("--erase", "--nodeps", "loads-agent")
    assert [line for line in fedora.processes() if "loads-agent" in line] == []
    assert fedora.is_active("loads-broker")
    fedora.rpm("--erase", *(set(PACKAGES) - {"loads-agent"}))
    assert fedora.processes() == [] and fedora.installed() == set()
    assert fedora.systemctl("list-units", "--all", "--plain", "--no-legend", "loads*") == ""
    assert fedora.run(*LEFT).stdout == "/etc/loads\n"
    assert {path.name for path in fedora.path("/etc/loads").iterdir()} == {"broker.conf.rpmnew",
                                                                           "broker.conf.rpmsave"}
    assert "Loads:" not in fedora.run("journalctl", "--list-catalog").stdout
    assert fedora.sql("SELECT count(*) AS runs FROM loads.runs")[0]["runs"] == 1
