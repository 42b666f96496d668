# SPDX-License-Identifier: MPL-2.0
"""loads-cluster: everything that a distributed run needs, started and stopped around one command.

What doesn't depend on who runs it is tried as who runs the tests; the rest as root, too, and as an
ordinary user, where there is root to become one. Programs are copied to where everybody can use them.
"""

import fcntl
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import termios

import pytest

from runner import Runner, processes_with, wait_until
from terminal import Terminal

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ["loads-cluster", "loads-broker", "loads-agent", "loads-worker", "loads-runner", "loadsctl"]
AS_ROOT = os.geteuid() == 0
ACCOUNTS = ["root", "nobody"] if AS_ROOT else ["us"]
COULD_NOT_START = 125


def folder_for_all():
    """Short, since sockets are in it, and open, since others run programs in it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="lc-", dir="/tmp"))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def installed(program):
    """A folder with the programs and what belongs to them."""
    folder = folder_for_all()
    (folder / "bin").mkdir()
    for name in PROGRAMS:
        shutil.copy(program(name), folder / "bin")
    shutil.copytree(ROOT / "sql", folder / "sql")
    yield folder
    shutil.rmtree(folder)


class Cluster(Runner):
    """Starts loads-cluster as somebody, in a home of its own."""

    def __init__(self, installed, account):
        self.home = folder_for_all()
        super().__init__(str(installed / "bin/loads-cluster"), self.home, self.home / "cache")
        self.bin = installed / "bin"
        self.cache.mkdir()
        self.temporary = self.home / "tmp"
        self.temporary.mkdir()
        self.state = self.home / "state/loads"
        self.variables = {}
        self.account = {}
        if account == "nobody":
            entry = pwd.getpwnam(account)
            self.account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            for path in (self.home, self.folder, self.runtime, self.cache, self.temporary):
                os.chown(path, entry.pw_uid, entry.pw_gid)

    def environment(self):
        return {**super().environment(), "PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.home),
                "XDG_STATE_HOME": str(self.home / "state"), "TMPDIR": str(self.temporary), **self.variables}

    def start(self, *arguments, **options):
        return super().start(*arguments, **self.account, **options)

    def run_sh(self, agents, script, *options, **more):
        return self.run(*options, agents, "--", "sh", "-c", script, **more)

    def end(self):
        super().end()
        shutil.rmtree(self.home)


@pytest.fixture
def cluster_as(installed):
    made = []

    def make(account=ACCOUNTS[-1]):
        made.append(Cluster(installed, account))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def mine(cluster_as):
    """A Cluster of an ordinary user, unless we are one ourselves."""
    return cluster_as()


def servers_in(folder):
    """Ids of processes that work there, as PostgreSQL's do, whose environment is overwritten."""
    found = []
    for path in pathlib.Path("/proc").iterdir():
        try:
            if path.name.isdigit() and pathlib.Path(os.readlink(path / "cwd")).is_relative_to(folder):
                found.append(int(path.name))
        except OSError:
            pass  # gone meanwhile, or somebody else's
    return found


def program_of(pid):
    return pathlib.Path(os.readlink(f"/proc/{pid}/exe")).name


# ---- what it is for ------------------------------------------------------------------------------


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_run_and_an_answer_of_sql_now_and_later(cluster_as, target, account):
    mine = cluster_as(account)
    ran = mine.run_sh(3, f"loads-runner {target.url}/any -u 4 --hits 5 -a 3 >&2 &&"
                         "psql -XAtc 'SELECT hits, agents, outcome FROM loads.run_summary'")
    assert (ran.code, ran.stdout) == (0, "60|3|passed\n"), ran
    assert "Hits: 60\n" in ran.stderr
    assert target.counts()["requests"] == 60
    assert servers_in(mine.home) == []
    ran = mine.run_sh(1, "psql -XAtc 'SELECT hits, agents, outcome FROM loads.run_summary'; id -u")
    assert ran.stdout == f"60|3|passed\n{mine.account.get('user', os.geteuid())}\n", ran
    assert (mine.state / "postgresql/PG_VERSION").is_file()
    assert sorted(path.name for path in mine.state.iterdir()) == ["lock", "log", "postgresql"]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_temporary_leaves_nothing(cluster_as, account):
    mine = cluster_as(account)
    ran = mine.run_sh(2, 'echo "$PGHOST"; ls "$TMPDIR"; psql -XAtc "SELECT count(*) FROM loads.run_summary"',
                      "--temporary")
    sockets, state, count = ran.stdout.splitlines()
    assert (ran.code, count, ran.stderr) == (0, "0", "")
    assert state.startswith("loads-run-")
    assert not pathlib.Path(sockets).parent.exists()
    assert list(mine.temporary.iterdir()) == [] and not mine.state.exists()
    assert servers_in(mine.home) == []


