from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from raynas.errors import StaleEpochError, StoreError
from raynas.store import Store, definition_texts
from raynas.trial import Report, Trial, TrialState

Make = Callable[..., Trial]


def test_a_run_is_created_once_and_found_again(url: str) -> None:
    definition = {"seed": 3, "objectives": {"b": "max", "a": "min"}, "space": "{ as it is }"}
    assert not Store.exists(url, "digits")
    with Store.create(url, definition, "digits") as store:
        run_id, created = store.run_id, store.created
    for same in (url,) if "://" in url else (url, Path(url), f"sqlite:///{url}"):
        assert Store.exists(same, "digits")
        with Store.open(same) as store:
            assert (store.name, store.run_id, store.created) == ("digits", run_id, created)
            assert store.definition() == definition_texts(definition)
            assert store.definition()["objectives"] == '{"a": "min", "b": "max"}'
            assert store.definition()["space"] == "{ as it is }"
            assert store.trials() == []
            assert store.current_epoch() is None
            assert store.ended() is None


def test_a_run_that_is_there_is_not_begun_again(store: Store, url: str) -> None:
    with pytest.raises(StoreError, match=r"(search\.db exists|/runs\d+ has a run 'digits') already: open it"):
        Store.create(url, {"seed": 4}, "digits")
    assert store.definition()["seed"] == "3"
    assert store.name == "digits"


def test_a_run_of_another_name_is_not_opened(store: Store, url: str) -> None:
    with pytest.raises(StoreError, match=r"has no run 'other', but 'digits': use that name, or"):
        Store.open(url, name="other")


def test_two_runs_have_two_ids(tmp_path: Path) -> None:
    ids = {Store.create(tmp_path / f"{i}.db", {}, "same").run_id for i in range(2)}
    assert len(ids) == 2


