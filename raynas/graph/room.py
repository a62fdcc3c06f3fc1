"""roomy: deep calls without system calls.

CPython keeps the frames of Python functions in pieces of 16 KiB, and many versions give a piece back to the system as
soon as it is empty (python/cpython#142183). A call that happens to cross the end of one then maps and unmaps memory
each time, some 7 µs; following a forward makes so many calls at one depth that it took up to half as long again,
depending on how deep its caller stood. A frame that asks for more than a piece gets one of its own, of a power of two
in size: all calls below it find room in the rest of that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

WORDS = 1 << 15
"""What the frame asks for, in words of 8 bytes: it gets 512 KiB, of which half is left. Only used parts are touched."""


def roomy(function: Callable[P, T]) -> Callable[P, T]:
    """A function below which calls have room for their frames: some thousand of them."""

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)

    call.__code__ = call.__code__.replace(co_stacksize=WORDS)
    return functools.update_wrapper(call, function)
