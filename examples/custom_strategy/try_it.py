"""Search for the network with the most parameters among 64, by annealing; nothing is trained."""

from __future__ import annotations

import argparse

from torch import nn

import raynas


class Net(raynas.ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        width = raynas.ValueChoice([1, 2, 4, 8, 16, 32, 64, 128], label="width")
        hidden = raynas.ValueChoice([1, 2, 4, 8, 16, 32, 64, 128], label="hidden")
        self.layers = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, hidden), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.layers(x)


def parameters(model: nn.Module) -> dict[str, float]:
    return {"parameters": float(sum(parameter.numel() for parameter in model.parameters()))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="local", choices=["local", "ray"])
    parser.add_argument("--storage-path", default="runs")
    options = parser.parse_args()
    result = raynas.Experiment(
        Net(),
        raynas.FunctionalEvaluator(parameters),
        strategy="annealing",
        strategy_arguments={"temperature": 1000.0},
        objective="parameters",
        max_trials=40,
        engine=options.engine,
        storage_path=options.storage_path,
    ).run()
    print(result.best.metrics["parameters"], "of", len(result.history), "trials")
