# SPDX-License-Identifier: MPL-2.0
"""Debian packages: built as Debian does, and installed on a host with PostgreSQL."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from runner import wait_until
from units import SOCKETS, Machine
from wheels import make_wheel

ROOT = pathlib.Path(__file__).parents[2]
LISTS = ROOT / "tests/packages/debian"
PACKAGES = sorted(path.name for path in LISTS.iterdir())
SERVER = "http://127.0.0.1:9200"
LEFT = ["find", "/etc", "/usr", "/var", "/run", "-regex", r".*/loads\(ctl\)?\([.@-][^/]*\)?",
        "-not", "-path", "*/dpkg/*", "-not", "-path", "/run/systemd/*", "-not", "-path", "/usr/share/lintian/*"]


def output(*arguments, **options):
    return subprocess.run([*map(str, arguments)], check=True, capture_output=True, text=True, **options).stdout


def version_of(deb):
    return output("dpkg-deb", "--field", deb, "Version").strip()


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    """Where they are, built from what git knows."""
    folder = tmp_path_factory.mktemp("debs")
    source = folder / "loads"
    for name in output("git", "ls-files", "-z", cwd=ROOT).split("\0")[:-1]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    environment = {**os.environ, "DEB_BUILD_OPTIONS": "nocheck parallel=2", "DEB_CFLAGS_APPEND": "-Werror"}
    if shutil.which("ccache"):  # debhelper has another HOME
        cache = os.environ.get("CCACHE_DIR", pathlib.Path.home() / ".cache/ccache")
        environment.update(CMAKE_C_COMPILER_LAUNCHER="ccache", CCACHE_DIR=str(cache),
                           CCACHE_BASEDIR=str(folder), CCACHE_NOHASHDIR="1")
    with (folder / "log").open("wb") as log:
        built = subprocess.run(["dpkg-buildpackage", "-b", "-us", "-uc"], cwd=source, stdout=log, stderr=log,
                               env=environment)
    assert built.returncode == 0, (folder / "log").read_text()[-5000:]
    return folder


def deb_of(folder, package):
    found, = folder.glob(f"{package}_*.deb")
    return found


@pytest.fixture(scope="module")
def next_debs(debs):
    """The same with a later version."""
    folder = debs / "next"
    folder.mkdir()
    for package in ("loads", "loads-broker", "loads-agent"):
        tree = folder / package
        deb = deb_of(debs, package)
        output("dpkg-deb", "--raw-extract", deb, tree)
        control = tree / "DEBIAN/control"
        old = version_of(deb)
        control.write_text(control.read_text().replace(f"Version: {old}", f"Version: {old}+next")
                           .replace(f"loads (= {old})", f"loads (= {old}+next)"))
        output("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, folder)
    return folder


class Shelf(Machine):
    """A host with PostgreSQL, on which packages are installed."""

    def know_packages(self):
        """Those of this machine, whose /usr it has."""
        shutil.copytree("/var/lib/dpkg", self.path("/var/lib/dpkg"), symlinks=True, dirs_exist_ok=True)
        self.path("/var/lib/dpkg/statoverride").unlink(missing_ok=True)  # for users that it hasn't
        self.path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)

    def install(self, folder, *packages):
        for package in packages:
            shutil.copy(deb_of(folder, package), self.path("/root"))
        said = self.run("dpkg", "--install", *(f"/root/{deb_of(folder, package).name}" for package in packages))
        return said.stdout + said.stderr

    def serve(self):
        """A server to be tested: what stops it again."""
        return self.start("loads-echo-server", "--port", "9200")


@pytest.fixture(scope="module")
def shelf():
    made = Shelf("shelf", sanitized=False)
    try:
        made.know_packages()
        made.start_postgres()
        yield made
    finally:
        made.halt()


@pytest.mark.parametrize("package", PACKAGES)
def test_files(debs, package):
    """All that is in a package stands in a list."""
    lines = output("dpkg-deb", "--contents", deb_of(debs, package)).splitlines()
    files = sorted(line.split(maxsplit=5)[5].split(" -> ")[0].removeprefix(".") for line in lines
                   if not line.startswith("d"))
    assert files == sorted((LISTS / package).read_text().split())


def test_lintian(debs):
    changes, = debs.glob("*.changes")
    ran = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", changes],
                         capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_from_installation_to_purge(shelf, debs, next_debs):
    """One after the other, as an operator would."""
    shelf.install(debs, *PACKAGES)
    for unit in (*SOCKETS, "loads-agent@1.socket", "loads-expire.timer"):
        assert shelf.is_active(unit) and shelf.run("systemctl", "is-enabled", unit).stdout == "enabled\n"
    shelf.systemctl("start", "loads.target")
    shelf.systemctl("start", "loads-broker", *(f"loads-agent@{number}" for number in range(1, 6)))
    shelf.wait_until(lambda: len(shelf.agents()) == 5, "not all agents came")
    assert "5 agents" in shelf.run("loadsctl", "health-check").stdout
    with shelf.serve():
        the_example_runs(shelf)
        so_does_one_in_python(shelf)
        a_run_survives_an_upgrade(shelf, next_debs)
    the_target_stops_all_of_it(shelf)
    removal_stops_instances(shelf)
    a_purge_leaves_the_database(shelf)


def so_does_one_in_python(shelf):
    """On agents that find the package, and on one that doesn't."""
    shelf.write("/root/web.py", "from loads.case import TestCase\n\n\nclass TestWebSite(TestCase):\n\n"
                                "    def test_es(self):\n        res = self.session.get('http://localhost:9200')\n"
                                "        self.assertEqual(res.status_code, 200)\n")
    command = ["loads-runner", "web.TestWebSite.test_es", "-a", "5", "-u", "2", "--hits", "3"]
    assert "Success: 30\n" in shelf.run(*command).stdout
    make_wheel(shelf.path("/root"), "1.5")
    shelf.write("/root/jar.py", "import marmalade\nfrom loads.case import TestCase\n\n\nclass TestJar(TestCase):\n\n"
                                "    def test_version(self):\n        self.assertEqual(marmalade.VERSION, '1.5')\n")
    ran = shelf.run("loads-runner", "jar.TestJar.test_version", "-a", "2", "--python-dep",
                    "marmalade-1.5-py3-none-any.whl")
    assert "Success: 2\n" in ran.stdout
    shelf.run("dpkg", "--remove", "python3-loads")
    ran = shelf.run(*command, code=4)
    assert "install the package python3-loads" in ran.stdout + ran.stderr


