"""LayerChoice: one of several modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from raynas.errors import SpaceError
from raynas.search_space import Leaf


class LayerChoice(nn.Module):
    """One of several modules that take the same inputs.

    Called outside a search it runs the first candidate.

    Args:
        candidates: modules of any kind; a dict's keys name them in samples, a list's are called by their position.
        label: the choice's name; by default the path at which it stands in the model (`blocks.0.op`).
    """

    def __init__(self, candidates: Sequence[nn.Module] | Mapping[str, nn.Module], label: str | None = None) -> None:
        super().__init__()
        named = dict(candidates) if isinstance(candidates, Mapping) else dict(enumerate(candidates))
        for key, module in named.items():
            if not isinstance(module, nn.Module):
                raise SpaceError(
                    f"LayerChoice '{label}' has the candidate {key!r}: {module!r}, which is no module: "
                    "build one, or use ValueChoice for values"
                )
            self.add_module(str(key), module)
        if not named:
            raise SpaceError(f"LayerChoice '{label}' has no candidates: give it at least one")
        self.pick = Leaf(list(named), label)

    @property
    def candidates(self) -> dict[Any, nn.Module]:
        """The candidates by key."""
        return {key: self._modules[str(key)] for key in self.pick.candidates}  # type: ignore[misc]  # never None here

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the first candidate returns."""
        return self.candidates[self.pick.default()](*args, **kwargs)
