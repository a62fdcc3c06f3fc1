"""Process: what a trial may change of its process as the operating system sees it."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
import threading
import traceback

# What `signal.getsignal` asks. It would look for each handler among its enums, which takes ten times as long.
from _signal import getsignal  # type: ignore[import-not-found]  # CPython's own
from typing import Any, NoReturn

STREAMS = (0, 1, 2)
"""The descriptors of the standard streams, which C libraries and child processes use, too."""

HIGH = 64
"""From here on lie their copies: out of the way of those who close the first few."""

LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_NOFILE, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE)
"""Those that would keep the next trial from working."""

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD)
"""The signals whose handlers would change what the next one sees."""


class ProcessState:
    """How this process stands now: standard streams, limits, handlers of signals, and the alarm."""

    def __init__(self) -> None:
        self._id = os.getpid()
        self._streams = {stream: (copy, _file(copy)) for stream in STREAMS if (copy := _copy(stream)) is not None}
        self._limits = {limit: resource.getrlimit(limit) for limit in LIMITS}
        # Only the main thread may change a handler, so that in another one there is nothing to put back.
        main = threading.current_thread() is threading.main_thread()
        self._handlers: dict[int, Any] = {number: getsignal(number) for number in HANDLED} if main else {}
        self._alarm = signal.getitimer(signal.ITIMER_REAL)

    @property
    def forked(self) -> bool:
        """Whether this process is a copy of the one in which this was made."""
        return os.getpid() != self._id

    def restore(self) -> bool:
        """Have all stand as it did; whether that could be done."""
        left = signal.getitimer(signal.ITIMER_REAL)[0]
        if left > self._alarm[0] or (self._alarm[0] and not left):  # it would strike the next trial, or nobody
            signal.setitimer(signal.ITIMER_REAL, *self._alarm)
        for number, handler in self._handlers.items():
            if handler is not None and getsignal(number) is not handler:
                signal.signal(number, handler)
        for stream, (copy, file) in self._streams.items():
            if _file(copy) == file:  # else somebody has closed it, too
                if _file(stream) != file:
                    os.dup2(copy, stream)
                os.close(copy)
        whole = True
        for limit, before in self._limits.items():
            if resource.getrlimit(limit) != before:
                try:
                    resource.setrlimit(limit, before)
                except (ValueError, OSError):  # a hard limit that was lowered stays so
                    whole = False
        return whole


def leave(error: BaseException | None) -> NoReturn:
    """End this process, a copy of another one, as Python would have done after `error`; without Python's last acts."""
    status: Any = 0
    if isinstance(error, SystemExit):
        status = error.code
    elif error is not None:
        status = "".join(traceback.format_exception(error))
    try:
        if not isinstance(status, int | None):
            print(status, file=sys.stderr)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit((status or 0) & 0xFF if isinstance(status, int | None) else 1)


def _copy(stream: int) -> int | None:
    try:
        return fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, HIGH)
    except OSError:  # it is closed, or there may not be more
        return None


def _file(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
