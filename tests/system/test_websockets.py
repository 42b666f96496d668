# SPDX-License-Identifier: MPL-2.0
"""WebSockets of tests in C: against loads-echo-server, and one that behaves badly (hostile.py)."""

import re

import pytest

from hostile import CASES, RACES, TABLES

HEAD = """\
#include <loads/loads.h>
#include <stdio.h>
#include <string.h>

static void collect(loads_ws *ws, const loads_message *message, void *context)
{
    int *count = context;
    *count += loads_ws_is_open(ws) && message->size > 0 ? 1 : 0;
}

LOADS_TEST(Chat, it)
{
"""


@pytest.fixture
def chat(runner):
    """chat(body, …): a test with this body; its summary."""
    def run(body, *arguments):
        runner.write("chat.c", HEAD + body + "\n}\n")
        return runner.summarize("chat.Chat.it", *arguments)
    return run


def outcomes_of(summary):
    counts = summary["iterations"]
    return tuple(counts[name] for name in ("successes", "failures", "errors", "interrupted"))


def error_of(summary):
    assert len(summary["errors"]) == 1, summary["errors"]
    return summary["errors"][0]["class"], summary["errors"][0]["message"]


def as_counted_by_the_server(sockets):
    """The worker's counts, as a server has to have them that has counted for itself."""
    return {"opened": sockets["opened"], "received": sockets["sent"], "received_bytes": sockets["sent_bytes"],
            "sent": sockets["received"], "sent_bytes": sockets["received_bytes"]}


# ---- what a test can do ----


def test_the_guides_example(chat, echo_server):
    ran = chat(f"""
    int count = 0;
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}", .protocols = "chat, http-only",
                                 .on_message = collect, .context = &count);
    loads_assert_str_eq(loads_ws_protocol(ws), "chat");
    loads_ws_send(ws, "something");
    loads_assert_str_eq(loads_ws_receive(ws)->data, "something");
    loads_ws_send(ws, "happened");
    loads_assert_str_eq(loads_ws_receive(ws)->data, "happened");
    loads_assert_int_eq(count, 2);""", "-u", 3, "--hits", 2)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (6, 0, 0, 0)), ran
    sent = 6 * len("somethinghappened")
    assert ran.summary["web_sockets"] == {"opened": 6, "closed": 6, "sent": 12, "sent_bytes": sent,
                                          "received": 12, "received_bytes": sent}
    name, = ran.summary["names"]
    assert (name["name"], name["hits"], name["statuses"]) == (echo_server.ws_url, 6, [{"status": 101, "hits": 6}])


def test_a_thousand_users(chat, echo_server):
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}");
    for (int i = 0; i < 10; i++) {{
        const char *text = loads_printf(user, "message %d", i);
        loads_ws_send(ws, text);
        loads_assert_str_eq(loads_ws_receive(ws)->data, text);
    }}""", "-u", 1000)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (1000, 0, 0, 0)), ran
    sockets = ran.summary["web_sockets"]
    assert sockets["opened"] == sockets["closed"] == 1000
    assert sockets["sent"] == sockets["received"] == 10000
    assert sockets["sent_bytes"] == sockets["received_bytes"] == 10000 * len("message 0")
    assert echo_server.counts() == as_counted_by_the_server(sockets)


def test_thousands_at_once(chat, echo_server):
    """One worker opens them all before it waits for the first: none is late for its server."""
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}");
    loads_assert(loads_ws_is_open(ws));""", "-u", 4000, "--workers", 1)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (4000, 0, 0, 0)), ran
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == 4000
    assert echo_server.counts()["opened"] == 4000


