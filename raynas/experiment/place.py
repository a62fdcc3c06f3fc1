"""Place: where a run lies."""

from __future__ import annotations

import os
import re
import stat
import time
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from raynas.errors import ConfigError
from raynas.store import Store

SHOWN = 5
"""How many runs' names an error lists."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Place:
    """Where a run's store and files are.

    Attributes:
        name: the run's.
        folder: URI or absolute path of `<storage_path>/<name>`.
        store: absolute path or URL of its database.
    """

    name: str
    folder: str
    store: str

    @property
    def artifacts(self) -> str:
        return f"{self.folder}/artifacts"

    @property
    def file(self) -> str:
        """Path of its database; empty where that is no file."""
        return "" if "://" in self.store else self.store

    @property
    def own_store(self) -> bool:
        """Whether its database lies in its folder."""
        return self.store == _own_store(self.folder)

    @property
    def exists(self) -> bool:
        """Whether the run is there already."""
        return Store.exists(self.store, self.name)

    def open(self, readonly: bool = False) -> Store:
        """The run's store.

        The file in the run's own folder is the run's, also where that was copied or renamed since it was begun.
        """
        return Store.open(self.store, readonly, None if self.own_store else self.name)

    def make(self) -> None:
        """Make the folder, where it is one of this machine."""
        if "://" in self.folder:
            return
        try:
            os.makedirs(self.folder, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the run's folder {self.folder} cannot be made: {error.strerror}") from None


def place(name: str | None, storage_path: str | os.PathLike[str], store: str | None, in_job: bool) -> Place:
    """The place of a run.

    Args:
        name: the run's; None: one that tells the time.
        storage_path: the folder of all runs, or a URI that fsspec knows.
        store: URL of a database; None: a file in the run's folder.
        in_job: whether this is a Ray job's driver, whose working directory does not last.
    """
    if name is not None and not (isinstance(name, str) and NAME.fullmatch(name)):
        raise ConfigError(f"{name!r:.120} cannot name a run: use letters, digits, '.', '-' and '_', at most 100")
    if not isinstance(storage_path, str | os.PathLike) or not isinstance(os.fspath(storage_path), str):
        raise ConfigError(f"storage_path is {storage_path!r:.80}: give a folder's path, or a URI")
    if store is not None and not isinstance(store, str):
        raise ConfigError(f'store is {store!r:.80}: give a database\'s URL, as in "postgresql://…"')
    root = _root(storage_path)
    remote = "://" in root
    file = Store.file(store) if store else None
    for what, path in (("storage_path", root), ("store", file)):
        if in_job and path is not None and "://" not in path and not os.path.isabs(path):
            raise ConfigError(
                f"{what} '{path}' is relative, and a Ray job's folder goes with the job: give an absolute path, "
                'or a URI and a store="postgresql://…"'
            )
    if remote and store is None:
        raise ConfigError(
            f'storage_path {root} is no folder of this machine: give the run a store="postgresql://…", too'
        )
    root = root.rstrip("/") if remote else os.path.abspath(root)
    if name is None:
        stem = time.strftime("%Y%m%d-%H%M%S")
        name, count = stem, 2
        while not remote and os.path.exists(f"{root}/{name}"):
            name, count = f"{stem}-{count}", count + 1
    folder = f"{root}/{name}"
    return Place(name, folder, os.path.abspath(file) if file else store or _own_store(folder))


def find(run: str | os.PathLike[str], storage_path: str | os.PathLike[str] = "runs", store: str | None = None) -> Place:
    """The place of a run that is there.

    Args:
        run: its name, or the path of its folder.
        storage_path: the folder of all runs, for a name.
        store: URL of its database, where it has one.

    Raises:
        ConfigError: there is no such run; it says which there are.
    """
    name = _root(run).rstrip("/")
    if store is not None:
        return place(name, storage_path, store, False)
    storage_path = _root(storage_path)
    for folder in (Path(storage_path, name), Path(name)):
        if _is_file(_own_store(os.fspath(folder))):
            whole = folder.resolve()
            return Place(whole.name, str(whole), _own_store(str(whole)))
    there = sorted(path.parent.name for path in Path(storage_path).glob("*/search.db") if path.is_file())
    close = get_close_matches(name, there, n=1)
    more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    listed = f"did you mean '{close[0]}'? Else" if close else f"there is {', '.join(there[:SHOWN])}{more}; name one, or"
    has = listed if there else f"{storage_path} holds none;"
    raise ConfigError(f"there is no run '{name}': {has} give the path of its folder")


def _root(path: str | os.PathLike[str]) -> str:
    """A folder as the system knows it, also where it is written as a shell or as fsspec would take it."""
    return os.path.expanduser(os.fspath(path).removeprefix("file://"))


def _own_store(folder: str) -> str:
    """The database that lies in a run's folder."""
    return f"{folder}/search.db"


def _is_file(path: str) -> bool:
    """Whether there is one; `ConfigError` where its folder may not be read."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except PermissionError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; have its folder opened to this user") from None
    except (OSError, ValueError):
        return False


def texts_path(code: str) -> str:
    """Where the texts of the user's modules lie among the artifacts, by the digest of the user's code."""
    return f"code/{code or 'none'}.json"
