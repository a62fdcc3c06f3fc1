"""examples/custom_strategy: a plug-in that is installed into a fresh environment, found there, and searched with."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest
from standing import standing

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "custom_strategy"


def run(folder: Path, *command: str, path: str = "", variables: Mapping[str, str] = os.environ) -> str:
    environment = {**variables, "PYTHONPATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_it_holds_the_contract(tmp_path: Path) -> None:
    where = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull)
    told = run(tmp_path, *where, str(EXAMPLE / "tests"), path=str(EXAMPLE))
    assert re.search(r"\b1[0-9] passed", told), "the contract's tests and its own"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with raynas and the plug-in installed; what raynas depends on is lent by this one."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    venv.create(folder, with_pip=False)
    here = sysconfig.get_paths()["purelib"]
    there = next((folder / "lib").glob("python*/site-packages"))
    # Every dependency, but not what this environment itself has installed of raynas.
    lent = there.parent / "lent"
    lent.mkdir()
    for item in Path(here).iterdir():
        if "raynas" not in item.name:
            (lent / item.name).symlink_to(item)
    (there / "lent.pth").write_text(f"{lent}\n")
    install = ("install", "-q", "--no-deps", "--no-build-isolation", "--target", str(there))
    copy = folder.parent / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "annealing.py"):
        (copy / name).write_text((EXAMPLE / name).read_text())
    run(folder, sys.executable, "-m", "pip", *install, str(ROOT), str(copy))
    return folder


@pytest.mark.slow
def test_it_is_found_in_a_fresh_environment(environment: Path, tmp_path: Path) -> None:
    python = str(environment / "bin" / "python")
    where = run(tmp_path, python, "-c", "import raynas, annealing; print(raynas.__file__, annealing.__file__)")
    assert where.count(str(environment)) == 2, "neither comes from the working tree"
    told = run(tmp_path, python, "-c", "import sys; from raynas.cli import main; sys.exit(main(['strategies']))")
    assert "annealing" in told
    assert "regularized_evolution" in told


@pytest.mark.slow
def test_a_search_with_it_runs(environment: Path, tmp_path: Path) -> None:
    script = tmp_path / "try_it.py"
    script.write_text((EXAMPLE / "try_it.py").read_text())
    told = run(tmp_path, str(environment / "bin" / "python"), str(script))
    assert re.search(r"^\d+\.0 of \d+ trials$", told.splitlines()[-1])


@pytest.mark.slow
def test_a_search_with_it_runs_in_a_ray_job(environment: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "try_it.py").write_text((EXAMPLE / "try_it.py").read_text())
    python = str(environment / "bin" / "python")
    with standing(python=python) as cluster:
        submit = (python, "-m", "ray.scripts.scripts", "job", "submit", "--address", cluster.dashboard)
        line = (python, "try_it.py", "--engine", "ray", "--storage-path", str(tmp_path / "runs"))
        told = run(project, *submit, "--working-dir", ".", "--", *line, variables=cluster.environment())
    assert re.search(r"^\d+\.0 of \d+ trials$", told, re.MULTILINE), told
    assert "succeeded" in told
