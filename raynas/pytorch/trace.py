"""trace: the front door, from a model with choices to the space of its graphs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from inspect import signature
from typing import Any

from torch import Tensor, nn

from raynas.errors import RaynasError, TraceError, notice
from raynas.graph import Graph, GraphSpace, Mutator
from raynas.graph.room import roomy
from raynas.graph.verify import verify
from raynas.nn import LayerChoice, ModelSpace, Placeholder, Repeat, is_basic_unit, recording
from raynas.nn.misuse import refuse
from raynas.nn.recording import construction, paused
from raynas.nn.tape import Tape
from raynas.pytorch.calling import Inputs
from raynas.pytorch.codegen import to_source
from raynas.pytorch.escapes import outside
from raynas.pytorch.fitting import check_candidates
from raynas.pytorch.inputs import arguments
from raynas.pytorch.labels import has_choices, name_labels, value_choices
from raynas.pytorch.load import load_module
from raynas.pytorch.members import Builder, tape_of
from raynas.pytorch.names import name_of
from raynas.pytorch.proof import Difference, build_alike, other_members, same_calls
from raynas.pytorch.reasons import can_be_whole, located, part_of, reason, refuse_choices
from raynas.pytorch.settled import Rebuilt, check_values
from raynas.pytorch.tracer import Tracer
from raynas.pytorch.units import Whole, innermost, unit_of
from raynas.pytorch.workshop import Workshop
from raynas.search_space.expression import leaves
from raynas.serializer import Call, call_of


@roomy
def trace(
    space_or_factory: nn.Module | Callable[[], nn.Module],
    example_inputs: Sequence[Any] | Tensor | None = None,
    mutators: Sequence[Mutator] = (),
) -> GraphSpace:
    """The graphs that a model with choices stands for.

    A module that torch.fx cannot follow, or would follow wrongly, is kept whole, the smallest one that holds the
    trouble; a notice says which, where and why.

    Args:
        space_or_factory: a `ModelSpace`; or a function that builds a module; or a module that was built under
            `with raynas.recording()`.
        example_inputs: arguments of one call, to compare the generated model with the original; a tensor by itself is
            the only one.
        mutators: rewrite the graph, in their order, before its own choices are made.

    Raises:
        TraceError: the model holds choices inside something that cannot be opened, or cannot be written as source.
        SpaceError: two different choices have one label; or candidates of one choice do not fit each other, as far as
            the example inputs tell.
    """
    root, inputs = built(space_or_factory), None if example_inputs is None else arguments(example_inputs)
    with paused():
        name_labels(root)
        space, opaque = _proven(root, Inputs.given(root, inputs), inputs)
        for module, why in ((module, why) for module, why in opaque.items() if why):
            path = next((path for path, found in root.named_modules() if found is module), "")
            notice(f"{path or 'the model'} ({type(module).__name__}) is kept whole: {why}")
        if outside(tape_of(root)):
            notice(
                "the function that builds the model makes plain numbers of random tensors: the generated model has "
                "those of this build; draw them in a module's constructor"
            )
        _settle(space_or_factory, root, space, inputs, opaque)
        if inputs is not None:
            check_candidates(root, space, inputs)
        if not mutators:
            return space
        mutated = space.mutated(mutators)
        _ = mutated.search_space  # tries the mutators
        return mutated


def called_with(root: nn.Module, names: list[str]) -> Graph:
    """The graph of a recorded module for calls that pass the inputs of these names; its choices labelled."""
    with paused():
        name_labels(root)
        return opened(root, Inputs.of(root, names))[0]


WORKSHOP = Workshop(called_with)
"""What mutators need of torch."""


def _proven(
    root: nn.Module, inputs: Inputs, example_inputs: Sequence[Any] | None
) -> tuple[GraphSpace, dict[nn.Module, str]]:
    """The space of a root, once the generated model of its default sample is the original.

    The smallest module that differs is kept whole. Where only fresh weights differ, and keeping modules whole does not
    help, or choices stand inside, all stays open and a notice says what differs.
    """
    whole: dict[nn.Module, str] = {}
    first: tuple[GraphSpace, dict[nn.Module, str], Difference] | None = None
    tape = tape_of(root)
    values = tape is not None and not any(isinstance(m, LayerChoice | Repeat) for m in root.modules())
    while True:
        graph, opaque = opened(root, inputs, dict(whole))
        verify(graph)
        space = GraphSpace(graph, build=lambda frozen: load_module(to_source(frozen)), workshop=WORKSHOP)
        _ = space.search_space  # raises where two choices share a label
        differences = _differences(space, root, tape, values, example_inputs, opaque)
        if not differences:
            return space, opaque
        found = differences[0]
        first = first or (space, opaque, found)
        here = part_of(root, found.path)
        if found.called and here in opaque:
            where = found.path or "the model"
            notice(f"{where} ({type(here).__name__}) computes something else at each call")
            return space, opaque
        module = _around(root, here, opaque)
        if module is None or has_choices(module):
            if first[2].only_values:
                space, opaque, found = first
            if not found.only_values:
                where = _named(root, found.path)
                kept = f"it is kept whole already ({opaque[here]})" if opaque.get(here) else "it cannot be kept whole"
                raise TraceError(f"{where} would not come back as it was ({found.why}), and {kept}")
            notice(f"{_named(root, found.path)} starts with other weights than the original: {found.why}")
            return space, opaque
        around = {module: located(found.why, module, constructor=not found.called)}
        for other in differences[1:]:
            module = _around(root, part_of(root, other.path), opaque)
            if module is not None and not has_choices(module):
                around.setdefault(module, located(other.why, module, constructor=True))
        whole = {**opaque, **innermost(around)}


def _settle(
    given: Any, root: nn.Module, space: GraphSpace, inputs: Sequence[Any] | None, opaque: dict[nn.Module, str]
) -> None:
    """See that the space is also with values what it is with choices, where it can be built anew."""
    tape, made = tape_of(root), call_of(root)
    if not isinstance(given, nn.Module):
        call = Call(built, (given,))
    elif isinstance(root, ModelSpace) and made is not None and not any(_modules((made.args, dict(made.kwargs)))):
        call = made
    else:
        return  # what was done with it since it was built, nobody knows
    found = [*(tape.choices if tape is not None else ()), *value_choices(root), *leaves((call.args, dict(call.kwargs)))]
    if tape is None or not found:
        return
    kept = {path: opaque[module] for path, module in root.named_modules() if module in opaque}

    def read(module: nn.Module) -> Graph:
        name_labels(module)
        whole = {found: kept[path] for path, found in module.named_modules() if path in kept}
        return opened(module, Inputs.given(module, inputs), whole)[0]

    choices = list({id(leaf): leaf for leaf in found}.values())
    check_values(type(root).__name__, space, Rebuilt(tape, choices, call, read))


def _modules(value: Any) -> Iterator[nn.Module]:
    """Modules among the arguments of a constructor: no second model may have them."""
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, Mapping | list | tuple | set):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _modules(item)


def _named(root: nn.Module, path: str) -> str:
    return f"'{path}' ({type(part_of(root, path)).__name__})" if path else "the model"


def _differences(
    space: GraphSpace,
    root: nn.Module,
    tape: Tape | None,
    values: bool,
    example_inputs: Sequence[Any] | None,
    opaque: Collection[nn.Module],
) -> list[Difference]:
    """What tells the generated model of the default sample from the original; nothing where there is none yet."""
    if any(isinstance(module, Placeholder) for module in root.modules()):
        return []
    try:
        generated = build_alike(space.build, tape)
    except RaynasError as error:
        return [Difference("", str(error))]
    found = other_members(root, generated, values)
    if (not found or found[0].only_values) and example_inputs is not None:
        called = same_calls(root, generated, example_inputs, opaque)
        found = [called] if called is not None else found
    return found


def _around(root: nn.Module, module: nn.Module, opaque: Collection[nn.Module]) -> nn.Module | None:
    """The smallest module around `module` that can be kept whole and is not yet; None where there is none."""
    chain: list[nn.Module] = []
    path = next((path for path, found in root.named_modules() if found is module), "")
    parts = path.split(".") if path else []
    for cut in range(len(parts) + 1):
        chain.append(part_of(root, ".".join(parts[:cut])))
    kept = [position for position, item in enumerate(chain) if item in opaque]
    for item in reversed(chain[: kept[0]] if kept else chain):
        if can_be_whole(item) and not is_basic_unit(type(item)) and (construction(item) or call_of(item)) is not None:
            return item
    return None


def _needed(factory: Callable[..., Any]) -> str:
    """The first argument that has to be passed; empty where none has, or nobody can tell."""
    try:
        parameters = signature(factory).parameters.values()
    except (TypeError, ValueError):
        return ""
    some = (p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
    return next(some, "")


def built(space_or_factory: Any) -> nn.Module:
    if isinstance(space_or_factory, nn.Module):
        root = space_or_factory
        recorded = isinstance(root, ModelSpace) or construction(root) is not None
        if not recorded:
            raise TraceError(
                f"nobody recorded how this {type(root).__name__} was constructed: pass raynas.trace a function that "
                "builds it, or build it under `with raynas.recording()`"
            )
        return root
    if not callable(space_or_factory):
        raise TraceError(f"{space_or_factory!r} is neither a module nor a function that builds one")
    needed = _needed(space_or_factory)
    if needed:
        name = getattr(space_or_factory, "__name__", repr(space_or_factory))
        raise TraceError(f"{name} needs '{needed}': pass a function without arguments, such as `lambda: {name}(…)`")
    with recording() as tape:
        try:
            root = space_or_factory()
        except (KeyError, TypeError) as error:
            refuse(error, tape.choices)
            raise
    if not isinstance(root, nn.Module):
        what = f"gave the class {root.__name__}" if isinstance(root, type) else f"built a {type(root).__name__}"
        name = getattr(space_or_factory, "__name__", repr(space_or_factory))
        raise TraceError(f"{name} {what}: it must build a module")
    return root


@roomy
def opened(
    root: nn.Module, inputs: Inputs, whole: dict[nn.Module, str] | None = None
) -> tuple[Graph, dict[nn.Module, str]]:
    """The root's graph; where modules turn out late that cannot be opened, all that were found are kept whole."""
    whole = {} if whole is None else whole
    if root in whole:
        return _whole(root, whole[root]), {root: whole[root]}
    each = False
    while True:
        tracer = Tracer(whole, inputs.names, inputs.optional, inputs.absent, each)
        try:
            tracer.run(root)
            why = inputs.doubt(root, tracer)
            if not why:
                return Builder(root, tracer).build(), tracer.opaque
            if has_choices(root):
                raise TraceError(f"{type(root).__name__} {why}")
            found = {root: why}
        except Whole as caught:
            found = {m: located(why, m, constructor=True) for m, why in innermost(caught.found).items()}
        except RaynasError:
            raise
        except Exception as error:
            if inputs.optional:  # a default decides what is computed: it stays what it is
                inputs.fix()
                continue
            found = {root: reason(error, root) + inputs.hint(root)}
        each = tracer.each
        for module, cause in found.items():
            why = located(cause, module)
            refuse_choices(module, why)
            if module is root:
                return _whole(root, why), {root: why}
            whole[module] = why


def _whole(root: nn.Module, why: str) -> Graph:
    """The graph of a model that cannot be opened at all: its class, and its constructor call."""
    call = construction(root) or call_of(root)
    if call is None:
        raise TraceError(f"{type(root).__name__} cannot be opened ({why}), and nobody recorded how it was constructed")
    try:
        return Graph(type(root).__name__, base=name_of(call.target), init=unit_of(call))
    except RaynasError as error:
        raise TraceError(
            f"{type(root).__name__} can neither be opened ({why}) nor written as source: {error}"
        ) from None
