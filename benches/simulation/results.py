"""The tables of RESULTS.md from what was measured. What people wrote above the mark stays."""

import json
from datetime import date
from pathlib import Path

FILE = Path(__file__).parent / "RESULTS.md"
MARK = "<!-- made by run.sh from here on -->"
OPENING = f"""# What a simulated federation takes

{MARK}
"""
SEALED_MAX = 1.15  # of our own loop's CPU time
FLOWER_TIMES = 100  # times Flower's tasks per second
MEMORY_MAX = 2048  # MiB, with 10,000 contributors
START_MAX = 1.0  # seconds


def write(folder, name, measured, trial):
    """Keeps what was measured, and puts its tables into RESULTS.md, where sections that were not measured now stay.

    A trial goes to files of its own in the folder, and leaves the project's RESULTS.md alone.
    """
    folder = Path(folder) / "trial" if trial else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(measured, indent=1))
    made = {"federations": federations, "throughput": throughput}[name](measured, date.today())
    file = folder / FILE.name if trial else FILE
    old = file.read_text() if file.exists() else OPENING
    told, _, before = old.partition(MARK)
    sections = {**by_title(before), **by_title(made)}
    file.write_text(told + MARK + "\n\n" + "\n\n".join(sections.values()) + "\n")
    print(f"\n{made}\n\nwritten to {file}", flush=True)


def by_title(text):
    """Sections by their title."""
    parts = ("## " + part.strip() for part in ("\n" + text).split("\n## ")[1:])
    return {part.partition("\n")[0]: part for part in parts}


def table(head, rows):
    """A table; all columns but the first are right-aligned."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def verdict(good):
    """As in other results."""
    return "reached" if good else "**missed**"


def setting(measured, day):
    """When and where it ran."""
    load = f"load {measured['load_before']} before, {measured['load_after']} after"
    return f"{day}, {measured['machine']}; {load}."


def federations(measured, day):
    """The sections on equal federations, one for each model."""
    blocks = []
    for model, of in measured["models"].items():
        blocks.append(f"## The same federation: {model}, {of['rounds']} rounds\n\n{setting(measured, day)}")
        blocks.append(taken_table(of["runs"]))
        blocks.append(parts_table(of["runs"]))
        blocks.append(figures_table(of["runs"]))
    return "\n\n".join(block for block in blocks if block)


def taken_table(runs):
    """What each contestant took."""
    head = [
        "contestant", "CPU s", "× own loop", "× PyTorch loop", "× Flower", "wall s", "start-up s", "round 1 done s",
        "peak RSS MiB", "PSS MiB", "processes", "accuracy", "CPU s of all runs",
    ]
    bases = [runs.get(name, {}).get("cpu") for name in ("own loop", "PyTorch loop", "Flower")]
    rows = [
        [
            name,
            f"{run['cpu']:.1f}",
            *(f"{run['cpu'] / base:.3f}" if base else "–" for base in bases),
            f"{run['wall']:.1f}",
            f"{run['started']:.2f}",
            f"{run['first_round']:.2f}",
            f"{run['rss']:.0f}",
            f"{run['pss']:.0f}",
            str(run["processes"]),
            f"{run['accuracy'][-1]:.4f}",
            " ".join(f"{cpu:.1f}" for cpu in run["cpu_runs"]),
        ]
        for name, run in runs.items()
    ]
    return table(head, rows)


def parts_table(runs):
    """Where our own runs spend their seconds, by their reports."""
    rows = [
        [name, *(f"{run['parts'][part]:.2f}" for part in ("train", "seal", "aggregate")), str(run["upload_bytes"])]
        for name, run in runs.items()
        if "parts" in run
    ]
    head = ["of these, s by our own clock", "training", "sealing", "aggregating", "upload B"]
    return table(head, rows) if rows else ""


def figures_table(runs):
    """The figures to reach."""
    rows = []
    for name in (name for name in runs if name.startswith("sealed")):
        for base, most in (("own loop", SEALED_MAX), ("Flower", 1.0)):
            if base in runs:
                ratio = runs[name]["cpu"] / runs[base]["cpu"]
                good = ratio <= most if base == "own loop" else ratio < most
                rows.append([f"{name} ÷ {base}, CPU", f"{ratio:.3f}", f"{most:.2f}", verdict(good)])
    return table(["figure", "measured", "to reach", ""], rows) if rows else ""


def throughput(measured, day):
    """The section on trivial training."""
    head = [
        "contestant", "contributors", "in a round", "rounds", "parameters", "tasks/s (wall)", "CPU ms a task",
        "start-up s", "peak RSS MiB", "PSS MiB", "CPU s", "wall s",
    ]
    rows = [
        [
            row["name"],
            str(row["clients"]),
            str(row["cohort"]),
            str(row["rounds"]),
            str(row["parameters"]),
            f"{row['tasks_per_second']:.0f}",
            f"{1e3 * row['cpu_per_task']:.3f}",
            f"{row['started']:.2f}",
            f"{row['rss']:.0f}",
            f"{row['pss']:.0f}",
            f"{row['cpu']:.1f}",
            f"{row['wall']:.1f}",
        ]
        for row in measured["rows"]
    ]
    blocks = [f"## Tasks with next to no training\n\n{setting(measured, day)}", table(head, rows)]
    return "\n\n".join([*blocks, throughput_figures(measured)])


def throughput_figures(measured):
    """The figures to reach: each of ours against the best of Flower's."""
    flower = [row for row in measured["rows"] if row["name"] == "Flower"]
    own = [row for row in measured["rows"] if row["name"] != "Flower"]
    wall = max((row["tasks_per_second"] for row in flower), default=None)
    cpu = min((row["cpu_per_task"] for row in flower), default=None)
    rows = []
    for row in own:
        name = f"{row['name']}, {row['clients']}"
        ratios = (("wall", row["tasks_per_second"] / wall), ("CPU", cpu / row["cpu_per_task"])) if flower else ()
        for what, times in ratios:
            text = f"{name}: tasks per {what} second ÷ Flower's best"
            rows.append([text, f"{times:.1f}", str(FLOWER_TIMES), verdict(times >= FLOWER_TIMES)])
        if row["clients"] >= 10_000:
            good = row["rss"] < MEMORY_MAX
            rows.append([f"{name}: peak RSS, MiB", f"{row['rss']:.0f}", str(MEMORY_MAX), verdict(good)])
    good = measured["start_up"] < START_MAX
    rows.append(["start-up (wine), s", f"{measured['start_up']:.2f}", f"{START_MAX:.0f}", verdict(good)])
    return table(["figure", "measured", "to reach", ""], rows)
