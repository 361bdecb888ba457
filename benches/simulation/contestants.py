"""Who takes part, how each is started, and how its start-up and its outcome are read. Standard library only."""

import json
import os
import re
import sys
from pathlib import Path

from measure import measure

HERE = Path(__file__).parent
# One thread for each process that trains; Ray would start its workers at niceness 15, which starves them as soon as
# anything else runs; nobody reports home.
ENVIRONMENT = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "RAYON")},
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "FLWR_TELEMETRY_ENABLED": "0",
    "PYTHONPATH": str(HERE.resolve()),
    "PYTHONUNBUFFERED": "1",
}
HEAD = re.compile(r"^\d+ contributors, ")  # what `sahakar simulate` says before the first round


def python(script, arguments, tasks, folder, extra=None):
    """Runs a Python contestant, in which contributors have to train `tasks` times; its figures as a dict."""
    events = Path(folder) / "events"
    events.unlink(missing_ok=True)
    env = {**os.environ, **ENVIRONMENT, "BENCH_EVENTS": str(events), **(extra or {})}
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    measured = measure(command, env)
    if measured.returncode:
        raise RuntimeError(f"{script} ended with {measured.returncode}")
    begun = list(map(float, events.read_text().split())) if events.exists() else []
    if len(begun) != tasks:
        raise RuntimeError(f"{script}: contributors trained {len(begun)} times instead of {tasks}")
    outcome = json.loads(measured.text("result ").removeprefix("result "))
    started = min(begun) - measured.started
    if "ended" in outcome:
        outcome["rounds_wall"] = outcome["ended"] - min(begun)
    return {**figures(measured), **outcome, "started": started, "first_round": measured.first("round ")}


def sahakar(binary, arguments, folder, extra=None):
    """Runs `sahakar simulate`; its figures as a dict."""
    report = Path(folder) / "report.json"
    report.unlink(missing_ok=True)
    env = {**os.environ, **ENVIRONMENT, **(extra or {})}
    command = [str(binary), "simulate", *map(str, arguments), "--report", str(report)]
    measured = measure(command, env)
    if measured.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {measured.returncode}")
    told = json.loads(report.read_text())
    started = next(at for at, text in measured.lines if HEAD.match(text))
    return {
        **figures(measured),
        "accuracy": [number["test_accuracy"] for number in told["rounds"]],
        "rounds_wall": sum(number["wall_seconds"] for number in told["rounds"]),
        "participants": [number["participants"] for number in told["rounds"]],
        "upload_bytes": told["rounds"][-1]["upload_bytes_per_contributor"],
        "parts": parts(told["rounds"]),
        "parameters": told["config"]["parameters"],
        "started": started,
        "first_round": measured.first("round "),
    }


def figures(measured):
    """What was measured, for JSON."""
    return {
        "cpu": measured.cpu,
        "cpu_seen": measured.cpu_seen,
        "wall": measured.wall,
        "rss": measured.rss,
        "pss": measured.pss,
        "processes": measured.processes,
    }


def parts(rounds):
    """Seconds of all rounds, by what they were spent on; a contributor's mean times how many took part."""

    def total(key):
        return sum((number[key] or 0.0) * number["participants"] for number in rounds)

    aggregate = sum(number["aggregate_seconds"] or 0.0 for number in rounds)
    return {"train": total("train_seconds"), "seal": total("seal_seconds"), "aggregate": aggregate}


def machine():
    """Processor, cores and load, in a line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if "model name" in line]
    load = " ".join(Path("/proc/loadavg").read_text().split()[:3])
    return f"{models[0] if models else 'unknown processor'}, {os.cpu_count()} cores", load
