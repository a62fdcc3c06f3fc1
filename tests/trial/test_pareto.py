import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.trial.pareto import dominates, hypervolume, hypervolumes, non_dominated

POINTS = st.lists(st.tuples(*[st.integers(0, 5)] * 3), max_size=12)


@given(POINTS)
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, ...]]) -> None:
    expected = [i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)]
    assert non_dominated(points) == expected


@given(POINTS)
def test_hypervolume_counts_the_dominated_cells(points: list[tuple[int, ...]]) -> None:
    cells = {
        (x, y, z)
        for x in range(5)
        for y in range(5)
        for z in range(5)
        if any(point[0] > x and point[1] > y and point[2] > z for point in points)
    }
    assert hypervolume(points, (0, 0, 0)) == len(cells)


@given(POINTS)
def test_over_time_it_is_that_of_each_beginning(points: list[tuple[int, ...]]) -> None:
    volumes = hypervolumes(points, (0, 0, 0))
    assert volumes == [hypervolume(points[: n + 1], (0, 0, 0)) for n in range(len(points))]
    assert volumes == sorted(volumes)


@pytest.mark.parametrize(
    ("points", "volume"), [([], 0), ([(0, 9)], 0), ([(2, 3)], 6), ([(2, 3), (2, 3)], 6), ([(2, 3), (3, 2)], 8)]
)
def test_two_objectives(points: list[tuple[int, ...]], volume: float) -> None:
    assert hypervolume(points, (0, 0)) == volume
