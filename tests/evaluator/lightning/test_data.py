from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from raynas.errors import ConfigError
from raynas.evaluator import Context
from raynas.evaluator.lightning import Classification
from raynas.evaluator.lightning.data import KEPT, built, dataset
from raynas.evaluator.lightning.rows import Rows, loader
from raynas.serializer import dumps, loads, serialize_cls


@given(st.integers(1, 40), st.integers(1, 12), st.booleans())
def test_a_loader_goes_through_every_row_once(rows: int, batch: int, shuffle: bool) -> None:
    x, y = torch.arange(rows * 2).reshape(rows, 2), torch.arange(rows)
    batches = list(loader(dataset((x, y), "data"), batch, shuffle))
    lone = shuffle and rows > 1 and rows % batch == 1
    seen = torch.cat([targets for _, targets in batches])
    assert len(seen) == rows - lone
    assert len(set(seen.tolist())) == len(seen)
    assert all(torch.equal(inputs, x[targets]) for inputs, targets in batches)
    assert {len(targets) for _, targets in batches[:-1]} <= {batch}
    if not shuffle:
        assert torch.equal(seen, y)


def test_arrays_become_tensors_of_the_right_kind() -> None:
    features = np.ones((3, 2))
    features.flags.writeable = False
    rows = dataset((features, np.array([1, 2, 3], dtype=np.int32)), "data")
    for batch in (rows[1], rows.__getitems__([0, 2])):
        assert [tensor.dtype for tensor in batch] == [torch.float32, torch.int32]
        batch[0].zero_()  # a copy: what is read-only, or other trials' too, is not written to
    assert features.sum() == 6
    assert rows.tensors[0].data_ptr() == features.__array_interface__["data"][0]
    tokens = torch.zeros(3, 2, dtype=torch.long)
    assert dataset(TensorDataset(tokens, tokens[:, 0]), "data").tensors[0] is tokens


def test_loaders_and_streams_stay_what_they_are() -> None:
    class Stream(IterableDataset[int]):
        def __iter__(self) -> Any:
            return iter(range(5))

    mine = DataLoader(TensorDataset(torch.ones(3)))
    assert loader(dataset(mine, "data"), 2, True) is mine
    assert [len(batch) for batch in loader(dataset(Stream(), "data"), 2, True)] == [2, 2, 1]
    pairs = [(torch.zeros(2), 1), (torch.ones(2), 0)]
    assert len(next(iter(loader(dataset(pairs, "data"), 2, False)))[1]) == 2


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ((np.ones((3, 2)), np.ones(2)), r"holds arrays of \[3, 2\] rows"),
        ((np.ones((0, 2)), np.ones(0)), "has no rows"),
        (np.ones((3, 2)), "is a ndarray: give a DataLoader"),
        (("a", "b"), "is a tuple"),
        ("digits", "is a str"),
        (3, "is a int"),
        ({"x": 1}, "is a dict"),
    ],
)
def test_what_is_no_data_is_refused(bad: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"the data {message}"):
        dataset(bad, "the data")


def test_batches_without_a_target_are_refused() -> None:
    x = torch.ones(4, 2)
    evaluator = Classification(TensorDataset(x), TensorDataset(x))
    with pytest.raises(ConfigError, match="inputs and a target"):
        evaluator.evaluate(nn.Linear(2, 2), Context())


BUILT: list[int] = []


@serialize_cls
class Recipe:
    """Random data, so that a second building would be seen."""

    def __init__(self, width: int = 2) -> None:
        self.width = width

    def __call__(self) -> Any:
        BUILT.append(self.width)
        x = np.random.rand(40, self.width)
        return (x, (torch.rand(40) > 0.5).long()), (x, (torch.rand(40) > 0.5).long())


def test_a_recipe_is_followed_once_per_process() -> None:
    BUILT.clear()
    evaluator = Classification(data=Recipe(), max_epochs=1)
    assert evaluator.example_inputs() is not None
    first = evaluator.evaluate(nn.Linear(2, 2), Context())
    for learning_rate in (1e-2, 1e-3):
        other = Classification(data=Recipe(), learning_rate=learning_rate, max_epochs=1)
        made = loads(dumps(other), trust=[__name__])
        assert set(made.evaluate(nn.Linear(2, 2), Context())) == set(first)
    assert BUILT == [2]
    built(Recipe(3))
    assert BUILT == [2, 3]


def test_random_data_is_the_same_in_every_process_and_disturbs_nobody() -> None:
    state = torch.get_rng_state()
    (train, _), _ = built(Recipe(5)).__iter__().__next__().tensors, None
    assert torch.equal(torch.get_rng_state(), state)
    for width in range(10, 10 + KEPT):
        built(Recipe(width))
    BUILT.clear()
    again = built(Recipe(5))[0]
    assert BUILT == [5], "it had been forgotten"
    assert torch.equal(again.tensors[0], train)


def test_recipes_without_a_name_are_told_apart() -> None:
    x = torch.ones(4, 2)
    recipes = [lambda k=k: ((x * k, x[:, 0]), None) for k in (1, 2)]
    found = [built(recipe)[0] for recipe in recipes]
    assert all(isinstance(rows, Rows) for rows in found)
    assert [rows.tensors[0][0, 0].item() for rows in found] == [1.0, 2.0]


def test_a_recipe_returns_a_pair() -> None:
    with pytest.raises(ConfigError, match="returned no pair"):
        built(lambda: 3)
    with pytest.raises(ConfigError, match=r"the training data of the recipe .* is a Tensor"):
        built(lambda: (torch.ones(3, 2), torch.ones(3)))


def test_data_without_rows_is_refused() -> None:
    empty = TensorDataset(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    for data in (empty, []):
        with pytest.raises(ConfigError, match=r"has no rows|is an empty"):
            Classification(data, data).example_inputs()
