"""build: class paths and their arguments, and one line for each mistake."""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from typing import Any

import pytest
import tiny
from torch import nn

from examples import digits
from raynas import ConfigError, GraphSpace, ValueChoice, trace
from raynas.config.build import build, build_space
from raynas.errors import SerializationError, TraceError
from raynas.evaluator import FunctionalEvaluator
from raynas.evaluator.lightning import Classification
from raynas.search_space import Expression
from raynas.serializer import call_of, choices, dumps


def made(class_path: str, **init_args: Any) -> Any:
    return build({"class_path": class_path, "init_args": init_args}, "thing")


def test_plain_values_stay_what_they_are() -> None:
    value = {"a": [1, 2.5, "x", None], "b": {"c": True}}
    assert build(value, "thing") == value


def test_a_class_is_called_with_its_arguments_and_remembers_them() -> None:
    made_ = made("collections.OrderedDict", a=1)
    assert made_ == OrderedDict(a=1)
    evaluator = made("raynas.FunctionalEvaluator", fn="tiny.judge", scale=2.0)
    assert isinstance(evaluator, FunctionalEvaluator)
    assert evaluator.fn is tiny.judge
    assert evaluator.arguments == {"scale": 2.0}
    assert '"scale": 2.0' in dumps(evaluator)


def test_what_a_function_returns_remembers_the_function() -> None:
    call = call_of(made("examples.digits.val_set"))
    assert call is not None
    assert call.target is digits.val_set


def test_plain_data_need_not_remember_anything_unless_it_hangs_on_a_choice() -> None:
    assert made("fractions.Fraction", numerator=1, denominator=3) == Fraction(1, 3)
    choice = {"class_path": "raynas.ValueChoice", "init_args": {"candidates": [1, 2]}}
    with pytest.raises(SerializationError, match=r"Fraction.*cannot remember"):
        made("fractions.Fraction", numerator=choice)


def test_objects_stand_in_objects() -> None:
    layers = made("torch.nn.ModuleList", modules=[{"class_path": "torch.nn.ReLU"}, {"class_path": "torch.nn.Tanh"}])
    assert [type(layer) for layer in layers] == [nn.ReLU, nn.Tanh]


def test_a_choice_may_stand_for_any_argument() -> None:
    choice = {"class_path": "raynas.ValueChoice", "init_args": {"candidates": [1.0, 2.0], "label": "scale"}}
    evaluator = made("raynas.FunctionalEvaluator", fn="tiny.judge", scale=choice)
    assert evaluator.arguments == {"scale": 1.0}
    assert [leaf.label for leaf in choices(evaluator)] == ["scale"]
    assert isinstance(build(choice, "scale"), Expression)


def test_a_text_is_code_only_where_the_parameter_takes_code() -> None:
    data = {"class_path": "examples.digits.val_set"}
    evaluator = made(
        "raynas.evaluator.lightning.Classification",
        train_dataloaders=data,
        val_dataloaders=data,
        criterion="torch.nn.MultiMarginLoss",
        optimizer="SGD",
    )
    assert isinstance(evaluator, Classification)
    call = call_of(evaluator)
    assert call is not None
    assert call.kwargs["criterion"] is nn.MultiMarginLoss
    assert call.kwargs["optimizer"] == "SGD"


