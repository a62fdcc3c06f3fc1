"""Luggage: what belongs to a run's documents, pickles and data, and where it is kept.

Small pieces stand in the run's store. A large one is a file among the run's artifacts, named after its digest, and the
store holds that name: a database limits how large a value may be, and a file can be read where it lies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from raynas.engine import artifacts
from raynas.errors import StoreError
from raynas.serializer import Bytes
from raynas.store import Store

LARGE = 1 << 20
"""From so many bytes on, a piece is a file."""

FOLDER = "data"
"""The folder of these files among the artifacts."""

MARK = b"raynas-file:"
"""What stands in the store for a file: this and the SHA-256 of its content."""


def put_away(pieces: Mapping[str, Bytes], folder: str) -> dict[str, bytes]:
    """What the store is to keep of `pieces`; the large ones are written as files, unless they are there already.

    Args:
        pieces: bytes by name.
        folder: URI of the run's artifacts.
    """
    kept: dict[str, bytes] = {}
    for name, data in pieces.items():
        if len(data) < LARGE:
            kept[name] = bytes(data)
            continue
        digest = hashlib.sha256(data).hexdigest()
        if not artifacts.exists(folder, f"{FOLDER}/{digest}"):
            artifacts.write(folder, f"{FOLDER}/{digest}", data)
        kept[name] = MARK + digest.encode()
    return kept


def taken_out(store: Store, names: tuple[str, ...], folder: str) -> dict[str, Bytes]:
    """The run's pieces by name; files of this machine are mapped, not read.

    Args:
        store: the run's.
        names: of the pieces.
        folder: URI of the run's artifacts.

    Raises:
        StoreError: another run wrote one of them, or a file has changed.
    """
    found: dict[str, Bytes] = {}
    for name in names:
        piece = store.attachment(name)
        if piece.run_id != store.run_id:
            raise StoreError(
                f"{store.label}: the attachment '{name}' was written by another run: start the search anew"
            )
        found[name] = _content(piece.data, folder) if piece.data.startswith(MARK) else piece.data
    return found


def _content(mark: bytes, folder: str) -> memoryview:
    digest = mark.removeprefix(MARK).decode()
    data = artifacts.mapped(folder, f"{FOLDER}/{digest}")
    if hashlib.sha256(data).hexdigest() != digest:
        raise StoreError(f"'{FOLDER}/{digest}' in {folder} has changed since it was written: start the search anew")
    return data