@pytest.mark.parametrize("account", ACCOUNTS)
def test_nobody_else_reaches_the_sockets(cluster_as, account):
    ran = cluster_as(account).run_sh(1, 'stat -c "%a %u" "${PGHOST%/pg}" "$PGHOST"', "--temporary")
    owner = pwd.getpwnam("postgres").pw_uid if account == "root" else None
    mode, user = ("710", 0) if account == "root" else ("700", cluster_owner(account))
    assert ran.stdout == f"{mode} {user}\n700 {user if owner is None else owner}\n"


def cluster_owner(account):
    return os.geteuid() if account == "us" else pwd.getpwnam(account).pw_uid


def test_all_agents_are_there_at_once(mine):
    ran = mine.run_sh(8, "loads-runner --ping-broker", "--temporary")
    assert "\n8 agents registered\n" in ran.stdout


def test_the_command_is_told_where_everything_is(mine):
    mine.variables = {"PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGSSLMODE": "verify-full", "PGUSER": "x",
                      "PGOPTIONS": "-c nonsense=1", "PGSERVICE": "no-such", "PGREQUIREPEER": "x",
                      "LOADS_BROKER": "tcp://127.0.0.1:1", "NOTIFY_SOCKET": "/nonexistent"}
    ran = mine.run_sh(1, "env; loads-runner --ping-broker >&2 && psql -XAtc 'SELECT current_user' >&2",
                      "--temporary")
    assert ran.code == 0, ran
    found = dict(line.split("=", 1) for line in ran.stdout.splitlines() if "=" in line)
    sockets = found["PGHOST"].removesuffix("/pg")
    assert found["LOADS_BROKER"] == f"ipc://{sockets}/frontend.sock"
    assert [found[name] for name in ("PGPORT", "PGUSER", "PGDATABASE")] == ["5432", "loads", "loads"]
    assert {"PGHOSTADDR", "PGSSLMODE", "PGOPTIONS", "PGSERVICE", "PGREQUIREPEER"} & set(found) == set()
    assert found["NOTIFY_SOCKET"] == "/nonexistent" and "RUNTIME_DIRECTORY" not in found


def test_a_long_name_of_the_sessions_directory(mine):
    long = mine.home / ("x" * 100)
    long.mkdir()
    long.chmod(0o777)
    mine.variables = {"XDG_RUNTIME_DIR": str(long)}
    ran = mine.run_sh(1, 'echo "$PGHOST"', "--temporary")
    assert list(long.iterdir()) == []
    assert ran.code == 0 and ran.stdout.startswith("/tmp/loads-run-"), ran


# ---- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize("script, code", [("exit 7", 7), ("kill -TERM $$", 128 + 15), ("kill -KILL $$", 128 + 9)])
def test_its_exit_code_is_kept(mine, script, code):
    ran = mine.run_sh(1, script, "--temporary")
    assert (ran.code, ran.stdout, ran.stderr) == (code, "", "")


def test_options_behind_the_dashes_are_its_own(mine):
    ran = mine.run("1", "--temporary", "--", "echo", "--help", "--", "-x")
    assert (ran.code, ran.stdout) == (0, "--help -- -x\n")


def test_secrets_of_the_command_are_not_shown(mine):
    """It gets its arguments, and nobody sees them as those of loads-cluster."""
    script = "tr '\\0' ' ' </proc/$PPID/cmdline; echo; echo \"$@\""
    ran = mine.run("--temporary", 1, "--", "sh", "-c", script, "sh", "http://me:hush@h/x?hush", "password=hush")
    shown, given = ran.stdout.splitlines()
    assert shown.endswith(" sh http://*******@h/x?**** password=**** "), ran
    assert given == "http://me:hush@h/x?hush password=hush"


