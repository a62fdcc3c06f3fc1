"""Reader: reads documents that have much in common, and makes only once what they share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raynas.serializer.buffers import Bytes
from raynas.serializer.decoder import Decoder
from raynas.serializer.document import content


@dataclass
class Part:
    """What a recorded call or a pickle has become.

    Attributes:
        value: it.
        numbered: the parts inside it to which others may refer, by number.
        used: the count of the last document that held it.
    """

    value: Any
    numbered: dict[int, Any] = field(default_factory=dict)
    used: int = 0


class Reader:
    """Reads the documents of one run, such as those of an evaluator with another learning rate in each.

    A recorded call or a pickle that two of them hold is made for the first one and shared: a dataset is built once in a
    process and not once for each trial.

    Args:
        attachments: of all the documents.
        trust: as for `loads`.
        before: called before a part is made; to seed random numbers, for instance, so that it comes out the same
            whichever were made before it.
        kept: for how many further documents a part is kept that they do not hold.
    """

    def __init__(
        self,
        attachments: Mapping[str, Bytes],
        trust: Sequence[str] = (),
        before: Callable[[], None] = lambda: None,
        kept: int = 8,
    ) -> None:
        self.attachments = attachments
        self.trust = trust
        self.before = before
        self.kept = kept
        self.parts: dict[str, Part] = {}
        self.count = 0
        self._last: tuple[str, Any] = ("", None)

    def __call__(self, text: str) -> Any:
        """The object that the document describes."""
        if self._last[0] == text:
            return self._last[1]
        self.count += 1
        made = _Sharing(self)(content(text))
        self.parts = {key: part for key, part in self.parts.items() if part.used >= self.count - self.kept}
        self._last = (text, made)
        return made


class _Sharing(Decoder):
    """A decoder that looks for calls and pickles among the reader's parts first."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader.attachments, reader.trust)
        self.reader = reader

    def _tagged(self, tag: str, data: dict[str, Any]) -> Any:
        if tag not in ("$call", "$attachment"):
            return super()._tagged(tag, data)
        inside, outside = _numbers(data)
        if outside - inside:  # it is made of a part that stands elsewhere
            return self._made(tag, data)
        key = json.dumps(data, sort_keys=True)
        part = self.reader.parts.get(key)
        if part is None:
            value = self._made(tag, data)
            numbered = {number: self.made[number] for number in inside if number in self.made}
            part = self.reader.parts[key] = Part(value, numbered)
        part.used = self.reader.count
        self.made.update(part.numbered)
        return part.value

    def _made(self, tag: str, data: dict[str, Any]) -> Any:
        if tag == "$attachment":
            self.reader.before()
            return self.attachment(data)
        call = self.call(data)
        self.reader.before()
        return call()


def _numbers(data: Any) -> tuple[set[int], set[int]]:
    """The numbers of the parts that `data` defines, and of those to which it refers."""
    defined: set[int] = set()
    used: set[int] = set()
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            defined.update([item["$id"]] if "$id" in item else [])
            used.update([item["$same"]] if "$same" in item else [])
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return defined, used
