"""Recorded calls and values survive the way through JSON; what must not be read is refused."""

import copy
import datetime
import enum
import json
import math
import pathlib
import pickle
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from types import SimpleNamespace

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raynas.errors import Notice, SampleError, SerializationError
from raynas.search_space.expression import Leaf
from raynas.serializer import (
    call_of,
    choices,
    dumps,
    loads,
    name_choices,
    resolve,
    serialize,
    serialize_cls,
)


@serialize_cls
class Pair:
    """Two things."""

    def __init__(self, left, right=None):
        self.left, self.right = left, right


class Heir(Pair):
    def __init__(self):
        super().__init__(1, 2)


class Unrecorded:
    pass


class Colour(enum.Enum):
    RED = 1


VALUES = [
    None,
    True,
    2**100,
    1.5,
    math.inf,
    -math.inf,
    "täxt",
    b"\x00\xff",
    (1, (2, [3])),
    {1: "int key", "a": 2},
    {"$call": "os.system"},
    {1, 2},
    frozenset("a"),
    slice(1, None, -2),
    ...,
    1 + 2j,
    range(2, 9, 3),
    pathlib.Path("a/b"),
    datetime.datetime(2020, 1, 2, 3, 4),
    datetime.timedelta(days=1, microseconds=5),
    datetime.datetime(2026, 10, 25, 2, 30, 1, 7, zoneinfo.ZoneInfo("Europe/Paris"), fold=1),
    numpy.dtype("float32"),
    numpy.dtype(">i2"),
    torch.float64,
    torch.device("cuda:1"),
    torch.channels_last,
    torch.nn.ReLU,
    int,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_survives(value):
    back = loads(dumps([value]))[0]
    assert back == value
    assert type(back) is type(value)


def test_nan_enum_function_arrays_and_tensors_survive():
    assert math.isnan(loads(dumps(math.nan)))
    assert loads(dumps(Colour.RED), trust=[__name__]) is Colour.RED
    assert loads(dumps(torch.nn.functional.relu)) is torch.nn.functional.relu
    array = numpy.arange(6, dtype=">i2").reshape(2, 3)
    back = loads(dumps(array))
    assert back.dtype == array.dtype
    assert (back == array).all()
    assert type(loads(dumps(numpy.float32(0.1)))) is numpy.float32
    assert torch.equal(loads(dumps(torch.eye(2))), torch.eye(2))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
)


@given(plain)
def test_any_nesting_of_plain_values_survives(value):
    assert loads(dumps(value)) == value


def test_calls_nest_and_shared_objects_stay_one():
    shared = Pair(1)
    back = loads(dumps(Pair(shared, right=[shared, {"k": shared}])))
    assert back.left is back.right[0] is back.right[1]["k"]
    assert back.left.left == 1


def test_arguments_are_kept_as_passed():
    items = [1]
    pair = Pair(items)
    items.append(2)
    assert call_of(pair).args == ([1],)


def test_a_recorded_class_stays_the_users_class():
    pair = Pair(1, right=2)
    assert isinstance(pair, Pair)
    assert Pair.__init__.__doc__ is None
    assert Pair.__name__ == "Pair"
    assert call_of(copy.deepcopy(pair)).kwargs == {"right": 2}
    assert vars(pickle.loads(pickle.dumps(Pair(3))))["left"] == 3


def test_an_undecorated_subclass_is_not_mistaken_for_its_base():
    assert call_of(Heir()) is None


def test_what_nobody_recorded_is_refused_with_its_path():
    with pytest.raises(SerializationError, match=r"left\[1\]\.right is a Unrecorded.*raynas\.serialize"):
        dumps(Pair([0, Pair(1, right=Unrecorded())]))


def test_what_nobody_recorded_travels_beside_with_one_notice():
    attachments = {}
    with pytest.warns(Notice, match=r"right \(Unrecorded, [\d,]+ bytes\)") as notices:
        text = dumps(Pair(1, right=Unrecorded()), attachments)
    assert len(notices) == 1
    assert type(loads(text, attachments).right) is Unrecorded
    with pytest.raises(SerializationError, match="attachment"):
        loads(text)


