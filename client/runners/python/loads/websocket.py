# SPDX-License-Identifier: MPL-2.0
"""Web sockets that look blocking, on ws4py."""

import os
import queue
import ssl
import threading

from ws4py.client.threadedclient import WebSocketClient

CLOSE_SECONDS = 5
END = object()


class Message:
    """`data` is text or bytes, as it was sent."""

    def __init__(self, message):
        self.is_binary = message.is_binary
        self.is_text = message.is_text
        self.data = bytes(message.data) if message.is_binary else bytes(message.data).decode()

    def __len__(self):
        return len(self.data)

    def __str__(self):
        return str(self.data)


class Socket:
    """Goes in front of a client class of ws4py's."""

    def prepare(self, user, callback):
        self.user = user
        self.callback = callback
        self.messages = queue.Queue()
        self.is_open = False
        self.over = threading.Event()
        self.error = None

    def handshake_ok(self):
        self.is_open = True
        self.user.tell("socket_open")
        super().handshake_ok()

    def received_message(self, message):
        kept = Message(message)
        self.user.tell("socket_message", size=len(message.data))
        super().received_message(message)
        if self.callback is not None:
            try:
                self.callback(kept)
            except Exception as error:
                self.error = error
        self.messages.put(kept)

    def closed(self, code, reason=None):
        if self.is_open:
            self.is_open = False
            self.user.tell("socket_close")
        super().closed(code, reason)
        self.messages.put(END)
        self.over.set()

    def receive(self, timeout=None):
        """The next message, for which the callback was called before; None: the socket is closed. TimeoutError
        after so many seconds, by default those of --timeout."""
        if timeout is None and "LOADS_TIMEOUT" in os.environ:
            timeout = float(os.environ["LOADS_TIMEOUT"])
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

    def close_and_wait(self):
        """Nothing of it is left afterwards. A server that doesn't answer is left alone."""
        if self.over.is_set() or not self.is_open:
            return
        try:
            self.close()
        except (OSError, RuntimeError):
            pass  # it is on its way out
        if not self.over.wait(CLOSE_SECONDS):
            self.close_connection()
            self.over.wait(CLOSE_SECONDS)


def connect(user, url, protocols=None, callback=None, extensions=None, klass=None):
    base = klass or WebSocketClient
    options = {"cert_reqs": ssl.CERT_REQUIRED}
    if os.environ.get("LOADS_INSECURE"):
        options = {"cert_reqs": ssl.CERT_NONE}
    elif os.environ.get("LOADS_CA_FILE"):
        options["ca_certs"] = os.environ["LOADS_CA_FILE"]
    else:
        options["ca_certs"] = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    made = type(f"Loads{base.__name__}", (Socket, base), {})
    socket = made(url, protocols=protocols, extensions=extensions, ssl_options=options)
    socket.prepare(user, callback)
    try:
        socket.connect()
    except Exception:
        socket.close_connection()
        raise
    return socket
