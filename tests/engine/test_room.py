"""What an actor or a task that searches keeps from its own trials."""

from __future__ import annotations

import threading
from typing import Any

import pytest

pytestmark = pytest.mark.ray


def checked(cpus: float = 1) -> str:
    """What is said of a search in this process; empty: nothing."""
    from raynas.engine import Resources
    from raynas.engine.ray_engine.room import check
    from raynas.errors import ResourceError

    try:
        return "; ".join(check(Resources(num_cpus=cpus)))
    except ResourceError as error:
        return str(error)


def checked_in_a_thread() -> str:
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(checked()))
    thread.start()
    thread.join()
    return said[0]


class Searcher:
    def check(self, cpus: float = 1) -> str:
        return checked(cpus)


def in_an_actor(holds: float, needs: float) -> str:
    import ray

    actor: Any = ray.remote(Searcher).options(num_cpus=holds).remote()
    said = str(ray.get(actor.check.remote(needs)))
    ray.kill(actor)
    return said


def test_an_actor_that_keeps_all_from_its_trials_is_told_so(ray_session: None) -> None:
    said = in_an_actor(holds=2, needs=1)
    assert said == (
        "a trial needs num_cpus=1, and the actor or task that searches keeps num_cpus=2 from it: "
        "start that one with less (num_cpus=0 is enough), or add a node"
    )
    assert "keeps num_cpus=1 from it" in in_an_actor(holds=1, needs=2)
    assert in_an_actor(holds=1, needs=1) == "" == in_an_actor(holds=0, needs=2)
    assert "no node has that" in in_an_actor(holds=1, needs=64)


def test_a_task_gives_its_cpus_back_while_its_main_thread_waits(ray_session: None) -> None:
    import ray

    in_main: Any = ray.remote(checked).options(num_cpus=2)
    in_thread: Any = ray.remote(checked_in_a_thread).options(num_cpus=2)
    assert ray.get(in_main.remote()) == ""
    assert "keeps num_cpus=2 from it" in ray.get(in_thread.remote())
