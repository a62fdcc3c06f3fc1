from __future__ import annotations

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
