"""Samples per CPU second of one thread in PyTorch: the same models, batches and steps as
trainer/model/examples/training_speed.rs. Prints one line of JSON for each measurement."""

import json
import sys
import time

import torch
from torch import nn
from torch.nn import functional

BATCH = 32
TARGET_SECONDS = 1.0
REPETITIONS = 4


def mlp():
    return nn.Sequential(nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 10))


def cnn(channels, padding, features, hidden):
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, channels[0], 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(channels[0], channels[1], 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 10),
    )


class CharGru(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(80, 8)
        self.recurrent = nn.GRU(8, 128, batch_first=True)
        self.last = nn.Linear(128, 80)

    def forward(self, rows):
        states, _ = self.recurrent(self.embedding(rows))
        return self.last(states[:, -1])


MODELS = {
    "mlp": (mlp, 6400),
    "mcmahan": (lambda: cnn((32, 64), 2, 3136, 512), 640),
    "small": (lambda: cnn((16, 32), 0, 512, 128), 640),
    "gru": (CharGru, 640),
}


def best(samples, work):
    def timed():
        start = time.process_time()
        work()
        return time.process_time() - start

    timed()
    runs = max(1, int(TARGET_SECONDS / timed()) + 1)
    return max(samples * runs / sum(timed() for _ in range(runs)) for _ in range(REPETITIONS))


def measure(name):
    make, count = MODELS[name]
    torch.manual_seed(1)
    model = make()
    inputs, labels = torch.rand(count, 784), torch.randint(0, 10, (count,))
    if name == "gru":
        inputs = torch.randint(0, 80, (count, 40))
    descent = torch.optim.SGD(model.parameters(), lr=0.05)

    def train():
        model.train()
        order = torch.randperm(count)
        for start in range(0, count, BATCH):
            rows = order[start:start + BATCH]
            descent.zero_grad()
            functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
            descent.step()

    def evaluate():
        model.eval()
        with torch.no_grad():
            for start in range(0, count, 1000):
                outputs = model(inputs[start:start + 1000])
                functional.cross_entropy(outputs, labels[start:start + 1000]).item()
                (outputs.argmax(1) == labels[start:start + 1000]).sum().item()

    for what, work in (("train", train), ("evaluate", evaluate)):
        line = {"engine": "torch", "model": name, "what": what}
        print(json.dumps({**line, "per_second": round(best(count, work))}), flush=True)


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or MODELS:
        measure(name)


main()
