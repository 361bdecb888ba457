#!/usr/bin/env python3
"""Checks the report of `sahakar demo --report FILE`.

Says every claim that does not hold and exits 1; needs nothing but Python's standard library.
"""

import json
import sys

CONTRIBUTORS = 8
ACCURACY_GAP_MAX = 0.05
HONEST = "honest"
BAD_KINDS = {"inverted-labels", "noise", "replay"}


def main(path):
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    refused = []
    for check in (check_accuracy, check_contributors, check_ledger, check_market_and_vote):
        try:
            refused += check(report)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            refused.append(f"{check.__name__}: the report lacks what it reads: {error!r}")
    for line in refused:
        print(f"report: {line}", file=sys.stderr)
    if not refused:
        print(f"report: {summary(report)}")
    return 1 if refused else 0


def check_accuracy(report):
    """The federated model is at most five points below the one trained on all honest data."""
    federated, central = last_accuracies(report)
    if not (0.0 <= federated <= 1.0 and 0.0 <= central <= 1.0):
        return [f"accuracies are no fractions: {federated} and {central}"]
    if federated < central - ACCURACY_GAP_MAX:
        return [f"accuracy {federated:.4f} is over five points below the central {central:.4f}"]
    return []


def check_contributors(report):
    """Every bad contributor is paid less than every honest one."""
    contributors = report["contributors"]
    refused = []
    if len(contributors) != CONTRIBUTORS:
        refused.append(f"{len(contributors)} contributors, expected {CONTRIBUTORS}")
    honest = [c for c in contributors if c["kind"] == HONEST]
    bad = [c for c in contributors if c["kind"] != HONEST]
    kinds = sorted(c["kind"] for c in bad)
    if kinds != sorted(BAD_KINDS):
        refused.append(f"bad contributors are {kinds}, expected {sorted(BAD_KINDS)}")
    least = min(int(c["credits"]) for c in honest)
    for c in bad:
        if int(c["credits"]) >= least:
            refused.append(
                f"{c['kind']} contributor {c['id']} has {c['credits']} credits, "
                f"no less than an honest one with {least}"
            )
    if sum(int(c["credits"]) for c in contributors) <= 0:
        refused.append("nobody was paid")
    for c in contributors:
        if not c["value_low"] <= c["value"] <= c["value_high"]:
            refused.append(f"value of contributor {c['id']} lies outside its interval")
    return refused


def check_ledger(report):
    """The ledger was recomputed from its log, to the same root."""
    ledger = report["ledger"]
    refused = []
    if ledger["audit"] != "ok":
        refused.append(f"audit of the ledger says {ledger['audit']!r}")
    if int(ledger["entries"]) <= 0 or not ledger["root"]:
        refused.append("the ledger is empty")
    return refused


def check_market_and_vote(report):
    """One prediction was sold and one proposal decided."""
    return [f"the report has no {key}" for key in ("sale", "vote") if not report.get(key)]


def last_accuracies(report):
    federated = float(report["rounds"][-1]["test_accuracy"])
    central = float(report["central"][-1]["test_accuracy"])
    return federated, central


def summary(report):
    federated, central = last_accuracies(report)
    return (
        f"accuracy {federated:.3f} beside {central:.3f} centrally after "
        f"{len(report['rounds'])} rounds, bad contributors paid less than honest ones, "
        f"audit of {report['ledger']['entries']} entries ok"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: check_report.py REPORT.json", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(sys.argv[1]))
