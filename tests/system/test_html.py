# SPDX-License-Identifier: MPL-2.0
"""The page of --output html, in a browser: what stands on it is what --output json has, on every screen,
whatever texts there are; and nothing is asked of a network.

With LOADS_PICTURES=FOLDER in the environment it leaves pictures there, to be looked at.
"""

import importlib.util
import json
import os
import pathlib

import jsonschema
import pytest

from browser import Browser

MODULES = pathlib.Path(__file__).parent / "modules"
ROOT = MODULES.parents[2]
SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}

SHOP = """\
#include <loads/loads.h>

LOADS_TEST(TestShop, test_browse)
{
    loads_get(user, "/any/front");
    loads_get(user, loads_printf(user, "/any/articles/%ld", loads_random_int(user, 1, 4)));
    if (loads_random_int(user, 0, 9) == 0) {
        loads_get(user, "http://127.0.0.1:1/", .name = "refused");
    }
    loads_get(user, "/status/404", .name = "missing");
    loads_incr_counter(user, "seen");
    loads_sleep(user, 0.01);
}

LOADS_TEST(TestShop, test_buy)
{
    LOADS_TRANSACTION(user, "pay") {
        loads_post(user, "/any/basket", .body = "1");
    }
    loads_assert_int_ne(loads_random_int(user, 0, 9), 0);
}
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture
def page(runner, target, browser):
    """page(arguments…): opens the page of such a run; the summary that --output json has of it."""

    def run(*arguments, width=1280, height=900, **look):
        path = runner.folder.parent / "report.html"
        ran = runner.summarize("--server-url", target.url, "--seed", "7", *arguments, "--output", f"html={path}")
        assert ran.code in (0, 1, 99), ran
        browser.look(width, height, **look)
        browser.open(path)
        assert browser.complaints() == []
        return ran.summary

    return run


def values(browser, selector):
    """[{key: value}] of the cells that show numbers, per element that the selector finds."""
    return json.loads(browser.evaluate(f"""JSON.stringify([...document.querySelectorAll({json.dumps(selector)})].map(
        (row) => Object.fromEntries([...row.querySelectorAll("[data-key]")].map(
            (cell) => [cell.dataset.key, cell.dataset.value]))))"""))


def texts(browser, selector):
    return json.loads(browser.evaluate(
        f"JSON.stringify([...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent))"))


def assert_shows(shown, expected, *keys):
    for key in keys:
        assert float(shown[key]) == expected[key], key


def flat(summary):
    return {**summary, **summary["iterations"], **summary.get("latency", {})}


def check_thresholds(summary, rows, lines):
    """Each with its mark, what was measured and when it broke."""
    for row, line, one in zip(rows, lines, summary["thresholds"], strict=True):
        assert row["holds"] == str(one["holds"]).lower() and line.startswith("✓" if one["holds"] else "✗")
        assert one["threshold"] in line and one.get("value", "–") in line
        assert row["measured"] == "" or float(row["measured"]) == one["measured"]
        assert row.get("broken_sec") == (str(one["broken_sec"]) if "broken_sec" in one else None)
        assert "the run was stopped" not in line
    assert [one["holds"] for one in summary["thresholds"]] == [True, False, False]
    assert "broken_sec" in summary["thresholds"][1] and "value" not in summary["thresholds"][2]


def test_numbers(runner, page, browser):
    runner.write("shop.c", SHOP)
    summary = page("shop.TestShop.test_browse:3", "shop.TestShop.test_buy:1", "-u", "4:8", "-d", "2",
                   "--threshold", "p95 < 100s", "--threshold", "failures < 0.1% for 1s",
                   "--threshold", "p95{status=201} < 1s")
    (cards,) = values(browser, ".cards")
    assert_shows(cards, flat(summary), "hits", "hits_per_sec", "p50_usec", "p95_usec", "p99_usec", "max_usec",
                 "successes", "failures", "errors", "request_errors", "sent_bytes", "received_bytes")
    (head,) = values(browser, "header")
    assert (head["outcome"], float(head["duration_usec"])) == ("failed", summary["duration_usec"])
    (latency,) = values(browser, "#percentiles tbody tr")
    assert_shows(latency, summary["latency"], *summary["latency"])

    rows = values(browser, "#names tbody tr")
    assert len(rows) == len(summary["names"])
    for row, name in zip(rows, summary["names"]):
        assert_shows(row, {**name, **name.get("latency", {})}, "hits", "hits_per_sec", "success_rate",
                     "request_errors", *(["p50_usec", "p95_usec", "p99_usec", "max_usec"] if name["hits"] else []))
    for row, test in zip(values(browser, "#tests tbody tr"), summary["tests"], strict=True):
        assert_shows(row, test, "successes", "failures", "errors", "interrupted")
    for kind in ("phases", "transactions"):
        for row, one in zip(values(browser, f"#{kind} tbody tr"), summary[kind], strict=True):
            assert_shows(row, {**one, **one["latency"]}, "count", "p50_usec", "p95_usec", "p99_usec", "max_usec",
                         *(["errors"] if kind == "transactions" else []))
    assert len(summary["transactions"]) == 1 and len(summary["phases"]) > 2
    check_thresholds(summary, values(browser, "#thresholds tbody tr"), texts(browser, "#thresholds tbody tr"))
    assert [int(row["count"]) for row in values(browser, ".problem")] == \
        [error["count"] for error in summary["errors"]]
    assert values(browser, "#counters tbody tr") == [{"count": str(summary["counters"][0]["count"])}]

    time = json.loads(browser.evaluate(
        "JSON.stringify(JSON.parse(document.getElementById('data').textContent).timeline)"))
    assert sum(time["hits"]) == summary["hits"] and set(time["users"]) == {4, 8}
    assert sum(time["errors"]) == summary["iterations"]["errors"]
    shown = texts(browser, "#names tbody tr:first-child .number")
    assert shown[0].replace("\u202f", "") == str(summary["names"][0]["hits"])
    assert browser.evaluate("document.querySelectorAll('canvas').length") == 5


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_screens(runner, page, browser, screen, dark, tmp_path):
    """Nothing is wider than the screen, and charts are as wide as their place."""
    runner.write("shop.c", SHOP)
    width, height = SCREENS[screen]
    page("shop.TestShop.test_browse:3", "shop.TestShop.test_buy:1", "-u", "4:8", "-d", "2",
         "--threshold", "p95{url=/any/articles/*,status=200} < 100s", "--threshold", "failures < 0.1% for 1s, stop",
         width=width, height=height, dark=dark)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    bright = sum(int(part) for part in background[4:-1].split(",")) / 3
    assert bright < 60 if dark else bright > 200
    wide = json.loads(browser.evaluate("""JSON.stringify([...document.querySelectorAll(".chart")].map(
        (chart) => [chart.clientWidth, chart.querySelector(".uplot").offsetWidth]))"""))
    assert len(wide) == 5 and all(place == chart > 200 for place, chart in wide), wide
    picture = pathlib.Path(os.environ.get("LOADS_PICTURES", tmp_path)) / f"{screen}-{'dark' if dark else 'light'}.png"
    browser.screenshot(picture)
    assert picture.stat().st_size > 20000


def test_follows(runner, page, browser):
    """The window gets narrower, then the system dark, with the page open."""
    runner.write("shop.c", SHOP)
    page("shop.TestShop.test_browse", "-d", "1")
    line = "getComputedStyle(document.documentElement).getPropertyValue('--blue')"
    before = browser.evaluate(line)
    browser.look(600, 900, dark=True)
    browser.screenshot(runner.folder / "after.png")
    assert browser.evaluate(line) != before
    assert browser.evaluate("document.documentElement.scrollWidth") <= 600
    assert browser.evaluate("document.querySelector('.uplot').offsetWidth") < 600


def test_print(runner, page, browser):
    """On paper it is light, whatever the screen is, and nothing is cut off."""
    runner.write("shop.c", SHOP)
    page("shop.TestShop.test_browse", "-d", "1h", "--threshold", "hits == 0, stop", width=760, dark=True,
         media="print")
    (line,) = texts(browser, "#thresholds tbody tr")
    assert line.startswith("✗hits == 0, stopbroke in second ") and "; the run was stopped for it" in line
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("document.documentElement.scrollWidth") <= 760
    browser.print(runner.folder / "page.pdf")
    assert (runner.folder / "page.pdf").read_bytes().startswith(b"%PDF")


def test_hostile(runner, page, browser):
    """Markup in texts is text; what can't be seen is shown by its number."""
    runner.write("hostile.c", (MODULES / "hostile.c").read_text(encoding="utf-8"))
    summary = page("hostile.Hostile.test_names", "hostile.Hostile.test_failure", "--hits", "12",
                   "--output-html-title", "</title><script>document.title = 'taken'</script>")
    assert browser.evaluate("document.title") == "</title><script>document.title = 'taken'</script>"
    assert browser.evaluate("document.querySelectorAll('img, main script').length") == 0
    (hostile,) = (name["name"] for name in summary["names"] if name["name"].startswith("</script>"))
    shown = hostile.replace("\u2028", "\\u2028").replace("\u202e", "\\u202e").replace("\u200f", "\\u200f")
    assert any(shown in text for text in texts(browser, "#names td.name"))
    assert texts(browser, "#counters td.name") == [shown]
    assert any(shown in text for text in texts(browser, ".problem"))


