# SPDX-License-Identifier: MPL-2.0
"""Intervals as docs/protocol.md describes them, written from that page."""


def varint(number):
    bytes_ = b""
    while number >= 0x80:
        bytes_ += bytes([number & 0x7F | 0x80])
        number >>= 7
    return bytes_ + bytes([number])


def bucket(latency):
    e = max(0, latency.bit_length() - 10)
    return e * 512 + (latency >> e)


def _ascending(entries):
    """(gap, entry) of each (id, entry)."""
    expected = 0
    for number, entry in sorted(entries):
        yield number - expected, entry
        expected = number + 1


def _zigzag(number):
    return number * 2 if number >= 0 else -number * 2 - 1


def encode(series=(), errors=(), counters=(), tests=(), second=0, seconds=1):
    """series: (id, [latency, …], errors, sent, received); errors, counters: (id, count);
    tests: (id, success, failure, error, interrupted)."""
    out = [2, second, seconds, len(series)]
    for gap, (latencies, failed, sent, received) in _ascending((s[0], s[1:]) for s in series):
        counts = {}
        for latency in latencies:
            counts[bucket(latency)] = counts.get(bucket(latency), 0) + 1
        out += [gap, failed, sent, received, len(counts)]
        if counts:
            out += [min(latencies), max(latencies) - min(latencies), sum(latencies)]
            first, *others = sorted(counts)
            out += [counts[first] - 1]
            for previous, number in zip([first, *others], others):
                out += [number - previous - 1, counts[number] - 1]
    for entries in (errors, counters):
        out += [len(entries)]
        for gap, count in _ascending(entries):
            out += [gap, _zigzag(count)]
    out += [len(tests)]
    for gap, outcomes in _ascending((t[0], t[1:]) for t in tests):
        out += [gap, *outcomes]
    out += [0]  # no timers
    return b"".join(map(varint, out))


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        value, shift = 0, 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    def signed(self):
        value = self.number()
        return value // 2 if value % 2 == 0 else -(value + 1) // 2

    def ids(self, count):
        expected = 0
        for _ in range(count):
            number = expected + self.number()
            expected = number + 1
            yield number

    def histogram(self):
        found = {"buckets": {}}
        buckets = self.number()
        if buckets:
            found["min"] = self.number()
            found["max"] = found["min"] + self.number()
            found["sum"] = self.number()
            at = bucket(found["min"])
            found["buckets"][at] = self.number() + 1
            for _ in range(buckets - 1):
                at += self.number() + 1
                found["buckets"][at] = self.number() + 1
        found["hits"] = sum(found["buckets"].values())
        return found


def decode(data):
    """{"second", "seconds", "series": {id: {"hits", "errors", "sum", …}}, "errors", "counters",
    "tests", "timers": as series}."""
    reader = _Reader(data)
    assert reader.number() == 2
    found = {"second": reader.number(), "seconds": reader.number(), "series": {}, "tests": {}}
    for number in reader.ids(reader.number()):
        found["series"][number] = {"errors": reader.number(), "sent": reader.number(), "received": reader.number(),
                                   **reader.histogram()}
    for name in ("errors", "counters"):
        found[name] = {number: reader.signed() for number in reader.ids(reader.number())}
    for number in reader.ids(reader.number()):
        found["tests"][number] = [reader.number() for _ in range(4)]
    found["timers"] = {number: {"errors": reader.number(), **reader.histogram()}
                       for number in reader.ids(reader.number())}
    assert reader.at == len(data)
    return found
