"""Overrides: parts of a configuration, changed on the command line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas import ConfigError
from raynas.config import KEYS, Override, split

names = st.sampled_from(["a", "b", "c", "d"])
trees = st.recursive(st.integers(), lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=8)


def leaves(tree: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(tree, dict):
        return {at: tree}
    return {path: value for key, inner in tree.items() for path, value in leaves(inner, (*at, key)).items()}


@given(st.dictionaries(names, trees, min_size=1), st.data())
def test_one_place_changes_and_the_rest_stays(tree: dict[str, Any], data: st.DataObject) -> None:
    before = leaves(tree)
    place = data.draw(st.sampled_from(sorted(before)))
    changed = Override(place, "new").applied(tree)
    assert leaves(changed) == {**before, place: "new"}
    assert leaves(tree) == before


def test_init_args_may_be_left_out() -> None:
    values = {"evaluator": {"class_path": "a.B", "init_args": {"epochs": 8, "nested": {"class_path": "c.D"}}}}
    for keys in (("evaluator", "epochs"), ("evaluator", "init_args", "epochs")):
        changed = Override(keys, 3).applied(values)
        assert changed["evaluator"]["init_args"]["epochs"] == 3
        assert changed["evaluator"]["class_path"] == "a.B"
    changed = Override(("evaluator", "nested", "x"), 1).applied(values)
    assert changed["evaluator"]["init_args"]["nested"] == {"class_path": "c.D", "init_args": {"x": 1}}


def test_a_class_path_by_itself_takes_arguments() -> None:
    changed = Override(("strategy", "population_size"), 5).applied({"strategy": "regularized_evolution"})
    assert changed["strategy"] == {"class_path": "regularized_evolution", "init_args": {"population_size": 5}}


def test_another_class_loses_the_arguments_of_the_one_before() -> None:
    values = {"strategy": {"class_path": "grid", "init_args": {"x": 1}}}
    assert Override(("strategy", "class_path"), "random").applied(values) == {"strategy": {"class_path": "random"}}


def test_what_is_not_there_yet_is_made() -> None:
    assert Override(("resources", "custom", "tpu"), 1).applied({}) == {"resources": {"custom": {"tpu": 1}}}


def test_a_plain_value_has_no_parts() -> None:
    values = {"evaluator": {"class_path": "a.B", "init_args": {"rate": 0.1}}}
    with pytest.raises(ConfigError, match=r"--evaluator\.rate\.x: evaluator\.rate is 0\.1, which has no 'x'"):
        Override(("evaluator", "rate", "x"), 1).applied(values)


def test_the_command_line_is_split() -> None:
    line = ["search", "x.yaml", "--evaluator.rate", "1e-3", "--seed", "4", "--resources.num_gpus=0.5", "--a.b", "c"]
    rest, found = split(line, KEYS)
    assert rest == ["search", "x.yaml", "--seed", "4", "--a.b", "c"]
    assert found == [Override(("evaluator", "rate"), 0.001), Override(("resources", "num_gpus"), 0.5)]


@pytest.mark.parametrize(
    ("line", "words"), [(["--evaluator.x"], "has no value"), (["--evaluator.x", "[1"], "is no YAML")]
)
def test_an_override_that_cannot_be_read_is_an_error(line: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        split(line, KEYS)
