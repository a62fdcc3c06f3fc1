"""Stars: `*x.shape[:-1]` in a call or a tuple that stands for a size.

How many pieces there are, only the run knows. So one `Spread` stands for all of them, and where they end up in a call
that takes a size, the size is put together by addition: `x.view(*x.shape[:-1], 2, 4)` becomes
`x.view(x.shape[:-1] + (2, 4))`. Whatever else could be asked of a list or tuple with a `Spread` in it, such as its
length, would be answered wrongly: only where the code shows that nothing else is, it is followed.
"""

from __future__ import annotations

import ast
import linecache
import operator
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

from torch import fx

from raynas.pytorch import nones
from raynas.pytorch.proxy import SPREADS, Traced, Untraceable, is_inside, operation

SPREADING = frozenset({"view", "reshape", "expand", "repeat", "tile", "new_zeros", "new_ones", "new_empty"})
"""Methods that take a size as one argument or as several."""

MAKING = frozenset({"zeros", "ones", "empty", "rand", "randn"})
"""Functions of torch that do."""

TAKING = SPREADING | MAKING | {"full", "new_full", "broadcast_to", "unflatten"}
"""Those and others that take a size as one argument."""

Place = tuple[int, int]
"""Line and column, in UTF-8 bytes, behind an expression."""

WHY = "loops over a tensor, or unpacks it with *"


class Spread(Traced):
    """Stands for all pieces of a size, in a list or tuple.

    Args:
        size: the size.
        code: the function that spreads it.
        calls: the calls in that function that may take it.
    """

    def __init__(self, size: Traced, code: CodeType, calls: frozenset[Place]) -> None:
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "tracer", size.tracer)
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "calls", calls)
        object.__setattr__(self, "taken", not calls)

    @property
    def node(self) -> Any:  # type: ignore[override]  # it has none: it is no value
        raise Untraceable(WHY)

    def take(self) -> Any:
        """The size, for a call that is about to be noted; `Untraceable` where that is not one of those foreseen."""
        frame = users_frame()
        if frame is None or frame.f_code is not self.code or _place(frame)[1] not in self.calls:
            raise Untraceable(WHY)
        object.__setattr__(self, "taken", True)
        return self.size


class Spreads:
    """The spreads of the forwards that are being traced."""

    def __init__(self) -> None:
        self._made: list[Spread] = []

    def __len__(self) -> int:
        return len(self._made)

    def of(self, size: Any) -> Iterator[Any]:
        """What a loop over a size gives, where a user's code spreads it; `Untraceable` where it does anything else."""
        frame = users_frame()
        found = spreading(frame) if frame is not None and is_size(size.node) else None
        if frame is None or found is None:
            raise Untraceable(WHY)
        if found.known is not None:
            return (size[position] for position in range(found.known))
        if size.node.target is operator.mul:  # a list can only be added to another, a size is a tuple
            parts = [tuple(arg) if isinstance(arg, list | tuple) else size.tracer.proxy(arg) for arg in size.node.args]
            size = size.tracer.create_proxy("call_function", operator.mul, tuple(parts), {})
        whole = size if found.before is None else size[found.before : -found.after or None]
        spread = Spread(whole, frame.f_code, found.calls)
        self._made.append(spread)
        first = (size[position] for position in range(found.before or 0))
        last = (size[position] for position in range(-found.after, 0))
        return iter([*first, spread, *last])

    def close(self, before: int) -> None:
        """End a forward: each spread behind the first so many was taken by a call."""
        made = self._made[before:]
        del self._made[before:]
        if not all(spread.taken for spread in made):
            raise Untraceable(WHY)


