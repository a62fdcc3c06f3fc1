"""Expression: arithmetic on choices that have not been made yet.

`width * 2`, `max_(a, b)` and `depth > 3` are expressions; `evaluate(sample)` gives their value once a sample is there.
"""

from __future__ import annotations

import math
import operator
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any, NoReturn, cast

from raynas.errors import SampleError, SpaceError
from raynas.search_space.domain import Categorical, Domain, Value, same
from raynas.search_space.where import layer_made, users_line
from raynas.search_space.wiring import vertex_channels

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": operator.abs,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "getitem": operator.getitem,
    "len": len,
    "contains": operator.contains,
    "vertex_channels": vertex_channels,
    "min": min,
    "max": max,
    "round": round,
    "ceil": math.ceil,
    "floor": math.floor,
    "int": int,
    "float": float,
    "str": str,
    "not": operator.not_,
    "and": lambda left, right: left and right,
    "or": lambda left, right: left or right,
    "if": lambda test, yes, no: yes if test else no,
}
"""What an expression may apply to its arguments, by the name under which it is written down."""

LAZY: dict[str, Callable[..., Any]] = {
    "and": lambda value, left, right: value(left) and value(right),
    "or": lambda value, left, right: value(left) or value(right),
    "if": lambda value, test, yes, no: value(yes) if value(test) else value(no),
}
"""Those of them that, as in Python, leave arguments unevaluated; `value` gives an argument's value."""


PLAIN = frozenset({int, float, bool, str, type(None)})

PASS_ON = (
    "pass it to a layer's constructor, use it in forward, or make what needs the number in a module of your own under "
    "@raynas.basic_unit, whose constructor is handed numbers"
)
"""What to do with a choice where a number is wanted."""


class _Thread(threading.local):
    def __init__(self) -> None:
        self.defaults: Mapping[int, Any] = {}


_thread = _Thread()


@contextmanager
def other_defaults(values: Mapping[int, Any]) -> Iterator[None]:
    """While this is open, choices on this thread have other defaults, by their ids."""
    before, _thread.defaults = _thread.defaults, values
    try:
        yield
    finally:
        _thread.defaults = before


