"""Address: whether a Ray listens where somebody says that it does, for which Ray itself takes minutes."""

from __future__ import annotations

import os
import socket

from raynas.errors import ResourceError

PATIENCE = 10.0
"""Seconds in which a head answers that is there, however busy it is."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What every client of gRPC, which Ray's head speaks, says first (RFC 9113, 3.4): with no settings of its own."""

SETTINGS = 4
"""The type of the frame that the server answers with."""

TYPE = 3
"""Where that stands in a frame."""


def check_address(address: str) -> None:
    """Raise `ResourceError` where no Ray is; an address without a port, such as "auto", is left to Ray.

    A URL is taken for the address of its host: it is mostly the dashboard's.
    """
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE) as connection:
            answers = _secret() or _speaks(connection)
    except OSError as error:
        raise ResourceError(
            f"Ray at {address} could not be reached: {error.strerror or error}; is the cluster still there?"
        ) from None
    if not answers:
        raise ResourceError(
            f"Ray at {address} could not be reached: what listens there does not answer as Ray's head does; give the "
            "address that `ray start --head` printed (mostly with port 6379; 8265 is the dashboard's)"
        )


def _secret() -> bool:
    """Whether this user's Ray is only talked to through TLS, which is not tried here."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _speaks(connection: socket.socket) -> bool:
    said = b""
    try:
        connection.sendall(PREFACE)
        while len(said) <= TYPE and (more := connection.recv(TYPE + 1 - len(said))):
            said += more
    except ConnectionError:
        return False
    return said[TYPE:] == bytes([SETTINGS])
