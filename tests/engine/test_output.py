from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.engine.output import LENGTH, LINES, Output


def test_it_keeps_and_passes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with Output() as output:
        print("to stdout")
        print("to stderr", file=sys.stderr, end="")
    print("afterwards")
    assert output.tail() == "to stdout\nto stderr"
    assert capsys.readouterr() == ("to stdout\nafterwards\n", "to stderr")


@given(
    st.lists(st.text(st.characters(codec="ascii", categories=["L", "P"]), max_size=20) | st.just("\n"), max_size=300)
)
def test_it_keeps_the_last_lines(parts: list[str]) -> None:
    output = Output()
    for part in parts:
        output._take(part)
    lines = "".join(parts).split("\n")
    lines = lines if lines[-1] else lines[:-1]
    assert output.tail() == "\n".join(lines[-LINES:])


def test_megabytes_do_not_grow_it() -> None:
    output = Output()
    for _ in range(50):
        output._take("x" * 1_000_000)
    output._take("\n" * 5 + "end\n")
    assert len(output.tail()) <= LINES * (LENGTH + 1) and output.tail().endswith("end")


def test_it_is_left_after_an_exception() -> None:
    before = sys.stdout
    with pytest.raises(ValueError), Output():
        raise ValueError
    assert sys.stdout is before
