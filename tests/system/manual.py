# SPDX-License-Identifier: MPL-2.0
"""What docs/systemd.md tells people to type, for tests that type it."""

import re

from pages import read_page

TEXT = read_page("systemd.md")


def section(heading):
    """Its text, up to the next heading."""
    found = re.search(rf"^###? {re.escape(heading)}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/systemd.md has no section '{heading}'"
    return found[1]


def blocks(heading):
    """The blocks of commands in it."""
    found = re.findall(r"^```sh[^\n]*\n(.*?)^```$", section(heading), re.MULTILINE | re.DOTALL)
    assert found, f"there are no commands in '{heading}'"
    return [block.strip() for block in found]


def type_in(host, block, instead=(), **options):
    """Runs a block in a container. `instead` replaces what is different there, which has to be in it."""
    for old, new in dict(instead).items():
        assert old in block, block
        block = block.replace(old, new)
    return host.run("bash", "-e", "-u", "-c", block, **options)
