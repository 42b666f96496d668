# SPDX-License-Identifier: MPL-2.0
"""loads.pc and the header, as a test's author finds them installed."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def cflags(build_dir, tmp_path):
    """What pkg-config says of a fresh installation."""
    install = ["cmake", "--install", str(build_dir), "--component", "devel"]
    subprocess.run(install, env={**os.environ, "DESTDIR": str(tmp_path)}, check=True)
    (found,) = tmp_path.rglob("loads.pc")
    environment = {
        **os.environ,
        "PKG_CONFIG_PATH": str(found.parent),
        "PKG_CONFIG_SYSROOT_DIR": str(tmp_path),
    }
    asked = ["pkg-config", "--cflags", "loads"]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_stacks_of_modules_can_be_unwound_and_are_probed(cflags):
    assert {"-fexceptions", "-fstack-clash-protection"} <= set(cflags)


def test_module_compiles_with_them(cflags, tmp_path):
    source = ROOT / "docs" / "examples" / "example.c"
    module = tmp_path / "example.so"
    subprocess.run(["cc", *cflags, "-Wall", "-Werror", "-fPIC", "-shared", "-o", module, source], check=True)
    assert module.stat().st_size > 0
