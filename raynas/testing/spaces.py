"""Small search spaces on which a strategy must hold its contract."""

from __future__ import annotations

from raynas.search_space import Categorical, Condition, IntUniform, SearchSpace, Uniform


def spaces() -> dict[str, SearchSpace]:
    """Spaces by name: flat, conditional, with one sample only, too large to exhaust, and of numbers."""
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
        "whole numbers": SearchSpace([IntUniform("units", low=1, high=6), IntUniform("big", low=8, high=16, log=True)]),
        "continuous": _continuous(),
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


def _continuous() -> SearchSpace:
    """Numbers that nobody can list, one of them below a choice."""
    sgd = Condition("optimizer", ("sgd",))
    return SearchSpace(
        [
            Categorical("optimizer", candidates=("adam", "sgd")),
            Uniform("rate", low=1e-5, high=1e-1, log=True),
            Uniform("momentum", ((sgd,),), low=0.0, high=0.99),
            IntUniform("units", low=1, high=10**9, log=True),
        ]
    )
