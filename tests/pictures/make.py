#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Makes the pictures of the guide, docs/pictures: of the page that --output html makes.

run.json beside it is the data of such a page, of a run of shop.c, so that pictures change with the page
and not with the run. Needs chromium and python3-websocket, as tests do. Look at what it made.
"""

import json
import pathlib
import struct
import sys
import tempfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAGE = ROOT / "client/outputs/html"
PICTURES = ROOT / "docs/pictures"
COLOURS = 256

sys.path.insert(0, str(ROOT / "tests/system"))
from browser import Browser  # noqa: E402  (from where tests have it)


def compose(path):
    """The page as html.c puts it together, of the data that is kept."""
    def text(name):
        return (PAGE / name).read_text(encoding="utf-8")

    data = json.dumps(json.loads((HERE / "run.json").read_text(encoding="utf-8"))).replace("<", "\\u003c")
    path.write_text(
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<style>{text('uPlot.min.css')}{text('page.css')}</style></head><body><main></main>"
        f"<script type='application/json' id='data'>{data}</script>"
        f"<script>{text('uPlot.iife.min.js')}</script><script>{text('page.js')}</script></body></html>",
        encoding="utf-8")


# ---- PNG, of fewer colours -----------------------------------------------------------------------


def chunks(data):
    at = 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8:at + 8 + size]
        at += size + 12


def pixels(data):
    """(width, rows of (red, green, blue)) of a PNG as Chromium writes them."""
    parts = list(chunks(data))
    width, height, depth, kind = struct.unpack_from(">IIBB", parts[0][1])
    assert depth == 8 and kind in (2, 6), (depth, kind)
    step = 3 if kind == 2 else 4
    raw = zlib.decompress(b"".join(part for name, part in parts if name == b"IDAT"))
    before, rows, size = bytearray(width * step), [], width * step
    for y in range(height):
        form, line = raw[y * (size + 1)], bytearray(raw[y * (size + 1) + 1:(y + 1) * (size + 1)])
        for i in range(size):
            left, up = line[i - step] if i >= step else 0, before[i]
            if form == 1:
                line[i] = (line[i] + left) & 255
            elif form == 2:
                line[i] = (line[i] + up) & 255
            elif form == 3:
                line[i] = (line[i] + (left + up) // 2) & 255
            elif form == 4:
                corner = before[i - step] if i >= step else 0
                guess = left + up - corner
                near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
                line[i] = (line[i] + near[2]) & 255
        rows.append([tuple(line[i:i + 3]) for i in range(0, size, step)])
        before = line
    return width, rows


def shrink(data):
    """The same picture with a palette: those of its colours that are most frequent, and the rest near them."""
    width, rows = pixels(data)
    count = {}
    for row in rows:
        for colour in row:
            count[colour] = count.get(colour, 0) + 1
    palette = sorted(count, key=lambda colour: (-count[colour], colour))[:COLOURS]
    number = {colour: i for i, colour in enumerate(palette)}
    for colour in count.keys() - number.keys():
        number[colour] = min(range(len(palette)),
                             key=lambda i: sum((a - b) ** 2 for a, b in zip(palette[i], colour)))

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = b"".join(b"\0" + bytes(number[colour] for colour in row) for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 8, 3, 0, 0, 0)) +
            chunk(b"PLTE", b"".join(map(bytes, palette))) + chunk(b"IDAT", zlib.compress(lines, 9)) +
            chunk(b"IEND", b""))


# ---- the pictures --------------------------------------------------------------------------------


def section(name):
    """Where a part of the page begins, from its top, and where it ends: expressions."""
    box = f"document.querySelector({json.dumps(name)}).closest('section, header, .charts').getBoundingClientRect()"
    return f"{box}.top + scrollY", f"{box}.bottom + scrollY"


def take(browser, name, width, height, first, last, dark=False):
    """From the top of one part to the end of another; None: of the page."""
    browser.look(width, height, dark=dark)
    browser.open(browser.folder / "page.html")
    assert browser.complaints() == [], browser.complaints()
    browser.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    top = max(browser.evaluate(section(first)[0]) - 12, 0) if first else 0
    bottom = browser.evaluate(section(last)[1]) + 12
    image = browser.picture({"x": 0, "y": top, "width": width, "height": bottom - top, "scale": 1})
    path = PICTURES / f"{name}.png"
    path.write_bytes(shrink(image))
    print(f"{path.relative_to(ROOT)}: {width} x {bottom - top:.0f}, {path.stat().st_size / 1024:.0f} KiB")


def main():
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(folder)
        try:
            compose(browser.folder / "page.html")
            take(browser, "html-light", 1000, 800, None, "#timeline")
            take(browser, "html-dark", 1160, 800, "#chart-distribution", "#transactions", dark=True)
            take(browser, "html-phone", 390, 844, None, "#chart-latency")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
