# SPDX-License-Identifier: MPL-2.0
"""Reads what outputs write by others' parsers, each into the same few words.

`Numbers` is what all of them must agree on. FunkLoad's XML has a reader of its own here, which knows
nothing of Loads: it adds up responses and tests as FunkLoad's report does.
"""

import csv
import json
import os
import pathlib
import re
import subprocess
from dataclasses import dataclass, field, replace

import lxml.etree
import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = pathlib.Path(__file__).parent / "schemas"
NODE_MODULES = ROOT / "build/node-tests/node_modules"
PERCENTS = {"p50_usec": "50", "p90_usec": "90", "p95_usec": "95", "p99_usec": "99", "p999_usec": "99.9"}

QUANTILES = {"p50_usec": "0.5", "p90_usec": "0.9", "p95_usec": "0.95", "p99_usec": "0.99",
             "p999_usec": "0.999", "max_usec": "1"}


@dataclass
class Numbers:
    """What isn't known is None."""

    hits: int | None = None
    request_errors: int | None = None
    outcomes: tuple | None = None  # successes, failures, errors
    latency: dict | None = None  # p50_usec and the like, some of them
    names: dict = field(default_factory=dict)  # (method, name): hits


def outcomes_of(counts):
    return counts["successes"], counts["failures"], counts["errors"]


def read_json(path):
    summary = json.loads(path.read_text(encoding="utf-8"))
    return Numbers(summary["hits"], summary["request_errors"], outcomes_of(summary["iterations"]),
                   summary.get("latency"),
                   {(name["method"], name["name"]): name["hits"] for name in summary["names"]})


