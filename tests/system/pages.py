# SPDX-License-Identifier: MPL-2.0
"""The pages of the guide, for tests: their text, and their blocks of code.

Behind the three backquotes stands the language, and for test_guide.py what else there is to know.
"""

import pathlib
import re
import shlex

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


class Block:
    """A block of code: where it begins, `c`, `python`, `sh`, …, the words and NAME=VALUEs behind, its text."""

    def __init__(self, page, line, info, text):
        self.page, self.line, self.text = page, line, text
        self.language, *words = shlex.split(info)
        self.options = dict(word.partition("=")[::2] for word in words)

    def __repr__(self):
        return f"docs/{self.page}:{self.line}"


def read_page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def all_pages():
    return sorted(path.name for path in DOCS.glob("*.md"))


def blocks_of(name):
    text = read_page(name)
    found = [Block(name, text.count("\n", 0, match.start()) + 1, match[1], match[2])
             for match in re.finditer(r"^```(\S[^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]
    assert 2 * len(found) == len(re.findall("^```", text, re.MULTILINE)), name
    return found
