"""Page: a run's tables as Markdown, which can be read as it stands and is rendered wherever code is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raynas.report.tables import Table, effects, failures, ranking, records, states
from raynas.search_space import SearchSpace

if TYPE_CHECKING:
    from raynas.experiment import Result

BEST = 10


def page(result: Result) -> str:
    """A Markdown page about a run as it stands."""
    asked = result.definition
    objectives = ", ".join(f"{name} ({direction})" for name, direction in asked.objectives.items())
    space = SearchSpace.from_json(asked.choices)
    size = space.size()
    lines = [
        f"# {result.name}",
        "",
        f"- objective: {objectives}",
        f"- space: {len(space)} choices, {'endless' if size is None else f'{size:,}'} samples",
        f"- strategy: {asked.strategy}, seed {asked.seed}",
        f"- {result.ending or 'not ended, or cut off'}",
    ]
    tables = [states(result.trials), failures(result.trials)]
    if result.history.completed:
        best = [ranking(result.history, BEST), records(result.history), effects(space, result.history)]
        tables = [best[0], *tables, *best[1:]]
    for table in tables:
        if table.rows:
            lines += ["", *markdown(table)]
    if result.history.completed:
        lines += ["", f"## The best trial's source ({result.best.number})", "", "```python"]
        lines += [result.best.source.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def markdown(table: Table) -> list[str]:
    """The lines of a table, with its title."""
    cells = [table.columns, *table.rows]
    made = [f"| {' | '.join(_plain(cell) for cell in row)} |" for row in cells]
    rule = f"|{'---|' * len(table.columns)}"
    return [f"## {table.title}", "", made[0], rule, *made[1:], *(["", table.note] if table.note else [])]


def _plain(cell: str) -> str:
    return " ".join(cell.replace("|", "\\|").split())
