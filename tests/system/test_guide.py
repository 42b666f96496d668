# SPDX-License-Identifier: MPL-2.0
"""The guide: its pages become HTML without a dead link, and what they say is done as it stands there."""

import html.parser
import pathlib
import re
import shutil
import subprocess

import pytest

from pages import DOCS, Block, all_pages, blocks_of, read_page
from typist import Typist

TESTS = pathlib.Path(__file__).parent

# Pages whose blocks other tests type.
ELSEWHERE = {
    "protocol.md": ["test_protocol.py"],
    "systemd.md": ["test_units_manual.py", "test_units_hosts.py"],
}
# How many blocks of a page can't be typed here.
UNRUN = {
    "contributing.md": 4,
    "distributed.md": 2,
    "external-runners.md": 1,
    "installation.md": 6,
    "observers.md": 3,
    "performance.md": 3,
    "security.md": 5,
}


def make_html(docs, folder):
    """In folder/html."""
    return subprocess.run([docs / "html/make.py", folder], capture_output=True, text=True)


class Links(html.parser.HTMLParser):
    """What a page refers to, and what can be referred to in it; and that all elements are closed."""

    EMPTY = {"meta", "link", "br", "hr", "img"}

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.open = [], set(), []
        self.feed(path.read_text(encoding="utf-8"))
        assert not self.open, (path, self.open)

    def handle_starttag(self, tag, attributes):
        if tag not in self.EMPTY:
            self.open.append(tag)
        for name, value in attributes:
            assert name != "src" or (tag == "img" and value.startswith("../pictures/")), value
            if name in ("href", "src"):
                self.links.append(value)
            if name == "id":
                assert value not in self.ids, value
                self.ids.add(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("html")
    ran = make_html(DOCS, folder)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    return folder / "html"


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
    ("![A picture](picture.png)", "dead link: picture.png"),
    ("![A picture](https://example.org/picture.png)", "dead link: https://example.org/picture.png"),
    ("![](pictures/html-light.png)", "a picture without words for those who don't see it"),
])
def test_mistakes(copy, tmp_path, line, complaint):
    """Each is named with its line, and nothing is made."""
    (copy.parent / "outside.c").write_text("")
    page = copy / "installation.md"
    begun = page.read_text() + "\n"
    page.write_text(f"{begun}{line}\n")
    ran = make_html(copy, tmp_path)
    assert ran.returncode == 1 and not (tmp_path / "html").exists()
    complaint_line, = ran.stderr.splitlines()
    assert complaint_line.startswith(f"installation.md:{begun.count(chr(10)) + 1}: {complaint}")


def test_page_that_is_in_no_list(copy, tmp_path):
    (copy / "new.md").write_text("# New\n")
    ran = make_html(copy, tmp_path)
    assert (ran.returncode, ran.stderr) == (1, "index.md:1: new.md isn't in it\n")


def test_page_without_a_heading(copy, tmp_path):
    (copy / "python.md").write_text("Text.\n")
    ran = make_html(copy, tmp_path)
    assert ran.returncode == 1 and "python.md:1: there is no heading\n" in ran.stderr


# ---- what the pages say is done as it stands there ----


def unrun(page):
    return [block for block in blocks_of(page) if "unrun" in block.options]


@pytest.mark.parametrize("page", [page for page in all_pages() if page not in ELSEWHERE])
def test_page(build_dir, page):
    """Each block is done, and shows what the page shows; those that aren't have a reason, and are counted."""
    typist = Typist(blocks_of(page), build_dir)
    assert len(unrun(page)) == UNRUN.get(page, 0)
    assert all(len(block.options["unrun"].split()) > 1 for block in unrun(page))
    typist.run()
    shown = [block for block in typist.blocks if "output" in block.options]
    assert typist.check_outputs() == len(shown)


