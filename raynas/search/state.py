"""SearchState: events in, decisions out. It does no I/O, looks at no clock, and knows neither torch nor ray."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence

from raynas.errors import PluginError, RaynasError, UnwritableError
from raynas.search.decisions import Ask, Cancel, Commit, Decision, Drop, End, Ending, EndKind, Expire, Submit, Verdict
from raynas.search.failures import FirstFailures, no_objective
from raynas.search.overtime import Overtime
from raynas.search.planned import Planned
from raynas.search.rules import Rules
from raynas.search.sameness import Sameness
from raynas.search.weights import Kept
from raynas.trial import (
    Answered,
    Cause,
    Event,
    Failed,
    Finished,
    History,
    Ledger,
    Proposed,
    Rejected,
    Reported,
    Requeued,
    Started,
    Stopped,
    Trial,
    TrialKey,
    TrialState,
    Waits,
    advance,
    begin,
)

Judge = Callable[[Trial, History], bool]

WAITING_PER_SLOT = 4
"""A strategy that keeps proposing what is being trained already is not asked again before that training ends."""


class SearchState:
    """All that one run knows, and what follows from it.

    Attributes:
        counts: how many trials have ended, by state and by whether the outcome is their own (no twin's).
        ending: how the search ended; None while it goes on.

    A trial in flight is one that the engine holds; it is QUEUED until its worker has begun. The strategy sees each of
    its proposals before it makes the next. Where one worker trains, it sees also whether that one was rejected or
    answered; with more of them, and a planner that is behind, several proposals are open at a time.

    Args:
        rules: what decides.
        trials: those of a resumed run; the running ones are queued again by the first `take`.
        judge: the stopper, which sees each report; None: no trial is stopped.
        present: the weights that are really there, for a resumed run.
    """

    def __init__(
        self,
        rules: Rules,
        trials: Iterable[Trial] = (),
        judge: Judge | None = None,
        present: Collection[str] | None = None,
    ) -> None:
        self.rules = rules
        self.ending: Ending | None = None
        self.ledger = Ledger(rules.objectives)
        self.counts: Counter[tuple[TrialState, bool]] = Counter()
        self._judge = judge
        self._queue: deque[int] = deque()
        self._in_flight: set[int] = set()
        self._overtime = Overtime(rules.trial_timeout)
        self._paid = 0
        self._unpaid = 0
        self._next = 0
        self._asking = False
        self._version = 0
        self._asked_at = self._vain_at = -1
        self._stopping = self._stop_now = False
        self._error: tuple[RaynasError, str] | None = None
        self._failures = FirstFailures()
        trials = sorted(trials, key=_by_end)
        self._same = Sameness(rules.dedup, trials)
        self.kept = Kept(rules, trials, present)
        self._changed: dict[int, Trial] = {}
        self._after: list[Decision] = []
        self._cut_off: list[int] = []
        self._resume(trials)

    def _resume(self, trials: list[Trial]) -> None:
        for trial in trials:
            self.ledger.put(trial)
            self._paid += _costs(trial)
            if trial.order is not None:
                self.counts[trial.state, trial.twin is None] += 1
                self._failures.disarm(trial)
            elif trial.state is not TrialState.WAITING:
                (self._cut_off if trial.state is TrialState.RUNNING else self._queue).append(trial.number)
        self._next = 1 + max((trial.number for trial in trials), default=-1)

    @property
    def asking(self) -> bool:
        """Whether the planner has been asked and has not answered in full."""
        return self._asking

    @property
    def running(self) -> int:
        """How many trials a worker has begun and not ended."""
        return sum(self.ledger[number].state is TrialState.RUNNING for number in self._in_flight)

    @property
    def in_flight(self) -> int:
        """How many trials the engine holds."""
        return len(self._in_flight)

    @property
    def done(self) -> int:
        """How many trials were trained and have ended."""
        return sum(self.counts[state, True] for state in (TrialState.FINISHED, TrialState.STOPPED, TrialState.FAILED))

    def stop(self, now: bool = False) -> None:
        """Ask nothing more, and end when what runs has ended; or at once, with what runs cut off and queued again."""
        self._stopping = True
        self._stop_now = self._stop_now or now

    def time_left(self, elapsed: float) -> float | None:
        """Seconds until `take` should be called even if nothing happens."""
        limits = [limit for limit in (self.rules.max_time, self._overtime.due()) if limit is not None]
        return max(0.0, min(limits) - elapsed) if limits else None

    def take(
        self,
        now: float,
        elapsed: float,
        events: Sequence[Event] = (),
        planned: Sequence[Planned] = (),
        slots: int = 1,
        capacity: int = 1,
        ahead: int = 1,
    ) -> list[Decision]:
        """What follows from what has happened.

        Args:
            now: seconds since the epoch, for the record.
            elapsed: seconds since this start.
            events: from the engine; late and repeated ones are ignored.
            planned: from the planner.
            slots: how many trials can run at once.
            capacity: how many the engine will hold.
            ahead: for how many proposals the planner may be asked at once.

        Returns:
            What to do, in this order; a `Commit` comes before everything that follows from what it stores.
        """
        if self.ending is not None:
            return []
        self._changed, self._after = {}, []
        while self._cut_off:
            self._requeue(self._cut_off.pop(), now, None)
        for event in events:
            self._hear(event, now, slots)
        self._time_out(now, elapsed, slots)
        for plan in planned:
            self._plan(plan, now)
        self._schedule(now, elapsed, capacity, ahead if slots > 1 else 1)
        return [*([Commit(tuple(self._changed.values()))] if self._changed else []), *self._after]

    def _hear(self, event: Event, now: float, slots: int) -> None:
        trial = self._held(event)
        if trial is None:
            if isinstance(event, Reported):
                self._after.append(Verdict(event.trial, event.attempt, True))
            return
        if event.trial in self._overtime.late and isinstance(event, Finished | Stopped | Failed):
            self._fail_late(event.trial, now, slots, event.detail if isinstance(event, Failed) else "")
            return
        match event:
            case Started():
                self._advance(event)
            case Reported():
                reported = self._advance(event)
                self._after.append(Verdict(event.trial, event.attempt, self._judged(reported)))
            case Finished() | Stopped():
                metrics = event.metrics if isinstance(event, Finished) else _last_metrics(trial)
                missing = [name for name in self.rules.objectives if name not in metrics]
                if not missing:
                    self._advance(event)
                    return
                error = no_objective(missing[0], metrics)
                message = f"{type(error).__name__}: {error}"
                self._advance(Failed(trial.number, now, trial.attempts, Cause.EXCEPTION, message))
                if not len(self.ledger.freeze().completed):
                    self._fail(error)
            case Failed(blameless=True):
                self._requeue(trial.number, now, None)
                self._fail(UnwritableError(event.message))
            case Failed(cause=cause):
                if cause is Cause.NODE_LOST or (cause is Cause.WORKER_DIED and trial.cause is not Cause.WORKER_DIED):
                    self._requeue(trial.number, now, cause)
                    return
                stuck = self._failures.add(self._advance(event), slots)
                if stuck is not None:
                    self._fail(stuck, event.detail)

    def _time_out(self, now: float, elapsed: float, slots: int) -> None:
        """End what runs for too long."""
        running = (number for number in self._in_flight if self.ledger[number].state is TrialState.RUNNING)
        told, silent = self._overtime.passed(running, elapsed)
        self._after += map(Expire, told)
        for number in silent:
            self._after.append(Cancel(number))
            self._fail_late(number, now, slots)

    def _fail_late(self, number: int, now: float, slots: int, detail: str = "") -> None:
        seconds = self._overtime.close(number)
        message = f"it took longer than trial_timeout ({self.rules.trial_timeout:g} s)"
        attempt = self.ledger[number].attempts
        self._hear(Failed(number, now, attempt, Cause.TIMEOUT, message, detail, seconds), now, slots)

    def _held(self, event: Event) -> Trial | None:
        """The trial that the event is about, if it comes from the attempt that is going on."""
        if event.trial not in self._in_flight:
            return None
        trial = self.ledger[event.trial]
        attempt = getattr(event, "attempt", None)
        if isinstance(event, Started):
            return trial if trial.state is TrialState.QUEUED and attempt == trial.attempts + 1 else None
        return trial if trial.state is TrialState.RUNNING and attempt == trial.attempts else None

    def _judged(self, trial: Trial) -> bool:
        if self._judge is None:
            return False
        try:
            return bool(self._judge(trial, self.ledger.freeze()))
        except Exception as error:  # a plug-in may raise anything
            self._fail(PluginError(f"the stopper failed on trial {trial.number}: {type(error).__name__}: {error}"))
            return True

    def _advance(self, event: Event) -> Trial:
        trial = advance(self.ledger[event.trial], event, self.ledger.ended)
        self._put(trial)
        if trial.state.ended:
            self._ended(trial, event.time)
        return trial

    def _put(self, trial: Trial) -> None:
        self.ledger.put(trial)
        self._changed[trial.number] = trial
        self._version += 1

    def _ended(self, trial: Trial, now: float) -> None:
        self.counts[trial.state, trial.twin is None] += 1
        self._failures.disarm(trial)
        self._in_flight.discard(trial.number)
        if trial.twin is not None:
            return
        if trial.attempts:
            self._after.extend(Drop(*left) for left in self.kept.take(trial))
        followers = self._same.ended(trial)
        for number in followers.share:
            self._advance(Answered(number, now, trial))
        if followers.heir is not None:
            self._requeue(followers.heir, now, None)
            self._train(self.ledger[followers.heir])

    def _requeue(self, number: int, now: float, cause: Cause | None) -> None:
        waited = self.ledger[number].state is TrialState.WAITING
        self._in_flight.discard(number)
        self._advance(Requeued(number, now, cause))
        if not waited:
            self._queue.appendleft(number)

    def _plan(self, plan: Planned, now: float) -> None:
        self._asking = not plan.last
        if plan.error is not None:
            self._fail(plan.error, plan.detail)
            return
        if self.rules.keeps_parents:
            keys = [*(trial.key for trial in self.ledger.freeze().open), *([plan.key] if plan.key else [])]
            starts = {key.warm_start for key in keys if key.warm_start is not None}
            self._after.extend(Drop(*left) for left in self.kept.without(plan.parents | starts, plan.seen))
        if plan.sample is None or plan.key is None:
            self._vain_at = self._asked_at
            return
        if self._enough():  # a trial that has waited for a lost one took the place
            return
        for replicate in range(self.rules.replicates):
            if replicate and self._enough():
                break
            self._propose(plan, self._same.key(plan.key, replicate), now)

    def _propose(self, plan: Planned, key: TrialKey, now: float) -> None:
        assert plan.sample is not None
        number, self._next = self._next, self._next + 1
        trial = begin(Proposed(number, now, plan.sample, key, plan.note))
        self._put(trial)
        trainer = self._same.trainer(key)
        self._unpaid += 1
        if plan.rejected:
            self._advance(Rejected(number, now, plan.rejected))
        elif trainer is None:
            self._train(trial)
        elif (twin := self.ledger[trainer]).state.ended:
            self._advance(Answered(number, now, twin))
        else:
            self._same.waits(trial)
            self._advance(Waits(number, now, trainer))

    def _train(self, trial: Trial) -> None:
        self._same.trains(trial)
        self._paid += 1
        self._unpaid = 0
        self._queue.append(trial.number)

    def _enough(self) -> bool:
        return self.rules.max_trials is not None and self._paid >= self.rules.max_trials

    @property
    def _places(self) -> float:
        """How many of those that are queued may be trained: an earlier start may have had a greater `max_trials`."""
        limit = self.rules.max_trials
        return float("inf") if limit is None else limit - self.done - len(self._in_flight)

    def _schedule(self, now: float, elapsed: float, capacity: int, ahead: int) -> None:
        rules = self.rules
        if self._error is not None:
            error, detail = self._error
            self._leave(now, Ending(EndKind.FAILED, str(error), error, detail))
        elif rules.max_time is not None and elapsed >= rules.max_time:
            self._leave(now, Ending(EndKind.TIME, f"its time of {rules.max_time:g} s is over"))
        elif self._stop_now or (self._stopping and not self.running):
            self._leave(now, Ending(EndKind.INTERRUPTED, "it was stopped"))
        elif self._stopping:
            for number in sorted(n for n in self._in_flight if self.ledger[n].state is TrialState.QUEUED):
                self._in_flight.discard(number)
                self._after.append(Cancel(number))
        else:
            room = capacity if rules.max_concurrent is None else min(capacity, rules.max_concurrent)
            while self._queue and len(self._in_flight) < room and self._places > 0:
                self._submit(self.ledger[self._queue.popleft()], now)
            self._ask_or_end(now, room, ahead)

    def _ask_or_end(self, now: float, room: int, ahead: int) -> None:
        idle = not self._in_flight and (not self._queue or self._places <= 0)
        unpaid = self.rules.unpaid
        if self._enough():
            if idle:
                self._leave(now, Ending(EndKind.ENOUGH, f"all of its {self.rules.max_trials} trials have ended"))
        elif unpaid is not None and self._unpaid >= unpaid:
            if idle:
                what = f"the last {unpaid} proposals in a row cost no training: the space seems to be exhausted"
                self._leave(now, Ending(EndKind.EXHAUSTED, what))
        elif self._asking:
            return
        elif self._vain_at == self._version:
            if idle:
                self._leave(now, Ending(EndKind.EXHAUSTED, "the strategy has nothing more to propose"))
        else:
            count = min(ahead, self._wanted(room))
            if count > 0:
                self._asking, self._asked_at = True, self._version
                self._after.append(Ask(self._next, self.ledger.freeze(), count))

    def _wanted(self, room: int) -> int:
        """How many proposals there is a use for, if each is trained."""
        rules = self.rules
        trials = [room - len(self._in_flight) - len(self._queue), WAITING_PER_SLOT * room - self._same.waiting]
        trials += [] if rules.max_trials is None else [rules.max_trials - self._paid]
        trials += [] if rules.unpaid is None else [rules.unpaid - self._unpaid]
        return -(-min(trials) // rules.replicates)

    def _submit(self, trial: Trial, now: float) -> None:
        parent = trial.key.warm_start
        start = None if parent is None else self.kept.path(parent)
        if parent is not None and start is None:
            self._paid -= 1
            self._advance(Rejected(trial.number, now, _weights_gone(parent)))
            return
        self._in_flight.add(trial.number)
        wanted = self.kept.wanted
        self._after.append(Submit(trial, start, wanted, self.kept.threshold() if wanted else None))

    def _fail(self, error: RaynasError, detail: str = "") -> None:
        self._error = self._error or (error, detail)

    def _leave(self, now: float, ending: Ending) -> None:
        for number in list(self._overtime.late):
            self._fail_late(number, now, 1)
        for number in sorted(self._in_flight):
            self._after.append(Cancel(number))
            if self.ledger[number].state is TrialState.RUNNING:
                self._requeue(number, now, None)
        self._in_flight.clear()
        self.ending = ending
        self._after.append(End(ending))


def _by_end(trial: Trial) -> tuple[bool, int]:
    """First what has ended, in that order; then what is open, by number."""
    return (True, trial.number) if trial.order is None else (False, trial.order)


def _weights_gone(parent: int) -> str:
    return f"the weights of trial {parent}, to start from, are gone: have the strategy's parents() name that trial"


def _costs(trial: Trial) -> bool:
    return trial.twin is None and trial.state not in (TrialState.WAITING, TrialState.INFEASIBLE)


def _last_metrics(trial: Trial) -> dict[str, float]:
    return dict(trial.reports[-1].metrics) if trial.reports else {}
