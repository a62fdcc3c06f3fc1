"""Pulse: which nodes have gone, known before Ray knows.

Ray declares a node dead when it has missed several health checks in a row, some 15 s after its end, and goes on sending
tasks to it meanwhile. Where the machine is still there, its end shows at once: nobody listens at the node's address.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Address: TypeAlias = tuple[str, int]

PATIENCE = 0.5
"""Seconds in which a connection is made, or nothing is concluded."""

MOMENT = 0.2
"""Seconds between the two refusals that tell a node's end."""


class Pulse:
    """Feels nodes that have answered before.

    One that does not answer at all may be behind a bad connection, and is left to Ray.

    Args:
        submit: runs a function in another thread.
        ring: called there when more nodes have gone.

    Attributes:
        gone: the ids of those that have gone. A node that is started again has another id; one that answers again was
            only out of reach.
    """

    def __init__(self, submit: Callable[..., Any], ring: Callable[[], None]) -> None:
        self.gone: frozenset[str] = frozenset()
        self._submit = submit
        self._ring = ring
        self._answered: set[str] = set()
        self._feeling = False

    def feel(self, nodes: Mapping[str, Address]) -> None:
        """Begin to feel these, unless that is still going on; returns at once."""
        if nodes and not self._feeling:
            self._feeling = True
            self._submit(self._feel, nodes)

    def _feel(self, nodes: Mapping[str, Address]) -> None:
        try:
            doubtful = {node for node, address in nodes.items() if self._refuses(node, address)} & self._answered
            if doubtful - self.gone:
                time.sleep(MOMENT)
                doubtful = {node for node in doubtful if self._refuses(node, nodes[node])}
            gone = (self.gone - nodes.keys()) | doubtful
            if gone != self.gone:
                self.gone = gone
                self._ring()
        finally:
            self._feeling = False

    def _refuses(self, node: str, address: Address) -> bool:
        try:
            socket.create_connection(address, PATIENCE).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        self._answered.add(node)
        return False
