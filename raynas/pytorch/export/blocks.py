"""Blocks: the names that a function's or class's body binds for itself."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from raynas.pytorch.export.names import Alias

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Scope:
    """What one block binds.

    Attributes:
        kind: of the block.
        bound: its own names.
        globals: names that it declares global.
        assigned: those of its own names that something else than an import binds.
        body: its statements.
        imports: what its imports have bound so far.
    """

    kind: Literal["function", "class"]
    bound: set[str]
    globals: set[str] = field(default_factory=set)
    assigned: set[str] = field(default_factory=set)
    body: Sequence[ast.AST] = ()
    imports: dict[str, Alias] = field(default_factory=dict)


def scope_of(kind: Literal["function", "class"], body: Sequence[ast.AST], given: Iterable[str] = ()) -> Scope:
    """The scope of a block, with the names that are given to it."""
    scope = Scope(kind, set(given), body=body, assigned=set(given))
    outer: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Global):
            scope.globals.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            outer.update(node.names)
        scope.bound |= _binds(node)
        if not isinstance(node, ast.Import | ast.ImportFrom):
            scope.assigned |= _binds(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, COMPREHENSIONS):
            waiting.extend(item for item in ast.walk(node) if isinstance(item, ast.NamedExpr))
        elif isinstance(node, ast.NamedExpr):
            waiting.append(node.target)
        else:
            waiting.extend(ast.iter_child_nodes(node))
    scope.bound -= scope.globals | outer
    return scope


def _binds(node: ast.AST) -> set[str]:
    """The names that a node binds by itself."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return {node.id}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return {node.name} if node.name else set()
    if isinstance(node, ast.MatchMapping):
        return {node.rest} if node.rest else set()
    return set()


def stored(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def strings_in(annotation: ast.expr) -> Iterator[Any]:
    """The strings in an annotation that stand for types."""
    if isinstance(annotation, ast.Constant):
        if isinstance(annotation.value, str):
            yield annotation
        return
    if isinstance(annotation, ast.Subscript):
        name = annotation.value.attr if isinstance(annotation.value, ast.Attribute) else None
        name = annotation.value.id if isinstance(annotation.value, ast.Name) else name
        if name in ("Literal", "Annotated"):
            return
    for child in ast.iter_child_nodes(annotation):
        if isinstance(child, ast.expr):
            yield from strings_in(child)
