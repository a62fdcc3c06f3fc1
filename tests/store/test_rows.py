"""The law of the store: what is read equals what was written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.errors import TransitionError
from raynas.search_space import Sample
from raynas.store import Store
from raynas.trial import (
    Cause,
    Event,
    Failed,
    Finished,
    Report,
    Reported,
    Requeued,
    Started,
    Stopped,
    Trial,
    TrialKey,
    TrialState,
    advance,
)

numbers = st.integers(0, 2**31 - 1)
floats = st.floats(allow_nan=False)
anything = st.text(st.characters(exclude_categories=()), max_size=20)  # zeros and half surrogate pairs included
# raynas's own: digests and paths.
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64)
metrics = st.dictionaries(anything, floats, max_size=4)
plain = st.none() | st.booleans() | st.integers() | floats | anything
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
notes = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(anything, inner, max_size=3), max_leaves=5
)

keys = st.builds(TrialKey, words, words, words, st.none() | floats, st.none() | numbers, numbers)
reports = st.lists(st.builds(Report, st.integers(-(2**63), 2**63 - 1), metrics), max_size=4).map(tuple)
trials = st.builds(
    Trial,
    number=st.just(0),
    sample=st.dictionaries(anything, values, max_size=5).map(Sample),
    key=keys,
    state=st.sampled_from(TrialState),
    note=st.dictionaries(anything, notes, max_size=3),
    metrics=metrics,
    reports=reports,
    twin=st.none() | numbers,
    attempts=numbers,
    cause=st.none() | st.sampled_from(Cause),
    message=anything,
    detail=anything,
    order=st.none() | numbers,
    proposed=floats,
    started=st.none() | floats,
    ended=st.none() | floats,
    seconds=floats,
    weights=st.none() | words,
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, int, Iterator[int]]]:
    url = str(tmp_path_factory.mktemp("law") / "search.db")
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create("law")
    with Store.create(url, {}, "law") as store:
        yield store, store.new_epoch("test"), itertools.count()


def same(left: Trial, right: Trial) -> bool:
    """Equal, and equal in what `==` forgives: the order of labels and names, 1 and 1.0 and True, 0.0 and -0.0."""

    def data(trial: Trial) -> str:
        return repr((trial.sample, trial.note, trial.metrics, trial.reports))

    return left == right and data(left) == data(right)


@given(trial=trials)
def test_any_trial_comes_back(kept: tuple[Store, int, Iterator[int]], trial: Trial) -> None:
    store, epoch, numbers = kept
    trial = replace(trial, number=next(numbers))
    store.commit(epoch, [trial])
    assert same(store.trial(trial.number), trial)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\udcff", "\ud800 half a pair", "\U0001f600", "line\r\nline\x1b[0m"])
def test_any_output_of_a_program_comes_back(kept: tuple[Store, int, Iterator[int]], text: str) -> None:
    store, epoch, numbers = kept
    sample = Sample({text: (text, 1)})
    trial = Trial(next(numbers), sample, TrialKey("f"), note={text: [text]}, message=text, detail=text)
    store.commit(epoch, [trial])
    assert same(store.trial(trial.number), trial)


events: dict[str, Any] = {
    "started": lambda n, a, m: Started(n, 1.5 * a, a + 1),
    "reported": lambda n, a, m: Reported(n, 0.0, a, 2, m),
    "requeued": lambda n, a, m: Requeued(n, 0.0),
    "finished": lambda n, a, m: Finished(n, 9.0, a, m, 1.0, "w"),
    "stopped": lambda n, a, m: Stopped(n, 9.0, a),
    "failed": lambda n, a, m: Failed(n, 9.0, a, Cause.EXCEPTION, "no", "Traceback"),
}
steps = st.lists(
    st.tuples(
        st.sampled_from(["started", "reported", "reported", "reported", "requeued", *events]),
        metrics,
        st.booleans(),
    ),
    max_size=20,
)


@given(steps=steps)
def test_a_trial_comes_back_at_every_moment_of_its_life(
    kept: tuple[Store, int, Iterator[int]], steps: list[tuple[str, dict[str, float], bool]]
) -> None:
    """Reports are written as they come; however they are cut into commits and attempts, the reader sees the last."""
    store, epoch, numbers = kept
    trial = Trial(next(numbers), Sample({"width": 8}), TrialKey("f"))
    store.commit(epoch, [trial])
    pending = []
    for name, measured, commits in [*steps, ("none", {}, True)]:
        if name in events:
            event: Event = events[name](trial.number, trial.attempts, measured)
            try:
                trial = advance(trial, event, order=1)
            except TransitionError:
                continue
            pending.append(trial)
        if commits:
            store.commit(epoch, pending)
            pending = []
            assert same(store.trial(trial.number), trial)
