"""Small search spaces on which a strategy must hold its contract."""

from __future__ import annotations

from raynas.search_space import Categorical, Condition, SearchSpace


def spaces() -> dict[str, SearchSpace]:
    """Spaces by name: flat, conditional, with one sample only, and too large to exhaust."""
    return {
        "flat": SearchSpace(
            [
                Categorical("width", candidates=(8, 16, 32)),
                Categorical("rate", candidates=(1, 1.0, True, None)),
                Categorical("kernel", candidates=((3, 3), (5, 5))),
                Categorical("activation", candidates=("relu", "gelu")),
            ]
        ),
        "conditional": _conditional(),
        "two samples": SearchSpace([Categorical("bias", candidates=(False, True))]),
        "one sample": SearchSpace([Categorical("width", candidates=(8,)), Categorical("depth", candidates=(1,))]),
        "no choices": SearchSpace(),
        "large": SearchSpace([Categorical(f"block{i}.width", candidates=tuple(range(8, 80, 8))) for i in range(12)]),
    }


def _conditional() -> SearchSpace:
    """Choices within choices, three deep, one of them below either of two others."""
    conv = Condition("op", ("conv",))
    return SearchSpace(
        [
            Categorical("op", candidates=("conv", "pool", "skip")),
            Categorical("kernel", ((conv,),), candidates=(3, 5)),
            Categorical("groups", ((conv, Condition("kernel", (3,))),), candidates=(1, 2, 4)),
            Categorical("bias", ((conv, Condition("groups", (1, 2))),), candidates=(False, True)),
            Categorical("stride", ((conv,), (Condition("op", ("pool",)),)), candidates=(1, 2)),
        ]
    )
