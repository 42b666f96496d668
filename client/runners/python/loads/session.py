# SPDX-License-Identifier: MPL-2.0
"""A Requests session that tells of every exchange: each hop of a redirect is one, and so is each step of an
authentication."""

import datetime
import os
import time

import requests
from requests.adapters import HTTPAdapter


class Adapter(HTTPAdapter):
    """Where every exchange passes. Unless it is streamed, its time ends with the answer's last byte."""

    def __init__(self, user):
        self.user = user
        super().__init__()

    def send(self, request, stream=False, **options):
        started = datetime.datetime.now(datetime.timezone.utc)
        self.user.debug.request(request)
        begun = time.perf_counter()
        try:
            response = super().send(request, stream=stream, **options)
            if not stream:
                response.content  # reads it
        except Exception as error:
            self.user.debug.no_answer(error)
            raise
        elapsed = time.perf_counter() - begun
        self.user.tell("add_hit", url=request.url, method=request.method, status=response.status_code,
                       started=started.isoformat(), elapsed=elapsed)
        self.user.debug.answer(response, elapsed)
        return response


class Session(requests.Session):
    def __init__(self, user):
        super().__init__()
        self.mount("http://", Adapter(user))
        self.mount("https://", Adapter(user))
        self.headers["User-Agent"] = f"loads {self.headers['User-Agent']}"
        self.timeout = float(os.environ["LOADS_TIMEOUT"]) if "LOADS_TIMEOUT" in os.environ else None
        self.verify = os.environ.get("LOADS_CA_FILE", True)
        if os.environ.get("LOADS_INSECURE"):
            self.verify = False
            requests.packages.urllib3.disable_warnings()

    def request(self, method, url, *arguments, **options):
        if len(arguments) < 7:  # the time of a request that says none of its own
            options.setdefault("timeout", self.timeout)
        return super().request(method, url, *arguments, **options)
