"""EngineContract: what every engine does, as tests to inherit."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raynas.engine import ExecutionEngine, Job, Keep, Workplace
from raynas.engine.weights import load_weights, save_weights
from raynas.evaluator import Context, FunctionalEvaluator
from raynas.pytorch import load_module
from raynas.serializer import dumps
from raynas.trial import Cause, Event, Failed, Finished, Reported, Started, Stopped

SOURCE = """
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)
"""

PATIENCE = 120.0
"""Seconds within which an engine must come to an end with a few small jobs, its workers' start included."""


def first_weight(model: nn.Module) -> float:
    """A number that depends on nothing but the seed."""
    return float(next(model.parameters()).detach().flatten()[0])


def measure(model: nn.Module, context: Context) -> Mapping[str, float]:
    """Two numbers that depend on nothing but the seed, and what the context says."""
    budget = -1.0 if context.budget is None else context.budget
    return {"weight": first_weight(model), "random": float(torch.rand(())), "budget": budget, "score": 0.5}


def report_three(model: nn.Module, context: Context) -> Mapping[str, float]:
    for step in range(3):
        context.report({"score": step / 10}, step)
    return {"score": 1.0}


def fail(model: nn.Module) -> Mapping[str, float]:
    print("\n".join(f"line {number}" for number in range(200)))
    raise ValueError("this one fails\nfor two lines")


def diverge(model: nn.Module) -> Mapping[str, float]:
    return {"score": float("nan")}


def leave(model: nn.Module) -> Mapping[str, float]:
    sys.exit(3)


def continue_from(model: nn.Module, context: Context) -> Mapping[str, float]:
    assert context.warm_start is not None
    model.load_state_dict(context.warm_start["model"])
    return {"weight": first_weight(model)}


def count_up(model: nn.Module, context: Context) -> Mapping[str, float]:
    """Counts its attempts by its checkpoint, and fails in the first one."""
    before = context.checkpoint.restore()
    count = 1 if before is None else before["count"] + 1
    context.checkpoint.save({"count": count, "model": model.state_dict()})
    if count == 1:
        raise ValueError("the first attempt")
    return {"score": count}


def inherit(model: nn.Module, context: Context) -> Mapping[str, float]:
    assert context.warm_start is not None
    return {"score": context.warm_start["count"]}


def linger(model: nn.Module, context: Context) -> Mapping[str, float]:
    """Reports until it is stopped."""
    step = 0
    while True:
        context.report({"score": 0.0}, step)
        step += 1
        time.sleep(0.01)


def job(function: Any, trial: int = 0, attempt: int = 1, **changes: Any) -> Job:
    """A job whose evaluator calls this function.

    Args:
        function: takes a model, and a context if it likes.
        trial: the trial's number.
        attempt: which attempt it is.
        **changes: other fields of the job; whatever is none of them goes to the function.
    """
    known = {field.name for field in fields(Job)}
    arguments = {name: changes.pop(name) for name in list(changes) if name not in known}
    text = dumps(FunctionalEvaluator(function, **arguments))
    return Job(trial, attempt, changes.pop("source", SOURCE), text, **changes)


def collect(engine: ExecutionEngine, jobs: Sequence[Job], stop_at: int | None = None) -> dict[int, list[Event]]:
    """Submit jobs, answer their reports, and wait for all of them to end; each trial's events, in order.

    Args:
        engine: the engine.
        jobs: one for each trial.
        stop_at: the step from which on a trial that reports is told to stop; None: none is.
    """
    events: dict[int, list[Event]] = {item.trial: [] for item in jobs}
    ended: set[int] = set()

    def deliver(news: Sequence[Event]) -> None:
        for event in news:
            events[event.trial].append(event)
            if isinstance(event, Reported):
                engine.answer(event.trial, event.attempt, stop_at is not None and event.step >= stop_at)
            elif isinstance(event, Finished | Stopped | Failed):
                ended.add(event.trial)

    for item in jobs:
        engine.submit(item)
    limit = time.monotonic() + PATIENCE
    while len(ended) < len(events):
        assert time.monotonic() < limit, f"after {PATIENCE:g} s only {sorted(ended)} of {sorted(events)} have ended"
        engine.wait(deliver, 5.0)
    return events


