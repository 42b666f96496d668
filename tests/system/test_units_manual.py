# SPDX-License-Identifier: MPL-2.0
"""What docs/systemd.md says about one machine, typed as it stands there; several: test_units_hosts.py."""

import re

import manual
from units import SOCKETS

SHOP = """\
#include <loads/loads.h>

LOADS_TEST(TestCart, test_checkout)
{
    loads_response *res = loads_get(user, "/any/checkout");
    loads_assert_int_eq(res->status, 200);
}
"""
MAIL = "#!/bin/sh\nprintf '%s\\n' \"$@\" >/root/mail\ncat >>/root/mail\n"


def test_one_machine(box):
    block, = manual.blocks("One machine")
    said = manual.type_in(box, block, {"loadsctl health-check": wait_for_agents(5)}).stdout
    box.systemctl("disable", "loads.target", *(f"loads-agent@{number}" for number in range(1, 6)))
    assert "5 agents" in said


def wait_for_agents(count):
    """A health check when that many are there: the manual's reader is slower than a script."""
    return f"until loadsctl agents --json | grep -q 'one-{count}'; do sleep 0.1; done; loadsctl health-check"


def test_agents_leave(box):
    box.systemctl("start", "loads.target")
    box.wait_until(lambda: box.agents() == {"one-1"}, "the agent did not come")
    box.run("mkdir", "-p", "/etc/loads/agent.conf.d")
    manual.type_in(box, manual.blocks("Agents that come and go")[0], {"10m": "1s"})
    assert box.wait_for_state("loads-agent@1.service", "inactive", "failed") == "inactive"
    assert box.is_active("loads-agent@1.socket")


def test_a_run_every_night(box, target_on):
    target = target_on(box)
    the_run, the_mail, questions = manual.blocks("A run every night")
    box.write("/root/shop.c", SHOP)
    box.write("/usr/local/bin/mail", MAIL, 0o755)
    box.systemctl("start", *SOCKETS, "loads-agent@1.socket", "loads-agent@2.socket")
    manual.type_in(box, the_run, {"http://staging:9300": target.url})
    try:
        assert target.counts()["answers"] == 2 * (5 + 10) * 20
        manual.type_in(box, the_mail)
        said = manual.type_in(box, questions, {"psql": ":"}).stdout
        assert "loads-run@shop.service" in said and "Hits: 600\n" in said
        query = re.search('psql -d loads -c "(.*)"$', questions, re.MULTILINE)[1]
        row, = box.sql(query)
        assert (row["outcome"], row["hits"]) == ("passed", 600)
        box.write("/etc/loads/runs/shop.ini", f"[loads]\nfqn = {target.url}/status/500\nhits = 1\n")
        box.systemctl("start", "loads-run@shop", code=1)
        box.wait_until(lambda: box.show("loads-failed", "Result") == "success"
                       and int(box.show("loads-failed", "ExecMainExitTimestampMonotonic")), "no mail was sent")
        mail = box.path("/root/mail").read_text()
        assert "loads-run@shop.service on one: exit-code\nroot\n" in mail and "Failures: 1\n" in mail
    finally:
        box.systemctl("disable", "--now", "loads-run@shop.timer")
        box.run("rm", "-rf", "/etc/systemd/system/loads-run@.service.d/mail.conf", "/usr/local/bin/mail",
                "/etc/systemd/system/loads-failed.service", "/usr/local/sbin/loads-failed")


def test_when_something_is_wrong(box, target_on):
    """All that is named there can be asked, and answers."""
    target = target_on(box)
    box.systemctl("start", "loads.target")
    box.wait_until(lambda: box.agents() == {"one-1"}, "the agent did not come")
    run_id = box.submit(f"{target.url}/any", "--hits", "3")
    box.wait_for_end(run_id)
    commands = [text for text in re.findall("`([^`]+)`", manual.section("When something is wrong"))
                if re.match("systemctl|loadsctl|journalctl", text)]
    assert len(commands) == 9, commands
    for command in commands:
        said = manual.type_in(box, re.sub(r"\bID\b", run_id, command).replace("box2-1", "one-1"))
        assert said.stdout or "--since" in command or "-k" in command or "logs" in command, command
    assert run_id in box.run("journalctl", f"RUN_ID={run_id}").stdout
