# SPDX-License-Identifier: MPL-2.0
"""The application client in C, and beside it WebTest's in Python, against one site."""

import re

import pytest

from reports import MODULES
from site_server import Site

FORM_PAGE = """<a href=/1>One</a><a href='/2'> Two </a><a href=/x></a><a name=x>no link</a>
<a href="javascript:x">Script</a><form id=f><input name=a><input type=checkbox name=c>
<select name=s><option value=1>One<option value=2>Two</select></form><p id=e class=k>x</p>"""
SMALL = "24K"  # a stack; with what a sanitizer needs
JSON = '{"a": 1, "b": [1, 2.5, "x", null, {"c": true}]}'


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


@pytest.fixture
def app(loads, site):
    """app(test, …): a run of app.c against the site."""
    def run(test, *arguments, **options):
        return loads(f"app.{test}", "--server-url", site.url, *arguments, **options)
    return run


# ---- the journey ----

PYTHON = """\
from loads.case import TestCase
from webtest import Upload


class TestJourney(TestCase):
    def test_site(self):
        self.app.reset()
        page = self.app.get("/").click("^Log in$")

        form = page.forms["login"]
        form["user"] = "ada"
        form["password"] = "wrong"
        form.submit(status=403)
        form["password"] = "secret"
        form["keep"].checked = True
        page = form.submit().follow()
        self.assertEqual(page.html.find(id="greeting").text, "Hello ada.")

        form = page.click("Upload a file").forms["upload"]
        form["title"] = "notes & more"
        form["kind"].select(text="Text")
        form["file"] = Upload("a.txt", b"one\\r\\ntwo\\0three", "text/plain")
        page = form.submit().follow()
        self.assertIn("notes & more 14", [item.text for item in page.html.find_all("li")])

        page = page.click("Log out").follow()
        page.mustcontain("The site")
        self.app.get("/account", status="403 Forbidden")
"""


def test_the_same_journey_in_c_and_in_python(runner, app, site):
    """Two users, three times each: the site is asked the same, and answers the same."""
    in_c = app("TestJourney.test_site", "-u", 2, "--hits", 3).passed(6)
    of_c = site.take()
    runner.write("journey.py", PYTHON)
    in_python = runner.summarize("journey.TestJourney.test_site", "--server-url", site.url, "-u", 2, "--hits", 3)
    of_python = site.take()
    assert in_python.code == 0, in_python
    assert in_python.summary["iterations"]["successes"] == 6
    assert in_c.hits() == in_python.summary["hits"] == len(of_c) == len(of_python) == 6 * 11

    def sorted_summaries(requests):
        return sorted(map(repr, (request.summary() for request in requests)))

    def statuses(summary):
        rows = [(name["method"], name["name"], row["status"], row["hits"]) for name in summary["names"]
                for row in name["statuses"]]
        return sorted(rows)

    assert sorted_summaries(of_c) == sorted_summaries(of_python)
    assert statuses(in_c.summary) == statuses(in_python.summary)
    assert site.sessions == {}


def test_what_the_journey_sends(app, site):
    """One user, once: in its order."""
    app("TestJourney.test_site").passed(1)
    taken = site.take()
    assert [(request.method, request.path, request.status) for request in taken] == [
        ("GET", "/", 200), ("GET", "/login", 200), ("POST", "/login", 403), ("POST", "/login", 303),
        ("GET", "/account", 200), ("GET", "/upload", 200), ("POST", "/upload", 303), ("GET", "/account", 200),
        ("GET", "/logout", 303), ("GET", "/", 200), ("GET", "/account", 403)]
    assert taken[3].summary()[3] == [("user", "ada"), ("password", "secret"), ("keep", "yes")]
    assert taken[6].summary()[3] == [
        ("title", None, None, b"notes & more"), ("kind", None, None, b"t"),
        ("file", "a.txt", "text/plain", b"one\r\ntwo\0three")]
    assert [request.headers.get("Referer", "").removeprefix(site.url) for request in taken][:6] == [
        "", "/", "/login", "/login", "/login", "/account"]


# ---- what passes ----

PAGES = {
    "TestApp.test_json": (JSON, "application/json"),
    "TestApp.test_elements": ("<ul id=a data-x='a&quot;b'><li>one <b>two</b></ul><ul><li class='a b'>three</ul>",
                              "text/html"),
}


