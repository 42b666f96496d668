# SPDX-License-Identifier: MPL-2.0
"""Tells a callable of the end of a run: python3 -m loads.observer MODULE.CALLABLE, with what observers read
on standard input. The callable gets the run and the options of the observer, two dictionaries."""

import importlib
import json
import sys

NOT_THE_CALLABLES = ("observer", "observer_options", "timeout_usec")


def find(name):
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        sys.exit(f"there is no {name}: {error}")
    if not callable(found):
        sys.exit(f"{name} can't be called")
    return found


def main():
    if len(sys.argv) != 2 or "." not in sys.argv[1].strip("."):
        sys.exit("usage: python3 -m loads.observer MODULE.CALLABLE")
    run = json.load(sys.stdin)
    options = run.get("observer_options", {})
    find(sys.argv[1])({key: value for key, value in run.items() if key not in NOT_THE_CALLABLES}, options)


if __name__ == "__main__":
    main()
