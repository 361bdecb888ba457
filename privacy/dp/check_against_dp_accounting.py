"""Compares the accountants with Google's dp-accounting, which is no dependency of the crate.

    pip install dp-accounting
    cargo run --release -p privacy-dp --example epsilon_grid > grid.csv
    python privacy/dp/check_against_dp_accounting.py grid.csv

Exits with 1 if a PLD epsilon is off by more than 0.5 % (and 0.001), or an RDP epsilon by more than one in a million.
RDP may be smaller where dp-accounting gives up an order (its series stops after 1000 terms), but never below PLD.
"""
import csv
import logging
import sys

import dp_accounting
from dp_accounting import pld, rdp


def event(row):
    step = dp_accounting.GaussianDpEvent(float(row["noise_multiplier"]))
    q = float(row["q"])
    if q < 1:
        step = dp_accounting.PoissonSampledDpEvent(q, step)
    return dp_accounting.SelfComposedDpEvent(step, int(row["steps"]))


def main(path):
    logging.disable(logging.WARNING)
    tighter = 0
    wrong, worst = 0, {"pld": 0.0, "rdp": 0.0}
    with open(path, encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            delta = float(row["delta"])
            for name, make, relative, absolute in (
                ("rdp", rdp.RdpAccountant, 1e-6, 1e-9),
                ("pld", pld.PLDAccountant, 5e-3, 1e-3),
            ):
                ours = float(row[name])
                # A grid finer than the default 1e-4 takes it minutes at many steps.
                if name == "pld" and ours > 60:
                    continue
                # The default grid is as coarse as such losses.
                fine = {"value_discretization_interval": 1e-5} if name == "pld" and ours < 0.3 else {}
                theirs = make(**fine).compose(event(row)).get_epsilon(delta)
                off = abs(ours - theirs)
                if name == "rdp" and off > relative * theirs and float(row["pld"]) <= ours < theirs:
                    tighter += 1
                    continue
                worst[name] = max(worst[name], off / max(theirs, 0.1))
                if off > relative * theirs + absolute:
                    wrong += 1
                    print(f"{name}: {row} but dp-accounting {theirs}")
    print(f"worst relative difference: {worst}; {tighter} tighter; {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
