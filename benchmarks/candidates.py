"""What a candidate costs before it is trained: sample, freeze, simplify, fingerprint, source, profile.

    python benchmarks/candidates.py
    python benchmarks/candidates.py --planner 400

Medians over candidates drawn at random, in milliseconds of this process's own CPU time; «again» draws a candidate that
differs from one seen before in one choice, as evolution does; «cold» has forgotten all units that it has measured. The
last table hashes the cells of NAS-Bench-101 by raynas's fingerprint and, interleaved with it, by iterated neighbour
hashing with MD5 in plain Python, as the benchmark's paper describes it, on the same graphs. `--planner N` plans N
candidates of NAS-Bench-201's network under constraints instead, the planner's thread alone and with the help of Ray
tasks, interleaved; candidates a second by the clock, so the number of cores limits them.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from itertools import combinations, product
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch

from examples.spaces.nas_bench_201 import OPERATIONS, NasBench201
from raynas import ModelSpace, NasBench201Cell, profile, to_source, trace
from raynas.graph import Graph, GraphSpace, Unit, simplify
from raynas.pytorch.profiling.measure import forget


class CellAlone(ModelSpace):
    """One cell and nothing around it."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = NasBench201Cell(OPERATIONS, 16, 16, label="cell")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cell(x)


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    value = function()
    return (time.process_time() - begun) * 1000, value


def stages(space: GraphSpace, candidates: int, inputs: tuple[torch.Tensor, ...]) -> dict[str, list[float]]:
    """Milliseconds of each stage, for candidates drawn at random and for their mutants."""
    rng = Random(0)
    choices = space.search_space
    found: dict[str, list[float]] = {}
    sample = choices.random(rng)
    for number in range(2 * candidates + 20):
        again = number % 2
        spent, sample = timed(lambda again=again, s=sample: choices.mutate(s, rng) if again else choices.random(rng))
        row = {"sample": spent}
        row["freeze"], graph = timed(lambda s=sample: space.freeze(s))
        row["simplify"], simple = timed(lambda g=graph: simplify(g))
        row["fingerprint"], _ = timed(simple.fingerprint)
        row["all four"] = sum(row.values())
        row["source"], _ = timed(lambda g=simple: to_source(g))
        row["profile"], _ = timed(lambda g=simple: profile(g, inputs))
        if number % 10 < 2:
            forget()
            row["profile, cold"], _ = timed(lambda g=simple: profile(g, inputs))
        if number >= 20:
            for name, value in row.items():
                found.setdefault(f"{name}{' again' if again else ''}", []).append(value)
    return found


def show(name: str, found: dict[str, list[float]]) -> None:
    print(f"\n{name}\n{'':14}{'median':>10}{'min':>10}{'max':>10}   median again")
    for stage in ("sample", "freeze", "simplify", "fingerprint", "all four", "source", "profile", "profile, cold"):
        row = found[stage]
        again = statistics.median(found[f"{stage} again"])
        print(f"{stage:14}{statistics.median(row):10.3f}{min(row):10.3f}{max(row):10.3f}{again:15.3f}")


KINDS = ("conv1", "conv3", "pool")
UNITS: list[dict[str, Unit]] = [
    {
        "conv1": Unit("torch.nn.Conv2d", (4, 4, 1)),
        "conv3": Unit("torch.nn.Conv2d", (4, 4, 3), {"padding": 1}),
        "pool": Unit("torch.nn.MaxPool2d", (3,), {"stride": 1, "padding": 1}),
    }
    for _ in range(6)
]
"""By vertex: as in a space, one unit of each kind stands there in all candidates."""


def cells(vertices: int) -> list[tuple[list[tuple[int, int]], tuple[str, ...]]]:
    """The cells of NAS-Bench-101 with this number of vertices, each vertex on a path from input to output."""
    pairs = list(combinations(range(vertices), 2))
    found = []
    for bits in product((0, 1), repeat=len(pairs)):
        edges = [pair for pair, bit in zip(pairs, bits, strict=True) if bit]
        entered, left = {b for _, b in edges}, {a for a, _ in edges}
        if len(edges) <= 9 and len(entered) == vertices - 1 and len(left) == vertices - 1:
            found += [(edges, kinds) for kinds in product(KINDS, repeat=vertices - 2)]
    return found


