# SPDX-License-Identifier: MPL-2.0
"""A WebTest application that is a server elsewhere."""

import http.cookiejar
import urllib.parse

import webtest
from wsgiproxy import HostProxy

from loads.session import Session

# What is between two hosts only, or no longer true of a body that was decoded.
DROPPED = {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade",
           "content-encoding", "content-length"}


class Client:
    """Sends what the proxy is given, for a user. Cookies are the application's own business."""

    def __init__(self, user):
        self.session = Session(user)
        self.session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))

    def __call__(self, url, method, body, headers):
        headers.pop("Transfer-Encoding", None)
        size = int(headers.pop("Content-Length", None) or 0)
        response = self.session.request(method, url, headers=headers, data=body.read(size) if size else None,
                                        allow_redirects=False)
        kept = [(name.title(), value) for name, value in response.raw.headers.items()
                if name.lower() not in DROPPED]
        if method != "HEAD":
            kept.append(("Content-Length", str(len(response.content))))
        return (f"{response.status_code} {response.reason or 'Unknown'}", response.headers.get("Location"), kept,
                [response.content])


class Proxy(HostProxy):
    """One that doesn't make an answer of its own of an error."""

    def process_request(self, *arguments):
        try:
            return super().process_request(*arguments)
        except Exception as error:
            self.error = error
            raise

    def __call__(self, environ, start_response):
        self.error = None
        self.logger.disabled = True
        answer = super().__call__(environ, start_response)
        if self.error is not None:
            raise self.error
        return answer


class App(webtest.TestApp):
    """`server_url` may be set at any time."""

    def __init__(self, user, server_url):
        self.client = Client(user)
        self._server_url = None
        super().__init__(None, lint=False)  # its rules are WSGI's, not a server's
        self.server_url = server_url

    @property
    def server_url(self):
        return self._server_url

    @server_url.setter
    def server_url(self, url):
        self._server_url = url
        if url is None:
            self.app = no_server
            return
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"server_url: '{url}' is not a URL such as http://localhost:8000")
        self.app = Proxy(url, client=self.client)
        self.extra_environ = {"HTTP_HOST": parts.netloc.rpartition("@")[2], "wsgi.url_scheme": parts.scheme}

    def close(self):
        self.client.session.close()


def no_server(environ, start_response):
    raise ValueError("which server? Give --server-url, or set server_url in the class")
