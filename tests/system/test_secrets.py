# SPDX-License-Identifier: MPL-2.0
"""No secret is shown anywhere.

Secrets are planted wherever there can be some, all of them different, and used: those who are meant to
get them say so. Meanwhile and afterwards everything that anybody else can see is searched for them.
"""

import base64
import contextlib
import http.server
import json
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import uuid

import pytest
import zmq

from guarded import Guarded
from postgres import Failed
from runner import processes_with, wait_until

SOURCE = pathlib.Path(__file__).parent / "modules/secrets.c"
FQN = "secrets.TestSecrets.test_all"
PATIENCE = ["--timeout", "1h"]  # what is held waits for many programs to say what they see
HITS = 9  # the ways in which the module's iterations go wrong, and one that doesn't
OVER = ("finished", "failed", "aborted")
SECONDS = 120

# What the module and the server send to each other; each goes through all runs of the module.
SENT = ("basic", "user", "token", "bearer", "cookie", "form", "session", "location", "located", "word")


LETTERS = str.maketrans("0123456789", "ghijklmnop")


class Secrets(dict):
    """Name: secret. They are short words, since that is what jansson quotes."""

    def plant(self, name, value=None):
        self[name] = value or uuid.uuid4().hex[:16].translate(LETTERS)
        return self[name]

    def forms(self):
        """Name, bytes that give it away: as it is, and as the credentials of "Basic"."""
        for name, value in self.items():
            yield name, value.encode()
            yield name, base64.b64encode(f"ada:{value}".encode())

    def places(self, data):
        """Name: where it is in some bytes or a text, with what is around it."""
        data = data if isinstance(data, bytes) else data.encode()
        return {name: data[max(0, at - 80):at + 80] for name, form in self.forms() if (at := data.find(form)) >= 0}

    def find(self, data):
        """Names of those that are there."""
        return set(self.places(data))


class Witness:
    """A server that gets secrets, gives some, and remembers what it got."""

    def __init__(self, secrets):
        self.secrets = secrets
        self.got = b""
        self.lock = threading.Condition()
        self.held = 0
        self.is_open = threading.Event()
        witness = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                witness.note(f"{self.path}\n{self.headers}\n".encode() + body)
                getattr(self, self.path.partition("?")[0][1:])()

            do_POST = do_GET

            def answer(self, status, body=b"", *headers):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def page(self):
                self.answer(200)

            def held(self):
                witness.hold()
                self.answer(200)

            def login(self):
                self.answer(200, b"", ("Set-Cookie", f"session={secrets['session']}"))

            def redirect(self):
                self.answer(302, b"", ("Location", witness.url("location", "/page?x=" + secrets["located"])))

            def loop(self):
                self.answer(302, b"", ("Location", witness.url("location", "/loop?x=" + secrets["located"])))

            def word(self):
                self.answer(200, b"{" + secrets["word"].encode())

            def json(self):
                self.answer(200, b'{"a": {}}')

            def malformed(self):
                self.wfile.write(b"what? " + secrets["word"].encode() + b"\r\n\r\n")
                self.close_connection = True

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def url(self, secret, path=""):
        """Of a path, for a user with this password."""
        return f"http://ada:{self.secrets[secret]}@127.0.0.1:{self.server.server_port}{path}"

    def note(self, text):
        with self.lock:
            self.got += text

    def hold(self):
        with self.lock:
            self.held += 1
            self.lock.notify_all()
        assert self.is_open.wait(SECONDS)

    def close_gate(self):
        self.got = b""
        self.held = 0
        self.is_open.clear()

    def wait_for(self, requests):
        with self.lock:
            assert self.lock.wait_for(lambda: self.held >= requests, SECONDS), self.held

    def close(self):
        self.is_open.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Evidence:
    """All that others than those who are meant to could see, and where it is from."""

    def __init__(self, secrets):
        self.secrets = secrets
        self.leaks = []
        self.searched = {}

    def search(self, where, data):
        self.searched[where] = self.searched.get(where, 0) + len(data)
        self.leaks += [(where, name, text) for name, text in self.secrets.places(data).items()]

    def search_processes(self, allowed=(), may_have=()):
        """The arguments of all processes, and their environments, in which `allowed` ones may have
        what the user has put there."""
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # gone meanwhile
                self.search("arguments", (folder / "cmdline").read_bytes())
                environment = (folder / "environ").read_bytes()
                if int(folder.name) in allowed:
                    assert self.secrets.find(environment) <= set(may_have)
                else:
                    self.search("environments", environment)

    def search_files(self, folder, theirs):
        """All files below a folder but those that are meant to have secrets. A directory of a run has
        the specification for its workers, and is closed to others."""
        for path in folder.rglob("*"):
            if path in theirs or not path.is_file():
                continue
            if any(is_closed(parent) for parent in path.parents):
                continue
            self.search(f"files: {path}", path.read_bytes())


