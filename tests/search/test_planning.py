"""Planning in a thread, with help that comes, comes late, or does not come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raynas import History, Proposal, Sample, SearchSpace, Strategy
from raynas.engine import Calls
from raynas.errors import GraphError
from raynas.search import Designs, Examiner, Planner
from raynas.search import planner as planner_module
from raynas.search.planned import Planned
from raynas.search.planning import MANY, InlinePlanner, ThreadPlanner, shares
from raynas.search_space import Categorical
from raynas.trial import TrialState

SPACE = SearchSpace([Categorical("x", candidates=tuple(range(1000)))])
EMPTY = History.of([], {"score": "max"})


@pytest.fixture(autouse=True, scope="module")
def _patience() -> Iterator[None]:
    """However busy the machine is, a strategy that answers at once is asked on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner_module, "SPELL", 60.0)
        yield


class Counting(Strategy):
    """Proposes how many proposals it knows of; ends after some."""

    def __init__(self, most: int = 1000) -> None:
        self.most = most
        self.seen: list[tuple[int, ...]] = []

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        assert all(trial.state is TrialState.QUEUED for trial in history.open)
        assert len({trial.number for trial in history.trials}) == len(history)
        self.seen.append(tuple(trial.number for trial in history.open))
        number = len(history)
        assert number == 0 or (history.latest is not None and history.find(history.latest.sample) is not None)
        return Proposal(Sample({"x": number}), note={"draw": rng.random()}) if number < self.most else None


class Slow:
    """A network whose examination takes a while."""

    def __init__(self, number: int, seconds: float = 0.0) -> None:
        if number % 7 == 6:
            raise GraphError(f"{number} cannot be")
        self.number, self.seconds = number, seconds

    def fingerprint(self) -> str:
        time.sleep(self.seconds)
        return f"f{self.number}"

    def source(self) -> str:
        return f"source {self.number}"


def designs(seconds: float = 0.0) -> Designs:
    def rejected(network: Slow, sample: Sample) -> str | None:
        return f"{network.number} is bad" if network.number % 3 == 2 else None

    return Designs(SPACE, lambda s: Slow(int(s["x"]), seconds), lambda s: "", reject=rejected)  # type: ignore[call-overload]  # a number


class Threads(Calls):
    """Calls in threads of this process; `spoil` may keep one from answering."""

    def __init__(self, spoil: Callable[[int, Future[Any]], bool] = lambda place, future: False, width: int = 3) -> None:
        self.examine = Examiner(designs(0.002))
        self.sent: list[int] = []
        self.going: set[Future[Any]] = set()
        self.spoil, self.width = spoil, width

    def room(self) -> int:
        return self.width - len(self.going)

    def send(self, arguments: Sequence[Any]) -> Future[Sequence[Any]]:
        future: Future[Sequence[Any]] = Future()
        self.sent.append(len(arguments))
        self.going.add(future)
        future.add_done_callback(self.going.discard)
        if not self.spoil(len(self.sent), future):
            threading.Thread(target=lambda: future.set_result([self.examine(each) for each in arguments])).start()
        return future


def answered(
    counts: Sequence[int], calls: Calls | None, most: int = 1000, seconds: float = 0.02, replicates: int = 1
) -> list[list[Planned]]:
    """The answers to asks for so many proposals, after enough work to call for help."""
    heard: list[Planned] = []
    last = threading.Event()

    def deliver(plan: Planned) -> None:
        heard.append(plan)
        if plan.last:
            last.set()

    planner = Planner(Counting(most), designs(seconds), 0, replicates=replicates)
    threaded = ThreadPlanner(planner, deliver, calls)
    threaded._each = seconds
    answers = []
    for count in counts:
        threaded.ask(0, EMPTY, count)
        assert last.wait(30)
        last.clear()
        answers.append(list(heard))
        heard.clear()
    threaded.close()
    return answers


