# SPDX-License-Identifier: MPL-2.0
"""What programs offer stands in the documentation, and the documentation names nothing else."""

import pathlib
import re
import subprocess

import pytest

from pages import blocks_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALIASES = {"--check-cluster"}  # other names of options, which --help leaves out
PAGES = {"loads-runner": "docs/loads-runner.md"}
MANUALS = {"loads-runner": 1, "loads-cluster": 1, "loads-echo-server": 1, "loads-broker": 8, "loads-agent": 8}
HEADERS = ["lib/include/loads/loads.h", "lib/include/loads/app.h"]
LONG = r"--[a-z][a-z0-9-]+"


def manual(name):
    return (ROOT / "docs/man" / name).read_text()


def offered(program, name):
    """The options at the beginning of --help's lines, with their letters, and all that it says."""
    ran = subprocess.run([program(name), "--help"], capture_output=True, text=True, check=True)
    text = ran.stdout
    found = {}
    for letters, option in re.findall(rf"^  ((?:-\w, )*)(?:    )?({LONG})", text, re.MULTILINE):
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
    positional = {"--fqn", "--fqdn"} if " FQN" in text else set()
    assert set(re.findall(rf"(?<![\w-]){LONG}", page)) - set(options) - positional - ALIASES == set()


def exit_codes():
    codes = re.findall(r"EXIT_\w+ = (\d+)", (ROOT / "client/shared/exit_code.h").read_text())
    assert len(codes) >= 5
    return codes


def test_exit_codes_are_documented():
    page = (ROOT / PAGES["loads-runner"]).read_text()
    for code in exit_codes():
        assert re.search(rf"^\| {code} \|", page, re.MULTILINE), f"exit code {code}"


# ---- loadsctl ----


def verbs_of(program):
    ran = subprocess.run([program("loadsctl"), "--help"], capture_output=True, text=True, check=True)
    return re.findall(r"^  ([a-z-]+)  +\S", ran.stdout, re.MULTILINE)


def test_man_page_of_loadsctl_has_its_verbs(program):
    listed = re.findall(r"^\.It Cm ([a-z-]+)", manual("loadsctl.1"), re.MULTILINE)
    assert len(listed) > 10 and listed == verbs_of(program)


def test_man_page_of_loadsctl_has_the_options(program):
    """Those of all verbs, but for what submit has from loads-runner; each once, and nothing else."""
    page = manual("loadsctl.1")
    of_runs = set(offered(program, "loads-runner")[0]) - {"--config", "--attach", "--detach", "--broker",
                                                         "--help", "--version", "--output", "--quiet"}
    options = {"--version": []}
    for verb in verbs_of(program):
        ran = subprocess.run([program("loadsctl"), verb, "--help"], capture_output=True, text=True, check=True)
        for letters, option in re.findall(rf"^  ((?:-\w, )*)(?:    )?({LONG})", ran.stdout, re.MULTILINE):
            if option not in of_runs:
                options[option] = re.findall(r"-\w", letters)
    entries = [re.findall(r"Fl (-?[a-zA-Z][\w-]*)", line) for line in page.splitlines()
               if line.startswith(".It Fl ")]
    listed = {f"-{entry[-1]}": [f"-{letter}" for letter in entry[:-1]] for entry in entries}
    assert len(entries) == len(listed) and listed == options


def test_man_page_of_loadsctl_has_the_exit_codes():
    listed = re.findall(r"^\.It (\d+)$", section(manual("loadsctl.1"), "EXIT STATUS"), re.MULTILINE)
    assert listed == exit_codes()


# ---- the journal's catalog ----


def events():
    """{id: name} of lib/base/events.h."""
    rows = re.findall(r'^    X\((\w+), LOG_\w+, "([0-9a-f]{32})"\)',
                      (ROOT / "lib/base/events.h").read_text(), re.MULTILINE)
    found = {message_id: name for name, message_id in rows}
    assert len(rows) > 20 and len(found) == len(rows) == len(set(found.values()))
    return found


