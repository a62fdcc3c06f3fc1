"""Flat: a hierarchy of graphs as one list of steps, modules dissolved: what a fingerprint compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from raynas.graph import form, kinds
from raynas.graph.abstract import Abstract
from raynas.graph.graph import Graph, find
from raynas.graph.member import Apply, Local, Member, Path, Set, Tensor, Unit
from raynas.graph.node import Node
from raynas.serializer import Encoder

SUM = "sum"

PLAIN = tuple(f"tuple[tuple[{','.join('#' * count)}],{{}}]" for count in (1, 2, 3))
"""The text of one, two and three arguments that are values of other steps: see `_text`."""


class Step(NamedTuple):
    """One step of a flat graph.

    Attributes:
        label: all that is fixed about it: kind, target, plain arguments; `#` where an operand stands.
        operands: positions of the steps whose values it uses, in the order of its arguments.
        free: whether the order of its operands makes no difference.
        owner: what it shares with other steps: a unit with parameters, or a parameter itself; None where nothing.
        role: what is known of its value: `gives` a tensor; `maps` one to another; `keeps` its first operand's kind;
            `plus` adds tensors or numbers, or joins tuples.
    """

    label: str
    operands: tuple[int, ...]
    free: bool = False
    owner: int | None = None
    role: str = ""


@dataclass(frozen=True)
class Flat:
    """Steps in program order, the last of which is the result; and links between owners (tied parameters)."""

    steps: tuple[Step, ...]
    links: tuple[tuple[int, str, int, str], ...] = ()


class Line(NamedTuple):
    """One step of a forward pass, without what tells graphs of one form apart.

    Attributes:
        op, target: the node's.
        label, operands, free, role: the step's; operands are places in the forward pass.
        owner: path of the unit with parameters that it calls.
    """

    op: str
    target: str
    label: str
    operands: tuple[int, ...]
    free: bool
    role: str
    owner: str


Mould: TypeAlias = tuple[Line, ...]

_moulds: form.Table[Mould | None] = form.Table()


def flatten(graph: Graph) -> Flat:
    """The steps of a frozen graph and of all that it calls."""
    return _Flattener().run(graph)


class _Flattener:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.owners: dict[int, int] = {}
        self.labels: dict[int, str] = {}
        self.notes: dict[int, list[str]] = {}
        self.links: list[tuple[int, str, int, str]] = []
        self.kept: list[Any] = []
        self.encode = Encoder({})
        self.ordered = False

    def run(self, graph: Graph) -> Flat:
        if not graph.nodes:
            return Flat((Step(f"whole {graph.base} {self.shown(graph.init)}", ()),))
        abstract = Abstract(graph, graph.shared)
        self.ordered = abstract.writes_in_place
        inputs = [self.add(Step(f"input {position}", ())) for position, _ in enumerate(graph.inputs)]
        self.setup(graph, graph.shared)
        result = self.body(graph, graph.shared, inputs, abstract)
        self.add(self.step("output", result))
        if self.ordered:  # a write may be seen by any step after it, so that the order of all steps counts
            self.steps = [Step(f"{i} {s.label}", s.operands, False, s.owner) for i, s in enumerate(self.steps)]
            last = self.steps[-1]
            everything = tuple(range(len(self.steps) - 1))
            self.steps[-1] = Step(last.label, (*last.operands, *everything), False, None)
        return Flat(tuple(_reached(_sums(self._noted(step) for step in self.steps))), tuple(self.links))

    def _noted(self, step: Step) -> Step:
        notes = self.notes.get(step.owner) if step.owner is not None else None
        return step if not notes else step._replace(label=f"{step.label} with {'; '.join(notes)}")

    def add(self, step: Step) -> _At:
        self.steps.append(step)
        return _At(len(self.steps) - 1)

    def body(self, graph: Graph, scope: Mapping[str, Member], inputs: list[Any], known: Abstract | None = None) -> Any:
        """Dissolve one forward pass; returns its result, positions in place of nodes."""
        name = form.of(graph)
        if name is not None:
            mould = _moulds[name] if name in _moulds else _moulds.note(name, self.mould(graph, scope))
            if mould is not None and all(type(value) is _At for value in inputs):
                return self.cast(mould, graph, scope, inputs)
        abstract = known or Abstract(graph, scope)
        values: dict[int, Any] = {}
        given = iter(inputs)
        for node in graph.nodes:
            if node.op == "output":
                return self.value(node.args[0], values)
            values[id(node)] = next(given) if node.op == "input" else self.node(node, abstract, scope, values)
        return None

    def mould(self, graph: Graph, scope: Mapping[str, Member]) -> Mould | None:
        """What all graphs of this form have in common; None where a value is more than one step's."""
        abstract = Abstract(graph, scope)
        places = {id(node): place for place, node in enumerate(graph.nodes)}
        lines: list[Line] = []
        for node in graph.nodes:
            if node.op == "graph":
                member, _ = abstract.member(node)
                if not _plain(member, abstract.scope):
                    return None
            head, owner = "", ""
            if node.op == "module":
                unit = abstract.unit(node)
                assert unit is not None
                head = self.unit_label(unit)
                owner = "" if unit.target in kinds.STATELESS else node.target
            elif node.op == "attribute":
                return None
            if node.op in ("function", "method"):
                head = f"{node.op} {node.target}"
            values = {id(other): _At(places[id(other)]) for other in node.inputs()}
            step = self.step(head, self.value((node.args, node.kwargs), values), _is_free(node))
            role = _role(node, abstract.unit(node))
            lines.append(Line(node.op, node.target, step.label, step.operands, step.free, role, owner))
        return tuple(lines) if _plain(graph, scope) else None

    def cast(self, mould: Mould, graph: Graph, scope: Mapping[str, Member], inputs: list[Any]) -> Any:
        """Dissolve the forward pass of a graph of a known form."""
        values: list[Any] = []
        given = iter(inputs)
        steps = self.steps
        for op, target, label, operands, free, role, owner in mould:
            if op == "input":
                values.append(next(given))
            elif op == "output":
                return values[operands[0]]
            elif op == "graph":
                member, inner = find(graph, target, scope)
                assert isinstance(member, Graph)
                self.setup(member, inner)
                values.append(self.body(member, inner, [values[operand] for operand in operands]))
            else:
                used = tuple([values[operand].position for operand in operands])
                held = self.owner(find(graph, owner, scope)[0]) if owner else None
                steps.append(Step(label, used, free, held, role))
                values.append(_At(len(steps) - 1))
        return None

    def node(self, node: Node, abstract: Abstract, scope: Mapping[str, Member], values: dict[int, Any]) -> Any:
        if not node.kwargs and 0 < len(node.args) <= len(PLAIN) and node.op in ("module", "function"):
            got = [values[id(arg)] for arg in node.args if isinstance(arg, Node)]
            if len(got) == len(node.args) and all(type(value) is _At for value in got):
                return self.plain(node, abstract, tuple([value.position for value in got]))
        args = self.value((node.args, node.kwargs), values)
        if node.op == "graph":
            member, inner = abstract.member(node)
            assert isinstance(member, Graph)
            self.setup(member, inner)
            return self.body(member, inner, list(args[0]))
        if node.op == "module":
            unit = abstract.unit(node)
            assert unit is not None
            owner = None if unit.target in kinds.STATELESS else self.owner(unit)
            return self.add(self.step(self.unit_label(unit), args, owner=owner, role=_role(node, unit)))
        if node.op == "attribute":
            return self.attribute(node.target, abstract, scope)
        if node.op == "function" and node.target == "operator.getitem" and isinstance(args[0][0], tuple | list | dict):
            taken = _taken(args[0][0], args[0][1])
            if taken is not None:
                return taken
        return self.add(self.step(f"{node.op} {node.target}", args, _is_free(node), role=_role(node, None)))

    def plain(self, node: Node, abstract: Abstract, operands: tuple[int, ...]) -> _At:
        """A step whose arguments are values of other steps and nothing else."""
        unit = abstract.unit(node)
        head = f"function {node.target}" if unit is None else self.unit_label(unit)
        owner = None if unit is None or unit.target in kinds.STATELESS else self.owner(unit)
        label = f"{head} {PLAIN[len(operands) - 1]}"
        return self.add(Step(label, operands, _is_free(node), owner, _role(node, unit)))

    def attribute(self, path: str, abstract: Abstract, scope: Mapping[str, Member]) -> _At:
        above, _, name = path.rpartition(".")
        if name == "training":
            return self.add(Step("training", ()))
        holder: Member = find(abstract.graph, above, scope)[0] if above else abstract.graph
        if isinstance(holder, Unit):
            return self.add(Step(f"{name} of {self.unit_label(holder)}", (), owner=self.owner(holder)))
        member = holder.members.get(name) if isinstance(holder, Graph) else None
        if isinstance(member, Tensor):
            label = f"{member.kind} {self.shown(member.value)} {member.requires_grad}"
            return self.add(Step(label, (), owner=self.owner(member)))
        return self.add(
            Step(
                f"{name} of a {getattr(holder, 'base', '')} {self.shown(getattr(holder, 'init', None))}",
                (),
                owner=self.owner(holder),
            )
        )

    def owner(self, thing: Any) -> int:
        if id(thing) not in self.owners:
            self.owners[id(thing)] = len(self.owners)
            self.kept.append(thing)
        return self.owners[id(thing)]

    def unit_label(self, unit: Unit) -> str:
        if id(unit) not in self.labels:
            self.kept.append(unit)
            self.labels[id(unit)] = self.shown(unit)
        return self.labels[id(unit)]

    def setup(self, graph: Graph, scope: Mapping[str, Member]) -> None:
        """Note what a constructor does to its members, once."""
        if not graph.setup or id(graph) in self.owners:
            return
        self.owner(graph)
        for step in graph.setup:
            if not isinstance(step, Set | Apply):
                continue
            paths = (
                [v for v in (step.value,) if isinstance(v, Path)]
                if isinstance(step, Set)
                else [v for v in (*step.args, *step.kwargs.values()) if isinstance(v, Path)]
            )
            target = Path(step.path) if isinstance(step, Set) else paths[0] if paths else None
            if target is None or not target.path:
                continue
            owner, last = self.held(graph, target.path, scope)
            if isinstance(step, Set) and isinstance(step.value, Path):
                self.links.append((owner, last, *self.held(graph, step.value.path, scope)))
                self.notes.setdefault(owner, []).append(f"tied {last}")
                continue
            what = self.shown(step.value) if isinstance(step, Set) else self.shown(_without_paths(step))
            self.notes.setdefault(owner, []).append(f"{last} {what}")

    def held(self, graph: Graph, path: str, scope: Mapping[str, Member]) -> tuple[int, str]:
        """What a path leads to: the unit or tensor that owns it, and the rest of the path."""
        parts = path.split(".")
        for cut in range(1, len(parts) + 1):
            member, _ = find(graph, ".".join(parts[:cut]), scope)
            if not isinstance(member, Graph) or cut == len(parts):
                return self.owner(member), ".".join(parts[cut:])
        raise AssertionError("a path has parts")

    def step(self, head: str, value: Any, free: bool = False, owner: int | None = None, role: str = "") -> Step:
        operands: list[int] = []

        def note(item: Any) -> str:
            if isinstance(item, _At):
                operands.append(item.position)
                return "#"
            return self.shown(item)

        text = _text(value, note)
        return Step(f"{head} {text}", tuple(operands), free, owner, role)

    def value(self, value: Any, values: dict[int, Any]) -> Any:
        """`value` with positions in place of nodes; what a dissolved graph returned is put in whole."""
        if isinstance(value, Node):
            return values[id(value)]
        if isinstance(value, tuple):
            return tuple(self.value(item, values) for item in value)
        if isinstance(value, list):
            return [self.value(item, values) for item in value]
        if isinstance(value, dict):
            return {key: self.value(item, values) for key, item in value.items()}
        if isinstance(value, slice):
            return slice(*(self.value(part, values) for part in (value.start, value.stop, value.step)))
        return value

    def shown(self, value: Any) -> str:
        if isinstance(value, Unit):
            return f"{value.target}({self.shown(value.args)}{self.shown(dict(value.kwargs))})"
        if isinstance(value, tuple | list):
            return f"{type(value).__name__}[{','.join(map(self.shown, value))}]"
        if isinstance(value, dict):
            return "{" + ",".join(f"{key}={self.shown(value[key])}" for key in sorted(value, key=repr)) + "}"
        if value is None or isinstance(value, bool | int | float | str | Path | Local):
            return repr(value)
        return repr(self.encode(value))


