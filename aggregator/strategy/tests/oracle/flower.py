"""Writes flower.json: what Flower and scipy make of seeded random vectors.

    python3 -m venv VENV && VENV/bin/pip install flwr==1.41.0 numpy scipy
    VENV/bin/python aggregator/strategy/tests/oracle/flower.py

Only functions of Flower, numpy and scipy compute what is expected; nothing here re-implements a rule. All inputs are
f32 values; Flower computes in f64.
"""

import json
import pathlib
from importlib.metadata import version

import numpy as np
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import FedAdagrad, FedAdam, FedAvgM, FedYogi
from flwr.server.strategy.aggregate import aggregate, aggregate_krum, aggregate_median, aggregate_trimmed_avg
from scipy.optimize import minimize, root
from scipy.stats import trim_mean

SEED, DIMENSION, ROUNDS = 20261123, 16, 8
generator = np.random.default_rng(SEED)


def single(*shape, scale=1.0):
    """Normal numbers that f32 holds exactly, as f64."""
    return (scale * generator.standard_normal(shape)).astype(np.float32).astype(np.float64)


def fit(weights):
    """One contributor that returns `weights`: the mean of the round."""
    parameters = ndarrays_to_parameters([weights])
    return [(None, FitRes(Status(Code.OK, ""), parameters, 1, {}))]


def trajectory(strategy, start, deltas, first_round, second_moment=None):
    """The parameters after each round of `strategy`, which is told the rounds first_round, first_round + 1, …"""
    if second_moment is not None:
        strategy.v_t = [np.full_like(start, second_moment)]
    path, x = [], start
    for t, delta in enumerate(deltas):
        parameters, _ = strategy.aggregate_fit(first_round + t, fit(x + delta), [])
        x = parameters_to_ndarrays(parameters)[0]
        path.append(x.tolist())
    return path


def optimizers():
    start, deltas = single(DIMENSION), single(ROUNDS, DIMENSION, scale=0.1)
    # A coordinate that never moves, one that moves once, and one that is large.
    deltas[:, 0], deltas[1:, 1], deltas[:, 2] = 0.0, 0.0, deltas[:, 2] * 64
    initial = ndarrays_to_parameters([start])
    # Kingma and Ba's correction at step t has the exponent t. Flower's has server_round + 1, so round t - 1 gives t;
    # in a late round the correction is 1: none.
    late = 10**6
    adaptive = {"initial_parameters": initial, "eta": 0.05, "tau": 1e-3}
    moments = {"beta_1": 0.9, "beta_2": 0.99}
    cases = {
        "fedavg:lr=0.5": (FedAvgM(initial_parameters=initial, server_learning_rate=0.5), 1, None),
        "fedavgm:lr=0.7,momentum=0.9": (
            FedAvgM(initial_parameters=initial, server_learning_rate=0.7, server_momentum=0.9), 1, None),
        "fedadagrad:lr=0.05,tau=0.001,start=zero": (FedAdagrad(**adaptive), 1, None),
        "fedadagrad:lr=0.05,tau=0.001,start=tau2": (FedAdagrad(**adaptive), 1, 1e-6),
        "fedadam:lr=0.05,tau=0.001,start=zero,correction=kingma-ba": (FedAdam(**adaptive, **moments), 0, None),
        "fedadam:lr=0.05,tau=0.001,start=zero": (FedAdam(**adaptive, **moments), late, None),
        "fedadam:lr=0.05,tau=0.001,start=tau2": (FedAdam(**adaptive, **moments), late, 1e-6),
        "fedyogi:lr=0.05,tau=0.001,start=zero": (FedYogi(**adaptive, **moments), 1, None),
        "fedyogi:lr=0.05,tau=0.001,start=tau2": (FedYogi(**adaptive, **moments), 1, 1e-6),
    }
    paths = [{"optimizer": name, "path": trajectory(strategy, start, deltas, first, v)}
             for name, (strategy, first, v) in cases.items()]
    return {"start": start.tolist(), "deltas": deltas.tolist(), "cases": paths}


def geometric_median(updates, weights):
    """The minimiser of the weighted sum of distances, by scipy's Newton methods."""
    def value(z):
        return weights @ np.linalg.norm(updates - z, axis=1)

    def gradient(z):
        return ((weights / np.linalg.norm(updates - z, axis=1))[:, None] * (z - updates)).sum(axis=0)

    def hessian(z):
        away = z - updates
        length = np.linalg.norm(away, axis=1)
        outer = np.einsum("ni,nj->nij", away, away) / length[:, None, None] ** 3
        identity = np.eye(updates.shape[1]) / length[:, None, None]
        return (weights[:, None, None] * (identity - outer)).sum(axis=0)

    near = minimize(value, np.median(updates, axis=0), jac=gradient, hess=hessian, method="trust-exact")
    # The sum of distances is flat where it is least; the zero of its gradient is sharper.
    found = root(gradient, near.x, jac=hessian, tol=1e-14)
    assert np.linalg.norm(gradient(found.x)) < 1e-10
    return found.x


def robust(count, outliers):
    updates = single(count, DIMENSION)
    updates[:outliers] += 50.0
    weights = generator.integers(1, 100, count)
    equal = [([update], 1) for update in updates]
    weighted = [([update], int(weight)) for update, weight in zip(updates, weights)]
    largest = (count - 3) // 2
    expected = {"median": aggregate_median(equal)}
    for beta in (0.1, 0.25):
        expected[f"trimmed-mean:beta={beta}"] = trimmed = aggregate_trimmed_avg(equal, beta)
        assert np.allclose(trimmed, trim_mean(updates, beta, axis=0))
    for f in sorted({0, 1, largest}):
        expected[f"krum:f={f}"] = aggregate_krum(equal, f, 0)
        expected[f"multi-krum:f={f},m={count - f - 2}"] = aggregate_krum(equal, f, count - f - 2)
    rules = [{"rule": rule, "expected": value[0].tolist()} for rule, value in expected.items()]
    rules.append({"rule": "geometric-median", "expected": geometric_median(updates, np.ones(count)).tolist()})
    by_weight = [
        {"rule": "mean", "expected": aggregate(weighted)[0].tolist()},
        {"rule": "geometric-median", "expected": geometric_median(updates, weights.astype(float)).tolist()},
    ]
    return {"updates": updates.tolist(), "weights": weights.tolist(), "equal": rules, "weighted": by_weight}


fixture = {
    "origin": {
        "script": "aggregator/strategy/tests/oracle/flower.py",
        "seed": SEED,
        "versions": {name: version(name) for name in ("flwr", "numpy", "scipy")},
    },
    "optimizers": optimizers(),
    "robust": [robust(5, 1), robust(10, 3), robust(17, 0)],
}
path = pathlib.Path(__file__).with_name("flower.json")
path.write_text(json.dumps(fixture, indent=None, separators=(",", ":")).replace('],"', '],\n"') + "\n")
print(path, path.stat().st_size, "bytes")
