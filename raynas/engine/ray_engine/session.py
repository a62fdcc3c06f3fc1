"""RaySession: the driver's side: a connection to Ray, and an actor in it."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import ray
from ray.util.client import ray as client
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raynas.engine.ray_engine import room
from raynas.engine.ray_engine.address import check_address
from raynas.engine.ray_engine.connection import connection
from raynas.engine.ray_engine.demand import declare
from raynas.engine.ray_engine.host import Host
from raynas.engine.ray_engine.remote import NAMESPACE, RemoteHost
from raynas.engine.ray_engine.token import asks_for_token, provide_token, use_token
from raynas.engine.ray_engine.warming import begin
from raynas.engine.ray_engine.watchdog import Watchdog
from raynas.engine.resources import Resources
from raynas.errors import ConfigError, ResourceError, SearchError

RESTARTS = 5
"""How often Ray makes a lost actor again: enough for accidents, too few to hide that it cannot live."""

CALLERS = 10_000
"""How many calls an actor may have open: each worker that waits for a verdict holds one."""

LINGER = 10.0
"""Seconds for which a detached actor that is done still answers those who watch it."""

JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


_door = threading.Lock()
"""One session at a time is entered or left."""

_sessions: list[RaySession] = []
"""Those that use a Ray that was started or joined by the first of them; the last one ends it."""

_watchdogs: list[Watchdog] = []
"""What watches over this process while it has a Ray of its own."""


_state = {"used": False, "forked": False}
"""Whether this process has had a Ray from here, and whether it was forked from one that has had one."""


def _note_fork() -> None:
    _state["forked"] = _state["forked"] or _state["used"] or ray.is_initialized()


os.register_at_fork(after_in_child=_note_fork)


def in_job() -> bool:
    """Whether this process is the driver of a Ray job, whose folder is a copy that goes with the job."""
    return JOB in os.environ


class RaySession:
    """Ray, started or joined; ended on leaving only if it was started or joined here, and no other thread needs it.

    `RAY_ADDRESS` is honoured, and a Ray that this process has started already is used.

    Args:
        verbose: whether Ray may print what it does and what workers print.
        address: of a cluster to join as a guest, who sends no code there; None: as above.
        token: whether to show that cluster this user's token, also where `RAY_AUTH_MODE` does not say so.
        modules: files and folders of modules that its nodes get beside the working directory.
    """

    def __init__(
        self, verbose: bool = False, address: str | None = None, token: bool = False, modules: Sequence[str] = ()
    ) -> None:
        self._verbose = verbose
        self._guest = address
        self._token = token
        self._modules = list(modules)
        self._warming: list[Any] = []
        self._connection = ""

    def __enter__(self) -> Self:
        with _door:
            self._enter()
            self._connection = connection()
        return self

    def _enter(self) -> None:
        if _state["forked"]:
            raise SearchError(
                "this process was forked from one that has used Ray, which does not survive that: start it with "
                "multiprocessing's 'spawn', or as a command of its own"
            )
        if ray.is_initialized():
            if client.is_connected():  # type: ignore[no-untyped-call]  # Ray's own
                raise ConfigError(
                    "this process uses Ray through its client (ray://), and a search cannot live behind that, whose "
                    "end would end it: call ray.shutdown() first, and use `raynas search --submit ADDRESS`, or start "
                    "the search on the cluster"
                )
            if self._guest not in (None, "auto", self.address):
                raise SearchError(
                    f"this process uses the Ray at {self.address}, and cannot join the one at {self._guest} as well: "
                    "do it from another process"
                )
            if any(session._connection == connection() for session in _sessions):
                _sessions.append(self)
            return
        address = self._guest or os.environ.get("RAY_ADDRESS", "")
        if self._guest is None and address.startswith("ray://"):
            raise ConfigError(
                f"RAY_ADDRESS is {address}, and a search cannot live behind Ray's client, whose end would end it: "
                "use `raynas search --submit ADDRESS`, or start the search on the cluster"
            )
        if self._token:
            use_token()
        check_address(address)
        if not address or address == "local":
            provide_token()
        # What the project folder holds is here already unless Ray's nodes are other machines.
        remote = self._guest is None and bool(address) and address != "local" and not in_job()
        code: dict[str, Any] = {"working_dir": os.getcwd(), "excludes": [".git", ".venv"]}
        if self._modules:
            code["py_modules"] = self._modules
        try:
            ray.init(
                # Ray would join whatever cluster somebody has left running on this machine.
                address=self._guest or (None if address else "local"),
                include_dashboard=False if not address or address == "local" else None,
                log_to_driver=self._verbose and self._guest is None,
                logging_level=logging.INFO if self._verbose else logging.ERROR,
                runtime_env=code if remote else None,
            )
        except Exception as error:  # of many kinds; where Ray's processes do not come up in time, of none
            said = " ".join(str(error).split())[:300]
            if address and address != "local":
                form = "" if ":" in address or address == "auto" else "; write HOST:PORT, auto or local"
                raise ResourceError(f"Ray at {address} could not be reached: {said}{form}") from error
            raise ResourceError(f"Ray could not be started: {said}{_cure(error)}") from error
        _state["used"] = True
        _sessions.append(self)
        if not address or address == "local":
            _watchdogs.append(Watchdog())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _door:
            own = self in _sessions
            if own:
                _sessions.remove(self)
            shared = not own or any(session._connection == self._connection for session in _sessions)
            # Where somebody has shut that Ray down, one that is here now is theirs.
            if connection() == self._connection:
                self._leave(shared)
            if not _sessions:
                while _watchdogs:
                    _watchdogs.pop().dismiss()

    def _leave(self, shared: bool) -> None:
        if not shared:
            ray.shutdown()
            return
        for ref in self._warming:
            ray.cancel(ref, force=True)

    @property
    def address(self) -> str:
        """Where other processes reach this Ray."""
        return str(ray.get_runtime_context().gcs_address)

    @property
    def token(self) -> bool:
        """Whether this Ray asks for a token."""
        return asks_for_token()

    def check(self, resources: Resources) -> list[str]:
        """What people should know before trials that take this much are begun, each in a line.

        Raises:
            ResourceError: no node can run a single one, and none will come that can; it says what there is.
        """
        return room.check(resources)

    def warm(self, resources: Resources, most: int | None, names: Sequence[str], path: Sequence[str]) -> None:
        """Have this node's workers import what trials will need; the arguments are those of `warming.begin`."""
        self._warming += begin(resources, most, names, path)

    def withdraw(self, name: str) -> None:
        """Take back what the hosted object of this name has asked of the autoscaler, if it could not do so itself."""
        if connection() == self._connection:
            declare(name, Resources(), 0)

    def host(
        self, factory: str, arguments: Mapping[str, Any], name: str | None = None, detached: bool = False
    ) -> RemoteHost:
        """Host an object on this node, without taking a CPU from the trials.

        Args:
            factory: what makes it, as "module:function".
            arguments: of that function; small, plain ones.
            name: by which other processes find it.
            detached: whether it outlives this process, and ends by itself when its work is done.
        """
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options: dict[str, Any] = {"name": name, "namespace": NAMESPACE} if name is not None else {}
        if detached:
            options.update(lifetime="detached", max_restarts=RESTARTS)
        actor = ray.remote(Host).options(num_cpus=0, max_concurrency=CALLERS, scheduling_strategy=here, **options)

        def make() -> Any:
            return actor.remote(factory, dict(arguments), LINGER if detached else None)

        # Where memory runs out, Ray first ends what it could start again by itself: that must be the trial, not the
        # search. So the search is started again from here, unless nobody will be here.
        return RemoteHost(make(), None if detached else make, RESTARTS)

    def find(self, name: str) -> RemoteHost | None:
        """The hosted object of this name; None where there is none."""
        try:
            return RemoteHost(ray.get_actor(name, namespace=NAMESPACE))
        except ValueError:
            return None

    def names(self) -> list[str]:
        """The names of all hosted objects that have one."""
        found = ray.util.list_named_actors(all_namespaces=True)
        return sorted(item["name"] for item in found if item["namespace"] == NAMESPACE)


def _cure(error: Exception) -> str:
    """What helps where Ray could not be started: mostly it is where it keeps its files."""
    folder = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    if isinstance(error, OSError) or not folder.isascii():
        return f"; its files go to {folder}: set RAY_TMPDIR to one of your own with a short ASCII path, such as /tmp"
    if sys.stderr is None or sys.stdout is None:
        return "; this process was started without standard streams, which Ray writes to: give it 2>/dev/null"
    if "error" in os.environ.get("PYTHONWARNINGS", ""):
        return "; PYTHONWARNINGS reaches Ray's own processes, which end by their warnings: unset it, and use python -W"
    return "; --verbose shows what Ray says"
