# SPDX-License-Identifier: MPL-2.0
"""The guide: its pages become HTML without a dead link."""

import html.parser
import pathlib
import shutil
import subprocess

import pytest

from pages import DOCS, all_pages


def make_html(docs, folder):
    return subprocess.run([docs / "html/make.py", folder], capture_output=True, text=True)


class Links(html.parser.HTMLParser):
    """What a page refers to, and what can be referred to in it; and that all elements are closed."""

    EMPTY = {"meta", "link", "br", "hr"}

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.open = [], set(), []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open, (path, self.open)

    def handle_starttag(self, tag, attributes):
        if tag not in self.EMPTY:
            self.open.append(tag)
        for name, value in attributes:
            assert name != "src", value
            if name == "href":
                self.links.append(value)
            if name == "id":
                assert value not in self.ids, value
                self.ids.add(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("html")
    ran = make_html(DOCS, folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    return folder


def test_html_is_whole(made):
    """Seen from outside: each page is there, and whatever it links to, too."""
    pages = {path.name: Links(path) for path in made.glob("*.html")}
    assert sorted(pages) == [name.replace(".md", ".html") for name in all_pages()]
    count = 0
    for name, page in pages.items():
        assert {f"{pathlib.Path(other).stem}.html" for other in all_pages()} <= {*page.links}, name
        for link in page.links:
            path, _, anchor = link.partition("#")
            if link.startswith("https://"):
                continue
            assert not path or (made / path).is_file(), (name, link)
            assert not anchor or anchor in pages[path or name].ids, (name, link)
            count += 1
    assert count > len(pages) ** 2


@pytest.fixture
def copy(tmp_path):
    """The pages, to be spoilt."""
    shutil.copytree(DOCS, tmp_path / "docs", ignore=shutil.ignore_patterns("man"))
    return tmp_path / "docs"


@pytest.mark.parametrize("line, complaint", [
    ("[gone](gone.md)", "dead link: gone.md"),
    ("[gone](python.md#gone)", "dead link: python.md has no heading #gone"),
    ("[gone](#gone)", "dead link: installation.md has no heading #gone"),
    ("[gone](examples/gone.c)", "dead link: examples/gone.c"),
    ("[outside](../outside.c)", "dead link: ../outside.c"),
    ("[gone][nowhere]\n\n[nowhere]: gone.md", "dead link: gone.md"),
    ("    loads-runner example", "a code block is put between ``` and says what it is"),
    ("```\nloads-runner example\n```", "'' is none of c, conf"),
    ("```bash\nloads-runner example\n```", "'bash' is none of c, conf"),
    ("Of <users> many", "there is no HTML in the guide"),
    ("<div>", "there is no HTML in the guide"),
    ("![A picture](picture.png)", "there are no pictures in the guide"),
])
def test_mistakes(copy, tmp_path, line, complaint):
    """Each is named with its line, and nothing is made."""
    (copy.parent / "outside.c").write_text("")
    page = copy / "installation.md"
    begun = page.read_text() + "\n"
    page.write_text(f"{begun}{line}\n")
    ran = make_html(copy, tmp_path / "html")
    assert ran.returncode == 1 and not (tmp_path / "html").exists()
    complaint_line, = ran.stderr.splitlines()
    assert complaint_line.startswith(f"installation.md:{begun.count(chr(10)) + 1}: {complaint}")


def test_page_that_is_in_no_list(copy, tmp_path):
    (copy / "new.md").write_text("# New\n")
    ran = make_html(copy, tmp_path / "html")
    assert (ran.returncode, ran.stderr) == (1, "index.md:1: new.md isn't in it\n")


def test_page_without_a_heading(copy, tmp_path):
    (copy / "python.md").write_text("Text.\n")
    ran = make_html(copy, tmp_path / "html")
    assert ran.returncode == 1 and "python.md:1: there is no heading\n" in ran.stderr
