"""Source of a graph: a class for each distinct subgraph; what those that are alike differ in are its parameters."""

from __future__ import annotations

from collections.abc import Hashable

from raynas.errors import GraphError
from raynas.graph import Graph
from raynas.graph.parts import settle, watch
from raynas.graph.room import roomy
from raynas.pytorch.codegen.classes import made_of, unique
from raynas.pytorch.codegen.drafts import Draft, draft
from raynas.pytorch.codegen.likeness import Kind, Kinds
from raynas.pytorch.codegen.literals import Imports
from raynas.pytorch.codegen.text import Hole, Listed, Text, call


@roomy
def to_source(graph: Graph) -> str:
    """PyTorch source of a frozen graph; its class is `Model`.

    The same graph gives the same text. Subgraphs that are equal but for literals share one class, which takes the
    literals as constructor parameters.

    Raises:
        GraphError: a choice is not made, or a value has no literal form.
    """
    if not isinstance(graph, Graph):
        raise GraphError(f"to_source was given a {type(graph).__name__}: give it the graph that `freeze` returns")
    settle(graph)
    try:
        return settled_source(graph)
    finally:
        watch(graph)


def settled_source(graph: Graph) -> str:
    """The same of a graph of which all that is known is true: nobody has had it in hands since it was found out."""
    return _Writer(graph).text()


class _Writer:
    """Writes one model.

    Attributes:
        calls: by kind, the name of its class and the arguments that its constructor takes.
    """

    def __init__(self, root: Graph) -> None:
        self.root = root
        self.imports = Imports()
        self.kinds = Kinds()
        self.names: set[str] = set()
        self.texts: list[str] = []
        self.calls: dict[Kind, tuple[str, Listed]] = {}

    def text(self) -> str:
        top = self.kinds.outermost(self.root)
        for target in top.targets:
            self.imports.name(target)
        for height in sorted(self.kinds.classes):
            self._resolve(self.kinds.classes[height])
        body = "\n\n\n".join(self.texts)
        return f"{self.imports.text()}\n\n\n{body}\n"

    def _resolve(self, graphs: dict[Kind, Graph]) -> None:
        """Make classes of graphs that hang on nothing but classes made before."""
        groups: dict[Hashable, dict[Draft, list[Kind]]] = {}
        known: dict[Hashable, list[Kind]] = {}
        for kind, graph in graphs.items():
            alike = known.get(kind.alike)
            if alike is not None:
                alike.append(kind)
                continue
            made = self._draft(graph, kind)
            group = groups.setdefault(made.form if graph is not self.root else None, {})
            known[kind.alike] = group.setdefault(made, [])
            known[kind.alike].append(kind)
        for form, group in groups.items():
            drafts = list(group)
            whole = made_of(drafts, self.imports, self.kinds.memory.classes)
            name = self._class_name(drafts[0].name) if form is not None else "Model"
            self.texts.append(whole.text(name))
            for arguments, kinds in zip(whole.arguments, group.values(), strict=True):
                for kind in kinds:
                    self.calls[kind] = name, arguments

    def _draft(self, graph: Graph, kind: Kind) -> Draft:
        if graph is self.root:  # which never comes again
            return draft(graph, self.kinds, self.imports, self._instance, is_lasting=False)
        made: Draft = self.imports.remember(kind.written, None, lambda own: draft(graph, self.kinds, own, Hole))
        return made.with_holes_filled(self._instance)

    def _instance(self, kind: Kind, given: tuple[str, ...]) -> Text:
        """The call that makes an instance of an opened module's class."""
        made = self.calls[kind]
        return call(made[0], [*given, *made[1].items]) if given else made

    def _class_name(self, wanted: str) -> str:
        joint = "_" if wanted[-1:].isdigit() else ""
        name = unique(wanted, self.names | self.imports.taken, joint)
        self.names.add(name)
        return name
