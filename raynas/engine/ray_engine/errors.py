"""Errors: what Ray's own say of a job."""

from __future__ import annotations

from ray import exceptions

from raynas.engine.engine import Job
from raynas.engine.worker import one_line
from raynas.trial import Cause, Failed

CAUSES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Cause, str], ...] = (
    (exceptions.OutOfMemoryError, Cause.OUT_OF_MEMORY, "its node ran out of memory, and its worker was ended"),
    ((exceptions.NodeDiedError, exceptions.LocalRayletDiedError), Cause.NODE_LOST, "its node is gone"),
    (exceptions.WorkerCrashedError, Cause.WORKER_DIED, "its worker process died"),
    (exceptions.TaskCancelledError, Cause.CANCELLED, "its task was cancelled"),
    (exceptions.ObjectLostError, Cause.NODE_LOST, "its result was lost with the node that held it"),
)


def failed(job: Job, error: BaseException, now: float, said: str = "") -> Failed:
    """The end of the job that a task was doing when it ended with this error, and had said this at last."""
    detail = f"{str(error).rstrip()}\n\nIts last output:\n{said}\n" if said else str(error)
    for kind, cause, message in CAUSES:
        if isinstance(error, kind):
            return Failed(job.trial, now, job.attempt, cause, message, detail)
    inner = getattr(error, "cause", None) or error
    return Failed(job.trial, now, job.attempt, Cause.EXCEPTION, one_line(inner), detail)