def test_large_and_binary_and_empty(chat, echo_server):
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}");
    char *bytes = loads_alloc(user, 5000000);
    memset(bytes, 0xff, 5000000);
    loads_ws_send_binary(ws, bytes, 5000000);
    const loads_message *message = loads_ws_receive(ws);
    loads_assert(message->binary && message->size == 5000000);
    loads_assert_mem_eq(message->data, bytes, 5000000);
    loads_ws_send(ws, "");
    message = loads_ws_receive(ws);
    loads_assert(!message->binary && message->size == 0 && message->data[0] == 0);""")
    assert ran.code == 0, ran
    counted = echo_server.counts()
    assert counted == as_counted_by_the_server(ran.summary["web_sockets"])
    assert (counted["sent"], counted["sent_bytes"]) == (2, 5000000)


def test_closing(chat, echo_server):
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}");
    loads_ws_send(ws, "one");
    loads_assert_str_eq(loads_ws_receive(ws)->data, "one");
    loads_assert_null(loads_ws_receive_within(ws, 0.05));
    loads_assert(loads_ws_is_open(ws) && loads_ws_close_code(ws) == 0);
    loads_ws_close(ws, 0);
    loads_assert(!loads_ws_is_open(ws));
    loads_assert_int_eq(loads_ws_close_code(ws), 1000);
    loads_assert_null(loads_ws_receive_within(ws, 5));
    loads_ws_send(ws, "two");""")
    assert outcomes_of(ran.summary) == (0, 0, 1, 0)
    assert error_of(ran.summary) == ("socket", "sending on a WebSocket: closed with code 1000")
    assert ran.summary["web_sockets"]["closed"] == 1


def test_several_at_once_and_what_nobody_asks_for(chat, echo_server):
    ran = chat(f"""
    loads_ws *a = loads_ws_open(user, "{echo_server.ws_url}"), *b = loads_ws_open(user, "{echo_server.ws_url}");
    loads_ws_send(a, "a");
    loads_ws_send(b, "b");
    loads_assert_str_eq(loads_ws_receive(b)->data, "b");
    loads_assert(loads_get(user, "{echo_server.url}/")->status == 200);
    loads_sleep(user, 0.2);""")
    assert ran.code == 0, ran
    sockets = ran.summary["web_sockets"]
    assert (sockets["opened"], sockets["closed"], sockets["sent"], sockets["received"]) == (2, 2, 2, 2)
    assert ran.summary["hits"] == 3


# ---- what can go wrong ----


@pytest.mark.parametrize("url, kind, words", [
    ("{ws}x", "protocol", "the server refused the WebSocket: status 404"),
    ("ws://127.0.0.1:9/", "connect", "the WebSocket did not open: Unable to connect (127.0.0.1, port 9)"),
    ("ws://nowhere.invalid/", "resolve", "Could not resolve host: nowhere.invalid"),
    ("http://127.0.0.1:9/?a", "request", "bad URL 'http://127.0.0.1:9/?***': a WebSocket's URL begins with ws:// or wss"),
    ("wss://127.0.0.1:{port}/ws", "tls", "does the server speak TLS on that port?"),
    ("/ws", "request", "bad URL '/ws': a WebSocket's URL begins with ws:// or wss://"),
    ("ws:/127.0.0.1:9/", "request", "bad URL"),
])
def test_one_that_does_not_open(chat, echo_server, url, kind, words):
    ran = chat(f'    loads_ws_open(user, "{url.format(ws=echo_server.ws_url, port=echo_server.port)}");')
    assert (ran.code, outcomes_of(ran.summary)) == (1, (0, 0, 1, 0)), ran
    found, text = error_of(ran.summary)
    assert words in text
    assert re.search(rf"^chat\.c:\d+: error: {re.escape(text)}$", ran.stderr, re.MULTILINE), "it is said at once"
    assert found == kind, (found, text)
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == 0


def test_one_that_may_fail(chat):
    ran = chat('    loads_assert_null(loads_ws_open(user, "ws://127.0.0.1:9/", .may_fail = true));')
    assert (outcomes_of(ran.summary), ran.summary["request_errors"]) == ((1, 0, 0, 0), 1)


