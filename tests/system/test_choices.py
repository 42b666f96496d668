# SPDX-License-Identifier: MPL-2.0
"""Random choices that can be had again, think time and pacing."""

import re
import signal

import pytest

# Each counter is one choice of one iteration.
CHOICES = """\
#include <loads/loads.h>

static void choose(loads_user *user)
{
    loads_incr_counter(user, loads_printf(user, "cycle %u, user %u, iteration %u: %d %.17g",
                                          loads_cycle(user), loads_user_number(user), loads_iteration(user),
                                          (int)loads_random_int(user, -1000000, 1000000),
                                          loads_random_double(user)));
}

LOADS_TEST(Choices, three)
{
    for (int i = 0; i < 3; i++) {
        choose(user);
        loads_sleep(user, loads_random_double(user) / 100); /* others come in between */
    }
}

LOADS_TEST(Choices, last_of_some)
{
    if (loads_iteration(user) < 2) {
        loads_random_int(user, 1, 6);
        loads_fail("cut short");
    }
    choose(user);
}
"""

TIMES = """\
#include <time.h>
#include <loads/loads.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double begun[100];

static void since_before(loads_user *user, double seconds)
{
    double *before = &begun[loads_user_number(user)], begin = now();
    if (loads_iteration(user) > 0) {
        loads_assert_double_ge(begin - *before, seconds);
    }
    *before = begin;
}

LOADS_TEST(Think, distributions)
{
    double before = now();
    loads_think(user, LOADS_CONSTANT(0.05));
    loads_think(user, LOADS_UNIFORM(0.05, 0.1));
    loads_think(user, LOADS_EXPONENTIAL(0.001));
    loads_think(user, LOADS_CONSTANT(0));
    loads_assert_double_ge(now() - before, 0.1);
}

LOADS_TEST(Pace, constant)
{
    since_before(user, 0.099);
    loads_pace(user, LOADS_CONSTANT(5));
    loads_pace(user, LOADS_CONSTANT(0.1));
}

LOADS_TEST(Pace, long_iterations)
{
    loads_pace(user, LOADS_CONSTANT(0.001));
    loads_sleep(user, 0.01);
}

LOADS_TEST(Pace, option)
{
    since_before(user, 0.099);
}

LOADS_TEST(Pace, instead_of_the_option)
{
    loads_pace(user, LOADS_UNIFORM(0, 0.001));
}

LOADS_TEST(Pace, once)
{
    loads_log(user, "begun");
}

LOADS_TEST(Wrong, %s)
{
    %s;
}
"""


@pytest.fixture
def choices(runner):
    """choices(ARGUMENTS): what was chosen, and how the run went."""
    runner.write("choices.c", CHOICES)

    def run(*arguments, test="three"):
        ran = runner.summarize(f"choices.Choices.{test}", *arguments)
        return {counter["name"] for counter in ran.summary["counters"]}, ran

    return run


def test_a_seed_means_the_same_choices(choices):
    once, ran = choices("-u", "4:7", "--hits", "3", "--seed", "7", "--workers", "1")
    assert ran.code == 0 and ran.summary["options"]["seed"] == 7
    assert len(once) == 11 * 3 * 3
    assert "\nSeed: 7\n" in ran.stdout
    for workers in ("1", "2", "5"):
        again, _ = choices("-u", "4:7", "--hits", "3", "--seed", "7", "--workers", workers)
        assert again == once
    others, _ = choices("-u", "4:7", "--hits", "3", "--seed", "8")
    assert len(others & once) == 0


def test_the_seed_of_any_run_is_told(choices):
    once, ran = choices("-u", "3", "--hits", "2")
    told = re.search(r"^Seed: (\d+)$", ran.stdout, re.MULTILINE)[1]
    assert ran.summary["options"]["seed"] == int(told)
    again, ran = choices("-u", "3", "--hits", "2", "--seed", told)
    assert again == once
    _, ran = choices("-u", "3", "--hits", "2")
    assert ran.summary["options"]["seed"] != int(told)


def test_an_iteration_chooses_whatever_became_of_the_one_before(choices):
    """The choices are those of the test beside it, which fails nowhere and draws other numbers first."""
    some, ran = choices("--hits", "3", "--seed", "7", test="last_of_some")
    assert ran.counts["Failures"] == 2 and len(some) == 1
    all_of_them, _ = choices("--hits", "3", "--seed", "7")
    assert some < all_of_them


def test_choices_on_agents(two_agents, choices, tmp_path):
    """Those of as many users on one machine: numbers count over agents."""
    import json

    (tmp_path / "choices.c").write_text(CHOICES)
    two_agents.run("loads-runner", "choices.Choices.three", "-a", 2, "-u", 3, "--hits", 2, "--seed", 7, "--output",
                   f"json={tmp_path}/summary", cwd=tmp_path)
    summary = json.loads((tmp_path / "summary").read_text())
    assert summary["options"]["seed"] == 7
    local, _ = choices("-u", "6", "--hits", "2", "--seed", "7")
    assert {counter["name"] for counter in summary["counters"]} == local