def test_a_lambda_travels_beside_with_one_notice():
    attachments = {}
    with pytest.warns(Notice, match=r"left \(function, [\d,]+ bytes\).*define it with def") as notices:
        text = dumps(Pair(lambda x: x + 1), attachments)
    assert len(notices) == 1
    assert loads(text, attachments).left(1) == 2


@pytest.mark.parametrize("name", ["os.system", "subprocess.Popen", "antigravity.fly"])
def test_an_untrusted_name_is_refused_before_anything_is_imported(name):
    import sys

    for form in ({"$call": name, "args": ["true"]}, {"$name": name}, {"$enum": [name, "X"]}):
        with pytest.raises(SerializationError, match="not trusted"):
            loads(json.dumps({"schema": 1, "value": form}))
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 9, "value": 1}', '{"schema": 1, "value": {"$evil": 1}}'])
def test_a_broken_document_is_refused(text):
    with pytest.raises(SerializationError):
        loads(text)


def test_choices_are_kept_named_and_made():
    rate = Leaf([0.1, 0.01])
    pair = Pair(rate, right=Pair(rate * 10, right=[Leaf([torch.nn.ReLU, torch.nn.GELU])]))
    assert pair.left == 0.1
    name_choices(pair)
    assert [leaf.label for leaf in choices(pair)] == ["left", "right.right.0"]
    text = dumps(pair)
    made = loads(resolve(text, {"left": 0.01, "right.right.0": "GELU"}))
    assert (made.left, made.right.left, made.right.right) == (0.01, 0.1, [torch.nn.GELU])
    with pytest.raises(SampleError, match="'left'"):
        resolve(text, {"left": 7, "right.right.0": "GELU"})


def test_a_function_can_be_the_recipe():
    made = serialize(Pair, serialize(torch.nn.Linear, 2, 3))
    assert loads(dumps(made)).left.out_features == 3


@serialize_cls
class Word(str):
    """Takes its argument in `__new__` only."""


@serialize_cls
class Bare:
    pass


def test_a_class_that_is_made_in_new_is_recorded_and_stays_itself() -> None:
    word = Word("hello")
    assert word == "hello" and call_of(word).args == ("hello",)
    with pytest.raises(TypeError, match="exactly one argument"):
        Bare(1)


def test_a_class_without_room_is_refused_where_it_is_decorated() -> None:
    with pytest.raises(SerializationError, match=r"Slots has no room to remember .*: leave out __slots__"):

        @serialize_cls
        class Slots:
            __slots__ = ("a",)


def test_what_holds_itself_is_refused_with_its_owner() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(SerializationError, match=r"an argument of .*SimpleNamespace holds itself"):
        serialize(SimpleNamespace, x=loop)


@pytest.mark.parametrize("shared", [OrderedDict(a=1), deque([1], 3), Counter("ab"), defaultdict(list, a=[1]), [1], {1}])
def test_what_may_change_stays_one(shared: object) -> None:
    made = loads(dumps(serialize(SimpleNamespace, first=shared, second=[shared])))
    assert made.first == shared and type(made.first) is type(shared)
    assert made.second[0] is made.first


class Keeps:
    """Keeps what it is given."""

    def __init__(self, rate):
        self.rate = rate


def test_a_choice_that_would_be_lost_in_a_pickle_is_refused():
    rate = Leaf([0.1, 0.01], "rate")
    with pytest.raises(SerializationError, match=r"^Keeps holds the choice 'rate', .*@raynas.serialize_cls"):
        dumps(Keeps([rate]), {})
    with pytest.raises(
        SerializationError, match=r"holds the choice 'rate', .*FunctionalEvaluator\(<lambda>, name=choice\)"
    ):
        dumps(lambda model: rate * model, {})


def test_what_is_looked_through_for_choices_may_hold_itself_or_have_no_value_yet():
    around = []
    around.append(around)
    dumps(Keeps(around), attachments := {})

    def early():
        return later

    dumps(early, attachments)
    later = 3
    assert len(attachments) == 2
