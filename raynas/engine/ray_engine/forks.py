"""Forks: what the processes that a trial forks inherit of Ray's."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress

from raynas.engine.forked import not_for_the_forked

FOLDER = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
"""Where the system lists this process's descriptors."""

_connections: set[int] = set()
"""The sockets that this process had before the user's code ran, by inode."""

_ports: set[int] = set()
"""Those at which it listened; what others have opened to it since has the same."""


def let_go_when_forked() -> None:
    """Have the processes that this one forks let go of its connections and of Ray's handler of SIGTERM.

    To be called before the user's code runs. Ray learns of a worker's death by the end of its connections, which go on
    for as long as anybody holds them: the processes of a `multiprocessing.Pool` would keep a dead worker's trial
    running for ever. None of them can use Ray.
    """
    if not _connections:
        handler = signal.getsignal(signal.SIGTERM)
        if callable(handler):
            not_for_the_forked(handler)
        for _, inode, port, listens in _sockets():
            _connections.add(inode)
            if listens:
                _ports.add(port)
        os.register_at_fork(after_in_child=_let_go)


def _let_go() -> None:
    default = socket.getdefaulttimeout()
    socket.setdefaulttimeout(None)  # a user's would change each socket that is looked at, also for the process forked
    with suppress(OSError):
        # A closed descriptor's number would be given to a file of the user's, into which Ray's code might write.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor, inode, port, _ in _sockets():
            if inode in _connections or port in _ports:
                os.dup2(nowhere, descriptor, inheritable=False)
        os.close(nowhere)
    socket.setdefaulttimeout(default)


def _sockets() -> Iterator[tuple[int, int, int, bool]]:
    """The descriptor, the inode and the port (0: none) of each socket of this process, and whether it listens."""
    for name in os.listdir(FOLDER):
        with suppress(OSError):
            found = socket.socket(fileno=int(name))
            try:
                internet = found.family in (socket.AF_INET, socket.AF_INET6)
                port = found.getsockname()[1] if internet else 0
                listens = internet and bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
                inode = os.fstat(found.fileno()).st_ino
            finally:
                found.detach()
            yield int(name), inode, port, listens