def catalog():
    """{id: (subject, text)} of units/loads.catalog."""
    text = (ROOT / "units/loads.catalog").read_text()
    entries = re.findall(r"^-- ([0-9a-f]{32})\nSubject: ([^\n]+)\nDefined-By: Loads\n\n(.*?)(?=\n-- |\Z)", text,
                         re.MULTILINE | re.DOTALL)
    found = {message_id: (subject, body) for message_id, subject, body in entries}
    assert len(found) == len(entries) == len(re.findall("^-- ", text, re.MULTILINE))
    return found


def test_catalog_has_the_events():
    """In their order, and nothing else."""
    assert list(catalog()) == list(events())


def test_every_event_happens():
    """Somewhere in the programs."""
    code = "".join(path.read_text() for path in (ROOT / "daemons").glob("*/*.c"))
    assert set(re.findall(r"\bEVENT_(\w+)", code)) == set(events().values())


def test_catalog_names_what_there_is(program):
    """Verbs of loadsctl, and options that daemons have in their files."""
    text = " ".join((ROOT / "units/loads.catalog").read_text().split())
    verbs = set(re.findall(r"loadsctl ([a-z]+)", text))
    assert {"show", "logs", "db"} <= verbs <= set(verbs_of(program))
    keys = set(re.findall(r"\(([a-z]+-[a-z]+)\)", text)) | set(re.findall(r'option "([a-z-]+)"', text))
    assert keys <= {key for name in ("loads-broker", "loads-agent")
                    for key in re.findall(r"^\.It Cm ([a-z-]+)$", manual(f"{name}.conf.5"), re.MULTILINE)}


