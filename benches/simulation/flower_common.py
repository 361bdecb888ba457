"""What both runs of Flower share: FedAvg over all clients, and a simulation on Ray with nothing but the CPU.

`BENCH_ACTORS` says how many processes train; one by default, which is the least CPU time that Flower takes, as each
imports everything anew.
"""

import os

from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

import workload

CACHE = {}  # of one process of Ray


def cached(key, make):
    """What was made before under this key, or makes it."""
    if key not in CACHE:
        CACHE[key] = make()
    return CACHE[key]


class EveryRound(FedAvg):
    """FedAvg of all clients in each round that tells the clients the round's number."""

    def configure_train(self, server_round, arrays, config, grid):
        return super().configure_train(server_round, arrays, ConfigRecord({"number": server_round}), grid)


def run(clients, rounds, initial, work, setting, evaluate):
    """Runs FedAvg.

    `work(arrays, index, number, setting)` gives a client's new arrays and the weight of them; `evaluate(number,
    arrays)` is called on the server after each round, and with 0 before the first.
    """
    client = ClientApp()

    @client.train()
    def train(message, context):
        workload.training_begins()
        number = message.content["config"]["number"]
        index = context.node_config["partition-id"]
        arrays, weight = work(message.content["arrays"], index, number, setting)
        metrics = MetricRecord({"num-examples": weight})
        return Message(content=RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)

    server = ServerApp()

    @server.main()
    def main(grid, context):
        # The fraction is of those that happen to be connected already: the minimum makes it all of them.
        strategy = EveryRound(fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients)
        strategy.start(grid=grid, initial_arrays=initial, num_rounds=rounds, evaluate_fn=evaluate)

    cores, actors = os.cpu_count(), int(os.environ.get("BENCH_ACTORS", "1"))
    backend = {
        "init_args": {"num_cpus": cores, "num_gpus": 0, "include_dashboard": False, "log_to_driver": False},
        "client_resources": {"num_cpus": cores / actors, "num_gpus": 0.0},
    }
    run_simulation(server, client, num_supernodes=clients, backend_config=backend)