def test_a_definition_that_is_not_json_leaves_nothing_behind(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the definition's 'space' cannot be stored: .* use plain JSON data"):
        Store.create(url, {"space": object()}, "digits")
    assert list(tmp_path.iterdir()) == []
    assert not Store.exists(url, "digits")


def test_what_may_change_is_changed_under_the_epoch(store: Store) -> None:
    epoch = store.new_epoch("first")
    store.update_definition(epoch, {"max_trials": 40})
    store.update_definition(epoch, {"max_trials": 80, "resources": {"num_cpus": 1}})
    assert store.definition() == {
        "seed": "3",
        "space": '{"labels": []}',
        "max_trials": "80",
        "resources": '{"num_cpus": 1}',
    }
    store.new_epoch("second")
    with pytest.raises(StaleEpochError):
        store.update_definition(epoch, {"max_trials": 1})
    assert store.definition()["max_trials"] == "80"


def test_trials_and_sources_are_read_as_they_were_written(store: Store, make: Make, make_failed: Make) -> None:
    epoch = store.new_epoch("me")
    trials = [make(0), make_failed(1), make(2, twin=0), make(3, note={"bracket": [1, {"rung": None}]})]
    store.commit(epoch, trials, {"a": "class Model: …\n", "b": ""})
    assert store.trials() == trials
    assert [store.trial(t.number) for t in trials] == trials
    assert (store.source("a"), store.source("b"), store.source("c")) == ("class Model: …\n", "", None)


def test_trials_come_by_number_whatever_the_order_of_their_commits(store: Store, make: Make) -> None:
    epoch = store.new_epoch("me")
    for number in (4, 0, 2, 3, 1):
        store.commit(epoch, [make(number)])
    store.commit(epoch, [make(2, seconds=5.0)])
    assert [trial.number for trial in store.trials()] == [0, 1, 2, 3, 4]


def test_a_sample_keeps_the_order_of_its_labels(store: Store, make: Make) -> None:
    trial = make(0, metrics={"z": 1.0, "a": 2.0})
    assert list(trial.sample) != sorted(trial.sample)
    store.commit(store.new_epoch("me"), [trial])
    assert list(store.trial(0).sample) == list(trial.sample)
    assert list(store.trial(0).metrics) == ["z", "a"]


def test_a_source_is_stored_once(store: Store) -> None:
    epoch = store.new_epoch("me")
    store.commit(epoch, sources={"a": "first"})
    store.commit(epoch, sources={"a": "second", "b": "other"})
    assert (store.source("a"), store.source("b")) == ("first", "other")


def test_a_brief_list_leaves_out_what_is_long(store: Store, make: Make, make_failed: Make) -> None:
    store.commit(store.new_epoch("me"), [make(0), make_failed(1)])
    assert store.trials(brief=True) == [replace(make(0), reports=()), replace(make_failed(1), detail="")]


def test_a_trial_that_is_not_there(store: Store) -> None:
    with pytest.raises(StoreError, match=r"(search\.db|/runs\d+) has no trial 7"):
        store.trial(7)


def test_states_are_counted(store: Store, make: Make, make_failed: Make) -> None:
    running = make(3, state=TrialState.RUNNING, order=None, metrics={})
    store.commit(store.new_epoch("me"), [make(0), make(1), make_failed(2), running])
    counts = store.count_by_state()
    assert set(counts) == set(TrialState)
    assert {state: n for state, n in counts.items() if n} == {
        TrialState.FINISHED: 2,
        TrialState.FAILED: 1,
        TrialState.RUNNING: 1,
    }


def test_a_new_attempt_replaces_the_reports_of_the_one_before(store: Store, make: Make) -> None:
    """Also where nothing was committed between the two, and with the same number after the engine has begun anew."""
    epoch = store.new_epoch("me")
    first = make(0, state=TrialState.RUNNING, metrics={}, order=None)
    other = tuple(replace(report, metrics={"loss": float(report.step)}) for report in first.reports)
    longer = (*other, replace(other[0], step=8))
    for again in (replace(first, attempts=2, reports=longer), replace(first, started=1.0, reports=longer)):
        store.commit(epoch, [first])
        store.commit(epoch, [again])
        assert store.trials() == [again]
        store.commit(epoch, [replace(again, reports=other[:1])])
        assert store.trials() == [replace(again, reports=other[:1])]


def test_an_old_epoch_writes_nothing(store: Store, url: str, make: Make) -> None:
    first = store.new_epoch("first")
    store.commit(first, [make(0)])
    with Store.open(url) as other:
        second = other.new_epoch("second")
        assert second > first
        for write in (
            lambda: store.commit(first, [make(1)], {"a": "text"}),
            lambda: store.commit(first),
            lambda: store.finish(first, "max_trials reached"),
        ):
            with pytest.raises(StaleEpochError, match=r": a newer writer .* 'digits'; this one \(epoch 1\)"):
                write()
        assert (other.trials(), other.source("a"), other.ended()) == ([make(0)], None, None)
        other.commit(second, [make(1)])
    third = store.new_epoch("third")
    new_words = make(2, key=replace(make(2).key, evaluator="another"), metrics={})
    store.commit(third, [new_words])
    assert store.trials() == [make(0), make(1), new_words]


def test_an_epoch_that_was_never_given_writes_nothing(store: Store, make: Make) -> None:
    epoch = store.new_epoch("me")
    with pytest.raises(StaleEpochError):
        store.commit(epoch + 1, [make(0)])
    assert store.trials() == []


def test_the_epoch_tells_its_owner_and_beats(store: Store) -> None:
    number = store.new_epoch("host:42")
    begun = store.current_epoch()
    assert begun is not None
    assert (begun.number, begun.owner) == (number, "host:42")
    assert begun.heartbeat == begun.started
    store.commit(number)
    now = store.current_epoch()
    assert now is not None
    assert now.heartbeat > begun.heartbeat
    assert now.started == begun.started


def test_an_end_is_remembered_until_the_run_goes_on(store: Store, url: str) -> None:
    store.finish(store.new_epoch("me"), "max_trials reached")
    with Store.open(url, readonly=True) as reader:
        assert reader.ended() == "max_trials reached"
    store.new_epoch("me")
    assert store.ended() is None


def test_a_note_that_is_not_json_is_refused_by_name_and_writes_nothing(store: Store, make: Make) -> None:
    epoch = store.new_epoch("me")
    bad = make(1, note={"when": {1, 2}}, key=replace(make(1).key, evaluator="new"))
    with pytest.raises(StoreError, match=r"trial 1's note cannot be stored: .*set.*; use plain JSON data"):
        store.commit(epoch, [make(0), bad])
    assert store.trials() == []
    good = replace(bad, note={})
    store.commit(epoch, [make(0), good])
    assert store.trials() == [make(0), good]


def test_a_report_that_is_no_number_is_refused_by_name(store: Store, make: Make) -> None:
    for value in ("high", 10**400):
        with pytest.raises(StoreError, match=r"trial 1's report cannot be stored: .*; report numbers"):
            store.commit(store.new_epoch("me"), [make(1, reports=(Report(0, {"loss": value}),))])
    assert store.trials() == []


def test_a_value_that_no_column_holds_is_refused_and_writes_nothing(store: Store, make: Make) -> None:
    epoch = store.new_epoch("me")
    for bad in (make(2**70), make(0, weights="\ud800")):
        with pytest.raises(StoreError, match=r"(search\.db|/runs\d+): a value cannot be stored"):
            store.commit(epoch, [make(1), bad])
    assert store.trials() == []


def test_attachments_are_bytes_that_nobody_unpickles(url: str) -> None:
    payload = b"\x80\x04cbuiltins\nexec\n(S'raise SystemExit(3)'\ntR."
    with Store.create(url, {}, "digits", attachments={"evaluator": payload}) as store:
        kept = store.attachment("evaluator")
        assert (kept.name, kept.data, kept.run_id) == ("evaluator", payload, store.run_id)
        store.attach("evaluator", b"other")
        store.attach("space", b"")
        assert store.attachment("evaluator").data == b"other"
        assert store.attachment("evaluator").digest != kept.digest
        assert store.attachment("space").data == b""
        with pytest.raises(StoreError, match=r"(search\.db|/runs\d+) has no attachment 'data'"):
            store.attachment("data")


def test_a_reader_writes_nothing(store: Store, url: str) -> None:
    epoch = store.new_epoch("me")
    with Store.open(url, readonly=True) as reader:
        for write in (
            lambda: reader.commit(epoch),
            lambda: reader.new_epoch("me"),
            lambda: reader.attach("a", b""),
            lambda: reader.finish(epoch, ""),
            lambda: reader.update_definition(epoch, {}),
        ):
            with pytest.raises(StoreError, match="opened for reading only"):
                write()


def test_neither_torch_nor_ray_is_needed() -> None:
    program = "import sys, raynas.store; sys.exit(len({'torch', 'ray'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
