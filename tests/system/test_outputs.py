# SPDX-License-Identifier: MPL-2.0
"""What outputs write is what docs/schemas says.

The unit test's program leaves samples of what it writes, hostile texts included; the schemas are held
against them, and against what they must refuse.
"""

import copy
import json
import pathlib
import subprocess

import jsonschema
import pytest

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schemas"
SUMMARIES = ["summary-simple.json", "summary-hostile.json", "summary-empty.json"]
EVENTS = ["events.jsonl", "events-hostile.jsonl"]
DATA_TYPES = """startTest stopTest addSuccess addFailure addError interrupted add_hit request_error
incr_counter""".split()


def validator(name):
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def samples(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    subprocess.run([program("test_outputs"), folder], capture_output=True, timeout=100, check=True)
    return folder


def read_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", SUMMARIES)
def test_summary(samples, name):
    validator("summary.json").validate(json.loads((samples / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", EVENTS)
def test_events(samples, name):
    lines = read_lines(samples / name)
    for line in lines:
        validator("events.json").validate(line)
    assert {line["data_type"] for line in lines} == set(DATA_TYPES)


def test_summary_refuses(samples):
    """A schema that accepts anything would pass the tests above, too."""
    good = json.loads((samples / "summary-simple.json").read_text(encoding="utf-8"))
    check = validator("summary.json")
    for key in [key for key in good if key not in ("outcome", "ended", "latency", "slowest")]:
        bad = copy.deepcopy(good)
        del bad[key]
        assert not check.is_valid(bad), f"without {key}"
    for path, value in [
        (["started"], "2026-06-15 12:15:06"),
        (["hits"], -1),
        (["hits"], 1.5),
        (["outcome"], "fine"),
        (["trouble"], None),
        (["more"], 1),
        (["latency", "more"], 1),
        (["names", 0, "more"], 1),
        (["options", "url"], "http://127.0.0.1/"),
        (["options", "duration_usec"], 1000000),
    ]:
        bad = copy.deepcopy(good)
        place = bad
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        assert not check.is_valid(bad), path


def test_events_refuse(samples):
    check = validator("events.json")
    for line in read_lines(samples / "events.jsonl"):
        assert not check.is_valid(line | {"more": 1})
        assert not check.is_valid(line | {"data_type": "anything"})
        assert not check.is_valid(line | {"loads_status": [1, 2, 3]})
        for key in line.keys() - {"loads_status"}:
            assert not check.is_valid({k: v for k, v in line.items() if k != key}), key


def objects(schema):
    """Every schema of an object or of a part of one."""
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


@pytest.mark.parametrize("name", ["summary.json", "events.json"])
def test_described(name):
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    for part in objects(schema):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False
            for key, value in part["properties"].items():
                assert len(value.get("description", "")) > 5, key
