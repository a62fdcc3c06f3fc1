"""Artifacts: a run's files, wherever fsspec reaches."""

from __future__ import annotations

import mmap
import os
import posixpath
import uuid
from functools import lru_cache
from typing import Any

import fsspec

from raynas.errors import StoreError, UnwritableError


@lru_cache(16)
def _root(uri: str) -> tuple[Any, str]:
    if "://" not in uri:  # fsspec would see a chain of file systems where "::" stands in a path
        return fsspec.filesystem("file"), os.path.abspath(uri)
    fs, root = fsspec.core.url_to_fs(uri)
    return fs, str(root)


def _place(uri: str, path: str) -> tuple[Any, str]:
    fs, root = _root(uri)
    return fs, posixpath.join(root, path) if path else root


def write(uri: str, path: str, data: bytes | memoryview) -> None:
    """Write a file, whole or not at all."""
    fs, target = _place(uri, path)
    try:
        fs.makedirs(posixpath.dirname(target), exist_ok=True)
        if "file" not in fs.protocol:  # the others make a file visible when it is complete
            fs.pipe_file(target, bytes(data))
            return
        half = f"{target}.{uuid.uuid4().hex}.part"  # its own: a lost attempt may still be writing
        fs.pipe_file(half, data)
        fs.mv(half, target)
    except OSError as error:
        raise UnwritableError(
            f"'{path}' cannot be written to {uri} ({error}): is there room, and may one write there?"
        ) from error


def read(uri: str, path: str) -> bytes:
    """A file's content; `StoreError` where it is not there."""
    fs, target = _place(uri, path)
    try:
        return bytes(fs.cat_file(target))
    except FileNotFoundError:
        raise StoreError(f"'{path}' is not in {uri}: it was not kept, or somebody removed it") from None
    except OSError as error:
        raise StoreError(f"'{path}' in {uri} cannot be read ({error.strerror or error}): check it") from None


def exists(uri: str, path: str) -> bool:
    fs, target = _place(uri, path)
    return bool(fs.exists(target))


def remove(uri: str, path: str) -> None:
    """Remove a file; one that is not there is no error."""
    fs, target = _place(uri, path)
    try:
        fs.rm_file(target)
    except FileNotFoundError:
        return


def names(uri: str, folder: str) -> list[str]:
    """The files in a folder, relative to the artifacts, in order of name; none where there is no such folder."""
    fs, target = _place(uri, folder)
    try:
        found = fs.ls(target, detail=False)
    except FileNotFoundError:
        return []
    return sorted(posixpath.join(folder, posixpath.basename(str(name))) for name in found)


def mapped(uri: str, path: str) -> memoryview:
    """A file's content to be read where it lies, if it is a file of this machine; else a copy of it."""
    fs, target = _place(uri, path)
    if "file" not in fs.protocol:
        return memoryview(read(uri, path))
    try:
        with open(target, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (FileNotFoundError, ValueError):  # the latter where it is empty
        return memoryview(read(uri, path))
