"""A search space as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from raynas.search_space.domain import Condition, Domain

HEAD = ("choice", "values", "counts when")
WIDTH = 72
"""Longer cells are cut."""


def described(space: Sequence[Domain], size: int | None) -> str:
    """See `SearchSpace.describe`; `size` is the number of samples."""
    rows = [HEAD, *((domain.label, str(domain).removeprefix("one of "), condition(domain)) for domain in space)]
    cells = [[cell if len(cell) <= WIDTH else f"{cell[: WIDTH - 1]}…" for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    cells.insert(1, ["-" * width for width in widths])
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.append(f"{len(space)} choices, {'endless' if size is None else f'{size:,}'} samples")
    return "\n".join(lines)


def condition(domain: Domain) -> str:
    """When a domain counts, in words."""
    return "; or ".join(" and ".join(map(_one, clause)) for clause in domain.when if domain.when) or "always"


def _one(condition: Condition) -> str:
    return f"{condition.label} is {' or '.join(map(str, condition.values))}"
