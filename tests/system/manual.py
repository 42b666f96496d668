# SPDX-License-Identifier: MPL-2.0
"""What docs/systemd.md tells people to type, for tests that type it."""

import pathlib
import re
import textwrap

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "docs/systemd.md").read_text()


def section(heading):
    """Its text, up to the next heading."""
    found = re.search(rf"^###? {re.escape(heading)}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/systemd.md has no section '{heading}'"
    return found[1]


def blocks(heading):
    """The blocks of commands in it."""
    found = re.findall(r"^((?:    .*\n|\n(?=    ))+)", section(heading), re.MULTILINE)
    assert found, f"there are no commands in '{heading}'"
    return [textwrap.dedent(block).strip() for block in found]


def type_in(host, block, instead=(), **options):
    """Runs a block in a container. `instead` replaces what is different there, which has to be in it."""
    for old, new in dict(instead).items():
        assert old in block, block
        block = block.replace(old, new)
    return host.run("bash", "-e", "-u", "-c", block, **options)
