"""RayEngine and what it needs of Ray; nothing else in raynas imports ray.

- `session`: the driver's side: starts or joins Ray, hosts an object in an actor.
- `watchdog`: ends what a Ray of its own leaves after a `kill -9`.
- `address`: whether a Ray is where somebody says.
- `connection`: which Ray that is, should somebody end it meanwhile.
- `host`, `remote`: that actor, and its handle.
- `engine`: `RayEngine`, which lives in the hosted object and submits tasks.
- `task`: what runs in a worker.
- `nodes`, `probe`: which nodes have what a trial needs.
- `room`, `waiting`, `demand`: whether there is room for trials, who uses it, and what the autoscaler is asked for.
"""

from raynas.engine.ray_engine.engine import RayEngine
from raynas.engine.ray_engine.remote import RemoteHost
from raynas.engine.ray_engine.room import check_machine
from raynas.engine.ray_engine.session import RaySession, in_job

__all__ = ["RayEngine", "RaySession", "RemoteHost", "check_machine", "in_job"]
