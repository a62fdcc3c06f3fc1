from __future__ import annotations

import linecache
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

from raynas import serializer
from raynas.engine import Job, Keep, Workplace
from raynas.engine.worker import TRACE, cause_of, one_line, work
from raynas.errors import NonFiniteError
from raynas.evaluator import FunctionalEvaluator, whole_step
from raynas.testing.engine_contract import SOURCE
from raynas.trial import Cause, Failed, Finished, Reported, Stopped


def run(function: Any, folder: Path, report: Any = lambda event: False, **changes: Any) -> Any:
    text = changes.pop("evaluator", None) or serializer.dumps(FunctionalEvaluator(function))
    place = Workplace(str(folder), trust=(__name__,))
    return work(Job(0, 1, changes.pop("source", SOURCE), text, **changes), place, report)


def draw(model: nn.Module) -> Mapping[str, float]:
    return {"python": random.random(), "numpy": float(numpy.random.rand()), "torch": float(torch.rand(()))}


def test_all_random_numbers_follow_from_the_seed_alone(tmp_path: Path) -> None:
    first = run(draw, tmp_path, seed=1)
    random.seed(99)
    torch.manual_seed(99)
    longer = SOURCE.replace("nn.Linear(2, 1)", "nn.Linear(200, 100)")
    assert run(draw, tmp_path, seed=1, source=longer).metrics == first.metrics, "however many the constructor drew"
    other = run(draw, tmp_path, seed=2).metrics
    assert all(other[name] != value for name, value in first.metrics.items())


def report_nan(model: nn.Module, context: Any) -> Mapping[str, float]:
    context.report({"loss": float("inf")}, 0)
    return {"loss": 0.0}


def test_a_report_that_is_not_finite_ends_the_trial(tmp_path: Path) -> None:
    heard: list[Reported] = []
    failed = run(report_nan, tmp_path, heard.append)
    assert isinstance(failed, Failed) and failed.cause is Cause.NON_FINITE and not heard


def swallow(model: nn.Module, context: Any) -> Mapping[str, float]:
    try:
        context.report({"score": 0.1}, 0)
    except Exception:
        return {"score": 0.9}
    return {"score": 0.5}


def let_pass(model: nn.Module, context: Any) -> Mapping[str, float]:
    context.report({"score": 0.1}, 0)
    return {"score": 0.5}


def test_a_stopped_trial_ends_as_stopped(tmp_path: Path) -> None:
    assert isinstance(run(let_pass, tmp_path, lambda event: True), Stopped)
    assert isinstance(run(swallow, tmp_path, lambda event: True), Finished), "it chose to return a result all the same"


def nothing(model: nn.Module) -> Any:
    return None


def text(model: nn.Module) -> Any:
    return {"score": "high"}


@pytest.mark.parametrize(("function", "message"), [(nothing, "None"), (text, "'score'")])
def test_what_are_no_metrics_is_a_failure(function: Any, message: str, tmp_path: Path) -> None:
    failed = run(function, tmp_path)
    assert isinstance(failed, Failed) and failed.message.startswith("EvaluationError") and message in failed.message
    assert "Traceback" not in failed.detail, "the message says all"


def test_what_is_no_evaluator_is_a_failure(tmp_path: Path) -> None:
    failed = run(None, tmp_path, evaluator=serializer.dumps({"a": 1}))
    assert isinstance(failed, Failed) and "the evaluator is a dict" in failed.message


def interrupted(model: nn.Module) -> Mapping[str, float]:
    raise KeyboardInterrupt


def test_an_interrupt_is_no_failure_of_the_trial(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, tmp_path)


class Odd(BaseException):
    def __str__(self) -> str:
        raise ValueError


def odd(model: nn.Module) -> Mapping[str, float]:
    raise Odd


def generator_exit(model: nn.Module) -> Mapping[str, float]:
    raise GeneratorExit("of a generator")


@pytest.mark.parametrize(("function", "message"), [(odd, "Odd"), (generator_exit, "GeneratorExit: of a generator")])
def test_whatever_else_a_trial_raises_is_its_failure(function: Any, message: str, tmp_path: Path) -> None:
    failed = run(function, tmp_path)
    assert isinstance(failed, Failed) and failed.message == message and "in " + function.__name__ in failed.detail


