"""ValueChoice: one of several values, usable as if it were the value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from raynas.nn.recording import note_choice
from raynas.nn.running import is_running
from raynas.nn.settled import is_settled, value_of
from raynas.search_space import DomainLeaf, Expression, IntUniform, Leaf, Uniform
from raynas.search_space.where import users_line

T = TypeVar("T")


def _here(expression: Expression) -> Any:
    """The expression; where a model runs, its default, and its value where no choice stands in it."""
    known = is_running() or next(expression.leaves(), None) is None
    return expression.default() if known else expression


def _choice(leaf: Leaf) -> Any:
    """A choice that is made here; its default where a model runs, its value where a space is built with values."""
    if is_running():
        return leaf.default()
    if is_settled():
        return value_of(leaf)
    note_choice(leaf)
    return leaf


if TYPE_CHECKING:

    class ValueChoice:
        """See below: to a type checker, a choice is one of its candidates."""

        def __new__(cls, candidates: Sequence[T], label: str | None = None) -> T: ...  # type: ignore[misc]  # on purpose

        @staticmethod
        def uniform(low: float, high: float, label: str | None = None) -> float: ...
        @staticmethod
        def loguniform(low: float, high: float, label: str | None = None) -> float: ...
        @staticmethod
        def randint(low: int, high: int, label: str | None = None, log: bool = False) -> int: ...
        @staticmethod
        def condition(test: Any, yes: T, no: T) -> T: ...
        @staticmethod
        def max(first: T, *others: T) -> T: ...
        @staticmethod
        def min(first: T, *others: T) -> T: ...
        @staticmethod
        def to_int(value: Any) -> int: ...
        @staticmethod
        def to_float(value: Any) -> float: ...

else:

    class ValueChoice(Leaf):
        """One of several values: an argument of a layer or of a call in `forward`, or of an evaluator.

        Arithmetic, comparison, indexing and `round` work on it and give expressions. A choice is one choice wherever it
        stands, as an object or by its label.

        Args:
            candidates: the values; the first is the default.
            label: the choice's name; by default it is named after where it stands first (`stem.kernel_size`).

        >>> width = ValueChoice([8, 16], label="width")
        >>> (width * 2 + 1).evaluate({"width": 16})
        33
        """

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            """The value, where a model runs and makes the choice on the way, or is built with values."""
            return _choice(Leaf(*args, **kwargs)) if is_running() or is_settled() else super().__new__(cls)

        def __init__(self, candidates: Sequence[Any], label: str | None = None) -> None:
            super().__init__(candidates, label)  # not inherited, so that Python's errors name this class
            note_choice(self)

        @staticmethod
        def uniform(low: float, high: float, label: str | None = None) -> Any:
            """Any float from `low` to `high`; the default is `low`."""
            return _choice(DomainLeaf(Uniform(label or "unlabelled", low=low, high=high, where=users_line()), label))

        @staticmethod
        def loguniform(low: float, high: float, label: str | None = None) -> Any:
            """Any float from `low` to `high`, each order of magnitude as likely as the others."""
            return _choice(
                DomainLeaf(Uniform(label or "unlabelled", low=low, high=high, log=True, where=users_line()), label)
            )

        @staticmethod
        def randint(low: int, high: int, label: str | None = None, log: bool = False) -> Any:
            """Any whole number from `low` to `high`, both included, as in Python's `random.randint`.

            Args:
                low: the least, and the default.
                high: the largest.
                label: the choice's name.
                log: whether small numbers are likelier, each doubling as likely as the others.
            """
            return _choice(
                DomainLeaf(IntUniform(label or "unlabelled", low=low, high=high, log=log, where=users_line()), label)
            )

        @staticmethod
        def condition(test: Any, yes: Any, no: Any) -> Any:
            """`yes` where `test` holds, else `no`."""
            return _here(Expression("if", test, yes, no))

        @staticmethod
        def max(first: Any, *others: Any) -> Any:
            """The largest of several."""
            return _here(Expression("max", first, *others))

        @staticmethod
        def min(first: Any, *others: Any) -> Any:
            """The smallest of several."""
            return _here(Expression("min", first, *others))

        @staticmethod
        def to_int(value: Any) -> Any:
            """`int(value)`."""
            return _here(Expression("int", value))

        @staticmethod
        def to_float(value: Any) -> Any:
            """`float(value)`."""
            return _here(Expression("float", value))