def is_closed(path):
    return path.name.startswith("loads-run-") and path.stat().st_mode & 0o777 == 0o700


class Place(Guarded):
    """A broker that comes to its database by a password, and says all it can say; programs by tcp, with
    keys."""

    def __init__(self, start, program, module_cache, folder, database):
        super().__init__(start, program, module_cache, folder, database)
        self.environment["TMPDIR"] = str(folder)

    def start_again(self):
        self.start_broker(*self.options, "--log-level", "debug", database=self.database)

    def run_client(self, evidence, *arguments, code, name="ada", program="loadsctl", **options):
        """A client's program, to its end; what it says is evidence."""
        with self.open_client(name, program, *arguments, **options) as process:
            return self.end_client(evidence, process, code)

    def open_client(self, name, program, *arguments, env=None, **options):
        environment = {**self.environment, "XDG_CONFIG_HOME": str(self.folder / name),
                       "LOADS_BROKER": self.addresses["frontend"], **(env or {})}
        return subprocess.Popen([self.program(program), *map(str, arguments)], env=environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                **options)

    def end_client(self, evidence, process, code):
        stdout, stderr = process.communicate(timeout=SECONDS)
        assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
        assert process.returncode == code, (process.args, process.returncode, stdout, stderr)
        evidence.search(f"{pathlib.Path(process.args[0]).name} {process.args[1]}", stdout + stderr)
        return stdout + stderr


def set_up_database(start_postgres, secrets):
    """A database whose owner needs a password, as both are seen to be. How to connect, but for it."""
    postgres = start_postgres()
    admin = postgres.database()
    admin.run(f"CREATE ROLE keeper LOGIN PASSWORD '{secrets.plant('database')}';"
              f"ALTER DATABASE {admin.name} OWNER TO keeper")
    rules = postgres.folder / "data/pg_hba.conf"
    rules.write_text("local all keeper scram-sha-256\n" + rules.read_text())
    admin.run("SELECT pg_reload_conf()")

    def is_refused():
        try:
            admin.run("SELECT 1", "keeper")
        except Failed:
            return True
        return False

    wait_until(is_refused, "keeper needs no password")
    return admin, admin.uri("keeper")


def copy_module(folder, secrets):
    """A folder with the module and its file of secrets, in which to start a run."""
    folder.mkdir()
    shutil.copy(SOURCE, folder)
    names = ("user", "token", "bearer", "cookie", "form")
    (folder / "secrets.txt").write_text("".join(f"{name} {secrets[name]}\n" for name in names))
    return folder


def subscribe(place):
    """To everything that is published; a client that isn't ours."""
    client = place.context.socket(zmq.SUB)
    client.linger = 0
    client.subscribe(b"")
    client.connect(place.address("publisher"))
    return client


def received(client, until):
    """All that came, up to a message with that in it."""
    messages = []
    while not messages or until not in messages[-1]:
        assert client.poll(SECONDS * 1000), messages
        messages.append(b"\n".join(client.recv_multipart()))
    return b"\n".join(messages)


