"""The bare loop in PyTorch: one process, one thread, no framework. Prints what came of it as a line of JSON.

Usage: torch_loop.py MODEL DATA_DIR PARTITION_FILE ROUNDS
"""

import json
import sys

import torch

import workload


def main():
    name, folder, partition, rounds = sys.argv[1:]
    torch.set_num_threads(1)
    inputs = torch.from_numpy(workload.images(folder))
    targets = torch.from_numpy(workload.labels(folder))
    test_inputs = torch.from_numpy(workload.images(folder, "t10k"))
    test_targets = torch.from_numpy(workload.labels(folder, "t10k"))
    with open(partition) as file:
        parts = [torch.tensor(part) for part in json.load(file)]
    model = workload.make_model(name)
    arrays = workload.weights(model)
    accuracy = []
    for number in range(int(rounds)):
        sums = [0.0 * array for array in arrays]
        for index, part in enumerate(parts):
            workload.training_begins()
            workload.load(model, arrays)
            workload.train(model, inputs[part], targets[part], 1000 * (number + 1) + index)
            for total, array in zip(sums, workload.weights(model)):
                total += array * len(part)
        rows = sum(map(len, parts))
        arrays = [total / rows for total in sums]
        workload.load(model, arrays)
        accuracy.append(workload.test(model, test_inputs, test_targets))
        print(f"round {number + 1}: accuracy {accuracy[-1]:.4f}", flush=True)
    print("result " + json.dumps({"accuracy": accuracy}), flush=True)


main()
