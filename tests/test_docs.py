"""The pages under docs/ say what is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import raynas

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("examples/*/*.md")]
)


def blocks(page: str, kind: str = "python") -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def test_the_page_on_writing_runs_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text("\n\n".join(blocks("writing.md")), encoding="utf-8")
    (tmp_path / "page.yaml").write_text(blocks("writing.md", "yaml")[0], encoding="utf-8")
    paths = os.pathsep.join((str(ROOT), str(ROOT / "strategies")))

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": paths}
        whole = [sys.executable, *command]
        return subprocess.run(whole, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    done = run("page.py")
    assert done.returncode == 0, done.stderr
    assert "self.last = nn.Dropout(0.1)" in done.stdout
    assert "'learning_rate': " in done.stdout
    assert "class Model" in (tmp_path / "best.py").read_text(encoding="utf-8")
    done = run("-m", "raynas", "search", "page.yaml", "--engine", "local")
    assert "4 trials in " in done.stdout + done.stderr, done.stderr


def test_the_page_on_spaces_shows_what_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, generated, _ = blocks("spaces.md")
    (tmp_path / "page_on_spaces.py").write_text(written, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    from page_on_spaces import Net  # type: ignore[import-not-found]  # written above

    graph = raynas.trace(Net()).freeze({"width": 16, "block_0": "block", "block_1": "skip"})
    assert raynas.to_source(graph).strip() == generated.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), target
