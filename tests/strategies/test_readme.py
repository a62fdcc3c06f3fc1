"""The five steps of strategies/README.md, taken as they are written there."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "strategies" / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(), flags=re.DOTALL)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The README's files in a folder, registered there as an installed distribution is."""
    for language, text in BLOCKS:
        if language == "python":
            first = text.partition("\n")[0]
            (tmp_path / first.removeprefix("# ")).write_text(text)
    (config,) = (text for language, text in BLOCKS if language == "toml")
    project = tomllib.loads(config)["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [f"{name} = {value}" for name, value in project["entry-points"]["raynas.strategies"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[raynas.strategies]", *lines, ""]))
    return tmp_path


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_its_test_passes(plugin: Path) -> None:
    done = python(plugin, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_hill_climb.py")
    assert done.returncode == 0, done.stdout
    assert "test_climbs" in (plugin / "test_hill_climb.py").read_text()
    assert re.search(r"\b1[0-9] passed", done.stdout), "the contract's tests and its own"


def test_it_is_found_by_name(plugin: Path) -> None:
    done = python(
        plugin,
        "-c",
        "from raynas import plugins\n"
        "print(*[entry.name for entry in plugins.registered()])\n"
        "print(plugins.recipe(plugins.make('hill_climb', {'jump': 0.5})))\n"
        "plugins.make('hill_climb', {'jump': 2})",
    )
    names, recipe = done.stdout.splitlines()
    assert {"hill_climb", "random", "grid"} <= set(names.split())
    assert recipe == "('hill_climb:HillClimb', {'jump': 0.5})"
    assert (
        "strategy 'hill_climb' refuses {'jump': 2}: ValueError: jump is a share between 0 and 1, not 2" in done.stderr
    )


def test_what_it_says_of_space_and_history_is_there() -> None:
    """Each attribute that step 1 names exists."""
    from raynas import History, Sample, SearchSpace, Trial
    from raynas.trial import TrialKey

    step = README.read_text().partition("## 1")[2].partition("## 2")[0]
    space, history, trial = SearchSpace(), History.of([], {"score": "max"}), Trial(0, Sample(), TrialKey(""))
    paragraphs = re.split(r"\n- ", step)
    checked = 0
    for start, things in (("**`space`**", (space,)), ("**`history`**", (history, trial))):
        (text,) = (paragraph for paragraph in paragraphs if paragraph.startswith(start))
        for name in re.findall(r"`(?:history)?\.(\w+)", text):
            assert any(hasattr(thing, name) for thing in things), f"there is no .{name}"
            checked += 1
    assert checked >= 15


def test_step_four_runs(plugin: Path) -> None:
    done = python(plugin, "run.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "8 of 4"
