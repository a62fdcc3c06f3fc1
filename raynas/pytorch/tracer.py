"""Tracer: torch.fx's, with a graph of its own for every module that is opened."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy

from raynas.errors import RaynasError, TraceError
from raynas.nn import InputChoice, LayerChoice, ModelSpace, Repeat, is_basic_unit
from raynas.nn.recording import leaf_of
from raynas.pytorch import nones
from raynas.pytorch.arguments import LITERALS, entered, pieces, unusual
from raynas.pytorch.body import Body, joined
from raynas.pytorch.branches import Told, Ways
from raynas.pytorch.codegen.literals import RESERVED
from raynas.pytorch.doubts import Doubts, Need
from raynas.pytorch.flags import is_flag
from raynas.pytorch.fx_graph import NAME
from raynas.pytorch.gradients import FREE, is_free, mixes
from raynas.pytorch.leaves import Leaf, stepping
from raynas.pytorch.libraries import is_named, recorded
from raynas.pytorch.outside import generators, modes, restore
from raynas.pytorch.passing import alike, mapped, names_of, projected, proxies_in
from raynas.pytorch.patches import patched
from raynas.pytorch.places import Places
from raynas.pytorch.proxy import ROWS, Flag, Traced, Untraceable, is_traced
from raynas.pytorch.readings import Readings
from raynas.pytorch.reasons import forward_of, located, reason, refuse_choices
from raynas.pytorch.stand_ins import standing_in
from raynas.pytorch.stars import Spread, Spreads, gathered, summed
from raynas.pytorch.state import Watch, copied
from raynas.pytorch.steps import demanded
from raynas.pytorch.suspects import FUNCTIONS
from raynas.pytorch.units import Whole

MODE = "computes under a gradient mode, autocast or a default dtype of its own"

AS_IT_IS = nullcontext()

CODE = (*FUNCTIONS, nn.Module)
"""What a forward may be passed, and calls: it stands in its caller."""


class Passed(Untraceable):
    """A forward decides by an argument that is a flag of its caller, or calls one."""


class Elsewhere(Exception):
    """Random numbers were drawn outside traced functions, or one module changed another: which, is not known yet."""


class Tracer(fx.Tracer):
    """Traces a module and all that it opens.

    Args:
        opaque: modules to keep whole, and why.
        example_names: names of the root's inputs that a call passes; by default those without a default value.
        optional: names of further inputs, which have default values.
        absent: names of inputs for which a call passes None.
        each: whether each module is watched for what it does outside torch's functions, and not only the model.

    Attributes:
        bodies: what was traced, by module.
        opaque: modules that are kept whole though nobody asked for it, and why; without a reason those of a class that
            only has another constructor than the basic unit from which it derives.
        places: paths of all that stands in the model.
    """

    proxy_buffer_attributes = True

    def __init__(
        self,
        opaque: Mapping[nn.Module, str],
        example_names: Sequence[str] | None = None,
        optional: Collection[str] = (),
        absent: Collection[str] = (),
        each: bool = False,
    ) -> None:
        super().__init__()
        self.places: Places
        self.each = each
        self.optional = optional
        self.absent = absent
        self.opaque: dict[nn.Module, str] = dict(opaque)
        self.bodies: dict[nn.Module, Body] = {}
        self.example_names = example_names
        self.stack: list[nn.Module] = []
        self._readings: Readings
        self._told: dict[nn.Module, Told] = {}
        self._result: Any = None
        self._doubts = Doubts()
        self._spreads = Spreads()
        self._modes = modes()
        self._mixed = self._quiet = False
        self._cache: dict[tuple[fx.Graph, str], fx.Proxy] = {}
        self._strict = False
        self._late: dict[nn.Module, str] = {}

    def run(self, root: nn.Module) -> None:
        """Trace `root`; afterwards `bodies` and `opaque` are filled.

        Raises:
            Untraceable: `root` itself cannot be opened.
            Whole: modules of which it was found out too late that they cannot be: trace anew, with them kept whole.
        """
        self.places = Places(root)
        self._readings = Readings(self.places.modules)
        why = self._readings.why(root)
        if why:
            raise Untraceable(why, located=True)
        try:
            graph = self._traced(root)
        except Elsewhere:  # random numbers were drawn somewhere: once more, and watch each module
            self.each = True
            self._late.clear()
            self.bodies.clear()
            self._cache.clear()
            self._doubts = Doubts()
            graph = self._traced(root)
        words = RESERVED.union(node.target.__name__ for node in graph.nodes if is_named(node))
        for node in graph.nodes:
            if node.op == "placeholder" and (name := str(node.target).lstrip("*")) in words:
                raise Untraceable(f"takes an argument named '{name}', which in generated code means something else")
        for module, why in (self._doubts.settled() | self._readings.changed_by_units(self.opaque)).items():
            self._late.setdefault(module, why)
        for module, traced in [(root, graph), *((module, body.graph) for module, body in self.bodies.items())]:
            self._refuse_parts(module, traced)
        if self._late:
            raise Whole(self._late)
        self.bodies[root] = Body(graph, [n.target for n in graph.nodes if n.op == "placeholder"], None)

    def _refuse_parts(self, module: nn.Module, graph: fx.Graph) -> None:
        """Keep whole a module that calls a part of one that is kept whole."""
        for node in graph.nodes:
            if node.op == "call_module" and "." in node.target:
                inside = module
                for name in node.target.split(".")[:-1]:
                    inside = inside._modules[name]  # type: ignore[assignment]  # the path leads to a module
                    if is_basic_unit(type(inside)) or inside in self.opaque:
                        why = f"calls '{node.target}', a part of a {type(inside).__name__}, which is kept whole"
                        self._late.setdefault(module, located(why, module))

    def _traced(self, root: nn.Module) -> fx.Graph:
        self.stack = [root]

        def factory(function: Any, args: Any, kwargs: Any) -> Any:
            return self.create_proxy("call_function", function, args, kwargs)

        def training(module: nn.Module) -> Any:
            path = self.path_of_module(module)
            return self.attribute(f"{path}.training" if path else "training")

        def way() -> Body:
            self.stack = [root]
            with patched(factory, training, self.places.known), recorded(factory), self._watched(root):
                # the function, and not the module, in which torch.fx would look for what `places` knows
                graph = super(Tracer, self).trace(type(root).forward)
            return Body(graph, [], self._result)

        return self._both(root, way).graph

    def _both(self, m: nn.Module, way: Callable[[], Body]) -> Body:
        """A forward as traced; followed each way where it asks whether modules train."""
        needs: list[list[Need]] = []

        def once(told: Told) -> Body:
            before = len(self._doubts)
            self._told[m] = told
            try:
                return way()
            finally:
                del self._told[m]
                if told and m is not self.stack[0]:
                    needs.append(self._doubts.forget(before))

        body = Ways(once, lambda flag, yes, no: joined(flag, yes, no, self.proxy)).follow()
        self._doubts.keep(needs)
        return body

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """The root's inputs: what a call must pass or the example passes, and what it may pass."""
        root = self.stack[0]
        args, kwargs = entered(root, self, self.example_names or (), self.optional, self.absent)

        def call(*arguments: Any) -> Any:
            self._result = self._called(root, forward_of(root), arguments, kwargs)
            return self._result

        return call, args

    def proxy(self, node: fx.Node) -> Traced:
        return Flag(node, self) if is_flag(node) else Traced(node, self)

    def create_node(
        self, kind: str, target: Any, args: Any, kwargs: Any, name: Any = None, type_expr: Any = None
    ) -> Any:
        now = modes()
        other = now != self._modes
        if other and (now[1:] != self._modes[1:] or now[0] > self._modes[0]):
            raise Untraceable(MODE)
        if name is None and type(target) is str and target.islower() and target[0] != "_":
            name = target  # as torch.fx would name it, but for a search for capitals
        made = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        if kind in ("call_function", "call_method"):
            self._doubts.note(made, self.stack)
            self._mixed = self._mixed or mixes(made)
        if other:
            self._quiet = True
            if kind not in ("get_attr", "placeholder", "output") and not is_free(made):
                raise Untraceable(MODE)
        if self._mixed and self._quiet:
            raise Untraceable(MODE)
        return made

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *rest: Any, **more: Any) -> fx.Proxy:
        if self._spreads:
            args = gathered(kind, target, args)
        if torch.Size in map(type, args) and getattr(target, "__module__", "") != "_operator":
            args = tuple([tuple(arg) if type(arg) is torch.Size and kind != "call_module" else arg for arg in args])
        return super().create_proxy(kind, target, args, kwargs, *rest, **more)

    def create_arg(self, a: Any) -> Any:
        if type(a) in LITERALS:
            return a
        if is_traced(a):
            if a.node.graph is not self.graph:
                raise Untraceable("uses a value that another module's forward computed and kept")
            return a.node
        if type(a) is tuple or type(a) is list:
            if self._spreads and any(type(item) is Spread for item in a):
                return summed(a).node
            return type(a)([self.create_arg(item) for item in a])
        made = unusual(a, self, self._tensor)
        if made is not NotImplemented:
            return made
        try:
            return super().create_arg(a)
        except NotImplementedError:
            raise Untraceable(f"passes a {type(a).__name__} to a function of torch") from None

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return self._tensor(attr_val) if isinstance(attr_val, torch.Tensor) else attr_val

    def _tensor(self, tensor: torch.Tensor) -> fx.Proxy:
        path = self.places.path(self.stack[-1], tensor)
        if path is None:
            raise Untraceable("uses a tensor that is no parameter, buffer or attribute of the module")
        read = self.attribute(path)
        read.node.meta[FREE] = not tensor.requires_grad and not isinstance(tensor, nn.Parameter)
        read.node.meta[ROWS] = None if is_lazy(tensor) or not tensor.dim() else len(tensor)
        return read

    def attribute(self, path: str) -> fx.Proxy:
        """The value of a parameter, buffer or flag of the module being traced, read when the model runs."""
        key = (self.graph, path)
        if key not in self._cache:
            self._cache[key] = self.create_proxy("get_attr", path, (), {})
        return self._cache[key]

    def path_of_module(self, mod: nn.Module) -> str:
        """The module's path below the one being traced."""
        path = self.places.path(self.stack[-1], mod)
        if path is None:
            raise Untraceable(f"calls a {type(mod).__name__} that is not among its submodules")
        return path

    def to_bool(self, obj: fx.Proxy) -> bool:
        demand = None if is_flag(obj.node) else demanded(sys._getframe(1))
        if demand is not None:
            holds = obj if demand[0] else self.create_proxy("call_function", operator.not_, (obj,), {})
            self.create_proxy("call_function", torch._assert, (holds, demand[1]), {})
            return demand[0]
        here = self.stack[-1]
        if is_flag(obj.node) and here in self._told:
            return self._told[here].setdefault(str(obj.node.target), True)
        if is_flag(nones.origin_of(obj.node)):
            raise Passed(f"decides by its argument '{obj.node.name}', which is a flag of its caller")
        raise Untraceable("decides by a value that only the run knows")

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        taken: Any = obj
        count = pieces(obj.node)
        if count is None:
            return self._spreads.of(taken)
        return (taken[position] for position in range(count))

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A node that calls `m`, whose own forward is traced first, unless it is kept whole."""
        if id(m) not in self.places.known and not m._parameters and not m._buffers:
            return forward(*args, **kwargs)  # made in forward, and owns nothing: its children may be the model's
        path = self.path_of_module(m)
        cls: Any = type(m)
        if not _calls_plainly(cls):
            raise Untraceable(f"calls a {type(m).__name__}, which overrides __call__()")
        if isinstance(m, InputChoice):
            return self._call("choice", path, m.inputs(args), {})
        if isinstance(m, LayerChoice | Repeat):
            self._visit(m, forward, args, kwargs)
            choice = self._call("choice", path, args, kwargs)
            nones.mark(choice.node, m)
            return choice
        try:
            body = self._visit(m, forward, args, kwargs)
        except Passed:
            try:
                return self._inlined(m, forward, args, kwargs)
            except (RaynasError, Whole, Passed):
                raise
            except Exception as error:
                self._closed(m, error)
                body = None
        if body is None:
            given = (*args, *kwargs.values())
            if any(type(value) in (list, dict, set) for value in given) and self._readings.of(m).changes:
                raise Untraceable(
                    f"passes a list or dict to a {type(m).__name__}, which is kept whole and may change it"
                )
            unit = self._call("module", path, args, kwargs)
            if type(m).__module__.startswith("torch.nn."):
                self._doubts.note(unit.node, self.stack)
            nones.mark(unit.node, m)
            return unit
        if body is not self.bodies[m]:
            return forward(*args, **kwargs)  # called in another way than before: its steps become the caller's own
        passed = list(proxies_in((args, kwargs)))
        call = self._call("graph", path, tuple(passed), {})
        results = [proxy.node for proxy in proxies_in(body.result)]
        call.node.meta[nones.MAYBE] = is_traced(body.result) and bool(nones.may_be_none(body.result.node))
        call.node.meta[nones.ITEMS] = any(nones.may_be_none(node) or nones.has_nones(node) for node in results)
        return projected(call, body.result)

    def _inlined(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a call of `m` gives that is passed a flag, layer or function of its caller: the caller's own steps."""
        last, needs = next(iter(reversed(self.graph.nodes))), len(self._doubts)
        try:
            with self._watched(m):
                return self._called(m, forward, args, kwargs)
        except Exception:
            self._doubts.forget(needs)
            while (node := next(iter(reversed(self.graph.nodes)))) is not last:
                self.graph.erase_node(node)
                self._cache = {key: proxy for key, proxy in self._cache.items() if proxy.node is not node}
            raise

    def _call(self, op: str, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> fx.Proxy:
        proxy = self.create_proxy("call_module", path, args, kwargs)
        proxy.node.meta["op"] = op
        return proxy

    def _visit(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Body | None:
        """Trace what is opened when `m` is called like this; None where `m` itself is kept whole."""
        if isinstance(m, LayerChoice | Repeat):
            outer, self._strict = self._strict, True
            try:
                if isinstance(m, Repeat):
                    self._scratch(m, lambda x: _chained(m, x), args, kwargs)
                    return None
                for candidate in m.candidates.values():
                    self._visit(candidate, candidate.forward, args, kwargs)
                return None
            finally:
                self._strict = outer
        if is_basic_unit(type(m)) or m in self.opaque or m in self._late or isinstance(m, InputChoice):
            return None
        why = self._readings.why(m)
        if why:
            self._whole(m, why)
            return None
        leaf = leaf_of(type(m))
        if leaf is not None and type(m).forward is leaf.forward and "forward" not in m.__dict__:
            self._whole(m, "")  # another constructor for the same unit
            return None
        try:
            with self._watched(m):
                given = (*args, *kwargs.values())
                if not self._strict and any(isinstance(value, CODE) for value in given if not is_traced(value)):
                    raise Passed("is passed a layer or function of its caller")
                body = self._both(m, lambda: self._scratch(m, forward, args, kwargs))
        except (RaynasError, Whole):
            raise
        except Exception as error:
            if isinstance(error, Passed) and not self._strict:
                raise
            self._closed(m, error)
            return None
        known = self.bodies.setdefault(m, body)
        if known is body or alike(known.graph, body.graph):
            return known
        if self._strict:
            raise TraceError(
                f"{type(m).__name__}, a part of a choice, is called in two ways that compute differently: "
                "write one choice for each"
            )
        return body

    def _closed(self, m: nn.Module, error: Exception) -> None:
        if m in self.bodies:  # called before, and opened then
            self._late[m] = reason(error, m)
        else:
            self._whole(m, reason(error, m))

    def _whole(self, m: nn.Module, why: str) -> None:
        refuse_choices(m, why or "it is a unit")
        self.opaque[m] = why

    def _scratch(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Body:
        """`m`'s forward in a graph of its own."""
        outer, self.graph = self.graph, fx.Graph(tracer_cls=type(self))
        self.stack.append(m)
        names = iter(names_of(m, args, kwargs))
        inputs: list[str] = []

        def enter(proxy: Any) -> Any:
            inputs.append(next(names))
            inner = self.create_proxy("placeholder", inputs[-1], (), {})
            inner.node.meta[nones.MAYBE] = bool(nones.may_be_none(proxy.node))
            inner.node.meta[nones.ITEMS] = nones.has_nones(proxy.node)
            inner.node.meta[nones.ORIGIN] = proxy.node
            return inner

        try:
            inner_args, inner_kwargs = mapped((args, kwargs), enter)
            given = [item for item in (*inner_args, *inner_kwargs.values()) if not is_traced(item)]
            before = copied(given) if given else None
            result = self._called(m, forward, inner_args, inner_kwargs)
            if given and copied(given) != before:
                raise Untraceable("changes a list or dict that it was passed")
            self.create_node("output", "output", (self.create_arg(result),), {})
            return Body(self.graph, inputs, result)
        finally:
            self.graph = outer
            self.stack.pop()

    def _called(self, m: nn.Module, forward: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What a forward returns; refused where it asks whether something is None that may be."""
        reading, before = self._readings.of(m), len(self._spreads)
        asked = nones.guarded(reading.asked, lambda node, name: self._doubts.ask(node, name, self.stack[-1]))
        uses = self._readings.uses(m)
        with (
            asked,
            standing_in(uses) if uses else AS_IT_IS,
            stepping(reading.leaves, self._step) if reading.leaves else AS_IT_IS,
        ):
            result = forward(*args, **kwargs)
        self._spreads.close(before)
        if nones.asked_in(self.graph, reading.kinds):
            raise Untraceable(nones.TELL)
        return result

    def _step(self, leaf: Leaf, args: Any, kwargs: Any) -> Any:
        """The call of a leaf."""
        proxy = self.create_proxy("call_function", leaf.function, args, kwargs, leaf.name)
        proxy.node.meta[NAME] = leaf.qualified
        return proxy

    @contextmanager
    def _watched(self, m: nn.Module) -> Iterator[None]:
        """Refuse a forward that draws random numbers or changes containers outside torch's tensors; undo both."""
        watches = self.each or m is self.stack[0]
        before = generators() if watches else None
        watch, raised = Watch(m, self._readings.places(m), below=watches), Untraceable.raised
        try:
            yield
            if Untraceable.raised is not raised and Untraceable.raised is not None:
                raise Untraceable(f"catches an exception: {Untraceable.raised}")
            if before is not None and generators() != before:
                if not self.each:
                    raise Elsewhere
                raise Untraceable("draws random numbers outside a traced function")
            if below := watch.changed_below():
                if not self.each:
                    raise Elsewhere
                raise Untraceable(below)
            why = watch.changed()
            if why:
                raise Untraceable(why)
        finally:
            Untraceable.raised = raised
            if before is not None:
                restore(before)
            watch.undo()


@lru_cache(maxsize=4096)
def _calls_plainly(cls: Any) -> bool:
    owner = next(base for base in cls.__mro__ if "__call__" in vars(base))
    return owner is ModelSpace or bool(owner.__module__.startswith("torch."))


def _chained(repeat: Repeat, x: Any) -> Any:
    for block in repeat.blocks:
        x = block(x)
    return x
