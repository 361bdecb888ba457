"""Prints the lines of JSON of run.sh as a table, each engine beside PyTorch."""

import json
import sys

speeds = {}
for line in open(sys.argv[1], encoding="utf-8"):
    entry = json.loads(line)
    speeds.setdefault((entry["model"], entry["what"]), {})[entry["engine"]] = entry["per_second"]

print("| model | | ours | burn (flex) | PyTorch | ours / PyTorch | burn / PyTorch |")
print("|---|---|---|---|---|---|---|")
for (model, what), by in speeds.items():
    if "torch" not in by:
        print(f"| {model} | {what} | {by['cpu']:,} | | | | |")
        continue
    torch = by["torch"]
    cells = [f"{by[engine]:,}" for engine in ("cpu", "flex", "torch")]
    ratios = [f"{by[engine] / torch:.2f}" for engine in ("cpu", "flex")]
    print("| " + " | ".join([model, what, *cells, *ratios]) + " |")
