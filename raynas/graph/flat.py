"""Flat: a hierarchy of graphs as one list of steps, modules dissolved: what a fingerprint compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raynas.graph import kinds
from raynas.graph.abstract import Abstract
from raynas.graph.graph import Graph, find
from raynas.graph.member import Apply, Member, Path, Set, Shared, Tensor, Unit
from raynas.graph.mould import Mould, default_of, mould_of, number_last, shape_of
from raynas.graph.node import Node
from raynas.graph.step import Flat, Step
from raynas.graph.sums import summed
from raynas.graph.texts import text_of, text_with


def flatten(graph: Graph) -> Flat:
    """The steps of a frozen graph and of all that it calls."""
    return _Flattener().run(graph)


class _Flattener:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.owners: dict[int, int] = {}
        self.notes: dict[int, list[str]] = {}
        self.links: list[tuple[int, str, int, str]] = []
        self.kept: list[Any] = []
        self.plain = True
        """Whether nothing is noted of what has no owner."""

    def run(self, graph: Graph) -> Flat:
        if not graph.nodes:
            return Flat((Step(f"whole {graph.base} {text_of(graph.init)}", ()),))
        inputs = graph.inputs
        count = len(inputs)
        self.steps += [Step(f"input {i}{default_of(node)}", ()) for i, node in enumerate(inputs)]
        self.setup(graph, graph.shared)
        mould = mould_of(graph, graph.shared) if self.plain else None
        if mould is not None:
            self.steps.append(Step("output #", (self.cast(mould, graph, graph.shared, list(range(count))),)))
        else:
            self.add(self.step("output", self.body(graph, graph.shared, [_At(i) for i in range(count)])))
        steps = self.steps
        if (mould is None or mould.writes) and Abstract(graph, graph.shared).writes_in_place:
            # A write may be seen by any step after it, so that the order of all steps counts.
            steps = [Step(f"{i} {s.label}", s.operands, False, s.owner) for i, s in enumerate(steps)]
            last, everything = steps[-1], range(len(steps) - 1)
            steps[-1] = Step(last.label, (*last.operands, *everything))
        if self.notes:
            steps = [self._noted(step) for step in steps]
        return Flat(tuple(summed(steps)), tuple(self.links))

    def _noted(self, step: Step) -> Step:
        notes = self.notes.get(step.owner) if step.owner is not None else None
        return step if not notes else step._replace(label=f"{step.label} with {'; '.join(notes)}")

    def add(self, step: Step) -> _At:
        self.steps.append(step)
        return _At(len(self.steps) - 1)

    def body(self, graph: Graph, scope: Mapping[str, Member], inputs: list[Any]) -> Any:
        """Dissolve one forward pass; returns its result, positions in place of nodes."""
        mould = mould_of(graph, scope) if self.plain else None
        if mould is not None and set(map(type, inputs)) <= ONE:
            return _At(self.cast(mould, graph, scope, [value.position for value in inputs]))
        abstract = Abstract(graph, scope)
        values: dict[Node, Any] = {}
        given = iter(inputs)
        for node in graph.nodes:
            if node.op == "output":
                return _filled(node.args[0], values)
            before = len(self.steps)
            if node.op == "input":
                value = next(given, ONE)
                values[node] = self.add(Step(default_of(node), ())) if value is ONE else value
            else:
                values[node] = self.node(node, abstract, scope, values)
            for path, on in node.when:
                modes = f"when {self.flag(path, abstract.graph, scope)} is {on}"
                self.steps[before:] = [step._replace(label=f"{step.label} {modes}") for step in self.steps[before:]]
        return None

    def cast(self, mould: Mould, graph: Graph, scope: Mapping[str, Member], inputs: Sequence[int]) -> int:
        """Dissolve the forward pass of a graph of a known form; inputs and result are positions."""
        if mould.calls or len(inputs) != mould.inputs:
            return self.cast_with_calls(mould, graph, scope, inputs)
        steps, members, owners = self.steps, graph.members, self.owners
        values: list[int] = [*inputs, *range(len(steps), len(steps) + len(mould.lines))]
        for _, target, label, operands, free, role, owned in mould.lines[mould.inputs : -1]:
            owner = None
            if owned:
                unit = members.get(target)
                if type(unit) is not Unit:
                    unit = find(graph, target, scope)[0]
                owner = owners.get(id(unit))
                if owner is None:
                    owner = owners[id(unit)] = len(owners)
                    self.kept.append(unit)
            if len(operands) == 1:
                used: tuple[int, ...] = (values[operands[0]],)
            else:
                used = tuple([values[operand] for operand in operands])
            steps.append(_step(Step, (label, used, free, owner, role)))
        return values[mould.lines[-1][3][0]]

    def cast_with_calls(self, mould: Mould, graph: Graph, scope: Mapping[str, Member], inputs: Sequence[int]) -> int:
        """The same for a graph that calls others."""
        steps, values, members, moulds = self.steps, list(inputs), graph.members, iter(mould.below)
        for op, target, label, operands, free, role, owned in mould.lines[len(inputs) :]:
            used = tuple([values[operand] for operand in operands])
            if op == "output":
                break
            if op != "graph":
                owner = None
                if owned:
                    unit = members.get(target)
                    owner = self.owner(unit if type(unit) is Unit else find(graph, target, scope)[0])
                values.append(len(steps))
                steps.append(Step(label, used, free, owner, role))
                continue
            member = members.get(target)
            inner = scope
            if type(member) is not Graph or member.shared or graph.shared:
                member, inner = find(graph, target, scope)
            assert isinstance(member, Graph)
            if member.setup:
                self.setup(member, inner)
            below = next(moulds)
            if below is not None and self.plain:
                values.append(self.cast(below, member, inner, used))
            else:
                values.append(self.body(member, inner, [_At(position) for position in used]).position)
        return used[0]

    def node(self, node: Node, abstract: Abstract, scope: Mapping[str, Member], values: dict[Node, Any]) -> Any:
        args = _filled((node.args, node.kwargs), values)
        if node.op == "graph":
            member, inner = abstract.member(node)
            assert isinstance(member, Graph)
            self.setup(member, inner)
            return self.body(member, inner, list(args[0]))
        if node.op == "module":
            unit = abstract.unit(node)
            assert unit is not None
            stateless = unit.nature.stateless
            text = f"{unit.text}{self.noted(unit)}" if stateless and not self.plain else unit.text
            owner = None if stateless else self.owner(unit)
            return self.add(self.step(text, args, owner=owner, role=unit.nature.role))
        if node.op == "attribute":
            return self.attribute(node.target, abstract, scope)
        if node.op == "function" and node.target == "operator.getitem" and isinstance(args[0][0], tuple | list | dict):
            taken = _taken(args[0][0], args[0][1])
            if taken is not None:
                return taken
        free, role = shape_of(node)
        if node.op == "function" and node.target in kinds.COMMUTATIVE:
            args = number_last(*args), args[1]
        if node.op == "select":
            return self.add(self.step(f"select {self.flag(node.target, abstract.graph, scope)}", args))
        return self.add(self.step(f"{node.op} {node.target}", args, free, role=role))

    def attribute(self, path: str, abstract: Abstract, scope: Mapping[str, Member]) -> _At:
        above, _, name = path.rpartition(".")
        if name == "training":
            return self.add(Step(self.flag(path, abstract.graph, scope), ()))
        holder: Member = find(abstract.graph, above, scope)[0] if above else abstract.graph
        if isinstance(holder, Unit):
            return self.add(Step(f"{name} of {holder.text}", (), owner=self.owner(holder)))
        member = holder.members.get(name) if isinstance(holder, Graph) else None
        if isinstance(member, Tensor):
            label = f"{member.kind} {text_of(member.value)} {member.requires_grad}"
            return self.add(Step(label, (), owner=self.owner(member)))
        base, init = getattr(holder, "base", ""), getattr(holder, "init", None)
        return self.add(Step(f"{name} of a {base} {text_of(init)}", (), owner=self.owner(holder)))

    def owner(self, thing: Any) -> int:
        found = self.owners.get(id(thing))
        if found is None:
            found = self.owners[id(thing)] = len(self.owners)
            self.kept.append(thing)  # an id means its object only while that object lives
        return found

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
            if target is None:
                continue
            thing, last = _held(graph, target.path, scope)
            owner = self.owner(thing)
            if isinstance(step, Set) and isinstance(step.value, Path):
                source, name = _held(graph, step.value.path, scope)
                self.links.append((owner, last, self.owner(source), name))
                self.notes.setdefault(owner, []).append(f"tied {last}")
                continue
            what = text_of(step.value) if isinstance(step, Set) else text_of(_without_paths(step))
            for part in [thing] if last else _inside(thing, scope):
                self.notes.setdefault(self.owner(part), []).append(f"{last} {what}")
                if isinstance(part, Graph) or (isinstance(part, Unit) and part.nature.stateless):
                    self.plain = False

    def flag(self, path: str, graph: Graph, scope: Mapping[str, Member]) -> str:
        """A module's `training`, in words.

        Those of opened modules change together, but for what constructors do. Units may be put into a mode by their
        class, as where all normalisations are frozen.
        """
        above = path.rpartition(".")[0]
        holder = find(graph, above, scope)[0] if above else graph
        unit = f" of {holder.text}" if isinstance(holder, Unit) else ""
        return f"training{unit}{self.noted(holder)}"

    def noted(self, thing: Any) -> str:
        """What constructors do to something."""
        notes = self.notes.get(self.owners.get(id(thing), -1), [])
        if isinstance(thing, Graph):
            notes = [note for note in notes if note.startswith(" ")]
        return f" with {'; '.join(notes)}" if notes else ""

    def step(self, head: str, value: Any, free: bool = False, owner: int | None = None, role: str = "") -> Step:
        operands: list[int] = []

        def of(item: Any) -> str:
            if isinstance(item, _At):
                operands.append(item.position)
                return "#"
            return text_of(item)

        text = text_with(value, of)
        if len(operands) != 2:  # what stands for a node in a graph that returns a constant
            free, role = False, "" if role == "plus" else role
        return Step(f"{head} {text}", tuple(operands), free, owner, role)


def _held(graph: Graph, path: str, scope: Mapping[str, Member]) -> tuple[Member, str]:
    """What a path leads to: the unit or tensor that owns it, or a whole graph; and the rest of the path."""
    parts = path.split(".") if path else []
    member: Member = graph
    for cut in range(1, len(parts) + 1):
        if isinstance(member, Graph) and member.init is not None and parts[cut - 1] not in member.members:
            return member, ".".join(parts[cut - 1 :])  # of the class it is made of
        member, _ = find(graph, ".".join(parts[:cut]), scope)
        if not isinstance(member, Graph):
            return member, ".".join(parts[cut:])
    return member, ""


def _inside(member: Member, scope: Mapping[str, Member]) -> list[Member]:
    """A member and all that stands below it."""
    while isinstance(member, Shared):
        member = scope[member.name]
    if not isinstance(member, Graph):
        return [member]
    inner = {**scope, **member.shared}
    return [member, *(part for child in member.members.values() for part in _inside(child, inner))]


class _At:
    """A step's value, by its position."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position


ONE = frozenset({_At})

_step = tuple.__new__  # `Step(…)` by a shorter way


def _filled(value: Any, values: Mapping[Node, Any]) -> Any:
    """`value` with positions in place of nodes; what a dissolved graph returned is put in whole."""
    if isinstance(value, Node):
        return values[value]
    if isinstance(value, tuple):
        return tuple([_filled(item, values) for item in value])
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*[_filled(part, values) for part in (value.start, value.stop, value.step)])
    return value


def _taken(container: Any, key: Any) -> Any:
    """An item of what a dissolved graph returned; None where it cannot be told."""
    try:
        return container[key]
    except (TypeError, KeyError, IndexError):
        return None


def _without_paths(step: Apply) -> tuple[Any, ...]:
    plain = [arg for arg in step.args if not isinstance(arg, Path)]
    return step.target, plain, {key: value for key, value in step.kwargs.items() if not isinstance(value, Path)}
