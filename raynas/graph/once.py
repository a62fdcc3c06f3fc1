"""once: an attribute that is computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class once(Generic[T]):  # a decorator, like property
    """`functools.cached_property` without the lock that it takes before Python 3.12, which costs more than the rest."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute = compute
        self.name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type) -> T:
        value = self.compute(instance)
        object.__setattr__(instance, self.name, value)  # also where the class is frozen
        return value
