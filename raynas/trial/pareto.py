"""Several objectives: what is not dominated, and how much of the space of outcomes that covers."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, ...]
"""A value for each objective, of which more is better."""


def dominates(left: Point, right: Point) -> bool:
    """Whether `left` is nowhere worse than `right`, and somewhere better.

    >>> dominates((2, 1), (1, 1)), dominates((2, 0), (1, 1))
    (True, False)
    """
    return left != right and all(a >= b for a, b in zip(left, right, strict=True))


def non_dominated(points: Sequence[Point]) -> list[int]:
    """Places of the points that no other point dominates, in order; of equal points, all.

    >>> non_dominated([(1, 3), (2, 2), (1, 2), (3, 1)])
    [0, 1, 3]
    """
    front: list[int] = []
    # What dominates a point stands before it in this order, and what dominates that dominates the point too.
    for place in sorted(range(len(points)), key=lambda place: points[place], reverse=True):
        if not any(dominates(points[other], points[place]) for other in front):
            front.append(place)
    return sorted(front)


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The volume that the points dominate, down to a reference point that is worse than they are.

    Zitzler and Thiele, «Multiobjective Evolutionary Algorithms», 1999. Computed by slices along the last objective:
    for fronts of up to some hundred points and up to four objectives.

    >>> hypervolume([(1, 3), (2, 2), (3, 1)], (0, 0))
    6.0
    """
    inside = [point for point in points if all(a > b for a, b in zip(point, reference, strict=True))]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return float(max(inside)[0] - reference[0])
    *floor, bottom = reference
    slices = sorted(inside, key=lambda point: point[-1], reverse=True)
    volume = 0.0
    for place, point in enumerate(slices):
        below = slices[place + 1][-1] if place + 1 < len(slices) else bottom
        if point[-1] > below:
            above = [other[:-1] for other in slices[: place + 1]]
            volume += (point[-1] - below) * hypervolume(above, tuple(floor))
    return volume


def hypervolumes(points: Sequence[Point], reference: Point) -> list[float]:
    """The hypervolume of the first one, the first two, … points."""
    front: list[Point] = []
    volumes: list[float] = []
    for point in points:
        if point not in front and not any(dominates(other, point) for other in front):
            front = [*(other for other in front if not dominates(point, other)), point]
            volumes.append(hypervolume(front, reference))
        else:
            volumes.append(volumes[-1])
    return volumes
