"""load_module: from generated source to a module with fresh weights."""

from __future__ import annotations

import linecache

from torch import nn

from raynas.errors import SourceError

ENTRY = "Model"


def load_module(source: str) -> nn.Module:
    """The module that generated source describes, with fresh weights.

    Running source is running code: load only what `to_source` made, or what you have read.

    Args:
        source: Python text that defines the class `Model`.

    Raises:
        SourceError: the text is not Python, does not define `Model`, or its constructor fails.
    """
    filename = f"<generated {abs(hash(source)):x}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, object] = {"__name__": "raynas_generated"}
    try:
        exec(compile(source, filename, "exec"), namespace)
    except Exception as error:
        raise SourceError(f"the source cannot be run: {type(error).__name__}: {error}") from error
    cls = namespace.get(ENTRY)
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise SourceError(f"the source defines no module class '{ENTRY}': was it made by to_source?")
    try:
        made = cls()
    except Exception as error:
        raise SourceError(f"the source's {ENTRY} cannot be built: {type(error).__name__}: {error}") from error
    return made
