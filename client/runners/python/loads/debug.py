# SPDX-License-Identifier: MPL-2.0
"""Seeing what is wrong with a test, on standard error: with --debug-http what the first user sends and gets in its
first execution of the test; and what fails, at once, where one user executes it once. It looks as for tests in C
(daemons/worker/debug.c), and the same is left out: values of cookies and credentials, and queries."""

import inspect
import os
import re
import traceback
import urllib.parse

from loads.report import UNITTEST
from loads.shown import SECRET, plain, shown_url, shown_words

SECRET_NAME = re.compile("auth|token|secret|password|api-key|session", re.IGNORECASE)
BODY_BYTES = 2000
HEAD_BYTES = 500  # of a body under a failure


# ---- what may be shown ----


def shown_cookies(value, is_set):
    """The names. What isn't first in Set-Cookie has no secret in it."""
    cookies = value.split(";", 1) if is_set else value.split(";")
    names = [(c.partition("=")[0].strip() if "=" in c else "") + "=" + SECRET for c in cookies]
    return ";".join([names[0], *cookies[1:]]) if is_set else "; ".join(names)


def header(mark, name, value):
    # what HTTP libraries take for Latin-1 is UTF-8 more often
    value = value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")
    value = value.decode("utf-8", "replace")
    lower = name.lower()
    if lower in ("cookie", "set-cookie"):
        value = shown_cookies(value, lower == "set-cookie")
    elif lower != "www-authenticate" and SECRET_NAME.search(name):
        value = SECRET
    elif lower in ("location", "referer"):
        value = shown_url(value)
    return plain(f"{mark} {name}: {value}") + "\n"


def shown_body(body, most):
    if not body:
        return ""
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, bytes):
        return "* a body that is sent in pieces\n"
    end = min(most, len(body))
    while most - 3 < end < len(body) and body[end] & 0xc0 == 0x80:
        end -= 1  # up to a whole character
    try:
        text = body[:end].decode()
    except UnicodeDecodeError:
        text = "\0"
    if plain(text.replace("\r", ""), lines=True) != text.replace("\r", ""):
        return f"* {len(body)} bytes that are no text\n"
    return (text + ("" if text.endswith("\n") else "\n") +
            (f"* and {len(body) - end} more bytes\n" if end < len(body) else ""))


def shown_answer(response, most):
    """A response of Requests'."""
    fields = response.raw.headers.items() if response.raw is not None else response.headers.items()
    head = f"< HTTP {response.status_code}\n" + "".join(header("<", *field) for field in fields) + "<\n"
    if response._content is False:  # nobody has read it, so it isn't ours to read
        return head + "* a body that the test reads by itself\n"
    return head + shown_body(response.content, most)


def place_of(error, test):
    """Where in the test's file, or else where an error came from: "example.py:7". One that can't even be called
    is where it begins."""
    code = inspect.unwrap(getattr(type(test), test._testMethodName)).__code__
    frames = traceback.extract_tb(error.__traceback__)
    frames = ([frame for frame in frames if frame.filename in (code.co_filename, inspect.getfile(type(test)))] or
              [frame for frame in frames if os.path.dirname(frame.filename) != UNITTEST])
    file, line = (frames[-1].filename, frames[-1].lineno) if frames else (code.co_filename, code.co_firstlineno)
    return f"{os.path.basename(file)}:{line}: "


def say(text):
    """In one go, so that what others write comes before it or behind it."""
    try:
        os.write(2, text.encode("utf-8", "replace"))
    except OSError:
        pass  # whoever reads it may be gone


# ---- for a user ----


class Debug:
    def __init__(self, user):
        self.user = user
        self.first = "LOADS_DEBUG_HTTP" in os.environ and user.number == 1
        self.single = "LOADS_SINGLE" in os.environ
        self.last = None  # the answer, if it may be shown

    def is_on(self):
        return self.first and self.user.hit <= 1

    def request(self, request):
        """What is sent next: a prepared request of Requests'."""
        if not self.is_on():
            return
        url = urllib.parse.urlsplit(request.url)
        path, query, _ = request.path_url.partition("?")
        port = url.port or (443 if url.scheme == "https" else 80)
        say(plain(f"> {request.method} {path}{'?***' if query else ''}") + "\n" +
            ("" if "Host" in request.headers else plain(f"> Host: {url.hostname}:{port}") + "\n") +
            "".join(header(">", *field) for field in request.headers.items()) + ">\n" +
            shown_body(request.body, BODY_BYTES))

    def no_answer(self, error):
        self.last = None
        if self.is_on():
            say(f"* no answer: {plain(shown_words(str(error)))}\n")

    def answer(self, response, seconds):
        self.last = response if self.single else None
        if self.is_on():
            say(f"* after {seconds * 1e3:.3f} ms\n" + shown_answer(response, BODY_BYTES))

    def failures(self, troubles, test):
        """What went wrong in an execution of the test: (data_type, sys.exc_info()) each."""
        if not self.single:
            return
        text = ""
        for data_type, (kind, error, _) in troubles:
            words = str(error) or kind.__name__
            if data_type == "addError" and words != kind.__name__:
                words = f"{kind.__name__}: {words}"
            text += place_of(error, test) + ("failure: " if data_type == "addFailure" else "error: ")
            text += plain(shown_words(words), lines=True) + "\n"
        if self.last is not None:
            text += (f"* the last answer, of {plain(shown_url(self.last.url))}:\n" +
                     shown_answer(self.last, HEAD_BYTES))
        say(text)
