from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from raynas.engine import ExecutionEngine, Resources, Workplace
from raynas.engine.local_engine import LocalEngine
from raynas.errors import ResourceError
from raynas.testing.engine_contract import EngineContract, job


class TestLocalEngine(EngineContract):
    @contextmanager
    def engine(self, place: Workplace) -> Iterator[ExecutionEngine]:
        made = LocalEngine(place)
        yield made
        made.close()


def test_it_works_in_the_calling_thread_with_the_threads_it_is_given(tmp_path: Path) -> None:
    seen: list[object] = []

    def look(model: nn.Module) -> Mapping[str, float]:
        seen.extend([threading.current_thread(), torch.get_num_threads()])
        return {"score": 1.0}

    _here[0] = look
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        engine = LocalEngine(Workplace(str(tmp_path), trust=(__name__,), threads=1))
        engine.submit(job(call_here))
        engine.wait(seen.append, None)
        assert seen[1:3] == [threading.current_thread(), 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


_here: dict[int, Callable[[nn.Module], Mapping[str, float]]] = {}


def call_here(model: nn.Module) -> Mapping[str, float]:
    return _here[0](model)


def test_it_refuses_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ResourceError, match="no GPU here"):
        LocalEngine(Workplace(str(tmp_path)), Resources(num_gpus=1))
