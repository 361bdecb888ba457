"""Runs `sahakar simulate` for the rows of a published table and writes REPRODUCTION.md. Standard library only.

May be stopped and started again: a run whose report lies there is skipped, one that was stopped goes on from its last
round. With a budget it stops by itself and reports what there is.
"""

import argparse
import gzip
import hashlib
import json
import os
import random
import shlex
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import published

FILE = Path(__file__).parents[2] / "REPRODUCTION.md"
MARK = "<!-- made by reproduction/run.py from here on -->"
OPENING = "# A published table, reproduced\n\n"
TITLES = {
    "strategies": "Server optimisers",
    "byzantine": "Byzantine contributors (normal noise)",
    "labelflip": "Labels turned into class 2",
}
ROWS_MIN = 10  # of a part, Flower's default
TRAINING_SHARE = 0.8
SEEDS_MIN = 3  # below them nothing is said to agree
DEVIATIONS_MAX = 2.0
PATIENCE_SECONDS = 2.0


def labels(folder):
    """Labels of the training images, in order."""
    with gzip.open(folder / "train-labels-idx1-ubyte.gz", "rb") as file:
        return file.read()[8:]


def deal(classes, dealing, rng):
    """Rows of each contributor, of which 80 % are trained on."""
    while True:
        parts = [[] for _ in range(published.CLIENTS)]
        if dealing == published.IID:
            rows = rng.sample(range(len(classes)), len(classes))
            parts = [rows[index :: published.CLIENTS] for index in range(published.CLIENTS)]
        else:
            for label in sorted(set(classes)):
                deal_class([row for row, of in enumerate(classes) if of == label], float(dealing), parts, rng)
        if min(map(len, parts)) >= ROWS_MIN:
            return [sorted(rng.sample(part, int(TRAINING_SHARE * len(part)))) for part in parts]


def deal_class(rows, alpha, parts, rng):
    """Deals the rows of a class in shares drawn from Dirichlet(α)."""
    rng.shuffle(rows)
    draws = [rng.gammavariate(alpha, 1.0) for _ in parts]
    cuts, so_far = [0], 0.0
    for draw in draws:
        so_far += draw
        cuts.append(round(so_far / sum(draws) * len(rows)))
    for part, begin, end in zip(parts, cuts, cuts[1:]):
        part.extend(rows[begin:end])


class Runs:
    """The runs of all rows and seeds, and where their reports lie."""

    def __init__(self, options):
        self.options = options
        self.deadline = time.monotonic() + 3600 * options.hours if options.hours else None
        self.running, self.done = set(), 0
        (options.folder / "reports").mkdir(parents=True, exist_ok=True)

    def partition(self, dealing, seed):
        """The file that says who has which rows."""
        path = self.options.folder / f"partition-{dealing}-{seed}.json"
        if not path.exists():
            parts = deal(labels(self.options.data_dir), dealing, random.Random(f"{dealing} {seed}"))
            written = path.with_suffix(f".{os.getpid()}")
            written.write_text(json.dumps(parts))
            written.replace(path)
        return path

    def settings(self, row, seed):
        """What decides a run's outcome, but for the partition's file."""
        rounds = ("--rounds", str(self.options.rounds), "--seed", str(seed))
        return [*published.COMMON, *rounds, *row.arguments, *self.options.extra]

    def report(self, row, seed):
        """Where the report lies."""
        text = "\0".join([row.dealing, *self.settings(row, seed)])
        name = f"{row.table}-{row.dealing}-{row.attackers}-{row.name.replace(' ', '-')}-seed{seed}"
        return self.options.folder / "reports" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"

    def accuracy(self, row, seed):
        """Test accuracy after the last round; none if it has not run."""
        path = self.report(row, seed)
        if not path.exists():
            return None
        return json.loads(path.read_text())["rounds"][-1]["test_accuracy"]

    def run(self, row, seed):
        """Runs one, unless there is its report or no time left."""
        path = self.report(row, seed)
        if path.exists() or self.late():
            return
        unfinished, checkpoint = path.with_suffix(".unfinished"), path.with_suffix(".checkpoint")
        files = ["--data-dir", self.options.data_dir, "--partition", self.partition(row.dealing, seed)]
        command = [self.options.binary, "simulate", *self.settings(row, seed), *files]
        command += ["--report", unfinished, "--checkpoint", checkpoint]
        began = time.monotonic()
        with open(path.with_suffix(".log"), "w") as log:
            process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, env=environment())
            while process.poll() is None and not self.late():
                time.sleep(PATIENCE_SECONDS)
            if process.poll() is None:
                process.terminate()  # the checkpoint keeps what it has
                process.wait()
                return
        if process.returncode or len(json.loads(unfinished.read_text())["rounds"]) != self.options.rounds:
            print(f"FAILED: {' '.join(map(str, command))}; see {path.with_suffix('.log')}", flush=True)
            return
        unfinished.replace(path)
        checkpoint.unlink(missing_ok=True)
        path.with_suffix(".log").unlink()
        print(
            f"{row.table}, {row.title()}, {row.name}, seed {seed}: {self.accuracy(row, seed):.4f} (published "
            f"{row.mean:.3f} ± {row.deviation:.3f}), {time.monotonic() - began:.0f} s",
            flush=True,
        )

    def late(self):
        """Whether the budget is spent."""
        return self.deadline is not None and time.monotonic() > self.deadline


