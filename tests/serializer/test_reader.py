"""What many documents of a run share is made once."""

import random
from typing import Any

import pytest

from raynas.errors import Notice
from raynas.search_space.expression import Leaf
from raynas.serializer import Reader, dumps, resolve, serialize, trusted_modules

MADE: list[Any] = []


class Data:
    def __init__(self, size: int) -> None:
        MADE.append(size)
        self.size, self.draw = size, random.random()


class Training:
    def __init__(self, data: Any, rate: float, twice: Any = None) -> None:
        self.data, self.rate, self.twice = data, rate, twice


class Strange:
    made = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        Strange.made += 1
        self.__dict__.update(state)


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    MADE.clear()


def read(reader: Reader, text: str, **sample: Any) -> Any:
    return reader(resolve(text, sample))


def test_a_dataset_is_made_once_for_all_learning_rates() -> None:
    data = serialize(Data, 3)
    text = dumps(serialize(Training, data, Leaf([1, 2, 3], "rate"), twice=[data]))
    MADE.clear()
    reader = Reader({}, trusted_modules(text))
    trainings = [read(reader, text, rate=rate) for rate in (1, 2, 3, 1)]
    assert MADE == [3]
    assert [training.rate for training in trainings] == [1, 2, 3, 1]
    assert len({id(training.data) for training in trainings}) == 1
    assert all(training.twice[0] is training.data for training in trainings)
    assert trainings[0] is trainings[3]


def test_what_is_no_longer_used_is_let_go() -> None:
    text = dumps(serialize(Training, serialize(Data, Leaf(list(range(20)), "size")), serialize(Data, -1)))
    reader = Reader({}, trusted_modules(text), kept=3)
    MADE.clear()
    for size in range(20):
        read(reader, text, size=size)
    assert MADE.count(-1) == 1, "what every document holds stays"
    assert len(reader.parts) <= 2 * (3 + 1) + 1
    read(reader, text, size=0)
    assert MADE.count(0) == 2


def test_a_part_that_holds_another_ones_part_is_made_of_that_one() -> None:
    inner = serialize(Data, 1)
    text = dumps([inner, serialize(Training, inner, Leaf([1, 2], "rate"))])
    reader = Reader({}, trusted_modules(text))
    for rate in (1, 2):
        first, training = read(reader, text, rate=rate)
        assert training.data is first


def test_random_numbers_do_not_depend_on_what_was_made_before() -> None:
    text = dumps([serialize(Data, Leaf([1, 2, 3], "size")), serialize(Data, 9)])

    def draws(order: tuple[int, ...]) -> dict[Any, float]:
        reader = Reader({}, trusted_modules(text), before=lambda: random.seed(0))
        found = [data for size in order for data in read(reader, text, size=size)]
        return {data.size: data.draw for data in found}

    assert draws((1, 2, 3)) == draws((3, 1, 2))


def test_a_pickle_is_read_once() -> None:
    strange = Strange()
    strange.__dict__["x"] = 1
    attachments: dict[str, Any] = {}
    with pytest.warns(Notice, match="Strange"):
        text = dumps(serialize(Training, strange, Leaf([1, 2], "rate")), attachments)
    reader = Reader(attachments, trusted_modules(text))
    read(reader, text, rate=1)
    read(reader, text, rate=2)
    assert Strange.made == 1
