"""Aftermath: what can still be found out of a task that ended otherwise than by its return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ray import exceptions

from raynas.engine.ray_engine import journal
from raynas.engine.ray_engine.afar import is_gone, some_is_gone
from raynas.engine.ray_engine.words import last_words, node_of
from raynas.trial import Event, Started


@dataclass(frozen=True)
class Aftermath:
    """What is known of such a task.

    Attributes:
        error: how it ended.
        events: what its journal tells; None where there is none.
        said: the last lines of the job that it was doing.
    """

    error: BaseException | None = None
    events: Sequence[Event] | None = ()
    said: str = ""


def found(error: BaseException, task: str, worker: str, ended: bool) -> Aftermath:
    """Look for what is left of a task; that may take some seconds.

    Args:
        error: how it ended, in Ray's words.
        task: its name.
        worker: who did it; empty where that is not known.
        ended: whether the engine itself has ended it by force.
    """
    if ended and not worker:  # most likely it had not begun
        return Aftermath(error)
    events = journal.told([task], node_of(worker), last=True).get(task)
    begun = next((event for event in reversed(events or ()) if isinstance(event, Started)), None)
    if begun is not None:
        worker = begun.worker
    lost = is_gone(node_of(worker)) if worker else events is None and some_is_gone()
    if isinstance(error, exceptions.WorkerCrashedError) and lost:
        error = exceptions.NodeDiedError(str(error))  # type: ignore[no-untyped-call]  # Ray's own
    said = last_words(begun.worker, begun.trial, begun.attempt) if begun is not None and not ended else ""
    return Aftermath(error, events, said)
