"""What a framework takes for a task, where training is next to nothing: Flower's FedAvg with clients that add a
constant against sealed rounds of `sahakar simulate` with a small model and a handful of rows each.

Wall time per task is that from the first task's beginning to the last round's end, without start-up. CPU time per task is the difference between a run and
one of a single round, over the tasks between them, so that start-up drops out as well.
"""

import argparse
import os
from pathlib import Path

import contestants
import results

PARAMETERS = 10_000  # Flower's; ours has a few more, see below
FLOWER = [(100, 5), (1000, 2)]  # clients, rounds
# 784-13-10 has 10,345 parameters: the smallest of its kind above 10,000. Logistic regression has 7,850.
SMALL_MLP = ["--model", "mlp", "--hidden", "13"]
LOGISTIC = ["--model", "logistic"]
# clients, rounds, model, seal
OWN = [
    (100, 5, SMALL_MLP, "mpc"),
    (1000, 5, SMALL_MLP, "mpc"),
    (1000, 5, LOGISTIC, "mpc"),
    (10_000, 3, SMALL_MLP, "mpc"),
]


def flower(clients, rounds, options):
    """One run of Flower, with a process on each core."""
    arguments = [clients, rounds, PARAMETERS]
    actors = {"BENCH_ACTORS": str(os.cpu_count())}
    return contestants.python("flower_trivial.py", arguments, clients * rounds, options.folder, actors)


def own(clients, rounds, model, seal, options):
    """One run of ours, on all cores."""
    arguments = [
        *("--dataset", "fashion-mnist", "--data-dir", options.data_dir, "--partition", "iid"),
        *("--clients", clients, "--rounds", rounds, *model, "--batch", 256, "--seal", seal),
        *("--threads", os.cpu_count()),
    ]
    return contestants.sahakar(options.binary, arguments, options.folder)


def compare(name, clients, rounds, run):
    """Runs with one round and with all of them; a row of the table."""
    print(f"{name}, {clients} contributors, {rounds} rounds …", flush=True)
    short, taken = run(1), run(rounds)
    tasks = clients * rounds
    if taken.get("participants", [clients] * rounds) != [clients] * rounds:
        raise RuntimeError(f"{name}: not everybody took part: {taken['participants']}")
    cpu = (taken["cpu"] - short["cpu"]) / (tasks - clients)
    row = {
        "name": name,
        "clients": clients,
        "rounds": rounds,
        "parameters": taken.get("parameters", PARAMETERS),
        "tasks_per_second": tasks / taken["rounds_wall"],
        "cpu_per_task": cpu,
        "started": taken["started"],
        "rss": taken["rss"],
        "pss": taken["pss"],
        "cpu": taken["cpu"],
        "wall": taken["wall"],
    }
    print(f"  {row['tasks_per_second']:.0f} tasks/s, {1e3 * cpu:.3f} CPU ms a task, {row['rss']:.0f} MiB", flush=True)
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
    for clients, rounds in [(50, 2)] if options.trial else FLOWER:
        rows.append(compare("Flower", clients, rounds, lambda rounds: flower(clients, rounds, options)))
    for clients, rounds, model, seal in OWN[:2] if options.trial else OWN:
        run = lambda rounds: own(clients, rounds, model, seal, options)
        rows.append(compare(f"sahakar, {seal}, {model[1]}", clients, rounds, run))
    wine = contestants.sahakar(options.binary, ["--rounds", 1], options.folder)
    measured = {
        "machine": machine,
        "load_before": before,
        "load_after": contestants.machine()[1],
        "rows": rows,
        "start_up": wine["started"],
    }
    results.write(options.folder, "throughput", measured, options.trial)


if __name__ == "__main__":
    main()
