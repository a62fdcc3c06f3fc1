"""From modules to members: what an opened module is made of, each basic unit as its constructor call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from raynas.errors import RaynasError, SerializationError, TraceError
from raynas.graph import (
    Apply,
    Choice,
    Copy,
    Graph,
    Let,
    Make,
    Member,
    Path,
    Pick,
    Repeated,
    Set,
    Shared,
    Step,
    Tensor,
    Unit,
)
from raynas.graph.setup import note_changes
from raynas.nn import InputChoice, LayerChoice, Repeat, is_basic_unit
from raynas.nn.basic_unit import CONTAINERS
from raynas.nn.recording import construction, leaf_of
from raynas.nn.tape import Tape, tensors_in
from raynas.pytorch.changes import Changed, Changes, equal, marking, plain
from raynas.pytorch.constructor import DRAWN, Constructors
from raynas.pytorch.fx_graph import nodes_of
from raynas.pytorch.moments import Moments
from raynas.pytorch.names import name_of
from raynas.pytorch.places import NO_TENSORS
from raynas.pytorch.reasons import can_be_whole, commonpath, part_of
from raynas.pytorch.sharing import copies, shared_modules, ties
from raynas.pytorch.state import TORCHS
from raynas.pytorch.tensors import creation
from raynas.pytorch.tracer import Tracer
from raynas.pytorch.units import Whole, unit_of
from raynas.search_space import Expression
from raynas.search_space.expression import defaults, token
from raynas.serializer import call_of


class Builder:
    """Builds the graph of a traced root.

    Args:
        root: the module.
        tracer: which has run over it.
    """

    def __init__(self, root: nn.Module, tracer: Tracer) -> None:
        self.root = root
        self.tracer = tracer
        self.changes = Changes()
        self.shared = shared_modules(root, tracer)
        self.ties = ties(root, tracer, self.shared)
        self.constructors = Constructors(root, set(tracer.opaque), tape_of(root), tracer.places, self.inherited)
        self.troubles = dict(self.constructors.failed)
        self.copies, self.firsts = copies(root, tracer.places.modules)
        self.below: dict[nn.Module, list[Step]] = {}
        self.written: set[int] = set()
        self.compared: set[nn.Module] = set()
        self.homes: list[tuple[nn.Module, str]] = []
        self.moments = Moments(self.constructors, tracer.opaque, self.shared, self.firsts)
        parts = tracer.places.modules.values()
        tensors = [tensor for part in parts for tensor in part._parameters.values() if tensor is not None]
        thawed = all(tensor.requires_grad for tensor in tensors)
        awake = all(part.training for part in parts)
        self.frozen = set() if thawed else _topmost(root, _is_frozen)
        self.asleep = set() if awake else _topmost(root, lambda m: not any(part.training for part in m.modules()))
        self.covered = {part for module in self.frozen for part in module.modules()}

    def build(self) -> Graph:
        """The graph of the root.

        Raises:
            Whole: modules that cannot be written but whole.
        """
        try:
            graph = self.graph(self.root)
        except RaynasError:
            if self.troubles:
                raise Whole(self.troubles) from None  # once these are kept whole, it may do
            raise
        if self.troubles:
            raise Whole(self.troubles)
        note_changes(graph)
        return graph

    def trouble(self, module: nn.Module, why: str) -> None:
        """Note that a module cannot be written but whole."""
        self.troubles.setdefault(module, why)

    def graph(self, module: nn.Module) -> Graph:
        """An opened module, or one that is never called: its members, steps and constructor."""
        body = self.tracer.bodies.get(module)
        holds = can_be_whole(module) or module is self.root
        copied = (
            self.constructors.tape is not None and module in self.constructors.tape.copied and module not in self.firsts
        )
        if copied and self.homes:
            self.homes.append(self.homes[-1])
        elif holds:
            self.homes.append((module, ""))
        base, init = self.base(module)
        members: dict[str, Member] = {}
        inherited = set() if init is None else self.inherited(module)
        for kind, own in (("parameter", module._parameters), ("buffer", module._buffers)):
            for name, tensor in own.items():
                if tensor is None:
                    continue
                home, path = self.homes[-1]
                place = f"{path}.{name}".lstrip(".")
                steps: list[Step] = list(marking(tensor, place))
                if name not in inherited:
                    members[name] = self.tensor(module, name, tensor, kind)
                elif not tensor.requires_grad and kind == "parameter" and module not in self.covered:
                    steps.append(Apply(".requires_grad_", (Path(place), False)))
                self.below.setdefault(home, []).extend(steps)
        for name, tensor in module.__dict__.items():
            if type(tensor) not in NO_TENSORS and name not in TORCHS and isinstance(tensor, torch.Tensor):
                members[name] = self.tensor(module, name, tensor, "attribute")
        for name, child in module._modules.items():
            if child is not None and name not in inherited:
                members[name] = self.place(child, name)
        shared = {name: self.place(child, name, True) for child, (name, home) in self.shared.items() if home is module}
        graph = Graph(type(module).__name__, members, [], base, shared, init)
        if body is not None:
            graph.nodes = nodes_of(body)
        if not holds:
            if copied and self.homes:
                self.homes.pop()
            if type(module) is nn.Module and not graph.is_sequential:
                graph.setup = self.setup(module, graph)
            return graph
        if self.constructors.may_draw([module], by_name=False):
            self.trouble(module, DRAWN)
        graph.attributes = _attributes(module, members)
        if init is not None and tape_of(module) is not None:
            made = self.changes.made(tape_of(module).bases[module])  # type: ignore[union-attr]  # `base` found it there
            for name, value in vars(made).items() if made is not None else ():
                if name in graph.attributes and equal(graph.attributes[name], value):
                    del graph.attributes[name]
        if module is self.root:
            self.flags(module, module, "")
        graph.setup = self.setup(module, graph)
        self.homes.pop()
        return graph

    def setup(self, module: nn.Module, graph: Graph) -> list[Step]:
        """The constructor's steps: in the order in which they happened, as far as that makes a difference."""
        timed = self.constructors.steps.get(module, [])
        copies = [Copy(path, source) for path, source in self.copies.get(module, [])]
        makes = self.moments.makes(module, list(graph.members), [t.index for t in timed if t.draws])
        drawn = [index for _, index in makes if index is not None]
        counts = [t for t in timed if t.draws or copies or isinstance(t.step, Let)]
        after = [*copies, *(t.step for t in timed), *self.ties.get(module, ()), *self.below.get(module, ())]
        if drawn == sorted(drawn) and not any(t.index <= index for t in counts for index in drawn):
            return after
        last = 0
        order: list[tuple[int, int, Step]] = []
        for position, (name, index) in enumerate(makes):
            last = index if index is not None else last
            order.append((last, position, Make(name)))
        order += [(t.index, -1, t.step) for t in timed]
        steps = [step for _, _, step in sorted(order, key=lambda item: item[:2])]
        whole = {step.name for step in steps if isinstance(step, Make)}
        ready = [name for name, _ in makes if "." not in name]
        steps += [Make(name) for name in graph.members if name not in ready and name not in whole]
        return [*copies, *steps, *self.ties.get(module, ()), *self.below.get(module, ())]

    def inherited(self, module: nn.Module) -> set[str]:
        """Names of the parameters, buffers and children that a module's base class makes in it, if it is a unit."""
        tape = tape_of(module)
        call = tape.bases.get(module) if tape is not None else None
        if call is None:
            return set()
        made = self.changes.made(call) or module
        return {*made._parameters, *made._buffers, *made._modules}

    def base(self, module: nn.Module) -> tuple[str, Unit | None]:
        """The class that the generated one derives from, and the call of its constructor where it needs one."""
        cls = type(module)
        if cls in CONTAINERS:
            return name_of(cls), None
        if isinstance(module, nn.Sequential) and cls.forward is nn.Sequential.forward:
            return "torch.nn.Sequential", None
        leaf = leaf_of(cls)
        if leaf is None:
            return "torch.nn.Module", None
        tape = tape_of(module)
        call = tape.bases.get(module) if tape is not None else None
        if call is None:
            self.trouble(module, f"derives from {leaf.__name__}, whose constructor call nobody recorded")
        elif module in self.tracer.bodies and cls.forward is leaf.forward:
            self.trouble(module, f"runs {leaf.__name__}'s own forward")
        else:
            try:
                return name_of(leaf), unit_of(call)
            except SerializationError as error:
                self.trouble(module, str(error))
        return "torch.nn.Module", None

    def place(self, child: nn.Module, name: str, home: bool = False) -> Member:
        """A child where it stands: itself, or a mention of what stands elsewhere, too."""
        if child in self.shared and not home:
            return Shared(self.shared[child][0])
        owner, path = self.homes[-1]
        if home:
            path = next(p for p, found in owner.named_modules() if found is child)
        self.homes.append((owner, f"{path}.{name}".lstrip(".") if not home else path))
        try:
            self.flags(child, *self.homes[-1])
            return self.member(child)
        finally:
            self.homes.pop()

    def flags(self, module: nn.Module, home: nn.Module, path: str) -> None:
        """Note that a module is frozen, or in evaluation mode, with all that stands in it."""
        steps = self.below.setdefault(home, [])
        if module in self.frozen:
            steps.append(Apply(".requires_grad_", (Path(path), False)))
        if module in self.asleep:
            steps.append(Apply(".eval", (Path(path),)))

    def member(self, module: nn.Module) -> Member:
        if isinstance(module, LayerChoice):
            return Choice(module.pick, {k: self.place(item, str(k)) for k, item in _by_token(module).items()})
        if isinstance(module, InputChoice):
            return Pick(module.pick, module.reduction)
        if isinstance(module, Repeat):
            return Repeated(module.depth, tuple(self.place(block, str(i)) for i, block in enumerate(module.blocks)))
        if module in self.tracer.opaque or is_basic_unit(type(module)):
            return self.unit(module)
        return self.graph(module)

    def unit(self, module: nn.Module) -> Unit:
        """The constructor call of a module that is kept whole."""
        call = construction(module) or call_of(module)
        if call is None:
            raise TraceError(
                f"nobody recorded how this {type(module).__name__} was constructed: pass raynas.trace a function that "
                "builds the model, or build it under `with raynas.recording()`"
            )
        try:
            if any(map(self.constructors.escapes.holds, tensors_in((call.args, dict(call.kwargs))))):
                raise SerializationError("is passed a tensor of random numbers")
            unit = unit_of(call)
            if self.homes and module not in self.compared:
                self.compared.add(module)
                home, path = self.homes[-1]
                steps = list(self.changes.of(module, call, path, module in self.covered))
                if self.constructors.may_draw(module.modules(), by_name=False):
                    steps = [step for step in steps if not isinstance(step, Set)]  # each build has values of its own
                if steps:
                    replaced = {t.step.path for t in self.constructors.steps.get(home, ()) if isinstance(t.step, Set)}
                    self.below.setdefault(home, []).extend(
                        s for s in steps if not (isinstance(s, Set) and s.path in replaced)
                    )
            return unit
        except (SerializationError, Changed) as error:
            parent = self.parent(module)
            if parent is None or (
                parent is self.root and construction(self.root) is None and call_of(self.root) is None
            ):
                raise TraceError(f"{type(module).__name__} cannot be written as source: it {error}") from None
            inner = self.tracer.opaque.get(module)
            inner = f", which is kept whole ({inner})" if inner else ""
            self.trouble(parent, f"holds a {type(module).__name__}{inner} and cannot be made again: {error}")
            return Unit("torch.nn.Identity")

    def parent(self, module: nn.Module) -> nn.Module | None:
        """The nearest module around `module` that can be kept whole."""
        around: nn.Module | None = None
        for path, found in self.root.named_modules():
            if found is module and path:
                above = part_of(self.root, path.rpartition(".")[0])
                around = above if type(above) not in CONTAINERS else self.parent(above)
                break
        return around

    def around(self, modules: list[nn.Module]) -> nn.Module:
        """The smallest module around several that can be kept whole."""
        places = {module: path for path, module in self.root.named_modules()}
        common = commonpath([places[module] for module in modules])
        while not can_be_whole(part_of(self.root, common)):
            common = common.rpartition(".")[0]
        return part_of(self.root, common)

    def tensor(self, module: nn.Module, name: str, tensor: torch.Tensor, kind: Any) -> Tensor:
        persistent = name not in module._non_persistent_buffers_set
        known = self.constructors.value(tensor)
        if (
            id(tensor) in self.written or self.constructors.owner(tensor) is not module
        ):  # tied: it is assigned once all is made
            return Tensor(empty(tensor), kind, tensor.requires_grad, persistent)
        self.written.add(id(tensor))
        blank = known is None and self.is_filled(tensor)
        value = known[0] if known is not None else empty(tensor) if blank else creation(tensor.detach())
        owners, why = self.constructors.unwritable(tensor) if known is None else ([], "")
        if why:
            self.trouble(self.around([module, *owners]), f"its {kind} '{name}' {why}")
        if known is None and not blank:
            if self.constructors.escapes.made(tensor):
                self.trouble(module, f"its {kind} '{name}' holds random numbers of which no recorded call tells")
            if self.constructors.may_draw([module]):
                self.trouble(module, f"its {kind} '{name}': {DRAWN}")
        if value is None:
            count = f"{tensor.numel()} values" if tensor.layout == torch.strided else "values"
            self.trouble(module, f"its {kind} '{name}' holds {count} that were not made with torch")
            value = Unit("torch.empty", (0,))
        return Tensor(value, kind, tensor.requires_grad, persistent)

    def is_filled(self, tensor: torch.Tensor) -> bool:
        """Whether a constructor fills all of a tensor, so that what it held before does not matter.

        `nn.Parameter(torch.Tensor(4, 4))` and the like make tensors that no call of a function explains.
        """
        for home, steps in self.constructors.steps.items():
            filled = [t.step.args[0] for t in steps if isinstance(t.step, Apply) and fills(t.step)]
            filled += [Path(t.step.path.removesuffix(".data")) for t in steps if isinstance(t.step, Set)]
            if filled and Path(self.tracer.places.path(home, tensor) or "") in filled:
                return True
        return False


