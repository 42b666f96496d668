# SPDX-License-Identifier: MPL-2.0
"""Modules that never come to the end of being loaded, in C and in Python: each is refused after --stall-timeout,
here and on agents."""

import pytest

HANGING = {
    "slow.c": """\
#include <loads/loads.h>
#include <signal.h>
#include <unistd.h>
__attribute__((constructor)) static void hang(void)
{
    (void)signal(SIGTERM, SIG_IGN);
    if (fork() == 0) {
        (void)setsid();
    }
    for (;;) {
        (void)pause();
    }
}
LOADS_TEST(Slow, test_it) {}
""",
    "ends.c": """\
#include <loads/loads.h>
__attribute__((destructor)) static void hang(void)
{
    for (volatile int i = 1; i;) {
    }
}
LOADS_TEST(Slow, test_it) {}
""",
    "slow.py": """\
import time

from loads.case import TestCase


class Slow(TestCase):
    def test_it(self):
        pass


while True:
    time.sleep(60)
""",
}


@pytest.fixture(autouse=True)
def system_python(monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)


def advice(name):
    return "when it is imported, outside of its functions" if name.endswith(".py") else "in its constructors"


@pytest.mark.parametrize("name", HANGING)
@pytest.mark.parametrize("listed", [True, False])
def test_without_end(runner, name, listed):
    runner.write(name, HANGING[name])
    module = name.partition(".")[0]
    what = ["--list", module] if listed else [f"{module}.Slow.test_it", "--output", "json=result.json"]
    ran = runner.run(*what, "--stall-timeout", "300ms")
    assert (ran.code, ran.stdout) == (2, ""), ran
    assert ran.stderr == (f"loads-runner: {runner.folder / name} took longer than --stall-timeout (0.3 s) to be "
                          f"loaded: see to what it does {advice(name)}, or allow more time\n")
    assert not (runner.folder / "result.json").exists()


GOOD = {
    "good.c": "#include <loads/loads.h>\nLOADS_TEST(Slow, test_it) {}\n",
    "good.py": HANGING["slow.py"].partition("while")[0],
}


@pytest.mark.parametrize("suffix", ["c", "py"])
def test_the_one_of_several_that_has_no_end(runner, suffix):
    for name in ("good", "other"):
        runner.write(f"{name}.{suffix}", GOOD[f"good.{suffix}"])
    path = runner.write(f"slow.{suffix}", HANGING[f"slow.{suffix}"])
    ran = runner.run("good.Slow.test_it", "slow.Slow.test_it", "other.Slow.test_it", "--stall-timeout", "5s")
    assert ran.code == 2, ran
    assert ran.stderr == (f"loads-runner: {path} took longer than --stall-timeout (5 s) to be loaded: see to what it "
                          f"does {advice(path.name)}, or allow more time\n")


def test_compiling_has_its_own_time(runner):
    """A compiler that takes longer than a module may."""
    runner.write("cc", "#!/bin/sh\nsleep 0.5\nexec cc \"$@\"\n").chmod(0o755)
    runner.write("quick.c", "#include <loads/loads.h>\nLOADS_TEST(Quick, test_it) {}\n")
    ran = runner.run("--list", "quick", "--stall-timeout", "400ms", env={"CC": str(runner.folder / "cc")})
    assert ran.code == 0, ran


@pytest.mark.parametrize("name", ["slow.c", "slow.py"])
def test_on_an_agent(two_agents, target, tmp_path, name):
    """The run ends before it starts; the agent's other work, and the next run, go on."""
    (tmp_path / name).write_text(HANGING[name])
    (tmp_path / "good.c").write_text("#include <loads/loads.h>\nLOADS_TEST(Good, test_it) {}\n")
    held = two_agents.submit(f"{target.url}/held")
    target.wait_for(lambda counts: counts["requests"] == 1)
    ran = two_agents.run("loads-runner", "slow.Slow.test_it", "-a", 1, "--stall-timeout", "300ms", cwd=tmp_path, code=4)
    assert f"{name} took longer than --stall-timeout (0.3 s) to be loaded" in ran.stderr
    assert advice(name) in ran.stderr
    two_agents.run("loads-runner", "good.Good.test_it", "-a", 1, cwd=tmp_path)
    target.release()
    assert two_agents.wait_for_state(held, "finished", "aborted", "failed")["outcome"] == "passed"
