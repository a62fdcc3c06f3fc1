"""What was passed to a constructor, whatever became of it since."""

from __future__ import annotations

import copy
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from raynas.nn.earlier import MOST, as_passed, pictured
from raynas.nn.recording import construction, recording


class Settings:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Table(dict[str, Any]):
    """A dict whose items are attributes, too, as configurations often are."""

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def test_what_a_constructor_writes_to_its_configuration_was_not_passed() -> None:
    class Net(nn.Module):
        def __init__(self, settings: Any) -> None:
            super().__init__()
            settings.width = settings.names.pop()
            self.settings = settings

    passed = Settings(width=None, names=[1, 2])
    with recording():
        made = Net(passed)
    call = construction(made)
    assert call is not None
    assert vars(call.args[0]) == {"width": None, "names": [1, 2]} and call.late == (passed,)
    assert made.settings is passed and passed.width == 2


def test_a_configuration_that_nobody_writes_to_stays_itself() -> None:
    passed = Settings(inner=SimpleNamespace(widths=[1, 2]), layer=nn.Linear(1, 1))
    passed.inner.outer = passed
    changed: list[Any] = []
    then = pictured((passed, {"again": passed}))
    assert as_passed((passed, {"again": passed}), then, changed)[1]["again"] is passed and not changed


@pytest.mark.parametrize(
    ("passed", "write"),
    [
        (Settings(a=1), lambda s: setattr(s, "a", 2)),
        (Settings(a=1), lambda s: setattr(s, "b", 1)),
        (Settings(a=1), lambda s: delattr(s, "a")),
        (Settings(a=[1]), lambda s: s.a.append(2)),
        (Settings(a={"b": {1}}), lambda s: s.a["b"].add(2)),
        (Settings(a=SimpleNamespace(b=1)), lambda s: setattr(s.a, "b", 2)),
        (Settings(a=1), lambda s: setattr(s, "a", 1.0)),
        (Table(a=1), lambda s: s.update(a=2)),
        (Table(a=Table(b=1)), lambda s: s.a.update(b=2) if hasattr(s, "a") else s["a"].update(b=2)),
    ],
)
def test_all_that_is_written_is_undone_in_the_record_alone(passed: Any, write: Any) -> None:
    before = copy.deepcopy(passed)
    changed: list[Any] = []
    then = pictured([passed])
    write(passed)
    (found,) = as_passed([passed], then, changed)
    assert changed == [passed] and found is not passed
    assert {**vars(found)}.keys() == vars(before).keys()
    assert str(vars(found)) == str(vars(before)) and (not isinstance(found, dict) or dict(found) == dict(before))


def test_what_is_no_configuration_is_shared() -> None:
    class Slotted:
        __slots__ = ("__dict__", "a")

    for item in (nn.ReLU(), Slotted(), len, partial(len), Settings, (n for n in "a"), object(), 1.5, "word"):
        assert pictured((item,))[0] is item


def test_very_much_is_shared_rather_than_copied() -> None:
    items = [Settings(a=number) for number in range(3 * MOST)]
    assert pictured(items)[-1] is items[-1]


plain = st.recursive(
    st.integers() | st.text(max_size=3) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(lambda held: Settings(**held))
    ),
    max_leaves=12,
)


def shown(value: Any) -> Any:
    if isinstance(value, Settings):
        return {"settings": shown(vars(value))}
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


@given(plain, st.data())
def test_whatever_is_written_the_record_tells_what_was_passed(value: Any, data: st.DataObject) -> None:
    passed = Settings(top=value)
    before, then = shown(passed), pictured((passed,))
    targets: list[Any] = [passed]
    for target in targets:
        targets += [
            item
            for item in (vars(target) if isinstance(target, Settings) else target).values()
            if isinstance(item, Settings | dict)
        ]
    target = data.draw(st.sampled_from(targets))
    written = data.draw(st.booleans())
    if written:
        (vars(target) if isinstance(target, Settings) else target)["new"] = object()
    changed: list[Any] = []
    (found,) = as_passed((passed,), then, changed)
    assert shown(found) == before
    assert (found is passed) == (not written) and bool(changed) == written
