"""Resources: what one trial takes, in Ray's words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raynas.errors import ConfigError

OWN = {
    **dict.fromkeys(("num_cpus", "CPU"), "write num_cpus beside custom"),
    **dict.fromkeys(("num_gpus", "GPU"), "write num_gpus beside custom"),
    **dict.fromkeys(("memory", "object_store_memory", "bundle"), "Ray keeps that name for itself"),
}
"""Names that no further resource can have, and what to do instead."""


@dataclass(frozen=True)
class Resources:
    """What one trial takes.

    Attributes:
        num_cpus: cores; a fraction lets several trials share one.
        num_gpus: GPUs; a fraction lets several trials share one.
        custom: further resources by the name under which the cluster's nodes offer them.

    >>> Resources.parse({"num_cpus": 2}).describe()
    'num_cpus=2'
    """

    num_cpus: float = 1
    num_gpus: float = 0
    custom: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Resources:
        """Resources from a configuration; `ConfigError` where it holds anything else."""
        unknown = [key for key in values if key not in ("num_cpus", "num_gpus", "custom")]
        if unknown:
            raise ConfigError(f"resources: unknown key '{unknown[0]}': use num_cpus, num_gpus or custom")
        custom = values.get("custom") or {}
        if not isinstance(custom, Mapping):
            raise ConfigError(f"resources: custom is {custom!r}: write a mapping from name to number")
        own = next((name for name in custom if name in OWN or not isinstance(name, str) or not name), None)
        if own is not None:
            raise ConfigError(f"resources: custom names {own!r}: {OWN.get(own, 'give it a name of its own')}")
        parsed = cls(values.get("num_cpus", 1), values.get("num_gpus", 0), dict(custom))
        for name, amount in parsed.demand().items():
            if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < math.inf:
                raise ConfigError(f"resources: {name} is {amount!r}: write a number that is not negative")
            if amount > 1 and amount != int(amount) and name in ("num_cpus", "num_gpus"):
                raise ConfigError(f"resources: {name} is {amount}: above 1 it must be a whole number")
        if not any(parsed.demand().values()):
            raise ConfigError("resources: a trial that takes nothing has no place to run: set num_cpus or num_gpus")
        return parsed

    def demand(self) -> dict[str, float]:
        """Every resource by its key."""
        return {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, **self.custom}

    def fits(self, offer: Mapping[str, float]) -> int:
        """How many trials fit into an offer with the same keys."""
        return min(int((offer.get(name, 0) + 1e-9) // amount) for name, amount in self.demand().items() if amount > 0)

    @property
    def threads(self) -> int:
        """How many threads a trial may use."""
        return max(1, int(self.num_cpus))

    def describe(self) -> str:
        return ", ".join(f"{name}={amount:g}" for name, amount in self.demand().items() if amount)
