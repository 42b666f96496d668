# SPDX-License-Identifier: MPL-2.0
"""A site as people use it, for the application client: a log-in with a token and a cookie, links, uploads;
and pages that a test puts there. It remembers what it was asked, and how it answered."""

import email.parser
import email.policy
import http.cookies
import http.server
import json
import secrets
import threading
import urllib.parse

HTML = "text/html; charset=utf-8"

HOME = """<!DOCTYPE html><title>The site</title><nav><a href="/login">Log in</a>
<a id=about href="about?a=1&amp;b=2#more">About <b>us</b></a> <a href="/account">Account</a></nav>"""
LOGIN = """<!DOCTYPE html><title>Log in</title>
<form id="search" action="/search"><input name="q"></form>
<form id="login" action="/login" method="post"><input type="hidden" name="token" value="{token}">
<p><label>Name <input name="user"></label> <label>Password <input type="password" name="password"></label>
<input type="checkbox" name="keep" value="yes"> <button>Log in</button></form>"""
ACCOUNT = """<!DOCTYPE html><title>Account</title><p id="greeting" class="big hello">Hello <b>{name}</b>.</p>
<ul id="files">{files}</ul><a href="/upload">Upload a file</a> <a href="/logout">Log out</a>"""
UPLOAD = """<!DOCTYPE html><title>Upload</title>
<form id="upload" action="/upload" method="post" enctype="multipart/form-data">
<input name="title" value="untitled"><select name="kind"><option value="t">Text</option>
<option value="p" selected>Picture</option></select>
<input type="file" name="file"><button>Send</button></form>"""


def parts_of(content_type, body):
    """A multipart body, as (name, filename, type, content) of each part: by Python's parser of e-mail."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    assert message.is_multipart() and not message.defects, (content_type, body)
    found = []
    for part in message.iter_parts():
        assert not part.defects
        disposition = part["Content-Disposition"].params
        kind = str(part["Content-Type"]) if "Content-Type" in part else None
        found.append((disposition["name"], disposition.get("filename"), kind, part.get_payload(decode=True)))
    return found


class Request:
    """One that came, as far as it can be compared with another client's."""

    def __init__(self, handler, body):
        self.method = handler.command
        self.path, _, self.query = handler.path.partition("?")
        self.headers = handler.headers
        self.content_type = handler.headers.get("Content-Type", "")
        self.body = body
        self.status = None

    def fields(self):
        """What a form sent, in its order."""
        if self.content_type.startswith("multipart/"):
            return parts_of(self.content_type, self.body)
        text = self.body.decode() if self.body else self.query
        return urllib.parse.parse_qsl(text, keep_blank_values=True)

    def summary(self):
        return self.method, self.path, self.status, [field for field in self.fields() if field[0] != "token"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def answer(self, status, text="", content_type=HTML, **headers):
        body = text if isinstance(text, bytes) else text.encode()
        self.request.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if content_type:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def cookie(self):
        cookies = http.cookies.SimpleCookie(self.headers.get("Cookie"))
        return cookies["session"].value if "session" in cookies else None

    def handle_one(self):
        site = self.server.site
        self.connection_request = self.request
        self.request = Request(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        with site.lock:
            site.requests.append(self.request)
        path, method = self.request.path, self.command
        if path in site.pages:
            content_type, text, status = site.pages[path]
            self.answer(status, text, content_type)
        elif path == "/":
            self.answer(200, HOME)
        elif path == "/echo":
            self.answer(200, json.dumps({"method": method, "query": self.request.query,
                                         "fields": [list(map(str, field)) for field in self.request.fields()]}),
                        "application/json")
        elif path == "/about":
            self.answer(200, "<p id=about>About us")
        else:
            self.account(site, path, method)
        self.request = self.connection_request

    def account(self, site, path, method):
        fields = dict(self.request.fields()) if path == "/login" and method == "POST" else {}
        name = site.sessions.get(self.cookie())
        if path == "/login" and method == "GET":
            token = secrets.token_hex(8)
            site.tokens.add(token)
            self.answer(200, LOGIN.format(token=token))
        elif path == "/login":
            if fields.get("password") != "secret" or fields.get("token") not in site.tokens:
                self.answer(403, "<p>Wrong password.")
                return
            session = secrets.token_hex(8)
            site.sessions[session] = fields["user"]
            self.answer(303, Location="/account", Set_Cookie=f"session={session}; Path=/; HttpOnly")
        elif name is None:
            self.answer(403, "<p>Who are you?\x1b[31m\n" + "Nobody knows. " * 100)
        elif path == "/account":
            files = "".join(f"<li>{title}</li>" for title in site.files.get(name, []))
            self.answer(200, ACCOUNT.format(name=name, files=files))
        elif path == "/upload" and method == "GET":
            self.answer(200, UPLOAD)
        elif path == "/upload":
            parts = {part[0]: part for part in self.request.fields()}
            with site.lock:
                site.files.setdefault(name, []).append(f"{parts['title'][3].decode()} {len(parts['file'][3])}")
            self.answer(303, Location="/account")
        elif path == "/logout":
            with site.lock:
                del site.sessions[self.cookie()]
            self.answer(303, Location="/", Set_Cookie="session=; Path=/; Max-Age=0")
        else:
            self.answer(404, "<p>There is nothing here.")

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = handle_one

    def log_message(self, *arguments):
        pass


class Site:
    """The server; `pages` are those of a test: path: (content type, text, status)."""

    def __init__(self):
        self.lock = threading.Lock()
        self.pages, self.requests, self.sessions, self.tokens, self.files = {}, [], {}, set(), {}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.site = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def page(self, text, path="/page", content_type=HTML, status=200):
        self.pages[path] = content_type, text, status

    def take(self):
        """What came since it was last asked."""
        with self.lock:
            taken, self.requests = self.requests, []
        return taken

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
