# SPDX-License-Identifier: MPL-2.0
"""What programs offer stands in the documentation, and the documentation names nothing else."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = {"loads-runner": "docs/loads-runner.md"}
LONG = r"--[a-z][a-z-]+"


def offered(program, name):
    """The options at the beginning of --help's lines, with their letters, and all that it says."""
    text = subprocess.run([program(name), "--help"], capture_output=True, text=True, check=True).stdout
    found = {}
    for letters, option in re.findall(rf"^  ((?:-\w, )*) *({LONG})", text, re.MULTILINE):
        found[option] = re.findall(r"-\w", letters)
    assert found, text
    return found, text


@pytest.mark.parametrize("name", PAGES)
def test_every_option_is_documented(program, name):
    page = (ROOT / PAGES[name]).read_text()
    options, _ = offered(program, name)
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for option, letters in options.items():
        described = [row for row in rows if re.search(rf"`{option}[` ]", row.split("|")[1])]
        assert len(described) == 1, f"{PAGES[name]} has no row for {option}"
        for letter in letters:
            assert f"`{letter}`" in described[0], f"{PAGES[name]} doesn't say {letter} is {option}"


@pytest.mark.parametrize("name", PAGES)
def test_every_documented_option_is_there(program, name):
    page = (ROOT / PAGES[name]).read_text()
    options, text = offered(program, name)
    positional = {"--fqn", "--fqdn"} if " FQN " in text else set()
    assert set(re.findall(rf"(?<![\w-]){LONG}", page)) - set(options) - positional == set()


def test_exit_codes_are_documented():
    header = (ROOT / "client/runner/local_run.h").read_text()
    page = (ROOT / PAGES["loads-runner"]).read_text()
    codes = re.findall(r"EXIT_\w+ = (\d+)", header)
    assert len(codes) >= 5
    for code in codes:
        assert re.search(rf"^\| {code} \|", page, re.MULTILINE), f"exit code {code}"


def test_example_of_a_configuration_file_is_accepted(program, tmp_path):
    """The file in the page, with nothing that would start: each key is known."""
    page = (ROOT / PAGES["loads-runner"]).read_text()
    example = re.search(r"^    (\[loads\]\n(?:    .*\n)+)", page, re.MULTILINE)[1]
    text = re.sub(r"^    ", "", example, flags=re.MULTILINE)
    path = tmp_path / "loads.ini"
    path.write_text(text)
    ran = subprocess.run(
        [program("loads-runner"), "--config", path, "--list", "nothing"],
        cwd=tmp_path, capture_output=True, text=True,
    )
    assert ran.returncode == 2
    assert str(path) not in ran.stderr, ran.stderr
