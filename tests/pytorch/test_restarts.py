"""What turns out late to be kept whole costs no new trace of its own: forwards run a bounded number of times."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn

from raynas.errors import Notice
from raynas.pytorch import load_module, to_source, trace


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.linear(x))


class Table(Plain):
    """Its table comes from nowhere, and is too large for the source."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.from_numpy(numpy.arange(400.0).astype("float32").reshape(100, 4)))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.table.mean(0)


class Filled(Plain):
    """Its constructor hands something to torch that cannot be written."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.linear.bias.copy_(torch.tensor(numpy.arange(4.0) + 0.5).float().apply_(abs))


class Changed(Plain):
    """Its unit was given a child that a constructor call does not make."""

    def __init__(self) -> None:
        super().__init__()
        self.linear.extra = nn.Identity()


class Twice(Plain):
    """Called in two ways, of which only the first can be followed."""

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        if scale > 1:
            x = x if x.sum() > 0 else -x
        return super().forward(x * scale)


class CallsTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Twice()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.inner(x), 2.0)


TROUBLES: list[type[nn.Module]] = [Table, Filled, Changed, CallsTwice]

NAMES = [trouble.__name__ for trouble in TROUBLES]


class Stage(nn.Module):
    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class Deep(nn.Module):
    """Blocks at four depths; each third of them must be kept whole."""

    def __init__(self, blocks: int, troubles: list[type[nn.Module]]) -> None:
        super().__init__()
        made = [troubles[i // 3 % len(troubles)]() if i % 3 == 2 else Plain() for i in range(blocks)]
        while len(made) > 4:
            made = [Stage(made[i : i + 4]) for i in range(0, len(made), 4)]
        self.stages = nn.Sequential(*made)

    def forward(self, x: Tensor) -> Tensor:
        return self.stages(x)


def forwards(run: Callable[[], Any]) -> int:
    """How often forwards of this file's modules run."""
    count = 0

    def see(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        code = frame.f_code
        count += event == "call" and code.co_name == "forward" and code.co_filename == __file__

    outer = sys.getprofile()
    sys.setprofile(see)
    try:
        run()
    finally:
        sys.setprofile(outer)
    return count


@pytest.mark.parametrize("troubles", [TROUBLES, *([trouble] for trouble in TROUBLES)], ids=["All", *NAMES])
def test_a_module_that_is_kept_whole_late_is_traced_a_few_times(troubles: list[type[nn.Module]]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Notice)
        few, many = (forwards(lambda n=n: trace(lambda: Deep(n, troubles))) for n in (21, 63))  # type: ignore[misc]  # now
    assert len(caught) == 7 + 21
    assert many <= 6 * 63
    assert many <= 3.2 * few


def test_the_model_comes_back() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        source = to_source(trace(lambda: Deep(30, TROUBLES)).freeze())
    torch.manual_seed(0)
    original = Deep(30, TROUBLES)
    torch.manual_seed(0)
    generated = load_module(source)
    x = torch.randn(2, 4)
    for name, tensor in original.state_dict().items():
        assert torch.equal(tensor, generated.state_dict()[name]), name
    assert torch.equal(original(x), generated(x))
