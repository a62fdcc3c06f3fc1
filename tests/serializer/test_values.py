"""Every promised kind of value survives; one object stays one; large arrays stay out of the text."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import math
import pathlib
import types
import uuid
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from raynas import ValueChoice
from raynas.errors import Notice, SerializationError
from raynas.search_space.expression import Leaf
from raynas.serializer import choices, dumps, loads, name_choices, resolve, serialize_cls, trusted_modules


@serialize_cls
class Box:
    def __init__(self, *items: Any, **named: Any) -> None:
        self.items, self.named = items, named

    def __repr__(self) -> str:
        return f"Box{self.items}"


@dataclasses.dataclass
class Settings:
    rate: Any = 0.1
    parts: Any = ()

    def __post_init__(self) -> None:
        self.parts = [*self.parts, "made"]


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    size: int


class Word(enum.StrEnum):
    RED = "red"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Level(enum.IntEnum):
    LOW = 1


Point = collections.namedtuple("Point", "x y")  # as people write it


class Tools:
    @classmethod
    def build(cls) -> str:
        return cls.__name__


def back(value: Any, attachments: dict[str, Any] | None = None) -> Any:
    text = dumps([value], attachments)
    return loads(text, attachments, trusted_modules(text))[0]


KINDS = [
    *(0, -1, 10**40, -0.0, 1e-320, "", "\x00", "\ud800", "$call", b"", bytearray(b"ab"), True),
    *(Word.RED, Access.READ | Access.WRITE, Access(0), Level.LOW, Point(1, (2,)), Fixed(3), Settings("x", [1])),
    *(collections.OrderedDict(b=1, a=2), collections.Counter("aab"), collections.deque([1, 2], 3)),
    *(collections.defaultdict(list, a=[1]), types.SimpleNamespace(a=1, b=[2])),
    *(decimal.Decimal("1.10"), fractions.Fraction(1, 3), uuid.UUID(int=5), complex(math.inf, -0.0)),
    *(datetime.time(1, 2), datetime.timezone(datetime.timedelta(hours=2)), datetime.date(2020, 2, 29)),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    *(pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("a\\b")),
    *(torch.Size([2, 3]), torch.strided, torch.bfloat16, torch.device("meta")),
    *(len, math.sqrt, torch.relu, torch.nn.functional.gelu, numpy.tanh, datetime.datetime, Tools.build, Box),
    *(numpy.float64("nan"), numpy.int8(3), numpy.bool_(True), numpy.datetime64("2020-01-01"), numpy.str_("é")),
]


@pytest.mark.parametrize("value", KINDS, ids=lambda value: repr(value)[:40])
def test_a_value_survives(value: Any) -> None:
    found = back(value)
    assert type(found) is type(value)
    assert repr(found) == repr(value)


def test_a_number_of_any_length_survives() -> None:
    assert back(10**6000) == 10**6000
    assert back(-(10**6000)) == -(10**6000)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.datetimes()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.sampled_from([Word.RED, Access.WRITE, torch.int8, torch.device("cpu"), ..., int, len])
    | st_numpy.from_dtype(numpy.dtype("f4"))
)
keys = st.text() | st.integers() | st.binary() | st.tuples(st.integers(), st.text())
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(keys, inner)
        | st.sets(keys)
        | st.frozensets(keys)
        | st.builds(slice, inner, inner)
        | st.builds(Point, inner, inner)
        | st.builds(lambda x: types.SimpleNamespace(x=x), inner)
    ),
    max_leaves=12,
)


@given(values)
def test_any_nesting_survives(value: Any) -> None:
    assert alike(back(value), value)


def alike(one: Any, other: Any) -> bool:
    """Whether two values are equal, not-a-numbers too; equal sets may show their items in another order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(alike, one.values(), other.values()))
    if isinstance(one, slice):
        return alike((one.start, one.stop, one.step), (other.start, other.stop, other.step))
    if isinstance(one, Point | types.SimpleNamespace):
        return alike(vars(one), vars(other))
    return repr(one) == repr(other) or (isinstance(one, set | frozenset) and one == other)


def test_alike_tells_what_differs() -> None:
    assert alike({"": math.nan, "0": {"", 0}}, {"": math.nan, "0": {0, ""}})
    for one, other in [
        (1, True),
        ([1], (1,)),
        ({"a": 1}, {"a": 2}),
        ({1}, {2}),
        (slice(0.0), slice(-0.0)),
        ([1], [1, 2]),
    ]:
        assert not alike(one, other), (one, other)


@given(
    st_numpy.arrays(
        st_numpy.boolean_dtypes()
        | st_numpy.integer_dtypes(endianness="?")
        | st_numpy.floating_dtypes(endianness="?")
        | st_numpy.complex_number_dtypes()
        | st_numpy.datetime64_dtypes()
        | st_numpy.unicode_string_dtypes(),
        st_numpy.array_shapes(min_dims=0, min_side=0),
    ),
    st.booleans(),
)
def test_any_array_survives(array: Any, turned: bool) -> None:
    array = array.T if turned and array.ndim else array
    found = back(array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (300, 200)], ids=str)
