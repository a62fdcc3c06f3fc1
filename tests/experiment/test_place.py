from __future__ import annotations

import os
from pathlib import Path

import pytest

from raynas.errors import ConfigError
from raynas.experiment.place import find, place


def test_the_home_folder_and_file_uris_are_folders_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    wanted = place("run", tmp_path / "runs", None, False)
    for root in ("~/runs", "~/runs/", f"file://{tmp_path}/runs"):
        assert place("run", root, None, True) == wanted
        with pytest.raises(ConfigError, match="holds none"):
            find("run", root)
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / "search.db").touch()
    for run, root in (("run", "~/runs"), ("run", f"file://{tmp_path}/runs"), ("~/runs/run", "other")):
        assert find(run, root) == wanted


def test_a_run_is_found_in_a_folder_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "digits (copy)"
    folder.mkdir(parents=True)
    (folder / "search.db").touch()
    for run in ("digits (copy)", "runs/digits (copy)/", folder):
        found = find(run)
        assert (found.name, found.folder, found.own_store) == ("digits (copy)", str(folder), True)
    for run in ("x" * 300, "a\0b"):
        with pytest.raises(ConfigError, match="there is no run"):
            find(run)


def test_a_folder_in_the_place_of_a_database_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "one" / "search.db").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"no run 'one': .* holds none"):
        find("one", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir(mode=0)
    with pytest.raises(ConfigError, match=r"one/search\.db cannot be read: Permission denied; have"):
        find("one", tmp_path)


def test_a_database_is_where_it_was_when_the_working_directory_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for store in ("all.db", "sqlite:///all.db", str(tmp_path / "all.db")):
        assert place("run", "runs", store, False).store == str(tmp_path / "all.db")
    url = "postgresql://user@host/runs"
    assert place("run", "runs", url, False).store == url and place("run", "runs", url, False).file == ""
    with pytest.raises(ConfigError, match=r"store 'all\.db' is relative, and a Ray job's folder goes"):
        place("run", tmp_path, "all.db", True)