class EngineContract(ABC):
    """Subclass it, say how an engine is made, and run it with pytest."""

    @abstractmethod
    def engine(self, place: Workplace) -> AbstractContextManager[ExecutionEngine]:
        """An engine with room for one job at least; leaving the context closes it."""

    def collect(
        self, engine: ExecutionEngine, jobs: Sequence[Job], stop_at: int | None = None
    ) -> dict[int, list[Event]]:
        """As `collect` does."""
        return collect(engine, jobs, stop_at)

    def outcome(self, item: Job, tmp_path: Path) -> Any:
        with self.engine(Workplace(str(tmp_path))) as engine:
            return self.collect(engine, [item])[item.trial][-1]

    def test_a_job_starts_and_finishes(self, tmp_path: Path) -> None:
        with self.engine(Workplace(str(tmp_path))) as engine:
            assert engine.slots() >= 1 and engine.capacity() >= engine.slots()
            started, finished = self.collect(engine, [job(measure, 7, 2, budget=4.0)])[7]
        assert isinstance(started, Started) and (started.trial, started.attempt) == (7, 2)
        assert isinstance(finished, Finished) and (finished.trial, finished.attempt) == (7, 2)
        assert finished.metrics["budget"] == 4.0 and finished.seconds > 0 and finished.weights is None
        assert abs(finished.time - time.time()) < PATIENCE

    def test_several_jobs_all_end(self, tmp_path: Path) -> None:
        with self.engine(Workplace(str(tmp_path))) as engine:
            events = self.collect(engine, [job(report_three, trial) for trial in range(5)])
        for trial, happened in events.items():
            kinds = [type(event).__name__ for event in happened]
            assert kinds == ["Started", "Reported", "Reported", "Reported", "Finished"], f"trial {trial}"
            assert [event.step for event in happened if isinstance(event, Reported)] == [0, 1, 2]

    def test_a_seed_decides_weights_and_random_numbers(self, tmp_path: Path) -> None:
        with self.engine(Workplace(str(tmp_path))) as engine:
            events = self.collect(engine, [job(measure, trial, seed=trial // 2) for trial in range(4)])
        metrics = [events[trial][-1].metrics for trial in range(4)]  # type: ignore[attr-defined]  # they have finished
        assert metrics[0] == metrics[1] and metrics[2] == metrics[3]
        assert metrics[0]["weight"] != metrics[2]["weight"] and metrics[0]["random"] != metrics[2]["random"]

    def test_a_report_waits_for_its_answer(self, tmp_path: Path) -> None:
        seen: list[Event] = []
        with self.engine(Workplace(str(tmp_path))) as engine:

            def deliver(news: Sequence[Event]) -> None:
                reports = [event for event in news if isinstance(event, Reported)]
                assert len(reports) <= 1, "it went on before it was answered"
                seen.extend(news)
                for event in reports:
                    engine.answer(event.trial, event.attempt, False)

            engine.submit(job(report_three))
            limit = time.monotonic() + PATIENCE
            while not (seen and isinstance(seen[-1], Finished)):
                assert time.monotonic() < limit
                engine.wait(deliver, 5.0)
        assert len(seen) == 5

    def test_a_verdict_ends_the_trial_with_its_report(self, tmp_path: Path) -> None:
        keep = Keep("weights/0.safetensors", "score", "max", 0.05)
        with self.engine(Workplace(str(tmp_path))) as engine:
            events = self.collect(engine, [job(report_three, keep=keep)], stop_at=1)[0]
        assert [type(event).__name__ for event in events] == ["Started", "Reported", "Reported", "Stopped"]
        assert isinstance(events[-1], Stopped) and events[-1].weights == keep.path

    def test_an_exception_is_a_failure_with_its_traceback_and_last_output(self, tmp_path: Path) -> None:
        failed = self.outcome(job(fail), tmp_path)
        assert isinstance(failed, Failed) and failed.cause is Cause.EXCEPTION
        assert failed.message == "ValueError: this one fails"
        assert 'raise ValueError("this one fails' in failed.detail
        assert "line 199" in failed.detail and "line 100" in failed.detail and "line 99\n" not in failed.detail

    def test_what_cannot_be_loaded_is_a_failure(self, tmp_path: Path) -> None:
        failed = self.outcome(job(measure, source=SOURCE.replace("nn.Linear", "nn.Lineal")), tmp_path)
        assert isinstance(failed, Failed) and failed.cause is Cause.EXCEPTION and "Lineal" in failed.message

    def test_a_metric_that_is_not_finite_is_a_failure_of_its_own_kind(self, tmp_path: Path) -> None:
        failed = self.outcome(job(diverge), tmp_path)
        assert isinstance(failed, Failed) and failed.cause is Cause.NON_FINITE and "'score'" in failed.message

    def test_leaving_the_process_is_a_failure_of_that_trial_only(self, tmp_path: Path) -> None:
        with self.engine(Workplace(str(tmp_path))) as engine:
            events = self.collect(engine, [job(leave, 0), job(measure, 1)])
        assert isinstance(events[0][-1], Failed) and "SystemExit" in events[0][-1].message
        assert isinstance(events[1][-1], Finished)

    def test_weights_are_there_when_the_trial_has_finished(self, tmp_path: Path) -> None:
        keep = Keep("weights/0.safetensors", "score", "max", 0.4)
        finished = self.outcome(job(measure, keep=keep, seed=3), tmp_path)
        assert finished.weights == keep.path
        model = load_module(SOURCE)
        model.load_state_dict(load_weights(str(tmp_path), keep.path), strict=True)
        assert first_weight(model) == finished.metrics["weight"]

    def test_weights_of_a_worse_result_are_not_kept(self, tmp_path: Path) -> None:
        keep = Keep("weights/0.safetensors", "score", "max", 0.5)
        assert self.outcome(job(measure, keep=keep), tmp_path).weights is None
        assert not (tmp_path / "weights").exists()

    def test_a_warm_start_brings_the_weights(self, tmp_path: Path) -> None:
        parent = load_module(SOURCE)
        save_weights(parent, str(tmp_path), "weights/parent.safetensors")
        finished = self.outcome(job(continue_from, warm_start="weights/parent.safetensors"), tmp_path)
        assert finished.metrics["weight"] == first_weight(parent)

    def test_a_checkpoint_outlives_the_attempt_and_is_what_a_warm_start_brings(self, tmp_path: Path) -> None:
        parent: dict[str, Any] = {"checkpoint": "states/0.pt", "keep": Keep("weights/0.safetensors", "score")}
        assert isinstance(self.outcome(job(count_up, 0, 1, **parent), tmp_path), Failed)
        assert self.outcome(job(count_up, 0, 2, **parent), tmp_path).metrics == {"score": 2}
        child = job(inherit, 1, warm_start="weights/0.safetensors", warm_state="states/0.pt", checkpoint="states/1.pt")
        assert self.outcome(child, tmp_path).metrics == {"score": 2}

    def test_a_cancelled_job_ends_and_leaves_room(self, tmp_path: Path) -> None:
        with self.engine(Workplace(str(tmp_path))) as engine:
            reports: list[int] = []

            def deliver(news: Sequence[Event]) -> None:
                for event in news:
                    if isinstance(event, Reported):
                        reports.append(event.step)
                        if event.step == 2:
                            engine.cancel(event.trial)
                        engine.answer(event.trial, event.attempt, False)

            engine.submit(job(linger, 0))
            limit = time.monotonic() + PATIENCE
            while not reports or reports[-1] < 2:
                assert time.monotonic() < limit
                engine.wait(deliver, 5.0)
            engine.submit(job(measure, 1))
            engine.submit(job(measure, 2))
            engine.cancel(2)
            engine.cancel(99)
            ended: list[Event] = []
            while not any(isinstance(event, Finished) for event in ended):
                assert time.monotonic() < limit
                engine.wait(lambda news: ended.extend(e for e in news if e.trial == 1), 5.0)
            assert reports == [0, 1, 2]

    def test_wait_ends_after_its_time_and_when_it_is_woken(self, tmp_path: Path) -> None:
        with self.engine(Workplace(str(tmp_path))) as engine:
            heard: list[Sequence[Event]] = []
            engine.wait(heard.append, 0.05)
            assert heard and not any(heard)
            engine.wake()
            began = time.monotonic()
            engine.wait(heard.append, 30.0)
            assert time.monotonic() - began < 10

    def test_what_the_receiver_raises_passes_through(self, tmp_path: Path) -> None:
        class Broken(Exception):
            pass

        def deliver(news: Sequence[Event]) -> None:
            if any(isinstance(event, Reported) for event in news):
                raise Broken

        with self.engine(Workplace(str(tmp_path))) as engine:
            engine.submit(job(report_three))
            limit = time.monotonic() + PATIENCE
            with pytest.raises(Broken):
                while time.monotonic() < limit:
                    engine.wait(deliver, 5.0)

    def test_it_can_be_closed_with_jobs_and_twice(self, tmp_path: Path) -> None:
        with self.engine(Workplace(str(tmp_path))) as engine:
            engine.submit(job(linger))
            engine.close()
            engine.close()