def run_here(evidence, witness, runner, folder, outputs):
    """A run of loads-runner's own: the module, with --server-url from the environment; then a URL."""
    witness.close_gate()
    copy_module(runner.folder / "here", evidence.secrets)
    arguments = ["--test-dir", folder, "--include-file", "secrets.txt", "-u", 1, "--hits", HITS, *PATIENCE]
    started = runner.start(FQN, *arguments, "--output", "stdout", *outputs, cwd=runner.folder / "here",
                           env={"LOADS_SERVER_URL": witness.url("basic")})
    witness.wait_for(1)
    evidence.search_processes(allowed=processes_with(started.mark), may_have=["basic"])
    witness.is_open.set()
    ran = started.wait()
    assert ran.code == 1 and "Success: 1\n" in ran.stdout, ran
    evidence.search("loads-runner here", ran.stdout + ran.stderr)
    assert evidence.secrets.find(witness.got) >= set(SENT) - {"word"}

    witness.close_gate()
    started = runner.start(witness.url("user", "/held?token=" + evidence.secrets["token"]), *PATIENCE)
    witness.wait_for(1)
    evidence.search_processes()
    witness.is_open.set()
    ran = started.wait()
    assert ran.code == 0, ran
    evidence.search("loads-runner URL", ran.stdout + ran.stderr)
    assert evidence.secrets.find(witness.got) == {"user", "token"}


def run_there(evidence, witness, place, folder, console, output):
    """The same on an agent, with everything that can be asked meanwhile; the id of the run."""
    witness.close_gate()
    client = place.open_client(
        "ada", "loads-runner", FQN, "-a", 1, "-u", 1, "--hits", HITS, *PATIENCE, "--save-hits",
        "--server-url", witness.url("basic"), "--include-file", "secrets.txt", "--output", "stdout",
        "--output", f"json={output}", cwd=folder)
    with client, subscribe(place) as published:
        witness.wait_for(1)
        run_id, = place.result("CTRL_LIST_RUNS")
        terminal = console(place, "loadsctl", "attach", run_id)
        terminal.terminal.wait_for(r"[1-9]\d* hits")
        evidence.search_processes()
        ask_everything(evidence, place, run_id, "running")
        witness.is_open.set()
        evidence.search("published", received(published, b"run-finished"))
        text = place.end_client(evidence, client, 1)
        assert "Success: 1\n" in text, text
        code, text = terminal.end()
        assert code == 1
        evidence.search("a console", text)
    assert evidence.secrets.find(witness.got) >= set(SENT) - {"word"}
    return run_id


def run_url_there(evidence, witness, place):
    witness.close_gate()
    url = witness.url("user", "/held?token=" + evidence.secrets["token"])
    run_id = place.run_client(evidence, "submit", url, *PATIENCE, "--save-hits", code=0).strip()
    witness.wait_for(1)
    evidence.search_processes()
    ask_everything(evidence, place, run_id, "running")
    witness.is_open.set()
    place.wait_for_state(run_id, *OVER)
    assert evidence.secrets.find(witness.got) == {"user", "token"}
    return run_id


def ask_everything(evidence, place, run_id, state):
    """All that the broker tells of a run, by programs and without."""
    for words in (["runs"], ["show", run_id], ["logs", run_id], ["agents"], ["ping"]):
        place.run_client(evidence, *words, code=0)
        place.run_client(evidence, *words, "--json", code=0)
    place.run_client(evidence, "--ping-broker", program="loads-runner", code=0)
    agent, = place.result("PING")["agents"]
    for command in ("PING", "LIST", "CTRL_LIST_RUNS", "CTRL_RUNS"):
        evidence.search(command, json.dumps(place.result(command)))
    for command in ("CTRL_SNAPSHOT", "CTRL_GET_COUNTS", "CTRL_GET_URLS", "CTRL_GET_METADATA", "CTRL_LOGS"):
        evidence.search(command, json.dumps(place.result(command, run_id=run_id)))
    evidence.search("CTRL_GET_DATA", json.dumps(place.result("CTRL_GET_DATA", run_id=run_id, size=10000)))
    evidence.search("CTRL_AGENT_STATUS", json.dumps(place.ask("CTRL_AGENT_STATUS", agent_id=agent)))
    assert place.run_of(run_id)["state"] in (state, *OVER)