def test_without_one_there_is_a_shell(mine, tmp_path):
    script = tmp_path / "script"
    script.write_text("loads-runner --ping-broker | grep registered\nexit 3\n")
    mine.variables = {"SHELL": "/bin/sh"}
    with script.open() as stdin:
        ran = mine.run("2", stdin=stdin)
    assert (ran.code, ran.stdout) == (3, "2 agents registered\n")
    assert ran.stderr == (f"loads-cluster: a broker and 2 agents are yours in this shell, and end with it; "
                          f"their logs are in {mine.state}/log\n")


@pytest.mark.parametrize("command, code, text", [
    ("no-such-command", 127, "there is no command 'no-such-command' in $PATH"),
    ("./no-such-command", 127, "cannot run ./no-such-command: No such file or directory"),
    ("/", 126, "cannot run /: Permission denied"),
])
def test_one_that_cannot_be_run(mine, command, code, text):
    ran = mine.run("1", "--", command)
    assert (ran.code, ran.stdout, ran.stderr) == (code, "", f"loads-cluster: {text}\n")
    assert not mine.state.exists()


# ---- one at a time -------------------------------------------------------------------------------


def test_a_second_one_names_the_first(mine):
    ran = mine.run_sh(1, "echo $PPID; loads-cluster 1 -- echo twice")
    first = int(ran.stdout)
    assert ran.code == COULD_NOT_START
    assert ran.stderr == (f"loads-cluster: a loads-cluster uses {mine.state} already, as process {first}: end "
                          "it first, or use --temporary for another one\n")


def test_temporary_ones_are_beside_it(mine):
    ran = mine.run_sh(1, "loads-cluster --temporary 1 -- loads-cluster --temporary 2 -- loads-runner --ping-broker")
    assert ran.code == 0 and "\n2 agents registered\n" in ran.stdout


# ---- signals -------------------------------------------------------------------------------------


def test_killed_it_leaves_no_process(mine):
    running = mine.start("2", "--", "sh", "-c", "echo on; exec sleep 100000")
    running.wait_for("on\n", "stdout")
    assert len(servers_in(mine.state)) > 3  # PostgreSQL's
    running.send(signal.SIGKILL)
    assert running.wait(check=False).code == -signal.SIGKILL
    # PostgreSQL may be about it when the next one starts, which removes what is left.
    ran = mine.run_sh(1, "psql -XAtc 'SELECT count(*) FROM loads.runs'")
    assert (ran.code, ran.stdout, ran.stderr) == (0, "0\n", "")
    wait_until(lambda: not processes_with(running.mark) and not servers_in(mine.home), "something lives on")