def graph_of(edges: list[tuple[int, int]], kinds: tuple[str, ...]) -> Graph:
    graph = Graph("Cell")
    values = [graph.add("input", "x")]
    for vertex in range(1, len(kinds) + 2):
        value, *others = (values[a] for a, b in edges if b == vertex)
        for other in others:
            value = graph.add("function", "operator.add", (value, other), name=f"sum{len(graph.nodes)}")
        if vertex <= len(kinds):
            graph.members[f"v{vertex}"] = UNITS[vertex][kinds[vertex - 1]]
            value = graph.add("module", f"v{vertex}", (value,), name=f"v{vertex}")
        values.append(value)
    graph.add("output", "output", (values[-1],))
    return graph


def md5_hash(edges: list[tuple[int, int]], kinds: tuple[str, ...]) -> str:
    """Iterated neighbour hashing: each vertex's degrees and kind, mixed with its neighbours' round by round."""
    count = len(kinds) + 2

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    labels = ["input", *kinds, "output"]
    into = [[a for a, b in edges if b == v] for v in range(count)]
    out = [[b for a, b in edges if a == v] for v in range(count)]
    hashes = [md5(str((len(out[v]), len(into[v]), labels[v]))) for v in range(count)]
    for _ in range(count):
        hashes = [
            md5(
                "".join(sorted(hashes[a] for a in into[v]))
                + "|"
                + "".join(sorted(hashes[b] for b in out[v]))
                + hashes[v]
            )
            for v in range(count)
        ]
    return md5(str(sorted(hashes)))


def nas_bench_101(most: int) -> None:
    print("\nNAS-Bench-101, cumulative")
    print(f"{'vertices':>9}{'labelled':>10}{'unique':>9}{'by MD5':>9}{'µs each':>9}{'MD5 µs':>9}{'ratio':>7}")
    seen: set[str] = set()
    other: set[str] = set()
    labelled = 0
    for vertices in range(2, most + 1):
        ours = theirs = 0.0
        items = cells(vertices)
        for start in range(0, len(items), 500):
            part = items[start : start + 500]
            graphs = [graph_of(*item) for item in part]
            spent, found = timed(lambda g=graphs: [graph.fingerprint() for graph in g])
            ours += spent
            seen.update(found)
            spent, found = timed(lambda p=part: [md5_hash(*item) for item in p])
            theirs += spent
            other.update(found)
        labelled += len(items)
        each, other_each = 1000 * ours / len(items), 1000 * theirs / len(items)
        counts = f"{vertices:9}{labelled:10,}{len(seen):9,}{len(other):9,}"
        print(f"{counts}{each:9.0f}{other_each:9.0f}{each / other_each:7.2f}", flush=True)


def planner(candidates: int, repeats: int = 5) -> None:
    from common import Net, load, patient, ray_with

    cores = os.cpu_count() or 1
    with ray_with(cores):
        print(f"{load()}\n{'candidates planned a second':44}{'median':>10}{'min':>10}{'max':>10}")
        limits = {"params": "<=10M", "flops": "<=1G"}
        example = torch.zeros(1, 3, 32, 32)
        helped("NAS-Bench-201", NasBench201(), example, limits, [0, max(1, cores - 1)], candidates, repeats)
        waits = {"patient": patient}
        helped("30 nodes, 20 ms of sleep", Net(), torch.zeros(1, 1, 8, 8), waits, [0, 1, 4], candidates, repeats)
        print(load())


