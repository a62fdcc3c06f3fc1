"""Spawned: what a training needs that runs in processes of its own, one for each device."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from multiprocessing.reduction import ForkingPickler
from typing import Any

import cloudpickle
import torch

from raynas.errors import SerializationError, TrialStopped
from raynas.evaluator.lightning.quiet import hush
from raynas.serializer import qualified_name

Hear = Callable[[int, Mapping[str, float]], None]
"""Takes an epoch and its metrics; raises `TrialStopped`."""


class Relay:
    """Carries metrics, and at last the state, from the process of rank 0 to the one that was given the trial.

    Args:
        verbose: whether Lightning may talk over there.
    """

    def __init__(self, verbose: bool = False) -> None:
        self.verbose = verbose
        self._here, self._there = multiprocessing.get_context("spawn").Pipe()
        self.checkpoint: Mapping[str, Any] | None = None
        self.stopped: TrialStopped | None = None
        self.error: BaseException | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_there": self._there, "verbose": self.verbose}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        hush(self.verbose)  # over there nobody has said so yet

    def __call__(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Called over there: pass an epoch's metrics on and wait for the verdict."""
        self._there.send(("epoch", (epoch, dict(metrics))))
        verdict = self._there.recv()
        if verdict is not None:
            raise TrialStopped(verdict)

    def fail(self, error: BaseException) -> None:
        """Called over there: keep an error whole, of which otherwise only the text would arrive."""
        self._there.send(("error", cloudpickle.dumps(error)))

    def leave(self, checkpoint: Mapping[str, Any]) -> None:
        """Called over there: pass on what the training leaves."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)  # as bytes: tensors in shared memory would end with their process
        self._there.send(("state", buffer.getvalue()))

    @contextlib.contextmanager
    def serving(self, hear: Hear) -> Iterator[None]:
        """Within it, what comes over is taken in on a thread; an error from over there is raised at the end."""
        thread = threading.Thread(target=self._serve, args=(hear,), daemon=True)
        thread.start()
        try:
            yield
        except Exception as error:
            self._finish(thread)
            if self.error is not None:
                raise self.error from error
            raise
        finally:
            self._finish(thread)

    def _finish(self, thread: threading.Thread) -> None:
        if thread.is_alive():
            self._there.send(("end", None))
            thread.join()

    def _serve(self, hear: Hear) -> None:
        while True:
            kind, content = self._here.recv()
            if kind == "end":
                return
            if kind == "state":
                # Written by our own child a moment ago, so it may be unpickled.
                self.checkpoint = torch.load(io.BytesIO(content), weights_only=False)
            elif kind == "error":
                self.error = cloudpickle.loads(content)
            else:
                self._here.send(self._verdict(hear, *content))

    def _verdict(self, hear: Hear, epoch: int, metrics: Mapping[str, float]) -> str | None:
        try:
            hear(epoch, metrics)
        except TrialStopped as stopped:
            self.stopped = stopped
        except Exception as error:
            self.error = error  # the training ends, and `serving` raises this
        if self.stopped is None and self.error is None:
            return None
        return str(self.stopped or self.error)


@contextlib.contextmanager
def ending(trainer: Any) -> Iterator[None]:
    """Within it, an interrupt or a timeout ends the spawned processes, too."""
    try:
        yield
    except BaseException:
        trainer.strategy.launcher.kill(signal.SIGKILL)
        raise


@contextlib.contextmanager
def portable(objects: Iterable[Any], seed: int) -> Iterator[None]:
    """Within it, spawned processes can be given `objects`, also where no module there has their classes.

    Lightning orders distributed data by an environment variable, which is `seed` in the meantime.
    """
    strangers = {type(obj) for obj in objects if not _importable(type(obj))}
    reducers: dict[type, Any] = ForkingPickler._extra_reducers  # type: ignore[attr-defined]  # no public way back
    before = dict(reducers)
    name = "PL_GLOBAL_SEED"
    old = os.environ.get(name)
    try:
        for cls in strangers:
            ForkingPickler.register(cls, _by_value)
        # Not in shared memory: two parts of one data set cannot be passed so, and what is shared can be written to.
        for tensors in (torch.Tensor, torch.nn.Parameter):
            ForkingPickler.register(tensors, _by_value)
        os.environ[name] = str(seed % 2**32)
        yield
    finally:
        reducers.clear()
        reducers.update(before)
        os.environ.pop(name, None)
        if old is not None:
            os.environ[name] = old


def _by_value(obj: Any) -> tuple[Any, ...]:
    if type(obj) is torch.Tensor and obj.is_leaf:
        obj = obj.detach().clone().requires_grad_(obj.requires_grad)  # of a part of a tensor, not the whole
    return cloudpickle.loads, (cloudpickle.dumps(obj),)


def _importable(cls: type) -> bool:
    try:
        return not qualified_name(cls).startswith("__main__.")
    except SerializationError:
        # raynas's own classes over one of two Lightnings know how to be pickled: see packages.class_for
        return "__reduce_ex__" in vars(cls)
