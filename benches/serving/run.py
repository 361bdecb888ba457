#!/usr/bin/env python3
"""Requests per second of a paid prediction beside those of a handler that does the forward pass alone.

usage: run.py SERVING [--seconds N] [--connections N …] [--rows N] [--soak SECONDS]

SERVING is the built example (`cargo build --release -p web-api --example serving`). Needs `wrk` (Debian: wrk). Both
handlers are in one process on one machine, driven one after the other, three times each; the medians are printed.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

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


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("serving")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--soak", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [args.serving, os.path.join(folder, "ledger"), str(args.rows)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        try:
            started = json.loads(server.stdout.readline())
            script = os.path.join(folder, "post.lua")
            with open(script, "w", encoding="utf-8") as file:
                file.write(LUA.format(body=lua_text(started["body"]), key=started["key"]))
            print("| connections | bare req/s | p50 ms | p99 ms | paid req/s | p50 ms | p99 ms | ratio |")
            print("|---:|---:|---:|---:|---:|---:|---:|---:|")
            for connections in args.connections:
                compare(started, script, connections, args.seconds)
            if args.soak:
                soak(started, script, args.soak)
        finally:
            server.stdin.close()
            server.wait(timeout=30)


def compare(started, script, connections, seconds):
    runs = {"bare": [], "paid": []}
    for _ in range(3):
        for kind, results in runs.items():
            results.append(drive(started[kind], script, connections, seconds))
    medians = {
        kind: [statistics.median(run[column] for run in results) for column in range(3)]
        for kind, results in runs.items()
    }
    cells = [f"{value:.1f}" if index % 3 else f"{value:.0f}"
             for kind in ("bare", "paid") for index, value in enumerate(medians[kind])]
    ratio = medians["paid"][0] / medians["bare"][0]
    print(f"| {connections} | {' | '.join(cells)} | {ratio:.2f} |", flush=True)


def soak(started, script, seconds):
    total, parts = 0, 10
    print(f"\nmemory over {seconds} s of paid predictions, MiB after so many:")
    for _ in range(parts):
        total += drive(started["paid"], script, 64, max(1, seconds // parts))[3]
        print(f"  {total}: {resident_mib(started['pid']):.1f}", flush=True)


if __name__ == "__main__":
    main()
