"""The engine's contract: what carries candidates to workers and brings back what happened to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

from raynas.serializer import Bytes
from raynas.trial import Event, Started

Deliver = Callable[[Sequence[Event]], None]


@dataclass(frozen=True)
class Keep:
    """Which results leave their weights behind, and where.

    Attributes:
        path: where the weights go, relative to the run's artifacts.
        metric: the metric to judge by.
        direction: whether it should be large ("max") or small ("min").
        better_than: the value to beat; None: any result will do.
    """

    path: str
    metric: str
    direction: Literal["max", "min"] = "max"
    better_than: float | None = None

    def wants(self, metrics: Mapping[str, float]) -> bool:
        """Whether a result with these metrics leaves its weights."""
        if self.metric not in metrics:
            return False
        if self.better_than is None:
            return True
        value = metrics[self.metric]
        return value > self.better_than if self.direction == "max" else value < self.better_than


@dataclass(frozen=True)
class Job:
    """One attempt to train one candidate: all that a worker is told about it.

    Attributes:
        trial: the trial's number.
        attempt: which attempt this is, from 1.
        source: the candidate's generated source; what is trained is built from this text and nothing else.
        evaluator: the evaluator's document with its choices made.
        seed: seeds Python, NumPy and torch before the model is built, and again before it is evaluated.
        budget: what the strategy allows, in the evaluator's unit; None: no limit.
        warm_start: the weights to start from, relative to the run's artifacts; None: start afresh.
        warm_state: the state that goes with these weights; it is preferred to them where it is there.
        checkpoint: where the trial's own state lies; None: it is forgotten with the attempt.
        keep: whether and where the trained weights stay; None: they do not.
        counted: whether the number of the model's parameters is among its metrics, as `params`.
    """

    trial: int
    attempt: int
    source: str
    evaluator: str
    seed: int = 0
    budget: float | None = None
    warm_start: str | None = None
    warm_state: str | None = None
    checkpoint: str | None = None
    keep: Keep | None = None
    counted: bool = False


@dataclass(frozen=True)
class Workplace:
    """What all jobs of one start of a run share; it reaches each worker once.

    Attributes:
        artifacts: URI of the folder in which weights lie.
        code: the user's classes and functions that cannot be imported elsewhere, as `raynas.engine.travel` packs them.
        attachments: the pickles and the data that belong to the evaluator's document.
        trust: names that the evaluator's document may name.
        path: the importing process's path, for modules that lie outside the project folder.
        threads: how many threads torch may use.
    """

    artifacts: str
    code: bytes = b""
    attachments: Mapping[str, Bytes] = field(default_factory=dict)
    trust: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    threads: int = 1


class Calls(ABC):
    """Calls of a function of one argument that are made elsewhere; nothing is repeated that is lost there.

    The engine that gave it ends what is still going on. The methods are for any one thread.
    """

    @abstractmethod
    def room(self) -> int:
        """How many bundles of calls can be sent now and begin at once."""

    @abstractmethod
    def send(self, arguments: Sequence[Any]) -> Future[Sequence[Any]]:
        """Have the function called with each of these; the future holds what it returned, or what went wrong."""


class ExecutionEngine(ABC):
    """Runs jobs and tells what happens to them.

    One thread, the search's loop, calls everything except `wake`. For each submitted job the engine delivers, in this
    order: one `Started`, any number of `Reported`, and one of `Finished`, `Stopped` and `Failed`, all with the job's
    trial and attempt; after `cancel`, whatever it still delivers for that trial means nothing. Each `Reported` holds
    its worker until `answer`. The engine repeats nothing by itself: an attempt that lost its worker or node ends in
    `Failed` with that cause, and the search decides whether there is another.
    """

    @abstractmethod
    def slots(self) -> int:
        """How many jobs can run at the same time, as things are now."""

    def capacity(self) -> int:
        """How many jobs it should hold: those that run and, with more than one worker, a few to follow."""
        slots = self.slots()
        return slots if slots <= 1 else slots + max(1, slots // 4)

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Take a job; it starts when there is room."""

    @abstractmethod
    def wait(self, deliver: Deliver, timeout: float | None) -> None:
        """Wait for something to happen, and hand it to `deliver` on the calling thread.

        Returns after the first news, after `wake`, or after `timeout` seconds (None: no limit), whatever comes first.
        `deliver` is called at least once, with an empty list where there is no news, and may be called several times.
        An exception that it raises passes through.
        """

    @abstractmethod
    def answer(self, trial: int, attempt: int, stop: bool) -> None:
        """Let the worker that waits on its report go on, or end the trial with that report."""

    @abstractmethod
    def cancel(self, trial: int) -> None:
        """End this trial's job, running or not; one that is not there is no error."""

    def expire(self, trial: int) -> None:
        """End this trial's running job, and deliver `Failed` for it, with what it has said; that may take some seconds.

        An engine that merely cancels it leaves it to the search to tell its end.
        """
        self.cancel(trial)

    def begun(self) -> Sequence[Started]:
        """The starts, which count from now on, of jobs that may be running without having said so.

        An engine that tells every start at once has none.
        """
        return ()

    @abstractmethod
    def wake(self) -> None:
        """Make `wait` return soon; from any thread."""

    def alarm(self, ring: Callable[[], None]) -> None:
        """Have `ring` called, from any thread, when a worker begins to wait for an answer.

        An engine that has workers only while `wait` runs, or whose workers never wait, needs not do that.
        """
        return

    def calls(self, factory: str, argument: Any) -> Calls | None:
        """A way to have a function called elsewhere, beside the jobs and without taking room from them.

        Args:
            factory: what makes the function, once in each process, as "module:function".
            argument: of the factory; travels once to each process.

        Returns:
            None: there is no elsewhere.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """End every job and let go of what the engine holds. It can be called twice."""
