"""What a store tells of a run beside its trials."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One writer's time at a run.

    Attributes:
        number: from 1; only the newest may write.
        owner: who took it, in the writer's own words.
        started: when, in seconds since 1970 by the writer's clock.
        heartbeat: when it last committed, by the same clock.
    """

    number: int
    owner: str
    started: float
    heartbeat: float


@dataclass(frozen=True)
class Attachment:
    """Bytes that a run keeps beside its definition.

    Attributes:
        name: what they are attached as.
        data: the bytes; never unpickled here.
        digest: SHA-256 of them, in hexadecimal.
        run_id: the run that attached them.
    """

    name: str
    data: bytes
    digest: str
    run_id: str