class Expression:
    """`function(*args)`, where at least one argument is itself an expression."""

    def __init__(self, function: str, *args: Any) -> None:
        if function not in FUNCTIONS:
            raise SpaceError(f"an expression cannot apply '{function}': it knows {', '.join(FUNCTIONS)}")
        self.function = function
        self.args = args
        if any(map(_holds_tensor, args)):
            where = f"{users_line()}: " if users_line() else ""
            raise SpaceError(
                f"{where}a choice cannot be mixed with tensors by '{function}': write LayerChoice for two ways to "
                "compute, or InputChoice for one of several tensors"
            )

    def evaluate(self, sample: Mapping[str, Value]) -> Any:
        """The value under `sample`.

        Raises:
            SampleError: a label that it needs is missing, or the arithmetic fails for these values.
        """
        return self.applied(lambda arg: evaluate(arg, sample))

    def default(self) -> Any:
        """The value with every choice at its first candidate."""
        return self.applied(defaults)

    def applied(self, value: Callable[[Any], Any]) -> Any:
        """The function's result, where `value` gives each argument's value."""
        try:
            if self.function in LAZY:
                return LAZY[self.function](value, *self.args)
            return FUNCTIONS[self.function](*map(value, self.args))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            chosen = ", ".join(f"'{leaf.label}'" for leaf in self.leaves())
            raise SampleError(
                f"{self!r} has no value ({type(error).__name__}: {error}) under this sample: "
                f"change the candidates of {chosen}, or the arithmetic"
            ) from error

    def leaves(self) -> Iterator[Leaf]:
        """The choices that stand in it, in order, each as often as it stands there."""
        for arg in self.args:
            yield from leaves(arg)

    def __repr__(self) -> str:
        return f"{self.function}({', '.join(map(repr, self.args))})"

    # One object is one expression: `==` builds another expression, so identity is what hashing can go by.
    __hash__ = object.__hash__

    def _refuse(self, what: str, cure: str) -> NoReturn:
        where = f"{users_line()}: " if users_line() else ""
        layer = layer_made()
        if layer is not None:  # a layer that a space is made of has been handed the default
            what = f"an argument of {layer.__name__} here"
            cure = _recorded(layer)
        raise SpaceError(f"{where}{self!r} cannot be used as {what}, because its value is not chosen yet: {cure}")

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What torch asks when it is handed an expression: a value that is being traced knows what to do, no other."""
        if not all(issubclass(kind, Expression) for kind in types):
            return NotImplemented
        name = getattr(function, "__name__", repr(function))
        first = next(found for value in (args, kwargs or {}) for found in _expressions(value))
        return first._refuse(f"an argument of {name} here", PASS_ON)

    def __bool__(self) -> bool:
        self._refuse(
            "a bool",
            "write LayerChoice({True: …, False: …}, pick=test) for two ways to build, ValueChoice.condition(test, yes, "
            "no) for two values, or ValueChoice.max and .min for these",
        )

    def __index__(self) -> int:
        self._refuse(
            "a range or index",
            "write Repeat(block, depth=…) for a loop over a choice, and for table[choice] a choice of its values",
        )

    def __iter__(self) -> NoReturn:
        self._refuse("a sequence", "index it with [0], [1], …")

    def __len__(self) -> int:
        self._refuse("a sequence", "make its length a choice of its own")

    def __str__(self) -> str:
        self._refuse("a text", "choose among texts: ValueChoice(['3x3', '5x5']); or print repr(…) of it")

    def __format__(self, spec: str) -> str:
        return str(self)

    def __int__(self) -> int:
        self._refuse("an int", "write ValueChoice.to_int(…)")

    def __float__(self) -> float:
        self._refuse("a float", "write ValueChoice.to_float(…)")

    def __add__(self, other: Any) -> Expression:
        return _both("add", self, other)

    def __radd__(self, other: Any) -> Expression:
        return _both("add", other, self)

    def __sub__(self, other: Any) -> Expression:
        return _both("sub", self, other)

    def __rsub__(self, other: Any) -> Expression:
        return _both("sub", other, self)

    def __mul__(self, other: Any) -> Expression:
        return _both("mul", self, other)

    def __rmul__(self, other: Any) -> Expression:
        return _both("mul", other, self)

    def __truediv__(self, other: Any) -> Expression:
        return _both("truediv", self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return _both("truediv", other, self)

    def __floordiv__(self, other: Any) -> Expression:
        return _both("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> Expression:
        return _both("floordiv", other, self)

    def __mod__(self, other: Any) -> Expression:
        return _both("mod", self, other)

    def __rmod__(self, other: Any) -> Expression:
        return _both("mod", other, self)

    def __pow__(self, other: Any) -> Expression:
        return _both("pow", self, other)

    def __rpow__(self, other: Any) -> Expression:
        return _both("pow", other, self)

    def __neg__(self) -> Expression:
        return Expression("neg", self)

    def __pos__(self) -> Expression:
        return Expression("pos", self)

    def __abs__(self) -> Expression:
        return Expression("abs", self)

    def __round__(self, digits: int | None = None) -> Expression:
        return Expression("round", self) if digits is None else Expression("round", self, digits)

    def __ceil__(self) -> Expression:
        return Expression("ceil", self)

    def __floor__(self) -> Expression:
        return Expression("floor", self)

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]  # a comparison is an expression
        return _both("eq", self, other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]  # a comparison is an expression
        return _both("ne", self, other)

    def __lt__(self, other: Any) -> Expression:
        return _both("lt", self, other)

    def __le__(self, other: Any) -> Expression:
        return _both("le", self, other)

    def __gt__(self, other: Any) -> Expression:
        return _both("gt", self, other)

    def __ge__(self, other: Any) -> Expression:
        return _both("ge", self, other)

    def __getitem__(self, key: Any) -> Expression:
        return Expression("getitem", self, key)


def constant(value: Any) -> Expression:
    """An expression that is `value` whatever is chosen."""
    return Expression("if", True, value, value)


def _recorded(layer: type) -> str:
    """How the arguments of a layer can be choices, where a constructor got one."""
    if layer.__module__.startswith("torch."):
        return (
            "only what is built inside a raynas.ModelSpace, or by a function that raynas.trace is given, can have "
            "choices: derive the model from ModelSpace"
        )
    return f"write @raynas.basic_unit above the class {layer.__name__}"


def _holds_tensor(value: Any) -> bool:
    if type(value) in PLAIN or issubclass(type(value), Expression):
        return False
    if type(value) in (tuple, list):
        return any(map(_holds_tensor, value))
    return hasattr(type(value), "__torch_function__")


def _both(function: str, left: Any, right: Any) -> Expression:
    """The expression; a tensor, or a value that is being traced, has the operator itself."""
    for side in (left, right):
        if hasattr(type(side), "__torch_function__") and not issubclass(type(side), Expression):
            return cast("Expression", NotImplemented)
    return Expression(function, left, right)


def _expressions(value: Any) -> Iterator[Expression]:
    if issubclass(type(value), Expression):
        yield value
    elif type(value) in (tuple, list, dict):
        for item in value.values() if type(value) is dict else value:
            yield from _expressions(item)


class Leaf(Expression):
    """One choice among candidates: what `ValueChoice` makes.

    A candidate that is plain data stands in samples as it is; any other (a class, a function, a dtype) by its name.

    Args:
        candidates: the values to choose from; the first is the default.
        label: the choice's name; None until the space knows where it stands and names it.

    Attributes:
        where: the line of the user's code that made it; empty where that is not known.
    """

    def __init__(self, candidates: Sequence[Any], label: str | None = None) -> None:
        self.where = users_line()
        self.label = _label(label, self.where)
        if isinstance(candidates, str | bytes | Mapping | Set) or not isinstance(candidates, Iterable):
            raise SpaceError(
                f"{self.where}: a choice among the {type(candidates).__name__} {candidates!r:.80}: give a list, whose "
                "order stays the same"
            )
        self.candidates = tuple(map(_plain, candidates))
        self.tokens: tuple[Value, ...] = tuple(map(token, self.candidates))
        # Refuses an empty list and candidates that stand twice.
        Categorical(label or "unlabelled", candidates=self.tokens, where=self.where)

    def __deepcopy__(self, memo: dict[int, Any]) -> Leaf:
        return self  # a copied model makes the same choice

    def __repr__(self) -> str:
        return f"ValueChoice({list(self.candidates)!r}, label={self.label!r})"

    def named(self) -> str:
        if self.label is None:
            raise SpaceError(f"{self!r} has no label yet: give it one, or trace the space that holds it")
        return self.label

    def domain(self, when: tuple[Any, ...] = ()) -> Domain:
        return Categorical(self.named(), when, candidates=self.tokens, where=self.where)

    def leaves(self) -> Iterator[Leaf]:
        yield self

    def default(self) -> Any:
        return _thread.defaults.get(id(self), self.candidates[0])

    def options(self) -> list[tuple[Value, Any]]:
        """Each value that may stand in a sample, and what is then chosen; `SpaceError` where they have no end."""
        return list(zip(self.tokens, self.candidates, strict=True))

    def evaluate(self, sample: Mapping[str, Value]) -> Any:
        value = self.chosen(sample)
        for known, candidate in zip(self.tokens, self.candidates, strict=True):
            if same(known, value):
                return candidate
        raise self._outside(sample[self.named()])

    def chosen(self, sample: Mapping[str, Value]) -> Value:
        """What stands for it in `sample`; `SampleError` where nothing does."""
        try:
            return sample[self.named()]
        except KeyError:
            domain = self.domain()
            raise SampleError(f"the sample leaves out '{self.label}'{domain.at}: give it {domain}") from None

    def _outside(self, value: Value) -> SampleError:
        domain = self.domain()
        return SampleError(f"the sample sets '{self.label}'{domain.at} to {value!r}: give it {domain}")


class DomainLeaf(Leaf):
    """One choice from a domain that does not list its values: what `ValueChoice.uniform` makes.

    Args:
        domain: the domain; its label and conditions are of no account.
        label: as in `Leaf`.
    """

    def __init__(self, domain: Domain, label: str | None = None) -> None:
        self.where = users_line()
        self.label = _label(label, self.where)
        self.of = replace(domain, label=label or "unlabelled", when=(), where=self.where)
        self.candidates = ()
        self.tokens = ()

    def __repr__(self) -> str:
        return f"ValueChoice({self.of}, label={self.label!r})"

    def domain(self, when: tuple[Any, ...] = ()) -> Domain:
        return replace(self.of, label=self.named(), when=when)

    def default(self) -> Any:
        return _thread.defaults.get(id(self), self.of.default)

    def options(self) -> list[tuple[Value, Any]]:
        return [(value, value) for value in self.of.values()]

    def evaluate(self, sample: Mapping[str, Value]) -> Any:
        value = self.chosen(sample)
        if not self.of.contains(value):
            raise self._outside(value)
        return value


def _label(label: Any, where: str) -> str | None:
    """A choice's label as it was given; `SpaceError` where no document could hold it."""
    if label is not None and (not isinstance(label, str) or not label):
        raise SpaceError(f"{where}: a choice has the label {label!r:.80}: give a text, or none and it names itself")
    return label