def gathered(kind: str, target: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a call with spreads among them: as one size."""
    if not any(type(arg) is Spread for arg in args):
        return args
    name = target if isinstance(target, str) else getattr(target, "__name__", "")
    if kind == "call_method" and name in SPREADING:
        return args[0], args[1:]
    if kind == "call_function" and name in MAKING:
        return (args,)
    raise Untraceable(WHY)


def summed(items: Any) -> Any:
    """A list or tuple with spreads in it, as a sum of sizes."""
    parts: list[Any] = []
    for item in items:
        if type(item) is Spread:
            parts.append(item.take())
        elif parts and isinstance(parts[-1], tuple):
            parts[-1] = (*parts[-1], item)
        else:
            parts.append((item,))
    total = parts[0]
    for part in parts[1:]:
        tracer = next(value.tracer for value in (total, part) if not isinstance(value, tuple))
        total = tracer.create_proxy("call_function", operator.add, (total, part), {})
    return total


def is_size(node: Any) -> bool:
    """Whether a node gives a tensor's size, or a part of one."""
    node = nones.origin_of(node)
    if node.op == "call_method":
        return bool(node.target == "size") and len(node.args) == 1 and not node.kwargs
    if node.op != "call_function":
        return False
    if node.target is getattr:
        return bool(node.args[1] == "shape")
    if node.target is tuple:
        return True
    if node.target is operator.mul:  # `(1,) * (x.dim() - 1)`
        return any(isinstance(arg, tuple | list) for arg in node.args)
    sizes = [arg for arg in node.args if isinstance(arg, fx.Node) and is_size(arg)]
    if node.target is operator.getitem:
        return bool(sizes) and isinstance(node.args[1], slice)
    return node.target is operator.add and bool(sizes) and all(arg in sizes or type(arg) is tuple for arg in node.args)


def users_frame() -> FrameType | None:
    """The innermost frame of a user's code."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_inside(frame):
        frame = frame.f_back
    return frame


def _place(frame: FrameType) -> tuple[Place, Place]:
    """Where the expression begins and ends that a frame is about to compute."""
    first, last, start, end = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    return (first or 0, start or 0), (last or 0, end or 0)


class Spreading(NamedTuple):
    """How a user's code spreads a size.

    Attributes:
        calls: the ends of the calls that take it.
        before: how many pieces are taken from its front by themselves; None: there is no other name, all are spread.
        after: how many from its end.
        known: how many pieces there are, where the code says so.
    """

    calls: frozenset[Place] = frozenset()
    before: int | None = None
    after: int = 0
    known: int | None = None


def spreading(frame: FrameType) -> Spreading | None:
    """How the code at which a frame stands spreads a size; None where it does something else."""
    if operation(frame) not in (*SPREADS, "UNPACK_EX"):
        return None
    lines = "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))
    return _tree(lines).spreading(*_place(frame)) if lines else None


@lru_cache(maxsize=64)
def _tree(source: str) -> _Tree:
    return _Tree(source)


class _Tree:
    """A file of source, by its stars."""

    def __init__(self, source: str) -> None:
        self.above: dict[ast.AST, ast.AST] = {}
        self.stars: list[ast.expr] = []
        try:
            tree = ast.parse(source)
        except SyntaxError:
            return
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.above[child] = node
            if isinstance(node, ast.Starred) and isinstance(self.above[node], ast.Call | ast.Tuple | ast.List):
                self.stars.append(self.above[node])  # type: ignore[arg-type]  # one of these

    def spreading(self, start: Place, end: Place) -> Spreading | None:
        """How the expression at a place spreads what it is given; None where it does not, or more is done with it."""
        around = [node for node in self.stars if _start(node) <= start and end <= _end(node)]
        if not around:
            return None
        node = max(around, key=_start)
        if isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Store):
            return self._unpacked(node)
        stars = [item for item in self._items(node) if isinstance(item, ast.Starred)]
        count = self._counted(node, len(stars))
        if count is not None:
            return Spreading(known=count)
        if any(isinstance(inner, ast.Starred) for star in stars for inner in ast.walk(star.value)):
            return None
        calls = self._spread_in(node)
        return None if calls is None else Spreading(calls)

    def _items(self, node: ast.expr) -> list[ast.expr]:
        return node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple | ast.List) else []

    def _counted(self, node: ast.expr, stars: int) -> int | None:
        """How many pieces `a, b, c = *x.shape, 2` takes of the size."""
        above = self.above[node]
        if stars != 1 or not isinstance(node, ast.Tuple) or not isinstance(above, ast.Assign) or len(above.targets) > 1:
            return None
        target = above.targets[0]
        if not isinstance(target, ast.Tuple | ast.List) or any(isinstance(item, ast.Starred) for item in target.elts):
            return None
        return max(len(target.elts) - len(node.elts) + 1, 0)

    def _unpacked(self, node: ast.Tuple | ast.List) -> Spreading | None:
        """`a, *rest, b = x.shape`."""
        position = next(i for i, item in enumerate(node.elts) if isinstance(item, ast.Starred))
        star: Any = node.elts[position]
        calls = self._of_name(star.value)
        if calls is None or not isinstance(self.above[node], ast.Assign):
            return None
        return Spreading(calls, position, len(node.elts) - position - 1)

    def _spread_in(self, node: ast.expr) -> frozenset[Place] | None:
        """The calls that take what is spread into a call, tuple or list; None where more may be done with it."""
        if isinstance(node, ast.Call):
            return frozenset({_end(node)}) if _called(node) in SPREADING | MAKING else None
        return self._used(node)

    def _used(self, value: ast.expr) -> frozenset[Place] | None:
        """The calls that take a list or tuple into which something was spread."""
        above = self.above[value]
        if isinstance(above, ast.keyword):
            above = self.above[above]
        if isinstance(above, ast.Call):
            return frozenset({_end(above)}) if value is not above.func and _called(above) in TAKING else None
        if isinstance(above, ast.Starred):
            outer: Any = self.above[above]
            return self._spread_in(outer)
        if isinstance(above, ast.Assign) and len(above.targets) == 1:
            return self._of_name(above.targets[0])
        return None

    def _of_name(self, name: ast.expr) -> frozenset[Place] | None:
        """The calls that take what a local variable holds."""
        function = self._function(name)
        if not isinstance(name, ast.Name) or not isinstance(function, ast.FunctionDef):
            return None
        found: frozenset[Place] = frozenset()
        for node in ast.walk(function):
            if not isinstance(node, ast.Name) or node.id != name.id:
                continue
            if self._function(node) is not function or isinstance(self.above[node], ast.AugAssign):
                return None
            calls = self._used(node) if isinstance(node.ctx, ast.Load) else frozenset()
            if calls is None:
                return None
            found |= calls
        return found

    def _function(self, node: ast.AST) -> ast.AST | None:
        """The function or comprehension around."""
        while node in self.above:
            node = self.above[node]
            if isinstance(node, SCOPES):
                return node
        return None


SCOPES = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef),
    *(ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp),
)


def _called(call: ast.Call) -> str:
    """The name of the method, or function of a module, that is called; empty for one of the module's own."""
    function = call.func
    if not isinstance(function, ast.Attribute):
        return ""
    return "" if isinstance(function.value, ast.Name) and function.value.id in ("self", "cls") else function.attr


def _start(node: ast.expr) -> Place:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> Place:
    return node.end_lineno or 0, node.end_col_offset or 0