def _role(node: Node, unit: Unit | None) -> str:
    if unit is not None:
        several = bool(unit.kwargs.get("return_indices"))
        known = unit.target in kinds.FRESH or unit.target in kinds.STATELESS - {kinds.IDENTITY}
        return "maps" if known and not several else ""
    if node.op == "method":
        return "keeps" if node.target in kinds.TENSOR_METHODS else ""
    if node.op == "attribute":
        return "" if node.target.rpartition(".")[2] == "training" else "gives"
    if node.target in kinds.SUMS:
        plain = len(node.args) == 2 and not node.kwargs and all(isinstance(arg, Node) for arg in node.args)
        return "plus" if plain else ""
    if node.target in kinds.ELEMENTWISE:
        return "maps"
    return "gives" if node.target in kinds.TENSOR_FUNCTIONS else "keeps" if node.target == "operator.getitem" else ""


def _is_free(node: Node) -> bool:
    """Whether two operands can be swapped, whatever they are."""
    commutes = node.op == "function" and node.target in kinds.COMMUTATIVE - kinds.SUMS
    return commutes and len(node.args) == 2 and not node.kwargs and all(isinstance(arg, Node) for arg in node.args)


def _tensors(steps: Sequence[Step]) -> list[bool]:
    """Which steps surely give a tensor, or a number: a sum with a tensor in it is one, and all that is in it."""
    found = [step.role in ("gives", "maps") for step in steps]
    for step in steps:
        if step.role == "maps" and step.operands:
            found[step.operands[0]] = True
    changed = True
    while changed:
        changed = False
        for position, step in enumerate(steps):
            if step.role == "keeps" and step.operands and found[step.operands[0]] and not found[position]:
                found[position] = changed = True
            elif step.role == "plus":
                together = (position, *step.operands)
                sure = sum(found[other] for other in together)
                if 0 < sure < len(together):
                    changed = True
                    for other in together:
                        found[other] = True
    return found


