"""Guards: which statements of a constructor compute without gradients, and how they say so."""

from __future__ import annotations

from typing import Any

from raynas.graph import Apply, Let, Local, Path, Unit
from raynas.pytorch.codegen.literals import Imports
from raynas.pytorch.codegen.text import Block, Text

GUARDED = ("torch.nn.init.", "torch.nn.utils.")
"""What computes without gradients by itself."""

FREE = (
    ".requires_grad_",
    ".load_state_dict",
    ".eval",
    ".train",
    ".double",
    ".float",
    ".half",
    ".bfloat16",
    ".to",
    ".type",
)
"""Methods of modules and parameters that compute nothing."""


def needs_guard(step: Apply | Let) -> bool:
    """Whether a statement would be recorded for gradients: it computes with parameters."""
    if isinstance(step, Let):
        return bool(calls_in(step.value.args))
    if step.target.startswith(GUARDED) or step.target in FREE:
        return False
    return any(not isinstance(item, Unit) or calls_in(item.args) for item in calls_in(step.args))


def calls_in(value: Any) -> list[Any]:
    if isinstance(value, Path | Local | Unit):
        return [value]
    if isinstance(value, tuple | list):
        return [found for item in value for found in calls_in(item)]
    return []


def guarded(lines: list[Text], imports: Imports) -> list[Text]:
    """Neighbouring blocks with the same head as one."""
    merged: list[Text] = []
    for line in lines:
        last = merged[-1] if merged else None
        if isinstance(line, Block) and line.head == "with torch.no_grad():":
            imports.word("torch")
            if isinstance(last, Block) and last.head == line.head:
                merged[-1] = Block(line.head, (*last.lines, *line.lines))
                continue
        merged.append(line)
    return merged