def read_csv(path):
    """The numbers, and the rows as dicts of numbers."""
    with open(path, encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    for row in rows:
        for key, value in row.items():
            row[key] = value if key == "time" else float(value) if value else None
    total = {key: sum(row[key] for row in rows)
             for key in ("hits", "request_errors", "successes", "failures", "errors")}
    return Numbers(total["hits"], total["request_errors"], outcomes_of(total)), rows


def read_prometheus(path, prefix="loads_"):
    """The numbers, and all samples: {name: [(labels, value)]}."""
    samples = {}
    for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
        assert family.documentation and family.type in ("counter", "gauge", "summary"), family
        for sample in family.samples:
            assert sample.name.startswith(prefix)
            samples.setdefault(sample.name[len(prefix):], []).append((sample.labels, sample.value))
    for name, rows in samples.items():
        assert len({tuple(sorted(labels.items())) for labels, _ in rows}) == len(rows), name
    quantiles = {labels["quantile"]: round(value * 1e6) for labels, value in samples["latency_seconds"]} \
        if "latency_seconds" in samples else {}
    names = {}
    for labels, value in samples.get("hits_total", []):
        key = labels["method"], labels["name"]
        names[key] = names.get(key, 0) + value
    by_outcome = {outcome: sum(value for labels, value in samples["iterations_total"]
                               if labels["outcome"] == outcome) for outcome in ("success", "failure", "error")}
    return Numbers(samples["latency_seconds_count"][0][1],
                   sum(value for _, value in samples.get("request_errors_total", [])),
                   tuple(by_outcome.values()),
                   {word: quantiles[quantile] for word, quantile in QUANTILES.items()} if quantiles else None,
                   names), samples


def as_labels(numbers):
    """With names as Prometheus has them: it has no escape for control characters, and a tab is one."""
    return replace(numbers, names={(method, name.replace("\t", "\ufffd")): hits
                                   for (method, name), hits in numbers.names.items()})


def check_times(summary, samples):
    """What was timed beside hits, and thresholds: Prometheus has what json has."""
    def found(metric, labels, **more):
        (value,) = [value for has, value in samples[metric] if has == {**labels, **more}]
        return value

    for kind, metric in (("phases", "phase"), ("transactions", "transaction"), ("round_trips", "round_trip")):
        assert len(samples.get(f"{metric}_seconds_count", [])) == len(summary[kind])
        for one in summary[kind]:
            labels = {"phase": one["name"]} if kind == "phases" else {"test": one["test"], "name": one["name"]}
            assert found(f"{metric}_seconds_count", labels) == one["count"]
            if kind != "phases":
                assert found(f"{metric}_errors_total", labels) == one["errors"]
            for key, quantile in QUANTILES.items() if one["count"] else ():
                value = found(f"{metric}_seconds", labels, quantile=quantile)
                assert round(value * 1e6) == one["latency"][key]
    for number, one in enumerate(summary["thresholds"], 1):
        labels = {"number": str(number), "threshold": one["threshold"]}
        judge = "broker" if "agents" in summary else "runner"
        assert found("threshold_holds", labels, stop="yes" if one["stop"] else "no",
                     judged_by=judge) == one["holds"]
        divisor = 1e6 if one["unit"] == "usec" else 1
        unit = {"usec": "seconds", "share": "ratio", "hits_per_sec": "hits_per_second"}.get(one["unit"], "count")
        if "measured" in one:
            assert found("threshold_measured", labels, unit=unit) == \
                pytest.approx(one["measured"] / divisor)
        assert found("threshold_bound", labels, unit=unit) == pytest.approx(one["bound"] / divisor)
        if "broken_sec" in one:
            assert found("threshold_broken_seconds", labels) == one["broken_sec"]


def read_hdr(path):
    """The lines as npm's hdr-histogram-js reads them."""
    answer = subprocess.run(["node", ROOT / "tests/node/read-hdr.js", path, *PERCENTS.values()],
                            env={**os.environ, "NODE_PATH": str(NODE_MODULES)}, capture_output=True,
                            timeout=100, check=True)
    return json.loads(answer.stdout)


def validated(path, schema):
    tree = lxml.etree.parse(str(path))
    lxml.etree.XMLSchema(lxml.etree.parse(str(SCHEMAS / schema))).assertValid(tree)
    return tree.getroot()


def read_junit(path):
    """The numbers, and {case: (result, text)}."""
    root = validated(path, "junit.xsd")
    suite = root[0]
    cases, outcomes = {}, [0, 0, 0]
    for case in suite.iter("testcase"):
        found = [child for child in case if child.tag in ("error", "failure", "skipped")]
        cases[case.get("name")] = (found[0].tag, found[0].get("message"), found[0].text) if found \
            else ("passed", None, None)
        counts = re.match(r"(\d+) successes, (\d+) failures, (\d+) errors", case.findtext("system-out", ""))
        for i, n in enumerate(counts.groups() if counts else ()):
            outcomes[i] += int(n)
    results = [result for result, _, _ in cases.values()]
    for element in (root, suite):
        assert int(element.get("tests")) == len(results)
        assert int(element.get("failures")) == results.count("failure")
        assert int(element.get("errors")) == results.count("error")
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    latency = {key: int(properties[key]) for key in ("p50_usec", "p95_usec", "p99_usec") if key in properties}
    return Numbers(int(properties["hits"]), int(properties["request_errors"]), tuple(outcomes),
                   latency or None), cases


class FunkLoad:
    """A bench, as FunkLoad's own words have it."""

    def __init__(self, path):
        root = validated(path, "funkload.xsd")
        self.config = {one.get("key"): one.get("value") for one in root.iter("config")}
        self.responses = [dict(one.attrib) for one in root.iter("response")]
        self.results = [dict(one.attrib) for one in root.iter("testResult")]

    def numbers(self):
        codes = [int(one["code"]) for one in self.responses]
        results = [one["result"] for one in self.results]
        names = {}
        for one in self.responses:
            if one["code"] != "-1":
                names[one["description"]] = names.get(one["description"], 0) + 1
        return Numbers(sum(code > 0 for code in codes), codes.count(-1),
                       tuple(results.count(word) for word in ("Successful", "Failure", "Error")),
                       None, names)

    def cycles(self):
        """{cycle: (users, responses, tests)}"""
        found = {}
        for kind, elements in (("response", self.responses), ("test", self.results)):
            for one in elements:
                counts = found.setdefault(int(one["cycle"]), {"users": set(), "response": 0, "test": 0})
                counts["users"].add(int(one["cvus"]))
                counts[kind] += 1
        return {cycle: (*counts["users"], counts["response"], counts["test"])
                for cycle, counts in found.items()}

    def check(self):
        """What the report builder takes for granted."""
        assert float(self.config["duration"]) > 0
        users = json.loads(self.config["cycles"])
        for one in self.responses + self.results:
            assert int(one["cvus"]) == users[int(one["cycle"])]
            assert int(one["thread"]) < int(one["cvus"])
        for one in self.results:
            assert int(one["requests"]) == int(one["pages"]) + int(one["redirects"])
            assert int(one["steps"]) == int(one["pages"])
            assert float(one["connection_duration"]) <= float(one["duration"]) + 1e-6
            assert ("traceback" in one) == (one["result"] != "Successful")
        return self


def read_events(path):
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    types = [event["data_type"] for event in events]
    names = {}
    for event in events:
        if event["data_type"] == "add_hit":
            key = event["method"], event["name"]
            names[key] = names.get(key, 0) + 1
    return Numbers(types.count("add_hit"), types.count("request_error"),
                   tuple(types.count(word) for word in ("addSuccess", "addFailure", "addError")), None,
                   names)


def agree(one, other):
    """All that both know is the same."""
    for key in ("hits", "request_errors", "outcomes"):
        mine, theirs = getattr(one, key), getattr(other, key)
        assert mine is None or theirs is None or mine == theirs, (key, mine, theirs)
    for key in (one.latency or {}).keys() & (other.latency or {}).keys():
        assert one.latency[key] == other.latency[key], key
    if one.names and other.names:
        assert {key: n for key, n in one.names.items() if n} == {key: n for key, n in other.names.items() if n}