@pytest.mark.parametrize("test, hits", [
    ("TestApp.test_methods", 7), ("TestApp.test_statuses", 6), ("TestApp.test_json", 1), ("TestApp.test_links", 6),
    ("TestApp.test_elements", 1), ("TestApp.test_server_url", 3),
])
def test_what_passes(app, site, test, hits):
    if test in PAGES:
        site.page(*PAGES[test][:1], content_type=PAGES[test][1])
    run = app(test, "-u", 2, "--hits", 2)
    if test != "TestApp.test_statuses":  # which has a request without an answer
        run.passed(4)
    assert run.outcomes() == (4, 0, 0, 0)
    assert run.hits() == len(site.take()) == 4 * hits


def test_a_users_server(loads, site, monkeypatch):
    monkeypatch.setenv("SITE", site.url)
    loads("app.TestApp.test_server_url_of_a_user", "-u", 2, "--hits", 2).passed(4)
    assert [request.path for request in site.take()] == ["/about"] * 4


def test_credentials_of_the_server(loads, site):
    """Links to the same server go with them, others don't; and nobody is told them."""
    other = site.url.replace("127.0.0.1", "localhost")
    site.page(f"<a href=/page>own</a><a href='{site.url}/page'>absolute</a><a href='{other}/about'>other</a>")
    run = loads("app.TestApp.test_credentials", "--server-url", site.url.replace("//", "//ada:secret@")).passed(1)
    taken = site.take()
    assert [request.headers.get("Authorization") for request in taken] == ["Basic YWRhOnNlY3JldA=="] * 3 + [None]
    assert [request.headers.get("Referer") for request in taken] == [
        None, f"{site.url}/page", f"{site.url}/page", f"{site.url}/"]
    assert "secret" not in run.stdout


# ---- where links and forms lead ----

LINKS = [  # what stands in the page, where it leads from /page
    ("/a", "/a"), ("b?c=d", "/b?c=d"), ("./x/../y", "/y"), ("?q=1", "/page?q=1"), ("#top", "/page"),
    ("", "/page"), (" /a b ", "/a%20b"), ("/\n\tc", "/c"), ("//127.0.0.1:{port}/d", "/d"), ("{site}/e#f", "/e"),
    ("/\u00e4", "/%c3%a4"), ("/%41?x=%20&amp;y", "/%41?x=%20&y"),
]


def test_odd_links(app, site):
    port = site.url.rpartition(":")[2]
    links = "".join(f"<a href='{link.format(port=port, site=site.url)}'>x</a>" for link, _ in LINKS)
    site.page(links + "<a id=7 href=/id>#7</a><a href=/pic><img src=x alt='Picture'></a>"
              "<map><area href=/area alt='Area'></map>")
    app("TestApp.test_odd_links").passed(1)
    asked = [request.path + ("?" + request.query if request.query else "") for request in site.take()]
    assert asked[1:len(LINKS) + 1] == [leads for _, leads in LINKS]
    assert asked[-2:] == ["/pic", "/id"]


@pytest.mark.parametrize("base, link, leads", [
    ("/base/", "x", "/base/x"), ("/base", "x", "/x"), ("{site}/b/", "x?y", "/b/x?y"), ("/base/", "/x", "/x"),
    ("b/", "?q", "/b/?q"),
])
def test_base(app, site, base, link, leads):
    site.page(f"<base target=x><base href='{base.format(site=site.url)}'><base href=/other/>"
              f"<a id=7 href='{link}'>Picture #7</a>")
    app("TestApp.test_odd_links").passed(1)
    asked = [request.path + ("?" + request.query if request.query else "") for request in site.take()]
    assert asked[1:] == [leads] * 3


FORMS = [  # the form, what it sends to where
    ("<form><input name=a value=1></form>", ("GET", "/page", "a=1", b"")),
    ("<form action=''><input name=a value=1></form>", ("GET", "/page", "a=1", b"")),
    ("<form action='/x?y=1#z'><input name=a value=2></form>", ("GET", "/x", "a=2", b"")),
    ("<form action='/x'></form>", ("GET", "/x", "", b"")),
    ("<form action='/x?y=1' method=post><input name=a value=2></form>", ("POST", "/x", "y=1", b"a=2")),
    ("<form method=PUT action=x><input name=a></form>", ("GET", "/x", "a=", b"")),
    ("<form method=post enctype=text/plain action=x><input name=a value='b c'></form>",
     ("POST", "/x", "", b"a=b c\r\n")),
    ("<form method=post action=x></form>", ("POST", "/x", "", b"")),
    ("<form action=x><button name=go formaction='/y' formmethod=post>Go</button></form>",
     ("POST", "/y", "", b"go=")),
    ("<form action=x><input type=image src=x name=at></form>", ("GET", "/x", "at.x=0&at.y=0", b"")),
    ("<form id=outer action=x></form><input name=a form=outer value='&#228;'>",
     ("GET", "/x", "a=%C3%A4", b"")),
]