def test_a_space_is_made_or_is_a_function_that_makes_it() -> None:
    assert isinstance(build_space("tiny.Tiny"), tiny.Tiny)
    assert isinstance(build_space({"class_path": "tiny.Tiny"}), tiny.Tiny)
    factory = build_space({"class_path": "torch.nn.Linear", "init_args": {"in_features": 2, "out_features": 3}})
    assert factory().weight.shape == (3, 2)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"class_path": "nowhere.Thing"}, ["thing", "'nowhere.Thing'", "no module 'nowhere'", "install it"]),
        ({"class_path": "tiny.Tiiny"}, ["'tiny.Tiiny'", "module tiny", "did you mean 'Tiny'?"]),
        ({"class_path": "tiny"}, ["'tiny'", "module.Class"]),
        ({"class_path": 3}, ["3", "module.Class"]),
        ({"class_path": "bad_spaces.NUMBER"}, ["'bad_spaces.NUMBER'", "int", "name a class"]),
        ({"class_path": "tiny.Tiny", "initargs": {}}, ["'initargs'", "init_args"]),
        ({"class_path": "tiny.Tiny", "init_args": [1]}, ["init_args", "name: value"]),
        ({"class_path": "tiny.Tiny", "init_args": {"width": 3}}, ["tiny.Tiny", "'width'", "it takes none"]),
        ({"class_path": "tiny.Scale", "init_args": {"facto": 3}}, ["'facto'", "did you mean 'factor'?"]),
        ({"class_path": "raynas.FunctionalEvaluator"}, ["needs the argument 'fn'"]),
        (
            {"class_path": "raynas.FunctionalEvaluator", "init_args": {"fn": "tiny.juge"}},
            ["thing.fn", "'tiny.juge'", "did you mean 'judge'?"],
        ),
        (
            {"class_path": "raynas.FunctionalEvaluator", "init_args": {"fn": "tiny.judge", "scalee": 3}},
            ["thing", "scalee"],
        ),
        (
            {"class_path": "torch.nn.Linear", "init_args": {"in_features": -1, "out_features": 1}},
            ["torch.nn.Linear", "RuntimeError"],
        ),
        ({"class_path": "bad_spaces.Raises"}, ["bad_spaces.Raises", "ValueError: no, never (", "bad_spaces.py:"]),
        (
            {"class_path": "raynas.FunctionalEvaluator", "init_args": {"fn": {"class_path": "tiny.judge"}}},
            ["thing.fn: tiny.judge needs the argument 'model'", "write it alone, as in `fn: tiny.judge`"],
        ),
    ],
)
def test_a_mistake_is_one_line_that_names_place_cause_and_cure(spec: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        build(spec, "thing")
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("thing")
    for word in words:
        assert word in text


ODD = """\
import raynas
from torch import nn
made = nn.Linear(2, 2)
def fails():
    raise ValueError('no')
def three():
    return 3
traced = raynas.trace(lambda: nn.Linear(2, 2))
"""


def test_spaces_that_are_no_classes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = ODD
    (tmp_path / "odd_spaces.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"space: 'odd_spaces\.made' has been made already: name its class, Linear"):
        build_space("odd_spaces.made")
    with pytest.raises(ConfigError, match=r"odd_spaces\.fails refuses .*ValueError: no \(.*odd_spaces\.py:5\)"):
        trace(build_space("odd_spaces.fails"))
    with pytest.raises(TraceError, match=r"^three built a int: it must build a module"):
        trace(build_space("odd_spaces.three"))
    assert isinstance(build_space("odd_spaces.traced"), GraphSpace)


def test_a_module_that_does_not_import_says_why(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_written.py").write_text("import nothing_like_it\n")
    (tmp_path / "quits.py").write_text("raise SystemExit('bye')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"half_written\.Thing.*does not import.*nothing_like_it"):
        build({"class_path": "half_written.Thing"}, "space")
    with pytest.raises(ConfigError, match=r"quits\.Thing.*SystemExit: bye"):
        build({"class_path": "quits.Thing"}, "space")


@pytest.mark.parametrize("spec", [3, {"a": 1}, ["tiny.Tiny"]])
def test_a_space_that_names_no_class_is_refused(spec: Any) -> None:
    with pytest.raises(ConfigError, match=r"class_path: module\.Class"):
        build_space(spec)


def test_choices_have_their_labels_from_the_file() -> None:
    choice = made("raynas.ValueChoice", candidates=[1, 2], label="x")
    assert type(choice) is type(ValueChoice([1, 2], label="x"))