def test_fragments_with_a_ping_in_between(chat, hostile):
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{hostile}/fragments");
    loads_assert_str_eq(loads_ws_receive(ws)->data, "onetwothree");""")
    assert ran.code == 0, ran


def test_a_message_that_comes_with_the_handshake(chat, hostile):
    ran = chat(f'    loads_assert_str_eq(loads_ws_receive(loads_ws_open(user, "{hostile}/early"))->data, "early");',
               "-u", 20)
    assert (ran.code, outcomes_of(ran.summary)) == (0, (20, 0, 0, 0)), ran


@pytest.mark.parametrize("deed, words", [
    ("cut", "the connection ended without a close frame"),
    ("close", "closed by the server with code 4001"),
    ("not-utf8", "the server sent text that is not UTF-8"),
    ("reserved", "the server sent what RFC 6455 forbids"),
    ("huge", "a message has more than 64 MiB"),
])
def test_a_server_that_behaves_badly(chat, hostile, deed, words):
    """An error of that iteration, and the next user isn't concerned."""
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{hostile}/{deed}");
    loads_ws_receive(ws);""", "-u", 3, "--timeout", 5)
    assert (ran.code, outcomes_of(ran.summary)) == (1, (0, 0, 3, 0)), ran
    found, text = error_of(ran.summary)
    assert found == "socket" and text.startswith("receiving from a WebSocket: ") and words in text, text
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == 3


def test_cases(chat, hostile):
    """Each row of the table: what is whole comes, what is wrong ends the socket and nothing else."""
    ran = chat(f"""
    unsigned number = loads_iteration(user);
    loads_ws *ws = loads_ws_open(user, loads_printf(user, "{hostile}/case/%u", number));
    const loads_message *message;
    while ((message = loads_ws_receive_within(ws, 10))) {{
        loads_incr_counter(user, loads_printf(user, "%u: %c%zu", number, message->binary ? 'b' : 't', message->size));
    }}
    loads_assert(!loads_ws_is_open(ws));
    loads_add_counter(user, loads_printf(user, "%u: code", number), loads_ws_close_code(ws));""",
               "--hits", len(CASES))
    assert (ran.code, outcomes_of(ran.summary)) == (0, (len(CASES), 0, 0, 0)), ran
    counters = {row["name"]: row["count"] for row in ran.summary["counters"] if row["name"][0].isdigit()}
    for number, (name, _, messages, code) in enumerate(CASES):
        found = counters.pop(f"{number}: code")
        assert found == code if code else found in (1002, 1006), (name, found)
        for message in messages:
            assert counters.pop(f"{number}: {message}", 0) == 1, (name, message)
    assert counters == {}
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == len(CASES)


@pytest.mark.parametrize("table, end", [("offered", "stay"), ("offered", "go"), ("nothing-offered", "stay"), ("cut", "go")])
def test_handshakes(chat, hostile, table, end):
    """Each row of a table, whether the server waits then or hangs up: open, or an error that says what is wrong."""
    rows = TABLES[table]
    offered = '.protocols = "chat, superchat", ' if table == "offered" else ""
    ran = chat("".join(f'    loads_ws_close(loads_ws_open(user, "{hostile}/handshake/{table}/{number}/{end}", '
                       f'{offered}.may_fail = true), 0);\n' for number in range(len(rows))))
    assert (ran.code, outcomes_of(ran.summary)) == (0, (1, 0, 0, 0)), ran
    found = {error["place"]: (error["class"], error["message"]) for error in ran.summary["errors"]}
    for number, (name, _, kind, words) in enumerate(rows, HEAD.count("\n") + 1):
        error = found.pop(f"chat.c:{number}", (None, None))
        assert error == (kind, words) or error[0] == kind and error[1].startswith(words), (name, error)
    assert found == {}
    opened = sum(kind is None for _, _, kind, _ in rows)
    assert ran.summary["web_sockets"]["opened"] == ran.summary["web_sockets"]["closed"] == opened


def test_a_message_that_is_too_large(chat, hostile_server):
    """In one frame and in many: the server is told, too."""
    for deed in ("huge", "huge-fragments"):
        ran = chat(f'    loads_ws_receive(loads_ws_open(user, "{hostile_server.url}/{deed}"));')
        assert (ran.code, error_of(ran.summary)) == (
            1, ("socket", "receiving from a WebSocket: a message has more than 64 MiB"))
    assert hostile_server.codes.get(timeout=30) == 1009


def test_a_message_that_is_only_announced(chat, hostile):
    """Memory is taken for what comes, not for what a frame says."""
    ran = chat(f"""
    long pages[2];
    for (int i = 0; i < 21; i++) {{
        if (i < 2) {{
            FILE *file = fopen("/proc/self/statm", "r");
            loads_assert(fscanf(file, "%ld", &pages[0]) == 1);
            fclose(file);
        }}
        loads_ws *ws = loads_ws_open(user, "{hostile}/announced");
        loads_assert_str_eq(loads_ws_receive(ws)->data, "t");
        loads_assert_null(loads_ws_receive_within(ws, 0));
    }}
    FILE *file = fopen("/proc/self/statm", "r");
    loads_assert(fscanf(file, "%ld", &pages[1]) == 1);
    fclose(file);
    loads_assert_uint_lt((unsigned long)(pages[1] - pages[0]) * 4096, 64UL << 20);""")
    assert ran.code == 0, ran


def test_both_close_at_once(chat, hostile):
    """Whoever is first: it is closed, and nothing else happens."""
    users, times = 10, 3
    ran = chat(f"""
    unsigned number = loads_iteration(user) % {len(RACES)};
    loads_ws *ws = loads_ws_open(user, loads_printf(user, "{hostile}/race/%u", number));
    if (loads_ws_is_open(ws)) {{
        loads_ws_send(ws, "go");
    }}
    loads_ws_close(ws, 1000);
    loads_assert(!loads_ws_is_open(ws));
    loads_incr_counter(user, loads_printf(user, "%u: %u", number, loads_ws_close_code(ws)));""",
               "-u", users, "--hits", times * len(RACES))
    assert (ran.code, outcomes_of(ran.summary)) == (0, (users * times * len(RACES), 0, 0, 0)), ran
    counts = dict.fromkeys(range(len(RACES)), 0)
    for row in ran.summary["counters"]:
        number, _, code = row["name"].partition(": ")
        if code:
            assert code in ("1000", "1001"), (RACES[int(number)][0], code)
            counts[int(number)] += row["count"]
    assert set(counts.values()) == {users * times}
    sockets = ran.summary["web_sockets"]
    assert sockets["opened"] == sockets["closed"] == users * times * len(RACES)


def test_a_server_that_closes_while_it_is_sent_to(chat, hostile):
    """It reads nothing any more, the rest of a message is waiting, and another one behind it."""
    ran = chat(f"""
    loads_ws *ws = loads_ws_open(user, "{hostile}/closing-in-between");
    char *bytes = loads_alloc(user, 5000000);
    loads_ws_send_binary(ws, bytes, 5000000);
    loads_ws_send_binary(ws, bytes, 5000000);""", "-u", 5)
    assert (ran.code, outcomes_of(ran.summary)) == (1, (0, 0, 5, 0)), ran
    assert error_of(ran.summary) == (
        "socket", "sending on a WebSocket: closed by the server with code 1001")


def test_a_handshake_that_is_never_answered(chat, hostile):
    ran = chat(f'    loads_ws_open(user, "{hostile}/silence", .timeout_sec = 0.3);')
    assert error_of(ran.summary) == ("timeout", "the WebSocket did not open in time")


def test_a_message_that_never_comes(chat, echo_server):
    ran = chat(f'    loads_ws_receive(loads_ws_open(user, "{echo_server.ws_url}", .timeout_sec = 0.3));')
    assert error_of(ran.summary) == ("timeout", "no message came from a WebSocket in time")
    assert ran.summary["web_sockets"]["closed"] == 1


def test_an_interrupt(runner, echo_server):
    """Users that wait for messages are let go."""
    runner.write("chat.c", HEAD + f"""
    loads_ws *ws = loads_ws_open(user, "{echo_server.ws_url}");
    loads_log(user, "waiting");
    loads_ws_receive(ws);
}}
""")
    running = runner.start("chat.Chat.it", "--grace", "0.1")
    running.wait_for("waiting")
    running.send(2)
    ran = running.wait()
    assert ran.code == 130 and "Interrupted: 1" in ran.stdout, ran
