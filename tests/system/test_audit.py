# SPDX-License-Identifier: MPL-2.0
"""Whatever is changed or refused is in the log and in the table audit: who, from where, what."""

import json
import socket

import zmq

from runner import wait_until


class Audit:
    """The table, as it grows."""

    def __init__(self, guarded, database):
        self.guarded, self.database = guarded, database

    def rows(self, where="true"):
        return self.database.rows(f"SELECT * FROM loads.audit WHERE {where} ORDER BY audit_id")

    def wait_for(self, where):
        wait_until(lambda: self.rows(where), f"nothing is like that in the audit: {where}; {self.rows()}")
        return self.rows(where)[-1]

    def expect(self, accepted, what, who, role, **more):
        """The last of its kind."""
        whose = f"= '{who}'" if who else "IS NULL"
        row = self.wait_for(f"what = '{what}' AND who {whose}")
        assert (row["accepted"], row["role"]) == (accepted, role), row
        for key, value in more.items():
            assert row[key] == value, row
        return row


def dealer(guarded, address, own=None, server=None):
    """A client that isn't ours; `own`: (public key, secret key)."""
    client = guarded.context.socket(zmq.DEALER)
    client.linger = 0
    if own:
        client.curve_publickey, client.curve_secretkey = own
        client.curve_serverkey = (server or guarded.public).encode()
    client.connect(guarded.addresses[address])
    return client


def test_what_people_change(guarded_with_database, database, target):
    guarded = guarded_with_database
    audit = Audit(guarded, database)
    guarded.start_agent()
    guarded.let_in("ada", "run")
    guarded.let_in("root", "admin")
    run_id = guarded.by_tcp("ada", "submit", f"{target.url}/held").stdout.strip()
    row = audit.expect(True, "CTRL_RUN", "ada", "run", run_id=run_id, peer="127.0.0.1", times=1)
    assert row["reason"] is None
    guarded.by_tcp("ada", "stop", run_id)
    audit.expect(True, "CTRL_STOP_RUN", "ada", "run", run_id=run_id)
    target.release()
    guarded.wait_for_state(run_id, "finished", "aborted")
    guarded.by_tcp("ada", "baseline", "set", run_id, "--name", "main")
    audit.expect(True, "CTRL_BASELINE_SET", "ada", "run", run_id=run_id)
    guarded.by_tcp("ada", "baseline", "remove", "main")
    audit.expect(True, "CTRL_BASELINE_REMOVE", "ada", "run", run_id=None)
    guarded.by_tcp("root", "delete", run_id)
    audit.expect(True, "CTRL_DELETE_RUN", "root", "admin", run_id=run_id)
    agent_id, = guarded.result("PING")["agents"]
    guarded.result("CTRL_AGENT_STOP", agent_id=agent_id)  # by a socket of this machine
    row = audit.wait_for("what = 'CTRL_AGENT_STOP'")
    assert row["agent_id"] == agent_id and row["peer"].startswith("localhost:0:0:")
    log = guarded.broker.stderr()
    assert f"run {run_id}: submitted by ada (run) at 127.0.0.1: " in log
    assert f"baseline 'main' is run {run_id} by ada (run) at 127.0.0.1\n" in log
    assert "baseline 'main' removed by ada (run) at 127.0.0.1\n" in log
    assert f"CTRL_DELETE_RUN {run_id} by root (admin) at 127.0.0.1\n" in log
    assert not audit.rows("NOT accepted")


def test_what_people_may_not(guarded_with_database, database, target):
    guarded = guarded_with_database
    audit = Audit(guarded, database)
    guarded.start_agent()
    for name, role in (("watch", "observe"), ("ada", "run"), ("bob", "run"), ("box", "agent")):
        guarded.let_in(name, role)
    guarded.by_tcp("watch", "submit", f"{target.url}/any", code=4)
    audit.expect(False, "CTRL_RUN", "watch", "observe", reason="it needs the role 'run'", run_id=None)
    run_id = guarded.by_tcp("ada", "submit", f"{target.url}/any").stdout.strip()
    guarded.wait_for_state(run_id, "finished")
    guarded.by_tcp("watch", "baseline", "set", run_id, "--name", "main", code=4)
    audit.expect(False, "CTRL_BASELINE_SET", "watch", "observe", reason="it needs the role 'run'")
    guarded.by_tcp("bob", "baseline", "set", run_id, "--name", "main", code=4)
    audit.expect(False, "CTRL_BASELINE_SET", "bob", "run", run_id=run_id)
    guarded.by_tcp("bob", "delete", run_id, code=4)
    audit.expect(False, "CTRL_DELETE_RUN", "bob", "run", run_id=run_id)
    guarded.by_tcp("box", "runs", code=4)  # an agent's key on the frontend
    audit.expect(False, "CTRL_RUNS", "box", "agent", reason="it needs the role 'observe'")
    with dealer(guarded, "publisher", guarded.keys_of("box")):
        audit.expect(False, "connect", "box", "agent", reason="publications need the role 'observe'")


