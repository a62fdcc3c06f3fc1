"""Start: who searches a run, as the run's store keeps it, for those who come to watch."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from raynas.store import Store


@dataclass(frozen=True)
class Start:
    """One start of a run.

    Attributes:
        host: the machine of the process that watches over it.
        pid: that process, with which the start ends, unless it is detached.
        address: of the Ray in which it runs; empty: not begun yet, or without Ray.
        actor: the name of its actor there.
        token: whether that Ray asks for a token.
        detached: whether it lives without that process.
        in_ray: whether it runs in Ray, or will.
        file: path of the database that it writes, where that is a file.
        born: when that process began, in its system's own words, for another may get its number; empty: unknown.
    """

    host: str
    pid: int
    address: str = ""
    actor: str = ""
    token: bool = False
    detached: bool = False
    in_ray: bool = True
    file: str = ""
    born: str = ""

    @classmethod
    def mine(cls, file: str, in_ray: bool = True) -> Start:
        """A start by this process."""
        return cls(socket.gethostname(), os.getpid(), in_ray=in_ray, file=file, born=_birth(os.getpid()))

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Start | None:
        """What `to_text` gave; None for any other text."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            return None

    @property
    def may_live(self) -> bool:
        """Whether nothing that can be seen from here says that it has ended."""
        return self.detached or self.host != socket.gethostname() or self._is_here

    @property
    def lives_beside(self) -> bool:
        """Whether it is for sure another process of this machine that searches."""
        return not self.detached and self.host == socket.gethostname() and not self.own and self._is_here

    @property
    def _is_here(self) -> bool:
        return alive(self.pid) and (not self.born or _birth(self.pid) in ("", self.born))

    @property
    def own(self) -> bool:
        """Whether it is a start by this very process."""
        return self.host == socket.gethostname() and self.pid == os.getpid()

    def writes(self, file: str) -> bool:
        """Whether it may be this file that it writes, and not the one of which this is a copy."""
        if self.host != socket.gethostname() or not self.file:
            return True
        try:
            return os.path.samefile(self.file, file)
        except OSError:  # it was moved since
            return True

    def describe(self) -> str:
        where = f"process {self.pid} on {self.host}"
        return f"a detached actor in the cluster at {self.address}" if self.detached else where


def going_on(store: Store) -> Start | None:
    """The newest start of a run that has not ended, as far as its store knows."""
    epoch = store.current_epoch()
    if epoch is None or store.ended() is not None:
        return None
    start = Start.from_text(epoch.owner)
    return start if start is not None and start.writes(store.label) else None


def _birth(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def alive(pid: int) -> bool:
    """Whether a process of this machine runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return not Path("/proc/self").exists()