def test_killed_a_temporary_one_is_removed_by_the_next(mine):
    running = mine.start("--temporary", "1", "--", "sh", "-c", "echo on; exec sleep 100000")
    running.wait_for("on\n", "stdout")
    running.send(signal.SIGKILL)
    running.wait(check=False)
    wait_until(lambda: not processes_with(running.mark) and not servers_in(mine.home), "something lives on")
    assert len(list(mine.temporary.iterdir())) == 1
    assert mine.run("--temporary", "1", "--", "true").code == 0
    assert list(mine.temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_asked_to_end_it_asks_the_command(mine, number):
    pipe = os.pipe()
    running = mine.start("1", "--temporary", "--", "sh", "-c",
                         "trap 'echo asked; exit 9' TERM; echo on; while :; do read -r line; done",
                         stdin=pipe[0])
    running.wait_for("on\n", "stdout")
    running.send(number)
    ran = running.wait()
    assert (ran.code, ran.stdout, ran.stderr) == (9, "on\nasked\n", "")
    for fd in pipe:
        os.close(fd)


def test_asked_twice_it_kills_the_command(mine):
    pipe = os.pipe()
    running = mine.start("1", "--temporary", "--", "sh", "-c",
                         "trap 'echo asked' TERM; echo on; while :; do read -r line; done",
                         stdin=pipe[0])
    running.wait_for("on\n", "stdout")
    running.send(signal.SIGTERM)
    running.wait_for("asked\n", "stdout")
    running.send(signal.SIGTERM)
    assert running.wait().code == 128 + 9
    for fd in pipe:
        os.close(fd)


def test_ctrl_c_is_for_the_command(mine):
    terminal = Terminal()

    def take():
        os.setsid()
        fcntl.ioctl(2, termios.TIOCSCTTY, 0)

    running = mine.start("1", "--temporary", "--", "sh", "-c",
                         "trap 'echo stopped; loads-runner --ping-broker; exit 4' INT; echo on; while :; do read -r line; done",
                         preexec_fn=take, stdin=terminal.theirs, stdout=terminal.theirs, stderr=terminal.theirs)
    terminal.give_away()
    terminal.wait_for("on\r\n")
    os.write(terminal.ours, b"\x03")
    terminal.wait_for("1 agents? registered")
    terminal.read_all()
    assert running.wait().code == 4


def test_a_shell_has_the_terminal(mine):
    """With job control; Ctrl-C ends what it runs, and nothing else."""
    terminal = Terminal()

    def take():
        os.setsid()
        fcntl.ioctl(2, termios.TIOCSCTTY, 0)

    mine.variables = {"SHELL": "/bin/bash", "PS1": "ready> "}
    running = mine.start("2", "--temporary", preexec_fn=take, stdin=terminal.theirs, stdout=terminal.theirs,
                         stderr=terminal.theirs)
    terminal.give_away()
    terminal.type("sh -c 'echo o''n; exec sleep 100000'\n")
    terminal.wait_for("on\r\n")
    terminal.type("\x03")
    terminal.type("echo code $?; loads-runner --ping-broker | grep agents; exit 6\n")
    terminal.wait_for("code 130\r\n.*2 agents registered")
    terminal.read_all()
    assert running.wait().code == 6
    assert "job control" not in terminal.text


@pytest.fixture
def fake_bin(mine):
    """fake_bin(initdb): a PostgreSQL whose initdb is that script comes first."""

    def make(initdb):
        folder = mine.folder / "fake"
        folder.mkdir(mode=0o777)
        for name, text in {"initdb": initdb, "postgres": "echo 'postgres (PostgreSQL) 15.1'"}.items():
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)
        mine.variables = {"PATH": f"{folder}:{mine.environment()['PATH']}"}

    return make


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_while_it_starts(mine, fake_bin, number):
    fake_bin("echo begun >&2; exec sleep 100000")
    running = mine.start("1", "--", "echo", "started")
    log = mine.state / "log/initdb.log"
    wait_until(lambda: log.exists() and log.read_text() == "begun\n", "initdb did not begin")
    running.send(number)
    ran = running.wait()
    assert (ran.code, ran.stdout, ran.stderr) == (128 + number, "", "")
    assert sorted(path.name for path in mine.state.iterdir()) == ["lock", "log"]
    mine.variables = {}
    assert mine.run("1", "--", "true").code == 0


# ---- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("name, label, log", [("loads-agent", "loads-agent [12]", "agent-[12]"),
                                              ("loads-broker", "loads-broker", "broker"),
                                              ("postgres", "postgresql", "postgresql")])
def test_a_daemon_that_dies_is_reported(mine, name, label, log):
    pipe = os.pipe()
    running = mine.start("2", "--", "sh", "-c", "echo on; cat; exit 5", stdin=pipe[0])
    os.close(pipe[0])
    running.wait_for("on\n", "stdout")
    victim = next(pid for pid in running.children() if program_of(pid) == name)
    os.kill(victim, signal.SIGKILL)
    running.wait_for(rf"loads-cluster: {label} was killed by signal 9 \(Killed\); its log is "
                     rf"{mine.state}/log/{log}\.log\n    \S.*\n")
    os.close(pipe[1])
    assert running.wait().code == 5


BAD = [
    ([], "how many agents? 'loads-cluster 5' starts five"),
    (["0"], "'0' is not a number from 1 to 1000"),
    (["1001"], "'1001' is not a number from 1 to 1000"),
    (["-1"], "unknown option '-1'"),
    (["five"], "'five' is not a number"),
    (["--nonsense", "5"], "unknown option '--nonsense'"),
    (["--temporar", "5"], "did you mean '--temporary'?"),
    (["--temporary=yes", "5"], "option '--temporary' takes no argument"),
    (["5", "bash"], "unexpected argument 'bash'"),
    (["5", "--"], "no command stands behind '--'"),
    (["5", "--", ""], "no command stands behind '--'"),
    (["--", "true"], "how many agents?"),
]


