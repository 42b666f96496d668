# SPDX-License-Identifier: MPL-2.0
"""Other people's web servers and proxies, each with ports of its own, and certificates for them.

A server gets its sockets ready-made, or says its port itself: nobody else can take one in between.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import urllib.request

import pytest

from runner import wait_until

NGINX_CONFIGURATION = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; }}
http {{
    log_format test '$connection $connection_requests $request_method $request_uri $status $bytes_sent '
        '$server_protocol "$ssl_protocol" "$ssl_client_s_dn" $remote_addr';
    access_log {folder}/access.log test;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    keepalive_timeout 3600s;
    default_type text/plain;
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ root {folder}/www; }}
        location /empty {{ return 204; }}
        location = /flush {{ return 200 "flushed"; }}
    }}
    {servers}
}}
"""


class NginxLine:
    """One answer, as nginx logged it."""

    def __init__(self, line):
        fields = line.split(" ", 6)
        self.connection, self.connection_requests = int(fields[0]), int(fields[1])
        self.method, self.uri = fields[2], fields[3]
        self.status, self.bytes_sent = int(fields[4]), int(fields[5])
        found = re.fullmatch(r'(\S+) "(\S*)" "(.*)" (\S+)', fields[6])
        self.protocol, self.tls, self.client, self.address = found.groups()


class Nginx:
    def __init__(self, server, folder, port, ports=()):
        self.server = server
        self.folder = folder
        self.ports = ports
        self.url = f"http://127.0.0.1:{port}"

    def flush(self):
        """nginx has one worker here, which logs an answer before it turns to the next request."""
        for _ in range(2):
            with urllib.request.urlopen(self.url + "/flush") as answer:
                assert answer.read() == b"flushed"

    def access_log(self):
        """All answers up to now but those to flush()."""
        self.flush()
        lines = (self.folder / "access.log").read_text().splitlines()
        return [line for line in map(NginxLine, lines) if line.uri != "/flush"]


@pytest.fixture
def start_nginx(start, tmp_path, descriptors):
    """start_nginx(*servers): Debian's nginx, which has its own server on one port and these on others;
    in the text of each {port} is its port, {folder} where it may keep files.

    It gets its sockets as a new nginx does from the one that it replaces.
    """

    def start_it(*servers):
        folder = tmp_path / "nginx"
        (folder / "www").mkdir(parents=True)
        (folder / "www" / "index.html").write_text("Hello from nginx.\n")
        listeners = [socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in range(1 + len(servers))]
        port, *ports = [listener.getsockname()[1] for listener in listeners]
        configuration = folder / "nginx.conf"
        configuration.write_text(
            NGINX_CONFIGURATION.format(
                folder=folder,
                port=port,
                user="user root;" if os.geteuid() == 0 else "",
                descriptors=descriptors,
                connections=min(descriptors, 20000),
                servers="\n".join(text.replace("{port}", str(one)).replace("{folder}", str(folder))
                                  for text, one in zip(servers, ports)),
            )
        )
        numbers = [listener.fileno() for listener in listeners]
        server = start(
            ["/usr/sbin/nginx", "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")],
            pass_fds=numbers,
            env={**os.environ, "NGINX": "".join(f"{number};" for number in numbers)},
        )
        for listener in listeners:
            listener.close()
        started = Nginx(server, folder, port, ports)
        started.flush()
        return started

    return start_it


# ---- certificates --------------------------------------------------------------------------------


class Certificate:
    def __init__(self, folder, name):
        self.path, self.key = folder / f"{name}.pem", folder / f"{name}.key"


class Authority(Certificate):
    """One that signs whatever it is asked to."""

    NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def __init__(self, folder, name="authority"):
        super().__init__(folder, name)
        self.folder, self.name = folder, name
        self.openssl("req", "-x509", *self.NEW_KEY, "-days", "2", "-subj", f"/CN={name}",
                     "-keyout", self.key, "-out", self.path)

    def openssl(self, *arguments, **options):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder, **options)

    def sign(self, name, host="localhost", days=2):
        """A certificate for a host, or who comes from it."""
        made = Certificate(self.folder, name)
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=DNS:{host}\n")
        self.openssl("req", "-new", *self.NEW_KEY, "-subj", f"/CN={host}", "-keyout", made.key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key, "-CAcreateserial",
                     "-days", str(days), "-extfile", extensions, "-out", made.path)
        made.key.chmod(0o600)
        return made


