"""Export: the file runs alone and computes the same; what it cannot hold is refused by name."""

import ast
import importlib
import itertools
import json
import random
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import raynas
from examples.digits import DigitsNet
from raynas.errors import RaynasError, SerializationError
from raynas.pytorch.export import module_texts, self_contained, standalone

NUMBERS = itertools.count()

ALONE = """
import importlib.util, json, os, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)

sys.meta_path.insert(0, Blocker())
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

torch.set_num_threads(1)
for folder in {folders!r}:
    spec = importlib.util.spec_from_file_location("best", os.path.join(folder, "best.py"))
    best = importlib.util.module_from_spec(spec)
    sys.modules["best"] = best
    spec.loader.exec_module(best)
    model = best.Model().eval()
    model.load_state_dict(load_file(os.path.join(folder, "best.safetensors")), strict=True)
    expected = load_file(os.path.join(folder, "call.safetensors"))
    with torch.no_grad():
        assert torch.equal(model(expected["input"]), expected["output"]), folder
assert not [name for name in sys.modules if name.partition(".")[0] in {blocked!r}]
print("the same")
"""


def same_alone(candidates: dict[str, tuple[str, Any, torch.Tensor]], folder: Path, blocked: list[str]) -> None:
    """Assert that each text, in a process that has nothing but torch, is its model: weights and outputs."""
    for name, (text, model, example) in candidates.items():
        place = folder / name
        place.mkdir()
        (place / "best.py").write_text(text)
        model.eval()
        save_file(model.state_dict(), place / "best.safetensors")
        with torch.no_grad():
            save_file({"input": example, "output": model(example)}, place / "call.safetensors")
    folders = [str(folder / name) for name in candidates]
    code = ALONE.format(blocked=["raynas", "raynas_strategies", *blocked], folders=folders)
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "the same", done.stderr


class Project:
    """Modules of a user's, in a folder of their own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name

    def write(self, **modules: str) -> None:
        """Write modules; `P` in their text is the name of the package."""
        package = self.folder / self.name
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        for name, text in modules.items():
            (package / f"{name}.py").write_text(textwrap.dedent(text).replace("P.", f"{self.name}."))
        importlib.invalidate_caches()

    def load(self, module: str = "layers") -> types.ModuleType:
        return importlib.import_module(f"{self.name}.{module}")

    def source(self, *units: str, module: str = "layers") -> str:
        """What `to_source` makes of a chain of units with these constructor calls."""
        loaded = self.load(module)

        def build() -> torch.nn.Module:
            return torch.nn.Sequential(*(eval(unit, vars(loaded)) for unit in units))

        return raynas.to_source(raynas.trace(build).freeze())

    def export(self, *units: str, module: str = "layers") -> str:
        return self_contained(self.source(*units, module=module))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Project(tmp_path, f"project{next(NUMBERS)}")
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == made.name]:
        del sys.modules[name]


def run(text: str, name: str = "best") -> dict[str, Any]:
    """What a text defines, imported as a module."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    try:
        exec(compile(text, f"{name}.py", "exec"), vars(module))
    finally:
        del sys.modules[name]
    return vars(module)


def same(text: str, source: str, example: torch.Tensor) -> None:
    """Assert that an exported text is the source's model."""
    alone, original = run(text)["Model"]().eval(), raynas.load_module(source).eval()
    alone.load_state_dict(original.state_dict(), strict=True)
    with torch.no_grad():
        assert torch.equal(alone(example), original(example))


def imported(text: str) -> set[str]:
    """The packages that a text imports."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            found.add(str(node.module).partition(".")[0])
    return found


def formatted(text: str) -> str:
    """The text as ruff leaves it."""
    ruff = str(Path(sys.executable).parent / "ruff")
    options = ["--isolated", "--config", "line-length=120"]
    done = subprocess.run([ruff, "format", *options, "-"], input=text, capture_output=True, text=True, check=True)
    rules = ["check", "--select", "I,F", "--fix", "--quiet", *options, "-"]
    return subprocess.run([ruff, *rules], input=done.stdout, capture_output=True, text=True, check=True).stdout


UNIT = """
    import torch
    from torch import nn
    from raynas import basic_unit
