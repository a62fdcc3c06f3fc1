from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from raynas.experiment.outside import outside
from raynas.experiment.user_code import users_own

FILES = {
    "project/within.py": "import beside\nfrom whole.part import value\nimport torch\n",
    "project/alone.py": "import json\n",
    "elsewhere/beside.py": "from deep.inner import one, two\n",
    "elsewhere/whole/__init__.py": "",
    "elsewhere/whole/part.py": "from . import other\nfrom .other import value\n",
    "elsewhere/whole/other.py": "import third\nvalue = 1\n",
    "elsewhere/third.py": "",
    "elsewhere/unused.py": "",
    "elsewhere/deep/inner/one.py": "",
    "elsewhere/deep/inner/two.py": "",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "project")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_what_is_needed_from_outside_the_project_is_found_with_all_that_it_needs(folder: Path) -> None:
    for module in ("within", "unused"):
        importlib.import_module(module)
    found = outside(["within.judge", "torch.nn.Linear", "raynas.FunctionalEvaluator"], str(folder / "project"))
    expected = [folder / "elsewhere" / name for name in ("beside.py", "deep", "third.py", "whole")]
    assert found == [str(path) for path in expected]


def test_a_project_that_holds_all_needs_nothing(folder: Path) -> None:
    for module in ("alone", "within"):
        importlib.import_module(module)
    assert outside(["alone.judge", "__main__.judge", "no.such.module"], str(folder / "project")) == []
    assert outside(["within.judge"], str(folder)) == []


def test_a_folder_that_holds_more_than_code_is_left_to_be_installed(folder: Path) -> None:
    with (folder / "elsewhere" / "whole" / "data").open("wb") as file:
        file.truncate(200 << 20)
    importlib.import_module("within")
    found = [Path(path).name for path in outside(["within.judge"], str(folder / "project"))]
    assert found == ["beside.py", "deep", "third.py"]


def test_what_is_installed_somewhere_else_is_nobody_s_own(folder: Path) -> None:
    (folder / "elsewhere" / "whole-1.0.dist-info").mkdir()
    for module in ("alone", "within"):
        importlib.import_module(module)
    assert outside(["within.judge"], str(folder / "project")) == []
    assert users_own("within") and not users_own("whole") and not users_own("beside")