def test_catalog_compiles(tmp_path):
    """As the installed one is."""
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (folder / "loads.catalog").write_text((ROOT / "units/loads.catalog").read_text())
    journalctl = ["journalctl", "--root", tmp_path]
    ran = subprocess.run([*journalctl, "--update-catalog"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    ran = subprocess.run([*journalctl, "--list-catalog"], capture_output=True, text=True, check=True)
    listed = dict(line.split(" Loads: ", 1) for line in ran.stdout.splitlines())
    assert listed == {message_id: subject for message_id, (subject, _) in catalog().items()}


# ---- man pages ----


def section(page, title):
    return re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", page, re.MULTILINE | re.DOTALL)[1]


@pytest.mark.parametrize("name", MANUALS)
def test_man_page_has_the_options_of_the_program(program, name):
    """Each has one entry, with its letters; what else the page names as an option exists, too."""
    page = manual(f"{name}.{MANUALS[name]}")
    options, text = offered(program, name)
    entries = [re.findall(r"Fl (-?[a-zA-Z][\w-]*)", line) for line in page.splitlines()
               if line.startswith(".It Fl ")]
    for option, letters in options.items():
        found = [entry for entry in entries if option[1:] in entry]
        assert len(found) == 1, f"{name}: {len(found)} entries for {option}"
        assert [f"-{flag}" for flag in found[0] if f"-{flag}" != option] == letters
    named = {f"-{flag}" for flag in re.findall(r"\bFl (-?[a-zA-Z][\w-]*)", page)}
    others = tuple(other for other in [*MANUALS, "loadsctl"] if other != name)
    own = [line for line in page.splitlines() if not line.startswith(others)]
    named |= set(re.findall(rf"(?<![\w-]){LONG}", "\n".join(own)))
    known = set(options) | {letter for letters in options.values() for letter in letters}
    known |= {"--fqn", "--fqdn"} if " FQN " in text else set()
    known |= ALIASES & named
    assert named == known


@pytest.mark.parametrize("name", [*MANUALS, "loadsctl"])
def test_man_page_is_whole(name):
    page = manual(f"{name}.{MANUALS.get(name, 1)}")
    for title in ("NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXIT STATUS",
                  "EXAMPLES", "SEE ALSO"):
        assert section(page, title).strip(), title
    assert f".Nm {name}\n" in section(page, "NAME")


@pytest.mark.parametrize("name", ["loads-broker", "loads-agent"])
def test_man_page_has_the_keys_of_the_file(program, name):
    options, _ = offered(program, name)
    keys = re.findall(r"^\.It Cm ([a-z-]+)$", manual(f"{name}.conf.5"), re.MULTILINE)
    assert {f"--{key}" for key in keys} == set(options) - {"--help", "--version", "--config", "--check"}


def test_man_page_has_the_defaults():
    """The same as the other page's table."""
    page = manual("loads-runner.1")
    rows = (ROOT / PAGES["loads-runner"]).read_text().splitlines()
    found = 0
    for row in rows:
        match = re.match(r"\| .*?`(--[a-z0-9-]+)[^|]*\| (\d+\w?) \|", row)
        if match:
            entry = re.search(rf"^\.It .*Fl {match[1][1:]}\b.*\n((?:[^.].*\n|\.[^I].*\n)*)", page,
                              re.MULTILINE)
            assert re.search(rf"default\s+{match[2]}\b", entry[1]), match[1]
            found += 1
    assert found >= 6


def test_man_page_has_the_messages_of_runners():
    page = manual("loads-external-runner.7")
    listed = " ".join(re.findall(r"^\.It Cm (.*)$", page, re.MULTILINE)).replace(",", "").split()
    known = re.findall(r'^    \{"(\w+)", RUNNER_', (ROOT / "lib/wire/runner_message.c").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted([*known, "batch"])
    document = (ROOT / "docs/external-runners.md").read_text()
    variables = set(re.findall(r"^\| `(LOADS_\w+)` \|", document, re.MULTILINE))
    assert set(re.findall(r"^\.It Ev (.*)$", page, re.MULTILINE)) <= {*variables, "LOADS_AGENT_ID , LOADS_RUN_ID"}
    assert variables <= set(re.findall(r"LOADS_[A-Z_]+", page))


def test_man_page_has_the_exit_codes():
    listed = re.findall(r"^\.It (\d+)$", section(manual("loads-runner.1"), "EXIT STATUS"), re.MULTILINE)
    assert listed == exit_codes()


def test_man_page_has_the_outputs():
    types = re.findall(r'^        \.name = "(\w+)"', (ROOT / "client/outputs/output.c").read_text(),
                       re.MULTILINE)
    listed = re.findall(r"^\.It Cm (\w+)$", manual("loads-runner.1"), re.MULTILINE)
    assert len(types) >= 4 and sorted(listed) == sorted(types)


def headers():
    return "".join((ROOT / header).read_text() for header in HEADERS)


def public_names():
    """Functions, macros and types of the headers, but for what is its own business: names that end in _."""
    code = re.sub(r"/\*.*?\*/", "", headers(), flags=re.DOTALL)
    names = set(re.findall(r"^LOADS_API [^;(]*?\b(loads_\w+)\(", code, re.MULTILINE))
    names |= set(re.findall(r"^#define (\w+)", code, re.MULTILINE))
    names |= set(re.findall(r"^(?:typedef )?struct (loads_\w+)", code, re.MULTILINE))
    for values in re.findall(r"^enum loads_\w*[a-z] {(.*?)};", code, re.MULTILINE | re.DOTALL):
        names |= set(re.findall(r"\bLOADS_\w+", values))
    names |= set(re.findall(r"^enum (loads_\w+)", code, re.MULTILINE))
    guards = re.findall(r"^#ifndef (\w+)", code, re.MULTILINE)
    return {name for name in names if not name.endswith("_")} - set(guards)


def test_man_page_has_all_of_the_header():
    page = manual("loads.h.3")
    names = public_names()
    assert len(names) > 50
    assert set(re.findall(r"\b(?:loads|LOADS)_\w+\b", page)) == names


@pytest.mark.parametrize("struct", ["loads_request", "loads_part", "loads_response", "loads_ws_options", "loads_feeder",
                                    "loads_field", "loads_submit"])
def test_man_page_has_the_fields(struct):
    """Under the same types, in the same order."""
    body = re.search(rf"^struct {struct} {{\n(.*?)^}};", headers(), re.MULTILINE | re.DOTALL)[1]
    fields = re.findall(r"^    (\w[^;]*);", body, re.MULTILINE)
    fields = [field for field in fields if not field.endswith("_")]
    page = manual("loads.h.3")
    listed = page[page.index(f"The fields of\n.Vt {struct} :\n"):]
    listed = listed[:listed.index("\n.El\n")]
    assert fields and re.findall(r'^\.It Va "(.*)"$', listed, re.MULTILINE) == fields


def test_man_page_has_the_prototypes():
    """Each function under SYNOPSIS has the parameters that it has in the header."""
    header = re.sub(r"/\*.*?\*/", "", headers(), flags=re.DOTALL)
    page = section(manual("loads.h.3"), "SYNOPSIS")
    declared = re.findall(r"^LOADS_API (.*?[ *])(loads_\w+[a-z])\(((?:[^()]|\([^()]*\))*)\)", header,
                          re.MULTILINE)
    assert len(declared) > 10
    for result, name, parameters in declared:
        if name == "loads_register":
            continue
        found = re.search(rf'^\.Ft "?([^"\n]*)"?\n\.F[no] {name}((?: .*)?\n(?:\.Fa.*\n)*)', page,
                          re.MULTILINE)
        assert found, name
        assert found[1].replace(" ", "") == result.replace(" ", ""), name
        listed = re.findall(r'"([^"]*)"|(\.\.\.)', found[2])
        listed = [one or other for one, other in listed]
        split = re.split(r",\s*(?![^()]*\))", " ".join(parameters.split()))
        assert listed == split, name


def examples():
    for number, code in enumerate(re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", manual("loads.h.3"),
                                             re.MULTILINE | re.DOTALL)):
        if "#include" in code:
            yield pytest.param(code.replace(r"\e", "\\"), id=str(number))


@pytest.mark.parametrize("code", examples())
def test_example_of_the_man_page_compiles(tmp_path, code):
    (tmp_path / "example.c").write_text(code)
    ran = subprocess.run(
        ["cc", "-std=gnu17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
         f"-I{ROOT / 'lib/include'}", "example.c"],
        cwd=tmp_path, capture_output=True, text=True,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", ["docs/loads-runner.md", "loads-runner.1"])
def test_example_of_a_configuration_file_is_accepted(program, tmp_path, page):
    """The file in the page, with nothing that would start: each key is known."""
    if page.endswith(".1"):
        text = re.search(r"^(\[loads\]\n.*?)^\.Ed$", manual(page), re.MULTILINE | re.DOTALL)[1]
    else:
        text, = (block.text for block in blocks_of("loads-runner.md") if block.text.startswith("[loads]\n"))
    path = tmp_path / "loads.ini"
    path.write_text(text)
    ran = subprocess.run(
        [program("loads-runner"), "--config", path, "--list", "nothing"],
        cwd=tmp_path, capture_output=True, text=True,
    )
    assert ran.returncode == 2
    assert str(path) not in ran.stderr, ran.stderr


@pytest.mark.parametrize("name", ["loads-agent"])
def test_example_of_a_daemons_configuration_is_accepted(program, name, tmp_path):
    """Up to a line behind it that isn't."""
    example = re.search(r"^(\[\w+\]\n.*?)^\.Ed$", manual(f"{name}.conf.5"), re.MULTILINE | re.DOTALL)[1]
    path = tmp_path / "x.conf"
    path.write_text(example + "nonsense = 1\n")
    ran = subprocess.run([program(name), "--config", path], capture_output=True, text=True)
    assert ran.returncode == 2
    assert f"{path}:{example.count(chr(10)) + 1}: unknown key 'nonsense'" in ran.stderr


# ---- units ----


@pytest.mark.parametrize("unit", sorted(
    path.name.removesuffix(".in") for path in (ROOT / "units").glob("*.*")
    if path.name.removesuffix(".in").rpartition(".")[2] in ("service", "socket", "target", "slice", "timer")))
def test_every_unit_is_documented(unit):
    """In the page that it names itself."""
    text = next(path for path in (ROOT / "units").glob(f"{unit}*")).read_text()
    pages = re.findall(r"man:(\S+)\((\d)\)", re.search(r"^Documentation=(.*)$", text, re.MULTILINE)[1])
    texts = [path.read_text() for name, section in pages
             if (path := ROOT / f"docs/man/{name}.{section}").exists()]
    assert len(texts) == len(pages) and any(unit in page.replace(" Ns", "") for page in texts)
