"""raynas searches neural architectures in parallel, from a laptop to a Ray cluster.

Each name below is loaded from its room when it is first used, so that `import raynas` costs nothing and a strategy,
which needs no torch, does not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raynas.engine.local_engine import LocalEngine
    from raynas.engine.ray_engine import RayEngine
    from raynas.errors import ConfigError, Notice, RaynasError
    from raynas.evaluator import Context, Evaluator, FunctionalEvaluator
    from raynas.experiment import Experiment, Result
    from raynas.graph import Graph, GraphSpace, Mutator
    from raynas.nn import (
        Cell,
        InputChoice,
        LayerChoice,
        ModelSpace,
        NasBench101Cell,
        NasBench201Cell,
        Placeholder,
        Repeat,
        ValueChoice,
        basic_unit,
        recording,
    )
    from raynas.pytorch import load_module, profile, to_source, trace
    from raynas.search_space import Categorical, Condition, Domain, IntUniform, Sample, SearchSpace, Uniform
    from raynas.serializer import dumps, loads, serialize, serialize_cls
    from raynas.strategy import Proposal, Stopper, Strategy
    from raynas.trial import History, Trial, TrialState

__all__ = [
    "Categorical",
    "Cell",
    "Condition",
    "ConfigError",
    "Context",
    "Domain",
    "Evaluator",
    "Experiment",
    "FunctionalEvaluator",
    "Graph",
    "GraphSpace",
    "History",
    "InputChoice",
    "IntUniform",
    "LayerChoice",
    "LocalEngine",
    "ModelSpace",
    "Mutator",
    "NasBench101Cell",
    "NasBench201Cell",
    "Notice",
    "Placeholder",
    "Proposal",
    "RayEngine",
    "RaynasError",
    "Repeat",
    "Result",
    "Sample",
    "SearchSpace",
    "Stopper",
    "Strategy",
    "Trial",
    "TrialState",
    "Uniform",
    "ValueChoice",
    "basic_unit",
    "dumps",
    "load_module",
    "loads",
    "profile",
    "recording",
    "serialize",
    "serialize_cls",
    "to_source",
    "trace",
]

_ROOMS = {
    "raynas.engine.local_engine": ("LocalEngine",),
    "raynas.engine.ray_engine": ("RayEngine",),
    "raynas.errors": ("ConfigError", "Notice", "RaynasError"),
    "raynas.evaluator": ("Context", "Evaluator", "FunctionalEvaluator"),
    "raynas.experiment": ("Experiment", "Result"),
    "raynas.graph": ("Graph", "GraphSpace", "Mutator"),
    "raynas.nn": (
        "Cell",
        "InputChoice",
        "LayerChoice",
        "ModelSpace",
        "NasBench101Cell",
        "NasBench201Cell",
        "Placeholder",
        "Repeat",
        "ValueChoice",
        "basic_unit",
        "recording",
    ),
    "raynas.pytorch": ("load_module", "profile", "to_source", "trace"),
    "raynas.search_space": ("Categorical", "Condition", "Domain", "IntUniform", "Sample", "SearchSpace", "Uniform"),
    "raynas.serializer": ("dumps", "loads", "serialize", "serialize_cls"),
    "raynas.strategy": ("Proposal", "Stopper", "Strategy"),
    "raynas.trial": ("History", "Trial", "TrialState"),
}
"""Where the names live. A test keeps this table, `__all__` and the imports for type checkers the same."""

_HOME = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'raynas' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
