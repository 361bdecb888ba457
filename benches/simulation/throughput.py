"""What a framework takes for a task, where training is next to nothing: Flower's FedAvg with clients that add a
constant against rounds of `sahakar simulate` with a small model and a handful of rows each.

Tasks per wall second count from the first task's beginning to the last round's end, without start-up. CPU time per
task is the difference between a run and one of a single round, over the tasks between them: start-up drops out too.
"""

import argparse
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import contestants
import results

PARAMETERS = 10_000  # Flower's; ours has a few more, see below
FLOWER = [(100, 5), (1000, 3)]  # clients, rounds
FLOWER_TRIAL = [(50, 3)]
# 784-13-10 has 10,345 parameters: the smallest of its kind above 10,000. Logistic regression has 7,850.
SMALL_MLP = ("--model", "mlp", "--hidden", "13")
LOGISTIC = ("--model", "logistic")
MPC = ("--seal", "mpc")
OPEN = ("--seal", "none", "--value", "none")


@dataclass(frozen=True)
class Own:
    """A simulation of ours."""

    name: str
    clients: int
    cohort: int  # of a round
    rounds: int
    arguments: tuple


OWN = [
    Own("sealed (mpc), MLP", 100, 100, 10, SMALL_MLP + MPC),
    Own("sealed (mpc), MLP", 1000, 1000, 5, SMALL_MLP + MPC),
    Own("sealed (mpc), logistic", 1000, 1000, 5, LOGISTIC + MPC),
    Own("sealed (mpc), MLP", 10_000, 10_000, 3, SMALL_MLP + MPC),
    Own("in the clear, MLP", 1000, 1000, 20, SMALL_MLP + OPEN),
    Own("in the clear, MLP", 10_000, 10_000, 5, SMALL_MLP + OPEN),
]


def flower(options, clients, rounds):
    """One run of Flower, with a process on each core."""
    arguments = [clients, rounds, PARAMETERS]
    actors = {"BENCH_ACTORS": str(os.cpu_count())}
    return contestants.python("flower_trivial.py", arguments, clients * rounds, options.folder, actors)


def own(options, of, rounds):
    """One run of ours, on all cores."""
    arguments = [
        *("--dataset", "fashion-mnist", "--data-dir", options.data_dir, "--partition", "iid", "--batch", 256),
        *("--clients", of.clients, "--sample", of.cohort / of.clients, "--rounds", rounds),
        *("--threads", os.cpu_count(), *of.arguments),
    ]
    return contestants.sahakar(options.binary, arguments, options.folder)


def compare(name, clients, cohort, rounds, run):
    """Runs with one round and with all of them; a row of the table, none if a run fails."""
    print(f"{name}, {cohort} of {clients} contributors in each of {rounds} rounds …", flush=True)
    try:
        short, taken = run(1), run(rounds)
    except RuntimeError as error:
        print(f"  failed: {error}", flush=True)
        return None
    if taken.get("participants", [cohort] * rounds) != [cohort] * rounds:
        print(f"  failed: not everybody took part: {taken['participants']}", flush=True)
        return None
    row = {
        "name": name,
        "clients": clients,
        "cohort": cohort,
        "rounds": rounds,
        "parameters": taken.get("parameters", PARAMETERS),
        "tasks_per_second": cohort * rounds / taken["rounds_wall"],
        "cpu_per_task": (taken["cpu"] - short["cpu"]) / (cohort * (rounds - 1)),
        **{key: taken[key] for key in ("started", "rss", "pss", "cpu", "wall")},
    }
    cpu = 1e3 * row["cpu_per_task"]
    print(f"  {row['tasks_per_second']:.0f} tasks/s, {cpu:.3f} CPU ms a task, {row['rss']:.0f} MiB", flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True, help="sahakar")
    parser.add_argument("--data-dir", type=Path, required=True, help="with the four files of Fashion-MNIST")
    parser.add_argument("--folder", type=Path, required=True, help="for what is measured")
    parser.add_argument("--trial", action="store_true", help="small numbers, to see whether it runs")
    options = parser.parse_args()
    machine, before = contestants.machine()
    rows = []
    for clients, rounds in FLOWER_TRIAL if options.trial else FLOWER:
        rows.append(compare("Flower", clients, clients, rounds, partial(flower, options, clients)))
    for of in OWN[:1] if options.trial else OWN:
        rows.append(compare(of.name, of.clients, of.cohort, of.rounds, partial(own, options, of)))
    print("start-up on wine …", flush=True)
    wine = contestants.sahakar(options.binary, ["--rounds", 1], options.folder)
    measured = {
        "machine": machine,
        "load_before": before,
        "load_after": contestants.machine()[1],
        "rows": [row for row in rows if row],
        "start_up": wine["started"],
    }
    results.write(options.folder, "throughput", measured, options.trial)


if __name__ == "__main__":
    main()