"""


def test_winners_of_the_digits_run_alone(tmp_path: Path) -> None:
    space = raynas.trace(DigitsNet())
    rng = random.Random(0)
    candidates: dict[str, Any] = {}
    while len(candidates) < 4:
        graph = space.freeze(space.search_space.random(rng))
        if "SeparableConv" in raynas.to_source(graph):
            text = standalone(graph)
            assert text == standalone(graph) == formatted(text)
            assert imported(text) == {"torch"}
            model = raynas.load_module(raynas.to_source(graph))
            candidates[f"winner_{len(candidates)}"] = text, model, torch.randn(3, 1, 8, 8)

    same_alone(candidates, tmp_path, ["examples", "sklearn"])


def test_what_needs_nothing_of_the_users_stays_as_it_is() -> None:
    graph = raynas.trace(lambda: torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())).freeze()

    assert standalone(graph) == raynas.to_source(graph)


HELPERS = '''
    """Helpers."""

    from __future__ import annotations

    import math
    import os  # nobody needs this one
    from typing import TYPE_CHECKING, Literal

    import numpy as np
    import torch.nn.functional as F

    if TYPE_CHECKING:
        from collections.abc import Callable

        from torch import Tensor

    # How much the output is scaled.
    SCALE = 0.5  # half
    OFFSETS = {"low": -1.0, "high": 1.0}
    OFFSETS["middle"] = sum(OFFSETS.values())
    square = lambda x: x * x
    UNUSED = os.getcwd()


    def scaled(x: Tensor, how: Literal["low", "high"] = "low") -> Tensor:
        """Scale `x`."""
        # What SCALE means is said above.
        return _shift(square(x) * SCALE, OFFSETS[how])


    def _shift(x: Tensor, by: float, of: Callable[[float], float] = math.floor) -> Tensor:
        return F.relu(x) + of(by) + np.pi * OFFSETS["middle"]


    def unused() -> None:
        print(UNUSED)
'''

LAYERS = '''
    import raynas
    import torch
    from torch import nn

    from . import helpers as h
    from .helpers import scaled as scale

    print_nothing = None


    class Base(nn.Module):
        """The base."""

        GAIN = 2.0
        gain = GAIN * 3

        def forward(self, x):
            return self.run(x) * self.gain


    @raynas.basic_unit
    class Layer(Base):
        """A layer."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.linear = nn.Linear(width, width)

        def run(self, x: "torch.Tensor"):
            return scale(self.linear(x)) + h.scaled(x, "high") * h.SCALE


    @raynas.basic_unit  # one node
    class Other(nn.Module):
        def forward(self, x):
            return h.square(x)


    class Net(raynas.ModelSpace):
        def __init__(self):
            super().__init__()
            self.layer = Layer(3)