def test_forms(app, site):
    site.page("".join(form for form, _ in FORMS))
    app("TestApp.test_forms").passed(1)
    assert [(request.method, request.path, request.query, request.body) for request in site.take()[1:]] == [
        sent for _, sent in FORMS]


def test_form_of_a_page_with_a_base(app, site):
    """An empty action is the page itself, whatever its base; others are relative to that."""
    site.page("<base href=/b/><form><input name=a></form><form action=x><input name=a></form>")
    app("TestApp.test_forms").passed(1)
    assert [request.path for request in site.take()[1:]] == ["/page", "/b/x"]


def test_every_kind_of_change(app, site):
    site.page("""<form action=/echo method=get><input name=t><textarea name=t></textarea>
              <input type=checkbox name=c value=x><input type=checkbox name=c value=y>
              <input type=checkbox name=c value=z checked><input type=radio name=r value=1 checked>
              <input type=radio name=r value=2><select multiple name=s><option selected>1<option>2</select>
              <input name=d disabled><input type=image name=two></form>""")
    app("TestApp.test_form", "-u", 3, "--hits", 2).passed(6)
    taken = site.take()
    assert {request.headers["X-Test"] for request in taken if request.path == "/echo"} == {"yes"}


# ---- uploads ----


def test_parts(app, site, runner, tmp_path):
    content = bytes(range(256)) * 300
    (MODULES / "upload.bin").exists() and pytest.fail("a file is in the way")
    folder = copy_module(tmp_path)
    (folder / "upload.bin").write_bytes(content)
    app("TestApp.test_parts", "--seed", 3, cwd=folder).passed(1)
    first, second = site.take()
    assert first.fields() == [
        ("a", None, None, b"b"), ("f", "upload.bin", "application/octet-stream", content),
        ("g%22%0A", "\u00e4.png", "image/x-odd", b"\0\r\n--")]
    assert second.fields() == [("a", None, None, b"b")]


def test_files_of_a_form(app, site, tmp_path):
    content = b"\r\n--loads-boundary-\0" * 1000
    folder = copy_module(tmp_path)
    (folder / "upload.bin").write_bytes(content)
    site.page("<form method=post action=/echo enctype=multipart/form-data><input type=file multiple name=f>"
              "<input type=file name=g></form>")
    app("TestApp.test_upload_of_files", cwd=folder).passed(1)
    assert site.take()[1].fields() == [
        ("f", "upload.bin", "application/octet-stream", content), ("f", "other.txt", "text/plain", content),
        ("g", "", "application/octet-stream", b"")]


def test_boundaries_follow_from_the_seed(app, site):
    def boundaries(seed):
        app("TestApp.test_parts_many_times", "-u", 2, "--hits", 2, "--seed", seed).passed(4)
        return sorted(request.content_type for request in site.take())

    first = boundaries(5)
    assert first == boundaries(5) != boundaries(6)
    assert len(set(first)) == 4


def copy_module(folder):
    made = folder / "own"
    made.mkdir()
    (made / "app.c").write_text((MODULES / "app.c").read_text())
    return made


# ---- what isn't there ----


def cases(test):
    """(message, place) of each case of a test in app.c."""
    found, inside = [], False
    for number, line in enumerate((MODULES / "app.c").read_text().splitlines(), 1):
        inside = f", {test})" in line or (inside and not line.startswith("LOADS_TEST"))
        if inside and (match := re.search(r"CASE \d+: .* /\* => (.*) \*/$", line)):
            found.append((match[1], f"app.c:{number}"))
    assert found
    return found


def check_cases(app, site, test, kind, suffix=""):
    wanted = {(message.replace("SITE", site.url) + suffix, place) for message, place in cases(test)}
    run = app(f"TestApp.{test}", "--hits", len(wanted))
    found = {(error["message"], error["place"]) for error in run.summary["errors"]}
    assert found == wanted
    assert {error["kind"] for error in run.summary["errors"]} == {kind}


def test_what_isnt_there(app, site, monkeypatch):
    site.page(FORM_PAGE)
    wanted = [(message, place) for message, place in cases("test_failing")]
    run = app("TestApp.test_failing", "--hits", len(wanted))
    found = {error["place"]: error["message"].removesuffix(f" (page {site.url}/page)")
             for error in run.summary["errors"]}
    assert len(found) == len(wanted)
    for message, place in wanted:
        begin, cut, _ = message.partition("…")
        assert found[place].startswith(begin) if cut else found[place] == begin, (found[place], message)
    assert run.outcomes() == (0, 0, len(wanted), 0)


