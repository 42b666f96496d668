# SPDX-License-Identifier: MPL-2.0
"""What torture shares with the system tests: their servers, and their way of running loads-runner,
which holds what is true of every run against each."""

import importlib.util
import os
import pathlib
import random
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SYSTEM = HERE.parent / "system"
sys.path.insert(0, str(SYSTEM))

spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system_conftest = importlib.util.module_from_spec(spec)
sys.modules["system_conftest"] = system_conftest
spec.loader.exec_module(system_conftest)
globals().update({name: value for name, value in vars(system_conftest).items() if name[0] != "_"})


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: part of tests/torture/run --quick")


@pytest.fixture
def generator(request):
    """Chance of this test alone: the same for the same seed, whichever tests run beside."""
    seed = f"{os.environ.get('LOADS_TORTURE_SEED', '1')} {request.node.name}"
    print("seed:", seed)
    return random.Random(seed)


@pytest.fixture
def module():
    """The folder of the modules here, to run loads-runner in."""
    return HERE / "modules"


@pytest.fixture
def wrapper(program, tmp_path):
    """wrapper(script, after): a program that runs the shell's script and then loads-runner in its
    place; or, with `after`, below it, and that when it is over."""

    def make(script, after=None):
        path = tmp_path / "wrapped-runner"
        runner = f'"{program("loads-runner")}" "$@"'
        end = f"{runner} && code=0 || code=$?\n{after}\nexit $code" if after else f"exec {runner}"
        path.write_text(f"#!/bin/sh\nset -e\n{script}\n{end}\n")
        path.chmod(0o755)
        return str(path)

    return make
