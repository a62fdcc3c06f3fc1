"""An export writes what was trained, whatever became of the user's files since."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import raynas
from torch import nn
from raynas import LayerChoice, ModelSpace, basic_unit

@basic_unit
class Scale(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x):
        return x * self.by  # FIRST

class Net(ModelSpace):
    def __init__(self):
        super().__init__()
        self.scale = LayerChoice([Scale(2.0), Scale(3.0)], label="scale")

    def forward(self, x):
        return self.scale(x)

def score(model):
    import torch
    return {"value": float(model(torch.ones(1)))}

if __name__ == "__main__":
    experiment = raynas.Experiment(
        Net(), raynas.FunctionalEvaluator(score), "grid", objective="value", max_trials=2, name="x", engine="local"
    )
    print(experiment.run().best.metrics["value"])
"""


def test_an_export_from_another_process_writes_main_as_it_was(tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(SCRIPT)
    run = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "3.0", run.stderr
    script.write_text(SCRIPT.replace("FIRST", "SECOND").replace("x * self.by", "x + self.by"))
    export = "import raynas; raynas.Result.open('x').best.export('best.py')"
    subprocess.run([sys.executable, "-c", export], cwd=tmp_path, check=True, timeout=120)
    text = (tmp_path / "best.py").read_text()
    assert "return x * self.by  # FIRST" in text
    assert "raynas" not in text
    alone = "import sys; sys.modules['raynas'] = None; import torch, best; print(float(best.Model()(torch.ones(1))))"
    assert subprocess.run([sys.executable, "-c", alone], cwd=tmp_path, capture_output=True, text=True).stdout == "3.0\n"
