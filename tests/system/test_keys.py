# SPDX-License-Identifier: MPL-2.0
"""Keys: who comes by tcp shows one, and may do what its role says."""

import json
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

import zmq

from cluster import Cluster
from guarded import Guarded, free_port
from runner import wait_until

def test_roles(guarded, target):
    guarded.start_agent()
    for name, role in (("watch", "observe"), ("ada", "run"), ("bob", "run"), ("root", "admin")):
        guarded.let_in(name, role)
    assert "observe" in guarded.by_tcp("watch", "submit", f"{target.url}/any", code=4).stderr
    run_id = guarded.by_tcp("ada", "submit", f"{target.url}/held").stdout.strip()
    assert guarded.run_of(run_id)["spec"]["user_id"] == "ada"
    assert run_id[:8] in guarded.by_tcp("watch", "runs").stdout
    assert "needs the role 'admin'" in guarded.by_tcp("bob", "stop", run_id, code=4).stderr
    assert "needs the role 'run'" in guarded.by_tcp("watch", "stop", run_id, code=4).stderr
    target.release()
    guarded.wait_for_state(run_id, "finished")
    guarded.by_tcp("bob", "delete", run_id, code=4)
    guarded.by_tcp("root", "delete", run_id)


def test_no_key_no_answer(guarded):
    """Neither without a mechanism, nor with a password, nor with a key that is not known."""
    for prepare in (lambda s: None, set_password, set_unknown_key(guarded.public)):
        with guarded.context.socket(zmq.REQ) as client:
            client.linger = 0
            prepare(client)
            client.connect(guarded.addresses["frontend"])
            client.send(b'{"command": "PING"}')
            assert not client.poll(1000)
    text = guarded.broker.stderr()
    assert re.search(r"refused: connect by somebody at 127\.0\.0\.1: its key is not known: \S{40}\n", text)
    assert re.search(r"refused: connect by somebody at \S.*: (there was no key|it went before)", text)
    assert guarded.ask("PING")["result"]["pid"] == guarded.broker.pid


def set_password(client):
    client.plain_username, client.plain_password = b"ada", b"secret"


def set_unknown_key(public):
    def prepare(client):
        client.curve_publickey, client.curve_secretkey = zmq.curve_keypair()
        client.curve_serverkey = public.encode()

    return prepare


def test_a_key_is_taken_away(guarded):
    key = guarded.let_in("ada", "run")
    ran = guarded.by_tcp("ada", "ping")
    assert f"Its public key is {guarded.public}\n" in ran.stdout
    guarded.loadsctl("key", "remove", "ada", "--keys-dir", guarded.keys_dir)
    guarded.reload()
    ran = guarded.by_tcp("ada", "ping", code=3)
    assert f"doesn't know your key: on its machine, 'loadsctl key add NAME ROLE '{key}''" in ran.stderr


def test_why_there_is_no_answer(guarded):
    """Somebody without a key; and one who takes the broker for another."""
    other = guarded.keygen("other", guarded.folder / "other.key")
    assert "wants a key: 'loadsctl keygen NAME' makes one" in guarded.by_tcp("nobody", "ping", code=3).stderr
    guarded.keygen("eve", home="eve")
    guarded.loadsctl("trust", guarded.addresses["frontend"], other, home="eve")
    ran = guarded.by_tcp("eve", "ping", code=3)
    assert "doesn't have the key that is known of the broker there" in ran.stderr


def test_a_broker_that_others_know(guarded):
    """What is noted in a file is for who reads it there; a person's own file is left alone."""
    address, file = guarded.addresses["frontend"], guarded.folder / "all/known_brokers"
    said = guarded.loadsctl("trust", address, guarded.public, "--file", file, home="ada")
    assert "is known now by this key" in said.stdout
    assert file.read_text() == f"{address} {guarded.public}\n"
    assert file.stat().st_mode & 0o777 == 0o644
    assert not (guarded.folder / "ada/loads/known_brokers").exists()
    assert "known already" in guarded.loadsctl("trust", address, guarded.public, "--file", file).stdout
    other = guarded.keygen("other", guarded.folder / "other.key")
    refused = guarded.loadsctl("trust", address, other, "--file", file, code=2)
    assert "another key is known of" in refused.stderr and str(file) in refused.stderr


