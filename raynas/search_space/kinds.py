"""The kinds of domains, by the names under which they are written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from raynas.errors import SpaceError
from raynas.search_space.domain import Categorical, Domain
from raynas.search_space.numeric import IntUniform, Uniform
from raynas.search_space.sample import plain
from raynas.search_space.wiring import Wiring

KINDS: Mapping[str, Callable[..., Domain]] = {
    "categorical": Categorical,
    "uniform": Uniform,
    "int_uniform": IntUniform,
    "wiring": Wiring,
}


def domain_from_json(record: Mapping[str, Any]) -> Domain:
    """The domain that `Domain.to_json` wrote, without conditions."""
    kind = KINDS.get(record["kind"])
    if kind is None:
        raise SpaceError(
            f"choice '{record['label']}' is of kind '{record['kind']}', which this version does not know: "
            "read it with the version that wrote it, or a newer one"
        )
    fields = {name: plain(value) for name, value in record.items() if name not in ("kind", "when")}
    return kind(**fields)
