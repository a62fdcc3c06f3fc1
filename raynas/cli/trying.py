"""`raynas try`: one sample, in this process, so that a debugger works."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, get_loader

from raynas.cli.command import Command, Request, fill_config
from raynas.cli.console import out
from raynas.cli.display import duration
from raynas.cli.runs import render
from raynas.errors import ConfigError, RaynasError, SampleError, SearchError, TrialStopped
from raynas.graph import simplify
from raynas.search.failures import no_objective
from raynas.search_space import Sample, SearchSpace

if TYPE_CHECKING:
    from torch import nn

    from raynas.evaluator import Evaluator
    from raynas.experiment import Experiment


def run(request: Request) -> int:
    import torch

    from raynas.config.making import make
    from raynas.pytorch import load_module, to_source
    from raynas.pytorch.inputs import arguments

    experiment, console = make(request.settings(), request.verbose), out()
    torch.set_num_threads(experiment.resources.threads)
    space = experiment.search_space
    sample = chosen(request.given.get("sample", "default"), space, Random(experiment.seed))
    console.print(" ".join(f"{label}={value}" for label, value in sample.items()), soft_wrap=True)
    labels = {domain.label for domain in experiment.graph_space.search_space}
    graph = experiment.graph_space.freeze(Sample({k: v for k, v in sample.items() if k in labels}))
    source = to_source(simplify(graph))  # what a search would train
    console.print(f"\n{source}", soft_wrap=True)
    device = "cuda:0" if experiment.resources.num_gpus else "cpu"
    with _users():
        torch.manual_seed(experiment.seed)
        model = load_module(source).to(device)
    inputs = experiment.evaluator.example_inputs()
    if inputs is None:
        console.print("The evaluator gives no example inputs, so there are no shapes to show.")
    else:
        _one_batch(model, tuple(_moved(value, device) for value in arguments(inputs)))
    _one_epoch(experiment, sample, model, device)
    return 0


def chosen(text: str, space: SearchSpace, rng: Random) -> Sample:
    """The sample that was asked for.

    Args:
        text: "default", "random", or YAML with values for some labels, of which the others are then drawn.
        space: all choices.
        rng: draws.
    """
    if text == "default":
        return space.default()
    if text == "random":
        return space.random(rng)
    try:
        values = get_loader("yaml")(text)
    except Exception:  # the loader's own kinds
        values = None
    if not isinstance(values, Mapping):
        raise ConfigError(f"--sample is '{text}': write default, random, or '{{label: value, …}}'")
    wanted = Sample(values)
    for label, value in wanted.items():
        if not space[label].contains(value):
            raise SampleError(f"--sample sets '{label}' to {value!r}: give it {space[label]}")
    sample = space.complete(wanted, rng)
    idle = next((label for label in wanted if label not in sample), None)
    if idle is not None:
        raise SampleError(f"--sample sets '{idle}', which does not count under its other values: leave it out")
    return sample


def _one_batch(model: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Forward and backward."""
    from raynas.report.layers import layers, tensors

    console = out()
    begun = time.perf_counter()
    with _users():
        table, output = layers(model, inputs)
        forward = time.perf_counter() - begun
        console.print(render(table))
        ends = [tensor.float().square().mean() for tensor in tensors(output) if tensor.requires_grad]
        if not ends:
            raise ConfigError("the model's output does not depend on any parameter: there is nothing to train")
        begun = time.perf_counter()
        sum(ends[1:], ends[0]).backward()  # type: ignore[no-untyped-call]  # torch's own
    console.print(f"one batch: forward {1000 * forward:.1f} ms, backward {1000 * (time.perf_counter() - begun):.1f} ms")
    idle = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    if idle:
        console.print(f"no gradient reaches {', '.join(idle)}", soft_wrap=True)
    model.zero_grad(set_to_none=True)


def _one_epoch(experiment: Experiment, sample: Sample, model: nn.Module, device: str) -> None:
    """Train until the first report, and say what that means for the search."""
    from raynas.evaluator import Context, checked

    console = out()
    evaluator = _resolved(experiment.evaluator, sample)
    clock = _Clock(model)
    with _users():
        try:
            metrics = checked(evaluator.evaluate(model, Context(experiment.seed, device, send=clock.stop)))
            seconds, epochs = time.perf_counter() - clock.begun, 1
            console.print(f"the whole training: {seconds:.2f} s")
        except TrialStopped:
            metrics, each = checked(clock.metrics), clock.seconds / (clock.step + 1)
            epochs = evaluator.epochs() or 0
            seconds = each * epochs
            console.print(f"one epoch: {each:.2f} s" + (f", {epochs} of them: {seconds:.1f} s" if epochs else ""))
    console.print(f"then: {', '.join(f'{name} {value:.4f}' for name, value in metrics.items())}", soft_wrap=True)
    for name in experiment.objectives:
        if name not in metrics:
            raise no_objective(name, metrics)
    if epochs and experiment.max_trials is not None:
        workers = _workers(experiment)
        total = seconds * experiment.max_trials / workers
        console.print(
            f"if all candidates were like this one: {experiment.max_trials} trials on {workers} workers of this "
            f"machine take {duration(total)}",
            soft_wrap=True,
        )


class _Clock:
    """Measures from a model's first call, when all is imported and loaded, to the first report."""

    def __init__(self, model: nn.Module) -> None:
        self.begun = time.perf_counter()
        self.seconds = 0.0
        self.step = 0
        self.metrics: Mapping[str, float] = {}
        self._hook = model.register_forward_pre_hook(self._called)

    def stop(self, metrics: Mapping[str, float], step: int) -> bool:
        self.seconds = time.perf_counter() - self.begun
        self.metrics, self.step = metrics, step
        return True

    def _called(self, *_: Any) -> None:
        self.begun = time.perf_counter()
        self._hook.remove()


def _resolved(evaluator: Evaluator, sample: Sample) -> Evaluator:
    """The evaluator with its choices made, as a worker gets it."""
    from raynas import serializer

    pickles: dict[str, bytes] = {}
    text = serializer.dumps(evaluator, pickles)
    made: Evaluator = serializer.loads(serializer.resolve(text, sample), pickles, serializer.trusted_modules(text))
    return made


def _workers(experiment: Experiment) -> int:
    """How many trials this machine trains at once."""
    import torch

    machine = {"num_cpus": os.cpu_count() or 1, "num_gpus": torch.cuda.device_count()}
    room = experiment.resources.fits({**machine, **experiment.resources.custom})
    return max(1, min(room, experiment.max_concurrent or room))


def _moved(value: Any, device: str) -> Any:
    return value.to(device) if hasattr(value, "to") else value


@contextmanager
def _users() -> Iterator[None]:
    """Within it, an exception of the user's own code becomes a line, with the traceback as a note."""
    try:
        yield
    except (RaynasError, TrialStopped):
        raise
    except (Exception, SystemExit) as error:
        line = SearchError(f"the candidate fails with {type(error).__name__}: {error}")
        line.add_note("".join(traceback.format_exception(error)))
        raise line from error


def fill(parser: ArgumentParser) -> None:
    fill_config(parser)
    parser.add_argument(
        "--sample", type=str, default="default", help="default; random (of --seed); or '{label: value, …}'"
    )


TRY = Command("train one candidate for an epoch, in this process, and show all of it", fill, run)
