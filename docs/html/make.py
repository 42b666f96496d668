#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Makes HTML of the guide: make.py FOLDER, in FOLDER/html.

index.md has the chapters in their order, and every page of docs/ has to be in it. A page becomes one file
that needs nothing but the stylesheet beside it. Links between pages are written for who reads them as
Markdown (`outputs.md#json`); here they lead to HTML. Other files that pages link to or show, examples, schemas
and pictures, are in folders beside html, where packages have them, too; they are copied to FOLDER. A link to a
page, a heading or a file that isn't there is an error, as is a code block that doesn't say what it is, or a
picture that nothing is said of.
What links to other sites is not looked at: this needs no network.
"""

import html
import pathlib
import re
import shutil
import sys

try:
    from markdown_it import MarkdownIt
except ImportError:
    sys.exit("make.py: the guide needs python3-markdown-it (Fedora: python3-markdown-it-py)")

DOCS = pathlib.Path(__file__).resolve().parents[1]
STYLE = "style.css"
LANGUAGES = {"c", "conf", "js", "json", "python", "sh", "sql", "text"}

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
<header><a href="index.html">Loads</a> <a class="to-contents" href="#contents">Contents</a></header>
<main>
{body}
<p class="turn">{turn}</p>
</main>
<nav id="contents" aria-label="Contents">
{contents}</nav>
</body>
</html>
"""


def slug(text, taken):
    """A heading's anchor, as GitHub makes it."""
    base = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
    name, count = base, 0
    while name in taken:
        count += 1
        name = f"{base}-{count}"
    taken.add(name)
    return name


def plain(token):
    """The text of a heading or a link."""
    return "".join(child.content for child in token.children if child.type in ("text", "code_inline"))


class Page:
    """A page, and what is wrong with it."""

    def __init__(self, path, markdown):
        self.path = path
        self.markdown = markdown
        self.tokens = markdown.parse(path.read_text(encoding="utf-8"))
        self.anchors = set()
        self.title = None
        self.problems = []
        self.files = set()  # that it links to, below docs/
        for token, inline in zip(self.tokens, self.tokens[1:]):
            if token.type == "heading_open":
                token.attrSet("id", slug(plain(inline), self.anchors))
                self.title = self.title or plain(inline)
        if not self.title:
            self.problem(self.tokens[0] if self.tokens else None, "there is no heading")

    def problem(self, token, text):
        line = token.map[0] + 1 if token and token.map else 1
        self.problems.append(f"{self.path.name}:{line}: {text}")

    def links(self, kind="link_open"):
        """(block, link) of all its links."""
        for block in self.tokens:
            for token in block.children or []:
                if token.type == kind:
                    yield block, token

    def file(self, block, href):
        """Where HTML finds a file, which is copied."""
        target = (self.path.parent / href).resolve()
        if not target.is_file() or DOCS not in target.parents:
            self.problem(block, f"dead link: {href}")
            return href
        self.files.add(target.relative_to(DOCS))
        return f"../{target.relative_to(DOCS).as_posix()}"

    def check_pictures(self):
        for block, token in self.links("image"):
            if not token.content:
                self.problem(block, "a picture without words for those who don't see it")
            token.attrSet("src", self.file(block, token.attrGet("src")))

    def check(self, pages):
        """Finds the dead links, and turns the others to HTML."""
        for token in self.tokens:
            if token.type == "code_block":
                self.problem(token, "a code block is put between ``` and says what it is")
            elif token.type == "fence" and token.info.split(" ")[0] not in LANGUAGES:
                self.problem(token, f"'{token.info}' is none of {', '.join(sorted(LANGUAGES))}")
            elif token.type == "html_block" and not token.content.startswith("<!-- "):
                self.problem(token, "there is no HTML in the guide")
            elif any(child.type == "html_inline" for child in token.children or []):
                self.problem(token, "there is no HTML in the guide: is `` missing?")
        self.check_pictures()
        for block, token in self.links():
            href = token.attrGet("href")
            if re.match(r"https?://", href):
                continue
            name, _, anchor = href.partition("#")
            target = (self.path.parent / name).resolve() if name else self.path
            if target in pages:
                if anchor and anchor not in pages[target].anchors:
                    self.problem(block, f"dead link: {target.name} has no heading #{anchor}")
                elif name:
                    token.attrSet("href", pages[target].html_name + ("#" + anchor if anchor else ""))
            else:
                token.attrSet("href", self.file(block, href))

    @property
    def html_name(self):
        return self.path.with_suffix(".html").name

    def body(self, without=slice(0)):
        """All of it, but for these tokens."""
        shown = self.tokens.copy()
        del shown[without]
        text = self.markdown.renderer.render(shown, self.markdown.options, {})
        return text.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")


def read_pages():
    markdown = MarkdownIt("commonmark").enable("table")
    pages = {path: Page(path, markdown) for path in sorted(DOCS.glob("*.md"))}
    index = pages[DOCS / "index.md"]
    order = [index]
    for block, token in index.links():
        page = pages.get(DOCS / token.attrGet("href"))
        if page in order:
            index.problem(block, f"{page.path.name} is there twice")
        elif page:
            order.append(page)
    for page in pages.values():
        if page not in order:
            index.problem(None, f"{page.path.name} isn't in it")
        page.check(pages)
    return order


def list_of(index):
    """Which of its tokens are its list."""
    begin = next(i for i, token in enumerate(index.tokens) if token.type.endswith("list_open"))
    end = next(i for i, token in enumerate(index.tokens)
               if token.type.endswith("list_close") and token.level == index.tokens[begin].level)
    return slice(begin, end + 1)


def contents(order, current):
    """The list of index.md, with the page that is shown marked."""
    index = order[0]
    text = index.markdown.renderer.render(index.tokens[list_of(index)], index.markdown.options, {})
    return text.replace(f'<a href="{current.html_name}"', f'<a aria-current="page" href="{current.html_name}"')


def turn(order, position):
    """To the page before and the next one."""
    found = []
    if position > 0:
        before = order[position - 1]
        found.append(f'<a rel="prev" href="{before.html_name}">← {html.escape(before.title)}</a>')
    if position + 1 < len(order):
        after = order[position + 1]
        found.append(f'<a rel="next" href="{after.html_name}">{html.escape(after.title)} →</a>')
    return " ".join(found)


def main(folder):
    order = read_pages()
    problems = [problem for page in order for problem in page.problems]
    if problems:
        sys.exit("\n".join(problems))
    (folder / "html").mkdir(parents=True, exist_ok=True)
    for position, page in enumerate(order):
        title = page.title if position == 0 else f"{page.title} · Loads"
        (folder / "html" / page.html_name).write_text(
            PAGE.format(title=html.escape(title), body=page.body(list_of(page) if position == 0 else slice(0)),
                        turn=turn(order, position), contents=contents(order, page)), encoding="utf-8")
        for name in page.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(DOCS / name, folder / name)
    shutil.copyfile(pathlib.Path(__file__).with_name(STYLE), folder / "html" / STYLE)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: make.py FOLDER")
    main(pathlib.Path(sys.argv[1]))
