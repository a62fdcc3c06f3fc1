"""The built-in strategies use what every plug-in may use, and nothing else."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import raynas_strategies

import raynas

FILES = sorted(Path(raynas_strategies.__path__[0]).glob("**/*.py"))
OWN = {"raynas", "raynas_strategies"}
LATE = {"optuna", "cmaes", "sklearn", "numpy"}


def imports(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Each import in the file: the module, and the names taken from it (none for `import module`)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            yield node.module or "", [alias.name for alias in node.names]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_only_public_names_are_used(file: Path) -> None:
    tree = ast.parse(file.read_text())
    for module, names in imports(tree):
        top = module.partition(".")[0]
        if top == "raynas":
            assert module == "raynas", f"{file.name} imports {module}, which is not public"
            assert names, "write `from raynas import …`, so that this test sees the names"
            assert set(names) <= set(raynas.__all__), f"{set(names) - set(raynas.__all__)} is not public"
        else:
            assert top in OWN | LATE or top in sys.stdlib_module_names, f"{file.name} imports {module}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_only_some_strategies_need_is_imported_when_they_are_used(file: Path) -> None:
    blocks = [node for node in ast.parse(file.read_text()).body if not isinstance(node, ast.If)]
    top_level = [node for node in blocks if isinstance(node, ast.Import | ast.ImportFrom)]
    for module, _ in (item for node in top_level for item in imports(node)):
        assert module.partition(".")[0] not in LATE, f"{file.name} imports {module} when it is imported"


def test_there_are_files() -> None:
    assert {"random.py", "grid.py", "regularized_evolution.py"} <= {file.name for file in FILES}


def test_strategies_import_neither_torch_nor_ray() -> None:
    modules = ", ".join(f"raynas_strategies.{file.stem}" for file in FILES if file.stem != "__init__")
    heavy = {"torch", "ray", "pytorch_lightning", *LATE}
    code = f"import sys, {modules}; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
