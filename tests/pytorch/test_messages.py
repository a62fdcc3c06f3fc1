"""Texts of traced values: an assertion's message may hold one, anything else keeps its module whole."""

from __future__ import annotations

import torch
from torch import Tensor, _assert, nn

from tests.pytorch.check import check


class Asserts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        torch._assert(x.size(1) == 3, f"wrong width: expected {3} but got {x.size(1)} of {x.shape!r}")
        _assert(
            x.dim() == 2,
            "wrong form: " + str(x.shape),
        )
        return self.layer(x)


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)
        self.seen: dict[str, int] = {}

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * len(f"{x.shape}")


def test_an_assertion_with_a_message_is_opened_and_still_asserts() -> None:
    source = check(Asserts, torch.rand(2, 3), opaque=())
    assert source.count("torch._assert(") == 2


def test_any_other_text_keeps_its_module_whole() -> None:
    check(Remembers, torch.rand(2, 3), opaque=("the",))
