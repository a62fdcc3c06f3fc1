"""Settings: what a file may say, and what is wrong with one."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from raynas import ConfigError, Experiment, Sample
from raynas.config import Override, Settings, dump, read, settings
from raynas.config.making import make

TINY = """
space: tiny.Tiny
evaluator:
  class_path: raynas.FunctionalEvaluator
  init_args: {fn: tiny.judge}
objective: score
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tiny.yaml"


def test_settings_are_what_an_experiment_takes() -> None:
    takes = inspect.signature(Experiment).parameters
    apart = {"strategy_arguments", "stopper_arguments", "verbose"}
    assert {item.name for item in fields(Settings)} == set(takes) - apart
    for item in fields(Settings):
        default = takes[item.name].default
        mine = getattr(Settings(), item.name)
        if default is not inspect.Parameter.empty and item.name not in ("resources", "initial_samples"):
            assert mine == default, item.name


def test_a_file_becomes_an_experiment(file: Path) -> None:
    file.write_text(
        TINY
        + "strategy: {class_path: regularized_evolution, init_args: {population_size: 5, tournament_size: 2}}\n"
        + "max_trials: 7\nmax_time: 60\nseed: 3\nresources: {num_cpus: 2}\nengine: local\nname: here\n"
        + f"storage_path: {file.parent}\ninitial_samples: [{{width: 2, act: relu, bias: true}}]\n"
    )
    experiment = make(settings(read(str(file))))
    assert experiment.search_space.size() == 64
    assert (experiment.max_trials, experiment.max_time, experiment.seed, experiment.name) == (7, 60, 3, "here")
    assert experiment.resources.num_cpus == 2
    assert vars(experiment.strategy)["population_size"] == 5
    assert experiment.objectives == {"score": "max"}
    assert experiment.search_space.contains(Sample(experiment.initial_samples[0]))


def test_the_command_line_wins(file: Path) -> None:
    file.write_text(TINY + "max_trials: 7\nseed: 3\n")
    found = settings(read(str(file), {"max_trials": 9}, [Override(("evaluator", "scale"), 2.0)]))
    assert (found.max_trials, found.seed) == (9, 3)
    assert found.evaluator["init_args"] == {"fn": "tiny.judge", "scale": 2.0}


def test_numbers_are_numbers(file: Path) -> None:
    file.write_text("max_time: 1e3\nseed: 0\nevaluator: {class_path: a.B, init_args: {rate: 1e-3}}\n")
    found = settings(read(str(file)))
    assert found.max_time == 1000
    assert found.evaluator["init_args"]["rate"] == 0.001


def test_what_is_dumped_reads_the_same(file: Path) -> None:
    file.write_text(TINY.replace("score", "{score: max, parameters: min}") + "name: größe\n")
    values = read(str(file))
    file.write_text(dump(values), encoding="utf-8")
    assert read(str(file)) == values


@pytest.mark.parametrize("name", ["bad_spaces.Tiny", "bad_spaces:Tiny"])
def test_a_strategy_may_be_named_with_a_dot_or_a_colon(file: Path, name: str) -> None:
    file.write_text(TINY + f"strategy: {name}\n")
    with pytest.raises(ConfigError, match="strategy 'bad_spaces:Tiny' is not there"):
        make(settings(read(str(file))))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["nothing", "key: value"]),
        ("- 1", ["list", "key: value"]),
        ("a: [1", ["no YAML", "line"]),
        ("max_trails: 3", ["'max_trails'", "did you mean 'max_trials'?"]),
        ("zzz: 3", ["'zzz'", "there is space, evaluator"]),
        ("max_trials: many", ["max_trials is many", "a whole number"]),
        ("max_time: [1]", ["max_time is [1]", "a number"]),
        ("resources: 3", ["resources is 3", "dict"]),
        ("dedup: perhaps", ["dedup is perhaps", "true or false"]),
        ("initial_samples: {a: 1}", ["initial_samples", "{'a': 1}"]),
    ],
)
def test_a_mistake_is_one_line(file: Path, text: str, words: list[str]) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        settings(read(str(file)))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_file_that_is_not_there_or_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no configuration '.*nope\.yaml'"):
        read(str(tmp_path / "nope.yaml"))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read(str(tmp_path))
    (tmp_path / "latin.yaml").write_bytes("name: größe".encode("latin-1"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        read(str(tmp_path / "latin.yaml"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"space": None}, "the configuration has no space"),
        ({"evaluator": None}, "the configuration has no evaluator"),
        ({"strategy": 3}, "strategy is 3"),
        ({"strategy": {"class_path": "random", "initargs": {}}}, "unknown key 'initargs'"),
        ({"strategy": "randm"}, "did you mean 'random'"),
        ({"strategy": {"class_path": "random", "init_args": {"k": 1}}}, "takes no argument 'k'"),
        ({"evaluator": {"class_path": "torch.nn.ReLU"}}, "evaluator is a ReLU"),
        ({"evaluator": "tiny.judge"}, "as in `fn: tiny.judge` of raynas.FunctionalEvaluator"),
        ({"stopper": {"class_path": "torch.nn.ReLU"}}, "stopper 'torch.nn:ReLU' is no stopper"),
        ({"stopper": "medan"}, "did you mean 'median'"),
        ({"stopper": {"class_path": "median", "init_args": {"min_trials": 0}}}, "min_trials=0"),
        ({"objective": {"score": "up"}}, "no direction"),
        ({"max_trials": 0}, "max_trials is 0"),
        ({"engine": "rya"}, "engine is 'rya'"),
        ({"name": "a/b"}, "'a/b' cannot name a run"),
    ],
)
def test_settings_that_mean_no_experiment_are_errors(file: Path, change: dict[str, Any], words: str) -> None:
    file.write_text(TINY)
    with pytest.raises(ConfigError, match=words) as caught:
        make(settings({**read(str(file)), "storage_path": str(file.parent), **change}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nname: x\nseed: 2\n", "'seed' stands in lines 1 and 3: leave one out"),
        ("evaluator:\n  init_args: {lr: 1, lr: 2}\n", "'lr' stands twice in line 2: leave one out"),
        ("initial_samples: [{a: 1}, {a: 1, b: 2, a: 3}]\n", "'a' stands twice in line 1"),
    ],
)
def test_a_key_that_stands_twice_is_refused(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(str(file))
    assert words in str(caught.value)


def test_anchors_and_merges_are_read(file: Path) -> None:
    file.write_text(
        "\ufeffresources: &all {num_cpus: 1}\r\ninitial_samples: [&a {x: 1}, *a, {<<: *all, num_cpus: 2}]\r\n"
    )
    found = read(str(file))
    assert found["initial_samples"] == [{"x": 1}, {"x": 1}, {"num_cpus": 2}]
    file.write_text(f"store: {'[' * 3000}{']' * 3000}\n")
    with pytest.raises(ConfigError, match="is no YAML"):
        read(str(file))
