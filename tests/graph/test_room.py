import resource
import traceback

import pytest

from raynas.graph.room import roomy

CALLS = 500


def leaf() -> None:
    pass


def many() -> None:
    for _ in range(CALLS):
        leaf()


def at(depth: int) -> None:
    if depth:
        at(depth - 1)
    else:
        many()


def given() -> int:
    """How often the system gave this thread memory so far."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt


def most() -> int:
    """How often it did while calls were made at one depth, of 300 the worst."""
    found = []
    for depth in range(300):
        before = given()
        at(depth)
        found.append(given() - before)
    return max(found)


def test_no_call_below_asks_the_system_for_memory() -> None:
    assert roomy(most)() < CALLS / 2  # a call that crosses the end of a piece of frames does, each time


def test_a_roomy_function_is_the_function() -> None:
    @roomy
    def third(one: int, two: int = 2, *, three: int) -> int:
        """Docs."""
        return one + two + three

    assert third(1, three=3) == 6
    assert (third.__name__, third.__doc__) == ("third", "Docs.")


def test_errors_pass_through_it() -> None:
    @roomy
    def fails() -> None:
        raise ValueError("here")

    with pytest.raises(ValueError, match="here") as caught:
        fails()
    assert "fails" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_it_may_call_itself() -> None:
    @roomy
    def down(depth: int) -> int:
        return down(depth - 1) + 1 if depth else 0

    assert down(100) == 100
