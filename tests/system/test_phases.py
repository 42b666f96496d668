# SPDX-License-Identifier: MPL-2.0
"""What latencies are spent on."""

import json

PHASES = ["blocked", "dns", "connect", "tls", "send", "wait", "receive"]


def phases(summary):
    return {phase["name"]: phase for phase in summary["phases"]}


def spent(part):
    return part["latency"]["average_usec"] * part.get("count", part.get("hits", 0))


def adds_up(summary):
    """Together they are all of it, but for what is less than a microsecond."""
    whole = spent({"latency": summary["latency"], "hits": summary["hits"]})
    parts = sum(map(spent, summary["phases"]))
    assert whole <= parts + 1 <= whole + 1 + len(PHASES) * summary["hits"]


def test_kept_connections(runner, target):
    ran = runner.summarize(target.url + "/any", "-u", 3, "--hits", 10)
    found = phases(ran.summary)
    assert list(found) == ["blocked", "connect", "send", "wait", "receive"]
    assert {name: phase["count"] for name, phase in found.items()} == {
        "blocked": 30, "connect": 3, "send": 30, "wait": 30, "receive": 30}
    adds_up(ran.summary)
    text = [line.split() for line in ran.stdout.splitlines()]
    assert "Part of the latency".split() + ["Count", "Share", "Average", "p95", "p99"] in text


def test_where_the_time_is(runner, target):
    """A server that thinks, and one that takes its time to say it."""
    ran = runner.summarize(target.url + "/delay/30", "-u", 2, "--hits", 5)
    found = phases(ran.summary)  # the server may think already when the end of sending is noticed
    assert sum(found[name]["latency"]["average_usec"] for name in ("send", "wait")) >= 30000
    assert found["wait"]["latency"]["average_usec"] > found["receive"]["latency"]["average_usec"]
    adds_up(ran.summary)
    ran = runner.summarize(target.url + "/size/20/slow/10", "-u", 2, "--hits", 2)
    assert phases(ran.summary)["receive"]["latency"]["min_usec"] >= 50000
    adds_up(ran.summary)


def test_a_name(runner, target):
    ran = runner.summarize(f"http://localhost:{target.port}/any", "-u", 2, "--hits", 3)
    assert phases(ran.summary)["dns"]["count"] == 2
    adds_up(ran.summary)


def test_without_hits(runner):
    assert runner.summarize("http://127.0.0.1:1/").summary["phases"] == []


def test_tls(runner, start_nginx, https, authority):
    """On a new connection, and not on one that was kept."""
    known = authority()
    nginx = start_nginx(https(known.sign("server")))
    for how, count in (("keep", 2), ("request", 8)):
        ran = runner.summarize(f"https://localhost:{nginx.ports[0]}/", "-u", 2, "--hits", 4, "--connections", how,
                               "--ca-file", known.path)
        assert ran.code == 0, ran
        found = phases(ran.summary)
        assert found["tls"]["count"] == found["connect"]["count"] == count
        assert found["tls"]["latency"]["min_usec"] > 0
        adds_up(ran.summary)
