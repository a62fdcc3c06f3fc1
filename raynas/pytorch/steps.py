"""Steps: a function's bytecode as far as reading needs it, and what its comparisons with `is` ask."""

from __future__ import annotations

import builtins
import dis
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from raynas.pytorch.proxy import TORCH

HERE = str(Path(__file__).parent)
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
LOCALS = ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW")
OUTSIDE = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF")
NOTHING = ("PUSH_NULL", "PRECALL", "RESUME", "CACHE", "NOP", "COPY_FREE_VARS", "TO_BOOL", "NOT_TAKEN")
NONE_JUMPS = ("POP_JUMP_IF_NONE", "POP_JUMP_IF_NOT_NONE")
JUMPS = frozenset({*dis.hasjrel, *dis.hasjabs})
ENDS = ("RETURN_VALUE", "RETURN_CONST", "YIELD_VALUE", "RERAISE", "BEFORE_WITH")
ABSENT = object()


@dataclass(frozen=True)
class Step:
    """One instruction: its name, what it is about, its line, and whether what it loads is called next."""

    op: str
    value: Any
    line: int
    called: bool = False


@lru_cache(maxsize=4096)
def steps_of(code: types.CodeType) -> list[Step]:
    """The instructions of a function; those that load two variables at once as two."""
    found: list[Step] = []
    line = code.co_firstlineno
    for item in dis.get_instructions(code):
        line = (item.positions.lineno if item.positions is not None else None) or line
        if item.opname in NOTHING:
            continue
        op = item.opname.replace("_FORWARD_", "_").replace("_BACKWARD_", "_")
        if op == "BINARY_OP" and item.argrepr == "[]":
            op = "BINARY_SUBSCR"
        if op in ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"):
            found += [Step("LOAD_FAST", name, line) for name in item.argval]
        elif op in ("STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST"):
            first, second = item.argval
            found += [Step("STORE_FAST", first, line), Step(op[11:], second, line)]
        else:
            called = op == "LOAD_GLOBAL" and "NULL" in item.argrepr
            found.append(Step("LOAD_FAST" if op in LOCALS else op, item.argval, line, called))
    return found


def demanded(frame: types.FrameType | None) -> tuple[bool, str] | None:
    """What the truth value must be for which a user's code asks, lest it raises; and what it says then.

    None where it does not raise for either, as `assert` and `if …: raise …` do.
    """
    while frame is not None and frame.f_code.co_filename.startswith((TORCH, HERE)):
        frame = frame.f_back
    return None if frame is None else _demand(frame.f_code, frame.f_lasti)


@lru_cache(maxsize=4096)
def _demand(code: types.CodeType, offset: int) -> tuple[bool, str] | None:
    steps = [item for item in dis.get_instructions(code) if item.opname not in NOTHING]
    here = next((i for i, item in enumerate(steps) if item.offset >= offset), None)
    if here is None or not steps[here].opname.endswith(("IF_TRUE", "IF_FALSE")):
        return None
    jumps_for = steps[here].opname.endswith("IF_TRUE")
    target = next((i for i, item in enumerate(steps) if item.offset >= steps[here].argval), len(steps))
    for truth, position in ((jumps_for, target), (not jumps_for, here + 1)):
        text = _raises(steps, position)
        if text is not None:
            return not truth, text
    return None


def _raises(steps: list[dis.Instruction], start: int, passed: frozenset[int] = frozenset()) -> str | None:
    """The text of the exception that is raised from a position on whatever happens; None where it may go on."""
    for position in range(start, len(steps)):
        item = steps[position]
        if item.opname == "RAISE_VARARGS":
            text, call = steps[max(position - 2, start)], steps[position - 1]
            is_fixed = text.opname == "LOAD_CONST" and isinstance(text.argval, str)
            return text.argval if is_fixed and call.opname.startswith("CALL") else ""
        if item.opname in ENDS or position in passed:
            return None
        if item.opcode in JUMPS:
            passed = passed | {position}
            target = next((i for i, other in enumerate(steps) if other.offset >= item.argval), len(steps))
            there = _raises(steps, target, passed)
            then = there if item.opname.startswith("JUMP") else _raises(steps, position + 1, passed)
            return None if there is None or then is None else there if there == then else ""
    return None


def chain_end(
    steps: list[Step], position: int, names: Mapping[str, Any], cells: Mapping[str, types.CellType]
) -> tuple[Any, Callable[[], Any]]:
    """What `name.name.name` at a position gives, as far as modules and classes lead; and a function that asks again."""
    word = steps[position].value
    cell = cells.get(word) if steps[position].op not in ("LOAD_GLOBAL", "LOAD_NAME") else None
    if cell is not None:

        def get() -> Any:
            try:
                return cell.cell_contents
            except ValueError:
                return None
    else:

        def get() -> Any:
            return names.get(word, getattr(builtins, str(word), None))

    found = get()
    for step in steps[position + 1 :]:
        if step.op not in ATTRIBUTES or not isinstance(found, types.ModuleType | type):
            break
        inner = inspect.getattr_static(found, step.value, ABSENT)
        if inner is ABSENT and isinstance(found, types.ModuleType):
            inner = getattr(found, step.value, ABSENT)  # of a module that loads its parts late
        if inner is ABSENT:
            break
        if isinstance(found, type) and not isinstance(inner, staticmethod | classmethod | types.FunctionType | type):
            return found, get  # a value that a class holds
        found, get = inner, _fixed(inner)
    return found, get


