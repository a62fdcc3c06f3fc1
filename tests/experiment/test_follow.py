"""Following a search, whatever signal comes, and whatever Ray makes of it."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from raynas.experiment.follow import follow
from raynas.experiment.hosted import News
from raynas.experiment.signals import Terminated, terminable
from raynas.search import Ending, EndKind


class Waiting:
    """A search that goes on until it is stopped; a signal comes at the first look, while Ray waits."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.stops: list[tuple[Any, ...]] = []
        self.looks = 0

    def call(self, method: str, *args: Any, timeout: float | None = None) -> Any:
        if method == "stop":
            self.stops.append(args)
            return None
        self.looks += 1
        if self.looks == 1:
            self.interrupted()
        return News(self.looks, ending=Ending(EndKind.INTERRUPTED, "it was stopped") if self.stops else None)

    def interrupted(self) -> None:
        try:
            signal.raise_signal(self.number)
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None  # of whatever kind it was: so does `ray.get`


def test_sigterm_ends_it_at_once_though_ray_makes_a_plain_interrupt_of_it() -> None:
    search = Waiting(signal.SIGTERM)
    with pytest.raises(Terminated), terminable():
        follow(search, lambda progress: None, mine=True)
    assert search.stops == [(True,)]


def test_sigterm_leaves_anothers_search_alone() -> None:
    search = Waiting(signal.SIGTERM)
    with pytest.raises(Terminated), terminable():
        follow(search, lambda progress: None, mine=False)
    assert search.stops == []


def test_ctrl_c_lets_what_runs_end_also_after_a_sigterm_of_an_earlier_search() -> None:
    with pytest.raises(Terminated), terminable():
        signal.raise_signal(signal.SIGTERM)
    search = Waiting(signal.SIGINT)
    with terminable():
        assert follow(search, lambda progress: None, mine=True).kind is EndKind.INTERRUPTED
    assert search.stops == [(False,)]


def test_sigterm_is_told_apart_also_where_ray_waits_for_something_else() -> None:
    with pytest.raises(Terminated), terminable():
        Waiting(signal.SIGTERM).interrupted()