def test_trust_on_first_use(start, program, module_cache, tmp_path, console):
    """The broker says its key; a person, or --yes, says that it is the right one."""
    introduction = f"tcp://127.0.0.1:{free_port()}"
    guarded = Guarded(start, program, module_cache, tmp_path, options=["--introduction", introduction])
    address = guarded.addresses["frontend"]
    ask = ["trust", address, "--introduction", introduction]
    ran = guarded.loadsctl(*ask, home="ada", code=2)
    assert guarded.public in ran.stderr and "on a terminal, or --yes" in ran.stderr
    assert not (tmp_path / "ada").exists()
    for key, code in (("n", 2), ("y", 0)):
        guarded.environment["XDG_CONFIG_HOME"] = str(tmp_path / "ada")
        asked = console(guarded, "loadsctl", *ask)
        asked.terminal.wait_for(r"Is it the same\? \[y/N\]")
        asked.terminal.type(f"{key}\n")
        ended, text = asked.end()
        assert ended == code and guarded.public in text
    assert (tmp_path / "ada/loads/known_brokers").read_text() == f"{address} {guarded.public}\n"
    assert "known already" in guarded.loadsctl(*ask, home="ada").stdout
    shown = json.loads(guarded.loadsctl(*ask, "--yes", "--json", home="bob").stdout)
    assert shown == {"address": address, "public_key": guarded.public, "added": True}
    (tmp_path / "bob/loads/known_brokers").write_text(f"{address} {guarded.keygen('x', home='x')}\n")
    assert "another key is known of" in guarded.loadsctl(*ask, "--yes", home="bob", code=2).stderr
    for line in (["trust", "tcp://127.0.0.1:2"], ["trust", address, "--introduction", address]):
        assert "no broker says its key at" in guarded.loadsctl(*line, home="eve", code=3).stderr
    for nonsense in ("ipc:///x", "tcp://box", "tcp://box:1", "tcp://box:70000"):
        assert "no address such as" in guarded.loadsctl("trust", nonsense, home="eve", code=2).stderr
    with guarded.context.socket(zmq.REQ) as client:  # nothing else is said there
        client.linger = 0
        client.connect(introduction)
        client.send(b'{"command": "LIST"}')
        assert json.loads(client.recv()) == {"result": {"public_key": guarded.public}}
    guarded.close()


def test_who_is_shut_out_hears_no_more(guarded, target):
    """A console of theirs ends; those of others go on, and the agent too."""
    host = socket.gethostname()
    for words in (("box", "agent", host), ("ada", "run"), ("eve", "observe")):
        guarded.let_in(*words)
    agent = guarded.start_agent_of("box")
    guarded.wait_for(lambda ping: any(one["pid"] == agent.pid for one in ping["agents"].values()))
    run_id = guarded.by_tcp("ada", "submit", f"{target.url}/held", "--hits", 3).stdout.strip()
    target.wait_for(lambda counts: counts["requests"] == 1)
    consoles = [guarded.attach(name, run_id) for name in ("ada", "eve")]
    wait_until(lambda: all("0%" in one.text() for one in consoles), "they are not attached")
    guarded.loadsctl("key", "remove", "eve", "--keys-dir", guarded.keys_dir)
    guarded.reload()
    wait_until(lambda: re.search(r"keys were taken away: \d+ connections", guarded.broker.stderr()),
               "nobody was cut off")
    target.release()
    assert guarded.wait_for_state(run_id, "finished", "failed", "aborted")["outcome"] == "passed"
    consoles[0].process.wait(60)
    assert "Hits: 3\n" in consoles[0].text()
    assert consoles[1].process.poll() is None and "Hits:" not in consoles[1].text()
    consoles[1].process.kill()
    consoles[1].process.wait()


def test_agents(guarded, target, start, program):
    """One with its key runs; one of other hosts, or with a client's key, is told why it doesn't."""
    host = socket.gethostname()
    guarded.let_in("box", "agent", f"{host[:2]}*")
    guarded.let_in("other", "agent", "elsewhere-*")
    guarded.let_in("ada", "run")
    for name in ("other", "ada"):
        agent = guarded.start_agent_of(name)
        wait_until(lambda agent=agent: "no broker at" in agent.stderr(), "the agent was not refused")
        reason = "is for agents on hosts 'elsewhere-*'" if name == "other" else "has the role 'run'"
        assert reason in agent.stderr()
    agent = guarded.start_agent_of("box")
    guarded.wait_for(lambda ping: any(one["pid"] == agent.pid for one in ping["agents"].values()))
    run_id = guarded.by_tcp("ada", "submit", f"{target.url}/any", "--hits", 10).stdout.strip()
    assert guarded.wait_for_state(run_id, "finished", "failed", "aborted")["outcome"] == "passed"
    assert "CTRL_RUNS needs the role 'observe'" in guarded.by_tcp("box", "runs", code=4).stderr
    shown = guarded.by_tcp("ada", "attach", run_id)
    assert "Hits: 10\n" in shown.stdout


