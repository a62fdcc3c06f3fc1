"""examples/notebook.ipynb runs headless, from space to winner; a class that a cell defines anew is the new one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

BOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"

AGAIN = """
@basic_unit
class Power(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.n = n

    def forward(self, x):
        return x * 0 + 7.0 + self.n


space = raynas.trace(Curve())
built = [space.build(sample) for sample in space.search_space.grid()]
units = [module for model in built for module in model.modules() if type(module).__name__ == "Power"]
assert units and all(type(unit) is Power for unit in units), "the class of the cell that ran last"
print("ANEW", float(units[0](torch.zeros(1))))
"""


def printed(book: Any) -> str:
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    book = nbformat.read(BOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells), "committed without outputs"
    book.cells.append(nbformat.v4.new_code_cell(AGAIN))
    client = nbclient.NotebookClient(
        book, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    said = printed(book)
    assert "TrialResult(" in said
    assert "ANEW 9.0" in said
    for name in ("notebook_best.py", "notebook_train.py"):
        assert "import raynas" not in (tmp_path / name).read_text()
    alone = "import runpy, sys; sys.modules['raynas'] = None; runpy.run_path('notebook_train.py', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", alone], cwd=tmp_path, capture_output=True, text=True, timeout=120, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    assert '"loss"' in done.stdout