def make_mistakes(evidence, place, conninfo, tmp_path):
    """What is wrong is told, without the secret that is in it."""
    secrets = evidence.secrets
    hush = secrets.plant("mistake")
    here = {"cwd": tmp_path}
    wrong = ["db", "status", "--database", f"{conninfo} password={hush}"]
    assert "password authentication failed" in place.run_client(evidence, *wrong, code=3)
    for conninfo_with in (f"dbname=x {hush}", f"postgresql://me:{hush}", f"host=x passwort={hush}",
                          f"postgresql://me:{hush}@%zz/x", f"host=x password={hush} x"):
        place.run_client(evidence, "db", "status", "--database", conninfo_with, code=2)
        place.run_client(evidence, "--database", conninfo_with, program="loads-broker", code=1)
    place.run_client(evidence, "db", f"password={hush}", code=2)
    place.run_client(evidence, "db", "status", f"password={hush}", code=2)
    for url in (f"http://me:{hush}@h:0/", f"http://me:a/{hush}@h/", f"htp://me:{hush}@h/?{hush}",
                f"me:{hush}@h", f"http://h:0/?token={hush}", f"http://h:0/#{hush}"):
        place.run_client(evidence, url, program="loads-runner", code=2, **here)
        place.run_client(evidence, "--server-url", url, FQN, program="loads-runner", code=2, **here)
        place.run_client(evidence, FQN, url, program="loads-runner", code=2, **here)
        place.run_client(evidence, FQN, program="loads-runner", code=2, env={"LOADS_SERVER_URL": url}, **here)
        place.run_client(evidence, "submit", url, code=2, **here)
        answer = place.ask("CTRL_RUN", agents=1, args={"url": url.replace("http", "htp")})
        assert "error" in answer
        evidence.search("an answer", json.dumps(answer))
    for request in (f'{{"command": {hush}}}', f'{{"command": "CTRL_RUN", "args": {{"url": {hush}}}}}'):
        answer = place.ask_raw(request.encode())
        assert "error" in answer
        evidence.search("an answer", json.dumps(answer))
    file = tmp_path / "mistake.conf"
    for line in (f"host=x password={hush}", f"password = {hush}", hush, f"database = a\n database = {hush}"):
        file.write_text(f"[broker]\n{line}\n")
        place.run_client(evidence, "--config", file, program="loads-broker", code=2)
    file.write_text(f"[loads]\nserver_url = ftp://me:{hush}@h/\n")
    place.run_client(evidence, FQN, "--config", file, program="loads-runner", code=2, **here)
    file.unlink()


def use_password_file(place, conninfo, tmp_path, secrets):
    """What should be done instead. The file of it."""
    file = tmp_path / "passwords"
    file.write_text(f"*:*:*:keeper:{secrets['database']}\n")
    file.chmod(0o600)
    assert place.loadsctl("db", "status", "--database", f"{conninfo} passfile={file}").stdout
    return file


