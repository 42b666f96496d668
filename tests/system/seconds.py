# SPDX-License-Identifier: MPL-2.0
"""Runs that nobody made: seconds like those of a service, in the form in which they are stored.

    made = Made(seed)
    run_id = made.run(seconds=60, slower=1.2)
    made.store(database)

Eight users ask for one of four names after the other, as fast as answers come. Latencies are
log-normal. The service has better and worse phases (each second's level depends on the one before),
stalls now and then, is slow for the first five seconds, and is somewhat faster or slower from run to
run. A few answers are bad.
"""

import json
import math
import random
import uuid

# Method, name, median in microseconds, sigma.
NAMES = (("GET", "/", 20000, 0.5), ("GET", "/list", 35000, 0.6), ("POST", "/buy", 60000, 0.4),
         ("GET", "/help", 12000, 0.7))
USERS = 8
KEPT = 0.8  # of the level of the second before
LEVEL = 0.02
STALLS = 0.03  # a second
FROM_RUN_TO_RUN = 0.01

TABLES = {
    "runs": "run_id, name, spec, agents, state, outcome, started, finished, active_usec",
    "tests": "run_id, test_id, name, successes, failures, errors, interrupted",
    "series": "run_id, series_id, test, name, method, status",
    "totals": "run_id, series_id, hits, request_errors, sum_usec, min_usec, max_usec, sent_bytes, "
              "received_bytes, buckets, counts",
    "intervals": "run_id, second, seconds, source, series_id, seq, hits, request_errors, sum_usec, min_usec, "
                 "max_usec, sent_bytes, received_bytes, buckets, counts",
    "interval_tests": "run_id, second, seconds, source, test_id, seq, successes, failures, errors, interrupted",
}


def bucket(usec):
    shift = max(0, usec.bit_length() - 10)
    return shift * 512 + (usec >> shift)


class Latencies:
    """A histogram."""

    def __init__(self):
        self.buckets = {}
        self.sum = self.hits = self.most = 0
        self.least = 3600000000

    def add(self, usec):
        self.buckets[bucket(usec)] = self.buckets.get(bucket(usec), 0) + 1
        self.sum += usec
        self.hits += 1
        self.least = min(self.least, usec)
        self.most = max(self.most, usec)

    def merge(self, other):
        for at, count in other.buckets.items():
            self.buckets[at] = self.buckets.get(at, 0) + count
        self.sum += other.sum
        self.hits += other.hits
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)

    def row(self):
        """From hits on."""
        at = sorted(self.buckets)
        counts = ",".join(str(self.buckets[one]) for one in at)
        return (self.hits, 0, self.sum, self.least, self.most, 0, 0,
                "{" + ",".join(map(str, at)) + "}", "{" + counts + "}")


class Made:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rows = {table: [] for table in TABLES}

    def second(self, slow, stalled, names, bad_share):
        """What came in a second: {(name's number, whether bad): Latencies}."""
        found = {}
        left = USERS * 1000000
        while left > 0:
            number = self.random.randrange(len(names))
            median, sigma = names[number][2:]
            usec = median * slow * math.exp(self.random.gauss(0, sigma))
            if stalled and self.random.random() < 0.2:
                usec *= 3
            usec = max(int(usec), 1)
            left -= usec
            found.setdefault((number, self.random.random() < bad_share), Latencies()).add(usec)
        return found

    def run(self, seconds=60, slower=1.0, names=NAMES, bad=0.004, state="finished", users=USERS, level=LEVEL):
        """Makes a run that is that much slower; its id."""
        run_id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        base = self.random.gauss(0, FROM_RUN_TO_RUN)
        now = self.random.gauss(0, level / math.sqrt(1 - KEPT * KEPT))
        stalled = 0
        totals = {}
        good_ones = bad_ones = 0
        for second in range(seconds):
            now = KEPT * now + self.random.gauss(0, level)
            warm_up = 1 + max(0, 5 - second) / 5
            stalled = 2 if self.random.random() < STALLS else max(0, stalled - 1)
            found = self.second(math.exp(now + base) * slower * warm_up, stalled, names, bad)
            counts = [0, 0]
            for (number, is_bad), latencies in sorted(found.items()):
                series = 1 + 2 * number + is_bad
                self.add("intervals", run_id, second, 1, 0, series, second + 1, *latencies.row())
                totals.setdefault(series, Latencies()).merge(latencies)
                counts[is_bad] += latencies.hits
            self.add("interval_tests", run_id, second, 1, 0, 1, second + 1, counts[0], 0, counts[1], 0)
            good_ones += counts[0]
            bad_ones += counts[1]
        over = state == "finished"
        spec = json.dumps({"users": [users], "duration_usec": seconds * 1000000})
        self.add("runs", run_id, "shop.Shop.buy", spec, 1, state, "passed" if over else r"\N", "2026-06-15 10:15:00+00",
                 "2026-06-15 11:15:00+00" if over else r"\N", seconds * 1000000)
        self.add("tests", run_id, 1, "Shop.buy", good_ones, 0, bad_ones, 0)
        for series, latencies in sorted(totals.items()):
            method, name = names[(series - 1) // 2][:2]
            self.add("series", run_id, series, "Shop.buy", name, method, 200 if series % 2 else 500)
            self.add("totals", run_id, series, *latencies.row())
        return run_id

    def add(self, table, *values):
        self.rows[table].append("\t".join(map(str, values)) + "\n")

    def store(self, database):
        """Puts all that was made since the last time into a database."""
        database.run("".join(f"COPY loads.{table} ({columns}) FROM STDIN;\n" + "".join(self.rows[table]) + "\\.\n"
                             for table, columns in TABLES.items()) + "ANALYZE;\n", seconds=3600)
        self.rows = {table: [] for table in TABLES}


def marked(database, pairs, seconds=3600):
    """Which of some pairs of runs have a mark anywhere."""
    asked = "".join(f"SELECT coalesce(bool_or(marked), false) FROM loads.compare('{a}'::uuid, '{b}'::uuid);\n"
                    for a, b in pairs)
    return [line == "t" for line in database.run(asked, seconds=seconds).splitlines()]