@pytest.mark.parametrize("arguments, text", BAD)
def test_bad_input(mine, arguments, text):
    ran = mine.run(*arguments)
    assert (ran.code, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert ran.stderr.startswith("loads-cluster: ") and text in ran.stderr
    assert not mine.state.exists()


@pytest.mark.parametrize("where", ["/proc/nowhere", "/dev/null"])
def test_a_state_directory_that_cannot_be_written(mine, where):
    mine.variables = {"XDG_STATE_HOME": where}
    ran = mine.run("1", "--", "true")
    assert ran.code == COULD_NOT_START
    assert re.fullmatch(rf"loads-cluster: cannot make the directory {where}(/loads)?: .*\n", ran.stderr)


def test_nothing_says_where_to_keep_it(mine):
    mine.variables = {"XDG_STATE_HOME": "", "HOME": ""}
    ran = mine.run("1", "--", "true")
    assert (ran.code, ran.stderr) == (COULD_NOT_START, (
        "loads-cluster: neither XDG_STATE_HOME nor HOME says where the database can be kept: set one, or use "
        "--temporary\n"))
    assert mine.run("--temporary", "1", "--", "true").code == 0


@pytest.mark.parametrize("account", [name for name in ACCOUNTS if name == "root"])
def test_a_directory_that_is_closed_to_who_runs_postgresql(cluster_as, account):
    mine = cluster_as(account)
    mine.home.chmod(0o700)
    ran = mine.run("1", "--", "true")
    assert ran.code == COULD_NOT_START
    assert re.fullmatch(r"loads-cluster: cannot start .*/initdb as user '\w+', to whom .* is closed "
                        r"\(set XDG_STATE_HOME, .*\): Permission denied\n", ran.stderr), ran


def test_a_database_of_another_version(mine):
    assert mine.run("1", "--", "true").code == 0
    version = mine.state / "postgresql/PG_VERSION"
    ours = version.read_text().strip()
    version.write_text("9\n")
    ran = mine.run("1", "--", "true")
    assert ran.code == COULD_NOT_START
    assert re.fullmatch(
        rf"loads-cluster: the database in {mine.state}/postgresql was made by PostgreSQL 9, and here is "
        rf"PostgreSQL {ours}\.\d+: install version 9 beside it .*pg_upgrade.*\n", ran.stderr)


def test_initdb_fails(mine, fake_bin):
    fake_bin("echo 'initdb: error: no luck today' >&2; exit 1")
    ran = mine.run("1", "--", "true")
    assert ran.code == COULD_NOT_START
    assert ran.stderr == (f"loads-cluster: initdb exited with status 1; its log is {mine.state}/log/initdb.log\n"
                          "    initdb: error: no luck today\n")


def test_postgres_fails(mine):
    assert mine.run("1", "--", "true").code == 0
    with (mine.state / "postgresql/postgresql.conf").open("a") as settings:
        settings.write("nonsense = 1\n")
    ran = mine.run("1", "--", "true")
    assert ran.code == COULD_NOT_START
    assert ran.stderr.startswith("loads-cluster: postgresql exited with status 1; its log is "
                                 f"{mine.state}/log/postgresql.log\n")
    assert "unrecognized configuration parameter" in ran.stderr


def test_a_program_is_missing(mine, tmp_path):
    """What was started before is stopped again."""
    mine.program = str(mine.folder / "bin/loads-cluster")
    shutil.copytree(mine.bin, mine.folder / "bin", ignore=shutil.ignore_patterns("loads-agent"))
    shutil.copytree(ROOT / "sql", mine.folder / "sql")
    ran = mine.run("--temporary", "1", "--", "true")
    assert ran.code == COULD_NOT_START
    assert ran.stderr.startswith(f"loads-cluster: loads-agent is neither in {mine.folder}/bin, ")
    assert servers_in(mine.home) == [] and list(mine.temporary.iterdir()) == []


def test_version(mine):
    assert re.fullmatch(r"loads-cluster \d+\.\d+\.\d+\n", mine.run("--version").stdout)


# ---- completion ----------------------------------------------------------------------------------

COMPLETE = """\
source {script}
COMP_WORDS=(loads-cluster {words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_loads_cluster
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize("words, found", [
    ("''", ["--", "--help", "--temporary", "--version"]),
    ("5 --t", ["--temporary"]),
    ("5 -- loadsc", ["loadsctl"]),
    ("5 -- loadsctl r", []),  # files are for the shell to find
])
def test_completion(installed, words, found):
    script = COMPLETE.format(script=ROOT / "client/cluster/loads-cluster.bash", words=words)
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True,
                         env={"PATH": f"{installed / 'bin'}:{os.environ['PATH']}"})
    assert (sorted(set(ran.stdout.split())), ran.stderr) == (found, "")