def _plain(candidate: Any) -> Any:
    """A candidate; NumPy's numbers and texts as Python's own, which have a literal form."""
    return candidate.item() if type(candidate).__module__ == "numpy" and hasattr(candidate, "item") else candidate


def token(candidate: Any) -> Value:
    """How a candidate is called in a sample; `SpaceError` where its name would be another one in the next process."""
    if candidate is None or isinstance(candidate, bool | int | float | str):
        return candidate
    if isinstance(candidate, tuple | list):
        return tuple(map(token, candidate))
    name: str = getattr(candidate, "__qualname__", None) or str(candidate)
    if isinstance(candidate, set | frozenset) or re.search(r" at 0x[0-9a-f]+", name):
        raise SpaceError(
            f"the candidate {name} has no name that lasts: "
            "choose among plain values, classes or functions, and make the object from those"
        )
    return name


def leaves(value: Any) -> Iterator[Leaf]:
    """The choices in `value`, looking into tuples, lists, dicts and slices."""
    found: list[Leaf] = []
    _gather(value, found)
    return iter(found)


def _gather(value: Any, found: list[Leaf]) -> None:
    if type(value) in PLAIN:
        return
    if isinstance(value, Expression):
        found.extend(value.leaves())
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            if type(item) not in PLAIN:
                _gather(item, found)
    elif isinstance(value, dict):
        _gather(tuple(value.values()), found)
    elif isinstance(value, slice):
        _gather((value.start, value.stop, value.step), found)


def evaluate(value: Any, sample: Mapping[str, Value]) -> Any:
    """`value` with every expression in it replaced by its value under `sample`."""
    return mapped(value, lambda expression: expression.evaluate(sample))


def defaults(value: Any) -> Any:
    """`value` with every choice in it at its first candidate."""
    return mapped(value, lambda expression: expression.default())


def mapped(value: Any, of: Callable[[Expression], Any]) -> Any:
    """`value` with every expression in it replaced by what `of` gives for it."""
    if isinstance(value, Expression):
        return of(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, of) for item in value))
    if type(value) in (tuple, list, set, frozenset):
        return type(value)(mapped(item, of) for item in value)
    if type(value) is dict:
        return {key: mapped(item, of) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(mapped(item, of) for item in (value.start, value.stop, value.step)))
    if isinstance(value, dict | list) and next(leaves(value), None) is not None:
        filled = copy(value)  # a subclass (OrderedDict, defaultdict) keeps what else it knows
        for key in value if isinstance(value, dict) else range(len(value)):
            filled[key] = mapped(value[key], of)
        return filled
    return value
