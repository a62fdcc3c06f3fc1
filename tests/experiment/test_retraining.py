"""An exported training gives what the trial gave, in an environment without raynas."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from raynas import Experiment, FunctionalEvaluator, Result
from raynas.errors import SerializationError
from raynas.evaluator import Context, Evaluator

SCRIPT = Path(__file__).parents[1] / "support" / "training_script.py"
KINDS = ("recipes", "data", "arrays", "module", "function", "own")

EXPORT = """
import sys, raynas
for name in sys.argv[1:]:
    raynas.Result.open(name).best.export(f"{name}.py", train=f"train_{name}.py")
"""

RUN = """
import importlib.util, runpy, sys
assert importlib.util.find_spec("raynas") is None
for name in sys.argv[1:]:
    print("BEGIN", name)
    runpy.run_path(f"train_{name}.py", run_name="__main__")
"""


def run(folder: Path, python: str | Path, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if str(python) != sys.executable:
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [str(python), *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def alien(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has all that this one has, except raynas."""
    folder = tmp_path_factory.mktemp("alien")
    venv.create(folder / "env", with_pip=False)
    there = next((folder / "env" / "lib").glob("python*/site-packages"))
    lent = folder / "lent"
    lent.mkdir()
    for item in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "raynas" not in item.name and item.suffix != ".pth":
            (lent / item.name).symlink_to(item)
    (there / "lent.pth").write_text(f"{lent}\n")
    return folder / "env" / "bin" / "python"


def retrained(folder: Path, alien: Path, *kinds: str) -> None:
    """Search, export from another process, train again without raynas, compare."""
    (folder / "searched.py").write_text(SCRIPT.read_text())
    found = json.loads(run(folder, sys.executable, "searched.py", *kinds).splitlines()[-1])
    (folder / "searched.py").unlink()
    run(folder, sys.executable, "-c", EXPORT, *kinds)
    said = run(folder, alien, "-c", RUN, *kinds)
    for name in kinds:
        text = (folder / f"train_{name}.py").read_text()
        assert "import raynas" not in text
        assert "from raynas" not in text
        lines = said.partition(f"BEGIN {name}\n")[2].partition("BEGIN")[0].strip().splitlines()
        assert json.loads(lines[-1]) == found[name], f"{name} is trained otherwise"
        assert (folder / f"train_{name}.pt").exists()


@pytest.mark.slow
def test_a_function_and_an_evaluator_of_main_are_written_out(tmp_path: Path, alien: Path) -> None:
    retrained(tmp_path, alien, "function", "own")


@pytest.mark.slow
def test_the_built_in_evaluators_need_torch_and_lightning_only(tmp_path: Path, alien: Path) -> None:
    retrained(tmp_path, alien, *(kind for kind in KINDS if kind not in ("function", "own")))
    assert (tmp_path / "train_arrays.npz").exists()
    assert not (tmp_path / "train_recipes.npz").exists()


class Unrecorded(Evaluator):
    def evaluate(self, model: object, context: Context) -> dict[str, float]:
        return {"value": 1.0}


def nested(number: int):  # type: ignore[no-untyped-def]  # it returns a function
    def inner(model: object) -> float:
        return float(number)

    return inner


def searched(folder: Path, evaluator: Evaluator) -> Result:
    from tiny import Tiny

    made = Experiment(
        Tiny(), evaluator, "random", objective="value", max_trials=1, name="x", storage_path=folder, engine="local"
    )
    return made.run()


@pytest.mark.filterwarnings("ignore::raynas.errors.Notice")
@pytest.mark.parametrize(
    ("evaluator", "message"),
    [
        (FunctionalEvaluator(lambda model: 1.0), r"fn is a function that cannot be written.*define it with def"),
        (FunctionalEvaluator(nested(3)), r"fn is a function that cannot be written.*define it with def"),
        (Unrecorded(), r"evaluator is a Unrecorded that cannot be written.*@raynas\.serialize_cls"),
    ],
    ids=["lambda", "nested", "unrecorded"],
)
def test_what_cannot_be_written_is_refused_by_name(tmp_path: Path, evaluator: Evaluator, message: str) -> None:
    best = searched(tmp_path, evaluator).best
    with pytest.raises(SerializationError, match=message) as caught:
        best.export(tmp_path / "best.py", train=tmp_path / "train.py")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "best.py").exists(), "all or nothing"
    best.export(tmp_path / "best.py")
    assert (tmp_path / "best.py").exists()
