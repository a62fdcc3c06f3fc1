"""Strategies by name: found, made, recorded; and every way in which that can go wrong."""

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from raynas_strategies.grid import GridSearch
from raynas_strategies.random import RandomSearch
from raynas_strategies.regularized_evolution import RegularizedEvolution

from raynas import History, Sample, SearchSpace, Strategy, plugins
from raynas.errors import ConfigError, PluginError

MODULE = '''
from raynas import Strategy

class Fixed(Strategy):
    """Always the default.

    And more words.
    """

    def __init__(self, value, times=1, *, hidden=0):
        if times < 1:
            raise ValueError("times must be\\npositive")
        self.value = value
        self.times = times

    def ask(self, space, history, rng):
        return space.default()

class Silent(Fixed):
    def __init__(self):
        pass

class Open(Fixed):
    def __init__(self, **options):
        self.options = options

class Unfinished(Strategy):
    pass

class Outer:
    class Inner(Silent):
        pass

def function():
    return Silent()
'''


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path, with a distribution that registers good and bad strategies."""
    (tmp_path / "lab_strategies.py").write_text(MODULE)
    (tmp_path / "lab_broken.py").write_text("import a_package_that_nobody_has\n")
    (tmp_path / "lab_quits.py").write_text("raise SystemExit(3)\n")
    info = tmp_path / "lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[raynas.strategies]\n"
        "fixed = lab_strategies:Fixed\n"
        "broken = lab_broken:Fixed\n"
        "gone = lab_strategies:Fixt\n"
        "function = lab_strategies:function\n"
        "module = lab_strategies\n"
        "quits = lab_quits:Fixed\n"
        "unfinished = lab_strategies:Unfinished\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("lab_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("random", RandomSearch),
        ("grid", GridSearch),
        ("regularized_evolution", RegularizedEvolution),
        ("raynas_strategies.grid:GridSearch", GridSearch),
    ],
)
def test_found_by_name(name: str, cls: type[Strategy]) -> None:
    assert plugins.find(name) is cls
    assert type(plugins.make(name)) is cls


def test_found_in_another_distribution(installed: Path) -> None:
    assert plugins.find("fixed").__module__ == "lab_strategies"
    assert plugins.find("lab_strategies:Outer.Inner").__qualname__ == "Outer.Inner"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("randon", "there is no strategy 'randon', did you mean 'random'?: there is "),
        ("xyz", "there is no strategy 'xyz': there is "),
        ("xyz", ", broken, "),
        ("", "there is no strategy ''"),
        ("lab_strategies:", "'lab_strategies:' names no strategy: write 'module:Class', or a registered name"),
        (":Fixed", "':Fixed' names no strategy"),
        ("..lab:Fixed", "'..lab:Fixed' names no strategy"),
        ("a:b:c", "'a:b:c' names no strategy"),
        ("C:\\x.py", "names no strategy"),
        ("lab_nowhere:Fixed", "strategy 'lab_nowhere:Fixed' does not import: ModuleNotFoundError: No module named"),
        (
            "broken",
            "strategy 'broken' (lab_broken:Fixed) does not import: ModuleNotFoundError: No module named 'a_package",
        ),
        ("quits", "strategy 'quits' (lab_quits:Fixed) does not import: SystemExit: 3; install what it needs"),
        (
            "gone",
            "strategy 'gone' (lab_strategies:Fixt) is not there: module lab_strategies has no Fixt, did you",
        ),
        ("function", "strategy 'function' (lab_strategies:function) is no strategy but <function"),
        ("module", "strategy 'module' (lab_strategies) is no strategy but <module"),
        (
            "lab_strategies:Outer",
            "is no strategy but <class 'lab_strategies.Outer'>: let its class inherit from raynas.Strategy",
        ),
        ("unfinished", "cannot be made: its class leaves out ask; write it"),
        ("raynas:Strategy", "strategy 'raynas:Strategy' cannot be made: its class leaves out ask"),
    ],
)
def test_what_cannot_be_found(spec: str, message: str, installed: Path) -> None:
    with pytest.raises(PluginError) as caught:
        plugins.find(spec)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_name_registered_twice_is_ambiguous(installed: Path) -> None:
    info = installed / "rival-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[raynas.strategies]\nrandom = lab_strategies:Silent\n")
    with pytest.raises(
        PluginError,
        match=r"'random' is registered as lab_strategies:Silent and as raynas_strategies.random:RandomSearch: name",
    ):
        plugins.find("random")


def test_registered_lists_the_broken_ones_too(installed: Path) -> None:
    entries = {entry.name: entry for entry in plugins.registered()}
    assert list(entries) == sorted(entries)
    assert entries["random"].found is RandomSearch
    assert entries["fixed"].doc == "Always the default."
    for name in ("broken", "gone", "function", "module", "quits", "unfinished"):
        assert isinstance(entries[name].found, PluginError)
        assert f"strategy '{name}'" in entries[name].doc


def test_the_built_in_ones_say_in_a_line_what_they_do() -> None:
    for entry in plugins.registered():
        assert entry.doc.endswith("."), f"{entry.name} has no one-line docstring"


@pytest.mark.parametrize(
    ("spec", "arguments", "message"),
    [
        ("random", {"seed": 1}, "strategy 'random' takes no argument 'seed': it takes none"),
        (
            "fixed",
            {"valu": 1},
            "strategy 'fixed' takes no argument 'valu', did you mean 'value'?: it takes 'value', 'times', 'hidden'",
        ),
        ("fixed", {}, "strategy 'fixed' needs the argument 'value': give it one"),
        (
            "fixed",
            {"value": 1, "times": 0},
            "strategy 'fixed' refuses {'value': 1, 'times': 0}: ValueError: times must be positive",
        ),
        ("fixed", {"value": 1, "times": "x"}, "strategy 'fixed' refuses {'value': 1, 'times': 'x'}: TypeError"),
        (int, {}, "strategy int is no strategy but <class 'int'>"),
        (7, {}, "strategy is 7: give a registered name, 'module:Class', a class or an instance"),
        (RandomSearch, {"seed": 1}, "strategy RandomSearch takes no argument 'seed'"),
    ],
)
def test_what_cannot_be_made(spec: Any, arguments: dict[str, Any], message: str, installed: Path) -> None:
    with pytest.raises(PluginError) as caught:
        plugins.make(spec, arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_strategy_s_own_error_is_not_dressed_up() -> None:
    with pytest.raises(
        ConfigError, match=r"^regularized evolution cannot draw a tournament of 10 from a population of 2"
    ):
        plugins.make("regularized_evolution", {"population_size": 2})


def test_made_from_class_and_object(installed: Path) -> None:
    assert type(plugins.make(RandomSearch)) is RandomSearch
    made = RegularizedEvolution(50, 10)
    assert plugins.make(made) is made
    with pytest.raises(PluginError, match="has been made already and takes no 'population_size': name its class"):
        plugins.make(made, {"population_size": 3})
    options = plugins.make("lab_strategies:Open", {"anything": 1})
    assert vars(options) == {"options": {"anything": 1}}


def test_recorded_and_made_again(installed: Path) -> None:
    spec, arguments = plugins.recipe(RegularizedEvolution(50, 10))
    assert spec == "raynas_strategies.regularized_evolution:RegularizedEvolution"
    assert arguments == {"population_size": 50, "tournament_size": 10}
    again = plugins.make(spec, arguments)
    assert plugins.recipe(again) == (spec, arguments)
    assert plugins.recipe(GridSearch()) == ("raynas_strategies.grid:GridSearch", {"resolution": None})


def test_an_argument_that_is_not_kept_cannot_be_recorded(installed: Path) -> None:
    with pytest.raises(PluginError, match=r"does not keep its argument 'hidden': let its constructor set self.hidden"):
        plugins.recipe(plugins.make("fixed", {"value": 1}))


def test_a_strategy_defined_on_the_spot() -> None:
    class Mine(Strategy):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample:
            return space.default()

    assert isinstance(plugins.make(Mine), Mine)
