"""Places: where in a module its parts stand."""

from __future__ import annotations

import torch
from torch import nn

from raynas.pytorch.state import FIXED, TORCHS

NO_TENSORS = frozenset({*FIXED, tuple, list, dict})


class Places:
    """Paths of a model's modules, parameters, buffers and tensor attributes, seen from any of its modules.

    What stands in one place only is found by its path below the model; the rest by a walk of its own.

    Args:
        root: the model, which does not change any more.

    Attributes:
        modules: all of its modules by path, each where it stands first, in the order of `named_modules`.
        known: by object, the paths of all that stands in it.
    """

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self.modules = _modules_in(root)
        self._own: dict[int, list[tuple[str, int]]] = {}
        self._several: set[int] = set()
        self._below: dict[int, dict[int, str]] = {id(root): self._walk(root, self._several)}
        self.known = self._below[id(root)]

    @property
    def is_tree(self) -> bool:
        """Whether each module and tensor stands in one place."""
        return not self._several

    def path(self, module: nn.Module, part: object) -> str | None:
        """The path below `module` of one of its parts; None where that does not stand there."""
        whole = self.known.get(id(part))
        if module is self._root or (whole is None and id(part) not in self._several):
            return whole
        here = self.known.get(id(module))
        if whole is None or here is None or id(module) in self._several or id(part) in self._several:
            if id(module) not in self._below:
                self._below[id(module)] = self._walk(module, set())
            return self._below[id(module)].get(id(part))
        if part is module:
            return ""
        return whole[len(here) + 1 :] if whole.startswith(f"{here}.") else None

    def _walk(self, root: nn.Module, several: set[int]) -> dict[int, str]:
        """Paths below a module; `several` takes what stands in more than one place, with all that is in it."""
        found: dict[int, str] = {}

        def visit(module: nn.Module, path: str) -> None:
            found[id(module)] = path
            prefix = f"{path}." if path else ""
            own = self._own.get(id(module))
            if own is None:
                own = self._own[id(module)] = own_tensors(module)
            for name, tensor in own:
                if found.setdefault(tensor, prefix + name) != prefix + name:
                    several.add(tensor)
            for name, child in module._modules.items():
                if child is None:
                    continue
                if id(child) in found:
                    if id(child) not in several:
                        several.update(inside(child))
                    continue
                visit(child, prefix + name)

        def inside(module: nn.Module) -> set[int]:
            return {
                part for child in module.modules() for part in (id(child), *(item for _, item in own_tensors(child)))
            }

        visit(root, "")
        return found


def _modules_in(root: nn.Module) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {}
    seen: set[nn.Module] = set()

    def visit(module: nn.Module, path: str) -> None:
        seen.add(module)
        found[path] = module
        prefix = f"{path}." if path else ""
        for name, child in module._modules.items():
            if child is not None and child not in seen:
                visit(child, prefix + name)

    visit(root, "")
    return found


def own_tensors(module: nn.Module) -> list[tuple[str, int]]:
    """Names and ids of the tensors that a module itself holds."""
    found = [(n, id(t)) for own in (module._parameters, module._buffers) for n, t in own.items() if t is not None]
    for name, value in module.__dict__.items():
        if name not in TORCHS and type(value) not in NO_TENSORS and isinstance(value, torch.Tensor):
            found.append((name, id(value)))
    return found
