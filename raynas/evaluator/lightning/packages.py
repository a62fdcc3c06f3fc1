"""Which Lightning: `pytorch_lightning` and `lightning.pytorch` export the same classes twice, and the two do not mix.

A user's module, callback or logger says by its base classes to which package it belongs; the Trainer and raynas's own
classes are then taken from that one. Nothing here imports either package before it is needed.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterable
from typing import Any

from raynas.errors import ConfigError

DEFAULT = "pytorch_lightning"
PACKAGES = (DEFAULT, "lightning.pytorch")


def package_of(cls: type) -> str | None:
    """The package whose class `cls` is or derives from; None where it derives from neither's."""
    for base in cls.__mro__:
        for package in PACKAGES:
            if base.__module__ == package or base.__module__.startswith(f"{package}."):
                return package
    return None


def common_package(objects: Iterable[object]) -> str:
    """The one package to which all of `objects` belong that belong to any; `ConfigError` where there are two."""
    found: dict[str, str] = {}
    for obj in objects:
        cls = obj if isinstance(obj, type) else type(obj)
        package = package_of(cls)
        if package is not None:
            found.setdefault(package, cls.__qualname__)
    if len(found) > 1:
        (one, first), (other, second) = found.items()
        raise ConfigError(f"{first} is made for {one} and {second} for {other}, which do not mix: import both from one")
    return next(iter(found), DEFAULT)


def exported(package: str, name: str) -> Any:
    """What `package` exports under `name`, as in `callbacks.Checkpoint`."""
    module, _, attribute = f"{package}.{name}".rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@functools.cache
def class_for(package: str, mixin: type, base: str) -> type[Any]:
    """The class that has `mixin`'s methods on top of `package`'s class `base`."""
    origin = (package, mixin, base)

    def reduce(self: Any, protocol: Any) -> tuple[Any, ...]:
        # No module holds this class under a name, so a copy or a pickle names what it was put together from.
        reduced: Any = object.__reduce_ex__(self, protocol)
        return (_empty, origin, *reduced[2:])

    cls: type[Any] = type(mixin.__name__, (mixin, exported(package, base)), {"__module__": mixin.__module__})
    cls.__reduce_ex__ = reduce  # type: ignore[assignment]  # set afterwards, because it needs `cls`
    return cls


def _empty(package: str, mixin: type, base: str) -> Any:
    return object.__new__(class_for(package, mixin, base))
