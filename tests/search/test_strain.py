from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raynas.search.strain import HIGH, LOW, MEMORY, Strain

SPANS = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=30)


def after(spans: list[tuple[float, float]]) -> Strain:
    """Each span: seconds of something else, then seconds of the work."""
    strain, now = Strain(), 100.0
    for idle, busy in spans:
        strain.note(now + idle, now + idle + busy)
        now += idle + busy
    return strain


@given(SPANS)
def test_a_share_is_one(spans: list[tuple[float, float]]) -> None:
    strain = after(spans)
    assert 0.0 <= strain.share <= 1.0
    assert strain.share >= HIGH or not strain.high or strain.share >= LOW


@given(SPANS, st.integers(1, 5))
def test_only_how_long_counts_and_not_in_how_many_pieces(spans: list[tuple[float, float]], pieces: int) -> None:
    cut = [(idle if piece == 0 else 0.0, busy / pieces) for idle, busy in spans for piece in range(pieces)]
    assert abs(after(cut).share - after(spans).share) < 1e-9


def test_work_without_a_pause_is_too_much_after_some_seconds_and_a_burst_is_not() -> None:
    assert not after([(0.0, MEMORY / 2)]).high
    assert after([(0.0, 0.01)] * int(100 * MEMORY)).high


def test_help_that_takes_off_most_of_it_is_kept_until_there_is_little_left() -> None:
    hard = [(0.0, MEMORY)]
    assert after(hard + [(0.3, 0.1)] * 100).high, "a quarter of the time is still a lot"
    assert not after(hard + [(0.99, 0.01)] * 100).high
    assert not after([(0.3, 0.1)] * 100).high, "and too little to call for help"
