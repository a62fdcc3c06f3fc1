from __future__ import annotations

import pytest

from raynas.errors import StoreError
from raynas.store import Store


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("://", "is no database URL: write a path, or e.g. postgresql://"),
        ("postgresql://user@host:port/runs", "is no database URL"),
        ("postgresql://ann:secret@host:port/runs", r"'postgresql://ann:\*\*\*@host:port/runs' is no database URL"),
        (
            "postgresql://ann:p@secret/x@host/runs",
            r"'postgresql://ann:\*\*\*@host/runs' has more than one '@': write %40",
        ),
        ("nosuch://host/runs?password=secret", "^nosuch://host/runs: SQLAlchemy knows no database"),
        ("nosuch://ann:secret@host/runs", r"nosuch://ann:\*\*\*@host/runs: SQLAlchemy knows no database 'nosuch'"),
        ("oracle+oracledb://ann:secret@host/runs", r"oracle.*\*\*\*@host/runs: its driver is missing: pip install "),
    ],
)
def test_a_url_that_cannot_be_used(url: str, match: str) -> None:
    for way in (lambda: Store.create(url, {}, "digits"), lambda: Store.open(url)):
        with pytest.raises(StoreError, match=match) as caught:
            way()
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
