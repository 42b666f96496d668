# SPDX-License-Identifier: MPL-2.0
"""A virtual user: what lives longer than one execution of a test."""

import os

from loads.debug import Debug
from loads.report import Silence


class User:
    def __init__(self, number=1, report=None):
        self.number = number
        self.hit = 0  # which execution of a test is on, from 1
        self.test = None  # which one, by its FQN
        self.report = report or Silence()
        self.debug = Debug(self)
        self.sockets = []
        self._session = None
        self._app = None

    def tell(self, data_type, **keys):
        self.report.add(self, data_type, **keys)

    @property
    def session(self):
        if self._session is None:
            from loads.session import Session
            self._session = Session(self)
        return self._session

    def app(self, server_url):
        if self._app is None:
            from loads.app import App
            self._app = App(self, os.environ.get("LOADS_SERVER_URL") or server_url)
        return self._app

    def create_ws(self, url, **options):
        from loads.websocket import connect
        socket = connect(self, url, **options)
        self.sockets.append(socket)
        return socket

    def close_sockets(self):
        """What the test left open."""
        for socket in self.sockets:
            socket.begin_closing()
        while self.sockets:
            self.sockets.pop().finish_closing()

    def close(self):
        self.close_sockets()
        if self._session is not None:
            self._session.close()
        if self._app is not None:
            self._app.close()