def test_an_agent_with_the_id_of_another(guarded):
    """A key is good for the ids of its host only, and results are taken from nobody else."""
    host = socket.gethostname()
    guarded.let_in("box", "agent", host)
    for agent_id, kind in (("elsewhere-1", "refused"), (f"{host}-9", "registered")):
        with guarded.context.socket(zmq.DEALER) as agent:
            agent.linger = 0
            agent.curve_serverkey = guarded.public.encode()
            agent.curve_publickey, agent.curve_secretkey = guarded.keys_of("box")
            agent.connect(guarded.addresses["backend"])
            agent.send(json.dumps({
                "type": "register", "protocol": 1, "version": "x", "agent_id": agent_id,
                "incarnation": "0d9b6a3e-63b4-4d3e-8a55-1b9f0c2d7e44", "hostname": host, "pid": 1,
                "control": [], "now_usec": 1, "runs": []}).encode())
            assert agent.poll(30000)
            answer = json.loads(agent.recv())
            assert answer["type"] == kind, answer
            assert kind == "registered" or f"no id of an agent on {host}" in answer["reason"]


def test_files_that_make_no_sense(guarded):
    """What is wrong is said with file and line; the others count."""
    key = guarded.let_in("ada", "run")
    (guarded.keys_dir / "bad.key").write_text("# a comment\nbad run nokey\nworse fly x\n")
    (guarded.keys_dir / "twin.key").write_text(f"twin admin {key}\n")
    guarded.let_in("bob", "run")
    text = guarded.broker.stderr()
    assert re.search(r"bad\.key:2: 'nokey' is no public key", text)
    assert re.search(r"bad\.key:3: 'fly' is not observe, run, admin or agent", text)
    assert re.search(r"'(ada|twin)' and '(ada|twin)' have one key: it counts for neither", text)
    guarded.by_tcp("bob", "ping")
    guarded.by_tcp("ada", "ping", code=3)


def test_own_files(guarded):
    guarded.let_in("ada", "run")
    path = pathlib.Path(guarded.folder / "ada/loads/key")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "exists already" in guarded.loadsctl("keygen", "ada", home="ada", code=2).stderr
    path.chmod(0o644)
    assert f"chmod 600 {path}" in guarded.by_tcp("ada", "ping", code=2).stderr
    path.chmod(0o600)
    path.write_text(path.read_text().replace("secret-key = ", "secret-key = x"))
    ran = guarded.by_tcp("ada", "ping", code=2)
    assert "'secret-key' is unknown, or its value makes no sense" in ran.stderr
    path.unlink()
    assert "loadsctl keygen NAME" in guarded.by_tcp("ada", "ping", code=2).stderr
    other = guarded.keygen("other", guarded.folder / "other.key")
    ran = guarded.loadsctl("trust", guarded.addresses["frontend"], other, home="ada", code=2)
    assert "another key is known of" in ran.stderr


