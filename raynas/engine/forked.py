"""Forked: SIGTERM ends the processes that this one forks, whatever it means here."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

_handlers: list[Callable[..., Any]] = []
"""The handlers that no forked process is to have."""

_held = threading.local()


def not_for_the_forked(handler: Callable[..., Any]) -> None:
    """Keep a handler of SIGTERM to this process: those that it forks end by that signal.

    One that raises an exception would keep some alive for ever: what is raised while a process is being forked is
    printed and forgotten, and `multiprocessing.Pool` waits for each that it has told to end so.

    Args:
        handler: as given to `signal.signal`.
    """
    if not _handlers:
        os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_be_ended)
    if handler not in _handlers:
        _handlers.append(handler)


def _hold() -> None:
    _held.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _release() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _held.mask)


def _be_ended() -> None:
    if signal.getsignal(signal.SIGTERM) in _handlers:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _release()