def step_of(model: nn.Module, context: Any, step: Any = 0) -> Mapping[str, float]:
    context.report({"score": 0.1}, step)
    return {"score": 0.5}


@pytest.mark.parametrize("step", [1 << 63, -(1 << 70), 0.5, None, "3"])
def test_a_step_that_no_database_holds_is_a_failure_of_the_trial(step: Any, tmp_path: Path) -> None:
    text = serializer.dumps(FunctionalEvaluator(step_of, step=step))
    failed = run(None, tmp_path, evaluator=text)
    assert isinstance(failed, Failed) and "reported step" in failed.message and "whole number" in failed.message


@pytest.mark.parametrize("step", [7, 7.0, numpy.int64(7), numpy.float32(7), torch.tensor(7)])
def test_a_step_is_any_whole_number(step: Any) -> None:
    assert whole_step(step) == 7


def greedy(model: nn.Module) -> Mapping[str, float]:
    torch.empty(1 << 60)
    return {}


def test_too_much_memory_is_a_kind_of_its_own(tmp_path: Path) -> None:
    assert run(greedy, tmp_path).cause is Cause.OUT_OF_MEMORY


def test_kinds_of_failures() -> None:
    assert cause_of(torch.OutOfMemoryError("CUDA out of memory")) is Cause.OUT_OF_MEMORY
    assert cause_of(MemoryError()) is Cause.OUT_OF_MEMORY
    assert cause_of(NonFiniteError("nan")) is Cause.NON_FINITE
    assert cause_of(RuntimeError("shapes cannot be multiplied")) is Cause.EXCEPTION
    assert one_line(ValueError("\n  first\nsecond")) == "ValueError: first"
    assert one_line(ValueError()) == "ValueError" and len(one_line(ValueError("x" * 9999))) <= 500


def test_the_traceback_shows_the_generated_source_and_not_raynas_itself(tmp_path: Path) -> None:
    failed = run(call, tmp_path)
    assert "self.layer(x)" in failed.detail and "engine/worker.py" not in failed.detail
    assert failed.message.startswith("RuntimeError")


def test_no_candidates_text_is_kept(tmp_path: Path) -> None:
    before = set(linecache.cache)
    for function in (draw, text, nothing):
        run(function, tmp_path)
    assert not {name for name in set(linecache.cache) - before if name.startswith("<")}


def test_a_very_long_traceback_keeps_its_ends(tmp_path: Path) -> None:
    detail = run(shout, tmp_path).detail
    assert len(detail) < 2 * TRACE and "characters left out" in detail
    assert detail.startswith("Traceback") and detail.endswith("the end\n")


def shout(model: nn.Module) -> Mapping[str, float]:
    raise ValueError("x" * 10_000_000 + "the end")


def call(model: nn.Module) -> Mapping[str, float]:
    model(torch.zeros(3, 77))
    return {}


def test_a_state_that_is_no_tensor_cannot_be_kept(tmp_path: Path) -> None:
    source = SOURCE.replace(
        "class Model(nn.Module):", "class Model(nn.Module):\n    def get_extra_state(self):\n        return 1\n"
    )
    failed = run(draw, tmp_path, source=source, keep=Keep("w", "torch"))
    assert isinstance(failed, Failed) and "_extra_state" in failed.message and "keep_weights=0" in failed.message


def save_a_state(model: nn.Module, context: Any) -> Mapping[str, float]:
    context.checkpoint.save({"step": 1})
    return {"score": 1.0}


@pytest.mark.parametrize("what", ["weights", "states"])
def test_where_files_cannot_be_written_the_trial_is_not_to_blame(what: str, tmp_path: Path) -> None:
    (tmp_path / what).write_text("in the way of a folder")
    keep = Keep("weights/0.safetensors", "score")
    failed = run(save_a_state, tmp_path, keep=keep, checkpoint="states/0.pt")
    assert isinstance(failed, Failed) and failed.blameless
    assert failed.message.startswith(f"'{what}/0.") and f"cannot be written to {tmp_path}" in failed.message
    (tmp_path / what).unlink()
    assert isinstance(run(save_a_state, tmp_path, keep=keep, checkpoint="states/0.pt"), Finished)
