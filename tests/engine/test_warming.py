"""Workers that import what a trial needs before there is one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from raynas.engine import Resources

pytestmark = pytest.mark.ray

MODULE = """
class Outer:
    class Inner:
        pass
"""
BROKEN = "import a_module_that_is_not_there"


@pytest.fixture
def idle(ray_session: None) -> Iterator[None]:
    """Ray's two CPUs, and nobody who uses them."""
    import ray

    until = time.monotonic() + 120
    while ray.available_resources().get("CPU", 0.0) < 2.0:  # type: ignore[no-untyped-call]  # Ray's own
        assert time.monotonic() < until, "something still runs"
        time.sleep(0.05)
    yield


def test_names_are_imported_and_what_cannot_be_is_left_to_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from raynas.engine.ray_engine.warming import warm

    (tmp_path / "warmed.py").write_text(MODULE)
    (tmp_path / "warmed_in_vain.py").write_text(BROKEN)
    monkeypatch.setattr(sys, "path", list(sys.path))
    warm(["nowhere.At.all", "warmed_in_vain.Thing", "__main__.Net", "", "warmed.Outer.Inner"], [str(tmp_path)])
    assert sys.modules.pop("warmed").Outer.Inner and "warmed_in_vain" not in sys.modules


def test_there_are_as_many_as_trials_and_trials_come_to_them(idle: None) -> None:
    import ray

    from raynas.engine.ray_engine.warming import begin

    @ray.remote
    def who() -> int:
        import os

        time.sleep(0.3)
        return os.getpid()

    # One that is warm already may be done before the other one has begun, and do its part, too.
    warmed = ray.get(begin(Resources(num_cpus=1), None, ["tiny.judge"], sys.path))
    assert len(warmed) == 2
    assert set(ray.get([who.remote() for _ in range(2)])) & set(warmed)


@pytest.mark.parametrize(
    ("resources", "most", "number"), [(Resources(num_cpus=1), 1, 1), (Resources(num_cpus=2), 9, 1)]
)
def test_there_are_no_more_than_can_be_of_use(idle: None, resources: Resources, most: int, number: int) -> None:
    import ray

    from raynas.engine.ray_engine.warming import begin

    assert len(ray.get(begin(resources, most, [], []))) == number


def test_nobody_is_warmed_where_others_are_at_work(idle: None, tmp_path: Path) -> None:
    import ray

    from raynas.engine.ray_engine.warming import begin

    @ray.remote
    def busy(signal: str) -> None:
        while not Path(signal).exists():
            time.sleep(0.02)

    signal = tmp_path / "signal"
    task = busy.remote(str(signal))
    while ray.available_resources().get("CPU", 0.0) == 2.0:  # type: ignore[no-untyped-call]  # Ray's own
        time.sleep(0.02)
    assert begin(Resources(), None, [], []) == []
    signal.touch()
    ray.get(task)
