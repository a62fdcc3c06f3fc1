"""Surroundings: what a trial may change of its process, and finds as if it were the first one there."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import torch

from raynas.engine.process import ProcessState, leave

_spoiled: list[bool] = []


def spoiled() -> bool:
    """Whether a trial has left this process in a state that no other trial should find."""
    return bool(_spoiled)


class Surroundings:
    """While it is entered, things may change; afterwards they are as they were.

    These are the working directory, the umask, the environment, the import path, the standard streams, the process's
    limits, handlers of signals and alarm, what Python does with warnings, and torch's own settings: the default dtype
    and device, whether gradients are kept, whether algorithms are deterministic, cuDNN's benchmarks and the number of
    threads. What was added to the environment and to the import path stays: modules that are imported meanwhile do
    that, and are imported only once. A copy of the process that a trial has forked, and that comes back from it, ends.
    """

    def __enter__(self) -> Self:
        self._process = ProcessState()
        self._folder = _folder()
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._variables = _variables()
        self._path = list(sys.path)
        self._streams = sys.stdout, sys.stderr
        self._filters = list(warnings.filters)
        self._dtype = torch.get_default_dtype()
        self._device = _device()
        self._grad = torch.is_grad_enabled()
        self._deterministic = torch.are_deterministic_algorithms_enabled()
        self._warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        self._cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
        self._threads = torch.get_num_threads()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.forked:
            leave(error)
        if not self._process.restore():
            _spoiled.append(True)
        if self._folder is not None and _folder() != self._folder:
            with suppress(OSError):
                os.chdir(self._folder)
        os.umask(self._umask)
        if _variables() != self._variables:
            for name, value in self._variables.items():
                if os.environ.get(os.fsdecode(name)) != os.fsdecode(value):
                    os.environ[os.fsdecode(name)] = os.fsdecode(value)
        if sys.path != self._path:
            sys.path[:] = [*self._path, *(folder for folder in sys.path if folder not in self._path)]
        sys.stdout, sys.stderr = self._streams
        if warnings.filters != self._filters:
            warnings.filters[:] = self._filters  # type: ignore[index]  # a list, whatever its stub says
            warnings._filters_mutated()  # type: ignore[attr-defined]  # as Python's own catch_warnings does
        if torch.get_default_dtype() != self._dtype:
            torch.set_default_dtype(self._dtype)
        if _device() is not self._device:
            torch.set_default_device(None if self._device is None else self._device.device)
        if torch.is_grad_enabled() != self._grad:
            torch.set_grad_enabled(self._grad)
        if (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()) != (
            self._deterministic,
            self._warn_only,
        ):
            torch.use_deterministic_algorithms(self._deterministic, warn_only=self._warn_only)
        if (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic) != self._cudnn:
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = self._cudnn
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)


def _variables() -> dict[Any, str | bytes]:
    """The environment as Python keeps it: to decode all of it takes as long as the rest of what is done here."""
    return dict(getattr(os.environ, "_data", os.environ))


def _device() -> Any:
    """What makes tensors on this thread's default device; None: nothing does. What `torch.get_default_device` looks at
    last, without all that it does before, which takes as long as a third of the rest here."""
    return getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # somebody has removed it
        return None
