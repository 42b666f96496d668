# SPDX-License-Identifier: MPL-2.0
"""A service manager, as far as a service can tell: it listens to what it is told."""

import re
import socket
import tempfile

import pytest

SECONDS = 120


class Manager:
    """`environment` is that of its service."""

    def __init__(self, folder):
        path = f"{folder}/notify"
        self.environment = {"NOTIFY_SOCKET": path}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(SECONDS)

    def wait_for(self, pattern):
        """The next message that has such a line."""
        while not re.search(f"^{pattern}", text := self.socket.recv(8192).decode(), re.MULTILINE):
            pass
        return text

    def told(self):
        """The messages that are there and that nobody has waited for."""
        messages = []
        self.socket.setblocking(False)
        try:
            while True:
                messages.append(self.socket.recv(8192).decode())
        except BlockingIOError:
            return messages
        finally:
            self.socket.settimeout(SECONDS)


@pytest.fixture
def start_manager():
    """start_manager(): a Manager, for a service."""
    managers = []
    with tempfile.TemporaryDirectory(prefix="lm-", dir="/tmp") as folder:
        def start():
            managers.append(Manager(folder))
            return managers[-1]

        yield start
        for manager in managers:
            manager.socket.close()
