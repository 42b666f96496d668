# SPDX-License-Identifier: MPL-2.0
"""The containers that other tests run in: what is told of them holds."""

import pathlib

CURL = ["curl", "--silent", "--connect-timeout", "1"]


def test_hosts_in_a_network(boot, network, target_on):
    """Two at once, each with systemd and a name of its own; one is cut off, and back."""
    one, two = (boot(name, network=network) for name in ("one", "two"))
    for host in (one, two):
        assert host.systemctl("is-system-running").strip() == "running"
        assert host.run("hostname").stdout.strip() == host.name
    url = f"http://{one.address}:{target_on(one, '--host', one.address).port}/any"
    assert two.run(*CURL, url).stdout
    network.cut(two)
    assert two.run(*CURL, url, code=None).returncode in (7, 28)
    network.heal(two)
    two.wait_until(lambda: two.run(*CURL, url, code=None).stdout, "it did not come back")


def test_what_it_writes_is_gone(boot):
    """Machine and container see each other's files only where they are meant to."""
    host = boot("one")
    host.write("/usr/share/loads-test", "written\n")
    assert host.run("cat", "/usr/share/loads-test").stdout == "written\n"
    assert not pathlib.Path("/usr/share/loads-test").exists()
    assert host.path("/etc/hostname").read_text() == "one\n"


def test_the_journal(boot):
    host = boot("one")
    before = host.cursor()
    host.run("systemd-run", "--unit", "speaker", "echo", "hello from in there")
    assert host.wait_for_log("^hello from", "speaker") == "hello from in there"
    entries = host.journal("--unit", "speaker", after=before)
    assert "hello from in there" in [entry["MESSAGE"] for entry in entries]
    assert "hello" not in host.log("dbus")
