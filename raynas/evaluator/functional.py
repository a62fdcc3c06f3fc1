"""FunctionalEvaluator: any function of a model as an evaluator."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from raynas.errors import ConfigError
from raynas.evaluator.evaluator import Context, Evaluator
from raynas.evaluator.metrics import checked
from raynas.serializer import serialize_cls

if TYPE_CHECKING:
    from torch import nn


@serialize_cls
class FunctionalEvaluator(Evaluator):
    """Calls a function that trains and judges a model.

    Args:
        fn: called as `fn(model, **arguments)`, or, where it has a parameter named `context`, with the trial's `Context`
            under that name. It returns a mapping from metric names to numbers; a bare number is the metric `value`.
        example_inputs: arguments for one call of the model: a tuple, or one value that is no tuple.
        **arguments: further arguments of the function; choices may stand among them.

    >>> from torch import nn
    >>> FunctionalEvaluator(lambda model, scale: scale * sum(1 for _ in model.modules()), scale=2).evaluate(
    ...     nn.Linear(1, 1), Context()
    ... )
    {'value': 2.0}
    """

    def __init__(self, fn: Callable[..., Any], example_inputs: Any = None, **arguments: Any) -> None:
        if not callable(fn):
            raise ConfigError(f"FunctionalEvaluator was given {fn!r}: give it a function of a model")
        self.fn = fn
        self.arguments = arguments
        self._inputs = example_inputs
        self._takes_context = _takes_context(fn, arguments)

    def evaluate(self, model: nn.Module, context: Context) -> Mapping[str, float]:
        given = {**self.arguments, "context": context} if self._takes_context else self.arguments
        result = self.fn(model, **given)
        return checked(
            result if isinstance(result, Mapping) or not _number_like(result) else {"value": result},
            source=f"the function '{_name(self.fn)}'",
        )

    def example_inputs(self) -> tuple[Any, ...] | None:
        if self._inputs is None or isinstance(self._inputs, tuple):
            return self._inputs
        return (self._inputs,)


def _takes_context(fn: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    """Whether `fn` wants the context; `ConfigError` where it cannot be called with a model and these arguments."""
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return False  # a function written in C need not say what it takes
    parameter = signature.parameters.get("context")
    wanted = parameter is not None and "context" not in arguments
    if parameter is not None and parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise ConfigError(f"the function '{_name(fn)}' takes 'context' by position only: remove the '/' after it")
    try:
        signature.bind(None, **arguments, **({"context": None} if wanted else {}))
    except TypeError as error:
        raise ConfigError(
            f"the function '{_name(fn)}' cannot be called with a model and {sorted(arguments) or 'no arguments'} "
            f"({error}): let it take the model first, what is named `context` gets the trial's Context, and the rest "
            "is given as FunctionalEvaluator(fn, name=value)"
        ) from None
    return wanted


def _number_like(result: object) -> bool:
    return hasattr(type(result), "__float__")


def _name(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__qualname__", None) or type(fn).__qualname__
