from __future__ import annotations

from pathlib import Path

import pytest

from raynas.engine import artifacts
from raynas.errors import StoreError


@pytest.fixture(params=["path", "file", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {"path": str(tmp_path), "file": tmp_path.as_uri(), "memory": f"memory://{tmp_path.name}"}[request.param]


def test_what_is_written_is_read(uri: str) -> None:
    artifacts.write(uri, "weights/0.bin", b"one")
    artifacts.write(uri, "weights/0.bin", b"two")
    artifacts.write(uri, "weights/1.bin", b"")
    assert artifacts.read(uri, "weights/0.bin") == b"two" and artifacts.read(uri, "weights/1.bin") == b""
    assert artifacts.names(uri, "weights") == ["weights/0.bin", "weights/1.bin"]
    assert artifacts.exists(uri, "weights/0.bin") and not artifacts.exists(uri, "weights/2.bin")


def test_what_is_removed_is_gone(uri: str) -> None:
    artifacts.write(uri, "weights/0.bin", b"one")
    artifacts.remove(uri, "weights/0.bin")
    artifacts.remove(uri, "weights/0.bin")
    assert artifacts.names(uri, "weights") == []
    with pytest.raises(StoreError, match=r"'weights/0\.bin' is not in"):
        artifacts.read(uri, "weights/0.bin")


def test_a_folder_that_is_not_there_is_empty(uri: str) -> None:
    assert artifacts.names(uri, "weights") == []


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        artifacts.write(str(tmp_path / "file"), "weights/0.bin", b"")


def test_a_folder_with_colons_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a::b" / "c:d"
    artifacts.write(str(folder), "weights/0.bin", b"one")
    assert (folder / "weights" / "0.bin").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["a::b"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights" / "0.bin").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"'weights/0\.bin' in .* cannot be read \(Is a directory\)"):
        artifacts.read(str(tmp_path), "weights/0.bin")