def _sums(steps: Iterable[Step]) -> list[Step]:
    """The steps with every chain of additions as one sum of many terms."""
    found = list(steps)
    tensor = _tensors(found)
    is_sum = [step.role == "plus" and tensor[position] for position, step in enumerate(found)]
    uses = Counter(operand for step in found for operand in step.operands)
    for position, step in enumerate(found):
        if is_sum[position]:
            terms: list[int] = []
            for operand in step.operands:
                terms += found[operand].operands if is_sum[operand] and uses[operand] == 1 else [operand]
            note = step.label.partition(" with ")[2]
            found[position] = step._replace(label=f"{SUM} of {len(terms)} {note}", operands=tuple(terms), free=True)
    return found


def _reached(steps: Sequence[Step]) -> list[Step]:
    """The steps that the last one hangs on, and no others."""
    needed = {len(steps) - 1}
    for position in range(len(steps) - 1, -1, -1):
        if position in needed:
            needed.update(steps[position].operands)
    places = {position: place for place, position in enumerate(sorted(needed))}
    return [steps[p]._replace(operands=tuple(places[o] for o in steps[p].operands)) for p in sorted(needed)]


def _plain(member: Member, scope: Mapping[str, Member]) -> bool:
    """Whether calling a graph surely gives the value of one step, rather than a container of several."""
    if not isinstance(member, Graph) or not member.nodes:
        return False
    returned = member.output.args[0]
    if not isinstance(returned, Node) or returned.op == "input":
        return False
    if returned.op != "graph":
        return True
    inner, further = find(member, returned.target, scope)
    return _plain(inner, further)


class _At:
    """A step's value, by its position."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position


def _taken(container: Any, key: Any) -> Any:
    """An item of what a dissolved graph returned; None where it cannot be told."""
    try:
        return container[key]
    except (TypeError, KeyError, IndexError):
        return None


def _text(value: Any, note: Any) -> str:
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}[{','.join(_text(item, note) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}={_text(value[key], note)}" for key in sorted(value, key=repr)) + "}"
    if isinstance(value, slice):
        return f"slice[{','.join(_text(part, note) for part in (value.start, value.stop, value.step))}]"
    return str(note(value))


def _without_paths(step: Apply) -> tuple[Any, ...]:
    plain = [arg for arg in step.args if not isinstance(arg, Path)]
    return step.target, plain, {key: value for key, value in step.kwargs.items() if not isinstance(value, Path)}