def is_passed(steps: list[Step], position: int) -> bool:
    """Whether a call takes what is loaded at a position as its last argument, or in a tuple that is: `(int, float)`."""
    while steps[position + 1].op == "LOAD_GLOBAL":
        position += 1
    after = steps[position + 1 : position + 3]
    if after[0].op == "BUILD_TUPLE":
        after = after[1:]
    return after[0].op.startswith(("CALL", "KW_NAMES"))


def is_tested(steps: list[Step], position: int) -> bool:
    """Whether a class is loaded at a position only for `isinstance(x, cls)`, and not to make an object of it."""
    if not is_passed(steps, position) or steps[position + 1] == Step("CALL", 0, steps[position + 1].line):
        return False
    for step in reversed(steps[:position]):
        if step.op in OUTSIDE and step.value in ("isinstance", "issubclass"):
            return True
        if step.op.startswith(("CALL", "STORE", "POP")):
            return False
    return False


def _fixed(value: Any) -> Callable[[], Any]:
    return lambda: value


def _operand(steps: list[Step], end: int) -> tuple[int, Step, list[str]]:
    """The expression that ends before a position: where it begins, its first step, and the attributes read of that."""
    words: list[str] = []
    position = end - 1
    while position > 0 and steps[position].op in ATTRIBUTES:
        words.append(steps[position].value)
        position -= 1
    return position, steps[position], words[::-1]


def compares(code: types.CodeType, steps: list[Step], position: int, is_method: bool) -> bool:
    """Whether an `is` may compare values that only the run knows."""
    start, right, right_words = _operand(steps, position)
    _, left, left_words = _operand(steps, start)
    sides = [(left, left_words), (right, right_words)]
    if any(step.op == "LOAD_CONST" and step.value in (None, ...) for step, _ in sides):
        return False
    if any(str(step.value).endswith("HAS_DEFAULT_FACTORY") for step, _ in sides):
        return False  # how a dataclass finds out that a field was not passed
    return not all(_is_fixed(code, step, words, is_method) for step, words in sides)


def _is_fixed(code: types.CodeType, step: Step, words: list[str], is_method: bool) -> bool:
    """Whether an expression is a constant, something global, or a plain attribute of the module itself."""
    if step.op == "LOAD_CONST" or step.op in OUTSIDE:
        return True
    return is_self(code, step, is_method) and len(words) == 1 and words[0] != "training"


def is_self(code: types.CodeType, step: Step, is_method: bool) -> bool:
    """Whether a step loads the object whose method the code is."""
    return is_method and step.op == "LOAD_FAST" and bool(code.co_argcount) and step.value == code.co_varnames[0]


def none_tests(code: types.CodeType, steps: list[Step], is_method: bool) -> tuple[frozenset[str], frozenset[str]]:
    """The parameters that are compared with None, and what else is: a `call`, an `item`, an `attribute`."""
    count = code.co_argcount + code.co_kwonlyargcount
    parameters = set(code.co_varnames[:count])
    asked: set[str] = set()
    kinds: set[str] = set()

    def note(position: int, seen: frozenset[str] = frozenset()) -> None:
        step = steps[position]
        if step.op in ("COPY", "SWAP") and position:
            note(position - 1, seen)
        elif step.op == "LOAD_FAST":
            name = step.value
            if name in parameters:
                asked.add(name)
            for at, other in enumerate(steps):
                if other.op == "STORE_FAST" and other.value == name and name not in seen:
                    note(at - 1, seen | {name})
        elif step.op == "STORE_FAST":
            kinds.add("item")  # one of several that were unpacked
        elif step.op in ATTRIBUTES:
            _, first, words = _operand(steps, position + 1)
            if not (is_self(code, first, is_method) and len(words) == 1) and first.op not in OUTSIDE:
                kinds.add("attribute")
        elif step.op in ("UNPACK_SEQUENCE", "UNPACK_EX", "BINARY_SUBSCR", "FOR_ITER", "BINARY_SLICE"):
            kinds.add("item")
        elif step.op.startswith("CALL"):
            kinds.add("call")

    for position, step in enumerate(steps):
        if not position:
            continue
        by_jump = step.op in NONE_JUMPS
        by_value = step.op == "IS_OP" and steps[position - 1] == Step("LOAD_CONST", None, steps[position - 1].line)
        if by_jump or by_value:
            note(position - (1 if by_jump else 2))
    return frozenset(asked), frozenset(kinds)
