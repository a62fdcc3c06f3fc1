"""Members: what a graph's module is made of, in the order in which it was registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union

from raynas.graph.once import once
from raynas.graph.texts import PLAIN, Written, marks, text_of
from raynas.search_space import Expression, Value

if TYPE_CHECKING:
    from raynas.graph.graph import Graph
    from raynas.graph.nature import Nature

TEXTS: dict[str, str] = {}
"""By a shorter text of theirs, the texts of units with plain arguments."""

NATURES: dict[str, Nature] = {}
"""By text, the natures of units that were asked for theirs."""

REMEMBERED = 20_000


@dataclass(frozen=True, eq=False)
class Unit(Written):
    """A basic unit: a class and the arguments of its constructor.

    Attributes:
        target: the class's qualified name: `torch.nn.Conv2d`.
        args, kwargs: plain values, choice expressions, other units, and containers of these.
        changed: names of its attributes that a step of a constructor around it sets, sorted.
    """

    target: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    changed: tuple[str, ...] = ()

    @once
    def text(self) -> str:
        """The call, exactly: units with equal texts are equal but for their parameters' and changed values."""
        args, kwargs = self.args, self.kwargs
        if self.changed:
            return f"{Unit(self.target, args, kwargs).text} then {', '.join(self.changed)}"
        if not PLAIN.issuperset(map(type, args)) or not PLAIN.issuperset(map(type, kwargs.values())):
            return f"{self.target}({text_of(args)}{text_of(dict(kwargs))})"
        key = f"{self.target}{args}{kwargs}"
        text = TEXTS.get(key)
        if text is None:
            if len(TEXTS) >= REMEMBERED:
                TEXTS.clear()
            text = TEXTS[key] = f"{self.target}({text_of(args)}{text_of(dict(kwargs))})"
        return text

    @once
    def marks(self) -> tuple[Any, ...]:
        """What the text leaves out: see `raynas.graph.texts.marks`."""
        args, kwargs = self.args, self.kwargs
        if PLAIN.issuperset(map(type, args)) and PLAIN.issuperset(map(type, kwargs.values())):
            return (tuple(kwargs),) if len(kwargs) > 1 else ()
        return marks((args, dict(kwargs)))

    @once
    def nature(self) -> Nature:
        """What is known of it, once its choices are made."""
        known = NATURES.get(self.text)
        if known is None:
            from raynas.graph.nature import nature

            if len(NATURES) >= REMEMBERED:
                NATURES.clear()
            known = NATURES[self.text] = nature(self)
        return known


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor that an opened module owns.

    Attributes:
        value: the call that creates its value, as a unit: `torch.zeros`; or the variable that holds it.
        kind: `parameter`, `buffer`, or `attribute`, which is neither.
        requires_grad: of a parameter.
        persistent: of a buffer: whether it stands in the state dict.
    """

    value: Unit | Local
    kind: Literal["parameter", "buffer", "attribute"]
    requires_grad: bool = True
    persistent: bool = True


@dataclass(frozen=True, eq=False)
class Shared:
    """A module that stands elsewhere, too.

    Attributes:
        name: its key in `Graph.shared` of the nearest graph above that has it.
    """

    name: str


@dataclass(frozen=True, eq=False)
class Choice:
    """One of several members: a `LayerChoice`.

    Attributes:
        pick: its value is a candidate's key; a choice, or an expression of other choices.
        candidates: by the key that stands in samples.
    """

    pick: Expression
    candidates: Mapping[Value, Member]


@dataclass(frozen=True, eq=False)
class Pick:
    """Some of several inputs, reduced to one: an `InputChoice`.

    Attributes:
        pick: its value is a position, or a tuple of positions; a choice, or an expression of other choices.
        reduction: `sum`, `mean`, `concat` (along dimension 1) or `none` (a tuple).
    """

    pick: Expression
    reduction: str


@dataclass(frozen=True, eq=False)
class Repeated:
    """The first `depth` of several members, one after the other: a `Repeat`."""

    depth: Expression
    blocks: tuple[Member, ...]


Member: TypeAlias = Union[Unit, "Graph", Tensor, Shared, Choice, Pick, Repeated]


@dataclass(frozen=True)
class Path(Written):
    """Something below the module, by its dotted path: `embed.weight`; the module itself where it is empty."""

    path: str

    @once
    def text(self) -> str:
        return repr(self)


@dataclass(frozen=True)
class Local(Written):
    """A variable of the constructor, which a `Let` has set."""

    name: str

    @once
    def text(self) -> str:
        return repr(self)


@dataclass(frozen=True)
class Make:
    """A constructor's step: the member of this name is made here."""

    name: str


@dataclass(frozen=True, eq=False)
class Copy:
    """A constructor's step: the member at `path` is no call of its own, but a deep copy of the one at `source`."""

    path: str
    source: str


@dataclass(frozen=True, eq=False)
class Let:
    """A constructor's step: `name = value`."""

    name: str
    value: Unit


@dataclass(frozen=True, eq=False)
class Set:
    """A constructor's step: `self.path = value`.

    Attributes:
        path: an attribute of the module, or of something below it.
        value: a plain value, a `Path`, a `Local`, or a call on such, as a unit.
    """

    path: str
    value: Any


@dataclass(frozen=True, eq=False)
class Apply:
    """A constructor's step: `target(*args, **kwargs)`, under `torch.no_grad`.

    A target that begins with a dot is a method of the first argument. Arguments are those that `Set` may set; in units
    among them, too, a target may begin with a dot.
    """

    target: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


Step: TypeAlias = Make | Copy | Let | Set | Apply
