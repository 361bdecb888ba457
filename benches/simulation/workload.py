"""The work that every contestant does: rows, models, local training and the central test, in PyTorch."""

import gzip
import json
import os
import time
from pathlib import Path

import numpy as np

CLIENTS = 10
BATCH = 32
RATE = 0.05
MINIMUM_ROWS = 10  # of a contributor, as NIID-Bench has it


def idx(path):
    """The array of an IDX file, zipped."""
    with gzip.open(path, "rb") as file:
        data = file.read()
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def labels(folder, part="train"):
    """Labels `[n]` of Fashion-MNIST."""
    return idx(Path(folder) / f"{part}-labels-idx1-ubyte.gz").astype(np.int64)


def images(folder, part="train"):
    """Pixels / 255, `[n, 784]`."""
    pixels = idx(Path(folder) / f"{part}-images-idx3-ubyte.gz")
    return pixels.reshape(len(pixels), -1).astype(np.float32) / 255


def deal(classes, clients, alpha, seed):
    """Rows of each client: each class is dealt in shares drawn from Dirichlet(α); again while one has too few."""
    rng = np.random.default_rng(seed)
    while True:
        parts = [[] for _ in range(clients)]
        for label in np.unique(classes):
            rows = rng.permutation(np.flatnonzero(classes == label))
            shares = rng.dirichlet(np.full(clients, alpha))
            cuts = (np.cumsum(shares)[:-1] * len(rows)).astype(int)
            for part, dealt in zip(parts, np.split(rows, cuts)):
                part.extend(dealt.tolist())
        if min(map(len, parts)) >= MINIMUM_ROWS:
            return [sorted(part) for part in parts]


def deal_evenly(count, clients, seed):
    """Rows of each client: shuffled and cut into equal parts."""
    rows = np.random.default_rng(seed).permutation(count)
    return [sorted(part.tolist()) for part in np.array_split(rows, clients)]


def write_partition(path, parts):
    """A JSON list of lists, as `sahakar simulate --partition FILE` reads it."""
    Path(path).write_text(json.dumps(parts))


def make_model(name):
    """784-200-10, or the CNN of McMahan et al. 2017; the same initial weights at each call."""
    import torch
    from torch import nn

    torch.manual_seed(1)
    if name == "mlp":
        return nn.Sequential(nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 10))
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10),
    )


def train(model, inputs, targets, seed):
    """One epoch of plain SGD."""
    import torch
    from torch.nn import functional

    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    descent = torch.optim.SGD(model.parameters(), lr=RATE)
    model.train()
    for start in range(0, len(inputs), BATCH):
        rows = order[start : start + BATCH]
        descent.zero_grad()
        functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
        descent.step()


def test(model, inputs, targets):
    """Accuracy."""
    import torch

    model.eval()
    with torch.no_grad():
        batches = zip(inputs.split(1000), targets.split(1000))
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in batches)
    return right / len(inputs)


def weights(model):
    """The parameters as arrays, in order."""
    return [value.detach().numpy().copy() for value in model.state_dict().values()]


def load(model, arrays):
    """Puts arrays into the model."""
    import torch

    values = [torch.from_numpy(np.array(array)) for array in arrays]
    model.load_state_dict(dict(zip(model.state_dict(), values)))


def training_begins():
    """Notes the time at which a contributor begins to train, for the measuring process, which takes the first."""
    path = os.environ.get("BENCH_EVENTS")
    if path:
        with open(path, "a") as file:
            file.write(f"{time.monotonic()}\n")