def test_pages_of_other_tests():
    """Those that type a page by themselves name each of its sections, or read all of it."""
    assert unrun("systemd.md") == []
    source = "".join((TESTS / name).read_text() for name in ELSEWHERE["systemd.md"])
    sections = [part for part in re.split(r"^###? ", read_page("systemd.md"), flags=re.MULTILINE) if "```sh" in part]
    assert len(sections) > 5
    for part in sections:
        assert f'manual.blocks("{part.splitlines()[0]}")' in source
    for page, names in ELSEWHERE.items():
        assert all(page in (TESTS / name).read_text() or "manual" in (TESTS / name).read_text() for name in names)


# What each example says of itself, and how many hits, successes and counters it has then.
EXAMPLES = {
    "example.c": [(1000, 1000, {})],
    "cycles.c": [(210, 105, {})],
    "websocket.c": [(100, 100, {})],
    "login.c": [(400, 100, {})],
    "json_api.c": [(100, 50, {})],
    "upload.c": [(20, 20, {})],
    "feeder.c": [(60, 60, {})],
    "pages.c": [(1000, 100, {})],
    "mix.c": [(400, 200, {"check the front page is there: passed": 200})],
    "counters.c": [(40, 40, {"articles-seen": 80, "pencils-found": 40})],
}


def test_examples_are_listed():
    assert sorted(EXAMPLES) == sorted(path.name for path in (DOCS / "examples").glob("*.c"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(build_dir, name):
    """Its comment is typed, as a page's block is: a server, and a run. Other tests in it are run, too."""
    text = (DOCS / "examples" / name).read_text()
    server, run = re.findall(r"^ \*     (.*\n)", text, re.MULTILINE)
    server += "export LOADS_SERVER_URL=http://localhost:9300\n"  # for the others
    typist = Typist([Block(name, 1, "sh", server), Block(name, 1, f"c file={name}", text), Block(name, 1, "sh", run)],
                    build_dir)
    typist.run()
    found = []
    for piece in typist.said["2"].split("Hits: ")[1:]:
        counters = re.search(r"^Counters\n((?:  .*\n)+)", piece, re.MULTILINE)
        own = dict(line.strip().rsplit(None, 1) for line in counters[1].splitlines()) if counters else {}
        assert "Errors: 0\nFailures: 0\n" in piece
        found.append((int(piece.split()[0]), int(re.search(r"Success: (\d+)", piece)[1]),
                      {key: int(value) for key, value in own.items()}))
    assert found == EXAMPLES[name]


@pytest.mark.parametrize("info, text, words", [
    ("sh", "false\n", "page.md:7"),
    ("sh status=1", "true\n", "page.md:7"),
    ("sh status=1", "exit 2\n", "page.md:7"),
    ("c", "loads_fail(\"so\");\n", "page.md:7"),
    ("c", "loads_nothing(user);\n", "page.md:7"),
    ("c file=x.c", "#include <loads/loads.h>\nLOADS_TEST(A, b)\n{\n    loads_fail(\"so\");\n}\n", "page.md:7"),
    ("python file=x.py", "from loads.case import TestCase\n\nclass A(TestCase):\n    def test_b(self):\n"
     "        self.fail()\n", "page.md:7"),
    ("python", "print()\n", "what is to be done with it"),
    ("conf", "[broker]\nno-such-key = 1\n", "page.md:7"),
])
def test_typist_notices(build_dir, info, text, words):
    """A test of pages that never fails would be none."""
    with pytest.raises(AssertionError, match=words):
        Typist([Block("page.md", 3, "sh", "true\n"), Block("page.md", 7, info, text)], build_dir).run()


def test_typist_compares_outputs(build_dir):
    for text, holds in (("Hits: 3\n", True), ("Hits: 4\n", False), ("Hits: …\nTime: 9 ms\n", True),
                        ("Time: 9 ms\nHits: 3\n", False)):
        typist = Typist([Block("page.md", 1, "sh", "echo 'Hits: 3'; echo 'Time:   1.25 ms'\n"),
                         Block("page.md", 2, "text output", text)], build_dir)
        typist.run()
        if holds:
            assert typist.check_outputs() == 1
        else:
            with pytest.raises(AssertionError):
                typist.check_outputs()
