"""Documents: what `dumps` writes and `loads` reads, and the choices that stand in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from raynas.errors import SerializationError
from raynas.search_space.domain import Value, exact
from raynas.search_space.expression import FUNCTIONS, Expression, Leaf
from raynas.serializer.call import Call, call_of
from raynas.serializer.values import Decoder, Encoder, parameter

SCHEMA = 1


def dumps(obj: Any, attachments: dict[str, bytes] | None = None) -> str:
    """`obj` as a JSON document: the calls that made it, recursively, and plain values.

    Args:
        obj: an object with a recorded call, or a value.
        attachments: takes, as pickles, what has neither a recorded call nor a form in JSON; None: such is refused.

    Raises:
        SerializationError: names the path inside the object, the type and the cure.
    """
    return json.dumps({"schema": SCHEMA, "value": Encoder(attachments)(obj)}, indent=1, ensure_ascii=False)


def loads(text: str, attachments: Mapping[str, bytes] | None = None, trust: Sequence[str] = ()) -> Any:
    """The object that `dumps` wrote, made anew.

    Only classes that this process has recorded, torch's and raynas's own, and those of modules in `trust` are called;
    anything else is refused before anything is imported.

    Args:
        text: the document.
        attachments: the pickles that belong to it. Unpickling runs code: pass only what you wrote yourself.
        trust: further modules whose classes and functions the document may name.
    """
    return Decoder(attachments, trust)(_value(text))


def _value(text: str) -> Any:
    try:
        document = json.loads(text)
        schema, value = document["schema"], document["value"]
    except (ValueError, KeyError, TypeError) as error:
        raise SerializationError(f"the text is not a document of raynas.dumps ({error!r})") from None
    if schema != SCHEMA:
        raise SerializationError(f"the document has schema {schema}, this version reads {SCHEMA}: upgrade raynas")
    return value


def trusted_modules(text: str) -> list[str]:
    """The modules that a document of one's own making names: the `trust` to read it with elsewhere."""
    names: set[str] = set()
    for node in _nodes(_value(text)):
        for key in ("$call", "$name"):
            if isinstance(node.get(key), str):
                names.add(node[key])
        if "$enum" in node:
            names.add(node["$enum"][0])
    return sorted(names)


def _nodes(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
        for item in data.values():
            yield from _nodes(item)
    elif isinstance(data, list):
        for item in data:
            yield from _nodes(item)


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
        if call is None or id(value) in seen:
            return
        seen.add(id(value))
        for position, item in enumerate(call.args):
            yield from _leaves(item, f"{path}.{parameter(call.target, position)}".lstrip("."), seen)
        for key, item in call.kwargs.items():
            yield from _leaves(item, f"{path}.{key}".lstrip("."), seen)


def resolve(text: str, sample: Mapping[str, Value]) -> str:
    """The document with every choice in it made as `sample` says."""

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
        return {key: made(item) for key, item in data.items()}

    return json.dumps({"schema": SCHEMA, "value": made(_value(text))}, ensure_ascii=False)


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
