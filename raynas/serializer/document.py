"""Documents: what `dumps` writes and `loads` reads, and the choices that stand in them."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raynas.errors import SerializationError, notice
from raynas.search_space.domain import Value, exact
from raynas.search_space.expression import FUNCTIONS, Expression, Leaf
from raynas.serializer.buffers import Bytes
from raynas.serializer.call import Call, call_of
from raynas.serializer.decoder import Decoder
from raynas.serializer.encoder import Encoder
from raynas.serializer.names import imported, parameter
from raynas.serializer.repeats import repeated

SCHEMA = 1

HEAVY = 1 << 20
"""So many bytes may stand in a document, or in a pickle beside it, before a notice says what to do instead."""


def dumps(obj: Any, attachments: dict[str, Any] | None = None, by_value: Sequence[str] = ("__main__",)) -> str:
    """`obj` as a JSON document: the calls that made it, recursively, and plain values.

    Args:
        obj: an object with a recorded call, or a value.
        attachments: takes the bytes of large arrays and tensors, which share their memory, and, as pickles, what has
            neither a recorded call nor a form in JSON; None: arrays stand in the document, and the rest is refused.
        by_value: modules that cannot be imported elsewhere, whose classes and functions are pickled, too.

    Raises:
        SerializationError: names the path inside the object, the type and the cure.
    """
    try:
        encoder = Encoder(attachments, by_value, repeated(obj))
        data = encoder(obj)
        text = json.dumps({"schema": SCHEMA, "value": data}, indent=1, ensure_ascii=False)
    except RecursionError:
        raise SerializationError(
            f"a {type(obj).__name__} is nested too deeply to be written down: make it where it is used, "
            "with raynas.serialize(function_that_makes_it)"
        ) from None
    for told in encoder.notices:
        notice(told)
    if len(text) > HEAVY and attachments is not None:
        path, size = _heaviest(data)
        notice(
            f"{path or type(obj).__name__} takes {size:,} bytes of JSON, which every trial carries along: give it as "
            "one array or tensor, or as a recipe, raynas.serialize(function_that_makes_it)"
        )
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which no file holds
        return json.dumps(json.loads(text), indent=1)
    return text


def _heaviest(data: Any, path: str = "") -> tuple[str, int]:
    """The innermost part of a document that makes up most of it, and its size."""
    size = len(json.dumps(data, ensure_ascii=False))
    inner: list[tuple[str, Any]] = []
    if isinstance(data, dict):
        for key, item in data.items():
            names = item if key == "kwargs" and isinstance(item, dict) else {key: item}
            inner += [
                (path if name.startswith("$") or name == "args" else f"{path}.{name}", i) for name, i in names.items()
            ]
    for where, item in inner:
        found = _heaviest(item, where) if isinstance(item, dict | list) else (where, len(json.dumps(item)))
        if found[1] > size / 2:
            return found
    return path.lstrip("."), size


def loads(text: str, attachments: Mapping[str, Bytes] | None = None, trust: Sequence[str] = ()) -> Any:
    """The object that `dumps` wrote, made anew.

    Only classes that this process has recorded, torch's and raynas's own, and those of modules in `trust` are called;
    anything else is refused before anything is imported.

    Args:
        text: the document.
        attachments: what belongs to it. Unpickling runs code: pass only what you wrote yourself. Large arrays and
            tensors share their memory and must not be written to.
        trust: further modules whose classes and functions the document may name.
    """
    return Decoder(attachments, trust)(content(text))


def content(text: str) -> Any:
    """The data of a document; `SerializationError` where it is none."""
    try:
        document = json.loads(text)
        schema, value = document["schema"], document["value"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SerializationError(f"the text is not a document of raynas.dumps ({error!r})") from None
    if schema != SCHEMA:
        raise SerializationError(f"the document has schema {schema}, this version reads {SCHEMA}: upgrade raynas")
    return value


def trusted_modules(text: str) -> list[str]:
    """The modules that a document of one's own making names: the `trust` to read it with elsewhere."""
    names: set[str] = set()
    for node in _nodes(content(text)):
        names.update(node[key] for key in ("$call", "$name", "$dataclass") if isinstance(node.get(key), str))
        if "$enum" in node:
            names.add(node["$enum"][0])
    return sorted(names)