def test_json_that_is_another(app, site):
    site.page(JSON, content_type="application/json")
    check_cases(app, site, "test_failing_json", "failure")


def test_misuse(app, site):
    check_cases(app, site, "test_misuse", "error")


def test_a_status_that_wasnt_expected(app, site):
    """URL, status and the beginning of the body; no control character reaches anybody."""
    site.page("<h1>Out\x1b[31m of\n\n order</h1>" + "x" * 1000, status=503)
    runs = [app("TestApp.test_form"), app("TestApp.test_form", "-u", 3, "--hits", 2)]
    for run in runs:
        (error,) = run.summary["errors"]
        assert error["message"] == (f"GET of {site.url}/page answered 503, expected 2xx or 3xx: "
                                    f"\"<h1>Out?[31m of order</h1>{'x' * 174}…\"")
        assert (error["kind"], error["place"].partition(":")[0]) == ("failure", "app.c")
        assert "\x1b" not in run.stdout + run.stderr
    assert runs[1].outcomes() == (0, 0, 6, 0)


UNREADABLE = {
    "json": ("{}", "application/json", "the page isn't HTML: its type is application/json"),
    "no type": ("plain", None, "the page isn't HTML: it has no type, and doesn't look so"),
    "deep": ("<div>" * 100000, "text/html", "the page's HTML is nested more than 512 levels deep"),
    "many": ("<p>a" * (4 << 20), "text/html", "the page has more than 1000000 elements and texts"),
    "large": ("<p>" + "x" * (17 << 20), "text/html", "the page has more than 16 MiB: its HTML isn't read"),
}


def test_pages_that_want_to_take_long(app, site):
    """What is done with a form doesn't grow with the square of its size, or the form is too large."""
    site.page("<form><select name=s>" + "<option selected>x" * 100000 + "</select></form>" + "<input form=b>" * 100000)
    app("TestApp.test_forms").passed(1)
    assert site.take()[1].query == "s=x"
    site.page("<form>" + "<input type=radio name=r checked>" * 10001)
    run = app("TestApp.test_forms")
    assert list(run.messages("failure")) == [f"the form has more than 10000 controls (page {site.url}/page)"]


@pytest.mark.parametrize("name", UNREADABLE)
def test_pages_that_cant_be_read(app, site, name):
    text, content_type, words = UNREADABLE[name]
    site.page(text, content_type=content_type)
    run = app("TestApp.test_page")
    assert run.outcomes() == (0, 0, 1, 0)
    assert run.error()["message"] == f"{words} (page {site.url}/page)"


ODD = {
    "empty": "", "open": "<", "angles": "<<<<>>>>\xff", "nul": "\0<a\0>\0", "ends": "</html></a>", "comment": "<!--",
    "attributes": "<p " + "a=b " * 10000, "tables": "<table>" * 400, "links": "<a href=x>" * 5000,
    "many ends": "</b>" * 100000, "script": "<script>" + "<a>" * 1000, "entities": "&#x110000;&nothing;&" * 1000,
}


@pytest.mark.parametrize("content_type", ["text/html", "application/xhtml+xml; charset=nonsense",
                                          "text/html; charset=\"utf-16\""])
def test_pages_that_no_browser_wrote(app, site, content_type):
    """They are read, on a small stack too."""
    for text in ODD.values():
        site.page(text, content_type=content_type)
        app("TestApp.test_page", "--stack-size", SMALL).passed(1)


def test_a_page_without_an_answer(app):
    run = app("TestApp.test_no_answer")
    messages = run.messages("failure")
    assert list(messages) == ["there is no page: the request got no complete answer (page http://127.0.0.1:1/)"]


def test_small_stacks(app, site):
    site.page(FORM_PAGE)
    app("TestJourney.test_site", "--stack-size", SMALL, "-u", 5, "--hits", 2).passed(10)
    run = app("TestApp.test_failing", "--stack-size", SMALL, "--hits", 23)
    assert run.outcomes() == (0, 0, 23, 0)


def test_on_the_way_out(app, site):
    """Nothing that is called then is done, nor does it do harm."""
    site.page(FORM_PAGE)
    run = app("TestApp.test_leaving", "-u", 2, "--hits", 2)
    assert run.outcomes() == (0, 0, 4, 0)
    assert run.error()["message"] == "it leaves"
    assert len(site.take()) == 4


def test_a_page_of_many_users(app, site):
    """Each has its own, and nothing is left of it."""
    app("TestApp.test_links", "-u", 50, "--hits", 4).passed(200)
    assert len(site.take()) == 200 * 6
