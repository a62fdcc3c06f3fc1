"""SIGTERM, which `ray job stop`, Kubernetes and SLURM send: it ends a search as two Ctrl-C do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from raynas.engine.forked import not_for_the_forked

TERMINATED = 128 + signal.SIGTERM
"""The exit status by which a shell knows a process that SIGTERM has ended."""


class Terminated(KeyboardInterrupt):
    """SIGTERM has come."""


_heard = [0]
"""How often it has come."""


@contextmanager
def terminable() -> Iterator[None]:
    """Within it, SIGTERM raises `Terminated` in the main thread, which alone hears signals.

    To be entered again after Ray was started, which puts its own handler there: that one prints its stack.
    """
    heard = sigterms()
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        yield
        return
    not_for_the_forked(_raised)
    before = signal.signal(signal.SIGTERM, _raised)
    try:
        yield
    except KeyboardInterrupt:
        if sigterms() > heard:
            raise Terminated from None
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def sigterms() -> int:
    """How often SIGTERM has come; a `KeyboardInterrupt` that follows on one is `Terminated`.

    Ray, while it waits, makes a plain one of it.
    """
    return _heard[0]


def _raised(number: int, frame: Any) -> NoReturn:
    _heard[0] += 1
    raise Terminated
