"""What a document may not do: name what nobody trusts, reach past what its name says, or run a pickle."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from raynas.errors import SerializationError
from raynas.serializer import loads

PLANTED: list[str] = []


def plant(mark: str) -> None:
    PLANTED.append(mark)


def read(form: Any, trust: tuple[str, ...] = ()) -> Any:
    return loads(json.dumps({"schema": 1, "value": form}), trust=trust)


EVIL = [
    {"$call": "os.system", "args": ["true"]},
    {"$call": "builtins.eval", "args": ["1"]},
    {"$call": "torch.load", "args": ["x.pt"]},
    {"$call": "torch.hub.load", "args": ["a/b", "c"]},
    {"$call": "torch.utils.data.dataloader.os.system", "args": ["true"]},
    {"$call": "torch.utils.data.graph.pickle.loads", "args": [{"$bytes": ""}]},
    {"$call": "torch.nn.modules.module.torch.load", "args": ["x.pt"]},
    {"$call": "torch.optim.optimizer.functools.reduce", "args": [{"$name": "os.system"}, ["true"], ""]},
    {"$call": "raynas.engine.artifacts.write", "args": ["/tmp", "evil", {"$bytes": ""}]},
    {"$call": "raynas.serializer.names.imported", "args": ["os.system"]},
    {"$call": {"$call": "raynas.serializer.names.imported", "args": ["os.system"]}, "args": ["true"]},
    {"$call": {"$dtype": "load"}, "args": ["x.pt"]},
    {"$call": {"$name": "os.system"}, "args": ["true"]},
    {"$call": "functools.partial", "args": [{"$name": "os.system"}, "true"]},
    {"$call": "collections.defaultdict", "args": [{"$name": "os.getcwd"}]},
    {"$dtype": "load"},
    {"$dtype": "hub"},
    {"$name": "sys.exit"},
    {"$name": "antigravity.fly"},
    {"$enum": ["os.environ", "PATH"]},
    {"$enum": ["torch.nn.Linear", "forward"]},
    {"$dataclass": "subprocess.Popen", "state": {}},
    {"$dataclass": "torch.nn.Linear", "state": {"x": 1}},
    {"$attachment": "0-evil"},
    {"$array": ["<f4", [1], {"buffer": "data-evil"}]},
    {"$array": ["|O", [1], "AAAAAAAAAAA="]},
    {"$array": ["<f4", [5], "AAAA"]},
    {"$tensor": {"$array": ["|u1", [1], "AA=="]}, "dtype": "load", "shape": [1]},
    {"$same": 3},
    {"$evil": 1},
    {"$float": [1]},
    {"$range": ["a"]},
]


@pytest.mark.parametrize("form", EVIL, ids=lambda form: json.dumps(form)[:70])
def test_it_is_refused_and_nothing_runs(form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SerializationError) as caught:
        read([form])
    assert "\n" not in str(caught.value)
    assert "antigravity" not in sys.modules
    assert not list(tmp_path.iterdir())


def test_a_trusted_module_is_trusted_with_its_own_only() -> None:
    module = test_a_trusted_module_is_trusted_with_its_own_only.__module__
    read({"$call": f"{module}.plant", "args": ["own"]}, trust=(module,))
    assert PLANTED == ["own"]
    for name in ("sys.exit", "json.loads", "read.__globals__.get", "loads"):
        with pytest.raises(SerializationError, match=r"not trusted|cannot be imported"):
            read({"$call": f"{module}.{name}", "args": ["1"]}, trust=(module,))


def test_what_a_document_may_name_without_being_asked() -> None:
    import raynas.evaluator.lightning  # noqa: F401  # its classes record their calls

    linear = read({"$call": "torch.nn.modules.linear.Linear", "args": [2, 3]})
    assert linear.out_features == 3
    assert read({"$name": "torch.nn.functional.relu"}).__name__ == "relu"
    made = read({"$call": "raynas.evaluator.lightning.loader.DataLoader", "args": [[1, 2]]})
    assert list(made.dataset) == [1, 2]
