"""Names: what a statement has to do with the names of its module. Plain records."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

Span = tuple[int, int]
"""Where something stands in a text: byte offsets."""


class Text:
    """A module's text, with the offsets of its lines."""

    def __init__(self, text: str) -> None:
        self.data = text.replace("\r\n", "\n").replace("\r", "\n").encode()
        self.starts = [0, *(match.end() for match in re.finditer(rb"\n", self.data))]

    def span(self, node: Any) -> Span:
        """Where a node of the text's syntax tree stands."""
        start = self.starts[node.lineno - 1] + node.col_offset
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset

    def __getitem__(self, span: Span) -> str:
        return self.data[span[0] : span[1]].decode()


@dataclass(frozen=True)
class Alias:
    """A name that an import binds.

    Attributes:
        name: the name.
        module: what is imported, or from what; absolute.
        attr: what is imported from it; None where it is the module itself, "*" for all.
        top: whether `name` is only the first part of `module`, as in `import torch.nn`.
    """

    name: str
    module: str
    attr: str | None = None
    top: bool = False


@dataclass(frozen=True, eq=False)
class InnerImport:
    """An import that does not stand at the top of the module.

    Attributes:
        aliases: what it binds.
        span: of the statement.
        alone: whether its block may be empty without it.
        where: the kind of scope that it binds in.
        tried: whether it stands in a `try`.
        clash: whether that scope binds one of the names in another way, too.
        line: of the statement.
    """

    aliases: tuple[Alias, ...]
    span: Span
    alone: bool
    where: str
    tried: bool
    clash: bool
    line: int


@dataclass(frozen=True)
class Use:
    """A global name where it is used.

    Attributes:
        name: the name.
        chain: the attributes that are read of it, in order.
        spans: of the name, and of the name with the first, the first two, … attributes; empty inside a string.
        late: whether it is looked up only when a function runs.
        binds: whether the name is bound here.
        around: the names that functions around it bind.
        imported: the function's own import that binds the name.
        line: where it stands.
    """

    name: str
    chain: tuple[str, ...]
    spans: tuple[Span, ...]
    late: bool
    binds: bool
    around: frozenset[str]
    imported: Alias | None
    line: int


@dataclass
class Names:
    """All that a statement has to do with global names.

    Attributes:
        uses: in the order of the text, bindings among them.
        touched: names whose values the statement may change in place when it runs.
        changed: names whose values its functions may change in place.
        imports: those that it holds.
        calls: whether it calls anything when it runs, decorators not counted.
    """

    uses: list[Use] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    imports: list[InnerImport] = field(default_factory=list)
    calls: bool = False


def aliases_of(node: ast.Import | ast.ImportFrom, package: str) -> tuple[Alias, ...]:
    """What an import binds."""
    if isinstance(node, ast.Import):
        return tuple(
            Alias(item.asname, item.name)
            if item.asname
            else Alias(item.name.partition(".")[0], item.name, None, "." in item.name)
            for item in node.names
        )
    module = node.module or ""
    if node.level:
        parts = package.split(".")
        module = ".".join([*parts[: len(parts) - node.level + 1], *([module] if module else [])])
    return tuple(Alias(item.asname or item.name, module, item.name) for item in node.names)
