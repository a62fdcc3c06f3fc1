"""The worker: one attempt to train one candidate, from its text to its outcome. Every engine runs this function."""

from __future__ import annotations

import linecache
import random
import time
import traceback
from collections.abc import Callable, Mapping

import numpy
import torch

from raynas import serializer
from raynas.engine import gpu
from raynas.engine.checkpoint import FileCheckpoint, left_by
from raynas.engine.engine import Job, Workplace
from raynas.engine.output import Output
from raynas.engine.surroundings import Surroundings
from raynas.engine.weights import save_weights
from raynas.errors import ConfigError, EvaluationError, NonFiniteError, TrialStopped, UnwritableError
from raynas.evaluator import Context, Evaluator, checked, whole_step
from raynas.pytorch import load_module
from raynas.trial import Cause, Failed, Finished, Reported, Stopped

Outcome = Finished | Stopped | Failed

MESSAGE = 500
"""How long a failure's one line may be."""

TRACE = 50_000
"""How long a traceback may be: an exception's text has no bounds, and a trial's record must have some."""

NO_MEMORY = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
"""What torch says, or a library below it, where it has no exception of its own for that."""

_reader: tuple[Workplace, serializer.Reader] | None = None
"""Reads this process's evaluators, so that datasets which many of them share are made once."""


def work(
    job: Job,
    place: Workplace,
    report: Callable[[Reported], bool],
    device: str = "cpu",
    worker: str = "",
    share: float = 1.0,
) -> Outcome:
    """Build the model from the job's text, evaluate it, and say how it went; the user's exceptions become `Failed`.

    Args:
        job: what to train.
        place: what all jobs of the run share; its code has been unpacked in this process.
        report: takes a report, returns whether to stop; it may wait.
        device: where to train.
        worker: this worker's name, for people.
        share: of the device, where that is a GPU, what the trial may use.
    """
    begun = time.perf_counter()
    threads = torch.get_num_threads()
    known = _texts()
    with Output() as output:
        try:
            torch.set_num_threads(place.threads)
            gpu.enter(device, share)
            return _attempt(job, place, report, device, begun)
        except UnwritableError as error:
            seconds = time.perf_counter() - begun
            return Failed(
                job.trial, time.time(), job.attempt, Cause.EXCEPTION, str(error), seconds=seconds, blameless=True
            )
        except KeyboardInterrupt:  # somebody wants all of it to end
            raise
        except BaseException as error:
            tail = output.tail()
            # What came back cannot be used: the message says all, and the traceback would show raynas's own lines.
            trace = "" if isinstance(error, EvaluationError) else _shortened("".join(_users_part(error)))
            detail = trace + (f"\nIts last output:\n{tail}\n" if tail else "")
            return Failed(
                job.trial,
                time.time(),
                job.attempt,
                cause_of(error),
                one_line(error),
                detail,
                time.perf_counter() - begun,
            )
        finally:
            torch.set_num_threads(threads)
            # Each candidate's text is kept there for its tracebacks, and a worker trains thousands of them.
            for name in _texts() - known:
                del linecache.cache[name]


def _texts() -> set[str]:
    """The names of the texts that no file holds."""
    return {name for name in linecache.cache if name.startswith("<")}


def _attempt(
    job: Job, place: Workplace, report: Callable[[Reported], bool], device: str, begun: float
) -> Finished | Stopped:
    reported: Mapping[str, float] = {}
    counts: dict[str, float] = {}

    def send(metrics: Mapping[str, float], step: int) -> bool:
        nonlocal reported
        reported = {**counts, **checked(metrics)}
        return report(Reported(job.trial, time.time(), job.attempt, whole_step(step), reported))

    evaluator = _evaluator(job.evaluator, place)
    warm = left_by(place.artifacts, job.warm_start, job.warm_state) if job.warm_start is not None else None
    seed_everything(job.seed, device)
    model = load_module(job.source)
    if job.counted:
        counts["params"] = float(sum(parameter.numel() for parameter in model.parameters()))
    if device != "cpu":  # to walk through all layers takes a third as long as to make them
        model.to(device)
    context = Context(job.seed, device, job.budget, job.trial, job.attempt, warm, send=send)
    if job.checkpoint is not None:
        context.checkpoint = FileCheckpoint(place.artifacts, job.checkpoint)
    seed_everything(job.seed, device)
    stopped = False
    try:
        with Surroundings():
            metrics: Mapping[str, float] = {**counts, **checked(evaluator.evaluate(model, context))}
        if device != "cpu":  # what a kernel has done wrong is heard of when it ends
            torch.cuda.synchronize(device)
    except TrialStopped:
        metrics, stopped = reported, True
    weights = None
    if job.keep is not None and job.keep.wants(metrics):
        save_weights(model, place.artifacts, job.keep.path)
        weights = job.keep.path
    seconds = time.perf_counter() - begun
    if stopped:
        return Stopped(job.trial, time.time(), job.attempt, seconds, weights)
    return Finished(job.trial, time.time(), job.attempt, metrics, seconds, weights)


def _evaluator(text: str, place: Workplace) -> Evaluator:
    global _reader
    if _reader is None or _reader[0] is not place:
        # What draws random numbers to make a dataset draws the same ones in every worker, whatever ran there before.
        _reader = place, serializer.Reader(place.attachments, place.trust, before=lambda: seed_everything(0))
    made = _reader[1](text)
    if not isinstance(made, Evaluator):
        raise ConfigError(f"the evaluator is a {type(made).__name__}: give an instance of raynas.Evaluator")
    return made


def seed_everything(seed: int, device: str = "cpu") -> None:
    """Seed Python, NumPy and torch, on the CPU and on `device`."""
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    # Not torch.manual_seed: without a GPU that keeps each call, and its stack, for the day on which there is one.
    torch.default_generator.manual_seed(seed)
    if device != "cpu":
        torch.cuda.manual_seed_all(seed)


def cause_of(error: BaseException) -> Cause:
    """The kind of failure that an exception stands for."""
    if isinstance(error, NonFiniteError):
        return Cause.NON_FINITE
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return Cause.OUT_OF_MEMORY
    if isinstance(error, RuntimeError) and any(words in _text(error) for words in NO_MEMORY):
        return Cause.OUT_OF_MEMORY
    return Cause.EXCEPTION


def one_line(error: BaseException) -> str:
    """The exception's type and the first line of its text."""
    name = type(error).__name__
    first = next((line.strip() for line in _text(error).splitlines() if line.strip()), "")
    return (f"{name}: {first}" if first else name)[:MESSAGE]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a class of the user's
        return ""


def _shortened(trace: str) -> str:
    """A traceback without its middle, where it is too long: its ends say where it began and what it came to."""
    left_out = len(trace) - TRACE
    if left_out <= 0:
        return trace
    return f"{trace[: TRACE // 2]}\n… {left_out} characters left out …\n{trace[-TRACE // 2 :]}"


def _users_part(error: BaseException) -> list[str]:
    """The traceback, without the frames of this file, which tell a user nothing."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return traceback.format_exception(type(error), error, trace)
