"""Form: how a graph is built, as one object, so that what was found out of one need not be found out of its likes.

Graphs of one form are equal in everything but identity: the same members by the same names, the same steps in the same
order. A frozen graph's form is that of the graph it comes from, and the choices that were made in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any, TypeAlias

from raynas.errors import RaynasError
from raynas.graph.fixed import mentions_outside
from raynas.graph.graph import Graph, children
from raynas.graph.member import Choice, Member, Pick, Repeated, Shared, Tensor, Unit
from raynas.search_space import Value
from raynas.search_space.domain import exact
from raynas.search_space.expression import leaves

LIMIT = 5_000
"""So many forms are remembered; then they are forgotten, and found out again."""

VARIANTS = 64
"""So many frozen variants of one graph inside a model are kept, for choices that come again."""


class Form:
    """What was found out of the graphs of one form; whoever finds out notes it.

    Attributes:
        first: one of them, and what came of simplifying it.
        script: how such a graph is simplified.
        simple: the form of what comes of it.
        mould: its steps, as a fingerprint compares them; False where the form does not tell them.
        facts: what its calls do.
        quiet: whether they surely write nothing in place, make no zeros and give back no input.
    """

    __slots__ = ("facts", "first", "mould", "quiet", "script", "simple")

    def __init__(self) -> None:
        self.first: Any = None
        self.script: Any = None
        self.simple: Form | None = None
        self.mould: Any = None
        self.facts: Any = None
        self.quiet: bool | None = None

    def simplified(self) -> Form:
        """The form of what comes of simplifying."""
        if self.simple is None:
            self.simple = Form()
        return self.simple


Made: TypeAlias = tuple[Hashable, ...]
"""The choices that count in a graph, as one key."""

_forms: dict[tuple[bytes, Made], Form] = {}


def of(graph: Graph) -> Form | None:
    """The graph's form; None where nobody gave it one."""
    return graph.notes.get("form")


def give(graph: Graph, form: Form) -> None:
    """Say which form a graph has."""
    graph.notes["form"] = form


class Origin:
    """A graph of a space, as what all its frozen variants come from.

    Attributes:
        digest: equal for equal graphs.
        labels: of the choices in it.
        variants: frozen ones, by the choices that were made.
        simple: those that a search has simplified.
    """

    def __init__(self, digest: bytes, labels: tuple[str, ...]) -> None:
        self.digest = digest
        self.labels = labels
        self.variants: dict[Made, Graph] = {}
        self.simple: dict[Made, Graph] = {}

    def made(self, tokens: Mapping[str, Hashable]) -> Made:
        """What a sample chooses in it; equal for two samples exactly if they choose the same."""
        return tuple([tokens.get(label, ()) for label in self.labels])

    def keep(self, made: Made, frozen: Graph) -> None:
        """Remember a variant."""
        _keep(self.variants, made, frozen)

    def keep_simple(self, made: Made, simple: Graph) -> None:
        """Remember what a variant is simplified."""
        _keep(self.simple, made, simple)

    def form(self, made: Made) -> Form:
        """The form of a variant."""
        key = self.digest, made
        found = _forms.get(key)
        if found is None:
            if len(_forms) >= LIMIT:
                _forms.clear()
            found = _forms[key] = Form()
        return found


def _keep(variants: dict[Made, Graph], made: Made, graph: Graph) -> None:
    if len(variants) >= VARIANTS:
        variants.clear()
    variants[made] = graph


def tokens_of(sample: Mapping[str, Value]) -> dict[str, Hashable]:
    """The values of a sample, as what is equal only for equal values: `1`, `1.0` and `True` are three."""
    return {label: value if type(value) is str else _token(value) for label, value in sample.items()}


def _token(value: Value) -> Hashable:
    kind = type(value)
    return (kind, value) if kind is int or kind is bool or value is None else (kind, exact(value))


def origin_of(graph: Graph) -> Origin | None:
    """What a graph of a space is to its variants; None where they hang on more than it and its choices."""
    if "origin" not in graph.notes:
        graph.notes["origin"] = _origin(graph)
    found: Origin | None = graph.notes["origin"]
    return found


def _origin(graph: Graph) -> Origin | None:
    if mentions_outside(graph):
        return None
    try:
        text = graph.to_json()
    except RaynasError:  # it holds a value without a form of its own
        return None
    return Origin(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass")).digest(), tuple(dict.fromkeys(labels_of(graph)))
    )


def labels_of(member: Member | None) -> list[str]:
    """The labels of the choices below a member."""
    if isinstance(member, Unit):
        found = [leaf.named() for leaf in leaves([list(member.args), dict(member.kwargs)])]
        return found + [label for arg in (*member.args, *member.kwargs.values()) for label in _in_units(arg)]
    if isinstance(member, Tensor):
        return labels_of(member.value) if isinstance(member.value, Unit) else []
    own: list[str] = []
    if isinstance(member, Choice | Pick):
        own = [leaf.named() for leaf in member.pick.leaves()]
    elif isinstance(member, Repeated):
        own = [leaf.named() for leaf in member.depth.leaves()]
    elif isinstance(member, Graph):
        values = [[list(node.args), node.kwargs] for node in member.nodes] + [list(member.attributes.values())]
        own = [leaf.named() for leaf in leaves(values)] + labels_of(member.init)
        own += [label for item in member.shared.values() for label in labels_of(item)]
    if member is None or isinstance(member, Shared | Pick):
        return own
    return own + [label for child in children(member).values() for label in labels_of(child)]


def _in_units(value: object) -> list[str]:
    if isinstance(value, Unit):
        return labels_of(value)
    if isinstance(value, tuple | list):
        return [label for item in value for label in _in_units(item)]
    if isinstance(value, dict):
        return [label for item in value.values() for label in _in_units(item)]
    return []