def empty(tensor: torch.Tensor) -> Unit:
    """A tensor of the same shape and dtype, whatever it holds."""
    kwargs = {} if tensor.dtype == torch.get_default_dtype() else {"dtype": tensor.dtype}
    return Unit("torch.empty", (tuple(tensor.shape),), kwargs)


WHOLE = (slice(None), ...)
"""Indices of all that a tensor holds: `x[:] = …`."""

INITS = ("uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_", "eye_", "orthogonal_")
FILLS = frozenset(
    {
        *(f"torch.nn.init.{name}" for name in (*INITS, "xavier_uniform_", "xavier_normal_", "kaiming_uniform_")),
        *("torch.nn.init.kaiming_normal_", ".uniform_", ".normal_", ".fill_", ".zero_", ".copy_"),
    }
)
"""Functions and methods that give each value of their first argument, whatever it was."""


def fills(step: Apply) -> bool:
    """Whether a call gives each value of its first argument, whatever it was."""
    return step.target in FILLS or (step.target == "operator.setitem" and step.args[1] in WHOLE)


def _by_token(choice: LayerChoice) -> dict[Any, nn.Module]:
    return {token(key): candidate for key, candidate in choice.candidates.items()}


def tape_of(root: nn.Module) -> Tape | None:
    """What was recorded while a model was built."""
    for module in root.modules():
        call = construction(module)
        if call is not None and call.tape is not None:
            return call.tape
    return None


def _topmost(root: nn.Module, holds: Callable[[nn.Module], bool]) -> set[nn.Module]:
    """The outermost modules of which something holds."""
    if holds(root):
        return {root}
    return {found for child in root.children() for found in _topmost(child, holds)}


def _is_frozen(module: nn.Module) -> bool:
    tensors = list(module.parameters())
    return bool(tensors) and not any(tensor.requires_grad for tensor in tensors)


def _attributes(module: nn.Module, members: Mapping[str, Member]) -> dict[str, Any]:
    """The plain values that a user's module keeps under public names, and choices of such."""
    return {
        name: value
        for name, value in module.__dict__.items()
        if not name.startswith("_")
        and name not in members
        and name != "training"
        and name.isidentifier()
        and (plain(value) or isinstance(value, Expression) or plain(defaults(value)))
    }