def environment():
    """One thread each."""
    return {**os.environ, "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def order(rows, seeds):
    """Strategies with all seeds first, then one seed of everything after the other."""
    first = [(row, seed) for seed in seeds for row in rows if row.table == "strategies"]
    return first + [(row, seed) for seed in seeds for row in rows if row.table != "strategies"]


def written(text):
    """Rows of an earlier report by table, title and name: reports of runs are large and do not outlive their machine."""
    found, table = {}, None
    for line in text.splitlines():
        if line.startswith("## "):
            table = next((name for name, title in TITLES.items() if line == f"## {title}"), None)
        elif table and line.startswith("| ") and not line.startswith("| rows"):
            line = [cell.strip() for cell in line.strip("|").split(" | ")]
            found[table, line[0], line[1]] = line
    return found


AGREES = {"agrees": True, "**does not**": False}


def cells(row, runs, seeds, before):
    """A row of the report, and whether it agrees; none if nothing can be said yet."""
    found = [accuracy for accuracy in (runs.accuracy(row, seed) for seed in seeds) if accuracy is not None]
    if before and len(found) < int(before[4]):
        return before, AGREES.get(before[6])  # what more seeds said stays
    theirs = f"{row.mean:.3f} ± {row.deviation:.3f}"
    if not found:
        return [row.title(), row.name, theirs, "–", "0", "–", "not run"], None
    mean = statistics.fmean(found)
    spread = f" ± {statistics.stdev(found):.3f}" if len(found) > 1 else ""
    off = (mean - row.mean) / row.deviation
    agrees = abs(off) <= DEVIATIONS_MAX if len(found) >= SEEDS_MIN else None
    said = {True: "agrees", False: "**does not**", None: "too few seeds"}[agrees]
    return [row.title(), row.name, theirs, f"{mean:.3f}{spread}", str(len(found)), f"{off:+.1f}", said], agrees


def write(rows, runs, options):
    """REPRODUCTION.md: what people wrote above the mark stays."""
    file = FILE if options.rounds == published.ROUNDS else options.folder / FILE.name  # a trial changes nothing
    old = file.read_text() if file.exists() else OPENING
    before = written(old)
    blocks = [f"{date.today()}, seeds {' '.join(map(str, options.seeds))}; {options.rounds} rounds."]
    counts = {True: 0, False: 0, None: 0}
    for table, title in TITLES.items():
        lines = ["| rows | strategy or rule | published | here | seeds | off by, in its sd | |", "|---|---|---:|---:|---:|---:|---|"]
        for row in (row for row in rows if row.table == table):
            line, agrees = cells(row, runs, options.seeds, before.get((table, row.title(), row.name)))
            counts[agrees] += 1
            lines.append("| " + " | ".join(line) + " |")
        blocks += [f"## {title}", "\n".join(lines)]
    blocks.insert(1, f"Within {DEVIATIONS_MAX:.0f} published standard deviations: {counts[True]} of {len(rows)} rows; outside: "
                     f"{counts[False]}; not run, or with fewer than {SEEDS_MIN} seeds: {counts[None]}.")
    blocks += ["## Settings", published.AS_SOURCE, "Not as in the source:"]
    passed = " ".join(options.extra)
    blocks.append("\n".join(f"- {text}" for flag, text in published.DEVIATIONS if not flag or flag not in passed))
    if passed:
        blocks.append(f"Passed on besides: `{passed}`.")
    file.write_text(old.split(MARK)[0] + MARK + "\n\n" + "\n\n".join(blocks) + "\n")
    print(f"{counts[True]} rows agree, {counts[False]} do not, {counts[None]} are open; see {file}", flush=True)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True, help="sahakar")
    parser.add_argument("--data-dir", type=Path, required=True, help="with the four files of Fashion-MNIST")
    parser.add_argument("--folder", type=Path, required=True, help="for partitions, reports and checkpoints")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--hours", type=float, help="stop after so many, and report")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="so many runs at a time")
    parser.add_argument("--tables", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--rows", nargs="+", help='of the tables only rows of this title, such as "IID, 2/10"')
    parser.add_argument("--rounds", type=int, default=published.ROUNDS, help="fewer for a trial")
    parser.add_argument("--extra", type=shlex.split, default=[], help="passed on to `sahakar simulate`, in one string")
    parser.add_argument("--collect", action="store_true", help="run nothing, report what there is")
    return parser.parse_args()


def main():
    options = arguments()
    runs, rows = Runs(options), published.rows()
    wanted = [row for row in rows if row.table in options.tables and row.title() in (options.rows or [row.title()])]
    queue = order(wanted, options.seeds)
    missing = [task for task in queue if not runs.report(*task).exists()]
    print(f"{len(queue)} runs, {len(missing)} of them still to do, {options.processes} at a time", flush=True)
    try:
        if not options.collect:
            with ThreadPoolExecutor(options.processes) as pool:
                list(pool.map(lambda task: runs.run(*task), missing))
    finally:
        write(rows, runs, options)


if __name__ == "__main__":
    sys.exit(main())