'''


def test_helpers_of_two_modules(project: Project, tmp_path: Path) -> None:
    project.write(helpers=HELPERS, layers=LAYERS)
    source = project.source("Layer(4)", "Other()")

    text = self_contained(source)

    assert text == self_contained(source) == formatted(text)
    assert imported(text) == {"__future__", "collections", "math", "typing", "numpy", "torch"}
    assert "unused" not in text and "UNUSED" not in text and "Net" not in text
    for kept in ["# How much the output is scaled.\nSCALE = 0.5  # half\n", '"""The base."""', "# What SCALE means"]:
        assert kept in text
    model = raynas.load_module(source)
    same_alone({"best": (text, model, torch.randn(2, 4))}, tmp_path, [project.name])


def test_names_of_two_modules_that_collide_are_told_apart(project: Project) -> None:
    project.write(
        one="""
            import numpy as np

            WIDTH = 3

            def act(x):
                return x * WIDTH + np.e

            def round(x):
                return x
        """,
        two="""
            import torch as np

            WIDTH = 5

            def act(x):
                WIDTH_2 = 1.0
                return np.relu(x) * WIDTH * WIDTH_2

            class Model:
                value = 7
        """,
        layers=UNIT
        + """
    from . import one, two

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            def act(y):
                return two.act(y) + round(1.6) + one.round(0)
            return one.act(x) - act(x) + two.Model.value
        """,
    )
    source = project.source("A()")

    text = self_contained(source)

    same(text, source, torch.randn(3))
    assert {name for name in ("act", "act_2", "WIDTH", "WIDTH_3", "Model2", "round_2") if name in text} >= {
        "act_2",
        "Model2",
        "round_2",
    }


NAMES = ("f", "g", "K", "x", "sum")


@st.composite
def projects(draw: st.DrawFn) -> list[str]:
    """Modules that define few names, and use them by whatever name they import them under."""
    modules: list[str] = []
    defined: list[list[str]] = []
    for number in range(draw(st.integers(1, 4))):
        lines, known = [], []
        for earlier in draw(st.lists(st.integers(0, number - 1), max_size=4)) if number else ():
            name = draw(st.sampled_from(defined[earlier]))
            alias = draw(st.sampled_from(NAMES))
            way = draw(st.integers(0, 3))
            if way == 0:
                lines.append(f"from .m{earlier} import {name} as {alias}")
                known.append((alias, name))
            elif way == 1:
                lines.append(f"from . import m{earlier}")
                known.append((f"m{earlier}.{name}", name))
            elif way == 2:
                lines.append(f"import P.m{earlier} as {alias}")
                known.append((f"{alias}.{name}", name))
            else:
                lines.append(f"from .m{earlier} import *")
                known += [(found, found) for found in defined[earlier] if not draw(st.booleans())]
        # A later import may have taken an earlier one's name.
        bound: dict[str, int] = {line.rpartition(" ")[2]: i for i, line in enumerate(lines) if "*" not in line}
        stars = any("*" in line for line in lines)
        known = [] if stars and len(bound) else [item for item in known if stars or len(bound) == len(lines)]
        own = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
        known = [item for item in known if item[0].partition(".")[0] not in own]
        for name in own:
            term = str(draw(st.integers(1, 9)))
            if known:
                used, original = draw(st.sampled_from(known))
                call = f"{used}(1)" if original in ("f", "g", "sum") else used
                term = f"{call} * 3 + {term}"
            local = draw(st.sampled_from(NAMES))
            if name in ("K", "x"):
                lines.append(f"{name} = {term}")
            elif local in term:
                lines.append(f"def {name}(y):\n    return {term} + y")
            else:
                lines.append(f"def {name}(y):\n    {local} = {term} + y\n    return {local} + max(y, 0)")
            known.append((name, name))
        modules.append("\n".join(lines) + "\n")
        defined.append(own)
    return modules


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=projects())
def test_any_project_computes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: list[str]) -> None:
    made = Project(tmp_path, f"project{next(NUMBERS)}")
    made.write(**{f"m{number}": text for number, text in enumerate(texts)})
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        last = f"m{len(texts) - 1}"
        original = vars(made.load(last))
        own = [node for node in ast.parse(texts[-1]).body if isinstance(node, ast.FunctionDef | ast.Assign)]
        names = [getattr(node, "name", None) or node.targets[0].id for node in own]
        head = "".join(f"from {made.name}.{last} import {name} as my_{name}\n" for name in names)

        try:
            text = self_contained(f"{head}\nFOUND = [{', '.join(f'my_{name}' for name in names)}]\n")
        except SerializationError as error:
            assert " again" in str(error)  # a module has two things under one name
            reject()
        found = run(text)["FOUND"]
    assert imported(text) == set()
    for name, value in zip(names, found, strict=True):
        expected = original[name]
        assert (value(2) if callable(value) else value) == (expected(2) if callable(expected) else expected), text


def test_a_class_that_is_opened_elsewhere_keeps_its_name(project: Project) -> None:
    project.write(
        layers=UNIT
        + """
    class Inner(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.layer = nn.Linear(width, width)

        def forward(self, x):
            return self.layer(x)

    @basic_unit
    class Outer(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.inner = Inner(width)

        def forward(self, x):
            return self.inner(x)
        """
    )
    source = project.source("Inner(2)", "Outer(2)")

    text = self_contained(source)

    assert "class Inner2(nn.Module)" in text and "self.inner = Inner2(width)" in text
    same(text, source, torch.randn(1, 2))


def test_circular_imports(project: Project) -> None:
    project.write(
        layers=UNIT
        + """
    from .other import tail

    def head(x):
        return x + BIAS

    BIAS = tail(1)

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            from .late import last as final, GAIN

            def inner(y):
                return final(y) * GAIN
            return tail(x) + inner(x)

    @basic_unit
    class B(nn.Module):
        def forward(self, x):
            from P.late import last
            return last(x)
        """,
        other="""
            from . import layers

            def tail(x, start=2):
                return x * 3 if start else layers.head(x)
        """,
        late="""
            from .layers import head

            GAIN = head(1)

            def last(x):
                return head(x) - GAIN
        """,
    )
    source = project.source("A()", "B()")

    text = self_contained(source)

    assert imported(text) == {"torch"}
    same(text, source, torch.randn(3))


def test_star_imports(project: Project) -> None:
    project.write(
        ops="""
            from math import *
            from .more import *

            __all__ = ["double", "half", "root"]

            def double(x):
                return x * 2 + hidden()

            def hidden():
                return floor(2.5)

            def root():
                return sqrt(4)
        """,
        more="""
            def half(x):
                return x / 2
        """,
        layers=UNIT
        + """
    from .ops import *

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            return double(half(x)) + root() + abs(-1)
        """,
    )
    source = project.source("A()")

    text = self_contained(source)

    assert "from math import floor, sqrt\n" in text
    same(text, source, torch.randn(3))


def test_packages_that_reexport(project: Project) -> None:
    project.write(
        layers=UNIT
        + """
    import P.kernels
    import P.kernels.fast as quick
    import torch.nn.functional
    import torch.fft

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            return P.kernels.twice(x) + quick.thrice(x) + torch.nn.functional.relu(torch.fft.fft(x).real)
        """
    )
    package = project.folder / project.name / "kernels"
    package.mkdir()
    (package / "__init__.py").write_text("from .fast import double as twice\nfrom . import fast\n")
    (package / "fast.py").write_text("def double(x):\n    return x * 2\n\n\ndef thrice(x):\n    return x * 3\n")
    source = project.source("A()")

    text = self_contained(source)

    assert imported(text) == {"torch"}
    same(text, source, torch.randn(4))


def test_decorators_of_raynas_are_taken_off(project: Project) -> None:
    project.write(
        layers="""
            import functools; from functools import partial
            import torch.nn as nn
            import raynas.nn as rn
            from raynas import basic_unit as unit, serialize_cls

            # About A.

            @functools.lru_cache
            def unused(): ...

            def noted(cls):
                cls.note = 3
                return cls

            # Right above A.
            @unit  # whole
            # between
            @noted
            @serialize_cls
            class A(nn.Module):
                def forward(self, x): return x * self.note

            class B(nn.Module):
                def forward(self, x):
                    return x + ONE + TWO

            B = rn.basic_unit(B)
            ONE = 1; TWO = 2  # two

            class Plain(nn.Module):
                def forward(self, x):
                    if x.ndim:
                        from .more import twice
                    return twice(x) + alone(x) + doubled(x)

            def alone(x):
                from .more import twice
                return x

            def doubled(x): from .more import twice as t; return t(x)

            C = unit(Plain)
        """,
        more="""
            def twice(x):
                return x * 2
        """,
    )
    source = project.source("A()", "B()", "C()")

    text = self_contained(source)

    assert "# Right above A.\n# between\n@noted\nclass A" in text
    assert "ONE = 1\nTWO = 2  # two\n" in text
    assert "B = " not in text
    same(text, source, torch.ones(2))


def test_registries_bring_those_who_are_registered(project: Project) -> None:
    project.write(
        registry="""
            OPERATIONS = {}

            def register(name):
                def put(function):
                    OPERATIONS[name] = function
                    return function
                return put
        """,
        operations="""
            from .registry import OPERATIONS, register

            @register("double")
            def double(x):
                return x * 2

            @register("half")
            def half(x):
                return x / 2

            OPERATIONS.update(same=lambda x: x)
        """,
        layers=UNIT
        + """
    from . import operations
    from .registry import OPERATIONS

    @basic_unit
    class A(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def forward(self, x):
            return OPERATIONS[self.name](x)
        """,
    )
    for name in ("double", "half", "same"):
        source = project.source(f"A({name!r})")
        same(self_contained(source), source, torch.randn(3))


def test_optional_imports_and_caches_stay(project: Project) -> None:
    project.write(
        layers=UNIT
        + """
    try:
        import no_such_accelerator as fast
    except ImportError:
        fast = None

    CALLS = 0

    def counted(x):
        global CALLS
        CALLS += 1
        return x if fast is None else fast.run(x)

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            (n := 2)
            return counted(x) * n + sum(CALLS * i for i in range(3))
        """
    )
    text = project.export("A()")

    assert "no_such_accelerator" in text
    assert raynas.load_module(text)(torch.ones(1)).item() == 5.0


def test_names_in_strings_are_renamed_too(project: Project) -> None:
    project.write(
        one="""
            def act(x):
                return x + 1
        """,
        layers=UNIT
        + """
    from .one import act as first

    def act(x):
        return x + 2

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            return x + float(f"{act(0)}{first(0)}") + len(f'''
                {first(1)!r:>{act(8)}}
            '''.strip("\\n "))
        """,
    )
    source = project.source("A()")

    same(self_contained(source), source, torch.ones(1))


def test_rebound_names_bring_what_was_seen_of_them(project: Project) -> None:
    project.write(
        layers=UNIT
        + """
    WIDTH = 8
    SEEN = WIDTH
    WIDTH = 16

    def f(x):
        return x

    def f(x):
        return x + WIDTH + SEEN

    f = torch.no_grad()(f)

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            return f(x)
        """
    )
    source = project.source("A()")
    text = self_contained(source)

    same(text, source, torch.ones(1))
    assert raynas.load_module(text)(torch.ones(1)).item() == 25.0


def test_raynas_own_layers_come_along() -> None:
    text = self_contained("from raynas.nn.zero import Zero\n\n\nclass Model(Zero):\n    pass\n")

    assert imported(text) == {"__future__", "torch"}
    assert torch.equal(run(text)["Model"]()(torch.ones(2)), torch.zeros(2))


SCRIPT = """
import sys

import raynas
import torch
from raynas import ModelSpace, LayerChoice, basic_unit
from raynas.pytorch.export import standalone
from torch import nn

GAIN = 3


def gained(x):
    return x * GAIN


@basic_unit
class Gain(nn.Module):
    def forward(self, x):
        return gained(x)


class Net(ModelSpace):
    def __init__(self):
        super().__init__()
        self.op = LayerChoice([Gain(), nn.Identity()], label="op")

    def forward(self, x):
        return self.op(x)


if __name__ == "__main__":
    sys.stdout.write(standalone(raynas.trace(Net()).freeze()))
"""


def test_a_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)

    done = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert imported(done.stdout) == {"torch"}
    assert raynas.load_module(done.stdout)(torch.ones(1)).item() == 3.0


def test_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [
        "",
        "import torch\nfrom torch import nn\nimport raynas\nfrom raynas import basic_unit",
        "GAIN = 2",
        "@basic_unit\nclass Gain(nn.Module):\n    scale = raynas.ValueChoice([1, 2])",
        "this cell has a mistake",
        "# Better.\n@basic_unit\nclass Gain(nn.Module):\n    def forward(self, x):\n        return x * GAIN",
        "GAIN = 5",
    ]
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    vars(notebook)["In"] = cells
    for cell in cells:
        if "mistake" not in cell:
            exec(cell, vars(notebook))
    source = raynas.to_source(raynas.trace(lambda: torch.nn.Sequential(notebook.Gain())).freeze())

    text = self_contained(source)

    assert "ValueChoice" not in text and "GAIN = 2" not in text and "# Better.\nclass Gain" in text
    assert raynas.load_module(text)(torch.ones(1)).item() == 5.0


def test_texts_of_the_beginning(project: Project) -> None:
    project.write(helpers=HELPERS, layers=LAYERS)
    source = project.source("Layer(4)")
    before = self_contained(source)

    texts = json.loads(json.dumps(module_texts([f"{project.name}.layers.Layer", "torch.nn.Linear"])))
    (project.folder / project.name / "helpers.py").write_text("def scaled(x):\n    return x\n")

    assert set(texts) == {project.name, f"{project.name}.layers", f"{project.name}.helpers"}
    assert self_contained(source, texts) == before
    for name in [name for name in sys.modules if name.partition(".")[0] == project.name]:
        del sys.modules[name]
    sys.path.remove(str(project.folder))
    assert self_contained(source, texts) == before


REFUSED: dict[str, tuple[str, str]] = {
    "a choice in a basic unit": (
        """
    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            import raynas
            return raynas.nn.Zero()(x)
        """,
        r"A, which Model needs.*imports 'raynas'.*layers\.py:\d+",
    ),
    "raynas at run time": (
        """
    import raynas as rn

    def helper(x):
        return rn.nn.Zero()(x)

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            return helper(x)
        """,
        r"helper, which A needs.*uses raynas\.nn\.Zero.*layers\.py:\d+",
    ),
    "a base class of raynas": (
        """
    from raynas import ModelSpace

    class Space(ModelSpace):
        pass

    @basic_unit
    class A(Space):
        def forward(self, x):
            return x
        """,
        r"Space, which A needs.*raynas\.ModelSpace",
    ),
    "names at run time": (
        """
    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            return globals()["torch"].relu(x)
        """,
        r"A, which.*globals\(\)",
    ),
    "the file's own place": (
        """
    import pathlib

    HERE = pathlib.Path(__file__).parent

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            return x if HERE else x
        """,
        r"HERE, which A needs.*__file__",
    ),
    "a module as a value": (
        """
    from . import empty

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            return getattr(empty, "f", x)
        """,
        r"A, which.*module 'project\d+\.empty' as a value",
    ),
    "a name from nowhere": (
        """
    vars()["gain"] = 3

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            return x * gain
        """,
        r"A, which.*'gain', which no statement of .*layers\.py defines",
    ),
    "an import in the midst": (
        """
    try:
        from .empty import fast
    except ImportError:
        fast = None

    @basic_unit
    class A(nn.Module):
        def forward(self, x):
            return fast or x
        """,
        r"fast, which A needs.*imports 'project\d+\.empty' in its midst",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_written_is_refused_by_name(project: Project, case: str) -> None:
    text, message = REFUSED[case]
    project.write(layers=UNIT + text, empty="")

    with pytest.raises(SerializationError, match=message) as caught:
        project.export("A()")

    assert "\n" not in str(caught.value)


def test_a_class_inside_a_function_is_refused(project: Project) -> None:
    project.write(
        layers=UNIT
        + """
    def make():
        @basic_unit
        class Local(nn.Module):
            def forward(self, x):
                return x
        return Local()
        """
    )
    with pytest.raises(RaynasError, match="Local"):
        project.export("make()")


def test_what_was_typed_at_a_prompt_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", prompt)

    with pytest.raises(SerializationError, match=r"'__main__'.*\.py file"):
        self_contained("from __main__ import A\n\n\nclass Model(A):\n    pass\n")


def test_a_guarded_class_is_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"guarded{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text("if __name__ == '__main__':\n    class A:\n        pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(SerializationError, match="only under `if __name__"):
        self_contained(f"from {name} import A\n\n\nclass Model(A):\n    pass\n")


def test_what_is_not_here_is_refused() -> None:
    with pytest.raises(SerializationError, match="'no_such_package', which is not here"):
        self_contained("from no_such_package import A\n\n\nclass Model(A):\n    pass\n")
