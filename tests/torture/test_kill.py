# SPDX-License-Identifier: MPL-2.0
"""Workers are killed at random moments, and the target's log is held against what is reported.

Each request has a path of its own and none is sent twice, so the requests that the target answered are
known one by one, and so are the hits. What is not a hit then must be a request of an iteration that the
crash ended, the very next one of it, and each of these has its line: hits are the answered requests less
those in flight at the kill, exactly. The last iterations, as many as there may be kills, are held until
the last kill, so that no run is over before it.
"""

import collections
import os
import signal

import pytest

USERS, ITERATIONS, REQUESTS = 20, 20, 2
TOTAL = USERS * ITERATIONS * REQUESTS
MAX_KILLS = 3  # more, and the supervisor gives up
# Answers that come before anything is held, though each kill costs an iteration of every user.
FREE = TOTAL - REQUESTS * USERS * 2 * MAX_KILLS


def path_of(user, iteration, which):
    return f"/delay/2/any/{user}/{iteration}/{which}"


def path_of_url(url):
    return "/" + url.partition("//")[2].partition("/")[2].partition("?")[0]


def iterations_of(run, *data_types):
    """(user, iteration), both from 0."""
    return [(event["loads_status"][3] - 1, event["loads_status"][2] - 1)
            for event in run.events_of(*data_types)]


def kill_some(started, target, moments, generator):
    """Kills a worker at each of the moments: a number of answers that the target has given."""
    killed = []
    for moment in moments:
        target.wait_for(lambda counts: counts["answers"] >= moment)
        killed.append(generator.choice(
            started.wait_for(lambda: [pid for pid in started.workers() if pid not in killed])))
        os.kill(killed[-1], signal.SIGKILL)
    target.release()


def check_each(run, answered, requested):
    """Request by request, from the detail stream."""
    hits = collections.Counter(path_of_url(event["url"]) for event in run.events_of("add_hit"))
    assert max(hits.values()) == 1 and max(answered.values()) == 1, "something was sent twice"
    assert not hits - answered, "a hit without an answer"
    cut = set(iterations_of(run, "addError"))
    done = collections.Counter(tuple(map(int, path.split("/")[4:6])) for path in hits)
    next_of_cut = {path_of(*which, done[which] + 1) for which in cut if done[which] < REQUESTS}
    lost = iterations_of(run, "request_error")
    lost_paths = {path_of(*which, done[which] + 1) for which in lost}
    assert set(answered - hits) <= lost_paths <= next_of_cut
    assert len(lost_paths) == len(lost) == run.summary["request_errors"]
    assert requested <= sum(hits.values()) + run.summary["request_errors"]
    succeeded = iterations_of(run, "addSuccess")
    assert all(done[which] == REQUESTS for which in succeeded)
    assert len(succeeded) == len(set(succeeded)) == run.outcomes()[0]
    run.check_latencies()


@pytest.mark.parametrize("turn", [pytest.param(0, marks=pytest.mark.quick), *range(1, 20)])
def test_kill(start_loads, target, module, generator, turn):
    moments = sorted(generator.sample(range(1, FREE), generator.randint(1, MAX_KILLS)))
    workers, detail = generator.choice([1, 2, 3]), turn % 2 == 0
    print("killed after so many answers:", moments, "workers:", workers, "detail:", detail)
    started = start_loads("torture.TestKill.test_held", "--server-url", target.url, "-u", USERS, "--hits",
                          ITERATIONS, "--workers", workers, cwd=module, detail=detail)
    kill_some(started, target, moments, generator)
    run = started.finish()
    assert run.code == (1 if run.outcomes()[1] else 0), run.said()
    assert run.stderr.count("a worker crashed: the worker was killed by signal 9") == len(moments)
    successes, errors, failures, interrupted = run.outcomes()
    assert successes + errors + failures + interrupted == USERS * ITERATIONS
    assert (failures, interrupted) == (0, 0)
    assert sum(run.messages("error").values()) == errors

    counts = target.wait_for(lambda counts: counts["connections"]["open"] == 0)
    log = [line.split()[1] for line in target.access_log.read_text().splitlines()]
    answered = collections.Counter(log)
    assert len(log) == counts["answers"]
    hits, lost = run.hits(), run.summary["request_errors"]
    assert hits <= counts["answers"] <= counts["requests"] <= hits + lost
    assert lost <= errors <= USERS * len(moments)
    assert REQUESTS * successes <= hits <= REQUESTS * successes + errors * REQUESTS
    if detail:
        check_each(run, answered, counts["requests"])