def test_a_run_that_is_in_the_database_alone(guarded_with_database, database, target):
    """Its owner may delete it, nobody else who may not do everything."""
    guarded = guarded_with_database
    agent = guarded.start_agent()
    for name in ("ada", "bob"):
        guarded.let_in(name, "run")
    run_id = guarded.by_tcp("ada", "submit", f"{target.url}/any").stdout.strip()
    guarded.wait_for_state(run_id, "finished")
    agent.stop()
    guarded.broker.stop()
    guarded.start_again()
    assert "not one of 'bob'" in guarded.by_tcp("bob", "delete", run_id, code=4).stderr
    guarded.by_tcp("ada", "delete", run_id)
    assert database.value("SELECT count(*) FROM loads.runs") == 0


def test_who_is_not_let_in(guarded_with_database, database):
    """A key that is revoked; one that was never known; none; and who wants another broker."""
    guarded = guarded_with_database
    audit = Audit(guarded, database)
    unknown = zmq.curve_keypair()
    for name in ("ada", "eve"):
        guarded.let_in(name, "run")
    guarded.loadsctl("key", "remove", "ada", "--keys-dir", guarded.keys_dir)
    guarded.reload()
    revoked = guarded.keys_of("ada")
    with dealer(guarded, "frontend", revoked):
        row = audit.expect(False, "connect", None, None,
                           reason=f"its key is not known: {revoked[0].decode()}", peer="127.0.0.1")
    assert row["times"] == 1
    for _ in range(3):  # from the same address, so they are counted
        with dealer(guarded, "frontend", unknown), dealer(guarded, "backend"):
            audit.wait_for("reason IN ('there was no key', 'it went before it had shown a key')")
    with dealer(guarded, "receiver", guarded.keys_of("eve"), server=unknown[0].decode()):
        audit.wait_for("reason LIKE 'it takes the broker for another%'")
    row = audit.wait_for("reason = 'its key is not known'")
    assert row["times"] >= 1


def test_agents_that_are_none(guarded_with_database, database):
    """A client's key on the backend, and an agent's under the name of another host."""
    guarded = guarded_with_database
    audit = Audit(guarded, database)
    host = socket.gethostname()
    guarded.let_in("ada", "run")
    guarded.let_in("box", "agent", "elsewhere")
    for name, role, reason in (("ada", "run", "the key 'ada' has the role 'run', and agents need 'agent'"),
                               ("box", "agent",
                                f"the key 'box' is for agents on hosts 'elsewhere', not on {host}")):
        with dealer(guarded, "backend", guarded.keys_of(name)) as agent:
            agent.send(json.dumps({
                "type": "register", "protocol": 1, "version": "x", "agent_id": f"{host}-1",
                "incarnation": "0d9b6a3e-63b4-4d3e-8a55-1b9f0c2d7e44", "hostname": host, "pid": 1,
                "control": [], "now_usec": 1, "runs": []}).encode())
            audit.expect(False, "register", name, role, agent_id=f"{host}-1", reason=reason)


def test_what_came_often_is_told_once(guarded_with_database, database):
    """And the rest of it when the broker ends, at the latest."""
    guarded = guarded_with_database
    guarded.let_in("watch", "observe")
    for _ in range(5):
        guarded.by_tcp("watch", "purge")  # there is nothing to be stopped
        guarded.by_tcp("watch", "submit", "http://127.0.0.1/", code=4)
    guarded.broker.stop()
    wait_until(lambda: database.value(
        "SELECT sum(times) FROM loads.audit WHERE what = 'CTRL_RUN'") == 5, "they are not all counted")
    assert database.value("SELECT count(*) FROM loads.audit WHERE what = 'CTRL_RUN'") <= 3
