"""The generated module itself, run as a whole where shapes alone do not say what a candidate does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils import _pytree

from raynas.errors import CandidateError, SourceError
from raynas.graph import Graph, Tensor
from raynas.pytorch.codegen import to_source
from raynas.pytorch.load import load_module
from raynas.pytorch.profiling.abstract import bytes_in, specs_of
from raynas.pytorch.profiling.places import Place, places_of
from raynas.pytorch.profiling.report import Layer, Profile, described

if TYPE_CHECKING:
    from torch.utils.flop_counter import FlopCounterMode


def run_whole(
    graph: Graph, inputs: tuple[Any, ...], sample: Mapping[str, Any] | None, training: bool = False
) -> Profile:
    """The profile of the generated module: on fake tensors, or on real ones; `CandidateError` where neither runs.

    Args:
        graph, inputs, sample: as for `profile`.
        training: whether opened modules run as while they train; units are in eval mode either way.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode  # half a second, which a mere import must not cost

    source, place = to_source(graph), places_of(graph)
    try:
        with _unlogged(), FakeTensorMode(allow_non_fake_inputs=True):
            return _profiled(source, place, _made(inputs, _empty), training)
    except Exception:  # fake tensors cannot do all that real ones can: they refuse nothing
        pass
    try:
        with torch.random.fork_rng(devices=[]):
            return _profiled(source, place, _made(inputs, _filled), training)
    except Exception as error:
        cause = error.__cause__ if isinstance(error, SourceError) and error.__cause__ else error
        raise CandidateError(_told(cause, source, sample)) from error


@contextmanager
def _unlogged() -> Iterator[None]:
    """Without the tracebacks that torch logs where a shape does not fit: the search tells of it in its own words."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _profiled(source: str, root: Place, inputs: tuple[Any, ...], training: bool) -> Profile:
    from torch.utils.flop_counter import FlopCounterMode

    model = load_module(source).eval()
    for place in root.all():
        if training and isinstance(place.member, Graph) and place.member.nodes:
            model.get_submodule(place.path).training = True
    rows: dict[str, Layer] = {}
    owned: set[int] = set()
    with _slow_attention(), torch.no_grad(), FlopCounterMode(display=False) as counter, ExitStack() as hooks:
        for place in root.all():
            if place.unit is not None:
                module = model.get_submodule(place.path)
                hooks.enter_context(_watched(module, place.path, rows, counter))
        output = model(*inputs)
        flops = counter.get_total_flops()
    for place in root.all():
        if place.unit is not None:
            parameters = [*model.get_submodule(place.path).parameters()]
            kind = place.unit.target.rpartition(".")[2]
        elif isinstance(place.member, Tensor) and place.member.kind == "parameter":
            parameters, kind = [model.get_parameter(place.path)], "Parameter"
        else:
            continue
        row = rows.get(place.path, Layer("", "", None, 0, 0))
        size = _size(parameters, owned)
        if size or row.flops or row.output is not None:
            rows[place.path] = Layer(place.path, kind, row.output, size, row.flops, row.activation_bytes)
    layers = list(rows.values())
    rest, missed = _size([*model.parameters()], owned), flops - sum(row.flops for row in layers)
    if rest or missed:
        layers.append(Layer("", "elsewhere", None, rest, missed))
    return Profile.of(layers, specs_of(output))


@contextmanager
def _watched(module: nn.Module, path: str, rows: dict[str, Layer], counter: FlopCounterMode) -> Iterator[None]:
    """While this is open, the module's calls are added up in its row."""
    before: list[int] = []

    def begin(*_: Any) -> None:
        before.append(counter.get_total_flops())

    def end(_: nn.Module, __: Any, output: Any) -> None:
        old = rows.get(path, Layer(path, "", None, 0, 0))
        flops = old.flops + counter.get_total_flops() - before.pop()
        value = specs_of(output)
        rows[path] = Layer(path, "", described(value), 0, flops, old.activation_bytes + bytes_in(value))

    handles = [module.register_forward_pre_hook(begin), module.register_forward_hook(end)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _slow_attention() -> Iterator[None]:
    """While this is open, attention runs as operations that FlopCounterMode knows."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _size(parameters: list[nn.Parameter], owned: set[int]) -> int:
    """The elements of those parameters that no layer before has."""
    new = {id(parameter): parameter.numel() for parameter in parameters if id(parameter) not in owned}
    owned.update(new)
    return sum(new.values())


def _made(inputs: tuple[Any, ...], make: Callable[[torch.Tensor], torch.Tensor]) -> tuple[Any, ...]:
    made: tuple[Any, ...] = _pytree.tree_map_only(torch.Tensor, make, inputs)
    return made


def _empty(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)


def _filled(tensor: torch.Tensor) -> torch.Tensor:
    """A real tensor: a copy, or random numbers where there are none."""
    if tensor.device.type != "meta":
        return tensor.detach().cpu().clone()
    if tensor.dtype.is_floating_point:
        return torch.randn(tensor.shape, dtype=tensor.dtype)
    return torch.zeros(tensor.shape, dtype=tensor.dtype)


def _told(error: BaseException, source: str, sample: Mapping[str, Any] | None) -> str:
    """The error, the line of the generated source where it came up, and the choices."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("<generated "):
            line = trace.tb_lineno
        trace = trace.tb_next
    what = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    where = f"line {line} of its source, `{source.splitlines()[line - 1].strip()}`" if line else "its source"
    chosen = ", ".join(f"{label}={value!r}" for label, value in sample.items()) if sample else ""
    because = f"; the choices were {chosen}" if chosen else ""
    return f"the candidate cannot run: {where} raised {what}{because}: make the choices' outputs fit each other"