def look_at_arguments(evidence, place, conninfo):
    """Of loadsctl, which would connect to somebody who doesn't answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(SECONDS)
        database = f"{conninfo} host=127.0.0.1 port={silent.getsockname()[1]}"
        with place.open_client("ada", "loadsctl", "db", "status", "--database", database) as client:
            connection, _ = silent.accept()
            evidence.search_processes()
            connection.close()
            place.end_client(evidence, client, 3)


def search_database(evidence, postgres):
    """All of its rows, without the server's own tables, where the role's password is (as a hash)."""
    ran = subprocess.run([postgres.server.bin / "pg_dump", "-d", postgres.uri()], capture_output=True)
    assert ran.returncode == 0 and b"loads.hits" in ran.stdout, ran.stderr
    evidence.search("the database", ran.stdout)
    assert postgres.value("SELECT count(*) FROM loads.hits WHERE url LIKE '%/page'") > 5 * HITS
    kinds = postgres.rows("SELECT DISTINCT class FROM loads.errors ORDER BY 1")
    assert {"assertion", "connect", "protocol", "redirect", "json", "request"} <= {k["class"] for k in kinds}
    evidence.search("its log", "".join(postgres.server.log))


def plant_keys(secrets, place):
    """Those of the broker, of a client, of an agent and of nobody yet; their files."""
    files = {"broker's key": place.folder / "broker.key", "client's key": place.folder / "ada/loads/key",
             "agent's key": place.folder / "box/loads/key", "new key": place.folder / "new.key"}
    for name, path in files.items():
        secrets.plant(name, re.search("secret-key = (.*)", path.read_text())[1])
    return files.values()


@pytest.fixture
def witness():
    secrets = Secrets()
    for name in SENT:
        secrets.plant(name)
    made = Witness(secrets)
    yield made
    made.close()


def test_no_secret_is_shown(start, program, module_cache, tmp_path, runner, ctl, start_postgres, console,
                            witness):
    secrets = witness.secrets
    evidence = Evidence(secrets)
    postgres, conninfo = set_up_database(start_postgres, secrets)
    with_password = f"{conninfo} password={secrets['database']}"
    ran = ctl.run("db", "migrate", "--database", with_password)
    assert ran.code == 0, ran
    evidence.search("loadsctl db migrate", ran.stdout + ran.stderr)

    place = Place(start, program, module_cache, tmp_path, with_password)
    place.let_in("ada", "run")
    place.let_in("box", "agent", socket.gethostname())
    made = place.loadsctl("keygen", "new", "--file", tmp_path / "new.key")
    theirs = {*plant_keys(secrets, place), tmp_path / "there/secrets.txt", tmp_path / "test-dir/secrets.txt",
              runner.folder / "here/secrets.txt"}
    evidence.search("loadsctl keygen", made.stdout + made.stderr)
    place.run_client(evidence, "key", "list", "--keys-dir", place.keys_dir, code=0)
    agent = place.start_agent_of("box", "--log-level", "debug")
    place.wait_for(lambda ping: any(one["pid"] == agent.pid for one in ping["agents"].values()))

    outputs = ["--output", f"json={tmp_path}/here.json", "--output", f"file={tmp_path}/here.jsonl"]
    run_here(evidence, witness, runner, tmp_path / "test-dir", outputs)
    copy_module(tmp_path / "there", secrets)
    runs = [run_there(evidence, witness, place, tmp_path / "there", console, tmp_path / "there.json"),
            run_url_there(evidence, witness, place)]
    for run_id in runs:
        ask_everything(evidence, place, run_id, "finished")
        place.run_client(evidence, "attach", run_id, "--output", "stdout", "--output",
                         f"json={tmp_path}/{run_id}", code=1 if run_id == runs[0] else 0)
    make_mistakes(evidence, place, conninfo, tmp_path)
    look_at_arguments(evidence, place, with_password)
    theirs.add(use_password_file(place, conninfo, tmp_path, secrets))

    agent.stop()
    place.broker.stop()
    place.close()
    search_database(evidence, postgres)
    for folder in (tmp_path, module_cache):
        evidence.search_files(folder, theirs)
    assert not list(tmp_path.rglob("loads-run-*")) and not runner.run_directories()
    assert evidence.leaks == []
    for path in theirs:  # they would have been found
        assert secrets.find(path.read_bytes())
    for path in ("here.json", "here.jsonl", "there.json", *runs):
        assert evidence.searched[f"files: {tmp_path / path}"] > 0
    for name in ("loads-broker", "loads-agent"):
        assert any(f"/{name}-" in where for where in evidence.searched), evidence.searched
