# SPDX-License-Identifier: MPL-2.0
"""Chromium without a window, which tests tell what to do by its own protocol for tools.

Everything it keeps is in a directory of the test's; it is offline as far as pages are concerned, since
what is opened are files.
"""

import base64
import json
import pathlib
import shutil
import subprocess
import time
import urllib.request

import websocket

START_SECONDS = 60
ANSWER_SECONDS = 60


class Browser:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.log = (self.folder / "chromium.log").open("wb")
        # --no-sandbox: root may not have one, and what is opened is our own page.
        self.process = subprocess.Popen(
            [
                shutil.which("chromium") or shutil.which("chromium-browser"),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-default-apps",
                "--disable-sync",
                "--hide-scrollbars",
                "--remote-allow-origins=*",
                "--remote-debugging-port=0",
                f"--user-data-dir={self.folder / 'profile'}",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        self.connection = None
        try:
            self.connection = websocket.create_connection(self.find_page(), timeout=ANSWER_SECONDS)
        except BaseException:
            self.close()
            raise
        self.number = 0
        self.events = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.tell(f"{domain}.enable")

    def find_page(self):
        port_file = self.folder / "profile" / "DevToolsActivePort"
        deadline = time.monotonic() + START_SECONDS
        while not (port_file.exists() and "\n" in port_file.read_text()):
            assert self.process.poll() is None, (self.folder / "chromium.log").read_text(errors="replace")
            assert time.monotonic() < deadline, "chromium doesn't start"
            time.sleep(0.05)
        port = int(port_file.read_text().split()[0])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=ANSWER_SECONDS) as answer:
            pages = json.load(answer)
        return next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")

    def tell(self, method, **parameters):
        """The result of a command; events that come before it are kept."""
        self.number += 1
        self.connection.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.connection.recv())
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def evaluate(self, expression):
        answer = self.tell("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def look(self, width, height, dark=False, media="screen"):
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.tell("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, path):
        """Opens a file and waits until it is loaded, and so its program has filled it."""
        self.events.clear()
        self.tell("Page.navigate", url=pathlib.Path(path).resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads(self.connection.recv()))
        assert self.evaluate("document.documentElement.dataset.ready") == "yes", self.complaints()

    def complaints(self):
        """What the page's program or the browser found wrong, and what was asked of a network."""
        found = []
        for event in self.events:
            if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
                found.append(event["params"])
            if event["method"] == "Network.requestWillBeSent":
                url = event["params"]["request"]["url"]
                found += [] if url.startswith("file:") else [url]
        return found

    def screenshot(self, path, whole=True):
        # Twice over a frame: charts follow the width by an observer.
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        image = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        pathlib.Path(path).write_bytes(base64.b64decode(image["data"]))

    def picture(self, clip):
        """A part of the page, as a PNG's bytes: {x, y, width, height, scale}."""
        image = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(image["data"])

    def print(self, path):
        page = self.tell("Page.printToPDF", printBackground=False)
        pathlib.Path(path).write_bytes(base64.b64decode(page["data"]))

    def close(self):
        if self.connection:
            self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
