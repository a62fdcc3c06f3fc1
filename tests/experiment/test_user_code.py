from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raynas.experiment.user_code import code_digest, users_own

TEXT = (Path(__file__).parent.parent / "support" / "own_code.py").read_text()


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """The digest of `Unit` in a module with this text."""
    monkeypatch.syspath_prepend(str(tmp_path))
    count = 0

    def of(text: str, name: str = "Unit") -> str:
        nonlocal count
        count += 1
        folder = tmp_path / f"v{count}"
        folder.mkdir()
        (folder / "mine.py").write_text(text)
        sys.path.insert(0, str(folder))
        sys.modules.pop("mine", None)
        importlib.invalidate_caches()
        try:
            importlib.import_module("mine")
            return code_digest([f"mine.{name}"])
        finally:
            sys.path.remove(str(folder))

    yield of
    sys.modules.pop("mine", None)


@pytest.mark.parametrize(
    "edit",
    [
        ("        # twice it is\n", "        # it is twice\n\n"),
        ('    """A unit."""\n', '    """Another text."""\n'),
        ("def lonely(x: float) -> float:\n    return x", "def lonely(x: float) -> float:\n    return x + 1"),
        ("FACTOR = 2.0", "FACTOR = 2.0  # the factor"),
    ],
)
def test_comments_docstrings_and_what_is_not_used_do_not_count(
    digest: Callable[..., str], edit: tuple[str, str]
) -> None:
    assert TEXT.count(edit[0]) == 1
    assert digest(TEXT) == digest(TEXT.replace(*edit))


@pytest.mark.parametrize(
    "edit",
    [
        ("return self.twice(x)", "return self.twice(x) + 1"),
        ("return helper(x)", "return helper(helper(x))"),
        ("return x * FACTOR", "return FACTOR + x"),
        ("FACTOR = 2.0", "FACTOR = 3.0"),
    ],
)
def test_whatever_the_code_refers_to_counts(digest: Callable[..., str], edit: tuple[str, str]) -> None:
    assert TEXT.count(edit[0]) == 1
    assert digest(TEXT) != digest(TEXT.replace(*edit))


def test_installed_packages_and_raynas_do_not_count() -> None:
    assert code_digest(["torch.nn.Linear", "raynas.nn.zero.Zero", "operator.add"]) == code_digest([])
    assert not users_own("torch.nn") and not users_own("json") and not users_own("raynas.nn")
    assert users_own(__name__)


def test_names_that_cannot_be_imported_do_not_count() -> None:
    assert code_digest(["nowhere.Gone"]) == code_digest([])


def test_it_is_the_same_in_every_process() -> None:
    support = str(Path(__file__).parent.parent / "support")
    script = "from raynas.experiment.user_code import code_digest; print(code_digest(['own_code.Unit']))"
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": support, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
