"""Ports for servers that take some seconds to bind them."""

from __future__ import annotations

import socket
from random import SystemRandom

CANDIDATES = range(20_000, 32_768)
"""Neither those that the system hands out by itself, to whoever binds or connects meanwhile, nor Ray's own."""


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens at."""
    found: list[int] = []
    for port in SystemRandom().sample(CANDIDATES, len(CANDIDATES)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            break
    return found