def the_example_runs(shelf):
    """The numbers of the console are those in SQL."""
    shelf.run("cp", "/usr/share/doc/loads/examples/example.c", "/root")
    ran = shelf.run("loads-runner", "example.TestWebSite.test_es", "-a", "5", "-u", "2:4", "--hits", "5")
    hits = int(re.search(r"^Hits: (\d+)$", ran.stdout, re.MULTILINE)[1])
    run = shelf.ask("runs")[0]  # the newest: of the health check one may still be there
    assert shelf.summary(run["run_id"])["hits"] == hits == 5 * (2 + 4) * 5
    assert "Success: 150\n" in ran.stdout


def a_run_survives_an_upgrade(shelf, next_debs):
    """The broker is another one afterwards; agents go on with what they run."""
    broker, agent = shelf.pid("loads-broker"), shelf.pid("loads-agent@1")
    run_id = shelf.submit(f"{SERVER}/", "-a", "5", "-u", "2", "-d", "20s")
    shelf.wait_until(lambda: shelf.ask("show", run_id)["state"] == "running", "it doesn't run")
    shelf.install(next_debs, "loads", "loads-broker", "loads-agent")
    assert shelf.pid("loads-broker") not in (0, broker)
    assert shelf.pid("loads-agent@1") == agent
    shelf.wait_until(lambda: len(shelf.agents()) == 5, "not all agents came back")
    run = shelf.wait_for_end(run_id)
    assert (run["state"], run["outcome"]) == ("finished", "passed")
    row = shelf.summary(run_id)
    assert row["hits"] == row["successes"] > 0


def the_target_stops_all_of_it(shelf):
    shelf.systemctl("stop", "loads.target")
    wait_until(lambda: not any(shelf.path("/run/loads").iterdir()), "sockets were left")
    assert [line for line in shelf.processes() if "echo-server" not in line] == []


def removal_stops_instances(shelf):
    shelf.systemctl("start", "loads-agent@1", "loads-agent@7")
    shelf.run("dpkg", "--remove", "loads-agent")
    assert not shelf.is_active("loads-agent@7") and not shelf.is_active("loads-agent@1.socket")
    assert [line for line in shelf.processes() if "loads-agent" in line] == []


def a_purge_leaves_the_database(shelf):
    said = shelf.run("dpkg", "--purge", *PACKAGES).stdout
    assert "database 'loads' and its role 'loads-broker' stay" in said
    shelf.run("rm", "-rf", "/root/example.c", "/root/web.py", "/root/jar.py", "/root/__pycache__")
    assert shelf.run(*LEFT).stdout == ""
    ours = shelf.sql("SELECT count(*) AS runs FROM loads.runs WHERE name NOT LIKE 'loads_health%'")
    assert ours[0]["runs"] == 5
