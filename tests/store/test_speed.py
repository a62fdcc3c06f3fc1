from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from raynas.store import Store
from raynas.trial import Trial


@pytest.mark.slow
@pytest.mark.parametrize("brief", [False, True])
def test_trials_are_read_about_as_fast_as_json_lines(path: Path, make: Callable[..., Trial], brief: bool) -> None:
    with Store.create(path, {}, "digits") as store:
        store.commit(store.new_epoch("me"), [make(number) for number in range(20_000)])
    with Store.open(path, readonly=True) as store:
        lines = [json.dumps({**asdict(t), "sample": dict(t.sample)}) for t in store.trials(brief=brief)]

        def seconds(read: Callable[[], object]) -> float:
            begun = time.perf_counter()
            read()
            return time.perf_counter() - begun

        ours = min(seconds(lambda: store.trials(brief=brief)) for _ in range(3))
        parsing = min(seconds(lambda: [json.loads(line) for line in lines]) for _ in range(3))
    assert ours <= 2 * parsing
