"""The face: sorted, resolvable, the same in all three places where it is written, and light."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import raynas

FACE = ast.parse(Path(raynas.__file__).read_text())
HEAVY = ("torch", "ray", "pytorch_lightning", "lightning", "sqlalchemy")


def loaded_after(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has imported after `code`."""
    code += f"\nimport sys, json; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_names_are_sorted() -> None:
    assert raynas.__all__ == sorted(raynas.__all__)


@pytest.mark.parametrize("name", raynas.__all__)
def test_name_resolves(name: str) -> None:
    assert getattr(raynas, name) is not None
    assert name in dir(raynas)


def test_every_name_has_a_room_and_an_import_for_type_checkers() -> None:
    rooms = {name: room for room, names in raynas._ROOMS.items() for name in names}
    typed = {
        alias.name: node.module
        for block in FACE.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == rooms
    assert sorted(rooms) == raynas.__all__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'LayerChoise'"):
        _ = raynas.LayerChoise


def test_import_alone_imports_nothing_heavy() -> None:
    assert loaded_after("import raynas") == set()


def test_names_for_strategies_import_nothing_heavy() -> None:
    names = "ConfigError, History, Proposal, RaynasError, Sample, SearchSpace, Stopper, Strategy, Trial, TrialState"
    assert loaded_after(f"from raynas import {names}") == set()


def test_no_name_imports_ray_or_lightning() -> None:
    light = [name for name in raynas.__all__ if name != "RayEngine"]
    loaded = loaded_after(f"from raynas import {', '.join(light)}")
    assert loaded & {"ray", "pytorch_lightning", "lightning"} == set()
