# SPDX-License-Identifier: MPL-2.0
"""Whom observers tell, on loopback: a mail server, a server of IRC with somebody who listens, a web server
that is posted to; and servers that are slow, dead or unwilling."""

import asyncio
import contextlib
import email
import email.policy
import http.server
import json
import os
import select
import socket
import ssl
import subprocess
import threading

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from runner import wait_until

HOST = "127.0.0.1"
PASSWORD = "it's a secret"


def certificate(folder):
    """A certificate for this host, and its key: two files in the folder."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", f"subjectAltName=DNS:localhost,IP:{HOST}", "-keyout", folder / "tls.key",
                    "-out", folder / "tls.pem"], check=True, capture_output=True)
    return folder / "tls.pem", folder / "tls.key"


def context_of(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


# ---- mail ----


class Mails:
    """What came, as a handler of aiosmtpd."""

    def __init__(self, refused=()):
        self.envelopes, self.sessions, self.refused = [], [], refused

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refused:
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.envelopes.append(envelope)
        self.sessions.append(session)
        return "250 OK"

    def wait_for_one(self):
        wait_until(lambda: self.envelopes, "no mail came")
        (envelope,) = self.envelopes
        return envelope, email.message_from_bytes(envelope.content, policy=email.policy.default)


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"loads", PASSWORD.encode())
    return AuthResult(success=good, handled=good)


@contextlib.contextmanager
def mail_server(tls="none", files=None, login=False, refused=()):
    """(Mails, port) of a server; `tls` is as the observer's option."""
    mails = Mails(refused)
    options = {}
    if tls == "starttls":
        options |= {"tls_context": context_of(files), "require_starttls": True}
    if login:
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": tls == "starttls"}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def listen():
        return await loop.create_server(lambda: SMTP(mails, loop=loop, **options), HOST, 0,
                                        ssl=context_of(files) if tls == "tls" else None)

    async def end():
        server.close()
        await server.wait_closed()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    try:
        yield mails, server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# ---- IRC ----

IRC = """\
[Global]
Name = irc.loads.invalid
Info = Test
AdminInfo1 = Test
Listen = {host}
Ports = {port}
Password = {password}
ServerUID = {user}
ServerGID = {group}
MotdPhrase = "hello"
[Limits]
MaxConnectionsIP = 0
MaxNickLength = 20
[Options]
DNS = no
Ident = no
PAM = no
SyslogFacility = local7
"""
IRC_TLS = """\
[SSL]
CertFile = {certificate}
KeyFile = {key}
Ports = {tls_port}
"""


def free_port():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return taken.getsockname()[1]


class Irc:
    """ngircd, and a client that is in a channel."""

    def __init__(self, start, folder, password="", files=None):
        self.port, self.tls_port = free_port(), free_port()
        root = os.getuid() == 0
        text = IRC.format(host=HOST, port=self.port, password=password, user="nobody" if root else os.getuid(),
                          group="nogroup" if root else os.getgid())
        if not password:
            text = text.replace("Password = \n", "")
        if files:
            copies = [folder / "irc.pem", folder / "irc.key"]
            for made, copy in zip(files, copies):
                copy.write_bytes(made.read_bytes())
                copy.chmod(0o644)  # it may have given up its rights when it reads them
            text += IRC_TLS.format(certificate=copies[0], key=copies[1], tls_port=self.tls_port)
        path = folder / "ngircd.conf"
        path.write_text(text)
        self.server = start(["/usr/sbin/ngircd", "--nodaemon", "--config", str(path)])
        self.socket = wait_until(self.connect, "no server of IRC")
        self.lines = self.socket.makefile("r", encoding="utf-8", errors="replace", newline="\r\n")
        self.password = password

    def connect(self):
        assert self.server.process.poll() is None, self.server.stderr() + self.server.process.stdout.read().decode()
        try:
            return socket.create_connection((HOST, self.port), 60)
        except ConnectionRefusedError:
            return None

    def say(self, line):
        self.socket.sendall(f"{line}\r\n".encode())

    def wait_for(self, command):
        """The next line with that command."""
        for line in self.lines:
            words = line.strip().split(" ")
            if words[0] == "PING":
                self.say("PONG " + words[1])
            if len(words) > 1 and words[1] == command:
                return line.strip()
        raise AssertionError(f"no {command} came")

    def join(self, channel, nick="watcher"):
        if self.password:
            self.say(f"PASS {self.password}")
        self.say(f"NICK {nick}\r\nUSER watcher 0 * :watcher")
        self.wait_for("001")
        self.say(f"JOIN {channel}")
        self.wait_for("366")

    def close(self):
        self.lines.close()
        self.socket.close()


# ---- a web server that is posted to ----


class Hook(http.server.ThreadingHTTPServer):
    """Answers with the statuses it is given, the last of them for ever."""

    daemon_threads = False

    def __init__(self, *statuses):
        super().__init__((HOST, 0), HookHandler)
        self.statuses, self.posts = list(statuses) or [200], []
        self.url = f"http://{HOST}:{self.server_port}/hook"
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class HookHandler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.statuses[0]
        if len(self.server.statuses) > 1:
            del self.server.statuses[0]
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.posts.append((self.headers, body))

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def hook(*statuses):
    made = Hook(*statuses)
    try:
        yield made
    finally:
        made.close()


# ---- servers that don't ----


@contextlib.contextmanager
def silent_server(first=b""):
    """Its port. It takes connections, says `first`, and nothing more."""
    listener = socket.create_server((HOST, 0))
    ending, ended = socket.socketpair()

    def serve():
        connections = []
        while True:
            readable, _, _ = select.select([listener, ended], [], [])
            if ended in readable:
                break
            connections.append(listener.accept()[0])
            connections[-1].sendall(first)
        for connection in connections:
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ending.sendall(b"x")
        thread.join()
        for one in (listener, ending, ended):
            one.close()


def json_of(body):
    return json.loads(body.decode())
