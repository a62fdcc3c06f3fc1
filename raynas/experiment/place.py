"""Place: where a run lies."""

from __future__ import annotations

import os
import re
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
        store: path or URL of its database.
    """

    name: str
    folder: str
    store: str

    @property
    def artifacts(self) -> str:
        return f"{self.folder}/artifacts"

    @property
    def exists(self) -> bool:
        """Whether the run is there already."""
        return Store.exists(self.store, self.name)

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
    if in_job and not remote and not os.path.isabs(root):
        raise ConfigError(
            f"storage_path '{root}' is relative, and a Ray job's folder goes with the job: give an absolute path, "
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
    return Place(name, f"{root}/{name}", store or f"{root}/{name}/search.db")


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
        if (folder / "search.db").is_file():
            whole = folder.resolve()
            return place(whole.name, whole.parent, None, False)
    there = sorted(path.parent.name for path in Path(storage_path).glob("*/search.db"))
    close = get_close_matches(name, there, n=1)
    more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    listed = f"did you mean '{close[0]}'? Else" if close else f"there is {', '.join(there[:SHOWN])}{more}; name one, or"
    has = listed if there else f"{storage_path} holds none;"
    raise ConfigError(f"there is no run '{name}': {has} give the path of its folder")


def _root(path: str | os.PathLike[str]) -> str:
    """A folder as the system knows it, also where it is written as a shell or as fsspec would take it."""
    return os.path.expanduser(os.fspath(path).removeprefix("file://"))


def texts_path(code: str) -> str:
    """Where the texts of the user's modules lie among the artifacts, by the digest of the user's code."""
    return f"code/{code or 'none'}.json"
