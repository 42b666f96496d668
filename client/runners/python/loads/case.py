# SPDX-License-Identifier: MPL-2.0
"""Tests for Loads, which are unit tests for everybody else."""

import unittest

from loads.user import User


class TestCase(unittest.TestCase):
    """A unittest.TestCase with a virtual user's session, application and web sockets.

    Loads makes one instance per user and runs its tests again and again: session and cookies, and whatever
    a test puts into `self`, live as long as the user.
    """

    #: What `app` talks to; --server-url replaces it.
    server_url = None

    _user = None

    @property
    def user(self):
        """The virtual user: `number`, from 1, and `hit`, which execution of the test this is."""
        if self._user is None:
            self._user = User()
            self._own_user = True
        return self._user

    @property
    def session(self):
        """A requests.Session each of whose exchanges is a hit."""
        return self.user.session

    @property
    def app(self):
        """A webtest.TestApp on `server_url`, which may also be set as `app.server_url`."""
        return self.user.app(self.server_url)

    def create_ws(self, url, protocols=None, callback=None, extensions=None, klass=None):
        """A web socket, opened: a ws4py client with receive(), which returns the next message. The callback
        gets each message before receive() does. What the test leaves open is closed at its end."""
        return self.user.create_ws(url, protocols=protocols, callback=callback, extensions=extensions,
                                   klass=klass)

    def incr_counter(self, name):
        """One more for the counter of that name, which is shown at the end of the run."""
        self.user.tell("incr_counter", name=name)

    def run(self, result=None):
        try:
            return super().run(result)
        finally:
            if self._user is not None:
                self._user.close_sockets()
                if getattr(self, "_own_user", False):
                    self._user.close()
                    self._user = None