def helped(
    name: str, space: Any, example: torch.Tensor, limits: Any, widths: list[int], candidates: int, repeats: int
) -> None:
    """How fast candidates are planned, by the number of tasks that may help; the first round does not count."""
    import ray
    from common import folder, noop

    from raynas import Experiment, FunctionalEvaluator
    from raynas.engine import Calls
    from raynas.engine.ray_engine.calls import Kit, RayCalls
    from raynas.experiment.assembly import designs_of
    from raynas.plugins import make
    from raynas.search import Planner
    from raynas.search.planned import Planned
    from raynas.search.planning import ThreadPlanner
    from raynas.trial import Ledger

    pickles: dict[str, Any] = {}
    with folder() as place:
        evaluator = FunctionalEvaluator(noop, example_inputs=example)
        made = Experiment(space, evaluator, "random", objective="score", storage_path=place, constraints=limits)
        definition = made.definition(pickles)
    designs = designs_of(definition, pickles)
    kit = Kit("raynas.experiment.assembly:examiner", (definition, pickles), b"", definition.path)
    sample = made.search_space.default()
    nodes = frozenset(node["NodeID"] for node in ray.nodes())  # type: ignore[no-untyped-call]  # Ray's own

    def helping(width: int) -> Calls | None:
        return RayCalls(kit, lambda: nodes, lambda: width + 1) if width else None

    def rate(calls: Calls | None, seed: int) -> float:
        left, over = candidates + 16, threading.Event()

        def deliver(plan: Planned) -> None:
            nonlocal left
            assert plan.error is None and plan.sample is not None, plan
            left -= 1
            if plan.last:
                over.set()

        thread = ThreadPlanner(Planner(make("random", {}), designs, seed), deliver, calls)
        for awake in [calls.send([sample]) for _ in range(calls.room())] if calls else ():
            awake.result()  # Ray ends processes that had nothing to do in the other arms
        begun = 0.0
        while left > 0:
            begun = begun or (time.perf_counter() if left <= candidates else 0.0)  # how long one takes is known then
            thread.ask(candidates + 16 - left, Ledger({"score": "max"}).freeze(), min(64, left) if begun else 16)
            over.wait()
            over.clear()
        spent = time.perf_counter() - begun
        thread.close()
        return candidates / spent

    arms = {width: helping(width) for width in widths}
    found: dict[int, list[float]] = {width: [] for width in widths}
    for repeat in range(repeats + 1):
        for width, calls in arms.items():
            found[width].append(rate(calls, repeat))
    for width, (_, *rates) in found.items():
        who = f"{name}, " + (f"with {width} helping" if width else "the planner alone")
        print(f"{who:44}{statistics.median(rates):10.0f}{min(rates):10.0f}{max(rates):10.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=60)
    parser.add_argument("--vertices", type=int, default=6, help="6 takes a minute: 128,509 labelled cells")
    parser.add_argument("--planner", type=int, help="plan so many candidates instead")
    given = parser.parse_args()
    if given.planner:
        planner(given.planner)
        return
    torch.set_num_threads(1)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    spent, cell = timed(lambda: trace(CellAlone()))
    show(
        f"NAS-Bench-201's cell alone (traced in {spent:.0f} ms)",
        stages(cell, given.candidates, (torch.zeros(1, 16, 32, 32),)),
    )
    sizes, costs = [], []
    for cells_each in (1, 2, 5):
        spent, space = timed(lambda n=cells_each: trace(NasBench201(cells=n)))
        inputs = (torch.zeros(1, 3, 32, 32),)
        found = stages(space, given.candidates, inputs)
        steps = statistics.median(
            sum(len(g.nodes) for g in simplify(space.freeze(s)).subgraphs()) for s in _some(space)
        )
        sizes.append(math.log(steps))
        costs.append(math.log(statistics.median(found["all four"])))
        show(f"the network with 3 × {cells_each} cells, about {steps:.0f} nodes (traced in {spent:.0f} ms)", found)
    slope = statistics.linear_regression(sizes, costs).slope
    print(f"\nall four stages grow with nodes to the power of {slope:.2f}")
    nas_bench_101(given.vertices)


def _some(space: GraphSpace) -> list[Any]:
    rng = Random(1)
    return [space.search_space.random(rng) for _ in range(9)]


if __name__ == "__main__":
    main()
