"""Flower's simulation, unsealed, on the same work as torch_loop.py. Prints what came of it as a line of JSON.

Usage: flower_run.py MODEL DATA_DIR PARTITION_FILE ROUNDS
"""

import json
import sys

import torch
from flwr.app import ArrayRecord, MetricRecord

import flower_common
import workload


def client_train(arrays, index, number, setting):
    """A contributor's round: new weights and how many rows it has."""
    name, folder, partition = setting
    inputs, targets, parts = flower_common.cached("training", lambda: read_training(folder, partition))
    rows = torch.tensor(parts[index])
    model = workload.make_model(name)
    model.load_state_dict(arrays.to_torch_state_dict())
    workload.train(model, inputs[rows], targets[rows], 1000 * number + index)
    return ArrayRecord(model.state_dict()), len(rows)


def read_training(folder, partition):
    """Rows, labels and parts; once per process of Ray."""
    torch.set_num_threads(1)
    with open(partition) as file:
        parts = json.load(file)
    return torch.from_numpy(workload.images(folder)), torch.from_numpy(workload.labels(folder)), parts


def main():
    name, folder, partition, rounds = sys.argv[1:]
    torch.set_num_threads(1)
    inputs = torch.from_numpy(workload.images(folder, "t10k"))
    targets = torch.from_numpy(workload.labels(folder, "t10k"))
    model = workload.make_model(name)
    accuracy = []

    def evaluate(number, arrays):
        if number == 0:
            return MetricRecord({})
        model.load_state_dict(arrays.to_torch_state_dict())
        accuracy.append(workload.test(model, inputs, targets))
        print(f"round {number}: accuracy {accuracy[-1]:.4f}", flush=True)
        return MetricRecord({"accuracy": accuracy[-1]})

    flower_common.run(
        clients=workload.CLIENTS,
        rounds=int(rounds),
        initial=ArrayRecord(model.state_dict()),
        work=client_train,
        setting=(name, folder, partition),
        evaluate=evaluate,
    )
    print("result " + json.dumps({"accuracy": accuracy}), flush=True)


if __name__ == "__main__":
    main()
