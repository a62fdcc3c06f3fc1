"""LayerChoice: one of several modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from raynas.errors import SpaceError
from raynas.nn.candidates import by_name
from raynas.search_space import Expression, Leaf
from raynas.search_space.expression import constant, defaults
from raynas.search_space.where import users_line


class LayerChoice(nn.Module):
    """One of several modules that take the same inputs.

    Called outside a search it runs the first candidate.

    Args:
        candidates: modules of any kind; a dict's keys name them in samples, a list's are called by their position.
        label: the choice's name; by default the path at which it stands in the model (`blocks.0.op`).
        pick: an expression of other choices, which then decide: its value is a candidate's key. A key by itself decides
            once and for all, so that a block may be written for numbers and for choices: `pick=inner == outer`.

    Attributes:
        pick: the choice, or the expression.
        keys: the candidates' keys.
    """

    def __init__(
        self,
        candidates: Sequence[nn.Module] | Mapping[Any, nn.Module],
        label: str | None = None,
        pick: Any = None,
    ) -> None:
        super().__init__()
        where = users_line()
        named = by_name(candidates, f"LayerChoice '{label}'")
        for key, module in named.items():
            if not isinstance(module, nn.Module):
                raise SpaceError(
                    f"{where}: LayerChoice '{label}' has the candidate {key!r}: {module!r}, which is no module: "
                    "build one, or use ValueChoice for values"
                )
            if str(key) in self._modules:
                raise SpaceError(
                    f"{where}: LayerChoice '{label}' has two candidates of the name '{key}': call one of them otherwise"
                )
            try:
                self.add_module(str(key), module)
            except KeyError as error:
                raise SpaceError(
                    f"{where}: LayerChoice '{label}' cannot have a candidate of the name {key!r} ({error.args[0]}): "
                    "call it otherwise"
                ) from None
        if not named:
            raise SpaceError(f"{where}: LayerChoice '{label}' has no candidates: give it at least one")
        self.keys = tuple(named)
        if pick is not None and not isinstance(pick, Expression) and pick not in self.keys:
            raise SpaceError(
                f"{where}: LayerChoice '{label}' picks {pick!r:.80}, which is none of its candidates "
                f"({', '.join(map(repr, self.keys))}): give the key of one, or an expression of choices"
            )
        self.pick = _decided(pick) if pick is not None else Leaf(self.keys, label)

    @property
    def candidates(self) -> dict[Any, nn.Module]:
        """The candidates by key."""
        return {key: self._modules[str(key)] for key in self.keys}  # type: ignore[misc]  # never None here

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the first candidate returns."""
        return self.candidates[defaults(self.pick)](*args, **kwargs)


def _decided(pick: Any) -> Expression:
    return pick if isinstance(pick, Expression) else constant(pick)
