"""The state is driven by a world of its own here: workers that finish, report, fail and die as a seed says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raynas.errors import ConfigError, PluginError, SearchError, UnwritableError
from raynas.search.decisions import Ask, Cancel, Commit, Decision, Drop, End, EndKind, Expire, Submit, Verdict
from raynas.search.planned import Planned
from raynas.search.rules import Rules
from raynas.search.state import SearchState
from raynas.search_space import Sample
from raynas.trial import (
    Cause,
    Event,
    Failed,
    Finished,
    History,
    Reported,
    Started,
    Stopped,
    Trial,
    TrialKey,
    TrialState,
)

RULES = Rules({"score": "max"}, max_trials=10)


def planned(number: int, what: object, rejected: str = "") -> Planned:
    return Planned(number, Sample({"x": what}), TrialKey(f"f{what}"), source="text", rejected=rejected)


@dataclass
class World:
    """Does what the state decides, as far as a test wants it to."""

    state: SearchState
    slots: int = 1
    capacity: int | None = None
    ahead: int = 1
    stored: dict[int, Trial] = field(default_factory=dict)
    jobs: dict[int, Submit] = field(default_factory=dict)
    asks: list[Ask] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    drops: list[str] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    expired: list[int] = field(default_factory=list)
    submitted: Counter[int] = field(default_factory=Counter)
    now: float = 0.0

    def take(self, events: Sequence[Event] = (), plans: Sequence[Planned] = ()) -> list[Decision]:
        self.now += 1
        room = self.capacity if self.capacity is not None else self.slots
        decisions = self.state.take(self.now, self.now, events, plans, self.slots, room, self.ahead)
        assert all(not isinstance(decision, Commit) for decision in decisions[1:]), "one commit, and it comes first"
        for decision in decisions:
            match decision:
                case Commit(trials=trials):
                    for trial in trials:
                        assert not (trial.number in self.stored and self.stored[trial.number].state.ended)
                        self.stored[trial.number] = trial
                case Submit(trial=trial):
                    assert self.stored[trial.number] == trial, "submitted before it was committed"
                    self.jobs[trial.number] = decision
                    self.submitted[trial.number] += 1
                case Ask():
                    self.asks.append(decision)
                    assert 1 <= decision.count <= self.ahead
                    assert {t.number: t for t in decision.history} == self.stored, "seen before it was committed"
                case Verdict():
                    self.verdicts.append(decision)
                case Drop(trial=number, weights=weights):
                    self.forgotten.append(number)
                    self.drops += [weights] if weights is not None else []
                case Cancel(trial=number):
                    self.cancelled.append(number)
                    self.jobs.pop(number, None)
                case Expire(trial=number):
                    self.expired.append(number)
        self.check()
        return decisions

    def check(self) -> None:
        """What holds after every step."""
        ended = sorted((t for t in self.stored.values() if t.state.ended), key=lambda t: t.order or 0)
        assert [t.order for t in ended] == list(range(len(ended)))
        assert sorted(self.stored) == list(range(len(self.stored)))
        for trial in self.stored.values():
            if trial.state is TrialState.WAITING and self.state.ending is None:
                assert any(
                    t.key == trial.key and t.state in (TrialState.QUEUED, TrialState.RUNNING)
                    for t in self.stored.values()
                ), f"{trial} waits for nobody"
            if trial.state.ended and trial.twin is not None:
                twin = self.stored[trial.twin]
                assert (twin.state, twin.metrics, twin.key, twin.twin) == (trial.state, trial.metrics, trial.key, None)
        if self.capacity is not None:
            assert len(self.jobs) <= self.capacity

    def plan(self, what: object, rejected: str = "") -> list[Decision]:
        """Answer the question that is open with the sample {"x": what}."""
        return self.take(plans=[planned(self.asks.pop().number, what, rejected)])

    def several(self, *whats: object, rejected: str = "", last: bool = True) -> list[Decision]:
        """Answer the open question with these samples, all at once; `last`: and no more will come."""
        number, count = self.asks[-1].number, self.asks[-1].count
        assert len(whats) <= count
        plans = [replace(planned(number + at, what, rejected), last=False) for at, what in enumerate(whats)]
        if last:
            self.asks.pop()
            plans[-1] = replace(plans[-1], last=True)
        return self.take(plans=plans)

    def nothing(self) -> list[Decision]:
        return self.take(plans=[Planned(self.asks.pop().number)])

    def start(self, number: int) -> None:
        self.take([Started(number, self.now, self.jobs[number].trial.attempts + 1)])

    def end(self, number: int, score: float = 0.0, weights: str | None = None) -> list[Decision]:
        attempt = self.jobs.pop(number).trial.attempts + 1
        return self.take([Finished(number, self.now, attempt, {"score": score}, 1.0, weights)])

    def fail(self, number: int, cause: Cause, message: str = "ValueError: bad", detail: str = "") -> list[Decision]:
        attempt = self.jobs.pop(number).trial.attempts + 1
        return self.take([Failed(number, self.now, attempt, cause, message, detail)])


def world(rules: Rules = RULES, slots: int = 1, capacity: int | None = None, ahead: int = 1) -> World:
    made = World(SearchState(rules), slots, capacity, ahead)
    made.take()
    return made


def test_one_worker_has_one_trial_in_flight_and_is_asked_when_it_has_ended() -> None:
    w = world()
    assert [ask.number for ask in w.asks] == [0]
    assert not any(isinstance(d, Ask) for d in w.plan("a"))
    w.start(0)
    assert not w.asks
    w.end(0, 0.5)
    assert [ask.number for ask in w.asks] == [1]
    assert w.asks[0].history[0].metrics == {"score": 0.5}


def test_proposals_are_made_one_after_the_other_and_each_sees_the_one_before() -> None:
    w = world(slots=3)
    w.plan("a")
    assert len(w.asks) == 1 and len(w.asks[0].history.open) == 1
    w.plan("b")
    assert len(w.asks) == 1 and len(w.asks[0].history.open) == 2
    w.plan("c")
    assert not w.asks and set(w.jobs) == {0, 1, 2}


def test_a_known_candidate_shares_the_result_and_costs_nothing() -> None:
    w = world(Rules({"score": "max"}, max_trials=2))
    w.plan("a")
    w.start(0)
    w.end(0, 0.5)
    w.plan("a")
    assert w.stored[1].state is TrialState.FINISHED and w.stored[1].twin == 0 and w.stored[1].metrics == {"score": 0.5}
    assert w.submitted == {0: 1}
    w.plan("b")
    assert set(w.jobs) == {2}


def test_the_twin_of_a_running_trial_waits_without_a_slot_and_shares_its_result() -> None:
    w = world(slots=2)
    w.plan("a")
    w.start(0)
    w.plan("a")
    assert w.stored[1].state is TrialState.WAITING and w.stored[1].twin == 0
    w.plan("b")
    assert set(w.jobs) == {0, 2}
    w.end(0, 0.25)
    assert w.stored[1].metrics == {"score": 0.25} and w.stored[1].twin == 0


def test_a_failure_that_the_architecture_caused_is_shared() -> None:
    w = world(slots=2)
    w.plan("a")
    w.start(0)
    w.plan("a")
    w.fail(0, Cause.OUT_OF_MEMORY)
    assert w.stored[1].state is TrialState.FAILED and w.stored[1].cause is Cause.OUT_OF_MEMORY
    w.plan("a")
    assert w.stored[2].state is TrialState.FAILED and w.stored[2].twin == 0


def test_a_waiting_twin_takes_over_after_a_failure_of_the_infrastructure() -> None:
    w = world(slots=2)
    w.plan("a")
    w.start(0)
    w.plan("a")
    w.plan("a")
    w.fail(0, Cause.TIMEOUT)
    assert w.stored[0].state is TrialState.FAILED
    assert w.stored[1].state is TrialState.QUEUED and set(w.jobs) == {1}
    assert w.stored[2].state is TrialState.WAITING
    w.start(1)
    w.end(1, 0.75)
    assert w.stored[2].twin == 1 and w.stored[2].metrics == {"score": 0.75}


def test_after_a_failure_of_the_infrastructure_the_candidate_is_trained_when_it_is_proposed_again() -> None:
    w = world()
    w.plan("a")
    w.start(0)
    w.fail(0, Cause.TIMEOUT)
    w.plan("a")
    assert w.stored[1].state is TrialState.QUEUED and set(w.jobs) == {1}


@pytest.mark.parametrize("lost", [0, 3])
def test_a_candidate_that_kills_its_worker_runs_twice_and_a_lost_node_is_free(lost: int) -> None:
    w = world()
    w.plan("a")
    w.start(0)
    w.fail(0, Cause.WORKER_DIED)
    for _ in range(lost):
        w.start(0)
        w.fail(0, Cause.NODE_LOST)
        assert w.stored[0].state is TrialState.QUEUED
    resumed = World(SearchState(RULES, w.stored.values()), stored=dict(w.stored))
    resumed.take()
    resumed.start(0)
    resumed.fail(0, Cause.WORKER_DIED)
    assert resumed.stored[0].state is TrialState.FAILED and resumed.stored[0].cause is Cause.WORKER_DIED
    assert resumed.stored[0].attempts == 2 + lost


@pytest.mark.parametrize("cause", [Cause.EXCEPTION, Cause.NON_FINITE, Cause.OUT_OF_MEMORY, Cause.TIMEOUT])
def test_other_failures_are_not_repeated(cause: Cause) -> None:
    w = world()
    w.plan("a")
    w.start(0)
    w.fail(0, cause)
    assert w.stored[0].state is TrialState.FAILED and not w.jobs


def test_where_files_cannot_be_written_the_search_ends_and_no_trial_is_to_blame() -> None:
    w = world(slots=2)
    w.plan("a")
    w.plan("b")
    w.start(0)
    w.start(1)
    w.take([Failed(0, w.now, 1, Cause.EXCEPTION, "'weights/0' cannot be written: no room", blameless=True)])
    ending = w.state.ending
    assert ending is not None and ending.kind is EndKind.FAILED and isinstance(ending.error, UnwritableError)
    assert [w.stored[number].state for number in (0, 1)] == [TrialState.QUEUED] * 2
    assert [(w.stored[number].cause, w.stored[number].message) for number in (0, 1)] == [(None, "")] * 2
    assert 1 in w.cancelled


def test_late_and_repeated_events_are_ignored_and_a_late_report_stops_its_worker() -> None:
    w = world()
    w.plan("a")
    w.start(0)
    w.fail(0, Cause.NODE_LOST)
    w.start(0)
    before = dict(w.stored)
    w.take(
        [
            Started(0, 0, 1),
            Reported(0, 0, 1, 0, {"score": 9}),
            Finished(0, 0, 1, {"score": 9}),
            Finished(77, 0, 1, {"score": 9}),
        ]
    )
    assert w.stored == before
    assert w.verdicts == [Verdict(0, 1, True)]
    w.end(0, 0.5)
    w.take([Finished(0, 0, 2, {"score": 9})])
    assert w.stored[0].metrics == {"score": 0.5}


def test_the_stopper_ends_a_trial_with_its_last_report() -> None:
    seen: list[tuple[int, int]] = []

    def judge(trial: Trial, history: History) -> bool:
        seen.append((len(trial.reports), len(history)))
        return trial.reports[-1].metrics["score"] < 0.5

    w = World(SearchState(RULES, judge=judge))
    w.take()
    w.plan("a")
    w.start(0)
    w.take([Reported(0, 0, 1, 0, {"score": 0.6})])
    w.take([Reported(0, 0, 1, 1, {"score": 0.4})])
    assert w.verdicts == [Verdict(0, 1, False), Verdict(0, 1, True)]
    assert seen == [(1, 1), (2, 1)]
    w.take([Stopped(0, 0, 1)])
    assert w.stored[0].state is TrialState.STOPPED and w.stored[0].metrics == {"score": 0.4}


def test_a_stopper_that_raises_ends_the_search() -> None:
    def judge(trial: Trial, history: History) -> bool:
        raise KeyError("x")

    w = World(SearchState(RULES, judge=judge))
    w.take()
    w.plan("a")
    w.start(0)
    w.take([Reported(0, 0, 1, 0, {"score": 0.6})])
    assert w.state.ending is not None and isinstance(w.state.ending.error, PluginError)
    assert w.verdicts == [Verdict(0, 1, True)]


def test_it_ends_when_all_trials_have_ended() -> None:
    w = world(Rules({"score": "max"}, max_trials=2))
    for number in range(2):
        w.plan(number)
        w.start(number)
        decisions = w.end(number)
    assert isinstance(decisions[-1], End) and decisions[-1].ending.kind is EndKind.ENOUGH
    assert w.take([Finished(0, 0, 1, {"score": 1})]) == []


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_later_start_with_fewer_trials_trains_no_more_than_these_and_keeps_the_others(limit: int) -> None:
    more = Rules({"score": "max"}, max_trials=6, replicates=4)
    w = world(more, slots=2)
    w.plan("a")
    w.start(0)
    w.end(0)
    assert [t.state.ended for t in w.stored.values()] == [True, False, False, False]
    w = World(SearchState(replace(more, max_trials=limit), w.stored.values()), 2, stored=w.stored)
    w.take()
    for number in range(1, limit):
        w.start(number)
        w.end(number)
    assert w.state.ending is not None and w.state.ending.kind is EndKind.ENOUGH
    assert (w.state.done, set(w.submitted)) == (limit, set(range(1, limit)))
    w = World(SearchState(more, w.stored.values()), 4, stored=w.stored)
    w.take()
    assert set(w.jobs) == set(range(limit, 4)), "what was left over is trained by a start that may"


def test_one_that_waited_for_a_lost_one_is_left_over_where_no_more_may_be_trained() -> None:
    w = world(Rules({"score": "max"}, max_trials=2), slots=2)
    w.plan("a")
    w.plan("a")
    w.plan("b")
    w.start(0)
    w.fail(0, Cause.TIMEOUT)
    assert w.stored[1].state is TrialState.QUEUED and set(w.jobs) == {2}
    w.start(2)
    w.end(2)
    assert w.state.ending is not None and w.state.ending.kind is EndKind.ENOUGH and w.state.done == 2


def test_nothing_now_is_asked_again_after_a_change_and_ends_the_search_when_nothing_runs() -> None:
    w = world(slots=2)
    w.plan("a")
    w.nothing()
    assert not w.asks and w.state.ending is None
    w.start(0)
    assert len(w.asks) == 1
    w.nothing()
    w.end(0)
    assert len(w.asks) == 1
    decisions = w.nothing()
    assert isinstance(decisions[-1], End) and decisions[-1].ending.kind is EndKind.EXHAUSTED


def test_nothing_now_that_was_said_before_a_change_is_asked_again() -> None:
    w = world(slots=2)
    w.plan("a")
    ask = w.asks.pop()
    w.start(0)
    assert not w.asks
    w.take(plans=[Planned(ask.number)])
    assert len(w.asks) == 1


@pytest.mark.parametrize("what", ["known", "rejected"])
def test_a_thousand_proposals_in_a_row_without_training_end_it(what: str) -> None:
    w = world()
    w.plan("a")
    w.start(0)
    w.end(0)
    count = 0
    while w.state.ending is None:
        w.plan("a" if what == "known" else count, "no room" if what == "rejected" else "")
        count += 1
    assert count == 1000
    assert w.state.ending.kind is EndKind.EXHAUSTED and "1000 proposals" in w.state.ending.message


def test_a_strategy_that_ends_by_itself_may_propose_more_of_them() -> None:
    w = world(Rules({"score": "max"}, unpaid=None))
    for count in range(1500):
        w.plan(count, "no room")
    assert w.state.ending is None and len(w.asks) == 1


def test_a_strategy_that_repeats_what_is_being_trained_is_not_asked_for_ever() -> None:
    w = world(slots=2)
    w.plan("a")
    for _ in range(100):
        if w.asks:
            w.plan("a")
    assert not w.asks and len(w.stored) < 20
    w.start(0)
    w.end(0)
    assert len(w.asks) == 1


def test_rejected_ones_cost_nothing() -> None:
    w = world(Rules({"score": "max"}, max_trials=1))
    w.plan("a", "it needs 12 M parameters, 1 M are allowed")
    assert w.stored[0].state is TrialState.INFEASIBLE and w.stored[0].message.startswith("it needs")
    w.plan("b")
    assert set(w.jobs) == {1}


def test_the_first_trials_that_all_fail_alike_end_the_search_with_the_traceback() -> None:
    w = world(Rules({"score": "max"}))
    for number in range(3):
        w.plan(number)
        w.start(number)
        w.fail(number, Cause.EXCEPTION, "KeyError: 'x'", f"Traceback {number}")
    assert w.state.ending is not None and isinstance(w.state.ending.error, SearchError)
    assert "KeyError: 'x'" in w.state.ending.message and w.state.ending.detail == "Traceback 2"


def test_with_more_workers_more_of_them_must_fail() -> None:
    w = world(Rules({"score": "max"}), slots=5)
    for number in range(5):
        w.plan(number)
    for number in range(5):
        assert w.state.ending is None
        w.start(number)
        w.fail(number, Cause.EXCEPTION)
    assert w.state.ending is not None


@pytest.mark.parametrize("other", ["another message", "a result"])
def test_first_trials_that_fail_otherwise_do_not(other: str) -> None:
    w = world(Rules({"score": "max"}))
    for number in range(6):
        w.plan(number)
        w.start(number)
        if number == 1 and other == "a result":
            w.end(number)
        else:
            w.fail(number, Cause.EXCEPTION, f"KeyError: {number if number == 1 else 'x'}")
    assert w.state.ending is None


def test_a_missing_objective_ends_the_search_naming_the_metrics() -> None:
    w = world()
    w.plan("a")
    w.start(0)
    w.jobs.pop(0)
    w.take([Finished(0, 0, 1, {"accuracy": 0.5, "loss": 1.0})])
    assert w.stored[0].state is TrialState.FAILED
    assert w.state.ending is not None and isinstance(w.state.ending.error, ConfigError)
    assert "'score'" in w.state.ending.message and "accuracy, loss" in w.state.ending.message


def test_one_trial_that_leaves_the_objective_out_later_is_a_failure_of_its_own() -> None:
    w = world()
    w.plan("a")
    w.start(0)
    w.end(0)
    w.plan("b")
    w.start(1)
    w.jobs.pop(1)
    w.take([Finished(1, 0, 1, {"loss": 1.0})])
    assert w.stored[1].state is TrialState.FAILED and w.state.ending is None


def test_time_over_cuts_off_what_runs_and_queues_it_again() -> None:
    w = world(Rules({"score": "max"}, max_time=100), slots=2)
    w.plan("a")
    w.start(0)
    w.plan("b")
    w.now = 100
    decisions = w.take()
    assert isinstance(decisions[-1], End) and decisions[-1].ending.kind is EndKind.TIME
    assert sorted(w.cancelled) == [0, 1]
    assert w.stored[0].state is TrialState.QUEUED and w.stored[1].state is TrialState.QUEUED
    resumed = World(SearchState(RULES, w.stored.values()), slots=2, stored=dict(w.stored))
    resumed.take()
    assert set(resumed.jobs) == {0, 1} and resumed.state.ending is None


def test_stop_lets_running_trials_end_and_takes_back_the_others() -> None:
    w = world(slots=2)
    w.plan("a")
    w.start(0)
    w.plan("b")
    w.state.stop()
    w.take()
    assert w.cancelled == [1] and w.state.ending is None
    decisions = w.end(0, 0.5)
    assert isinstance(decisions[-1], End) and decisions[-1].ending.kind is EndKind.INTERRUPTED
    assert w.stored[0].metrics == {"score": 0.5} and w.stored[1].state is TrialState.QUEUED


def test_stop_now_cuts_off_what_runs() -> None:
    w = world()
    w.plan("a")
    w.start(0)
    w.state.stop(now=True)
    w.take()
    assert w.cancelled == [0] and w.stored[0].state is TrialState.QUEUED and w.state.ending is not None


def test_the_weights_of_the_best_stay() -> None:
    w = world(Rules({"loss": "min"}, keep=2))
    thresholds = []
    for number, loss in enumerate([0.5, 0.4, 0.6, 0.3]):
        w.plan(number)
        job = w.jobs[number]
        thresholds.append(job.better_than)
        w.start(number)
        kept = job.better_than is None or loss < job.better_than
        attempt = w.jobs.pop(number).trial.attempts + 1
        w.take([Finished(number, 0, attempt, {"loss": loss}, 1.0, f"w{number}" if kept else None)])
    assert thresholds == [None, None, 0.5, 0.5]
    assert w.drops == ["w0"]
    assert w.state.kept.paths() == {"w1", "w3"}
    resumed = SearchState(w.state.rules, w.stored.values(), present=["w1", "w3"])
    assert resumed.kept.paths() == {"w1", "w3"} and resumed.kept.threshold() == 0.4


def test_the_weights_of_parents_stay() -> None:
    rules = Rules({"score": "max"}, keep=1, keeps_parents=True)
    w = world(rules)
    for number, score in enumerate([0.1, 0.3, 0.2]):
        w.plan(number)
        assert w.jobs[number].better_than is None and w.jobs[number].keep
        w.start(number)
        w.end(number, score, f"w{number}")
    assert not w.drops
    ask = w.asks.pop()
    child = Planned(ask.number, Sample({"x": 9}), TrialKey("f9", warm_start=2), source="", parents=frozenset(), seen=3)
    w.take(plans=[child])
    assert w.drops == ["w0"], "1 is the best, 2 is what the new trial starts from"
    assert w.jobs[3].warm_start == "w2"


def test_replicates_train_every_candidate_so_often() -> None:
    w = world(Rules({"score": "max"}, max_trials=6, replicates=3), slots=6)
    w.plan("a")
    assert [t.key.replicate for t in w.stored.values()] == [0, 1, 2] and set(w.jobs) == {0, 1, 2}
    assert w.asks[0].number == 3
    w.plan("b")
    assert len(w.stored) == 6 and not w.asks


def test_without_deduplication_a_candidate_is_trained_again_as_another_replicate() -> None:
    w = world(Rules({"score": "max"}, dedup=False), slots=3)
    w.plan("a")
    w.plan("a")
    assert [t.key.replicate for t in w.stored.values()] == [0, 1] and set(w.jobs) == {0, 1}
    resumed = World(SearchState(w.state.rules, w.stored.values()), slots=3, stored=dict(w.stored))
    resumed.take()
    resumed.plan("a")
    assert resumed.stored[2].key.replicate == 2


def test_an_error_of_the_planner_ends_the_search() -> None:
    w = world()
    w.take(plans=[Planned(0, error=PluginError("the strategy is broken"), detail="Traceback")])
    assert w.state.ending is not None and w.state.ending.kind is EndKind.FAILED
    assert w.state.ending.error is not None and w.state.ending.detail == "Traceback"


def test_no_room_is_waited_out() -> None:
    w = world(slots=0)
    assert not w.asks and w.state.ending is None
    w.slots = 1
    w.take()
    assert len(w.asks) == 1


def test_max_concurrent_holds_the_engine_back() -> None:
    w = world(Rules({"score": "max"}, max_concurrent=1), slots=4)
    w.plan("a")
    assert not w.asks and set(w.jobs) == {0}


def test_a_trial_that_takes_too_long_fails_and_the_next_one_runs() -> None:
    w = world(Rules({"score": "max"}, trial_timeout=5.0), slots=2)
    w.plan("a")
    w.plan("b")
    assert w.state.time_left(w.now) is None, "nothing has been begun"
    w.start(0)
    begun = w.now
    w.now += 2
    w.start(1)
    assert w.state.time_left(w.now) == begun + 5 - w.now
    w.now = begun + 3
    w.take([Reported(0, 0, 1, 0, {"score": 0.1})])
    assert w.stored[0].state is TrialState.RUNNING and not w.cancelled
    w.now = begun + 4
    w.take()
    assert w.expired == [0] and w.stored[0].state is TrialState.RUNNING, "what it has said is still to come"
    assert w.state.time_left(w.now) == 3.0, "the other one's time"
    w.jobs.pop(0)
    w.take([Failed(0, 0, 1, Cause.CANCELLED, "it was ended", "the stack")])
    late = w.stored[0]
    assert (late.state, late.cause, late.seconds, late.detail) == (TrialState.FAILED, Cause.TIMEOUT, 5.0, "the stack")
    assert late.message == "it took longer than trial_timeout (5 s)" and not late.metrics
    assert not w.cancelled and w.forgotten == [0] and w.stored[1].state is TrialState.RUNNING
    assert not any(isinstance(d, Commit) for d in w.take([Finished(0, 0, 1, {"score": 9.0}, 1.0)])), "too late"
    w.take([Reported(0, 0, 1, 1, {"score": 0.2})])
    assert w.verdicts[-1] == Verdict(0, 1, True) and w.stored[0] == late
    w.plan("c")
    assert 2 in w.jobs, "its slot is free"


@pytest.mark.parametrize("what", ["nothing", "a result", "the end of the search"])
def test_the_end_of_a_trial_that_takes_too_long_is_told_also_where_the_engine_does_not(what: str) -> None:
    w = world(Rules({"score": "max"}, trial_timeout=5.0, max_time=1000.0), slots=2)
    w.plan("a")
    w.start(0)
    w.now += 5
    w.take()
    assert w.expired == [0] and w.stored[0].state is TrialState.RUNNING
    if what == "a result":
        w.jobs.pop(0)
        w.take([Finished(0, 0, 1, {"score": 9.0}, 1.0)])
    elif what == "nothing":
        w.now += 28
        w.take()
        assert w.state.time_left(w.now) == 1.0 and w.stored[0].state is TrialState.RUNNING
        w.take()
    else:
        w.now = 1000
        w.take()
        assert w.state.ending is not None
    late = w.stored[0]
    assert (late.state, late.cause, late.seconds) == (TrialState.FAILED, Cause.TIMEOUT, 6.0), late
    assert (0 in w.cancelled) == (what != "a result") and not late.metrics


def test_a_result_that_comes_with_the_end_of_its_time_counts_and_each_attempt_has_its_own() -> None:
    w = world(Rules({"score": "max"}, trial_timeout=5.0, max_trials=2))
    w.plan("a")
    w.start(0)
    w.now += 10
    w.end(0, 0.5)
    assert w.stored[0].state is TrialState.FINISHED and not w.cancelled
    w.plan("b")
    w.start(1)
    w.now += 3
    w.fail(1, Cause.NODE_LOST)
    w.now += 100
    w.take()
    assert w.stored[1].state is TrialState.QUEUED, "it waits for a worker"
    w.start(1)
    w.now += 3
    w.take()
    assert w.stored[1].state is TrialState.RUNNING
    w.end(1, 0.1)
    assert w.state.ending is not None and w.state.ending.kind is EndKind.ENOUGH


def test_a_planner_that_is_behind_is_asked_for_all_that_there_is_room_for() -> None:
    w = world(Rules({"score": "max"}, max_trials=9), slots=4, capacity=5, ahead=100)
    assert w.asks[-1].count == 5
    w.several("a", "b", last=False)
    assert len(w.asks) == 1 and sorted(w.jobs) == [0, 1], "what has come is trained, and nobody is asked meanwhile"
    w.asks.pop()
    w.take(plans=[planned(2, "c", "no room")])
    assert w.asks[-1].count == 3 and w.asks[-1].number == 3
    w.several("d", "e", "f")
    w.start(0)
    w.end(0)
    assert w.asks[-1].count == 1
    assert world(Rules({"score": "max"}, max_trials=3), 4, 5, 100).asks[-1].count == 3, "no more than may be trained"


def test_one_worker_sees_each_outcome_before_the_next_question() -> None:
    w = world(slots=1, ahead=100)
    assert w.asks[-1].count == 1
    w.plan("a", "no room")
    assert w.asks[-1].count == 1 and w.asks[-1].history[0].state is TrialState.INFEASIBLE


def test_questions_for_several_reckon_with_replicates_and_with_what_may_cost_nothing() -> None:
    assert world(Rules({"score": "max"}, replicates=3), 8, 8, 100).asks[-1].count == 3
    assert world(Rules({"score": "max"}, unpaid=5), 8, 8, 100).asks[-1].count == 5


def test_nothing_more_now_ends_an_answer_of_several() -> None:
    w = world(slots=4, ahead=4)
    w.several("a", "b", last=False)
    w.nothing()
    assert w.asks[-1].count == 2 and len(w.asks[-1].history) == 2, "the strategy has not seen what came of these"
    w.nothing()
    assert not w.asks
    w.start(0)
    assert w.asks[-1].count == 2


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    slots=st.integers(1, 4),
    candidates=st.integers(1, 30),
    max_trials=st.integers(1, 25),
    replicates=st.integers(1, 2),
    crashes=st.booleans(),
    ahead=st.integers(1, 6),
)
def test_whatever_happens_nothing_is_lost_and_nothing_is_trained_twice(
    seed: int, slots: int, candidates: int, max_trials: int, replicates: int, crashes: bool, ahead: int
) -> None:
    rng = Random(seed)
    rules = Rules({"score": "max"}, max_trials=max_trials, replicates=replicates, unpaid=60, keep=2)
    w = World(SearchState(rules), slots, slots if slots == 1 else slots + 1, ahead)
    w.take()
    deaths: Counter[int] = Counter()
    started: set[int] = set()
    trained: Counter[TrialKey] = Counter()
    for _ in range(3000):
        if w.state.ending is not None:
            break
        if crashes and rng.random() < 0.03:
            state, stored = SearchState(rules, w.stored.values()), dict(w.stored)
            w = World(state, slots, w.capacity, ahead, stored, submitted=w.submitted)
            started.clear()
            w.take()
            continue
        queued, running = [n for n in w.jobs if n not in started], [n for n in w.jobs if n in started]
        action = rng.choice(["plan", "start", "report", "end", "end", "end"])
        if action == "plan" and w.asks:
            if rng.random() < 0.1:
                w.nothing()
            else:
                whats = [rng.randrange(candidates) for _ in range(rng.randint(1, w.asks[-1].count))]
                w.several(*whats, rejected="no" if rng.random() < 0.1 else "")
        elif action == "start" and queued:
            number = rng.choice(queued)
            started.add(number)
            w.start(number)
        elif action == "report" and running:
            number = rng.choice(running)
            w.take([Reported(number, 0, w.stored[number].attempts, 0, {"score": 0.1})])
            assert not w.verdicts.pop().stop
        elif action == "end" and running:
            number = rng.choice(running)
            started.discard(number)
            lot = rng.random()
            if lot < 0.6:
                trained[w.stored[number].key] += 1
                w.end(number, rng.random(), f"w{number}")
            elif lot < 0.8:
                cause = rng.choice(list(Cause))
                deaths[number] += cause is Cause.WORKER_DIED
                w.fail(number, cause, f"E: {rng.random()}")
    else:
        raise AssertionError("it does not come to an end")
    assert all(count == 1 for count in trained.values()), "a candidate that had a result was trained again"
    assert all(count <= 2 for count in deaths.values())
    results = sorted((t for t in w.stored.values() if t.trained), key=lambda t: (-t.metrics["score"], t.order))
    assert w.state.kept.paths() == {t.weights for t in results[:2]}
    ending = w.state.ending
    assert ending.kind in (EndKind.ENOUGH, EndKind.EXHAUSTED)
    assert w.state.done <= max_trials
    heirs = {t.number for t in w.stored.values() if not t.state.ended}
    assert not heirs or w.state.done == max_trials, "only those that the last lost trials leave behind are left over"
    assert w.state.done == sum(
        t.state in (TrialState.FINISHED, TrialState.FAILED) and t.twin is None for t in w.stored.values()
    )