def test_a_key_that_is_a_credential(guarded, tmp_path):
    """systemd gives it to the service, in a directory; nobody else needs to know where that is."""
    guarded.broker.stop()
    (tmp_path / "broker.key").rename(tmp_path / "loads-broker.key")
    guarded.environment["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    guarded.options[1] = "loads-broker.key"
    guarded.start_again()
    guarded.let_in("ada", "run")
    guarded.by_tcp("ada", "ping")


def test_a_tcp_address_for_everybody_needs_a_key(start, program, module_cache, tmp_path):
    cluster = Cluster(start, program, module_cache, tmp_path)
    ran = cluster.run("loads-broker", "--database", "none", "--frontend", "tcp://0.0.0.0:0", code=1)
    assert "allow-insecure" in ran.stderr and "key" in ran.stderr
    cluster.close()


def test_an_agents_control_socket(guarded):
    """By tcp nobody but its broker comes, who knows it by a key that is called like its host."""
    host = socket.gethostname()
    agent_key = guarded.let_in("box", "agent", host)
    guarded.let_in("ada", "admin")
    address = f"tcp://127.0.0.1:{free_port()}"
    agent = guarded.start_agent_of("box", "--control", address)
    guarded.wait_for(lambda ping: any(one["pid"] == agent.pid for one in ping["agents"].values()))
    for own, answered in ((guarded.keys_of("ada"), False), (None, False),
                          (guarded.pair_of(guarded.folder / "broker.key"), True)):
        with guarded.context.socket(zmq.REQ) as client:
            client.linger = 0
            if own:
                client.curve_publickey, client.curve_secretkey = own
                client.curve_serverkey = agent_key.encode()
            client.connect(address)
            client.send(b'{"command": "PING"}')
            assert bool(client.poll(20000 if answered else 500)) == answered
            assert not answered or json.loads(client.recv())["result"]["pid"] == agent.pid


def test_agents_are_woken_by_key(start, program, module_cache, tmp_path):
    """This one is woken, and no more than that: it is ours."""
    address = f"tcp://127.0.0.1:{free_port()}"
    guarded = Guarded(start, program, module_cache, tmp_path, options=["--agents", address])
    guarded.let_in("127.0.0.1", "agent")
    with guarded.context.socket(zmq.ROUTER) as agent:
        agent.linger = 0
        agent.curve_server = True
        agent.curve_secretkey = guarded.keys_of("127.0.0.1")[1]
        agent.bind(address)
        client = start([program("loadsctl"), "submit", "http://127.0.0.1:9/"], env=guarded.environment)
        client.expected_code = 4
        assert agent.poll(60000)
        frames = agent.recv_multipart(copy=False)
        assert frames[-1].bytes == b'{"command": "WAKE"}'
        client.process.wait(60)
    guarded.close()


ASK = """
import sys, zmq

with zmq.Context() as context, context.socket(zmq.REQ) as client:
    client.linger = 0
    client.connect(sys.argv[1])
    client.send(sys.argv[2].encode())
    print(client.recv().decode() if client.poll(30000) else "")
"""


def ask_as(user, address, command):
    ran = subprocess.run(["/usr/bin/python3", "-c", ASK, address, json.dumps({"command": command})], cwd="/",
                         user=user, extra_groups=[], env={}, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_users_of_this_machine(start, program, module_cache):
    """They have the role that the configuration gives them, at once when it is read again."""
    with tempfile.TemporaryDirectory(prefix="lk-", dir="/tmp") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        config = folder / "broker.conf"
        config.write_text("[broker]\nlocal-role = nobody:observe\n")
        cluster = Cluster(start, program, module_cache, folder)
        cluster.start_broker("--config", config)
        sockets = sorted((folder / "loads").glob("*.sock"))
        assert len(sockets) == 4 and all(path.stat().st_mode & 0o777 == 0o660 for path in sockets)
        (folder / "loads").chmod(0o755)
        for path in sockets:
            path.chmod(0o666)
        address = cluster.address("frontend")
        assert ask_as("nobody", address, "LIST") == {"result": {}}
        refusal = ask_as("nobody", address, "CTRL_RUN")
        assert refusal["code"] == "not-allowed" and "'nobody' has 'observe'" in refusal["error"]
        assert re.search(r"refused: CTRL_RUN by nobody \(observe\), process \d+: ",
                         cluster.broker.stderr())
        config.write_text("[broker]\nlocal-role = nobody:admin\n")
        cluster.broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "read again" in cluster.broker.stderr(), "the configuration wasn't read again")
        assert ask_as("nobody", address, "CTRL_RUN")["code"] == "bad-request"
        config.write_text("[broker]\nlocal-role = no-such-user:admin\n")
        cluster.broker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "there is no user 'no-such-user'" in cluster.broker.stderr(), "nothing was said")
        assert ask_as("nobody", address, "CTRL_RUN")["code"] == "bad-request"
        cluster.run("loads-broker", "--local-role", "nobody", code=2)
        cluster.close()


def test_without_configuration_there_is_no_tcp(cluster):
    endpoints = cluster.result("PING")["all_endpoints"]
    assert len(endpoints) == 4
    assert all(address.startswith("ipc://") for addresses in endpoints.values() for address in addresses)
