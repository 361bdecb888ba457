#!/usr/bin/env python3
"""Requests per second of a paid prediction beside those of a handler that does the forward pass alone.

usage: run.py SERVING [--seconds N] [--connections N …] [--rows N]
       run.py SERVING --soak REQUESTS [--folder DIR] [--seconds N]

SERVING is the built example (`cargo build --release --workspace --example serving`). Needs `wrk` (Debian: wrk). Both
handlers are in one process on one machine, driven one after the other, three times each; the medians are printed, with the
processor time of the process for each request.

With --soak only paid predictions are made, so many, in parts of --seconds, with the memory after each; in --folder the ledger and
the count stay, and the next run with it goes on. Exit code 1: memory grew beyond the bounds in soak.py.
"""

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

from soak import soak

LUA = """
wrk.method = "POST"
wrk.body = {body}
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {key}"
local bad = 0
response = function(status) if status ~= 200 then bad = bad + 1; if bad < 3 then print("status " .. status) end end end
"""


def lua_text(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def drive(url, script, connections, seconds):
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, url],
        check=True, capture_output=True, text=True,
    ).stdout
    if "status " in out or "Non-2xx" in out:
        sys.exit(f"{url} refused requests:\n{out}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    requests = int(re.search(r"(\d+) requests in", out)[1])
    return rate, milliseconds(out, "50%"), milliseconds(out, "99%"), requests


def milliseconds(out, percentile):
    value, unit = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)", out).groups()
    return float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def cpu_seconds(pid):
    """User and system time of the process and its threads, in seconds (proc(5), fields 14 and 15)."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return [int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:13]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("serving")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--soak", type=int, default=0, metavar="REQUESTS")
    parser.add_argument("--folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        script = os.path.join(scratch, "post.lua")

        @contextlib.contextmanager
        def serve(ledger):
            with started(args, ledger) as node:
                with open(script, "w", encoding="utf-8") as file:
                    file.write(LUA.format(body=lua_text(node["body"]), key=node["key"]))
                yield node

        def drive_paid(url, _node, connections, seconds):
            return drive(url, script, connections, seconds)

        if args.soak:
            sys.exit(0 if soak(serve, drive_paid, args.folder or scratch, args.soak, args.seconds) else 1)
        with serve(os.path.join(scratch, "ledger")) as node:
            print("| connections | bare req/s | p50 ms | p99 ms | CPU µs | paid req/s | p50 ms | p99 ms | CPU µs | ratio | by CPU |")
            print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
            for connections in args.connections:
                compare(node, script, connections, args.seconds)


@contextlib.contextmanager
def started(args, ledger):
    """The built example over a ledger; ended, and waited for, at the end."""
    server = subprocess.Popen(
        [args.serving, ledger, str(args.rows)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        line = server.stdout.readline()
        if not line:
            sys.exit(f"{args.serving} ended before it served")
        yield json.loads(line)
    finally:
        server.stdin.close()
        server.wait(timeout=60)


def compare(started, script, connections, seconds):
    runs = {"bare": [], "paid": []}
    for _ in range(3):
        for kind, results in runs.items():
            before = sum(cpu_seconds(started["pid"]))
            rate, p50, p99, requests = drive(started[kind], script, connections, seconds)
            used = sum(cpu_seconds(started["pid"])) - before
            results.append((rate, p50, p99, 1e6 * used / max(1, requests)))
    medians = {
        kind: [statistics.median(run[column] for run in results) for column in range(4)]
        for kind, results in runs.items()
    }
    cells = [f"{value:.1f}" if index % 4 else f"{value:.0f}"
             for kind in ("bare", "paid") for index, value in enumerate(medians[kind])]
    ratio = medians["paid"][0] / medians["bare"][0]
    by_cpu = medians["bare"][3] / medians["paid"][3]
    print(f"| {connections} | {' | '.join(cells)} | {ratio:.2f} | {by_cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
