# SPDX-License-Identifier: MPL-2.0
"""Types a page of the guide: its blocks in their order, into one shell, in a folder of its own.

What stands behind the language of a block:

    ```c file=shop.c                written to that file; each test in it is run, by the page or else here
    ```c                            a part of a test: wrapped in one and run
    ```python file=shop.py          the same; a class with tests
    ```text file=people.csv         written to that file
    ```sh                           typed; has to end well
    ```sh status=1                  typed; ends like that
    ```text output                  its lines are in what the block before has written, in their order
    ```text                         to be looked at
    ```conf                         a configuration file: its program takes it
    ```… unrun="why not"            isn't done, for that reason

The folder has the examples in it, but for those that the page calls the same. The shell has a network,
processes and a home of its own, so that ports are free and nothing outlives it. Its PATH has the programs of
the build first.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import textwrap

from pages import DOCS

END_SECONDS = 300
TEXT_END = "END-OF-THE-BLOCK"
TIMES = [(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+Z?", "DATE"), (r"\bRPS: \d+", "RPS"),
         (r"\b[\d.]+ ?(?:µs|ms|s|seconds)(?=\W|$)", "TIME"), (r"\s+", " ")]
PROGRAMS = {"[loads]": "loads-runner", "[broker]": "loads-broker", "[agent]": "loads-agent"}  # by their section
PART = """\
#include <loads/loads.h>

LOADS_TEST(Guide, part)
{{
{}}}
"""


def shape(line):
    """A line without what differs from run to run."""
    for pattern, word in TIMES:
        line = re.sub(pattern, word, line)
    return line.strip()


def tests_in(block, module):
    """The names of the tests in a file."""
    if block.language == "text":
        return []
    if block.language == "c":
        return [f"{module}.{suite}.{name}" for suite, name in re.findall(r"^LOADS_TEST\((\w+), (\w+)\)", block.text,
                                                                          re.MULTILINE)]
    found, suite = [], None
    for line in block.text.splitlines():
        if match := re.match(r"class (\w+)", line):
            suite = match[1]
        elif match := re.match(r"    def (test_\w+)", line):
            found.append(f"{module}.{suite}.{match[1]}")
    return found


def quoted(name, text):
    return f"cat >{shlex.quote(name)} <<'{TEXT_END}'\n{text}{TEXT_END}\n"


def with_waiting(text):
    """What is started in the background listens before one goes on: a reader is slower than a script."""
    lines = []
    for line in text.splitlines():
        lines.append(line)
        if line.endswith("&"):
            lines += [f"until (: </dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.05; done"
                      for port in re.findall(r"\b\d{4}\b", line)]
        if line.startswith("loads-broker "):
            lines.append('until [ -S "$XDG_RUNTIME_DIR/loads/frontend.sock" ]; do sleep 0.05; done')
    return "\n".join(lines) + "\n"


class Typist:
    def __init__(self, blocks, build_dir):
        self.blocks, self.build_dir = blocks, build_dir
        self.typed = "".join(block.text for block in blocks if block.language == "sh" and "unrun" not in block.options)
        self.said = {}  # block number: what was written

    def file(self, block, name):
        module = name.rpartition(".")[0].replace("/", ".")
        rest = [test for test in tests_in(block, module) if test not in self.typed]
        return quoted(name, block.text) + "".join(f"loads-runner {test} --quiet\n" for test in rest)

    def configuration(self, name, text):
        """A file is right up to its end, if what is added there is the first mistake."""
        complaint = f"{name}:{text.count(chr(10)) + 1}: unknown key 'nonsense'"
        return quoted(name, f"{text}nonsense = 1\n") + \
            f'{{ {PROGRAMS[text.split()[0]]} --config {name} 2>&1 || true; }} | grep -F "{complaint}"\n'

    def commands(self, number, block):
        """What is typed for a block."""
        name = block.options.get("file")
        if name:
            return self.file(block, name)
        if block.language == "c":
            return quoted(f"part{number}.c", PART.format(textwrap.indent(block.text, "    "))) + \
                f"loads-runner part{number}.Guide.part --quiet\n"
        if block.language == "conf":
            return self.configuration(f"part{number}.conf", block.text)
        assert block.language == "sh", f"{block!r}: what is to be done with it? (file=NAME, or unrun=REASON)"
        if "status" in block.options:
            return f"set +e\n(set -e\n{block.text})\nended=$?\nset -e\n[ $ended = {int(block.options['status'])} ]\n"
        return with_waiting(block.text)

    def run(self):
        """Types all of it; what went wrong."""
        script = "set -eu\nip link set lo up\n"
        for number, block in enumerate(self.blocks):
            if "unrun" not in block.options and (block.language != "text" or "file" in block.options):
                script += f"echo '@@@ {number}'\n{self.commands(number, block)}"
        script += "echo '@@@ end'\n"
        with tempfile.TemporaryDirectory(prefix="loads-guide-") as folder:
            code, text = self.shell(script, folder)
        pieces = re.split(r"^@@@ (\w+)\n", text, flags=re.MULTILINE)
        self.said = dict(zip(pieces[1::2], pieces[2::2]))
        assert "Sanitizer" not in text and "runtime error" not in text, text
        last = pieces[-2] if len(pieces) > 1 else None
        assert code == 0 and last == "end", f"{self.blocks[int(last)] if last else 'the shell'!r}: {pieces[-1]}"

    def shell(self, script, folder):
        work, home, runtime = (os.path.join(folder, name) for name in ("work", "home", "run"))
        for path in (work, home, runtime):
            os.mkdir(path)
        written = {block.options["file"].partition(".")[0] for block in self.blocks if "file" in block.options}
        for example in (DOCS / "examples").iterdir():
            if example.stem not in written:
                shutil.copy(example, work)
        environment = {"PATH": f"{self.build_dir}/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": home, "LANG": "C.UTF-8",
                       "XDG_RUNTIME_DIR": runtime, "TERM": "xterm", "PYTHONDONTWRITEBYTECODE": "1",
                       "PYTHONPATH": f"{self.build_dir}/python"}
        alone = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if os.geteuid() != 0:
            alone[1:1] = ["--user", "--map-current-user", "--keep-caps", "--mount"]
        with open(os.path.join(folder, "said"), "w+b") as said:
            with subprocess.Popen([*alone, "bash", "-c", script], cwd=work, env=environment, stdin=subprocess.DEVNULL,
                                  stdout=said, stderr=said) as process:
                try:
                    code = process.wait(END_SECONDS)
                finally:
                    process.send_signal(signal.SIGKILL)  # and all in it, whatever happened
            said.seek(0)
            return code, said.read().decode(errors="replace")

    def check_outputs(self):
        """Of the blocks that show what one sees; how many there were."""
        count = 0
        for number, block in enumerate(self.blocks):
            if "output" not in block.options:
                continue
            assert block.language == "text" and number > 0, block
            lines = iter([shape(line) for line in self.said[str(number - 1)].splitlines()])
            for wanted in map(shape, block.text.splitlines()):
                pattern = ".*".join(map(re.escape, wanted.split("…")))
                assert any(re.fullmatch(pattern, line) for line in lines), \
                    f"{block!r}: '{wanted}' isn't in (or not in this place of)\n{self.said[str(number - 1)]}"
            count += 1
        return count
