"""Scopes: which global names a piece of Python uses, where they stand in the text, and when they are looked up."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from typing import Any

from raynas.pytorch.export.blocks import Scope, scope_of, stored, strings_in
from raynas.pytorch.export.names import InnerImport, Names, Span, Text, Use, aliases_of

CHANGING = {
    *("add", "append", "clear", "discard", "extend", "insert", "pop", "popitem"),
    *("register", "remove", "reverse", "setdefault", "sort", "update"),
}
"""Methods that change what they are called on, wherever the call stands."""


def names_in(node: ast.stmt, text: Text, package: str, lazy: bool) -> Names:
    """The global names of a top-level statement.

    Args:
        node: the statement.
        text: in which it stands.
        package: that relative imports start from.
        lazy: whether annotations are never evaluated.
    """
    walker = _Walker(text, package, lazy)
    walker.visit(node)
    return walker.found


class _Walker(ast.NodeVisitor):
    def __init__(self, text: Text, package: str, lazy: bool) -> None:
        self.text = text
        self.package = package
        self.lazy = lazy
        self.found = Names()
        self.scopes: list[Scope] = []
        self.late = 0
        self.tries = 0

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._decorated(node)
        self._bind(node.name, self._named(node), node.lineno)
        self._function(node.args, node.body, node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node.args, [node.body], node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._decorated(node)
        self._bind(node.name, self._named(node), node.lineno)
        with_parameters = self._parameters(node)
        for base in (*node.bases, *node.keywords):
            self.visit(base)
        self._inside(scope_of("class", node.body))
        if with_parameters:
            self.scopes.pop()

    def visit_TypeAlias(self, node: Any) -> None:
        self.visit(node.name)
        with_parameters = self._parameters(node)
        self.visit(node.value)
        if with_parameters:
            self.scopes.pop()

    def _function(self, arguments: ast.arguments, body: Sequence[ast.AST], node: Any) -> None:
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        given += [arg for arg in (arguments.vararg, arguments.kwarg) if arg]
        for default in (*arguments.defaults, *(item for item in arguments.kw_defaults if item)):
            self.visit(default)
        with_parameters = self._parameters(node)
        for arg in given:
            self._annotation(arg.annotation)
        self._annotation(getattr(node, "returns", None))
        self.late += 1
        self._inside(scope_of("function", body, {arg.arg for arg in given} | {"__class__"}))
        self.late -= 1
        if with_parameters:
            self.scopes.pop()

    def _parameters(self, node: Any) -> bool:
        """Open a scope for type parameters, which Python has since 3.12."""
        parameters = getattr(node, "type_params", [])
        if parameters:
            self.scopes.append(Scope("function", {item.name for item in parameters}))
            for item in parameters:
                self.generic_visit(item)
        return bool(parameters)

    def _inside(self, scope: Scope) -> None:
        self.scopes.append(scope)
        for item in scope.body:
            self.visit(item)
        self.scopes.pop()

    def _decorated(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            self._touch(called if isinstance(called, ast.Attribute) else None)
            before = self.found.calls
            self.visit(decorator)
            self.found.calls = before

    def _comprehension(self, node: Any) -> None:
        first, *others = node.generators
        self.visit(first.iter)
        bound = {name for item in node.generators for name in stored(item.target)}
        self.scopes.append(Scope("function", bound, assigned=bound))
        for item in (first, *others):
            self.visit(item.target)
            if item is not first:
                self.visit(item.iter)
            for condition in item.ifs:
                self.visit(condition)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self.scopes.pop()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_Try(self, node: Any) -> None:
        self.tries += 1
        self.generic_visit(node)
        self.tries -= 1

    visit_TryStar = visit_Try

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        aliases = aliases_of(node, self.package)
        scope = self.scopes[-1] if self.scopes else None
        where = scope.kind if scope else "module"
        alone = scope is None or len(scope.body) == 1 or all(item is not node for item in scope.body)
        clash = scope is not None and any(alias.name in scope.assigned for alias in aliases)
        span = self.text.span(node)
        self.found.imports.append(InnerImport(aliases, span, alone, where, self.tries > 0, clash, node.lineno))
        for alias in aliases:
            if scope is None:
                self._bind(alias.name, None, node.lineno)
            else:
                scope.imports[alias.name] = alias

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._bind(node.name, None, node.lineno)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self._bind(node.name, None, node.lineno)
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._bind(node.rest, None, node.lineno)
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        start, end = self.text.span(node)
        for name in node.names:
            match = re.compile(rb"(?<=[\s,])" + name.encode() + rb"(?![^\s,;])").search(self.text.data, start, end)
            self._use(name, (), (match.span(),) if match else (), node.lineno, binds=True)
            self.found.changed.add(name)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._changes([node.target])
        self.visit(node.target)
        self._annotation(node.annotation)
        if node.value is not None:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._changes(node.targets)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._changes([node.target])
        self._touch(node.target)
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        self._changes(node.targets)
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._changes([node.target])
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            self._touch(node.value.func)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if not self.late:
            self.found.calls = True
        if isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            self._touch(node.func)
        if isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr") and node.args:
            self._touch(node.args[0])
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._use(node.id, (), (self.text.span(node),), node.lineno)
        else:
            self._bind(node.id, self.text.span(node), node.lineno)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        names, spans, here = [], [], node
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            here = inner
            names.append(here.attr)
            spans.append(self.text.span(here))
            inner = here.value
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            spans.append(self.text.span(inner))
            self._use(inner.id, tuple(reversed(names)), tuple(reversed(spans)), inner.lineno)
        else:
            self.visit(inner)

    def _changes(self, targets: Iterable[ast.expr]) -> None:
        for target in targets:
            if isinstance(target, ast.Tuple | ast.List):
                self._changes(target.elts)
            elif isinstance(target, ast.Attribute | ast.Subscript):
                self._touch(target)

    def _touch(self, node: ast.AST | None) -> None:
        """The value at the root of an expression may be changed in place."""
        while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            node = node.value
        if isinstance(node, ast.Name) and self._local(node.id) is None:
            (self.found.changed if self.late else self.found.touched).add(node.id)

    def _annotation(self, node: ast.expr | None) -> None:
        if node is None:
            return
        self.late += self.lazy
        before = self.found.calls
        self.visit(node)
        for part in strings_in(node):
            try:
                inner = ast.parse(part.value.strip(), mode="eval")
            except SyntaxError:
                continue
            for name in ast.walk(inner):
                if isinstance(name, ast.Name):
                    self.late += 1
                    self._use(name.id, (), (), part.lineno)
                    self.late -= 1
        self.found.calls = before
        self.late -= self.lazy

    def _named(self, node: Any) -> Span | None:
        """Where the name of a class or function stands in its statement."""
        start, end = self.text.span(node)
        match = re.compile(rb"(?:async\s+)?(?:class|def)\s+").match(self.text.data, start, end)
        return None if match is None else (match.end(), match.end() + len(node.name.encode()))

    def _bind(self, name: str | None, span: Span | None, line: int) -> None:
        if name is not None:
            self._use(name, (), (span,) if span else (), line, binds=True)

    def _local(self, name: str) -> Scope | None:
        """The scope inside the statement to which a name belongs; None: it is global."""
        for depth, scope in enumerate(reversed(self.scopes)):
            if depth and scope.kind == "class":
                continue
            if name in scope.globals:
                return None
            if name in scope.bound:
                return scope
        return None

    def _use(self, name: str, chain: tuple[str, ...], spans: tuple[Span, ...], line: int, binds: bool = False) -> None:
        scope = self._local(name)
        imported = scope.imports.get(name) if scope is not None and scope.kind == "function" else None
        if scope is not None and imported is None:
            return
        around = frozenset().union(*(item.bound for item in self.scopes)) if self.scopes else frozenset()
        self.found.uses.append(Use(name, chain, spans, self.late > 0, binds, around, imported, line))
