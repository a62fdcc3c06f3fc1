from __future__ import annotations

from raynas.engine import Resources
from raynas.engine.ray_engine.batch import Batch
from raynas.engine.ray_engine.waiting import PATIENCE, Waiting


class Scene:
    """Tasks that wait in a Ray whose free resources and time are told."""

    def __init__(self) -> None:
        self.free = {"CPU": 0.5, "GPU": 4.0}
        self.now = 0.0
        self.notes: list[str] = []
        self.waiting = Waiting(Resources(), self.notes.append, lambda: self.free, lambda: self.now)
        self.batches = [Batch({}, False), Batch({}, False)]

    def passes(self, seconds: float) -> int:
        """How many notes there are after some time."""
        self.now += seconds
        self.waiting.look(self.batches)
        return len(self.notes)


def test_others_who_use_what_trials_take_are_told_of_once() -> None:
    scene = Scene()
    assert scene.passes(0) == scene.passes(PATIENCE - 1) == 0
    assert scene.passes(1) == scene.passes(100) == 1
    assert "as what one takes is in use (num_cpus=1; free: num_cpus=0.5)" in scene.notes[0]
    scene.batches[0].worker = "one"
    assert scene.passes(100) == scene.passes(100) == 1
    scene.batches = [Batch({}, False)]
    assert scene.passes(1) == scene.passes(PATIENCE - 1) == 1
    assert scene.passes(1) == 2


def test_nothing_is_told_where_there_is_room_or_nothing_waits() -> None:
    scene = Scene()
    scene.free = {"CPU": 1.0}
    assert scene.passes(0) == scene.passes(100) == 0
    scene.free, scene.batches = {}, []
    assert scene.passes(100) == scene.passes(100) == 0
