"""ModelSpace: an ordinary module with choices in it."""

from __future__ import annotations

import functools
from typing import Any

from torch import nn

from raynas.nn.misuse import refuse
from raynas.nn.recording import recording
from raynas.nn.running import at_defaults, is_traced
from raynas.serializer import call_of, record


class ModelSpace(nn.Module):
    """The base class of a model with choices in it.

    Write it as any other module: choices stand where values and layers stand. Built and called outside a search, it
    runs with every choice at its first candidate.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What `forward` returns, every choice at its default."""
        if is_traced():
            return super().__call__(*args, **kwargs)
        with at_defaults(self):
            return super().__call__(*args, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" not in cls.__dict__:
            return
        original = cls.__init__

        @functools.wraps(original)
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            if call_of(self) is None:
                record(self, type(self), args, kwargs)
            with recording() as tape:
                try:
                    original(self, *args, **kwargs)
                except (KeyError, TypeError) as error:
                    refuse(error, tape.choices)
                    raise

        cls.__init__ = __init__  # type: ignore[method-assign]  # the constructor is what has to be recorded
