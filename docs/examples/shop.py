# SPDX-License-Identifier: MPL-2.0
"""A small shop that the other examples load: python3 shop.py 9300

It has a form to log in, pages for who did, where photos can be put, articles as JSON, and takes files.
Nothing is kept on disk.
"""

import email.parser
import email.policy
import hashlib
import html
import http.cookies
import http.server
import json
import secrets
import sys
import urllib.parse

ARTICLES = [{"id": 1, "name": "pencil", "price": 0.5}, {"id": 2, "name": "paper", "price": 3.25}]
HOME = b'<p>Welcome to the shop.</p> <a href="/login">Log in</a>\n'
FORM = b"""<form id="login" method="post"><input name="user"><input name="password" type="password">
<button>Log in</button></form>
"""
ACCOUNT = """<p id="greeting">Hello {}.</p>
<a href="/photos">Photos</a> <a href="/logout">Log out</a>
"""
PHOTOS = """<ul id="photos">{}</ul>
<form id="upload" method="post" enctype="multipart/form-data"><input name="title"> <input type="file" name="photo">
<select name="album"><option value="1">Home</option><option value="2">Travel</option></select>
<label><input type="checkbox" name="public"> for all to see</label> <button>Send</button></form>
<a href="/account">Back</a>
"""
names = {}  # of those who have logged in, by what their cookie says
photos = {}  # titles, by whose they are


class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece

    def answer(self, status, body=b"", content_type="text/html", **headers):
        if not isinstance(body, bytes):
            body, content_type = json.dumps(body).encode(), "application/json"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def read(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def session(self):
        """What the cookie says."""
        cookies = http.cookies.SimpleCookie(self.headers.get("Cookie"))
        return cookies["session"].value if "session" in cookies else None

    def name(self):
        """Whose cookie it is."""
        return names.get(self.session())

    def parts(self, body):
        """What a form with a file sends, by name."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        return {part["Content-Disposition"].params["name"]: part.get_payload(decode=True)
                for part in message.iter_parts()}

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/":
            self.answer(200, HOME)
        elif path == "/login":
            self.answer(200, FORM)
        elif path == "/account" and self.name():
            self.answer(200, ACCOUNT.format(html.escape(self.name())).encode())
        elif path == "/photos" and self.name():
            items = "".join(f"<li>{html.escape(title)}</li>" for title in photos.get(self.name(), []))
            self.answer(200, PHOTOS.format(items).encode())
        elif path in ("/account", "/photos"):
            self.answer(303, Location="/login")
        elif path == "/logout":
            names.pop(self.session(), None)
            self.answer(303, Location="/", Set_Cookie="session=; Path=/; Max-Age=0")
        elif path == "/api/articles":
            self.answer(200, {"articles": ARTICLES})
        else:
            self.answer(404, b"There is nothing here.\n")

    def do_POST(self):
        body = self.read()
        if self.path == "/login":
            form = urllib.parse.parse_qs(body.decode())
            if form.get("password") != ["secret"]:
                self.answer(403, b"Wrong password.\n")
                return
            session = secrets.token_hex(16)
            names[session] = form["user"][0]
            self.answer(303, Location="/account", Set_Cookie=f"session={session}; Path=/; HttpOnly")
        elif self.path == "/photos" and self.name():
            parts = self.parts(body)
            if not parts.get("photo"):
                self.answer(400, b"<p>There is no photo in it.</p>\n")
                return
            photos.setdefault(self.name(), []).append(f"{parts['title'].decode()}, {len(parts['photo'])} bytes")
            self.answer(303, Location="/photos")
        elif self.path == "/api/orders":
            try:
                order = json.loads(body)
                article = ARTICLES[order["article"] - 1]
            except (ValueError, KeyError, IndexError, TypeError) as error:
                self.answer(400, {"error": str(error)})
                return
            self.answer(201, {"article": article["name"], "total": order["count"] * article["price"]})
        elif self.path == "/files":
            self.answer(201, {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()})
        else:
            self.answer(404, b"There is nothing here.\n")

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


server = Server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9300), Shop)
print(f"Listening on http://127.0.0.1:{server.server_port}/", flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    pass
