"""Names are looked up as they are now."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest
from torch import nn

from raynas.errors import SerializationError
from raynas.pytorch import load_module, to_source, trace
from raynas.pytorch.names import name_of, resolve

CELL = """
import torch
from torch import nn
class Scale(nn.Module):
    def forward(self, x):
        return x * FACTOR if x.sum() > 0 else x
"""


@pytest.fixture
def notebook() -> Iterator[types.ModuleType]:
    module = sys.modules["a_notebook"] = types.ModuleType("a_notebook")
    yield module
    del sys.modules["a_notebook"]


def run(notebook: types.ModuleType, factor: int) -> type[nn.Module]:
    exec(CELL.replace("FACTOR", str(factor)), notebook.__dict__)
    return notebook.Scale  # type: ignore[no-any-return]  # what the cell defines


@pytest.mark.filterwarnings("ignore::raynas.errors.Notice")
def test_a_class_that_a_cell_defines_anew_is_the_new_one(notebook: types.ModuleType) -> None:
    import torch

    for factor in (2, 3):
        cls = run(notebook, factor)
        assert name_of(cls) == "a_notebook.Scale"
        assert resolve("a_notebook.Scale") is cls
        assert load_module(to_source(trace(cls).freeze()))(torch.ones(1)).item() == factor


def test_a_class_that_was_replaced_has_no_name_any_more(notebook: types.ModuleType) -> None:
    old = run(notebook, 2)
    assert name_of(old) == "a_notebook.Scale"
    run(notebook, 3)
    with pytest.raises(SerializationError, match="cannot be imported under a name"):
        name_of(old)
