from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from raynas.engine.travel import extend_path, importable, pack, unpack
from raynas.errors import SerializationError

FACTOR = 3


def helper(x: int) -> int:
    return x * FACTOR


class Outer:
    class Inner:
        def value(self) -> int:
            return helper(2)


def test_what_can_be_imported_elsewhere_is_not_packed() -> None:
    import tiny

    assert pack(["torch.nn.Linear", "raynas.Sample", "json.dumps", "operator.add", "tiny.Scale"]) == b""
    assert importable("raynas.nn") and importable("json.decoder") and importable("sys") and importable("tiny")
    assert tiny.__file__ is not None and not importable("__main__")


def test_a_module_that_is_another_elsewhere_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tiny

    (tmp_path / "tiny.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not importable(tiny.__name__)


def test_what_cannot_be_imported_arrives_in_another_process(tmp_path: Path) -> None:
    data = pack([f"{__name__}.Outer.Inner", f"{__name__}.helper", "torch.nn.Linear"])
    (tmp_path / "data").write_bytes(data)
    script = (
        "import sys, importlib\n"
        "from raynas.engine.travel import unpack\n"
        f"unpack(open({str(tmp_path / 'data')!r}, 'rb').read())\n"
        f"module = importlib.import_module({__name__!r})\n"
        "print(module.Outer.Inner().value(), module.helper(1), module.Outer.Inner.__module__)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == f"6 3 {__name__}\n", done.stderr


def test_what_cannot_travel_is_an_error_that_names_it() -> None:
    main = sys.modules["__main__"]
    exec("import threading\nlock = threading.Lock()\ndef held():\n    return lock", main.__dict__)
    try:
        with pytest.raises(SerializationError, match=r"__main__\.held cannot travel to the workers"):
            pack(["__main__.held"])
    finally:
        for name in ("lock", "held", "threading"):
            delattr(main, name)


def test_nothing_packed_is_nothing_unpacked() -> None:
    unpack(b"")


def test_folders_that_are_here_join_the_path_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["a"])
    extend_path([str(tmp_path), str(tmp_path / "gone"), "a", str(tmp_path)])
    extend_path([str(tmp_path)])
    assert sys.path[0] == "a" and sys.path.count(str(tmp_path)) == 1


def test_a_zip_on_the_path_joins_it_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = str(tmp_path / "code.zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped.py", "value = 3")
    monkeypatch.setattr(sys, "path", ["a"])
    extend_path([archive])
    assert sys.path == ["a", archive]
