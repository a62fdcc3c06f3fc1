"""Configurations that constructors, or the loops around them, write to: each layer is made of what it was passed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raynas.pytorch import load_module
from tests.pytorch.check import roundtrip


class Config:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Block(nn.Module):
    """Kept whole, for it decides by data; what it does depends on what its configuration is now, and was once."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.place = config.place
        self.layer = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Any:
        if x.sum() > 0:
            return self.layer(x) * self.place
        return self.layer(x) + self.config.place


class Counts(Block):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        config.place += 1


class Written(nn.Module):
    """Its loop writes each block's place to the one configuration that all of them are passed."""

    def __init__(self, kind: type[Any], block: type[nn.Module], written: bool) -> None:
        super().__init__()
        config = kind(width=4, place=0, names=[], inner=kind(place=0))
        blocks = []
        for place in range(3):
            if written:
                config.place = config.inner.place = place
                config.names.append(place)
            blocks.append(block(config))
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Any:
        return self.blocks(x)


class Fills(nn.Module):
    """Fills in what its configuration leaves open, and refuses one that is filled in already."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        assert config.width is None
        config.width = {"small": 3}[config.size]
        self.layer = nn.Linear(4, config.width)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Any:
        return self.layer(x) if scale is None else self.layer(x) * scale


def shown(value: Any) -> Any:
    return {name: shown(item) for name, item in vars(value).items()} if hasattr(value, "__dict__") else value


@pytest.mark.parametrize("kind", [Config, SimpleNamespace])
@pytest.mark.parametrize(("block", "written"), [(Block, False), (Block, True), (Counts, False), (Counts, True)])
@pytest.mark.parametrize("examples", [{}, {"example_inputs": (torch.ones(2, 4),)}])
@pytest.mark.filterwarnings("ignore::raynas.errors.Notice")
def test_a_layer_is_made_of_what_it_was_passed_and_holds_what_has_become_of_it(
    kind: type[Any], block: type[nn.Module], written: bool, examples: dict[str, Any]
) -> None:
    original: Any = Written(kind, block, written)
    source, _ = roundtrip(lambda: Written(kind, block, written), **examples)
    made: Any = load_module(source)
    made.load_state_dict(original.state_dict())
    for ours, theirs in zip(original.blocks, made.blocks, strict=True):
        assert shown(ours.config) == shown(theirs.config) and ours.place == theirs.place
    for x in (torch.ones(2, 4), -torch.ones(2, 4)):
        assert torch.equal(original(x), made(x))


@pytest.mark.filterwarnings("ignore::raynas.errors.Notice")
@pytest.mark.parametrize("examples", [{}, {"example_inputs": (torch.ones(2, 4),)}])
def test_a_constructor_that_fills_in_its_configuration_can_be_called_again(examples: dict[str, Any]) -> None:
    source, _ = roundtrip(lambda: Fills(Config(size="small", width=None)), **examples)
    made: Any = load_module(source)
    assert made.layer.out_features == 3
