"""Each paragraph of Retiarii's page on `@basic_unit` and `serializer`, as what a user of raynas can expect."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import raynas
from raynas import LayerChoice, ModelSpace, ValueChoice, basic_unit
from raynas.errors import SerializationError
from raynas.evaluator.lightning import Classification, DataLoader
from raynas.serializer import dumps, loads, trusted_modules


@basic_unit
class MyConv(nn.Module):
    def __init__(self, channels: int = 4, kernel_size: Any = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size, padding="same")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class Halving(nn.Module):
    """An ad-hoc loop, which TorchScript could not read."""

    def __init__(self, rounds: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.rounds = rounds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number in range(self.rounds):
            x = torch.relu(self.layer(x)) / (number + 1)
        return x


DecoratedHalving = basic_unit(type("DecoratedHalving", (Halving,), {"__module__": __name__}))


def kinds(graph: Any) -> list[str]:
    return [str(node.target) for node in graph.nodes if node.op in ("module", "graph")]


class OneUnit(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.unit = MyConv(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.unit(x)


def test_a_decorated_module_is_one_node_and_never_unfolded() -> None:
    space = raynas.trace(OneUnit())
    source = raynas.to_source(space.freeze(space.search_space.default()))
    assert "MyConv(4)" in source
    assert "Conv2d" not in source


class Mutated(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.unit = MyConv(kernel_size=ValueChoice([1, 3, 5]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.unit(x)


def test_a_units_constructor_argument_is_mutated() -> None:
    space = raynas.trace(Mutated())
    found = set()
    for sample in space.search_space.grid():
        found.add(space.build(sample).unit.conv.kernel_size)
    assert found == {(1, 1), (3, 3), (5, 5)}


class Loops(ModelSpace):
    def __init__(self, unit: type[nn.Module]) -> None:
        super().__init__()
        self.unit = unit(rounds=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.unit(x)


@pytest.mark.parametrize("unit", [Halving, DecoratedHalving])
def test_an_ad_hoc_loop_is_followed_or_kept_whole_and_computes_the_same(unit: type[nn.Module]) -> None:
    torch.manual_seed(0)
    space = raynas.trace(lambda: Loops(unit))
    sample = space.search_space.default()
    source = raynas.to_source(space.freeze(sample))
    assert ("DecoratedHalving(" in source) == (unit is DecoratedHalving)
    assert ("Linear(8, 8)" in source) == (unit is Halving)
    torch.manual_seed(0)
    model = Loops(unit)
    generated = raynas.load_module(source)
    generated.load_state_dict(model.state_dict(), strict=True)
    x = torch.randn(2, 8)
    assert torch.equal(generated(x), model(x))


class Chosen(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.op = LayerChoice([MyConv(4), nn.Identity(), DecoratedHalving()], label="op")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x)


def test_a_decorated_class_of_the_users_is_a_candidate() -> None:
    space = raynas.trace(Chosen())
    sources = [raynas.to_source(space.freeze(sample)) for sample in space.search_space.grid()]
    assert [sum(name in source for source in sources) for name in ("MyConv(4)", "DecoratedHalving()")] == [1, 1]


def rows(count: int, shift: float = 0.0) -> torch.utils.data.TensorDataset:
    torch.manual_seed(0)
    x = torch.randn(count, 4) + shift
    return torch.utils.data.TensorDataset(x, (x.sum(1) > 0).long())


EVALUATE = """
import sys, torch
from raynas import Context, loads
text, folder = open(sys.argv[1]).read(), sys.argv[2]
sys.path.insert(0, folder)
torch.set_num_threads(1)
evaluator = loads(text, trust=["test_retiarii_page"])
torch.manual_seed(0)
print(evaluator.evaluate(torch.nn.Linear(4, 2), Context(seed=1))["val_loss"])
"""


def test_an_evaluator_is_made_again_in_another_process_without_serialize_around_it(tmp_path: Path) -> None:
    evaluator = Classification(
        DataLoader(raynas.serialize(rows, 64), batch_size=16),
        DataLoader(raynas.serialize(rows, 32, shift=0.1), batch_size=32),
        max_epochs=1,
    )
    text = dumps(evaluator)
    name = trusted_modules(text)
    assert any(one.endswith(".rows") for one in name)
    (tmp_path / "doc.json").write_text(text.replace(f"{__name__}.", "test_retiarii_page."))
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    here = evaluator.evaluate(nn.Linear(4, 2), raynas.Context(seed=1))["val_loss"]
    torch.set_num_threads(threads)
    command = [sys.executable, "-c", EVALUATE, str(tmp_path / "doc.json"), str(Path(__file__).parent)]
    there = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert there.returncode == 0, there.stderr
    assert float(there.stdout) == here


class Shift:
    def __init__(self, by: float) -> None:
        self.by = by


class Pictures:
    def __init__(self, folder: str, transform: Any = None) -> None:
        self.folder, self.transform = folder, transform

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.ones(4) + self.transform.by, index % 2


def test_serialize_is_applied_recursively() -> None:
    transform = raynas.serialize(Shift, 0.5)
    evaluator = Classification(
        DataLoader(raynas.serialize(Pictures, "train", transform=transform), batch_size=2),
        DataLoader(raynas.serialize(Pictures, "val", transform=transform), batch_size=2),
        max_epochs=1,
    )
    text = dumps(evaluator)
    made = loads(text, trust=trusted_modules(text))
    assert made.example_inputs()[0].tolist() == [[1.5] * 4] * 2


def test_where_serialize_was_forgotten_the_error_says_so() -> None:
    forgotten = raynas.serialize(Pictures, "train", transform=Shift(0.5))
    evaluator = Classification(
        DataLoader(forgotten, batch_size=2), DataLoader(raynas.serialize(Pictures, "val"), batch_size=2)
    )
    with pytest.raises(SerializationError) as caught:
        dumps(evaluator)
    message = str(caught.value)
    assert message.startswith("train_dataloaders.dataset.transform is a Shift")
    assert "raynas.serialize(Shift, …)" in message
    assert "\n" not in message