def test_a_broker_chooses_a_seed_for_who_has_none(two_agents, target):
    run_id = two_agents.result("CTRL_RUN", agents=1, args={"fqn": f"{target.url}/any"})["run_id"]
    assert two_agents.run_of(run_id)["spec"]["seed"] > 0
    run_id = two_agents.result("CTRL_RUN", agents=1, args={"fqn": f"{target.url}/any", "seed": 7})["run_id"]
    assert two_agents.run_of(run_id)["spec"]["seed"] == 7


@pytest.mark.parametrize("seed", ["0", "-1", "x", "9007199254740992", "1.5"])
def test_wrong_seeds(runner, seed):
    ran = runner.run("http://127.0.0.1/", "--seed", seed)
    assert ran.code == 2 and "--seed" in ran.stderr and "from 1 to 9007199254740991" in ran.stderr


# ---- time ----


@pytest.fixture
def times(runner):
    def run(test, *arguments, wrong="0"):
        runner.write("times.c", TIMES % ("test", wrong))
        return runner.summarize(f"times.{test}", *arguments)

    return run


def test_think_time(times):
    ran = times("Think.distributions", "-u", "10", "--hits", "2")
    assert ran.code == 0 and ran.counts["Success"] == 20


@pytest.mark.parametrize("test", ["constant", "long_iterations", "instead_of_the_option"])
def test_pace_of_a_test(times, test):
    arguments = ["--pace", "1h"] if test == "instead_of_the_option" else []
    ran = times(f"Pace.{test}", "-u", "5", "--hits", "4", *arguments)
    assert ran.code == 0 and ran.counts["Success"] == 20


@pytest.mark.parametrize("pace", ["100ms", "uniform:0.1:0.2", "constant:0.1"])
def test_pace_of_the_command_line(times, pace):
    ran = times("Pace.option", "-u", "5", "--hits", "4", "--pace", pace)
    assert ran.code == 0 and ran.counts["Success"] == 20
    assert ran.summary["options"]["pace"] == pace


def test_pace_of_a_url(runner, target):
    ran = runner.summarize(f"{target.url}/any", "-u", "3", "--hits", "3", "--pace", "exponential:0.01")
    assert ran.code == 0 and ran.counts["Hits"] == 9


def test_a_cycle_ends_while_users_wait_for_their_next_iteration(times):
    """They are in none that could be interrupted; and the cycle lasts as long as it was to."""
    ran = times("Pace.once", "-u", "3", "-d", "500ms", "--grace", "1h", "--pace", "1h")
    assert ran.code == 0
    assert ran.summary["iterations"] == {"successes": 3, "errors": 0, "failures": 0, "interrupted": 0}
    assert ran.summary["duration_usec"] >= 500000


def test_an_interrupt_while_users_wait_for_their_next_iteration(runner):
    runner.write("times.c", TIMES % ("test", "0"))
    running = runner.start("times.Pace.once", "--hits", "2", "--grace", "1h", "--pace", "1h")
    running.wait_for("begun")
    running.send(signal.SIGINT)
    ran = running.wait()
    assert ran.code == 130 and ran.counts["Success"] == 1 and "Interrupted:" not in ran.stdout


@pytest.mark.parametrize("call, told", [
    ("loads_think(user, LOADS_CONSTANT(-1))", "loads_think: -1 is not a number of seconds from 0 to 31622400"),
    ("loads_think(user, LOADS_UNIFORM(1, 0.0 / 0))", "nan is not a number of seconds"),
    ("loads_think(user, LOADS_UNIFORM(3, 1))", "loads_think: from 3 to 1: the smaller one comes first"),
    ("loads_think(user, LOADS_EXPONENTIAL(1.0 / 0))", "loads_think: inf is not a number of seconds"),
    ("loads_pace(user, LOADS_EXPONENTIAL(-0.5))", "loads_pace: -0.5 is not a number of seconds"),
    ("loads_random_int(user, 2, 1)", "loads_random_int(user, 2, 1): the smaller number comes first"),
])
def test_arguments_that_make_no_sense(times, call, told):
    ran = times("Wrong.test", "-u", "2", wrong=call)
    assert ran.code == 1 and ran.counts["Errors"] == 2
    error, = ran.summary["errors"]
    assert told in error["message"], error
    assert error["class"] == "argument" and error["place"].startswith("times.c:"), error


@pytest.mark.parametrize("pace", ["", "-1", "uniform:1", "uniform:2:1", "normal:1:2", "exponential:inf"])
def test_wrong_paces(runner, pace):
    ran = runner.run("http://127.0.0.1/", "--pace", pace)
    assert ran.code == 2 and "--pace" in ran.stderr, ran


def test_no_pace_for_those_who_pace_themselves(runner):
    ran = runner.run("some.test", "--test-runner", "true", "--pace", "1")
    assert (ran.code, ran.stderr) == (2, "loads-runner: --pace is for tests in C and for URLs\n")
    runner.write("case.py", "from loads.case import TestCase\n\nclass T(TestCase):\n    def test_a(self):\n        pass\n")
    ran = runner.run("case.T.test_a", "--pace", "1")
    assert ran.code != 0 and "pace: it is for tests in C and for URLs" in ran.stderr, ran