@given(st.integers(1, 300), st.integers(0, 20), st.floats(0, 0.5))
def test_shares_are_all_and_even_and_in_order(number: int, room: int, each: float) -> None:
    parts = shares(number, room, each)
    assert [place for part in parts for place in part] == list(range(number))
    assert 1 <= len(parts) <= room + 1
    assert max(map(len, parts)) - min(map(len, parts)) <= 1 and min(map(len, parts)) >= 1


def test_what_is_examined_in_no_time_is_sent_nowhere() -> None:
    assert shares(100, 16, 0.00001) == [range(100)] and len(shares(100, 16, 0.01)) == 17


def plain(most: int, count: int) -> list[Planned]:
    found: list[Planned] = []
    InlinePlanner(Planner(Counting(most), designs(), 0), found.append).ask(0, EMPTY, count)
    return found


def never(place: int, future: Future[Any]) -> bool:
    return True


def dies(place: int, future: Future[Any]) -> bool:
    future.set_exception(RuntimeError("the worker died"))
    return True


def every_second_dies(place: int, future: Future[Any]) -> bool:
    return place % 2 == 1 and dies(place, future)


@pytest.mark.parametrize("spoil", [lambda place, future: False, never, dies, every_second_dies])
def test_help_that_comes_or_not_changes_nothing_but_the_time(spoil: Any) -> None:
    calls = Threads(spoil)
    found = answered([40], calls)[0]
    assert found == plain(1000, 40)
    assert [plan.number for plan in found] == list(range(40)) and [plan.last for plan in found].index(True) == 39
    assert {plan.rejected for plan in found} >= {"2 is bad", "6 cannot be"}
    assert len(calls.sent) == 3 and sum(calls.sent) == 30


def test_help_that_does_not_come_is_asked_no_more() -> None:
    calls = Threads(never)
    assert all(len(answer) == 12 for answer in answered([12, 12, 12], calls, seconds=0.02))
    assert len(calls.sent) == 3 and calls.room() == 0


@settings(max_examples=20)
@given(st.integers(0, 12), st.integers(1, 12))
def test_a_strategy_with_nothing_more_to_say_ends_the_answer(most: int, count: int) -> None:
    found = answered([count], Threads(), most, seconds=0.0)[0]
    assert len(found) == min(count, most + 1) and [plan.last for plan in found] == [False] * (len(found) - 1) + [True]
    assert (found[-1].sample is None) == (count > most) and found == plain(most, count)


def test_replicates_are_counted_among_what_is_open() -> None:
    found = answered([3], None, replicates=4, seconds=0.0)[0]
    assert [plan.number for plan in found] == [0, 4, 8]
    assert [int(plan.sample["x"]) for plan in found] == [0, 4, 8]  # type: ignore[index,call-overload]  # how many were open


def test_an_error_on_the_way_ends_the_answer() -> None:
    class Breaks(Counting):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
            if len(history) == 3:
                raise ZeroDivisionError
            return super().ask(space, history, rng)

    found: list[Planned] = []
    InlinePlanner(Planner(Breaks(), designs(), 0), found.append).ask(0, EMPTY, 10)
    assert [plan.error is None for plan in found] == [True, True, True, False] and found[-1].last


def test_a_strategy_that_takes_its_time_is_not_asked_on_and_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner_module, "SPELL", 0.05)

    class Thinks(Counting):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
            time.sleep(0.03)
            return super().ask(space, history, rng)

    assert len(Planner(Thinks(), designs(), 0).drafts(0, EMPTY, 100)) <= 3


def test_more_is_asked_for_only_where_examining_is_most_of_the_work_and_others_can_help() -> None:
    planner = Planner(Counting(), designs(), 0)
    alone, helped = ThreadPlanner(planner, lambda plan: None), ThreadPlanner(planner, lambda plan: None, Threads())
    assert InlinePlanner(planner, lambda plan: None).ahead == alone.ahead == helped.ahead == 1
    for each in (alone, helped):
        each._strain.note(0.0, 100.0)
    assert (alone.ahead, helped.ahead) == (1, MANY)
    alone.close()
    helped.close()
