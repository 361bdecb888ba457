"""The same federation by everybody: a bare PyTorch loop, Flower unsealed, and `sahakar simulate` in the clear and
sealed. Writes what it measured as JSON; `results.py` makes the table.

CPU time is compared: wall time says more about what else runs on the machine. Each run is repeated, contestants in
turn, and the run with the least CPU time counts, as disturbances only ever add.
"""

import argparse
from pathlib import Path

import contestants
import results
import workload

ROUNDS = {"mlp": 10, "mcmahan-cnn": 2}
REPETITIONS = {"mlp": 3, "mcmahan-cnn": 1}
SEED = 42
ALPHA = 0.5
OWN = {
    "own loop": ["--seal", "none", "--value", "none"],
    "own loop, valued": ["--seal", "none", "--value", "probe"],
    "sealed, mpc": ["--seal", "mpc"],
    "sealed, mpc-verified": ["--seal", "mpc-verified"],
    "sealed, fhe": ["--seal", "fhe"],
}
NAMES = ["PyTorch loop", "Flower", *OWN]
DEFAULT = [name for name in NAMES if name != "sealed, mpc-verified"]


def run(name, model, rounds, options):
    """One run of a contestant."""
    partition = options.folder / "partition.json"
    if name in OWN:
        arguments = [
            *("--dataset", "fashion-mnist", "--data-dir", options.data_dir, "--partition", partition),
            *("--clients", workload.CLIENTS, "--model", model, "--rounds", rounds),
            *("--batch", workload.BATCH, "--lr", workload.RATE, "--local-epochs", 1, "--threads", 1),
            *OWN[name],
        ]
        return contestants.sahakar(options.binary, arguments, options.folder)
    script = {"PyTorch loop": "torch_loop.py", "Flower": "flower_run.py"}[name]
    arguments = [model, options.data_dir, partition, rounds]
    return contestants.python(script, arguments, rounds * workload.CLIENTS, options.folder)


def measure_model(model, options):
    """The best run of each contestant by name."""
    rounds = options.rounds or ROUNDS[model]
    best = {}
    for repetition in range(options.repetitions or REPETITIONS[model]):
        for name in options.only:
            print(f"{model}, repetition {repetition + 1}: {name} …", flush=True)
            try:
                taken = run(name, model, rounds, options)
            except RuntimeError as error:
                print(f"  failed: {error}", flush=True)
                continue
            print(f"  {taken['cpu']:.1f} CPU s, {taken['wall']:.1f} s, accuracy {taken['accuracy'][-1]:.4f}", flush=True)
            runs = best.get(name, {}).get("cpu_runs", []) + [taken["cpu"]]
            if taken["cpu"] == min(runs):
                best[name] = taken
            best[name]["cpu_runs"] = runs
    return {"rounds": rounds, "runs": best}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True, help="sahakar")
    parser.add_argument("--data-dir", type=Path, required=True, help="with the four files of Fashion-MNIST")
    parser.add_argument("--folder", type=Path, required=True, help="for what is measured")
    parser.add_argument("--models", nargs="+", choices=list(ROUNDS), default=list(ROUNDS))
    parser.add_argument("--only", nargs="+", choices=NAMES, default=DEFAULT, help="contestants")
    parser.add_argument("--rounds", type=int, help="for a trial")
    parser.add_argument("--repetitions", type=int)
    options = parser.parse_args()
    classes = workload.labels(options.data_dir)
    workload.write_partition(
        options.folder / "partition.json", workload.deal(classes, workload.CLIENTS, ALPHA, SEED)
    )
    machine, before = contestants.machine()
    measured = {"machine": machine, "load_before": before, "models": {}}
    for model in options.models:
        measured["models"][model] = measure_model(model, options)
        measured["load_after"] = contestants.machine()[1]
        results.write(options.folder, "federations", measured, trial=options.rounds is not None)


if __name__ == "__main__":
    main()
