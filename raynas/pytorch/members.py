"""From modules to members: what an opened module is made of, each basic unit as its constructor call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from raynas.errors import SerializationError, TraceError
from raynas.graph import Choice, Graph, Make, Member, Path, Pick, Repeated, Set, Shared, Tensor, Unit
from raynas.graph.member import Step
from raynas.nn import InputChoice, LayerChoice, Repeat, is_basic_unit
from raynas.nn.basic_unit import CONTAINERS
from raynas.nn.recording import construction
from raynas.pytorch.fx_graph import nodes_of
from raynas.pytorch.names import name_of
from raynas.pytorch.tracer import Tracer
from raynas.search_space import Expression
from raynas.serializer import Call, Encoder, call_of

LITERAL = 64
"""Up to so many values a tensor is written out in the source."""


class Whole(Exception):
    """A module must be kept whole: something that it owns cannot be written as source."""

    def __init__(self, module: nn.Module, why: str) -> None:
        super().__init__(why)
        self.module = module
        self.why = why


class Builder:
    """Builds the graph of a traced root.

    Args:
        root: the module.
        tracer: which has run over it.
    """

    def __init__(self, root: nn.Module, tracer: Tracer) -> None:
        self.root = root
        self.tracer = tracer
        self.shared = _shared(root, tracer)
        self.ties = _ties(root, tracer, self.shared)

    def graph(self, module: nn.Module) -> Graph:
        """An opened module, or one that is never called: its members, steps and constructor."""
        body = self.tracer.bodies.get(module)
        base, init = _base(module, called=body is not None)
        members: dict[str, Member] = {}
        inherited = _inherited(module, init)
        for kind, own in (("parameter", module._parameters), ("buffer", module._buffers)):
            for name, tensor in own.items():
                if tensor is not None and name not in inherited:
                    members[name] = self.tensor(module, name, tensor, kind)
        for name, tensor in module.__dict__.items():
            if isinstance(tensor, torch.Tensor):
                members[name] = self.tensor(module, name, tensor, "attribute")
        for name, child in module._modules.items():
            if child is not None and name not in inherited:
                members[name] = self.place(child)
        shared = {name: self.member(child) for child, (name, home) in self.shared.items() if home is module}
        graph = Graph(type(module).__name__, members, [], base, shared, init)
        if body is not None:
            graph.nodes = nodes_of(body)
        graph.setup = [*_order(module, graph), *self.ties.get(module, ())]
        return graph

    def place(self, child: nn.Module) -> Member:
        """A child where it stands: itself, or a mention of what stands elsewhere, too."""
        return Shared(self.shared[child][0]) if child in self.shared else self.member(child)

    def member(self, module: nn.Module) -> Member:
        if isinstance(module, LayerChoice):
            return Choice(module.pick, {key: self.place(item) for key, item in _by_token(module).items()})
        if isinstance(module, InputChoice):
            return Pick(module.pick, module.reduction)
        if isinstance(module, Repeat):
            return Repeated(module.depth, tuple(self.place(block) for block in module.blocks))
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
            return unit_of(call)
        except SerializationError as error:
            parent = self.parent(module)
            if parent is None:
                raise TraceError(f"{type(module).__name__} cannot be written as source: {error}") from None
            raise Whole(parent, f"{type(module).__name__}: {error}") from None

    def parent(self, module: nn.Module) -> nn.Module | None:
        """The nearest module around `module` that can be kept whole."""
        around: nn.Module | None = None
        for path, found in self.root.named_modules():
            if found is module and path:
                above = self.root.get_submodule(path.rpartition(".")[0])
                around = above if type(above) not in CONTAINERS else self.parent(above)
                break
        return around

    def tensor(self, module: nn.Module, name: str, tensor: torch.Tensor, kind: Any) -> Tensor:
        value = creation(tensor.detach())
        if value is None:
            raise Whole(module, f"owns the {kind} '{name}', whose value is too large to write out")
        persistent = name not in module._non_persistent_buffers_set
        return Tensor(value, kind, tensor.requires_grad, persistent)


def unit_of(call: Call) -> Unit:
    """A constructor call in the IR's form; `SerializationError` where it names what cannot be imported."""
    encode = Encoder()

    def value(item: Any) -> Any:
        if isinstance(item, nn.Module):
            inner = construction(item) or call_of(item)
            if inner is None:
                raise SerializationError(f"nobody recorded how its {type(item).__name__} was constructed")
            return unit_of(inner)
        if isinstance(item, torch.Tensor):
            made = creation(item.detach())
            if made is None or item.requires_grad:
                raise SerializationError("a tensor among its arguments is too large to write out")
            return made
        if type(item) in (tuple, list):
            return type(item)(map(value, item))
        if type(item) is dict:
            return {key: value(part) for key, part in item.items()}
        if not isinstance(item, Expression):
            encode(item)
        return item

    args = tuple(map(value, call.args))
    return Unit(name_of(call.target), args, {key: value(item) for key, item in call.kwargs.items()})


