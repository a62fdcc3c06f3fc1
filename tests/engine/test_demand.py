from __future__ import annotations

import json
from typing import Any

import pytest

from raynas.engine import Resources

pytestmark = pytest.mark.ray


def requested() -> Any:
    """What Ray's autoscaler is asked for."""
    from ray.autoscaler._private.constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
    from ray.experimental.internal_kv import _internal_kv_get

    return json.loads(_internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL) or "[]")


def named(name: str) -> Any:
    import ray

    from raynas.engine.ray_engine.remote import NAMESPACE

    class Nothing:
        def wait(self) -> None:
            """Nothing."""

    actor = ray.remote(Nothing).options(name=name, namespace=NAMESPACE, num_cpus=0).remote()
    ray.get(actor.wait.remote())
    return actor


def test_shares_add_up_and_are_taken_back(ray_session: None) -> None:
    from raynas.engine.ray_engine.demand import declare

    actors = [named("one"), named("two")]
    declare("one", Resources(num_cpus=2, custom={"disk": 1}), 2)
    declare("two", Resources(num_cpus=0, num_gpus=0.5), 1)
    assert requested() == [{"CPU": 2, "disk": 1}, {"CPU": 2, "disk": 1}, {"GPU": 0.5}]
    declare("one", Resources(), 0)
    assert requested() == [{"GPU": 0.5}]
    declare("two", Resources(), 0)
    assert requested() == []
    del actors


def test_the_share_of_one_that_was_killed_goes_with_the_next_that_comes(ray_session: None) -> None:
    import ray

    from raynas.engine.ray_engine.demand import declare

    actor = named("killed")
    declare("killed", Resources(), 3)
    assert len(requested()) == 3
    ray.kill(actor)
    declare("next", Resources(), 0)
    assert requested() == []


def test_one_that_wants_no_number_asks_for_one_from_when_there_is_no_room(ray_session: None) -> None:
    from raynas.engine.ray_engine.demand import Demand

    notes: list[str] = []
    actor = named("asks")
    demand = Demand("asks", Resources(num_cpus=2), None, notes.append)
    demand.look(3)
    assert requested() == [] and not notes
    for _ in range(2):
        demand.look(0)
        assert requested() == [{"CPU": 2}]
    assert notes == ["no node is left that has num_cpus=2 for a trial: waiting for one"]
    demand.look(1)
    assert requested() == [{"CPU": 2}], "else the node that has come would go again between two trials"
    demand.withdraw()
    assert requested() == []
    del actor


def test_where_nodes_are_started_by_hand_there_is_no_autoscaler(ray_session: None) -> None:
    from raynas.engine.ray_engine.demand import autoscaler_runs

    assert not autoscaler_runs()