def pickled_names(text: str) -> list[str]:
    """The names of the classes and functions that a document carries by value."""
    return sorted({node["of"] for node in _nodes(content(text)) if "$attachment" in node and "of" in node})


def _nodes(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
        for item in data.values():
            yield from _nodes(item)
    elif isinstance(data, list):
        for item in data:
            yield from _nodes(item)


def named_arguments(call: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded call in a document, with its positional arguments under the names that they have there.

    As it is, where these names are not known.
    """
    given, named = call.get("args") or [], call.get("kwargs") or {}
    try:
        parameters = inspect.signature(imported(call["$call"])).parameters.values()
    except (SerializationError, ImportError, TypeError, ValueError):
        return dict(call)
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    if len(given) > len(names) or not named.keys().isdisjoint(names[: len(given)]):
        return dict(call)
    rest = {key: value for key, value in call.items() if key not in ("args", "kwargs")}
    return {**rest, "kwargs": {**dict(zip(names, given, strict=False)), **named}}


def choices(obj: Any) -> list[Leaf]:
    """The choices among the arguments of `obj`'s recorded call, at any depth, each once, in order."""
    found: dict[int, Leaf] = {}
    for leaf, _ in _leaves(obj, "", set()):
        found.setdefault(id(leaf), leaf)
    return list(found.values())


def name_choices(obj: Any) -> None:
    """Label every unlabelled choice among `obj`'s arguments after where it stands, as in `trainer.max_epochs`."""
    taken = {leaf.label for leaf, _ in _leaves(obj, "", set())}
    for leaf, path in _leaves(obj, "", set()):
        if leaf.label is None:
            label, copy = path, 2
            while label in taken:
                label, copy = f"{path}_{copy}", copy + 1
            leaf.label = label
            taken.add(label)


def _leaves(value: Any, path: str, seen: set[int]) -> Iterator[tuple[Leaf, str]]:
    if isinstance(value, Expression):
        for leaf in value.leaves():
            yield leaf, path
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}".lstrip("."), seen)
    elif isinstance(value, list | tuple | set | frozenset):
        for position, item in enumerate(value):
            yield from _leaves(item, f"{path}.{position}".lstrip("."), seen)
    else:
        call = value if isinstance(value, Call) else call_of(value) if not isinstance(value, type) else None
        if id(value) in seen:
            return
        seen.add(id(value))
        if call is None:
            if dataclasses.is_dataclass(value) and not isinstance(value, type):
                yield from _leaves(dict(vars(value)) if hasattr(value, "__dict__") else {}, path, seen)
            return
        for position, item in enumerate(call.args):
            yield from _leaves(item, f"{path}.{parameter(call.target, position)}".lstrip("."), seen)
        for key, item in call.kwargs.items():
            yield from _leaves(item, f"{path}.{key}".lstrip("."), seen)


def resolve(text: str, sample: Mapping[str, Value]) -> str:
    """The document with every choice in it made as `sample` says."""
    data = content(text)
    numbered = {node["$id"]: node for node in _nodes(data) if "$id" in node}
    written: set[int] = set()

    def made(data: Any) -> Any:
        if isinstance(data, list):
            return [made(item) for item in data]
        if not isinstance(data, dict):
            return data
        if "$choice" in data:
            return made(_chosen(data, sample))
        if "$expression" in data:
            decode = Decoder()
            return Encoder()(FUNCTIONS[data["$expression"]](*(decode(made(arg)) for arg in data["args"])))
        number = data.get("$same", data.get("$id"))
        if number is not None:
            if number in written:
                return {"$same": number}
            written.add(number)
            data = numbered[number]  # it may have stood in a candidate that was not chosen
        return {key: made(item) for key, item in data.items()}

    return json.dumps({"schema": SCHEMA, "value": made(data)}, ensure_ascii=False)


def _chosen(data: dict[str, Any], sample: Mapping[str, Value]) -> Any:
    leaf = Decoder()({**data, "candidates": data["tokens"]} if "tokens" in data else data)
    value = leaf.evaluate(sample)
    if "domain" in data:
        return value
    return next(
        candidate
        for token, candidate in zip(leaf.tokens, data["candidates"], strict=True)
        if exact(token) == exact(value)
    )