@pytest.fixture
def authority(tmp_path):
    """authority(name): an Authority that nobody knows yet."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    return lambda name="authority": Authority(folder, name)


HTTPS = """
    server {
        listen 127.0.0.1:{port} ssl %s;
        ssl_certificate %s;
        ssl_certificate_key %s;
        %s
        location / { return 200 "$server_protocol $ssl_protocol $ssl_client_s_dn"; }
    }
"""


@pytest.fixture
def https():
    """https(certificate, *more, listen=""): the text of a server for start_nginx(), which answers with
    the version of HTTP, that of TLS and the name of who asks."""
    return lambda certificate, *more, listen="": HTTPS % (
        listen, certificate.path, certificate.key, "\n        ".join(more))


# ---- servers that choose their port themselves ---------------------------------------------------


def listens_on(server):
    """The port that a process listens on, from the kernel's tables; None: it doesn't yet."""
    folder = pathlib.Path(f"/proc/{server.pid}")
    try:
        links = [os.readlink(path) for path in (folder / "fd").iterdir()]
        table = (folder / "net/tcp").read_text().splitlines()[1:]
    except OSError:
        return None  # one is gone meanwhile
    for fields in map(str.split, table):
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in links:
            return int(fields[1].split(":")[1], 16)
    return None


def listening_port(server):
    """The same, as soon as it does."""

    def look():
        assert server.process.poll() is None, server.stderr()
        return listens_on(server)

    return wait_until(look, "it doesn't listen")


class Nghttpd:
    def __init__(self, server, log, scheme):
        self.server, self.log = server, log
        self.port = listening_port(server)
        host = "localhost" if scheme == "https" else "127.0.0.1"
        self.url = f"{scheme}://{host}:{self.port}"

    def requests(self):
        """The connection and the path of each request."""
        return re.findall(r"\[id=(\d+)\].* recv \(stream_id=\d+\) :path: (\S+)", self.log.read_text(errors="replace"))


@pytest.fixture
def start_nghttpd(start, tmp_path):
    """start_nghttpd(certificate=None): a server that speaks HTTP/2 and nothing else; / is a page."""

    def start_it(certificate=None):
        folder, log = tmp_path / "nghttpd", tmp_path / "nghttpd.log"
        folder.mkdir()
        (folder / "index.html").write_text("Hello from nghttpd.\n")
        how = ["0", certificate.key, certificate.path] if certificate else ["--no-tls", "0"]
        # Its standard output is a file: into a pipe it writes when it likes.
        server = start(["sh", "-c", 'log=$1; shift; exec nghttpd "$@" >"$log"', "sh", log, "--verbose",
                        "--address=127.0.0.1", f"--htdocs={folder}", *how])
        server.expected_code = -signal.SIGTERM
        return Nghttpd(server, log, "https" if certificate else "http")

    return start_it


# ---- proxies -------------------------------------------------------------------------------------


class Proxy:
    def __init__(self, server, port, log=None):
        self.server, self.port, self.log = server, port, log

    def url(self, scheme="http", user=None, host="127.0.0.1"):
        return f"{scheme}://{user + '@' if user else ''}{host}:{self.port}"

    def requests(self):
        """The first line of each request, in tinyproxy's words."""
        return re.findall(r"Request \(file descriptor \d+\): (.*)", self.log.read_text())


@pytest.fixture
def start_tinyproxy(start, tmp_path):
    """start_tinyproxy(*lines): a Proxy of HTTP, with more lines of configuration. It wants to be told its
    port, so that another one is tried when somebody else was faster."""

    def start_it(*lines):
        configuration, log = tmp_path / "tinyproxy.conf", tmp_path / "tinyproxy.log"
        while True:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            configuration.write_text("\n".join([
                f"Port {port}", "Listen 127.0.0.1", f'LogFile "{log}"', "LogLevel Connect", "Timeout 60",
                "MaxClients 1000", *lines, ""]))
            server = start(["tinyproxy", "-d", "-c", configuration])
            if wait_until(lambda: server.process.poll() is not None or listens_on(server) == port, "no tinyproxy"):
                if server.process.poll() is None:
                    return Proxy(server, port, log)
            server.expected_code = server.process.returncode

    return start_it


@pytest.fixture
def start_microsocks(start):
    """start_microsocks(*arguments): a Proxy of SOCKS 5."""

    def start_it(*arguments):
        server = start(["microsocks", "-i", "127.0.0.1", "-p", "0", *arguments])
        server.expected_code = -signal.SIGTERM
        return Proxy(server, listening_port(server))

    return start_it
