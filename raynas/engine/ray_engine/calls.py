"""RayCalls: a function that is called in Ray tasks, with several arguments in each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from typing import Any

import ray

from raynas.engine.engine import Calls
from raynas.engine.ray_engine.nodes import only
from raynas.engine.travel import extend_path, unpack

APART = {"env_vars": {"RAYNAS_EXAMINES": "1"}}
"""Ray gives a task any process that has nothing to do, unless their environments differ: such a task would take a warm
one from the trials, which would wait for a new one's start."""

WIDTH = 16
"""So many tasks at a time are enough: what feeds them is one thread."""


@dataclass(frozen=True)
class Kit:
    """What a process needs to make the function.

    Attributes:
        factory: what makes it, as "module:function".
        argument: of the factory.
        code: the user's code that comes by value.
        path: folders from which the user's code may be imported.
    """

    factory: str
    argument: Any
    code: bytes
    path: tuple[str, ...]


_made: dict[str, Callable[[Any], Any]] = {}
"""This process's function, by the id of the object that its kit came in."""


def call(arguments: Sequence[Any], kit: list[ray.ObjectRef[Kit]]) -> list[Any]:
    """The function's value for each argument.

    Args:
        arguments: one for each call.
        kit: a reference in a list, which Ray hands over as it is: the contents come once for each process.
    """
    known = kit[0].hex()
    if known not in _made:
        _made.clear()
        opened: Kit = ray.get(kit[0])
        extend_path(opened.path)
        unpack(opened.code)
        module, _, name = opened.factory.partition(":")
        _made[known] = attrgetter(name)(import_module(module))(opened.argument)
    return [_made[known](argument) for argument in arguments]


class RayCalls(Calls):
    """Sends calls to the nodes that trials may be sent to.

    The tasks take no CPU in Ray's books: none of a trial's, for which they would have to wait where there is only one.
    Whoever sends them does so while CPUs have nothing to do.

    Args:
        kit: makes the function.
        nodes: the ids of those nodes, as things are now.
        cpus: how many CPUs of theirs have nothing to do.
    """

    def __init__(self, kit: Kit, nodes: Callable[[], frozenset[str]], cpus: Callable[[], int]) -> None:
        self._kit = kit
        self._nodes = nodes
        self._cpus = cpus
        self._sent: list[ray.ObjectRef[Kit]] = []
        self._open: set[ray.ObjectRef[Any]] = set()
        self._function: Any = ray.remote(call)

    def room(self) -> int:
        return max(0, min(WIDTH, self._cpus()) - len(self._open))

    def send(self, arguments: Sequence[Any]) -> Future[Sequence[Any]]:
        try:
            self._sent = self._sent or [ray.put(self._kit)]
            ref = self._function.options(
                name="raynas.examine",
                num_cpus=0,
                max_retries=0,
                retry_exceptions=False,
                runtime_env=APART,
                scheduling_strategy="SPREAD",
                label_selector=only(self._nodes()),
            ).remote(list(arguments), self._sent)
        except Exception as error:  # Ray is going
            failed: Future[Sequence[Any]] = Future()
            failed.set_exception(error)
            return failed
        self._open.add(ref)
        future: Future[Sequence[Any]] = ref.future()
        future.add_done_callback(lambda _: self._open.discard(ref))
        return future

    def close(self) -> None:
        """End what is still going on."""
        for ref in list(self._open):
            ray.cancel(ref, force=True)
