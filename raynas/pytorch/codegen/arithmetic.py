"""Operators as they are written: `a + b`, `a[i]`, `a.shape`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raynas.graph import Unit
from raynas.graph.verify import identifier
from raynas.pytorch.codegen.text import Text

INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "matmul": "@",
    "and_": "&",
    "or_": "|",
    "xor": "^",
    "lshift": "<<",
    "rshift": ">>",
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
}
PREFIX = {"neg": "-", "pos": "+", "invert": "~", "not_": "not "}


def arithmetic(unit: Unit, value: Callable[[Any, str], Text]) -> Text | None:
    """A call of one of `operator`'s functions, or of `getattr`, as an operator; None where it is none."""
    short = unit.target.removeprefix("operator.")

    def operand(item: Any) -> Text:
        text = value(item, "value")
        nested = isinstance(item, Unit) and item.target.removeprefix("operator.") in {**INFIX, **PREFIX}
        negative = isinstance(item, int | float) and item < 0
        return ("(", text, ")") if nested or negative else text

    if unit.target == "builtins.getattr" and len(unit.args) == 2 and identifier(str(unit.args[1])):
        return (operand(unit.args[0]), f".{unit.args[1]}")
    if short == unit.target or unit.kwargs:
        return None
    if short in INFIX and len(unit.args) == 2:
        return (operand(unit.args[0]), f" {INFIX[short]} ", operand(unit.args[1]))
    if short in PREFIX and len(unit.args) == 1:
        return (PREFIX[short], operand(unit.args[0]))
    if short == "getitem":
        return (operand(unit.args[0]), "[", _index(unit.args[1], value), "]")
    if short == "setitem":
        return (operand(unit.args[0]), "[", _index(unit.args[1], value), "] = ", value(unit.args[2], "value"))
    return None


def _index(key: Any, value: Callable[[Any, str], Text]) -> Text:
    def part(item: Any) -> Text:
        if isinstance(item, slice):
            start, stop, step = (
                "" if bound is None else value(bound, name)
                for name, bound in (("start", item.start), ("stop", item.stop), ("step", item.step))
            )
            return (start, ":", stop, *((":", step) if item.step is not None else ()))
        return value(item, "index")

    if isinstance(key, tuple) and key:
        parts: list[Text] = []
        for item in key:
            parts += [", ", part(item)] if parts else [part(item)]
        return (*parts, ",") if len(key) == 1 else tuple(parts)
    return part(key)