def test_nothing(runner, page, browser):
    """A run without a hit has a page, too."""
    runner.write("idle.c", '#include <loads/loads.h>\nLOADS_TEST(Idle, test_idle) { (void)user; }\n')
    page("idle.Idle.test_idle")
    (cards,) = values(browser, ".cards")
    assert (cards["hits"], cards["p50_usec"], cards["successes"]) == ("0", "", "1")
    assert texts(browser, "#percentiles") == [] and texts(browser, "#names") == []


def test_pictures_of_the_guide(browser):
    """The run that they are made of is still one that the page can show; each is small."""
    spec = importlib.util.spec_from_file_location("make", ROOT / "tests/pictures/make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    make.compose(browser.folder / "page.html")
    browser.look(1000, 800)
    browser.open(browser.folder / "page.html")
    assert browser.complaints() == []
    summary = json.loads((ROOT / "tests/pictures/run.json").read_text())["summary"]
    jsonschema.validate(summary, json.loads((ROOT / "docs/schemas/summary.json").read_text()))
    (cards,) = values(browser, ".cards")
    assert float(cards["hits"]) == summary["hits"] and len(texts(browser, "#thresholds tbody tr")) == 4
    pictures = sorted((ROOT / "docs/pictures").iterdir())
    assert [path.name for path in pictures] == ["html-dark.png", "html-light.png", "html-phone.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size < 100 << 10 for path in pictures)


def test_traceback(runner, page, browser):
    """A crash, with where it was."""
    runner.write("crash.c", (MODULES / "crash.c").read_text(encoding="utf-8"))
    summary = page("crash.TestCrash.test_always")
    (error,) = [error for error in summary["errors"] if error["traceback"]]
    assert texts(browser, ".problem pre") == [error["traceback"]]
