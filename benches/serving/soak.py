"""Memory of a node over many paid predictions.

A node that sells remembers some bytes of each prediction for ever: that it was booked, so that it is not booked twice. So its
memory is not flat, and what has to be flat is what is beyond that: the memory of the process that served, less that of a new
process that opened the same ledger. Both are measured, and bounded:

    served  ─┬─ beyond: BEYOND_MIB at most, whatever the number of requests      a leak of the interface
             └─ opened anew ── of the growth: BYTES_MAX a request at most       what the ledger remembers
"""

import json
import os
import re
import sys
import threading
import time

# Measured by benches/ledger: 216 MB for a log of a million entries, two of which are a prediction: 432 bytes each; and as sorted
# runs are merged into one, the last merge may have left its sources with the allocator.
BYTES_MAX = 640
# Arenas of the allocator, of a thread each, and what bursts of connections left in them: 190 MiB stayed after 10 000 connections
# (web-api/tests/rest/crowd.rs), 64 are a hundred and fiftieth of that.
BEYOND_MIB = 64
# The first requests fill caches: models, SQLite's pages, threads.
WARM_UP = 0.1
CONNECTIONS = 64


def status_mib(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(rf"{field}:\s+(\d+)", file.read())[1]) / 1024


class Highest:
    """The highest resident memory while it is looked at, every half second."""

    def __init__(self, pid):
        self.pid, self.mib, self.ended = pid, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.ended.wait(0.5):
            self.mib = max(self.mib, status_mib(self.pid, "VmRSS"))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_raised):
        self.ended.set()
        self.thread.join()


def disk_mib(folder):
    sizes = (os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)
    return sum(sizes) / 2**20


def soak(serve, drive, folder, wanted, seconds):
    """Drives a node until `wanted` predictions were sold, those of runs before in this folder included.

    serve -- a context of a started node over a ledger's folder: its line of JSON
    drive -- (url, node, connections, seconds) to (rate, p50, p99, requests)
    """
    os.makedirs(folder, exist_ok=True)
    ledger, log = os.path.join(folder, "ledger"), os.path.join(folder, "soak.jsonl")
    done = sold_before(log)
    first = done
    print(f"\nmemory over {wanted} paid predictions ({done} before this run), {CONNECTIONS} connections; MiB:")
    print("| predictions | req/s | p99 ms | resident | highest | ledger on disk |\n|---:|---:|---:|---:|---:|---:|", flush=True)
    points = []
    with serve(ledger) as node, open(log, "a", encoding="utf-8") as kept:
        pid = node["pid"]
        while done < wanted:
            with Highest(pid) as highest:
                rate, _, p99, requests = drive(node["paid"], node, CONNECTIONS, seconds)
            if requests == 0:
                sys.exit("no request was answered: the node is stuck")
            done += requests
            resident = status_mib(pid, "VmRSS")
            points.append((done, resident))
            point = {"predictions": done, "rate": rate, "p99_ms": p99, "resident_mib": resident, "time": time.time(), "pid": pid}
            kept.write(json.dumps(point) + "\n")
            kept.flush()
            print(f"| {done} | {rate:.0f} | {p99:.0f} | {resident:.1f} | {max(highest.mib, resident):.1f} | {disk_mib(ledger):.0f} |", flush=True)
        # Connections are closed by now; what is left is what is kept.
        time.sleep(2)
        served = status_mib(pid, "VmRSS")
    with serve(ledger) as node:
        opened = status_mib(node["pid"], "VmRSS")
    return judged(points, (first, done), (served, opened))


def sold_before(log):
    try:
        with open(log, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return 0
    return json.loads(lines[-1])["predictions"] if lines else 0


def judged(points, span, memory):
    """Prints what was found, and says whether it is within the bounds."""
    (first, done), (served, opened) = span, memory
    warm = [point for point in points if point[0] >= first + WARM_UP * (done - first)]
    beyond = served - opened
    print(f"\nserved {served:.1f} MiB, the same ledger opened anew {opened:.1f} MiB: {beyond:+.1f} MiB beyond it (at most {BEYOND_MIB})")
    failed = beyond > BEYOND_MIB
    if len(warm) >= 2 and warm[-1][0] > warm[0][0]:
        growth = (warm[-1][1] - warm[0][1]) * 2**20 / (warm[-1][0] - warm[0][0])
        judged_by = " (at most {})".format(BYTES_MAX) if done - first >= 200_000 else " (too few requests to judge)"
        print(f"growth behind the first tenth: {growth:.0f} bytes a prediction{judged_by}")
        failed |= done - first >= 200_000 and growth > BYTES_MAX
    print("FAILED: memory grew beyond its bounds" if failed else "within its bounds")
    return not failed