def creation(tensor: torch.Tensor) -> Unit | None:
    """A call that makes a tensor of this value; None where none is short enough."""
    kwargs: dict[str, Any] = {} if tensor.dtype == torch.get_default_dtype() else {"dtype": tensor.dtype}
    shape = tuple(tensor.shape)
    if tensor.layout != torch.strided or tensor.is_quantized:
        return None
    if tensor.numel() > 1:
        first = tensor.flatten()[0]
        if bool((tensor == first).all()):
            if first == 0:
                return Unit("torch.zeros", (shape,), kwargs)
            if first == 1:
                return Unit("torch.ones", (shape,), kwargs)
            return Unit("torch.full", (shape, first.item()), kwargs)
        if tensor.dtype == torch.int64 and tensor.dim() == 1 and bool((tensor == torch.arange(tensor.numel())).all()):
            return Unit("torch.arange", (tensor.numel(),), {})
    if tensor.numel() > LITERAL or tensor.dtype.is_complex:
        return None
    plain = tensor.dtype in (torch.int64, torch.bool)
    return Unit("torch.tensor", (tensor.tolist(),), {} if plain else kwargs)


def _by_token(choice: LayerChoice) -> dict[Any, nn.Module]:
    return dict(zip(choice.pick.tokens, choice.candidates.values(), strict=True))


def _base(module: nn.Module, called: bool) -> tuple[str, Unit | None]:
    """The class that the generated one derives from, and the call of its constructor where it needs one."""
    cls = type(module)
    if cls in CONTAINERS:
        return name_of(cls), None
    if isinstance(module, nn.Sequential) and cls.forward is nn.Sequential.forward:
        return "torch.nn.Sequential", None
    leaf = next((base for base in cls.__mro__ if is_basic_unit(base)), None)
    if leaf is None:
        return "torch.nn.Module", None
    call = construction(module)
    if call is None or "__init__" in {name for base in cls.__mro__[: cls.__mro__.index(leaf)] for name in vars(base)}:
        raise Whole(module, f"has a constructor of its own above {leaf.__name__}'s")
    return name_of(leaf), unit_of(Call(leaf, call.args, call.kwargs))


def _inherited(module: nn.Module, init: Unit | None) -> set[str]:
    return set() if init is None else {*module._parameters, *module._buffers, *module._modules}


def _order(module: nn.Module, graph: Graph) -> list[Step]:
    """The members in the order of their construction, where that is not the order of registration."""
    at = {name: first for name, child in module._modules.items() if child and (first := _first(child)) is not None}
    names = [name for name in graph.members if name in at]
    ordered = sorted(names, key=lambda name: at[name])
    return [] if ordered == names else [Make(name) for name in ordered]


def _first(module: nn.Module) -> int | None:
    """When the first of a module's parts that draws random numbers was constructed."""
    found = [call.index for child in module.modules() if (call := construction(child)) and [*child.parameters(False)]]
    return min(found, default=None)


def _shared(root: nn.Module, tracer: Tracer) -> dict[nn.Module, tuple[str, nn.Module]]:
    """Modules that stand in several places: a name for each, and the innermost opened module around all places."""
    places: dict[nn.Module, list[tuple[nn.Module, ...]]] = {}
    names: dict[nn.Module, str] = {}

    def walk(module: nn.Module, above: tuple[nn.Module, ...]) -> None:
        for name, child in module._modules.items():
            if child is None:
                continue
            places.setdefault(child, []).append((*above, module))
            names.setdefault(child, name if name.isidentifier() else f"shared_{name}")
            if len(places[child]) == 1 and child not in tracer.opaque and not is_basic_unit(type(child)):
                walk(child, (*above, module))

    walk(root, ())
    found: dict[nn.Module, tuple[str, nn.Module]] = {}
    taken: set[tuple[nn.Module, str]] = set()
    for child, chains in places.items():
        if len(chains) < 2:
            continue
        home = root
        for level in zip(*chains, strict=False):
            if len({id(module) for module in level}) > 1:
                break
            if type(level[0]) not in CONTAINERS and not isinstance(level[0], LayerChoice | Repeat):
                home = level[0]
        name = names[child]
        while (home, name) in taken:
            name = f"{name}_"
        taken.add((home, name))
        found[child] = (name, home)
    return found


def _ties(root: nn.Module, tracer: Tracer, shared: Mapping[nn.Module, Any]) -> dict[nn.Module, list[Step]]:
    """Parameters that two modules hold: an assignment after both are made, in the module around both."""
    owners: dict[int, list[str]] = {}
    for path, module in root.named_modules():
        if any(path.startswith(f"{whole}.") for whole in _whole_paths(root, tracer)):
            continue
        tensors = module.named_parameters() if module in tracer.opaque else module.named_parameters(recurse=False)
        for name, tensor in tensors:
            owners.setdefault(id(tensor), []).append(f"{path}.{name}".lstrip("."))
    steps: dict[nn.Module, list[Step]] = {}
    for first, *others in owners.values():
        for other in others:
            common = _common(first, other)
            home = root.get_submodule(common)
            while type(home) in CONTAINERS or isinstance(home, LayerChoice | Repeat):
                common = common.rpartition(".")[0]
                home = root.get_submodule(common)
            cut = len(common) + 1 if common else 0
            steps.setdefault(home, []).append(Set(other[cut:], Path(first[cut:])))
    return steps


def _whole_paths(root: nn.Module, tracer: Tracer) -> list[str]:
    return [path for path, module in root.named_modules() if module in tracer.opaque]


def _common(left: str, right: str) -> str:
    parts = []
    for one, other in zip(left.split(".")[:-1], right.split(".")[:-1], strict=False):
        if one != other:
            break
        parts.append(one)
    return ".".join(parts)
