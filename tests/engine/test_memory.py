from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from raynas.engine import memory
mark = memory.Watermark(1.0)
kept, told = [], []
for megabytes in {leaves}:
    work = b"x" * (2**20 * 700)
    kept.append(b"x" * (2**20 * megabytes))
    del work
    told.append(mark.passed("cpu"))
print(told)
"""


def told(*leaves: int) -> list[bool]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(leaves=leaves)], capture_output=True, text=True, check=True
    )
    found: list[bool] = eval(done.stdout)
    return found


def test_what_trials_use_and_give_back_counts_for_nothing() -> None:
    assert told(1, 1, 1, 1) == [False] * 4


def test_what_the_first_one_loads_is_for_all_and_what_others_leave_is_not() -> None:
    assert told(600, 0, 300, 300) == [False, False, False, True]