@pytest.mark.parametrize("aside", [False, True])
def test_a_tensor_survives(dtype: torch.dtype, shape: tuple[int, ...], aside: bool) -> None:
    tensor = torch.randint(0, 2, shape).to(dtype)
    attachments: dict[str, Any] | None = {} if aside else None
    found = back(tensor, attachments)
    assert (found.dtype, found.shape, found.requires_grad) == (dtype, torch.Size(shape), False)
    assert torch.equal(found.to(torch.complex64), tensor.to(torch.complex64))
    assert bool(attachments) == (aside and tensor.nbytes > 1 << 16)


def test_tensors_that_learn_stay_so() -> None:
    leaf = torch.ones(2, requires_grad=True)
    assert back(leaf).requires_grad
    assert type(back(torch.nn.Parameter(leaf))) is torch.nn.Parameter
    assert not back(torch.nn.Parameter(torch.ones(1), requires_grad=False)).requires_grad


def test_large_arrays_stand_beside_the_document_once_and_are_not_copied() -> None:
    numbers = numpy.arange(100_000.0)
    tensor = torch.arange(100_000)
    attachments: dict[str, Any] = {}
    text = dumps(Box(numbers, (tensor, numbers.copy()), [tensor]), attachments)
    assert len(text) < 2000
    assert sorted(map(len, attachments.values())) == [800_000, 800_000], "equal ones are one"
    made = loads(text, attachments, [__name__])
    assert numpy.shares_memory(made.items[0], numbers)
    assert made.items[1][0].data_ptr() == tensor.data_ptr()
    assert made.items[1][0] is made.items[2][0], "one tensor stays one"
    with pytest.raises(ValueError, match="read-only"):
        made.items[0][0] = 1
    changed = numbers.copy()
    changed[5] = 7
    assert dumps(Box(changed), {}) != dumps(Box(numbers), {}), "other data is another document"


class Rows:
    """A dataset of a user's, which nobody recorded."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y, self.names = x, y, ["a"]


def test_arrays_inside_a_pickle_are_not_copied_either() -> None:
    x, y = numpy.ones((1000, 100)), torch.ones(100_000, dtype=torch.bfloat16)
    attachments: dict[str, Any] = {}
    with pytest.warns(Notice, match=r"\(Rows, 1,000,\d{3} bytes\) travels as a pickle.*raynas.serialize\(Rows"):
        text = dumps(Box(Rows(x, y)), attachments)
    small = [data for data in attachments.values() if len(data) < 10_000]
    assert (len(attachments), len(small)) == (3, 1)
    made = loads(text, attachments, [__name__]).items[0]
    assert numpy.shares_memory(made.x, x)
    assert made.y.data_ptr() == y.data_ptr()
    assert made.names == ["a"]


def test_one_object_stays_one() -> None:
    shared, array, setting = [1], numpy.ones(2), Settings()
    inner = Box(array)
    made = back(Box(shared, {"k": shared}, (array, inner, array), setting, [setting], shared))
    assert made.items[0] is made.items[1]["k"] is made.items[5]
    assert made.items[2][0] is made.items[2][2] is made.items[2][1].items[0]
    assert made.items[3] is made.items[4][0]
    equal = back([[1], [1]])
    assert equal[0] is not equal[1], "equal is not the same"


def test_what_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(SerializationError, match="holds itself"):
        dumps({"x": circle})
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(SerializationError, match="nested too deeply"):
        dumps(deep)


def test_recipes_and_choices_stand_inside_dataclasses_too() -> None:
    config = Settings(rate=Leaf([0.1, 0.2]), parts=[Box(1)])
    box = Box(config, functools.partial(torch.optim.SGD, lr=0.5))
    name_choices(box)
    assert [leaf.label for leaf in choices(box)] == ["items.rate"]
    text = dumps(box)
    made = loads(resolve(text, {"items.rate": 0.2}), trust=trusted_modules(text))
    assert made.items[0].rate == 0.2
    assert made.items[0].parts[0].items == (1,)
    assert made.items[0].parts[1:] == ["made"], "what the constructor computed is not computed again"
    assert made.items[1].keywords == {"lr": 0.5}


def test_what_is_shared_with_a_candidate_that_is_not_chosen_stays() -> None:
    shared = Box("shared")
    box = Box(Leaf([Box(shared), Box("other")], "which"), shared)
    text = dumps(box)
    (first, second) = choices(box)[0].tokens
    for token, expected in ((first, "shared"), (second, "other")):
        made = loads(resolve(text, {"which": token}), trust=trusted_modules(text))
        assert made.items[1].items == ("shared",)
        inner = made.items[0].items[0]
        assert (inner is made.items[1]) if expected == "shared" else (inner == "other")


def test_the_notice_about_a_heavy_document_says_what_to_do() -> None:
    with pytest.warns(Notice, match=r"named\.table takes 1,\d{3},\d{3} bytes.*one array.*recipe"):
        dumps(Box(named={"table": [float(i) / 7 for i in range(60_000)]}), {})


def test_what_stands_in_candidates_and_elsewhere_stays_one() -> None:
    weights = [1.0, 2.0]
    box = Box(ValueChoice([(1, weights), (2, weights)], label="which"), weights)
    text = dumps(box)
    for token in choices(box)[0].tokens:
        made = loads(resolve(text, {"which": token}), trust=trusted_modules(text))
        assert made.items[0][1] == made.items[1] == weights


def test_a_typing_error_names_the_users_class() -> None:
    for wrong, name in ((lambda: Box().missing, "Box"), (lambda: ValueChoice([1, 2], lable="x"), "ValueChoice")):
        with pytest.raises((TypeError, AttributeError), match=name):
            wrong()
