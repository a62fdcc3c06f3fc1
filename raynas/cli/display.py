"""Display: how a search goes, on a terminal as a bar, elsewhere as lines."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from raynas.cli.console import err, interactive

if TYPE_CHECKING:
    from raynas.search import Progress

FIRST, LAST = 2.0, 60.0
"""Seconds between two lines: at the beginning of a search, and when it has gone on for long."""


class Display:
    """Shows a search's progress on stderr while it is entered.

    Args:
        total: how many trials there may be; None: that is not known yet, or there is no limit.

    Attributes:
        latest: the newest progress; None where nothing has been shown.
    """

    def __init__(self, total: int | None = None) -> None:
        self.latest: Progress | None = None
        self._console = err()
        self._bar: Bar | None = None
        if interactive(self._console):
            columns = (SpinnerColumn(), BarColumn(20), TextColumn("{task.description}"))
            self._bar = Bar(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("starting", total=total)
        self._next = 0.0
        self._done = -1

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Take note of where the search stands."""
        self.latest = progress
        total = "" if progress.total is None else f"/{progress.total}"
        told = f"{progress.done}{total} done, {line(progress)}"
        if self._bar is not None:
            self._bar.update(self._task, total=progress.total, completed=progress.done, description=told)
            return
        now = time.monotonic()
        if progress.ended or (progress.done != self._done and now >= self._next):
            self._done = progress.done
            self._next = now + min(LAST, max(FIRST, progress.elapsed / 20))
            self._console.print(told, soft_wrap=True)

    def tell(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, soft_wrap=True)


def line(progress: Progress) -> str:
    """Where a search stands beside how many trials are done.

    In words, so that it can be read without a legend.
    """
    parts = [f"{progress.running} running", f"{progress.failed} failed"]
    if progress.rejected:
        parts.append(f"{progress.rejected} infeasible")
    if progress.answered:
        parts.append(f"{progress.answered} known")
    if progress.best is not None:
        parts.append(f"best {progress.best.metrics[progress.objective]:.4f}")
    if progress.per_minute:
        parts.append(f"{progress.per_minute:.0f}/min")
    if progress.time_left is not None and not progress.ended:
        parts.append(f"{duration(progress.time_left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(75), duration(3725)
    ('1:15', '1:02:05')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
