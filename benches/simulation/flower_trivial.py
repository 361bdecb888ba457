"""Flower's FedAvg with clients that do next to nothing: what the framework takes for a task.

Usage: flower_trivial.py CLIENTS ROUNDS PARAMETERS
"""

import json
import sys
import time

import numpy as np
from flwr.app import ArrayRecord, MetricRecord

import flower_common


def client_train(arrays, index, number, setting):
    """Adds a constant: the least that an update can be."""
    return ArrayRecord([array + 1.0 for array in arrays.to_numpy_ndarrays()]), 1


def main():
    clients, rounds, parameters = map(int, sys.argv[1:])
    times = []

    def evaluate(number, arrays):
        times.append(time.monotonic())
        if number:
            print(f"round {number}: {times[-1] - times[-2]:.2f} s", flush=True)
            mean = float(arrays.to_numpy_ndarrays()[0].mean())
            assert abs(mean - number) < 1e-3, f"round {number}: the mean is {mean}, so tasks were lost"
        return MetricRecord({})

    flower_common.run(
        clients=clients,
        rounds=rounds,
        initial=ArrayRecord([np.zeros(parameters, np.float32)]),
        work=client_train,
        setting=None,
        evaluate=evaluate,
    )
    print("result " + json.dumps({"ended": times[-1]}), flush=True)


if __name__ == "__main__":
    main()
