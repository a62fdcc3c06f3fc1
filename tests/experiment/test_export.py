from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from raynas import load_module
from raynas.errors import SourceError
from raynas.experiment.export import exported

HEAD = """import torch
from torch import nn

{imports}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block()
        self.second = {unit}

    def forward(self, x):
        return self.second(self.first(x))
"""

ALONE = """
import sys
for name in ("raynas", "export_units", "export_helpers"):
    sys.modules[name] = None
space = {{}}
exec(open({path!r}).read(), space)
import torch
torch.manual_seed(0)
print(space["Model"]()(torch.ones(2, 4)).tolist())
"""


@pytest.mark.parametrize(
    ("imports", "unit"),
    [
        ("from export_units import Mine", "Mine(4)"),
        ("from export_units import Decorated, Mine as Mine2", "Mine2(4, Block=2)"),
        ("from export_units import Decorated", "Decorated()"),
        ("from export_helpers import Outer", "Outer(size=4)"),
        ("from raynas.nn.zero import Zero", "Zero()"),
    ],
)
def test_what_is_exported_runs_alone_and_computes_the_same(imports: str, unit: str, tmp_path: Path) -> None:
    source = HEAD.format(imports=imports, unit=unit)
    torch.manual_seed(0)
    expected = load_module(source)(torch.ones(2, 4)).tolist()
    path = tmp_path / "best.py"
    path.write_text(exported(source))
    command = [sys.executable, "-c", ALONE.format(path=str(path))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == str(expected), done.stderr + path.read_text()
    assert load_module(path.read_text()).state_dict().keys() == load_module(source).state_dict().keys()


def test_it_reads_as_it_was_written() -> None:
    text = exported(HEAD.format(imports="from export_units import Mine", unit="Mine(4)"))
    assert text.startswith("from __future__ import annotations\nimport math as m\n")
    assert "raynas" not in text and "basic_unit" not in text
    assert "    # a comment that stays\n" in text and "    With a docstring.\n" in text
    assert "FACTORS: Sequence[float] = (HALF, 2 * HALF)" in text
    assert "class Helper(nn.Module):" in text and "self.inner = Helper(size=size)" in text
    assert "self.Block = Block\n" in text


def test_a_name_that_is_taken_becomes_another() -> None:
    text = exported(HEAD.format(imports="from export_helpers import Outer", unit="Outer(4)"))
    assert "class Block2(nn.Module):" in text and "self.inner = Block2(size=size)" in text
    assert text.count("class Block(nn.Module):") == 1


def test_what_needs_nothing_of_the_users_stays_as_it_is() -> None:
    source = HEAD.format(imports="from collections import OrderedDict", unit="nn.ReLU()")
    assert exported(source) == source


@pytest.mark.parametrize(
    ("imports", "message"),
    [
        ("from export_units import Bad", "export_units uses the module 'raynas' as a whole"),
        ("from gone import Unit", "module 'gone', which cannot be imported here"),
        ("from export_units import nowhere", "'nowhere' of export_units"),
        ("from export_helpers import Hiding", "Hiding of export_helpers hides 'Block'"),
    ],
)
def test_what_cannot_be_written_out_is_refused_by_name(imports: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        exported(HEAD.format(imports=imports, unit="nn.ReLU()"))
    assert message in str(caught.value) and "\n" not in str(caught.value)
