"""Quiet: Lightning's own chatter off, and what it changes in the process put back."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator

import torch

LOGGERS = ("pytorch_lightning", "lightning.pytorch", "lightning", "lightning_fabric", "lightning.fabric")

CHATTER = (
    r".*does not have many workers",
    r".*GPU available but not used",
    r".*smaller than the logging interval",
    r".*does not have a deterministic implementation",
    r".*defined a `validation_step` but have no `val_dataloader`",
    r".*You passed `Trainer\(accelerator='cpu', precision='16-mixed'\)`",
    r".*Found .* module\(s\) in eval mode",
    r".*Trying to infer the `batch_size`",
    r".*isinstance\(treespec, LeafSpec\)",
)
"""Warnings that say nothing new to somebody whose trials run by the hundred."""


def verbose_by_environment() -> bool:
    """Whether `RAYNAS_VERBOSE` asks for everything to be shown."""
    return os.environ.get("RAYNAS_VERBOSE", "") not in ("", "0")


def hush(verbose: bool) -> None:
    """From now on Lightning logs errors only; with `verbose`, as it likes."""
    if verbose or verbose_by_environment():
        return
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for message in CHATTER:
        warnings.filterwarnings("ignore", message)


@contextlib.contextmanager
def quiet(verbose: bool) -> Iterator[None]:
    """Within it, Lightning logs errors only; with `verbose`, as it likes."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    try:
        with warnings.catch_warnings():
            hush(verbose)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def untouched() -> Iterator[None]:
    """Within it, the next trial's settings are safe: torch's flags and the interrupt handler are put back after."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as error:
        # Lightning turns Ctrl-C, which is also how a task is cancelled, into an exit of the whole process.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
        if main and handler is not None:
            signal.signal(signal.SIGINT, handler)
