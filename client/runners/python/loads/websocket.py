# SPDX-License-Identifier: MPL-2.0
"""Web sockets that look blocking, on ws4py. Each has a thread that reads (a greenlet, where gevent has patched
threads): it calls the callback, then puts the message where receive() takes it from, so that who has received
a message knows that the callback has run."""

import os
import queue
import socket
import ssl
import threading

from ws4py.client import WebSocketBaseClient

CONNECT_SECONDS = 30
CLOSE_SECONDS = 2  # for the server to close, too
END = object()


class Message:
    """`data` is text or bytes, as it was sent."""

    def __init__(self, message):
        self.is_binary = message.is_binary
        self.is_text = message.is_text
        self.data = bytes(message.data) if message.is_binary else bytes(message.data).decode("utf-8", "replace")

    def __len__(self):
        return len(self.data)

    def __str__(self):
        return str(self.data)


class Socket:
    """Goes in front of a client class of ws4py's."""

    def prepare(self, user, callback):
        self.user, self.callback = user, callback
        self.address = None
        self.reading = self.is_open = False
        self.error = None
        self.messages = queue.Queue()
        self.reader = threading.Thread(target=self.run, daemon=True)

    # ---- opening

    @property
    def bind_addr(self):
        return self.address or super().bind_addr

    def connect(self):
        if self.unix_socket_path:
            super().connect()
        else:
            self.connect_to_any()
        self.is_open = self.reading = True
        self.user.tell("socket_open")
        self.reader.start()

    def connect_to_any(self):
        """The addresses of the host in turn."""
        scheme, problem = self.scheme, None
        self.drop_socket()  # ws4py has made one without asking which address answers
        for family, kind, protocol, _, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            self.sock, self.address = socket.socket(family, kind, protocol), address
            try:
                self.sock.settimeout(timeout_of() or CONNECT_SECONDS)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if scheme == "wss":
                    self.sock = self.secured(self.sock)
                    self.scheme = "ws"  # it needn't be wrapped again
                super().connect()
                self.sock.settimeout(None)
                return
            except OSError as error:
                self.drop_socket()
                problem = error
            except BaseException:
                self.drop_socket()
                raise
            finally:
                self.scheme = scheme
        problem.filename = self.url  # what is shown behind its words
        raise problem

    def drop_socket(self):
        if self.sock:
            self.sock.close()
        self.sock = None

    def secured(self, plain):
        """By a context: later Pythons have nothing else, and ws4py knows no other way than theirs."""
        context = ssl.create_default_context(cafile=os.environ.get("LOADS_CA_FILE"))
        if os.environ.get("LOADS_INSECURE"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self._is_secure = True
        return context.wrap_socket(plain, server_hostname=self.host)

    def handshake_ok(self):
        """The reader is started when connect() is through with the socket."""

    def process(self, data):
        if self.reading:
            return super().process(data)
        self.buf += data  # it came with the handshake; the reader begins with it
        return True

    # ---- messages

    def received_message(self, message):
        kept = Message(message)
        self.user.tell("socket_message", size=len(message.data))
        try:
            super().received_message(message)
            if self.callback is not None:
                self.callback(kept)
        except Exception as error:  # it is the test's, and raised where that waits
            self.error = self.error or error
        self.messages.put(kept)

    def receive(self, timeout=None):
        """The next message, for which the callback was called before; None: the socket is closed. TimeoutError
        after so many seconds, by default those of --timeout."""
        timeout = timeout_of() if timeout is None else timeout
        try:
            message = self.messages.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError(f"no message came from {self.url} for {timeout:g} seconds") from None
        if message is END:
            self.messages.put(END)  # for the next one who asks
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return None if message is END else message

    # ---- the end

    def unhandled_error(self, error):
        """The connection broke: closed() tells."""

    def closed(self, code, reason=None):
        self.count_close()
        try:
            super().closed(code, reason)
        finally:
            self.messages.put(END)

    def count_close(self):
        if self.is_open:
            self.is_open = False
            self.user.tell("socket_close")

    def begin_closing(self):
        try:
            self.close()
        except (OSError, RuntimeError):
            pass  # it is closed

    def finish_closing(self):
        """A server that doesn't close is left alone."""
        self.reader.join(CLOSE_SECONDS)
        if self.reader.is_alive():
            self.close_connection()
            self.reader.join(CLOSE_SECONDS)
        self.count_close()


def timeout_of():
    return float(os.environ["LOADS_TIMEOUT"]) if "LOADS_TIMEOUT" in os.environ else None


def connect(user, url, protocols=None, callback=None, extensions=None, klass=None):
    base = klass or WebSocketBaseClient
    made = type(base.__name__, (Socket, base), {})(url, protocols=protocols, extensions=extensions)
    made.prepare(user, callback)
    made.connect()
    return made
